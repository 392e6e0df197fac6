//! When a user is idle: what a site's records of activity are worth. Each case is a way in which a timestamp is old while its
//! user is working.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;

use crate::harness::{
    Curfew, Django, Engine, Person, Plan, Seeded, Site, active, listed, names, of, overdue, person,
    setting, sorted,
};

const HOUR: u32 = 3_600;

/// Working for hours on a site that saves no session after the sign-in.
fn recorded(username: &str, ago: u32) -> Person {
    let since = ago + 3 * HOUR;
    person(username)
        .activity(ago)
        .login(since)
        .flag()
        .session(since)
}

/// A sweep that is held, with this code. Nobody goes.
async fn held(site: &Site, curfew: &Curfew, args: &[&str], code: &str) -> String {
    let before = (site.db.sessions().await, site.flagged().await);
    let ran = curfew.json(args).await;
    assert_eq!(ran.status, 3, "{args:?}: {ran:#?}");
    let (said, message) = ran.error();
    assert_eq!(said, code, "{args:?}: {message}");
    let after = (site.db.sessions().await, site.flagged().await);
    assert_eq!(after, before, "{args:?}");
    message
}

async fn hourly(engine: Engine) -> Site {
    let plan = Site::on(Django::V52, engine).setting("SITE_ACTIVITY_EVERY", "3600");
    plan.start().await
}

#[tokio::test]
async fn a_user_who_works_on_a_site_that_records_activity_hourly_is_not_swept() {
    for engine in [Engine::Postgres, Engine::Mysql, Engine::Sqlite] {
        let site = hourly(engine).await;
        let people = [
            recorded("ana", 3_000),
            recorded("ben", 2_500),
            recorded("cem", 5 * HOUR),
        ];
        let seeded = site.seed(&people).await;
        let mut browser = site.browser(&seeded.key("ana"));
        let curfew = site.curfew();
        // Ana is at work, and her record is 50 minutes old.
        assert_eq!(browser.whoami().await.as_deref(), Some("ana"));
        let message = held(&site, &curfew, &["sweep", "--force"], "learning").await;
        assert!(message.contains("activity_grain"), "{message}");
        let preview = curfew.done(&["sweep", "--dry-run"]).await;
        assert_eq!(names(&preview), listed(["ana", "ben", "cem"]));
        assert_eq!(preview["held_code"], "learning", "{preview:#}");

        let stated = ["sweep", "--activity-grain", "1h"];
        held(&site, &curfew, &stated, "coarse_grain").await;
        let long = [&stated[..], &["--sign-out-after", "2h"]].concat();
        let report = curfew.done(&long).await;
        assert_eq!(names(&report), ["cem"], "{engine:?}");
        assert_eq!(browser.whoami().await.as_deref(), Some("ana"));
    }
}

#[tokio::test]
async fn saves_that_the_records_missed_contradict_a_stated_grain() {
    let site = hourly(Engine::Postgres).await;
    let names = ["ana", "ben", "cem"];
    let seeded = site.seed(&names.map(|name| recorded(name, 3_000))).await;
    for name in names {
        site.browser(&seeded.key(name)).get("touch").await;
    }
    site.seed(&[recorded("dee", 8_000)]).await;
    let stated = ["sweep", "--activity-grain", "1m"];
    let message = held(&site, &site.curfew(), &stated, "contradicted").await;
    assert!(message.contains("3 users"), "{message}");
    let check = check(&site.curfew(), "grain").await;
    assert_eq!(check["ok"], false, "{check:#}");
}

#[tokio::test]
async fn records_of_full_hours_are_coarse_at_once() {
    let site = Site::start().await;
    site.seed(&[recorded("ana", 60), recorded("ben", 3 * HOUR)])
        .await;
    let sql = "UPDATE accounts_customuser SET last_activity = date_trunc('hour', last_activity) - interval '1 hour'";
    site.db.execute(sql).await;
    held(&site, &site.curfew(), &["sweep"], "coarse_grain").await;
}

#[tokio::test]
async fn two_records_of_one_user_in_two_runs_prove_the_grain_between_them() {
    for engine in [Engine::Postgres, Engine::Mysql, Engine::Sqlite] {
        let site = Site::on(Django::V52, engine).start().await;
        let seeded = site
            .seed(&[recorded("ana", 900), recorded("cem", 7_200)])
            .await;
        let curfew = site.curfew();
        held(&site, &curfew, &["sweep"], "learning").await;
        let check = check(&curfew, "grain").await;
        assert_eq!(check["ok"], false, "{check:#}");
        site.browser(&seeded.key("ana")).whoami().await;
        let report = curfew.done(&["sweep"]).await;
        assert_eq!(names(&report), ["cem"], "{engine:?}");
        // The limit of 35 minutes is stretched by the step, 15 minutes.
        let time =
            |key: &str| -> jiff::Timestamp { report[key].as_str().unwrap().parse().unwrap() };
        let limit = time("at").duration_since(time("cutoff")).as_secs();
        assert!((3_000..3_060).contains(&limit), "{limit}");
    }
}

#[tokio::test]
async fn a_user_whose_sources_disagree_is_held_back_with_both_times() {
    let site = Site::start().await;
    let mut people: Vec<Person> = (0..10).map(|n| active(&format!("here{n}"))).collect();
    let missed = person("ana")
        .activity(9_000)
        .login(90_000)
        .flag()
        .session(4_000);
    people.extend([missed, overdue("cem"), overdue("dee")]);
    site.seed(&people).await;
    let ahead = "UPDATE accounts_customuser SET last_login = now() + interval '2 days' WHERE username = 'dee'";
    site.db.execute(ahead).await;
    let report = site.curfew().done(&["sweep"]).await;
    assert_eq!(names(&report), ["cem"]);
    assert_eq!(sorted(&report["skipped"]), listed(["ana", "dee"]));
    for skipped in report["skipped"].as_array().unwrap() {
        let why = skipped["why"].as_str().unwrap();
        assert!(
            why.contains("disagrees") && why.matches("Z").count() == 2,
            "{why}"
        );
    }
}

#[tokio::test]
async fn saved_every_request_is_believed_only_where_saves_are_later_than_sign_ins() {
    let site = Site::on(Django::V52, Engine::Postgres)
        .users("auth")
        .start()
        .await;
    let seeded = site
        .seed(&[
            person("ana").login(90_000).session(90_000),
            person("ben").login(80_000).session(80_000),
        ])
        .await;
    let curfew = site.configured(
        "[[site]]\nname = \"shop\"\nurl = \"{url}\"\narmed = true\n\
         [site.sessions]\nsaved_every_request = true\n",
    );
    // Ana works all the time, and no request of hers saves the session.
    site.browser(&seeded.key("ana")).whoami().await;
    let ran = curfew.json(&["sweep"]).await;
    assert_eq!(
        (ran.status, ran.error().0.as_str()),
        (3, "contradicted"),
        "{ran:#?}"
    );
    assert_eq!(site.names(&seeded.keys("ana")).await, [Some("ana".into())]);
}

/// A check of the doctor whose name holds this word; the last one.
async fn check(curfew: &Curfew, word: &str) -> Value {
    let document = curfew.json(&["doctor"]).await.document();
    let checks = document["checks"].as_array().unwrap().clone();
    let mut found = checks.into_iter().rev();
    let named = |check: &Value| check["name"].as_str().unwrap().contains(word);
    found
        .find(named)
        .unwrap_or_else(|| panic!("no check of {word}: {document:#}"))
}

/// Somebody who sends a request every 100 ms, until told to stop.
fn works(
    site: &Arc<Site>,
    seeded: &Seeded,
    name: &str,
) -> (Arc<AtomicBool>, tokio::task::JoinHandle<()>) {
    let over = Arc::new(AtomicBool::new(false));
    let (site, key, done) = (site.clone(), seeded.key(name), over.clone());
    let work = tokio::spawn(async move {
        let mut browser = site.browser(&key);
        while !done.load(Ordering::Relaxed) {
            browser.whoami().await;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    (over, work)
}

/// The site's clock is this much off; the database's and Curfew's are right.
fn clock_off(plan: Plan, off: &str) -> Plan {
    plan.setting("LD_PRELOAD", &setting("CURFEW_TEST_LIBFAKETIME"))
        .setting("FAKETIME", off)
        .setting("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .setting("DONT_FAKE_MONOTONIC", "1")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_clock_that_is_ahead_of_the_sites_signs_nobody_out() {
    let plan = clock_off(Site::on(Django::V52, Engine::Postgres), "-40m");
    let site = Arc::new(plan.start().await);
    let seeded = site
        .seed(&[active("ana"), active("ben"), overdue("cem")])
        .await;
    let (over, work) = works(&site, &seeded, "ana");
    // A run that has seen nothing yet sees ana's record move to a time that is long over.
    let message = held(&site, &site.curfew(), &["sweep", "--force"], "clock_skew").await;
    assert!(
        message.contains("39m") || message.contains("40m"),
        "{message}"
    );
    over.store(true, Ordering::Relaxed);
    work.await.unwrap();
    let found = check(&site.curfew(), "clock of the records").await;
    assert_eq!(found["ok"], false, "{found:#}");

    // Nobody is at work, and this machine's clock is the site's: two witnesses against the database.
    let same = site
        .curfew()
        .env("CURFEW_STATE_DIR", &site.folder("fresh-state"))
        .env("LD_PRELOAD", &setting("CURFEW_TEST_LIBFAKETIME"))
        .env("FAKETIME", "-40m")
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .env("DONT_FAKE_MONOTONIC", "1");
    let message = held(&site, &same, &["sweep"], "clock_skew").await;
    assert!(message.contains("ahead of"), "{message}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_that_a_watcher_sees_is_activity_whatever_its_timestamp_says() {
    let site = Site::start().await;
    site.seed(&[overdue("ana"), overdue("ben"), active("cem")])
        .await;
    let mut running =
        site.curfew()
            .spawn(&["--json", "sweep", "--every", "1s", "--sign-out-after", "3h"]);
    let next = async |running: &mut crate::harness::Running| -> Value {
        serde_json::from_str(&running.line(Duration::from_secs(10)).await).unwrap()
    };
    assert_eq!(names(&next(&mut running).await), [""; 0]);
    // Her request is recorded with a time of half an hour after the last, more than an hour ago.
    let sql = "UPDATE accounts_customuser SET last_activity = last_activity + interval '30 minutes' WHERE username = 'ana'";
    site.db.execute(sql).await;
    next(&mut running).await;
    next(&mut running).await;
    running.signal(rustix::process::Signal::TERM);
    running.end(Duration::from_secs(10)).await;
    // What the timer saw, a later run knows: the sweep is held, because the record came late.
    held(&site, &site.curfew(), &["sweep"], "clock_skew").await;
}

#[tokio::test]
async fn a_flag_stays_up_while_anything_shows_its_user_here() {
    for engine in [Engine::Postgres, Engine::Mysql, Engine::Sqlite] {
        let site = Site::on(Django::V52, engine).start().await;
        // Ana works by token: recorded, and without a session.
        let ana = person("ana").activity(20).flag();
        site.seed(&[
            ana,
            active("ben"),
            overdue("cem"),
            overdue("dee").no_session(),
        ])
        .await;
        let users = site.curfew().done(&["users"]).await;
        assert_eq!(of(&users, "ana")["state"], "stale");
        let report = site.curfew().done(&["sweep"]).await;
        assert_eq!(names(&report), listed(["cem", "dee"]), "{engine:?}");
        assert_eq!(site.flagged().await, listed(["ana", "ben"]));
    }
}

#[tokio::test]
async fn many_flags_are_asked_about_and_flags_of_hidden_sessions_stay_up() {
    let site = Site::start().await;
    let people = (0..44).map(|n| match n < 22 {
        true => active(&format!("here{n:02}")),
        false => overdue(&format!("gone{n:02}")).no_session(),
    });
    site.seed(&people.collect::<Vec<_>>()).await;
    // Few sites have so many flags to clear at once.
    let share = "[[site]]\nname = \"shop\"\nurl = \"{url}\"\narmed = true\n[site.policy]\nmax_share = 0.4\n";
    held(&site, &site.configured(share), &["sweep"], "too_many").await;

    // With every row hidden, each of these flags may be right.
    site.db
        .execute("ALTER TABLE django_session ENABLE ROW LEVEL SECURITY")
        .await;
    let stated = ["sweep", "--activity-grain", "1m", "--force"];
    let ran = site.curfew().json(&stated).await;
    assert_eq!(ran.status, 4, "{ran:#?}");
    assert_eq!(site.flagged().await.len(), 44);
}

//! What happens at the same time: people who come back while a sweep runs, two sweepers, a request under way
//! at the moment of its logout.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use reqwest::StatusCode;
use serde_json::Value;

use crate::harness::{Django, Engine, Person, Seeded, Site, active, of, overdue, sorted};

/// So many that a sweep takes more than one batch.
const CROWD: usize = 600;

fn name(number: usize) -> String {
    format!("person{number:04}")
}

async fn crowd(site: &Site, size: usize) -> HashMap<String, String> {
    let people: Vec<Person> = (0..size).map(|n| overdue(&name(n))).collect();
    let seeded = site.seed(&people).await;
    (0..size).map(|n| (name(n), seeded.key(&name(n)))).collect()
}

/// Comes back as the middleware has it: the activity is written and committed. True where the session was
/// still there afterwards, and so has to stay.
async fn comes_back(site: &Site, name: &str, key: &str) -> bool {
    let update = format!(
        "UPDATE accounts_customuser SET last_activity = clock_timestamp(), \"isCurrentlyActive\" = true \
         WHERE username = '{name}'"
    );
    assert_eq!(site.db.execute(&update).await, 1);
    let look = format!("SELECT count(*) FROM django_session WHERE session_key = '{key}'");
    site.db.int(&look).await == 1
}

/// A crowd is swept while its people come back, from the last to the first and from the middle. Returns
/// how many came back in time, and how many did not.
async fn come_back_while_it_sweeps(
    site: Arc<Site>,
    keys: Arc<HashMap<String, String>>,
) -> (usize, usize) {
    let over = Arc::new(AtomicBool::new(false));
    let returners: Vec<_> = (0..4)
        .map(|lane| {
            let (site, keys, over) = (site.clone(), keys.clone(), over.clone());
            tokio::spawn(async move {
                let mut back = Vec::new();
                // A sweep that has just begun refreshes a second time before it acts.
                tokio::time::sleep(Duration::from_secs(2)).await;
                // Each lane has people of its own, spread over the whole crowd. Every fourth stays away, and
                // the others come one by one, so that they meet the sweep and not only its plan.
                for step in 0..CROWD / 4 * 3 / 4 {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                    let number = (step * 7 + 3) % (CROWD / 4) * 4 + lane;
                    if over.load(Ordering::Relaxed) {
                        break;
                    }
                    let (who, key) = (name(number), &keys[&name(number)]);
                    let stays = comes_back(&site, &who, key).await;
                    back.push((who, stays));
                }
                back
            })
        })
        .collect();
    let report = site.curfew().done(&["sweep", "--force"]).await;
    over.store(true, Ordering::Relaxed);

    let reported = sorted(&report["users"]);
    let alive = site
        .db
        .texts("SELECT session_key FROM django_session")
        .await;
    let flagged = site.flagged().await;
    let (mut stayed, mut late) = (0, 0);
    for lane in returners {
        for (who, stays) in lane.await.unwrap() {
            if !stays {
                late += 1;
                continue;
            }
            stayed += 1;
            assert!(
                alive.contains(&keys[&who]),
                "{who} came back and was signed out"
            );
            assert!(
                flagged.contains(&who),
                "{who} came back and is marked as gone"
            );
            assert!(
                !reported.contains(&who),
                "{who} came back and is reported as signed out"
            );
        }
    }
    assert_eq!(report["sessions_deleted"], CROWD - alive.len());
    assert_eq!(report["sessions_deleted"], reported.len());
    (stayed, late)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_who_comes_back_while_a_sweep_runs_is_signed_out() {
    let site = Arc::new(Site::start().await);
    let (mut stayed, mut swept) = (0, 0);
    for _ in 0..8 {
        site.db.execute("DELETE FROM django_session").await;
        site.db.execute("DELETE FROM accounts_customuser").await;
        let keys = Arc::new(crowd(&site, CROWD).await);
        let (stay, late) = come_back_while_it_sweeps(site.clone(), keys).await;
        stayed += stay;
        swept += CROWD - stay - late;
    }
    // The race was one: some were faster than the sweep, and some did not come back at all.
    assert!(stayed > 20, "only {stayed} came back in time");
    assert!(swept > 20, "only {swept} were left to the sweep");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_who_browses_while_sweeps_go_on_stays_signed_in() {
    for engine in [Engine::Postgres, Engine::Sqlite] {
        let site = Arc::new(Site::on(Django::V52, engine).start().await);
        site.seed(&[active("ana")]).await;
        let mut browser = site.sign_in("ana").await;
        let over = Arc::new(AtomicBool::new(false));
        let done = over.clone();
        let browsing = tokio::spawn(async move {
            let mut pages = 0;
            while !done.load(Ordering::Relaxed) {
                let (status, answer) = browser.get("touch").await;
                assert_eq!(status, StatusCode::OK, "page {pages}");
                assert_eq!(answer["username"], "ana", "page {pages}");
                pages += 1;
            }
            pages
        });
        // Overdue after a second: only the requests themselves keep ana in.
        let curfew = site.curfew();
        let limits = [
            "sweep",
            "--force",
            "--idle-after",
            "1s",
            "--sign-out-after",
            "2s",
        ];
        for round in 0..8 {
            site.seed(&[overdue(&name(round))]).await;
            let report = curfew.done(&limits).await;
            assert_eq!(sorted(&report["users"]), [name(round)], "{engine:?}");
        }
        over.store(true, Ordering::Relaxed);
        assert!(browsing.await.unwrap() > 20, "{engine:?}");
    }
}

#[tokio::test]
async fn two_sweepers_at_once_report_each_deletion_once() {
    let site = Site::start().await;
    for round in 0..4 {
        site.db.execute("DELETE FROM django_session").await;
        site.db.execute("DELETE FROM accounts_customuser").await;
        let people: Vec<Person> = (0..400)
            .map(|n| match n % 5 {
                0 => overdue(&name(n)).session(9000),
                1 => overdue(&name(n)).unflagged(),
                2 => overdue(&name(n)).no_session(),
                _ => overdue(&name(n)),
            })
            .collect();
        site.seed(&people).await;
        let sessions = site.db.sessions().await;
        let flagged = site.flagged().await.len();

        let curfew = site.curfew();
        let other = curfew
            .clone()
            .env("CURFEW_STATE_DIR", &site.folder("other-state"));
        let force = ["sweep", "--force"];
        let (one, two) = tokio::join!(curfew.done(&force), other.done(&force));

        let sum = |key: &str| one[key].as_u64().unwrap() + two[key].as_u64().unwrap();
        assert_eq!(
            sum("sessions_deleted"),
            u64::try_from(sessions).unwrap(),
            "round {round}"
        );
        assert_eq!(
            sum("users_marked"),
            u64::try_from(flagged).unwrap(),
            "round {round}"
        );
        assert_eq!(site.db.sessions().await, 0);
        assert!(site.flagged().await.is_empty());
        let (counted, times) = tally(&[&one, &two]);
        for number in 0..400 {
            let who = name(number);
            let expected = [2, 1, 0, 1, 1][number % 5];
            assert_eq!(counted[&who], expected, "round {round}: sessions of {who}");
            // Who has one thing to lose is reported once. Two sessions may fall to two sweepers.
            assert!(
                times[&who] == 1 || number % 5 == 0,
                "round {round}: {who} twice"
            );
        }
    }
}

/// Sessions per person over several reports, and in how many of them each is.
fn tally(reports: &[&Value]) -> (BTreeMap<String, u64>, BTreeMap<String, u32>) {
    let (mut sessions, mut times) = (BTreeMap::new(), BTreeMap::new());
    for report in reports {
        for name in sorted(&report["users"]) {
            let own = of(report, &name)["sessions"].as_u64().unwrap();
            *sessions.entry(name.clone()).or_default() += own;
            *times.entry(name).or_default() += 1;
        }
    }
    (sessions, times)
}

#[tokio::test]
async fn a_request_under_way_at_its_logout_does_not_bring_the_session_back() {
    for (django, engine) in [
        (Django::V42, Engine::Postgres),
        (Django::V52, Engine::Sqlite),
    ] {
        let site = Site::on(django, engine).start().await;
        let seeded: Seeded = site.seed(&[active("ana").no_session()]).await;
        let mut browser = site.sign_in("ana").await;
        let under_way = site.slow(&browser, "upload").await;

        let id = format!("id:{}", seeded.id("ana"));
        let report = site.curfew().done(&["logout", &id]).await;
        assert_eq!(report["outcome"], "signed_out");
        let (status, _) = under_way.go().await;

        assert_eq!(status, StatusCode::BAD_REQUEST, "its save finds no row");
        assert_eq!(site.db.sessions().await, 0);
        assert_eq!(browser.whoami().await, None);
    }
}

#[tokio::test]
async fn a_request_let_go_during_the_verification_does_not_bring_the_session_back() {
    let site = Site::start().await;
    site.seed(&[active("ana").no_session()]).await;
    let mut browser = site.sign_in("ana").await;
    let under_way = site.slow(&browser, "upload").await;
    let curfew = site.curfew();
    let logout = tokio::spawn(async move { curfew.done(&["logout", "ana"]).await });
    crate::harness::until(
        "the row is gone",
        std::time::Duration::from_secs(20),
        || async { site.db.sessions().await == 0 },
    )
    .await;
    under_way.go().await;
    let report = logout.await.unwrap();
    assert_eq!(report["outcome"], "signed_out");
    assert_eq!(report["verified"], true);
    assert_eq!(browser.whoami().await, None);
}

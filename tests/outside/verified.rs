//! "Verified" is said only where everything was checked that can let the user in. Each case asks Django itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::harness::{
    Cache, Curfew, Django, Engine, Plan, ROLE, SessionEngine, Site, active, names, overdue, person,
};

/// This site by its address alone, with nothing stated about its sessions.
fn by_address(site: &Site) -> Curfew {
    site.curfew().site(&site.db.url()).engine_unstated()
}

fn codes(report: &Value) -> Vec<&str> {
    let doubts = report["doubts"].as_array().unwrap();
    doubts.iter().map(|d| d["code"].as_str().unwrap()).collect()
}

/// Runs `curfew`, which must say that the result is not verified.
async fn not_verified(curfew: &Curfew, args: &[&str], code: &str) -> Value {
    let ran = curfew.json(args).await;
    assert_eq!(ran.status, 4, "{args:?}: {ran:#?}");
    let report = ran.document();
    assert_eq!(report["verified"], false, "{report:#}");
    let found = codes(&report);
    assert!(found.contains(&code), "{code} is not in {report:#}");
    report
}

/// The doctor fails, in the check of this name, and says what to do.
async fn doctor_fails(curfew: &Curfew, name: &str) {
    let ran = curfew.json(&["doctor"]).await;
    assert_eq!(ran.status, 1, "{ran:#?}");
    let document = ran.document();
    let checks = document["checks"].as_array().unwrap();
    let check = checks
        .iter()
        .find(|c| c["name"] == name && c["ok"] == false);
    let check = check.unwrap_or_else(|| panic!("no failed {name} in {document:#}"));
    assert!(check["fix"].is_string(), "{check:#}");
}

#[tokio::test]
async fn with_an_unknown_engine_nothing_is_verified() {
    let plan = Site::on(Django::V52, Engine::Postgres).sessions(SessionEngine::CachedDb);
    let site = plan.cache(Cache::Redis).start().await;
    site.seed(&[person("ana"), overdue("cem")]).await;
    let mut browser = site.sign_in("ana").await;
    let curfew = by_address(&site);

    let text = curfew.run(&["users"]).await.stdout;
    assert!(text.contains("SESSION_ENGINE is not known"), "{text}");
    doctor_fails(&curfew, "session engine").await;

    let report = not_verified(&curfew, &["logout", "ana"], "engine_unknown").await;
    assert_eq!(report["outcome"], "unverified", "{report:#}");
    assert_eq!(report["reason_code"], "engine_unknown", "{report:#}");
    // The row is gone, and the copy lets her in.
    assert_eq!(browser.whoami().await.as_deref(), Some("ana"));
    not_verified(&curfew, &["logout", "ana"], "engine_unknown").await;
    let report = not_verified(&curfew, &["sweep"], "engine_unknown").await;
    assert_eq!(names(&report), ["cem"]);
    not_verified(&curfew, &["sweep"], "engine_unknown").await;

    // Stated, the engine needs its cache, and without one nobody is told that it was done.
    let stated = SessionEngine::CachedDb.dotted();
    let args = ["--session-engine", stated, "logout", "ana"];
    let ran = curfew.json(&args).await;
    assert_eq!(ran.status, 3, "{ran:#?}");
    assert_eq!(ran.document()["outcome"], "not_possible");
}

#[tokio::test]
async fn a_stated_engine_is_believed_and_a_configured_cache_shows_one() {
    let site = Site::start().await;
    site.seed(&[active("ana"), active("ben"), active("dee")])
        .await;
    let curfew = by_address(&site);
    let stated = SessionEngine::Db.dotted();
    let report = curfew
        .done(&["--session-engine", stated, "logout", "ana"])
        .await;
    assert_eq!(report["outcome"], "signed_out", "{report:#}");
    assert_eq!(report["reason_code"], "signed_out");
    let variable = curfew.env("CURFEW_SESSION_ENGINE", stated);
    assert_eq!(variable.done(&["logout", "ben"]).await["verified"], true);
    let unstated = site.configured("[[site]]\nname = \"shop\"\nurl = \"{url}\"\narmed = true\n");
    let unstated = unstated.engine_unstated();
    not_verified(&unstated, &["logout", "dee"], "engine_unknown").await;

    let plan = Site::on(Django::V42, Engine::Sqlite).sessions(SessionEngine::CachedDb);
    let site = plan.cache(Cache::Redis).start().await;
    site.seed(&[person("ana"), person("ben")]).await;
    let mut browsers = [site.sign_in("ana").await, site.sign_in("ben").await];
    let cache = site.cache_url().unwrap();
    let toml = format!(
        "[[site]]\nname = \"shop\"\nurl = \"{{url}}\"\narmed = true\n[site.sessions]\ncache = {cache:?}\n"
    );
    let curfew = site.configured(&toml).engine_unstated();
    let ran = curfew.json(&["logout", "ana"]).await;
    let report = ran.document();
    // The row and the copy: only a request under way could bring them back.
    assert_eq!(report["reason_code"], "can_come_back", "{report:#}");
    assert_eq!(browsers[0].whoami().await, None);
    assert_eq!(browsers[1].whoami().await.as_deref(), Some("ben"));
}

/// A configured cache may hold copies of rows, or every session there is. Without a copy that was seen, that is not known.
#[tokio::test]
async fn a_cache_that_shows_no_copy_shows_no_engine() {
    let plan = Site::on(Django::V52, Engine::Sqlite).sessions(SessionEngine::Cache);
    let site = plan.cache(Cache::Redis).start().await;
    site.seed(&[person("ana")]).await;
    let mut browser = site.sign_in("ana").await;
    // An hour later, nothing but the session tells of the user.
    let left = "UPDATE accounts_customuser SET last_login = NULL, last_activity = NULL";
    site.db.execute(left).await;
    let cache = site.cache_url().unwrap();
    let toml = format!(
        "[[site]]\nname = \"shop\"\nurl = \"{{url}}\"\narmed = true\n[site.sessions]\ncache = {cache:?}\n"
    );
    let curfew = site.configured(&toml).engine_unstated();
    not_verified(&curfew, &["logout", "ana"], "engine_unknown").await;
    not_verified(&curfew, &["sweep"], "engine_unknown").await;
    assert_eq!(browser.whoami().await.as_deref(), Some("ana"));
}

#[tokio::test]
async fn sessions_kept_elsewhere_are_not_taken_for_none() {
    let plan = Site::on(Django::V52, Engine::Postgres).sessions(SessionEngine::Cache);
    let site = plan.cache(Cache::Redis).start().await;
    site.seed(&[person("ana"), person("ben"), person("cem")])
        .await;
    let mut browser = site.sign_in("ana").await;
    browser.whoami().await;
    let curfew = by_address(&site);
    let elsewhere = "sessions_elsewhere";
    let document = curfew.done(&["users"]).await;
    assert!(codes(&document).contains(&elsewhere), "{document:#}");
    let text = curfew.run(&["users"]).await.stdout;
    assert!(text.contains("cannot be known"), "{text}");
    doctor_fails(&curfew, "sessions").await;
    not_verified(&curfew, &["logout", "ana"], elsewhere).await;
    not_verified(&curfew, &["sweep"], elsewhere).await;
    assert_eq!(browser.whoami().await.as_deref(), Some("ana"));

    // Even a stated engine is not believed against a crowd of users who are active without a session.
    let stated = curfew.env("CURFEW_SESSION_ENGINE", SessionEngine::Db.dotted());
    for name in ["ben", "cem"] {
        site.sign_in(name).await.whoami().await;
    }
    let report = not_verified(&stated, &["logout", "ana"], elsewhere).await;
    assert_eq!(report["reason_code"], elsewhere, "{report:#}");
    doctor_fails(&stated, "sessions").await;
}

#[tokio::test]
async fn a_large_session_is_its_owners_and_an_opaque_one_is_a_doubt() {
    let site = Site::on(Django::V42, Engine::Postgres).start().await;
    let large = |at: u32| json!({"saved_age": at, "data": {"basket": "apples ".repeat(600_000)}});
    let opaque = json!({"saved_age": 60, "opaque": true});
    let seeded = site
        .seed(&[
            active("ana").session_with(large(40)),
            overdue("cem").no_session().session_with(large(7300)),
            active("eve").unflagged().no_session().session_with(opaque),
        ])
        .await;
    let report = not_verified(&site.curfew(), &["logout", "ana"], "unattributed").await;
    assert_eq!(report["sessions_deleted"], 2, "{report:#}");
    assert_eq!(report["doubts"][0]["count"], 1, "{report:#}");
    assert_eq!(site.names(&seeded.keys("ana")).await, [None, None]);
    let sweep = ["sweep", "--activity-grain", "1m"];
    let report = not_verified(&site.curfew(), &sweep, "unattributed").await;
    assert_eq!(names(&report), ["cem"]);
    assert_eq!(site.names(&seeded.keys("cem")).await, [None]);
}

#[tokio::test]
async fn rows_that_the_role_cannot_see_are_not_taken_for_none() {
    let site = Site::start().await;
    let seeded = site.seed(&[active("ana"), overdue("cem")]).await;
    site.db
        .execute("ALTER TABLE django_session ENABLE ROW LEVEL SECURITY")
        .await;
    let curfew = site.curfew();
    let text = curfew.run(&["users"]).await.stdout;
    assert!(text.contains("Row level security"), "{text}");
    for name in ["row security", "rights"] {
        doctor_fails(&curfew, name).await;
    }
    not_verified(&curfew, &["logout", "ana"], "rows_hidden").await;
    let sweep = ["sweep", "--activity-grain", "1m"];
    not_verified(&curfew, &sweep, "rows_hidden").await;
    assert_eq!(site.flagged().await, ["ana", "cem"]);
    assert_eq!(site.names(&seeded.keys("ana")).await, [Some("ana".into())]);

    // Rows that can be seen, and that a policy does not let go.
    site.db
        .execute("CREATE POLICY look_only ON django_session FOR SELECT USING (true)")
        .await;
    let report = not_verified(&curfew, &["logout", "ana"], "delete_swallowed").await;
    assert_eq!(report["outcome"], "partial", "{report:#}");
    let detail = report["detail"].as_str().unwrap();
    assert!(detail.contains("row level security"), "{detail}");
    doctor_fails(&curfew, "rights").await;

    // With a policy for each command that allows every row, row level security hides nothing and keeps nothing.
    site.db
        .execute("CREATE POLICY may_delete ON django_session FOR DELETE USING (true)")
        .await;
    curfew.done(&["doctor"]).await;
    let report = curfew.done(&["logout", "ana"]).await;
    assert_eq!(report["verified"], true, "{report:#}");
    assert_eq!(site.names(&seeded.keys("ana")).await, [None]);

    // A user whom a policy hides.
    site.db
        .execute("ALTER TABLE accounts_customuser ENABLE ROW LEVEL SECURITY")
        .await;
    doctor_fails(&curfew, "rights").await;
}

#[tokio::test]
async fn a_trigger_that_swallows_deletions_is_named() {
    let site = Site::start().await;
    swallowed(
        &site,
        "CREATE FUNCTION keep_it() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
         CREATE TRIGGER keeps_sessions BEFORE DELETE ON django_session FOR EACH ROW EXECUTE FUNCTION keep_it()",
    )
    .await;
    let site = Site::on(Django::V52, Engine::Sqlite).start().await;
    swallowed(
        &site,
        "CREATE TRIGGER keeps_sessions BEFORE DELETE ON django_session BEGIN SELECT RAISE(IGNORE); END",
    )
    .await;
}

async fn swallowed(site: &Site, trigger: &str) {
    let seeded = site.seed(&[active("ana"), overdue("cem")]).await;
    site.db.execute(trigger).await;
    let curfew = site.curfew();
    let swallowed = "delete_swallowed";
    let report = not_verified(&curfew, &["logout", "ana"], swallowed).await;
    assert_eq!(report["reason_code"], swallowed, "{report:#}");
    let detail = report["detail"].as_str().unwrap();
    assert!(detail.contains("keeps_sessions"), "{detail}");
    let report = not_verified(&curfew, &["sweep"], swallowed).await;
    assert_eq!(names(&report), Vec::<String>::new());
    assert!(report.to_string().contains("keeps_sessions"), "{report:#}");
    for name in ["ana", "cem"] {
        assert_eq!(site.names(&seeded.keys(name)).await, [Some(name.into())]);
    }
}

/// Single sign-on: each request without a session makes a new one.
#[tokio::test]
async fn a_user_who_signs_in_again_by_itself_is_not_signed_out() {
    let rows = Site::start().await;
    let files = Site::on(Django::V52, Engine::Sqlite)
        .sessions(SessionEngine::File)
        .start()
        .await;
    tokio::join!(signs_in_again(rows), signs_in_again(files));
}

async fn signs_in_again(site: Site) {
    site.seed(&[person("ana")]).await;
    let mut browser = site.sign_in("ana").await;
    let curfew = site.curfew();
    let logout = tokio::spawn(async move { curfew.json(&["logout", "ana"]).await });
    while !logout.is_finished() {
        if browser.whoami().await.is_none() {
            tokio::time::sleep(Duration::from_millis(300)).await;
            browser = site.sign_in("ana").await;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let ran = logout.await.unwrap();
    assert_eq!(ran.status, 4, "{ran:#?}");
    let report = ran.document();
    assert_eq!(report["verified"], false, "{report:#}");
    assert_eq!(report["outcome"], "partial", "{report:#}");
    assert_eq!(report["reason_code"], "signed_in_again", "{report:#}");
    assert_eq!(browser.whoami().await.as_deref(), Some("ana"));
}

/// A wire that is reset once, after so many bytes of answers.
async fn reset_after(database: &str, bytes: usize) -> String {
    let mut url = url::Url::parse(database).unwrap();
    let there = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    url.set_host(Some("127.0.0.1")).unwrap();
    url.set_port(Some(listener.local_addr().unwrap().port()))
        .unwrap();
    let left = Arc::new(AtomicI64::new(bytes.try_into().unwrap()));
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            let Ok(far) = TcpStream::connect(&there).await else {
                continue;
            };
            tokio::spawn(pass_until(near, far, left.clone()));
        }
    });
    url.into()
}

async fn pass_until(mut near: TcpStream, mut far: TcpStream, left: Arc<AtomicI64>) {
    let (mut asked, mut answered) = (vec![0; 16 << 10], vec![0; 16 << 10]);
    loop {
        tokio::select! {
            read = near.read(&mut asked) => match read {
                Ok(count) if count > 0 => far.write_all(&asked[..count]).await.unwrap(),
                _ => return,
            },
            read = far.read(&mut answered) => match read {
                Ok(count) if count > 0 => {
                    let before = left.fetch_sub(count as i64, Ordering::Relaxed);
                    if before > 0 && before <= count as i64 {
                        near.set_zero_linger().unwrap();
                        return;
                    }
                    if near.write_all(&answered[..count]).await.is_err() {
                        return;
                    }
                }
                _ => return,
            },
        }
    }
}

/// The connection is reset somewhere in a sign-out of three: whatever is told as verified is so, everybody has a name,
/// and a mixed result is status 4.
#[tokio::test]
async fn after_a_reset_nothing_false_is_told() {
    let site = Site::start().await;
    let cuts = [
        2_000, 5_000, 7_000, 8_000, 9_000, 10_000, 11_000, 12_000, 14_000, 17_000,
    ];
    let trio = |n: usize| ["ana", "ben", "cyd"].map(|name| format!("{name}{n}"));
    let people: Vec<_> = (0..cuts.len())
        .flat_map(trio)
        .map(|name| active(&name))
        .collect();
    let seeded = Arc::new(site.seed(&people).await);
    let site = Arc::new(site);
    let mut runs = JoinSet::new();
    for (n, bytes) in cuts.into_iter().enumerate() {
        let (site, seeded) = (site.clone(), seeded.clone());
        runs.spawn(async move {
            let names = trio(n);
            let url = reset_after(&site.db.url(), bytes).await;
            let curfew = site.curfew().site(&url);
            let [ana, ben, cyd] = &names;
            let ran = curfew.json(&["logout", ana, ben, cyd]).await;
            let document = ran.document();
            let Some(reports) = document["logouts"].as_array() else {
                assert!(document["error"].is_object(), "{document:#}");
                assert_ne!(ran.status, 0, "{ran:#?}");
                return;
            };
            let mut clear = Vec::new();
            for (report, name) in reports.iter().zip(&names) {
                let verified = report["verified"] == true;
                clear.push(verified);
                let in_fact = site.names(&seeded.keys(name)).await;
                assert!(!verified || in_fact == [None], "{bytes}: {report:#}");
                if report["error"].is_null() {
                    assert_eq!(report["user"]["username"], **name, "{bytes}: {report:#}");
                }
            }
            let done = clear.iter().filter(|clear| **clear).count();
            match done {
                3 => assert_eq!(ran.status, 0, "{ran:#?}"),
                0 => assert_ne!(ran.status, 0, "{ran:#?}"),
                _ => assert_eq!(ran.status, 4, "{ran:#?}"),
            }
        });
    }
    runs.join_all().await;
}

/// The session table that Curfew is given is a view.
fn by_view(site: &Site) -> Curfew {
    site.configured(
        "[[site]]\nname = \"shop\"\nurl = \"{url}\"\narmed = true\n[site.sessions]\n\
         engine = \"django.contrib.sessions.backends.db\"\ntable = \"shown_session\"\n",
    )
}

#[tokio::test]
async fn a_view_that_shows_a_part_of_the_sessions_is_no_proof() {
    tokio::join!(part_shown(Engine::Postgres), part_shown(Engine::Mysql));
}

async fn part_shown(engine: Engine) {
    let site = Site::on(Django::V52, engine).start().await;
    let seeded = site
        .seed(&[active("ana").session(40), overdue("cem").no_session()])
        .await;
    let keys = seeded.keys("ana");
    let view = |rows: &str| {
        format!("CREATE OR REPLACE VIEW shown_session AS SELECT * FROM django_session {rows}")
    };
    site.db
        .execute(&view(&format!("WHERE session_key <> '{}'", keys[0])))
        .await;
    let rights = match engine {
        Engine::Mysql => "SELECT, DELETE, SHOW VIEW",
        _ => "SELECT, DELETE",
    };
    site.db.grant(rights, "shown_session").await;
    let curfew = by_view(&site);
    let text = curfew.run(&["users"]).await.stdout;
    assert!(text.contains("shown_session is a view"), "{text}");
    doctor_fails(&curfew, "row security").await;
    let report = not_verified(&curfew, &["logout", "ana"], "rows_hidden").await;
    assert_eq!(report["sessions_deleted"], 1, "{report:#}");
    assert_eq!(site.names(&keys).await, [Some("ana".into()), None]);
    let sweep = ["sweep", "--activity-grain", "1m"];
    not_verified(&curfew, &sweep, "rows_hidden").await;
    assert_eq!(site.flagged().await, ["ana", "cem"]);

    // A view of every row is as good as its table.
    site.db.execute(&view("")).await;
    let report = curfew.done(&["logout", "ana"]).await;
    assert_eq!(report["verified"], true, "{report:#}");
    assert_eq!(site.names(&keys).await, [None, None]);
    if engine == Engine::Mysql {
        // Its text cannot be read, so nothing proves it.
        site.db
            .execute(&format!("REVOKE SHOW VIEW ON shown_session FROM {}", ROLE))
            .await;
        not_verified(&curfew, &["logout", "ana"], "rows_hidden").await;
    }
}

#[tokio::test]
async fn a_trigger_that_refuses_deletions_is_told_in_its_own_words() {
    let site = Site::on(Django::V52, Engine::Mysql).start().await;
    let seeded = site.seed(&[active("ana"), overdue("cem")]).await;
    site.db
        .execute(
            "CREATE TRIGGER keeps_sessions BEFORE DELETE ON django_session FOR EACH ROW
             SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'sessions are kept here'",
        )
        .await;
    let curfew = site.curfew();
    for args in [&["logout", "ana"][..], &["sweep", "--activity-grain", "1m"]] {
        let ran = curfew.json(args).await;
        assert_eq!(ran.status, 1, "{args:?}: {ran:#?}");
        let (_, message) = ran.error();
        assert!(message.contains("sessions are kept here"), "{message}");
    }
    assert_eq!(site.flagged().await, ["ana", "cem"]);
    for name in ["ana", "cem"] {
        assert_eq!(site.names(&seeded.keys(name)).await, [Some(name.into())]);
    }
}

/// Sessions that are larger than what Curfew holds, in each serializer, and one that nobody can read.
#[tokio::test]
async fn a_large_session_names_its_users_in_each_serializer() {
    let on = |django, engine| Site::on(django, engine);
    let rows = on(Django::V42, Engine::Postgres);
    let pickles = on(Django::V52, Engine::Sqlite)
        .sessions(SessionEngine::Cache)
        .cache(Cache::DjangoRedis("pickle", "zlib"));
    let msgpack = on(Django::V52, Engine::Postgres)
        .sessions(SessionEngine::CachedDb)
        .cache(Cache::DjangoRedis("msgpack", "identity"));
    tokio::join!(large_on(rows), large_on(pickles), large_on(msgpack));
}

async fn large_on(plan: Plan) {
    let site = plan.start().await;
    let root = site.seed(&[person("root").superuser()]).await.id("root");
    let acting = json!({
        "basket": "apples ".repeat(300_000),
        "lines": vec![json!({"count": 1, "name": "pears"}); 40_000],
        "hijack_history": [root],
    });
    let mut sessions = vec![json!({"saved_age": 40, "data": acting})];
    if !site.sessions.has_cache() {
        sessions.push(json!({"saved_age": 50, "data": acting, "pickled": true}));
    }
    let mut ana = active("ana").no_session();
    for session in &sessions {
        ana = ana.session_with(session.clone());
    }
    let seeded = site.seed(&[ana]).await;
    let curfew = site.curfew();
    let users = curfew.done(&["users"]).await;
    assert_eq!(users["counts"]["unreadable_sessions"], 0, "{users:#}");
    let ran = curfew.json(&["logout", "root"]).await;
    let report = ran.document();
    assert_eq!(report["sessions_deleted"], sessions.len(), "{report:#}");
    let gone = vec![None; sessions.len()];
    assert_eq!(site.names(&seeded.keys("ana")).await, gone);
}

#[tokio::test]
async fn flags_stay_while_a_session_is_nobodys() {
    let site = Site::on(Django::V42, Engine::Postgres).start().await;
    let opaque = json!({"saved_age": 60, "opaque": true});
    let eve = overdue("eve").no_session().session_with(opaque);
    let seeded = site
        .seed(&[eve, overdue("cem"), overdue("fay").no_session()])
        .await;
    let curfew = site.curfew();
    let sweep = ["sweep", "--activity-grain", "1m"];
    let report = not_verified(&curfew, &sweep, "unattributed").await;
    assert_eq!(names(&report), ["cem"]);
    // The session may be hers, or fay's.
    assert_eq!(site.flagged().await, ["eve", "fay"]);
    assert_eq!(site.names(&seeded.keys("eve")).await, [Some("eve".into())]);

    // Ended by its fingerprint, the session hides nobody.
    let unreadable = curfew.done(&["sessions", "--unreadable"]).await;
    let print = unreadable["sessions"][0]["fingerprint"].as_str().unwrap();
    curfew
        .done(&["logout", "--unreadable", "--session", print])
        .await;
    curfew.done(&sweep).await;
    assert_eq!(site.flagged().await, Vec::<String>::new());
}

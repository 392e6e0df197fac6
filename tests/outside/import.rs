//! `curfew site add`: a site is taken from its own project, saved without a secret, and watched from then on.

use std::fs;

use serde_json::Value;

use crate::harness::{
    Cache, Curfew, Django, Engine, Plan, SessionEngine, Site, active, idle, names, person,
};

crate::on_each_site! {
    a_project_is_asked_saved_and_watched
}

const PROJECT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/django/site");

/// The words that add the site, and then these.
async fn add(site: &Site, curfew: &Curfew, more: &[&str]) -> Value {
    curfew.done(&words(&site.python(), more)).await
}

fn words<'a>(python: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let mut words = vec!["site", "add", "--django", PROJECT, "--python", python];
    words.extend(more);
    words
}

fn taken<'a>(document: &'a Value, what: &str) -> Option<&'a str> {
    let rows = document["taken"].as_array().unwrap();
    let row = rows.iter().find(|row| row["what"] == what)?;
    row["value"].as_str()
}

fn config(site: &Site) -> String {
    fs::read_to_string(site.folder("config/config.toml")).unwrap_or_default()
}

/// The password that the project itself signs in to its database with.
fn password(site: &Site) -> Option<String> {
    let own = site.beside().variable("SITE_DB_PASSWORD")?;
    (!own.is_empty()).then_some(own)
}

async fn a_project_is_asked_saved_and_watched(plan: Plan) {
    let fallbacks = "secret-canary-old,secret-canary-older";
    let site = plan
        .setting("SITE_SECRET_KEY_FALLBACKS", fallbacks)
        .start()
        .await;
    let seeded = site
        .seed(&[active("ana"), idle("ben"), person("cem").login(90_000)])
        .await;
    let mut secrets = vec![site.secret_key.clone(), "secret-canary-old".to_owned()];
    secrets.extend(password(&site));
    let curfew = secrets
        .iter()
        .fold(site.beside(), |curfew, secret| curfew.never_says(secret));
    let before = site.checksums().await;

    let dry = add(&site, &curfew, &["--name", "shop", "--dry-run"]).await;
    assert_eq!(
        (&dry["saved"], &dry["signed_in"]),
        (&false.into(), &Value::Null)
    );
    assert_eq!(config(&site), "", "a dry run writes nothing");

    let added = add(&site, &curfew, &["--name", "shop"]).await;
    assert_eq!(added["signed_in"], 2, "{added:#}");
    assert_eq!(added["error"], Value::Null);
    assert_eq!(taken(&added, "user table"), Some("accounts_customuser"));
    assert_eq!(taken(&added, "session table"), Some("django_session"));
    let key = taken(&added, "SECRET_KEY").unwrap();
    assert!(key.starts_with("known, with 2 fallbacks"), "{key}");
    let written = config(&site);
    assert!(written.contains("armed = false"), "{written}");
    for secret in &secrets {
        assert!(!written.contains(secret), "a secret is in {written}");
    }
    assert_eq!(
        site.checksums().await,
        before,
        "the site was only looked at"
    );

    // What was written finds the password and the keys by itself.
    let people = curfew.done(&["--site", "shop", "users"]).await;
    assert_eq!(names(&people), ["ana", "ben"]);
    let sessions = curfew.done(&["sessions", "ana"]).await;
    assert_eq!(sessions["sessions"][0]["signature"], "verified");
    let refused = curfew.json(&["logout", "ana"]).await;
    assert_eq!(
        (refused.status, refused.error().0.as_str()),
        (3, "view_only")
    );
    assert_eq!(site.names(&seeded.keys("ana")).await, [Some("ana".into())]);

    // Somewhere else, without the variables that the project's settings want, one line says what failed.
    let bare = site.curfew().json(&["--site", "shop", "users"]).await;
    assert!([1, 2].contains(&bare.status), "{bare:#?}");
    let (_, message) = bare.error();
    assert!(message.contains("_command"), "{message}");

    let listed = curfew.done(&["site", "list"]).await;
    assert_eq!(listed["sites"][0]["name"], "shop");
    assert_eq!(listed["sites"][0]["armed"], false);
    assert_eq!(
        curfew.done(&["site", "remove", "shop"]).await["removed"],
        true
    );
    let gone = curfew.json(&["site", "remove", "shop"]).await;
    assert_eq!((gone.status, gone.error().0.as_str()), (2, "no_site"));
}

#[tokio::test]
async fn a_name_is_taken_once_and_replaced_where_that_is_said() {
    let site = Site::on(Django::V52, Engine::Sqlite).start().await;
    let curfew = site.beside();
    site.write_config(
        "# ours\n[[site]]\nname = \"shop\" # the shop\nurl = \"sqlite:///srv/old.sqlite3\"\narmed = true\n\
         [site.policy]\nidle_after = \"7m\"\n[site.sessions]\ncookie_name = \"old\"\n\
         [[site]]\nname = \"other\"\nurl = \"sqlite:///srv/other.sqlite3\"\n",
    );
    let old = config(&site);
    let python = site.python();
    let refused = curfew.json(&words(&python, &["--name", "shop"])).await;
    assert_eq!((refused.status, refused.error().0.as_str()), (2, "config"));
    assert!(refused.error().1.contains("--replace"), "{refused:#?}");
    assert_eq!(config(&site), old);

    add(&site, &curfew, &["--name", "shop", "--replace"]).await;
    let new = config(&site);
    for kept in [
        "# ours",
        "# the shop",
        "idle_after = \"7m\"",
        "other.sqlite3",
    ] {
        assert!(new.contains(kept), "{kept} is not in {new}");
    }
    for gone in ["old.sqlite3", "cookie_name", "armed = true"] {
        assert!(!new.contains(gone), "{gone} is in {new}");
    }
    let listed = curfew.done(&["site", "list"]).await;
    assert_eq!(listed["sites"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn what_does_not_work_is_one_line() {
    let site = Site::on(Django::V52, Engine::Sqlite).start().await;
    let python = site.python();
    let curfew = site.beside();
    // Its settings want a variable that is not set.
    let ran = site.curfew().no_site().json(&words(&python, &[])).await;
    let (code, message) = ran.error();
    assert_eq!((ran.status, code.as_str()), (1, "project"), "{ran:#?}");
    assert!(message.contains("KeyError: 'SITE_SECRET_KEY'"), "{message}");

    for (words, status, code, says) in [
        (vec!["--django", "/nowhere"], 2, "config", "manage.py"),
        (
            vec!["--django", PROJECT, "--python", "/nowhere/python"],
            2,
            "config",
            "--python",
        ),
        (
            vec!["--django", PROJECT, "--name", "a@b"],
            2,
            "config",
            "name",
        ),
        (
            vec!["--django", PROJECT, "--timeout", "soon"],
            2,
            "usage",
            "duration",
        ),
        (vec![], 2, "usage", "--django"),
    ] {
        let ran = curfew
            .json(&[&["site", "add"], words.as_slice()].concat())
            .await;
        assert_eq!(
            (ran.status, ran.error().0.as_str()),
            (status, code),
            "{ran:#?}"
        );
        assert!(ran.error().1.contains(says), "{ran:#?}");
    }
    assert_eq!(config(&site), "");
}

#[tokio::test]
async fn a_site_that_does_not_open_is_saved_all_the_same() {
    let site = Site::on(Django::V52, Engine::Sqlite).start().await;
    let curfew = site
        .beside()
        .env("SITE_DB_NAME", &site.folder("gone.sqlite3"));
    let python = site.python();
    let ran = curfew.json(&words(&python, &["--name", "shop"])).await;
    assert_eq!(ran.status, 4, "{ran:#?}");
    let document = ran.document();
    assert_eq!(document["saved"], true);
    assert!(document["error"]["message"].is_string(), "{document:#}");
    assert_eq!(ran.stderr.lines().count(), 1, "{ran:#?}");
    assert!(config(&site).contains("gone.sqlite3"));
}

#[tokio::test]
async fn each_session_engine_is_taken_as_its_operator_would_write_it() {
    for (sessions, cache) in [
        (SessionEngine::CachedDb, Some(Cache::Redis)),
        (SessionEngine::Cache, Some(Cache::Memcached)),
        (
            SessionEngine::CustomCachedDb,
            Some(Cache::DjangoRedis("json", "zlib")),
        ),
        (SessionEngine::QsessionsCachedDb, Some(Cache::Redis)),
        (SessionEngine::UserSessions, None),
        (SessionEngine::Custom, None),
        (SessionEngine::File, None),
    ] {
        let mut plan = Site::on(Django::V52, Engine::Postgres).sessions(sessions);
        if let Some(cache) = cache {
            plan = plan.cache(cache);
        }
        let site = plan.start().await;
        let document = add(&site, &site.beside(), &["--name", "shop", "--dry-run"]).await;
        assert_eq!(document["notes"], Value::Array(Vec::new()), "{document:#}");
        assert_eq!(
            taken(&document, "session table"),
            sessions.table(),
            "{document:#}"
        );
        assert_eq!(
            taken(&document, "session's user").is_some(),
            sessions.has_user_column(),
            "{document:#}"
        );
        assert_eq!(
            taken(&document, "cache"),
            site.cache_url().as_deref(),
            "{document:#}"
        );
        let engine = taken(&document, "session engine").unwrap();
        assert!(engine.starts_with(sessions.dotted()), "{engine}");
        if sessions == SessionEngine::File {
            let files = taken(&document, "session files").unwrap();
            assert!(files.starts_with(&site.folder("sessions")), "{files}");
        }
    }
}

#[tokio::test]
async fn sessions_in_another_database_are_signed_in_to_with_their_own_password() {
    let plan = Site::on(Django::V52, Engine::Sqlite).sessions_in(Engine::Postgres);
    let site = plan.start().await;
    site.seed(&[active("ana")]).await;
    let curfew = site.beside();
    let added = add(&site, &curfew, &["--name", "shop"]).await;
    assert_eq!(added["signed_in"], 1, "{added:#}");
    assert!(taken(&added, "sessions' password").is_some(), "{added:#}");
    let people = curfew.done(&["users"]).await;
    assert_eq!(names(&people), ["ana"]);
}

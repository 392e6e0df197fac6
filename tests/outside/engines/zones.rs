//! USE_TZ off: MySQL and SQLite keep the wall clock's time of the site's TIME_ZONE, with no word of which.

use crate::harness::{Django, Engine, SessionEngine, Site, idle, names, of, overdue, person};

async fn is_read_by_its_wall_clock(database: Engine, engine: SessionEngine, zone: &str) {
    let site = Site::on(Django::V52, database)
        .sessions(engine)
        .setting("SITE_USE_TZ", "0")
        .setting("SITE_TIME_ZONE", zone)
        .start()
        .await;
    // One whose session ends within the hour: by another zone's clock it is over already, or hours away.
    let soon = serde_json::json!({"saved_age": 60, "expiry": {"delta": 1800}});
    let seeded = site
        .seed(&[
            idle("ana"),
            overdue("cem"),
            person("eve").activity(30).flag().session_with(soon),
        ])
        .await;
    let curfew = site.configured(&format!(
        "[[site]]\nname = \"shop\"\nurl = \"{{url}}\"\narmed = true\ntime_zone = \"{zone}\"\n{{sessions}}"
    ));
    let document = curfew.done(&["users"]).await;
    assert_eq!(of(&document, "ana")["state"], "idle", "{document:#}");
    assert_eq!(of(&document, "cem")["state"], "overdue", "{document:#}");
    assert_eq!(of(&document, "eve")["sessions"], 1, "{document:#}");
    let seconds = of(&document, "ana")["idle_seconds"].as_u64().unwrap();
    assert!((600..660).contains(&seconds), "{seconds}");

    site.browser(&seeded.key("cem")).whoami().await;
    let document = curfew.done(&["users"]).await;
    assert_eq!(of(&document, "cem")["state"], "active");

    site.seed(&[overdue("dee")]).await;
    let report = curfew.done(&["sweep"]).await;
    assert_eq!(names(&report), ["dee"]);
    assert_eq!(report["sessions_deleted"], 1);
}

#[tokio::test]
async fn mysql_west_of_greenwich() {
    is_read_by_its_wall_clock(Engine::Mysql, SessionEngine::Db, "America/New_York").await;
}

#[tokio::test]
async fn mysql_east_of_greenwich() {
    is_read_by_its_wall_clock(Engine::Mysql, SessionEngine::UserSessions, "Asia/Kolkata").await;
}

#[tokio::test]
async fn sqlite_west_of_greenwich() {
    is_read_by_its_wall_clock(Engine::Sqlite, SessionEngine::Db, "America/New_York").await;
}

#[tokio::test]
async fn sqlite_east_of_greenwich() {
    is_read_by_its_wall_clock(
        Engine::Sqlite,
        SessionEngine::Qsessions,
        "Australia/Lord_Howe",
    )
    .await;
}

#[tokio::test]
async fn files_beside_sqlite() {
    is_read_by_its_wall_clock(Engine::Sqlite, SessionEngine::File, "Europe/Berlin").await;
}

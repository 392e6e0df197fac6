//! USE_TZ off: MySQL and SQLite keep the wall clock's time of the site's TIME_ZONE, with no word of which.

use crate::harness::{
    Django, Engine, SessionEngine, Site, active, idle, names, of, overdue, person,
};

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

/// Nobody says which zone it is. Where sessions are shorter than the zone is far, every one of them looks ended.
#[tokio::test]
async fn a_zone_that_nobody_states_is_noticed() {
    let site = Site::on(Django::V52, Engine::Sqlite)
        .setting("SITE_USE_TZ", "0")
        .setting("SITE_TIME_ZONE", "America/Los_Angeles")
        .setting("SITE_SESSION_COOKIE_AGE", "3600")
        .start()
        .await;
    let seeded = site.seed(&[active("ana"), overdue("cem")]).await;
    let stated = "[[site]]\nname = \"shop\"\nurl = \"{url}\"\narmed = true\n{sessions}";
    let curfew = site.configured(stated);
    let document = curfew.done(&["users"]).await;
    assert_eq!(
        document["doubts"][0]["code"], "zone_doubtful",
        "{document:#}"
    );
    let told = document["doubts"][0]["detail"].as_str().unwrap();
    assert!(told.contains("time_zone"), "{told}");
    // The zone is eight hours from UTC in winter, and seven in summer. The sessions' age may hide an hour of that.
    let offsets = ["UTC-07 or west", "UTC-06 or west"];
    assert!(offsets.iter().any(|one| told.contains(one)), "{told}");
    let doctor = curfew.json(&["doctor"]).await;
    assert_eq!(doctor.status, 1);
    assert!(doctor.stdout.contains(told), "{doctor:#?}");
    for args in [&["logout", "ana"][..], &["sweep"]] {
        let ran = curfew.json(args).await;
        assert_eq!(ran.status, 4, "{args:?}: {ran:#?}");
        assert_eq!(ran.document()["verified"], false, "{args:?}: {ran:#?}");
    }
    let ana = seeded.key("ana");
    assert_eq!(site.browser(&ana).whoami().await.as_deref(), Some("ana"));
    assert!(of(&curfew.done(&["users"]).await, "ana")["flagged"] == true);

    let right = stated.replace("armed", "time_zone = \"America/Los_Angeles\"\narmed");
    let report = site.configured(&right).done(&["logout", "ana"]).await;
    assert_eq!(report["verified"], true, "{report:#}");
    assert_eq!(site.browser(&ana).whoami().await, None);
}

/// East of UTC, no session looks ended. Times that are not over yet show the zone.
#[tokio::test]
async fn a_zone_in_the_east_that_nobody_states_is_noticed() {
    let site = Site::on(Django::V52, Engine::Sqlite)
        .setting("SITE_USE_TZ", "0")
        .setting("SITE_TIME_ZONE", "Asia/Tokyo")
        .setting("SITE_SESSION_COOKIE_AGE", "3600")
        .start()
        .await;
    site.seed(&[active("ana"), active("cem")]).await;
    let curfew =
        site.configured("[[site]]\nname = \"shop\"\nurl = \"{url}\"\narmed = true\n{sessions}");
    let document = curfew.done(&["users"]).await;
    let doubt = &document["doubts"][0];
    assert_eq!(doubt["code"], "zone_doubtful", "{document:#}");
    let told = doubt["detail"].as_str().unwrap();
    assert!(
        told.contains("UTC+09") && told.contains("time_zone"),
        "{told}"
    );
    let doctor = curfew.json(&["doctor"]).await;
    assert_eq!(doctor.status, 1);
    assert!(doctor.stdout.contains(told), "{doctor:#?}");
    let ran = curfew.json(&["logout", "ana"]).await;
    assert_eq!(
        (ran.status, &ran.document()["verified"]),
        (4, &false.into()),
        "{ran:#?}"
    );
}

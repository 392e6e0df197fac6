//! Sessions in another database than their users: two addresses, and no statement can see both.

use crate::harness::{
    Cache, Django, Engine, SessionEngine, Site, active, fingerprint, listed, names, of, overdue,
    person,
};

async fn a_day(site: Site) {
    let seeded = site
        .seed(&[
            active("ana"),
            // His save and his activity prove the grain, whoever comes back.
            active("ben"),
            overdue("cem"),
            overdue("dee").no_session(),
        ])
        .await;
    let mut browser = site.sign_in("ana").await;
    let curfew = site.curfew();

    let document = curfew.done(&["users"]).await;
    assert_eq!(names(&document), listed(["ana", "ben", "cem", "dee"]));
    assert_eq!(of(&document, "ana")["sessions"], 2);
    assert_eq!(of(&document, "cem")["state"], "overdue");
    assert_eq!(of(&document, "dee")["state"], "stale");

    // One who came back after the plan is active in the one database, and overdue in no other.
    let mut back = site.browser(&seeded.key("cem"));
    assert_eq!(back.whoami().await.as_deref(), Some("cem"));
    let report = curfew.done(&["sweep"]).await;
    assert_eq!(names(&report), listed(["dee"]));
    assert_eq!(back.whoami().await.as_deref(), Some("cem"));

    site.seed(&[overdue("fay"), person("gus")]).await;
    let report = curfew.done(&["sweep"]).await;
    assert_eq!(names(&report), listed(["fay"]));
    assert_eq!(report["sessions_deleted"], 1);

    let mark = fingerprint(browser.key());
    let ran = curfew.json(&["logout", "ana", "--session", &mark]).await;
    assert_eq!(ran.document()["sessions_deleted"], 1, "{ran:#?}");
    assert_eq!(browser.whoami().await, None);
    assert_eq!(site.names(&seeded.keys("ana")).await, [Some("ana".into())]);
}

#[tokio::test]
async fn rows_beside_postgres() {
    let plan = Site::on(Django::V52, Engine::Postgres).sessions_in(Engine::Postgres);
    a_day(plan.start().await).await;
}

#[tokio::test]
async fn rows_in_mysql_beside_sqlite() {
    let plan = Site::on(Django::V42, Engine::Sqlite).sessions_in(Engine::Mysql);
    a_day(plan.start().await).await;
}

#[tokio::test]
async fn rows_in_sqlite_beside_mysql() {
    let plan = Site::on(Django::V52, Engine::Mysql).sessions_in(Engine::Sqlite);
    a_day(plan.start().await).await;
}

#[tokio::test]
async fn rows_and_copies_beside_postgres() {
    let plan = Site::on(Django::V42, Engine::Postgres)
        .sessions(SessionEngine::CachedDb)
        .cache(Cache::Redis)
        .sessions_in(Engine::Postgres);
    a_day(plan.start().await).await;
}

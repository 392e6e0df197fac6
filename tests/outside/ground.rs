//! What the other tests take for granted of Django itself. Nothing here runs Curfew.

use reqwest::StatusCode;

use crate::harness::{Django, Engine, Site, overdue};

#[tokio::test]
async fn a_deleted_session_row_signs_its_browser_out() {
    for engine in [Engine::Postgres, Engine::Sqlite] {
        let site = Site::on(Django::V42, engine).start().await;
        let seeded = site.seed(&[overdue("ana"), overdue("ben")]).await;
        let mut signed_in = site.sign_in("ana").await;
        let mut old = site.browser(&seeded.key("ana"));

        assert_eq!(signed_in.whoami().await.as_deref(), Some("ana"));
        assert_eq!(old.whoami().await.as_deref(), Some("ana"));
        let delete = format!(
            "DELETE FROM django_session WHERE session_key = '{}'",
            old.key()
        );
        assert_eq!(site.db.execute(&delete).await, 1);

        assert_eq!(old.whoami().await, None);
        assert_eq!(signed_in.whoami().await.as_deref(), Some("ana"));
        assert_eq!(site.names(&seeded.keys("ben")).await, [Some("ben".into())]);
        assert_eq!(site.db.sessions().await, 2);
    }
}

#[tokio::test]
async fn a_request_under_way_cannot_save_a_deleted_session() {
    let site = Site::start().await;
    site.seed(&[overdue("ana")]).await;
    let mut browser = site.sign_in("ana").await;
    let under_way = site.slow(&browser, "one").await;
    site.db.execute("DELETE FROM django_session").await;
    let (status, _) = under_way.go().await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(browser.whoami().await, None);
}

#[tokio::test]
async fn the_usual_task_signs_out_the_overdue() {
    let site = Site::start().await;
    site.seed(&[overdue("ana"), crate::harness::idle("ben")])
        .await;
    let said = site.manage(&["periodic_signout"]).await;
    assert_eq!(said.trim(), "1 signed out");
    assert_eq!(site.db.sessions().await, 1);
}

//! A site that will not let go: of one session that another table of its own refers to, or of any.

use super::*;
use crate::store::SessionKey;

#[tokio::test]
async fn one_session_that_the_site_holds_on_to_keeps_nobody_else_here() {
    let ground = Ground::new().await;
    let site = ground.site().await;
    let held = somebody(&site, Filter::Overdue);
    let print = site.user(&held.id).unwrap().sessions[0].fingerprint.clone();
    let keys = ground.keys().await;
    let key = keys
        .iter()
        .find(|key| SessionKey::new(key.as_str()).fingerprint() == print)
        .unwrap();
    ground
        .execute(&format!(
            "CREATE TABLE shop_cart (id integer PRIMARY KEY, session_id varchar(40) NOT NULL
                REFERENCES django_session (session_key) DEFERRABLE INITIALLY DEFERRED);
             INSERT INTO shop_cart VALUES (1, '{key}')"
        ))
        .await;

    let preview = site.preview().await.unwrap();
    let report = site.sweep(true).await.unwrap();
    assert!(preview.users.len() > 2);
    assert_eq!(report.users.len(), preview.users.len() - 1);
    let skipped: Vec<&str> = report.skipped.iter().map(|s| s.username.as_str()).collect();
    assert_eq!(skipped, [held.username.as_str()]);
    assert!(report.skipped[0].why.contains("refused"));
    assert!(!report.verified, "not everything that was to go is gone");
    assert!(ground.keys().await.contains(key));
    assert!(ground.flagged(&held.id).await);
    assert!(site.user(&held.id).unwrap().user.sessions > 0);
}

#[tokio::test]
async fn a_sweep_that_fails_is_in_the_journal_with_how_it_ended() {
    let ground = Ground::new().await;
    ground
        .execute(r#"UPDATE accounts_user SET "isCurrentlyActive" = false"#)
        .await;
    let before = ground.keys().await;
    ground
        .execute("CREATE TRIGGER no BEFORE DELETE ON django_session BEGIN SELECT RAISE(ABORT, 'not today'); END")
        .await;
    let site = ground.site().await;
    let error = site.sweep(false).await.unwrap_err();
    assert_eq!(error.code, Code::Database);
    assert!(error.message.contains("not today"), "{error}");
    assert_eq!(ground.keys().await, before);
    let entries = ground.entries();
    assert_eq!(entries.len(), 2);
    assert_eq!(entries[1].verified, Some(false));
    assert_eq!(entries[1].sessions_deleted, Some(0));
    assert!(
        entries[1]
            .outcome
            .as_ref()
            .unwrap()
            .contains("done in part")
    );
    assert!(site.view().sweep.last.unwrap().held.is_some());
    // Once it is possible it is done: no state of the failure stays behind.
    ground.execute("DROP TRIGGER no").await;
    assert!(!site.sweep(false).await.unwrap().users.is_empty());
}

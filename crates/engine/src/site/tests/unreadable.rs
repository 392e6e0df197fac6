//! Sessions that cannot be read: listed apart, and ended by their fingerprint alone.

use super::*;
use crate::store::SessionKey;
use crate::view::{Outcome, UnreadableKind};

#[tokio::test]
async fn they_are_listed_and_ended_by_their_mark() {
    let ground = Ground::new().await;
    let count = ground.site().await.view().counts.unreadable_sessions;
    for (key, data) in [("torn", "x"), ("empty", "")] {
        ground
            .execute(&format!(
                "INSERT INTO django_session VALUES ('{key}', '{data}', '2099-01-01 00:00:00')"
            ))
            .await;
    }
    let site = ground.site().await;
    let all = site.unreadable(100);
    assert_eq!(all.total, count + 2);
    assert_eq!(all.sessions.len(), all.total as usize);
    assert_eq!(site.unreadable(1).sessions.len(), 1);
    assert_eq!(site.unreadable(1).total, all.total);
    let print = SessionKey::new("torn").fingerprint();
    let torn = all
        .sessions
        .iter()
        .find(|s| s.fingerprint == print)
        .unwrap();
    assert_eq!(torn.kind, UnreadableKind::Corrupt);
    assert!(!torn.why.is_empty());

    let before = ground.keys().await.len();
    let report = site
        .logout_unreadable(&print, &How::because("damaged"))
        .await
        .unwrap();
    assert_eq!(
        (report.outcome, report.verified),
        (Outcome::SignedOut, true)
    );
    assert_eq!((report.sessions_deleted, report.user.id.as_str()), (1, ""));
    let after = ground.keys().await;
    assert_eq!(after.len(), before - 1);
    assert!(!after.contains(&"torn".to_owned()));
    let entries = ground.entries();
    assert_eq!(entries.len(), 2);
    assert_eq!(entries[0].users[0].username, "(unreadable)");
    assert_eq!(entries[0].users[0].sessions, std::slice::from_ref(&print));
    let error = site
        .logout_unreadable(&print, &How::default())
        .await
        .unwrap_err();
    assert_eq!(error.code, Code::NoSession);
    // A session that can be read is nobody's to end this way.
    let person = somebody(&site, Filter::Active);
    let own = site.user(&person.id).unwrap().sessions[0]
        .fingerprint
        .clone();
    let error = site
        .logout_unreadable(&own, &How::default())
        .await
        .unwrap_err();
    assert_eq!(error.code, Code::NoSession);
    assert_eq!(ground.entries().len(), 2);
}

//! Actions that a process left open, settled by the next Curfew.

use super::*;
use crate::journal::Draft;
use crate::view::{Deed, EntryUser, Phase};

impl Ground {
    /// A process writes this intent about users and ends.
    async fn leave_open(&self, deed: Deed, users: &[(&str, &str)]) {
        let site = self.site().await;
        let users = users.iter().map(|(id, username)| EntryUser {
            id: (*id).into(),
            username: (*username).into(),
            idle_seconds: None,
            sessions: vec!["0123456789ab".into()],
        });
        let intent = Draft {
            at: self.now - SignedDuration::from_mins(5),
            operator: "mira@ops".into(),
            site: site.name(),
            deed,
            phase: Phase::Intent,
            id: journal::new_id().unwrap(),
            users: users.collect(),
            reason: None,
            outcome: None,
            users_marked: None,
            sessions_deleted: None,
            verified: None,
        };
        site.record(intent).await.unwrap();
    }
}

#[tokio::test]
async fn a_user_who_is_deleted_meanwhile_is_settled_once() {
    let ground = Ground::new().await;
    ground.leave_open(Deed::Suspend, &[("999999", "zoe")]).await;
    let site = ground.site().await;
    for _ in 0..2 {
        site.tidy_journal().await;
        let entries = ground.entries();
        assert_eq!(entries.len(), 2);
        let outcome = entries[1].outcome.as_deref().unwrap();
        assert!(outcome.contains("zoe no longer exists"), "{outcome}");
    }
}

#[tokio::test]
async fn what_is_settled_is_verified_only_where_everything_was_checked() {
    let ground = Ground::new().await;
    for (engine, verified) in [
        (
            EngineName::shown("django.contrib.sessions.backends.db"),
            true,
        ),
        (
            EngineName::assumed("django.contrib.sessions.backends.db"),
            false,
        ),
    ] {
        ground.leave_open(Deed::Logout, &[("999999", "zoe")]).await;
        let mut config = ground.config();
        config.sessions.engine = engine;
        let site = ground.open(config).await;
        site.tidy_journal().await;
        let last = ground.entries().pop().unwrap();
        assert_eq!(
            (last.phase, last.verified),
            (Phase::Outcome, Some(verified)),
            "{last:?}"
        );
    }
}

#[tokio::test]
async fn another_site_of_the_same_name_settles_nothing() {
    let (ground, other) = (Ground::new().await, Ground::new().await);
    ground.leave_open(Deed::Logout, &[("999999", "zoe")]).await;
    let env = Env {
        config_dir: ground.folder.path().join("config"),
        state_dir: ground.state_dir(),
        site: None,
        session_engine: None,
        secret_key: None,
        secret_key_fallbacks: Vec::new(),
    };
    let site = Site::open(other.config(), &env).await.unwrap();
    assert_eq!(site.name(), ground.site().await.name());
    site.look().await.unwrap();
    site.tidy_journal().await;
    assert_eq!(ground.entries().len(), 1);
    ground.site().await.tidy_journal().await;
    assert_eq!(ground.entries().len(), 2);
}

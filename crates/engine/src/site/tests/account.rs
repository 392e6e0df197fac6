//! The account switch: off with the sessions, on again only after what is left of them.

use std::sync::atomic::Ordering;

use super::puppet::Puppet;
use super::*;
use crate::view::{AccountOutcome, Deed, Phase};

impl Ground {
    fn switching(&self) -> SiteConfig {
        SiteConfig {
            account_switch: true,
            ..self.config()
        }
    }

    async fn enabled(&self, id: &str) -> bool {
        let sql = format!("SELECT username FROM accounts_user WHERE id = {id} AND is_active");
        !self.texts(&sql).await.is_empty()
    }
}

#[tokio::test]
async fn without_the_operators_word_no_account_is_touched() {
    let ground = Ground::new().await;
    let before = ground.bytes();
    let site = ground.site().await;
    let person = somebody(&site, Filter::Active);
    for allow in [false, true] {
        let error = match allow {
            true => site.allow_again(&person.id, &How::default()).await,
            false => site.suspend(&person.id, &How::default()).await,
        }
        .unwrap_err();
        assert_eq!(error.code, Code::SwitchOff);
        assert!(error.code.is_guard() && error.message.contains("account_switch = true"));
    }
    let site = ground
        .open(SiteConfig {
            armed: false,
            ..ground.switching()
        })
        .await;
    let error = site.suspend(&person.id, &How::default()).await.unwrap_err();
    assert_eq!(error.code, Code::ViewOnly);
    assert_eq!(ground.bytes(), before);
    assert!(ground.entries().is_empty());
}

#[tokio::test]
async fn suspended_is_switched_off_and_signed_out_and_allowed_is_on_with_no_old_session() {
    let ground = Ground::new().await;
    let mut site = ground.open(ground.switching()).await;
    let puppet = Puppet::on(&mut site);
    let person = somebody(&site, Filter::Active);
    let mut events = site.subscribe();
    let report = site
        .suspend(&person.id, &How::because("taken over"))
        .await
        .unwrap();
    assert_eq!(report.outcome, AccountOutcome::Suspended);
    assert!(report.verified && !report.enabled && !report.user.enabled);
    assert_eq!(report.sessions_deleted, person.sessions);
    assert!(report.flag_cleared && !ground.flagged(&person.id).await);
    assert!(!ground.enabled(&person.id).await);
    let calls = puppet.calls();
    let at = |name| calls.iter().position(|call| *call == name).unwrap();
    assert!(at("set_enabled") < at("delete"), "the door is closed first");

    // A browser that kept a session in the meantime: its cookie must not work again.
    let key = ground.sign_in(&person.id, "kept").await;
    let report = site.allow_again(&person.id, &How::default()).await.unwrap();
    assert_eq!(report.outcome, AccountOutcome::Allowed);
    assert!(report.verified && report.enabled && report.sessions_deleted == 1);
    assert!(ground.enabled(&person.id).await);
    assert!(!ground.keys().await.contains(&key));
    let calls = puppet.calls();
    let last = |name| calls.iter().rposition(|call| *call == name).unwrap();
    assert!(last("delete") < last("set_enabled"), "and opened last");

    let entries = ground.entries();
    let deeds: Vec<(Deed, Phase)> = entries.iter().map(|e| (e.deed, e.phase)).collect();
    assert_eq!(
        deeds,
        [
            (Deed::Suspend, Phase::Intent),
            (Deed::Suspend, Phase::Outcome),
            (Deed::Allow, Phase::Intent),
            (Deed::Allow, Phase::Outcome),
        ]
    );
    assert_eq!(entries[0].reason.as_deref(), Some("taken over"));
    let heard: Vec<bool> = std::iter::from_fn(|| events.try_recv().ok())
        .filter_map(|event| match event {
            Event::AccountSwitched { enabled, .. } => Some(enabled),
            _ => None,
        })
        .collect();
    assert_eq!(heard, [false, true]);

    // What is so already is not done again, and no session of who may sign in is touched.
    let key = ground.sign_in(&person.id, "after").await;
    let again = site.allow_again(&person.id, &How::default()).await.unwrap();
    assert_eq!(again.outcome, AccountOutcome::NothingToDo);
    assert!(ground.keys().await.contains(&key));
    assert_eq!(ground.entries().len(), 4);
}

#[tokio::test]
async fn a_save_that_writes_the_account_back_is_written_over_once() {
    let ground = Ground::new().await;
    let mut site = ground.open(ground.switching()).await;
    let puppet = Puppet::on(&mut site);
    let person = somebody(&site, Filter::Active);
    let (path, id) = (ground.path(), person.id.clone());
    puppet.before(move |name, nth| {
        let (path, id) = (path.clone(), id.clone());
        async move {
            if (name, nth) == ("surviving", 1) {
                let options = SqliteConnectOptions::new().filename(path);
                let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
                let sql = format!("UPDATE accounts_user SET is_active = true WHERE id = {id}");
                sqlx::raw_sql(AssertSqlSafe(sql))
                    .execute(&mut connection)
                    .await
                    .unwrap();
            }
        }
    });
    let report = site.suspend(&person.id, &How::default()).await.unwrap();
    assert_eq!(report.outcome, AccountOutcome::Suspended);
    assert!(!ground.enabled(&person.id).await);
}

#[tokio::test]
async fn a_door_is_closed_where_sessions_are_out_of_reach_and_not_opened() {
    let ground = Ground::new().await;
    let mut site = ground.open(ground.switching()).await;
    let puppet = Puppet::on(&mut site);
    puppet.not_ready.store(true, Ordering::SeqCst);
    let person = somebody(&site, Filter::Active);
    let before = ground.keys().await;
    let report = site.suspend(&person.id, &How::default()).await.unwrap();
    assert_eq!(report.outcome, AccountOutcome::Suspended);
    assert!(
        report.detail.contains("does not answer"),
        "{}",
        report.detail
    );
    assert!(!ground.enabled(&person.id).await);
    assert_eq!(ground.keys().await, before);
    let error = site
        .allow_again(&person.id, &How::default())
        .await
        .unwrap_err();
    assert_eq!(error.code, Code::NotPossible);
    assert!(!ground.enabled(&person.id).await);
}

#[tokio::test]
async fn a_session_that_cannot_be_ended_keeps_the_door_closed() {
    let ground = Ground::new().await;
    let site = ground.open(ground.switching()).await;
    let person = somebody(&site, Filter::Active);
    site.suspend(&person.id, &How::default()).await.unwrap();
    let key = ground.sign_in(&person.id, "stuck").await;
    ground
        .execute(&format!(
            "CREATE TRIGGER no BEFORE DELETE ON django_session WHEN old.session_key = '{key}'
             BEGIN SELECT RAISE(ABORT, 'not today'); END"
        ))
        .await;
    let report = site.allow_again(&person.id, &How::default()).await.unwrap();
    assert_eq!(report.outcome, AccountOutcome::Partial);
    assert!(!report.enabled && !report.verified);
    assert!(!ground.enabled(&person.id).await);
}

#[tokio::test]
async fn cookies_that_hold_the_session_end_with_the_account_alone() {
    let ground = Ground::new().await;
    let mut config = ground.switching();
    config.sessions.engine = "django.contrib.sessions.backends.signed_cookies".into();
    let site = ground.open(config).await;
    let person = site.lookup("id:1").await.unwrap();
    let report = site.suspend(&person.id, &How::default()).await.unwrap();
    assert_eq!(report.outcome, AccountOutcome::Suspended);
    assert!(report.verified && !ground.enabled(&person.id).await);
    let report = site.allow_again(&person.id, &How::default()).await.unwrap();
    assert_eq!(
        (report.outcome, report.verified),
        (AccountOutcome::Allowed, false)
    );
    assert!(report.detail.contains("cookie"), "{}", report.detail);
    assert!(ground.enabled(&person.id).await);
}

#[tokio::test]
async fn your_own_account_is_suspended_only_with_your_word() {
    let ground = Ground::new().await;
    let own = somebody(&*ground.site().await, Filter::Active);
    let site = ground
        .open(SiteConfig {
            own_username: Some(own.username.clone()),
            ..ground.switching()
        })
        .await;
    let error = site.suspend(&own.id, &How::default()).await.unwrap_err();
    assert_eq!(error.code, Code::OwnAccount);
    assert!(ground.enabled(&own.id).await && ground.entries().is_empty());
}

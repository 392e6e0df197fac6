//! What says no, and that the site's file is the same byte for byte afterwards.

use super::*;

/// Tries every deed, and returns the code that each was refused with.
async fn refused(site: &Arc<Site>) -> [Code; 3] {
    let person = somebody(site, Filter::Overdue);
    let print = site.user(&person.id).unwrap().sessions[0]
        .fingerprint
        .clone();
    let sweep = site.sweep(true).await.unwrap_err();
    let all = site
        .logout(&person.id, None, &How::because("why not"))
        .await;
    let one = site.logout(&person.id, Some(&print), &How::default()).await;
    let errors = [sweep, all.unwrap_err(), one.unwrap_err()];
    for error in &errors {
        assert!(error.code.is_guard(), "{error}");
        assert!(!error.message.contains('\n'));
    }
    errors.map(|error| error.code)
}

#[tokio::test]
async fn a_view_only_site_is_looked_at_and_never_touched() {
    let ground = Ground::new().await;
    let before = ground.bytes();
    let site = ground
        .open(SiteConfig {
            armed: false,
            automatic_sweep: true,
            ..ground.config()
        })
        .await;
    assert_eq!(refused(&site).await, [Code::ViewOnly; 3]);
    let preview = site.preview().await.unwrap();
    assert!(preview.dry_run && !preview.users.is_empty());
    assert_eq!(ground.bytes(), before);
    assert!(ground.entries().is_empty(), "nothing was to be recorded");
    // Allowed, and at once.
    site.set_armed(true);
    let report = site.sweep(false).await.unwrap();
    assert_eq!(who(&report), who(&preview));
    assert_ne!(ground.bytes(), before);
}

#[tokio::test]
async fn where_the_journal_cannot_be_written_nothing_is_touched() {
    let ground = Ground::new().await;
    // A file where the folder should be: no rights help against that, root's neither.
    std::fs::write(ground.state_dir(), "in the way").unwrap();
    let before = ground.bytes();
    let site = ground.site().await;
    assert_eq!(refused(&site).await, [Code::Journal; 3]);
    assert_eq!(ground.bytes(), before);
    assert!(!site.preview().await.unwrap().users.is_empty());
}

#[tokio::test]
async fn a_key_that_is_not_this_sites_refuses_the_sweep() {
    let ground = Ground::new().await;
    let before = ground.bytes();
    let site = ground
        .open(SiteConfig {
            secret_key: Some("another site's key".to_owned().into()),
            ..ground.config()
        })
        .await;
    assert_eq!(site.sweep(true).await.unwrap_err().code, Code::KeyDoubtful);
    assert_eq!(site.preview().await.unwrap_err().code, Code::KeyDoubtful);
    assert!(
        site.view()
            .warnings
            .iter()
            .any(|w| w.contains("SECRET_KEY"))
    );
    assert_eq!(ground.bytes(), before);
    assert!(ground.entries().is_empty());
}

#[tokio::test]
async fn without_evidence_nobody_is_swept_unless_saves_are_evidence() {
    let ground = Ground::new().await;
    ground
        .execute("ALTER TABLE accounts_user RENAME COLUMN last_activity TO remark")
        .await;
    let before = ground.bytes();
    let site = ground.site().await;
    assert_eq!(site.sweep(true).await.unwrap_err().code, Code::NoEvidence);
    assert_eq!(site.preview().await.unwrap_err().code, Code::NoEvidence);
    let counts = site.view().counts;
    assert!(counts.unknown > 0 && counts.overdue == 0);
    assert_eq!(ground.bytes(), before);
    let mut config = ground.config();
    config.sessions.saved_every_request = true;
    let site = ground.open(config).await;
    assert!(site.view().counts.overdue > 0);
    assert!(!site.sweep(false).await.unwrap().users.is_empty());
}

#[tokio::test]
async fn unusually_many_are_asked_about_first_and_swept_with_consent() {
    let ground = Ground::new().await;
    let before = ground.bytes();
    let site = ground.site().await;
    let second = Duration::from_secs(1);
    site.set_policy(Policy {
        idle_after: second,
        sign_out_after: second,
        ..Policy::default()
    })
    .unwrap();
    let mut events = site.subscribe();
    assert_eq!(site.sweep(false).await.unwrap_err().code, Code::TooMany);
    assert_eq!(ground.bytes(), before);
    assert!(ground.entries().is_empty());
    let last = site.view().sweep.last.unwrap();
    assert!(last.held.unwrap().contains("--force"));
    let heard = std::iter::from_fn(|| events.try_recv().ok());
    let swept = heard.filter(|event| matches!(event, Event::Swept { .. }));
    assert_eq!(swept.count(), 1);
    assert!(site.preview().await.unwrap().held.is_some());
    let report = site.sweep(true).await.unwrap();
    assert!(report.users.len() > 20 && report.verified && report.held.is_none());
    assert_eq!(site.view().counts.signed_in, 0);
}

#[tokio::test]
async fn sessions_that_only_the_browser_has_cannot_be_ended_here() {
    let ground = Ground::new().await;
    let mut config = ground.config();
    config.sessions.engine = "django.contrib.sessions.backends.signed_cookies".into();
    let site = ground.open(config).await;
    let before = ground.bytes();
    let person = somebody(&site, Filter::Overdue);
    let error = site
        .logout(&person.id, None, &How::default())
        .await
        .unwrap_err();
    assert_eq!(error.code, Code::NotPossible);
    assert_eq!(site.view().counts.stale, 0);
    assert_eq!(ground.bytes(), before);
    assert!(ground.entries().is_empty());
}

#[tokio::test]
async fn limits_that_cannot_be_meant_are_refused_and_the_old_ones_stay() {
    let ground = Ground::new().await;
    let site = ground.site().await;
    let (policy, counts) = (site.policy(), site.view().counts);
    let error = site.set_policy(Policy {
        sign_out_after: Duration::from_secs(60),
        ..Policy::default()
    });
    assert_eq!(error.unwrap_err().code, Code::Config);
    assert_eq!(site.policy(), policy);
    assert_eq!(site.view().counts, counts);
}

#[tokio::test]
async fn a_site_is_learned_by_two_values_of_one_user() {
    let ground = Ground::new().await;
    // Every save is newer than the column by two minutes.
    ground
        .execute("UPDATE accounts_user SET last_activity = strftime('%Y-%m-%d %H:%M:%f', last_activity, '-2 minutes')")
        .await;
    let before = ground.bytes();
    let site = ground.site().await;
    let learning = |site: &Site| {
        let warnings = site.view().warnings;
        warnings.iter().any(|w| w.starts_with("Learning how often"))
    };
    assert!(learning(&site));
    assert_eq!(site.sweep(true).await.unwrap_err().code, Code::Learning);
    let preview = site.preview().await.unwrap();
    assert_eq!(preview.held_code, Some(Code::Learning));
    assert_eq!(ground.bytes(), before);
    let person = somebody(&site, Filter::Active);
    for _ in 0..2 {
        ground
            .execute(&format!(
                "UPDATE accounts_user SET last_activity = strftime('%Y-%m-%d %H:%M:%f', 'now') WHERE id = {}",
                person.id
            ))
            .await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        site.look_whole(&[UserId::new(person.id.as_str())])
            .await
            .unwrap();
    }
    assert!(!learning(&site), "{:?}", site.view().warnings);
    assert!(!site.sweep(true).await.unwrap().users.is_empty());
}

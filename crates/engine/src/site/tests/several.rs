//! Several logouts at once share their looks; the operator's own account is asked about.

use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::puppet::Puppet;
use super::*;
use crate::view::Outcome;

async fn watched(ground: &Ground, config: SiteConfig) -> (Arc<Site>, Arc<Puppet>) {
    let mut site = ground.open(config).await;
    let puppet = Puppet::on(&mut site);
    (site, puppet)
}

fn owned(ground: &Ground, username: &str) -> SiteConfig {
    SiteConfig {
        own_username: Some(username.to_owned()),
        ..ground.config()
    }
}

#[tokio::test]
async fn several_share_each_look_and_each_statement() {
    let ground = Ground::new().await;
    let (site, puppet) = watched(&ground, ground.config()).await;
    let people = site.users(&everyone(Filter::SignedIn)).rows;
    let mut ids: Vec<String> = people.iter().take(12).map(|p| p.id.clone()).collect();
    ids.insert(3, "999999".into());
    let before = ground.keys().await.len();
    let reports = site.logout_many(&ids, &How::because("a drill")).await;
    assert_eq!(reports.len(), ids.len());
    let mut deleted = 0;
    for (at, (id, report)) in ids.iter().zip(&reports).enumerate() {
        if at == 3 {
            assert_eq!(report.as_ref().unwrap_err().code, Code::NoUser);
            continue;
        }
        let report = report.as_ref().unwrap();
        assert_eq!(&report.user.id, id, "one answer each, in the order asked");
        assert_eq!(
            (report.outcome, report.verified),
            (Outcome::SignedOut, true)
        );
        deleted += report.sessions_deleted as usize;
    }
    assert_eq!(ground.keys().await.len(), before - deleted);
    let counts = puppet.counts();
    assert_eq!(counts["delete"], 1, "{counts:?}");
    assert!(
        counts["look"] <= 3 && counts["surviving"] <= 3,
        "{counts:?}"
    );
    let entries = ground.entries();
    assert_eq!(entries.len(), 24);
    let outcomes: Vec<&Entry> = entries.iter().filter(|e| e.outcome.is_some()).collect();
    assert_eq!(outcomes.len(), 12);
    assert!(entries.iter().all(|e| e.users.len() == 1));
}

#[tokio::test]
async fn the_first_deletion_waits_for_no_look_and_takes_what_was_saved_since_the_last() {
    let ground = Ground::new().await;
    let (site, puppet) = watched(&ground, ground.config()).await;
    let person = somebody(&site, Filter::Active);
    let key = hold(&site.roster).keys_of(&UserId::new(person.id.as_str()))[0].clone();
    let path = ground.path();
    puppet.before(move |name, nth| {
        let (path, key) = (path.clone(), key.clone());
        async move {
            if (name, nth) == ("glance", 1) {
                Ground::sign_in_beside(path, key.expose()).await;
            }
        }
    });
    let report = site.logout(&person.id, None, &How::default()).await;
    let report = report.unwrap();
    assert_eq!(report.sessions_deleted, person.sessions + 1);
    assert_eq!(report.outcome, Outcome::SignedOut, "{}", report.detail);
    let calls = puppet.calls();
    let look = calls.iter().position(|call| *call == "look").unwrap();
    let before: Vec<&str> = calls[..look].to_vec();
    assert_eq!(before, ["glance", "delete", "surviving"]);
}

#[tokio::test]
async fn one_that_the_site_holds_on_to_keeps_nobody_else_here() {
    let ground = Ground::new().await;
    let site = ground.site().await;
    let people = site.users(&everyone(Filter::Active)).rows;
    let (held, other) = (&people[0], &people[1]);
    let key = hold(&site.roster).keys_of(&UserId::new(held.id.as_str()))[0].clone();
    ground
        .execute(&format!(
            "CREATE TRIGGER no BEFORE DELETE ON django_session WHEN old.session_key = '{}'
             BEGIN SELECT RAISE(ABORT, 'not today'); END",
            key.expose()
        ))
        .await;
    let ids = [held.id.clone(), other.id.clone()];
    let reports = site.logout_many(&ids, &How::default()).await;
    let error = reports[0].as_ref().unwrap_err();
    assert!(error.message.contains("not today"), "{error}");
    assert!(reports[1].as_ref().unwrap().verified);
}

#[tokio::test]
async fn your_own_account_is_asked_about_and_spared_by_sweeps() {
    let ground = Ground::new().await;
    let own = somebody(&*ground.site().await, Filter::Overdue);
    let site = ground.open(owned(&ground, &own.username)).await;
    let shown = site.user(&own.id).unwrap().user;
    assert_eq!(shown.exempt.as_deref(), Some("your own account"));
    let before = ground.bytes();
    let error = site
        .logout(&own.id, None, &How::default())
        .await
        .unwrap_err();
    assert_eq!(error.code, Code::OwnAccount);
    assert!(
        error.code.is_guard() && error.message.contains("--yes"),
        "{error}"
    );
    let print = site.user(&own.id).unwrap().sessions[0].fingerprint.clone();
    let error = site
        .logout(&own.id, Some(&print), &How::default())
        .await
        .unwrap_err();
    assert_eq!(error.code, Code::OwnAccount);
    assert_eq!(ground.bytes(), before);
    assert!(ground.entries().is_empty());

    let report = site.sweep(true).await.unwrap();
    assert!(report.users.iter().all(|user| user.id != own.id));
    let skipped = report.skipped.iter().find(|s| s.username == own.username);
    assert_eq!(skipped.unwrap().why, "your own account");
    let how = How {
        consent: true,
        ..How::default()
    };
    assert!(site.logout(&own.id, None, &how).await.unwrap().verified);
}

/// The first look from now on waits until it may go on, and tells when it has begun.
fn held_up(puppet: &Puppet) -> (Arc<Notify>, Arc<Notify>) {
    let (begun, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (tells, waits) = (begun.clone(), go_on.clone());
    puppet.before(move |name, nth| {
        let (tells, waits) = (tells.clone(), waits.clone());
        async move {
            if (name, nth) == ("look", 1) {
                tells.notify_one();
                waits.notified().await;
            }
        }
    });
    (begun, go_on)
}

/// So many ask for a whole look, all of them while the first one's is under way.
async fn asking(site: &Arc<Site>, begun: &Notify, many: u64) -> Vec<JoinHandle<Result<()>>> {
    let ask = || {
        let site = site.clone();
        tokio::spawn(async move { site.look_whole(&[]).await })
    };
    let mut asked = vec![ask()];
    begun.notified().await;
    asked.extend((1..many).map(|_| ask()));
    while site.asked_for_whole() < many {
        tokio::task::yield_now().await;
    }
    asked
}

#[tokio::test]
async fn those_who_wait_for_a_whole_look_share_the_next() {
    let ground = Ground::new().await;
    let (site, puppet) = watched(&ground, ground.config()).await;
    let person = somebody(&site, Filter::Active);
    let key = hold(&site.roster).keys_of(&UserId::new(person.id.as_str()))[0].clone();
    let (begun, go_on) = held_up(&puppet);
    let mut asked = asking(&site, &begun, 8).await;
    // One of those who wait gives up: the others have their look all the same.
    asked.remove(1).abort();
    Ground::sign_in_beside(ground.path(), key.expose()).await;
    go_on.notify_one();
    for one in asked {
        one.await.unwrap().unwrap();
    }
    assert_eq!(puppet.counts()["look"], 2);
    let known = hold(&site.roster).keys_of(&UserId::new(person.id.as_str()));
    assert_eq!(known.len(), person.sessions as usize + 1);

    site.look_whole(&[]).await.unwrap();
    let looks = puppet.counts()["look"];
    assert_eq!(looks, 3, "who asks now has one of their own");
}

#[tokio::test]
async fn a_shared_look_that_fails_fails_for_all_and_the_next_is_taken_anew() {
    let ground = Ground::new().await;
    let (site, puppet) = watched(&ground, ground.config()).await;
    let (begun, go_on) = held_up(&puppet);
    let asked = asking(&site, &begun, 3).await;
    let away = "ALTER TABLE django_session RENAME TO elsewhere";
    ground.execute(away).await;
    go_on.notify_one();
    for one in asked {
        assert!(one.await.unwrap().is_err());
    }
    assert_eq!(puppet.counts()["look"], 2);
    let back = "ALTER TABLE elsewhere RENAME TO django_session";
    ground.execute(back).await;
    site.look_whole(&[]).await.unwrap();
    assert_eq!(puppet.counts()["look"], 3);
}

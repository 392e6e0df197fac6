//! Logouts where a request under way can bring a session back: looked at to the last look, and nothing claimed before.

use std::sync::atomic::Ordering;

use super::puppet::{Puppet, later};
use super::*;
use crate::logout::Follow;
use crate::store::SessionKey;
use crate::view::{LogoutReport, Outcome, Phase};

const MINUTE: Duration = Duration::from_secs(61);

async fn lasting(ground: &Ground) -> (Arc<Site>, Arc<Puppet>) {
    let mut site = ground.open(ground.lasting().await).await;
    let puppet = Puppet::on(&mut site);
    (site, puppet)
}

/// The keys of this person, as the rows that are kept say.
fn keys_of(site: &Site, person: &UserView) -> String {
    let keys = hold(&site.roster).keys_of(&UserId::new(person.id.as_str()));
    let keys: Vec<String> = keys
        .iter()
        .map(|key| format!("'{}'", key.expose()))
        .collect();
    format!("WHERE session_key IN ({})", keys.join(", "))
}

/// Logs out and waits for the last look, on a clock that is put forward.
async fn waited(site: &Arc<Site>, person: &UserView) -> LogoutReport {
    let (running, id) = (site.clone(), person.id.clone());
    let logout = tokio::spawn(async move {
        let how = How {
            follow: Follow::Wait,
            ..How::default()
        };
        running.logout(&id, None, &how).await.unwrap()
    });
    later(MINUTE).await;
    logout.await.unwrap()
}

#[tokio::test]
async fn without_waiting_nothing_is_claimed() {
    let ground = Ground::new().await;
    let (site, _) = lasting(&ground).await;
    let person = somebody(&site, Filter::Active);
    let (running, id) = (site.clone(), person.id.clone());
    let logout =
        tokio::spawn(async move { running.logout(&id, None, &How::default()).await.unwrap() });
    later(Duration::from_secs(6)).await;
    let report = logout.await.unwrap();
    assert_eq!(
        (report.outcome, report.verified),
        (Outcome::Unverified, false)
    );
    assert_eq!(report.sessions_deleted, person.sessions);
    assert!(report.flag_cleared && !report.following);
    assert!(report.detail.contains("for a minute"), "{}", report.detail);
    let entries = ground.entries();
    assert_eq!(entries.len(), 2);
    assert_eq!(entries[1].verified, Some(false));
}

#[tokio::test]
async fn after_the_last_look_it_is_signed_out() {
    let ground = Ground::new().await;
    let (site, puppet) = lasting(&ground).await;
    let person = somebody(&site, Filter::Active);
    let (path, of) = (ground.path(), keys_of(&site, &person));
    // A request under way saves it again before the second look.
    puppet.before(move |name, nth| {
        let (path, of) = (path.clone(), of.clone());
        async move {
            if (name, nth) == ("look", 1) {
                Ground::bring_back(path, &of).await;
            }
        }
    });
    let report = waited(&site, &person).await;
    assert_eq!(
        (report.outcome, report.verified),
        (Outcome::SignedOut, true)
    );
    assert_eq!(
        report.sessions_deleted, person.sessions,
        "each is counted once"
    );
    assert!(report.detail.contains("came back"), "{}", report.detail);
    assert!(!ground.flagged(&person.id).await);
}

#[tokio::test]
async fn in_the_background_the_first_word_is_not_the_last() {
    let ground = Ground::new().await;
    let (site, puppet) = lasting(&ground).await;
    let person = somebody(&site, Filter::Active);
    let (path, of) = (ground.path(), keys_of(&site, &person));
    puppet.before(move |name, nth| {
        let (path, of) = (path.clone(), of.clone());
        async move {
            if (name, nth) == ("look", 1) {
                Ground::bring_back(path, &of).await;
            }
        }
    });
    let mut events = site.subscribe();
    let how = How {
        reason: Some("phone lost".into()),
        follow: Follow::Background,
        consent: false,
        tokens: false,
    };
    let first = site.logout(&person.id, None, &how).await.unwrap();
    assert!(first.following && !first.verified && !first.deed.is_empty());
    assert_eq!(first.outcome, Outcome::Unverified);
    // Closed now, the journal would hold what is known so far.
    assert_eq!(ground.entries().len(), 2);
    assert_eq!(ground.entries()[1].verified, Some(false));
    later(MINUTE).await;
    let mut told = Vec::new();
    while told.len() < 2 {
        if let Event::LoggedOut {
            id,
            deed,
            outcome,
            following,
            ..
        } = events.recv().await.unwrap()
        {
            assert_eq!((&id, &deed), (&person.id, &first.deed));
            told.push((outcome, following));
        }
    }
    assert_eq!(
        told,
        [(Outcome::Unverified, true), (Outcome::SignedOut, false)]
    );
    let entries = ground.entries();
    let phases: Vec<Phase> = entries.iter().map(|entry| entry.phase).collect();
    assert_eq!(phases, [Phase::Intent, Phase::Outcome, Phase::Outcome]);
    assert!(entries.iter().all(|entry| entry.id == first.deed));
    assert_eq!(entries[2].verified, Some(true));
    assert_eq!(entries[2].reason.as_deref(), Some("phone lost"));
    assert!(!ground.flagged(&person.id).await);
}

#[tokio::test]
async fn what_comes_back_as_late_as_the_last_look_is_deleted_and_not_claimed() {
    let ground = Ground::new().await;
    let (site, puppet) = lasting(&ground).await;
    let person = somebody(&site, Filter::Active);
    let (path, of) = (ground.path(), keys_of(&site, &person));
    puppet.before(move |name, nth| {
        let (path, of) = (path.clone(), of.clone());
        async move {
            if (name, nth) == ("look", 2) {
                Ground::bring_back(path, &of).await;
            }
        }
    });
    let before = ground.rows().await.len();
    let report = waited(&site, &person).await;
    assert_eq!(
        (report.outcome, report.verified),
        (Outcome::Unverified, false),
        "{}",
        report.detail
    );
    assert_eq!(ground.rows().await.len(), before - person.sessions as usize);
}

#[tokio::test]
async fn what_comes_back_each_time_is_told_as_a_part() {
    let ground = Ground::new().await;
    let (site, _) = lasting(&ground).await;
    let person = somebody(&site, Filter::Active);
    ground
        .execute(
            "CREATE TRIGGER back AFTER DELETE ON user_sessions_session BEGIN
             INSERT INTO user_sessions_session SELECT * FROM kept WHERE session_key = old.session_key; END",
        )
        .await;
    let report = waited(&site, &person).await;
    assert_eq!((report.outcome, report.verified), (Outcome::Partial, false));
    assert!(!report.flag_cleared && ground.flagged(&person.id).await);
}

#[tokio::test]
async fn who_signs_in_again_meanwhile_stays_and_is_not_called_signed_out() {
    let ground = Ground::new().await;
    let (site, puppet) = lasting(&ground).await;
    let person = somebody(&site, Filter::Active);
    let (path, of, id) = (ground.path(), keys_of(&site, &person), person.id.clone());
    // A login under a new key, as Django makes it, after the second look.
    puppet.before(move |name, nth| {
        let (path, of, id) = (path.clone(), of.clone(), id.clone());
        async move {
            if (name, nth) == ("look", 2) {
                let options = SqliteConnectOptions::new().filename(path);
                let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
                let now = (Timestamp::now() + SignedDuration::from_secs(1))
                    .strftime("%Y-%m-%d %H:%M:%S.%6f");
                let sql = format!(
                    "UPDATE accounts_user SET last_login = '{now}' WHERE id = {id};
                     INSERT INTO user_sessions_session SELECT 'anew', session_data, expire_date, user_agent, '{now}', ip, user_id
                     FROM kept {of} LIMIT 1"
                );
                sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
            }
        }
    });
    let report = waited(&site, &person).await;
    assert_eq!((report.outcome, report.verified), (Outcome::Partial, false));
    assert!(
        report.detail.contains("signed in again"),
        "{}",
        report.detail
    );
    assert!(ground.rows().await.contains(&"anew".to_owned()));
    assert!(ground.flagged(&person.id).await || report.flag_cleared);
}

#[tokio::test]
async fn where_no_copy_was_ever_seen_nothing_is_claimed() {
    let ground = Ground::new().await;
    let (site, puppet) = lasting(&ground).await;
    puppet.blind.store(true, Ordering::SeqCst);
    let person = somebody(&site, Filter::Active);
    let report = waited(&site, &person).await;
    assert_eq!(
        (report.outcome, report.verified),
        (Outcome::Unverified, false)
    );
    assert!(
        report.detail.contains("cache_key_prefix"),
        "{}",
        report.detail
    );
}

#[tokio::test]
async fn a_cache_that_is_down_is_not_possible_and_one_that_goes_down_is_a_part() {
    let ground = Ground::new().await;
    let (site, puppet) = lasting(&ground).await;
    let person = somebody(&site, Filter::Active);
    let before = ground.rows().await;
    puppet.not_ready.store(true, Ordering::SeqCst);
    let error = site
        .logout(&person.id, None, &How::default())
        .await
        .unwrap_err();
    assert_eq!(error.code, Code::NotPossible);
    assert_eq!(site.sweep(false).await.unwrap_err().code, Code::NotPossible);
    assert_eq!(ground.rows().await, before);
    assert!(ground.entries().is_empty());

    puppet.not_ready.store(false, Ordering::SeqCst);
    puppet.half.store(true, Ordering::SeqCst);
    let report = waited(&site, &person).await;
    assert_eq!((report.outcome, report.verified), (Outcome::Partial, false));
    assert_eq!(report.sessions_deleted, person.sessions);
    assert!(
        report.detail.contains("does not answer"),
        "{}",
        report.detail
    );
    let report = site.sweep(false).await.unwrap();
    assert!(!report.verified && report.sessions_deleted > 0);
    let last = ground.entries().pop().unwrap();
    assert!(last.outcome.unwrap().contains("ended early"));
}

#[tokio::test]
async fn a_sweep_spares_whom_a_request_under_way_brings_back() {
    let ground = Ground::new().await;
    let (site, puppet) = lasting(&ground).await;
    let preview = site.preview().await.unwrap();
    let back = somebody(&site, Filter::Overdue);
    let looks = puppet.counts()["look"];
    let (path, of) = (ground.path(), keys_of(&site, &back));
    puppet.before(move |name, nth| {
        let (path, of) = (path.clone(), of.clone());
        async move {
            // The last look of the sweep, five seconds after the deed.
            if (name, nth) == ("look", looks + 3) {
                Ground::bring_back(path, &of).await;
            }
        }
    });
    // Its row is there again at the look after next; what the sweep sees of it, it sees by key.
    let running = site.clone();
    let sweep = tokio::spawn(async move { running.sweep(false).await.unwrap() });
    later(Duration::from_secs(3)).await;
    later(Duration::from_secs(3)).await;
    let report = sweep.await.unwrap();
    assert!(report.verified, "who came back is not left over");
    assert_eq!(report.users.len(), preview.users.len() - 1);
    let skipped = report.skipped.iter().find(|s| s.username == back.username);
    assert_eq!(skipped.unwrap().why, "came back");
    let kept = hold(&site.roster).keys_of(&UserId::new(back.id.as_str()));
    assert!(!kept.is_empty());
    let prints: Vec<String> = kept.iter().map(SessionKey::fingerprint).collect();
    let told = ground.entries().pop().unwrap();
    assert!(
        told.users
            .iter()
            .flat_map(|u| &u.sessions)
            .all(|f| !prints.contains(f))
    );
}

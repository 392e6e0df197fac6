//! Sessions that no range of dates finds, and a sweep that must not leave them behind.

use std::sync::atomic::Ordering;

use super::puppet::Puppet;
use super::*;
use crate::django::session::{Decoded, decode};
use crate::store::AGES;
use crate::store::pace::Share;

/// So long ago, all users of the demo who are signed in were active since.
const SAVED: i64 = 22_000;

/// No listing is due for hours.
async fn put_off_listings(site: &Site) {
    let mut mark = site.mark.lock().await;
    for _ in 0..4 {
        let hour = Duration::from_secs(3_600);
        mark.listing
            .took(hour, Share::Listing, tokio::time::Instant::now());
    }
}

/// No session's date is fixed any more.
async fn let_dates_tell(ground: &Ground) {
    let rows = "SELECT session_key || ' ' || session_data FROM django_session";
    for row in ground.texts(rows).await {
        let (key, data) = row.split_once(' ').unwrap();
        let fixed = |s: &Decoded| matches!(s.expiry, Expiry::Fixed(_));
        if decode(data, None).is_ok_and(|session| fixed(&session)) {
            let sql = format!("DELETE FROM django_session WHERE session_key = '{key}'");
            ground.execute(&sql).await;
        }
    }
}

/// The site of somebody overdue, with nobody stale and no fixed date, last listed so many seconds ago.
async fn listed(ground: &Ground, ago: i64) -> (Arc<Site>, UserView) {
    let_dates_tell(ground).await;
    let site = ground.site().await;
    ground
        .execute(r#"UPDATE accounts_user SET "isCurrentlyActive" = 0"#)
        .await;
    // Each age that the demo gives stays one of the site's when those who are overdue go.
    let here = site.users(&everyone(Filter::Active)).rows.remove(0);
    let expires = ground.now + SignedDuration::from_secs(28_800 - SAVED);
    another_session(ground, &here.id, Expiry::Seconds(28_800), expires).await;
    site.look_whole(&[]).await.unwrap();
    assert_eq!(site.view().counts.stale, 0);
    put_off_listings(&site).await;
    let at = site.db_now().unwrap() - SignedDuration::from_secs(ago);
    site.mark.lock().await.listed = Some(at);
    let person = site.users(&everyone(Filter::Overdue)).rows.remove(0);
    (site, person)
}

/// A session of theirs, saved before their last activity, with an expiry of its own.
async fn another_session(ground: &Ground, id: &str, expiry: Expiry, expires: Timestamp) -> String {
    let keys = crate::django::secret::SecretKeys::new(ground.secret.clone(), Vec::new());
    let sql = format!("SELECT password FROM accounts_user WHERE id = {id}");
    let password = ground.texts(&sql).await.remove(0);
    let fields = Fields {
        user: Some(id.to_owned()),
        auth_hash: Some(session_auth_hash(&password, &ground.secret)),
        expiry,
        ..Fields::default()
    };
    let data = encode(
        &fields,
        &keys,
        ground.now - SignedDuration::from_secs(SAVED),
    );
    let key = format!("{id:z>32}");
    let at = expires.strftime("%Y-%m-%d %H:%M:%S");
    let sql = format!("INSERT INTO django_session VALUES ('{key}', '{data}', '{at}')");
    ground.execute(&sql).await;
    key
}

#[tokio::test]
async fn a_listing_from_before_the_cutoff_is_taken_again_before_a_sweep() {
    let ground = Ground::new().await;
    // 35 minutes are the cutoff.
    let (site, person) = listed(&ground, 2_200).await;
    assert!(hold(&site.roster).dates_tell(AGES), "the dates here tell");
    let age = 77_777;
    let expires = ground.now + SignedDuration::from_secs(age - SAVED);
    let key = another_session(&ground, &person.id, Expiry::Seconds(age), expires).await;
    site.look().await.unwrap();
    assert!(
        !hold(&site.roster)
            .keys_of(&UserId::new(person.id.as_str()))
            .iter()
            .any(|known| known.expose() == key),
        "no look was to find it"
    );
    let report = site.sweep(true).await.unwrap();
    assert!(report.users.iter().any(|user| user.id == person.id));
    assert!(!ground.keys().await.contains(&key));
}

#[tokio::test]
async fn where_dates_are_fixed_a_sweep_lists_everything() {
    let ground = Ground::new().await;
    let (site, person) = listed(&ground, 0).await;
    let fixed = ground.now + SignedDuration::from_secs(86_400);
    let key = another_session(&ground, &person.id, Expiry::Fixed(fixed), fixed).await;
    site.look_whole(&[]).await.unwrap();
    assert!(!hold(&site.roster).dates_tell(AGES));
    // Nobody's listing found this one yet.
    put_off_listings(&site).await;
    let other = format!("a{}", &key[1..]);
    let copy = format!(
        "INSERT INTO django_session SELECT '{other}', session_data, expire_date
         FROM django_session WHERE session_key = '{key}'"
    );
    ground.execute(&copy).await;
    let report = site.sweep(true).await.unwrap();
    assert!(report.users.iter().any(|user| user.id == person.id));
    assert!(!ground.keys().await.contains(&other));
}

#[tokio::test]
async fn where_looks_list_a_sweep_lists_nothing_after_its_deed() {
    for lists in [true, false] {
        let ground = Ground::new().await;
        let (mut site, _) = listed(&ground, 0).await;
        let puppet = Puppet::on(&mut site);
        puppet.lists.store(lists, Ordering::SeqCst);
        assert!(site.sweep(true).await.unwrap().verified);
        let calls = puppet.calls();
        let deed = calls.iter().rposition(|call| *call == "sweep").unwrap();
        let (before, after) = calls.split_at(deed);
        assert!(before.contains(&"listing"), "{calls:?}");
        // By dates it costs next to nothing.
        assert_eq!(after.contains(&"listing"), !lists, "{calls:?}");
        assert!(after.contains(&"surviving"), "{calls:?}");
    }
}

/// What brings sessions back that go, with this date.
fn back(which: &str, date: &str) -> String {
    format!(
        "CREATE TRIGGER back AFTER DELETE ON django_session {which} BEGIN
           INSERT INTO django_session VALUES (OLD.session_key, OLD.session_data, {date});
         END"
    )
}

#[tokio::test]
async fn sessions_that_are_put_back_as_they_were_are_told_of() {
    let ground = Ground::new().await;
    let (site, _) = listed(&ground, 0).await;
    ground.execute(&back("", "OLD.expire_date")).await;
    let report = site.sweep(true).await.unwrap();
    assert!(!report.verified && !report.users.is_empty());
    let left = site.users(&everyone(Filter::Overdue)).rows;
    for user in &report.users {
        let seen = left.iter().any(|one| one.id == user.id);
        assert!(seen, "{} is to be seen", user.username);
    }
}

#[tokio::test]
async fn one_of_several_sessions_that_is_there_again_is_told_of() {
    // As it was, and saved anew.
    let anew = "strftime('%Y-%m-%d %H:%M:%f', 'now', '+14 days')";
    for date in ["OLD.expire_date", anew] {
        let ground = Ground::new().await;
        let (site, person) = listed(&ground, 0).await;
        let saved = ground.now - SignedDuration::from_secs(SAVED);
        let expires = saved + SignedDuration::from_hours(14 * 24);
        another_session(&ground, &person.id, Expiry::Default, expires).await;
        site.look_whole(&[]).await.unwrap();
        put_off_listings(&site).await;
        let keys = || hold(&site.roster).keys_of(&UserId::new(person.id.as_str()));
        let all = keys();
        assert!(all.len() > 1);
        let which = format!("WHEN OLD.session_key = '{}'", all[0].expose());
        ground.execute(&back(&which, date)).await;
        let report = site.sweep(true).await.unwrap();
        assert!(!report.verified, "{date}");
        assert_eq!(keys(), all[..1], "it is to be seen");
    }
}

/// When the last listing began, by the look before a sweep.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Listing {
    InThatLook,
    Earlier,
    NotDue,
    /// That look is the first one of all.
    First,
}

#[tokio::test]
async fn all_sessions_are_listed_once_before_the_stale_are_swept() {
    // Whether dates tell what was saved, and how many looks at everything there are.
    for (tell, listing, whole) in [
        (true, Listing::NotDue, 1),
        (true, Listing::InThatLook, 0),
        (true, Listing::Earlier, 1),
        (true, Listing::First, 1),
        (false, Listing::NotDue, 1),
    ] {
        let ground = Ground::new().await;
        if tell {
            let_dates_tell(&ground).await;
        } else {
            // Of the demo's own sessions none may have a fixed date, by chance.
            let away =
                r#"SELECT CAST(id AS TEXT) FROM accounts_user WHERE NOT "isCurrentlyActive""#;
            let id = ground.texts(away).await.remove(0);
            let fixed = ground.now + SignedDuration::from_secs(86_400);
            another_session(&ground, &id, Expiry::Fixed(fixed), fixed).await;
        }
        let mut site = ground.site().await;
        site.look_whole(&[]).await.unwrap();
        assert_eq!(hold(&site.roster).dates_tell(AGES), tell);
        match listing {
            Listing::InThatLook => site.mark.lock().await.listing.hurry(),
            Listing::First => *site.mark.lock().await = Mark::default(),
            _ => put_off_listings(&site).await,
        }
        let puppet = Puppet::on(&mut site);
        puppet
            .ends
            .store(listing == Listing::Earlier, Ordering::SeqCst);
        let plan = site.preview().await.unwrap();
        let mut users = plan.users.iter();
        assert!(users.any(|user| user.reason == SweepReason::Stale));
        let calls = puppet.counts();
        let looks = calls.get("whole").copied().unwrap_or(0);
        assert_eq!(looks, whole, "{listing:?}, {calls:?}");
    }
}

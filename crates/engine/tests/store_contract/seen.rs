//! PostgreSQL hands over once what a look has seen, by its own numbers.

use std::time::{Duration, Instant};

use curfew_engine::django::session::Expiry;
use curfew_engine::store::{SessionKey, Sink};
use jiff::{SignedDuration, Timestamp};

use crate::common::{COOKIE_AGE, Ground};
use crate::counts::{Watched, key};

/// Until everything that was written here was over before any transaction that is not over: others at the server have
/// theirs, too.
async fn all_is_over(ground: &Ground) {
    let over = "SELECT CAST(count(*) AS bigint) FROM django_session \
                WHERE age(xmin) <= age(CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS text) AS xid))";
    let began = Instant::now();
    while ground.db.int(over).await > 0 {
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "someone's transaction"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_look_has_seen_is_not_handed_over_again_and_what_was_committed_late_is() {
    let mut watched = Watched::with(30).await;
    let (ground, now) = (&watched.ground, Timestamp::now());
    let late = {
        let data = ground.data(Some(30), now, Expiry::Default);
        let save = ground.saving(&key(30), &data, ground.expires(now));
        ground.db.holding(&save).await
    };
    for number in 1..=20 {
        ground.save(&key(number), Some(number), now).await;
    }
    watched.look().await;
    assert_eq!(watched.saved.len(), 20);
    // Later transactions than one that is not over may have been seen, or not.
    watched.look().await;
    late.commit().await;
    watched.look().await;
    assert!(!watched.saved.is_empty(), "the late one");

    all_is_over(&watched.ground).await;
    watched.look().await;
    watched.look().await;
    assert_eq!(watched.saved.len(), 0);
    watched
        .ground
        .save(&key(7), Some(7), Timestamp::now())
        .await;
    watched.look().await;
    assert_eq!(watched.saved.len(), 1);

    // By a web server whose clock is ahead: seen once it is the time.
    let ahead = Timestamp::now() + SignedDuration::from_secs(14);
    watched.ground.save(&key(8), Some(8), ahead).await;
    all_is_over(&watched.ground).await;
    sees(&mut watched).await;
}

/// Looks until something saved is handed over.
async fn sees(watched: &mut Watched) {
    watched.look().await;
    let began = Instant::now();
    while watched.saved.is_empty() {
        assert!(
            began.elapsed() < Duration::from_secs(30),
            "it is never seen"
        );
        tokio::time::sleep(Duration::from_millis(500)).await;
        watched.look().await;
    }
}

/// Looks until a listing has met an age, each time after this was saved, and nothing is handed over meanwhile. A small site
/// is listed whole at a look; on a busy machine that waits for its share.
async fn meets(watched: &mut Watched, age: i64, save: impl AsyncFn(&Ground)) {
    let began = Instant::now();
    while !watched.roster.ages().contains(&age) {
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "it is never listed"
        );
        save(&watched.ground).await;
        watched.look().await;
        assert_eq!(watched.saved, []);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Of thirty people's sessions twenty were saved, and the last look has seen them.
async fn twenty_saved() -> Watched {
    let mut watched = Watched::with(30).await;
    let now = Timestamp::now();
    for number in 1..=20 {
        watched.ground.save(&key(number), Some(number), now).await;
    }
    all_is_over(&watched.ground).await;
    watched.look().await;
    assert_eq!(watched.saved.len(), 20);
    watched
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_of_an_age_that_was_unknown_all_is_handed_over_again() {
    const SHORT: i64 = 7_000;
    let mut watched = twenty_saved().await;
    meets(&mut watched, SHORT, async |ground: &Ground| {
        let now = Timestamp::now();
        let data = ground.data(Some(21), now, Expiry::Seconds(SHORT));
        let until = now + SignedDuration::from_secs(SHORT);
        let short = ground.saving(&key(21), &data, until);
        assert_eq!(ground.db.execute(&short).await, 1);
    })
    .await;
    sees(&mut watched).await;
    assert_eq!(watched.saved, [SessionKey::new(key(21))]);
    all_is_over(&watched.ground).await;
    watched.look().await;
    watched.look().await;
    assert_eq!(watched.saved, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_has_an_age_of_a_second_more_is_handed_over_once_and_nothing_else_with_it() {
    let mut watched = twenty_saved().await;
    for number in 21..=22 {
        let (ground, now) = (&watched.ground, Timestamp::now());
        let data = ground.data(Some(number), now, Expiry::Default);
        let until = ground.expires(now) + SignedDuration::from_secs(1);
        let save = ground.saving(&key(number), &data, until);
        assert_eq!(ground.db.execute(&save).await, 1);
        all_is_over(ground).await;
        watched.look().await;
        assert_eq!(watched.saved, [SessionKey::new(key(number))]);
        meets(&mut watched, COOKIE_AGE + 1, async |_: &Ground| {}).await;
        for _ in 0..2 {
            watched.look().await;
            assert_eq!(watched.saved, []);
        }
    }
}

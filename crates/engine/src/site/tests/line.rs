//! How the line to the database is told of: by its clock, its age, its failures.

use tokio::time::{Instant, advance};

use super::super::link::Line;
use super::*;
use crate::view::Link;

fn db() -> Timestamp {
    "2026-11-23T12:00:00.000001Z".parse().unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_clock_is_the_databases_and_goes_on_between_looks() {
    let mut line = Line::default();
    assert_eq!(line.db_now(), None);
    // This machine's clock is a day ahead, and does not matter.
    let local = db() + SignedDuration::from_hours(24);
    line.succeeded(Instant::now(), db(), local, 0);
    assert_eq!(line.db_now(), Some(db()));
    advance(Duration::from_millis(2_500)).await;
    assert_eq!(
        line.db_now(),
        Some(db() + SignedDuration::from_millis(2_500))
    );
    assert_eq!(line.view().skew_seconds, Some(-86_400.0));
    assert_eq!(line.skew(), Some(SignedDuration::from_hours(-24)));
}

#[tokio::test(start_paused = true)]
async fn what_is_shown_is_stale_after_six_seconds_and_offline_after_a_failure() {
    let mut line = Line::default();
    assert_eq!(line.view().link, Link::Stale);
    line.succeeded(Instant::now(), db(), db(), 0);
    assert_eq!(line.view().link, Link::Live);
    advance(Duration::from_secs(6)).await;
    assert_eq!(line.view().link, Link::Live);
    advance(Duration::from_millis(1)).await;
    let view = line.view();
    assert_eq!(view.link, Link::Stale);
    assert!((view.age_seconds.unwrap() - 6.001).abs() < 1e-6);
    assert_eq!(view.retry_seconds, None);

    let error = Error::new(Code::Unreachable, "no answer");
    line.failed(error.clone());
    line.retry_at(Instant::now() + Duration::from_millis(7_200));
    let view = line.view();
    assert_eq!((view.link, view.error), (Link::Offline, Some(error)));
    assert_eq!(view.retry_seconds, Some(8));
    advance(Duration::from_secs(60)).await;
    assert_eq!(line.view().retry_seconds, Some(0));
    // The clock goes on without the database, and an answer makes all well.
    assert!(line.db_now().unwrap() > db() + SignedDuration::from_secs(60));
    line.succeeded(Instant::now(), db(), db(), 0);
    let view = line.view();
    assert_eq!(
        (view.link, view.error, view.retry_seconds),
        (Link::Live, None, None)
    );
}

#[tokio::test]
async fn a_site_that_is_gone_keeps_its_people_on_show_and_comes_back() {
    let ground = Ground::new().await;
    let site = ground.site().await;
    let counts = site.view().counts;
    let mut events = site.subscribe();
    let mut links = move || {
        let heard = std::iter::from_fn(|| events.try_recv().ok());
        heard
            .filter_map(|event| match event {
                Event::Connection { connection } => Some(connection.link),
                _ => None,
            })
            .collect::<Vec<_>>()
    };
    let away = ground.folder.path().join("away");
    std::fs::rename(ground.path(), &away).unwrap();
    for _ in 0..2 {
        assert_eq!(site.look().await.unwrap_err().code, Code::File);
    }
    let view = site.view();
    assert_eq!((view.connection.link, view.counts), (Link::Offline, counts));
    assert_eq!(
        site.users(&everyone(Filter::Active)).rows.len(),
        counts.active as usize
    );
    assert!(site.sweep(true).await.is_err());
    assert!(!ground.path().exists(), "a file was made in its place");
    std::fs::rename(&away, ground.path()).unwrap();
    site.look().await.unwrap();
    assert_eq!(site.view().connection.link, Link::Live);
    assert_eq!(
        links(),
        [Link::Offline, Link::Live],
        "each change is told of once"
    );
}

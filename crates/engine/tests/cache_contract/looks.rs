//! What a look hands over, and what it leaves out.

use std::collections::BTreeSet;

use curfew_engine::store::SessionKey;
use jiff::Timestamp;
use redis::cmd;

use crate::ground::{Ground, Kind, session};
use crate::seen::Seen;

on_each_redis! {
    a_second_look_reads_what_is_new_or_was_saved
    what_is_gone_is_gone_after_a_whole_listing
    other_keys_are_no_sessions
}

async fn a_second_look_reads_what_is_new_or_was_saved(kind: Kind) {
    let mut ground = Ground::on(kind).await;
    let (one, two, three) = (session(1), session(2), session(3));
    ground.put(&one, b"first", ground.later(1000)).await;
    ground.put(&two, b"second", ground.later(2000)).await;
    let sessions = ground.sessions().await;
    let mut seen = Seen::default();
    let handed = seen.look_through(&*sessions).await;
    assert_eq!(handed.len(), 2);
    let row = &seen.there[&SessionKey::new(one.as_str())].0;
    assert_eq!(row.data.bytes(), b"first");
    let off = row
        .expires
        .duration_since(ground.later(1000))
        .as_millis()
        .abs();
    // Redis says when a key expires; what is reckoned from the time left is off by some milliseconds.
    assert!(
        off <= if kind == Kind::Old { 500 } else { 0 },
        "{off} ms off"
    );
    // Nothing changed: nothing is read.
    assert!(seen.look_through(&*sessions).await.is_empty());
    // Saved with the same content: its time to live alone is new.
    ground.put(&one, b"first", ground.later(3000)).await;
    ground.put(&three, b"third", ground.later(2000)).await;
    let handed: BTreeSet<SessionKey> = seen
        .look_through(&*sessions)
        .await
        .into_iter()
        .map(|row| row.key)
        .collect();
    let expected = [&one, &three].map(|key| SessionKey::new(key.as_str()));
    assert_eq!(handed, BTreeSet::from(expected));
}

async fn what_is_gone_is_gone_after_a_whole_listing(kind: Kind) {
    let mut ground = Ground::on(kind).await;
    let keys: Vec<String> = (0..20).map(session).collect();
    for key in &keys {
        ground.put(key, b"value", ground.later(1000)).await;
    }
    let sessions = ground.sessions().await;
    let mut seen = Seen::default();
    seen.look_through(&*sessions).await;
    assert_eq!(seen.there.len(), 20);
    for key in &keys[..5] {
        ground.take(key).await;
    }
    seen.look_through(&*sessions).await;
    let left = keys[5..].iter().map(|key| SessionKey::new(key.as_str()));
    assert_eq!(seen.keys(), left.collect());
}

async fn other_keys_are_no_sessions(kind: Kind) {
    let mut ground = Ground::on(kind).await;
    ground.put(&session(1), b"value", ground.later(1000)).await;
    // Of another version, of cached_db, of a name that is none, and of no string.
    let prefix = ground.config.cache_key_prefix.clone();
    for other in [
        format!("{prefix}:2:django.contrib.sessions.cache{}", session(2)),
        format!("{prefix}:1:django.contrib.sessions.cached_db{}", session(3)),
        format!("{prefix}:1:django.contrib.sessions.cacheshort"),
        format!("{prefix}:1:views.page{}", session(4)),
    ] {
        ground.put_at(&other, b"value", None).await;
    }
    let mut list = cmd("RPUSH");
    list.arg(ground.key(&session(5))).arg("no dict");
    ground.line.ask(&list).await;
    let sessions = ground.sessions().await;
    let mut seen = Seen::default();
    seen.look_through(&*sessions).await;
    assert_eq!(seen.keys(), BTreeSet::from([SessionKey::new(session(1))]));
    // Nobody can be logged out by a key that is no session's value.
    let odd = SessionKey::new(session(5));
    assert!(sessions.read(&[odd]).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_huge_value_is_not_fetched_and_no_expiry_is_the_last_moment() {
    let mut ground = Ground::on(Kind::Plain).await;
    let huge = vec![b'x'; (1 << 20) + 1];
    let largest = vec![b'x'; 1 << 20];
    ground.put_at(&ground.key(&session(1)), &huge, None).await;
    ground
        .put_at(&ground.key(&session(2)), &largest, None)
        .await;
    let sessions = ground.sessions().await;
    let mut seen = Seen::default();
    seen.look_through(&*sessions).await;
    let row = &seen.there[&SessionKey::new(session(1))].0;
    assert!(row.data.bytes().is_empty());
    assert_eq!(row.expires, Timestamp::MAX);
    let row = seen.there[&SessionKey::new(session(2))].0.clone();
    assert_eq!(row.data.bytes().len(), largest.len());
    // Not changed since: it goes. What was never read stays, unless it is to go whatever it is.
    let huge = seen.there[&SessionKey::new(session(1))].0.clone();
    let gone = sessions
        .delete_unchanged(&[row.clone(), huge.clone()])
        .await
        .unwrap();
    assert_eq!(gone, [row.key]);
    assert_eq!(
        sessions
            .delete(std::slice::from_ref(&huge.key))
            .await
            .unwrap(),
        [huge.key]
    );
}

#[tokio::test]
async fn many_keys_are_listed_in_steps() {
    for kind in [Kind::Plain, Kind::Cluster] {
        let ground = Ground::on(kind).await;
        let expires = ground.later(1000);
        let keys: Vec<String> = (0..10_000).map(session).collect();
        for chunk in keys.chunks(1000) {
            let sets = chunk.iter().map(|key| {
                let mut set = cmd("SET");
                set.arg(ground.key(key)).arg("value").arg("PXAT");
                set.arg(expires.as_millisecond());
                let mut line = ground.line.clone();
                async move {
                    line.ask(&set).await;
                }
            });
            futures_util::future::join_all(sets).await;
        }
        let sessions = ground.sessions().await;
        let mut seen = Seen::default();
        // The first look is whole: what a sweep is planned by.
        seen.look(&*sessions).await.unwrap();
        assert_eq!((seen.begun, seen.whole, seen.there.len()), (1, 1, 10_000));
        assert_eq!(seen.handed.len(), 10_000);
        // What is half listed takes nothing away: at each moment all are there.
        let mut begun = 0;
        while begun == 0 {
            seen.look(&*sessions).await.unwrap();
            begun += seen.begun;
            assert_eq!((seen.there.len(), seen.handed.len()), (10_000, 0));
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        // With no time at all a look does one step, and the next goes on from there.
        seen.mark.list_for(std::time::Duration::ZERO);
        let mut begun = 0;
        while begun == 0 || seen.whole == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            seen.look(&*sessions).await.unwrap();
            begun += seen.begun;
            assert!(seen.begun == 0 || seen.whole == 0, "in one look");
            assert_eq!((seen.there.len(), seen.handed.len()), (10_000, 0));
        }
        assert_eq!(begun, 1, "it was resumed, not begun again");
        // Before a deed it is listed whole, whatever was half done.
        seen.mark.hurry();
        seen.look(&*sessions).await.unwrap();
        assert_eq!((seen.begun, seen.whole, seen.there.len()), (1, 1, 10_000));
        assert!(seen.handed.is_empty());
        let keys: Vec<SessionKey> = keys
            .iter()
            .map(|key| SessionKey::new(key.as_str()))
            .collect();
        assert_eq!(sessions.surviving(&keys).await.unwrap().len(), 10_000);
        assert_eq!(sessions.delete(&keys).await.unwrap().len(), 10_000);
        assert!(sessions.surviving(&keys).await.unwrap().is_empty());
    }
}

//! A sweep of people whose sessions lie in a cache alone, and who came back meanwhile.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use curfew_engine::store::{SessionKey, Store, SweepBatch, UserId};
use jiff::Timestamp;
use redis::{Value, cmd};

use crate::common;
use crate::ground::{Ground, session};

/// Four idle people in SQLite, and a Redis of the test's own with a session of each, and another of the second.
async fn idle() -> (common::Ground, Ground, Vec<(UserId, Vec<SessionKey>)>) {
    let users = common::Ground::on(common::Engine::Sqlite).await;
    let mut cache = Ground::alone().await;
    let mut people = Vec::new();
    for n in 1..=4 {
        let person = common::Person {
            activity: Some(users.ago(9000)),
            flag: true,
            ..common::Person::default()
        };
        users.person(n, &format!("person{n}"), person).await;
        people.push((users.id(n), Vec::new()));
    }
    for (n, of) in [(1, 0), (2, 1), (3, 1), (4, 2), (5, 3)] {
        let end = cache.later(1000 + i64::from(n));
        people[of]
            .1
            .push(cache.put(&session(n), b"idle", end).await);
    }
    (users, cache, people)
}

/// How often the server was asked so since its counts began anew.
async fn asked(cache: &mut Ground, word: &str) -> u64 {
    let answer = cache.line.ask(cmd("INFO").arg("commandstats")).await;
    let text: String = redis::from_redis_value(answer).unwrap();
    let calls = format!("cmdstat_{word}:calls=");
    let line = text.lines().find_map(|line| line.strip_prefix(&calls));
    line.map_or(0, |rest| rest.split(',').next().unwrap().parse().unwrap())
}

#[tokio::test]
async fn expiries_tell_who_came_back_and_contents_are_not_read() {
    let (users, mut cache, people) = idle().await;
    let store = users.db.store_apart(cache.sessions().await).await;
    let ends = |n: u32| {
        (
            SessionKey::new(session(n)),
            cache.later(1000 + i64::from(n)),
        )
    };
    // Of the fifth the date tells nothing.
    let dates: HashMap<SessionKey, Timestamp> = (1..=4).map(ends).collect();
    // The second person is back in one of two sessions; the third was signed out by someone else.
    cache.put(&session(3), b"idle", cache.later(1500)).await;
    cache.take(&session(4)).await;
    cache.line.ask(cmd("CONFIG").arg("RESETSTAT")).await;
    let batch = SweepBatch {
        overdue: people,
        dates,
        stale: Vec::new(),
        cutoff: users.cutoff(),
        saves_prove: true,
        decide: Arc::new(|_, row| row.key == SessionKey::new(session(5))),
        exempts: Arc::new(|_| None),
    };
    let done = store.sweep(batch).await.unwrap();
    let gone: BTreeSet<SessionKey> = done.deleted.into_iter().collect();
    assert_eq!(gone, [1, 5].map(|n| SessionKey::new(session(n))).into());
    let marked: BTreeSet<UserId> = done.marked.into_iter().collect();
    assert_eq!(marked, [1, 3, 4].map(|n| users.id(n)).into());
    let spared: Vec<UserId> = done.spared.into_iter().map(|(id, _)| id).collect();
    assert_eq!(spared, [users.id(2)]);
    assert!(cache.there(&session(2)).await && cache.there(&session(3)).await);
    // One for what was judged, and one for its deletion.
    assert_eq!(asked(&mut cache, "get").await, 2);
}

#[tokio::test]
async fn a_server_that_tells_no_expiry_has_contents_read() {
    let (users, mut cache, people) = idle().await;
    let mut rename = cmd("ACL");
    rename.arg("SETUSER").arg("default").arg("-pexpiretime");
    cache.line.ask(&rename).await;
    let sessions = cache.sessions().await;
    let all: Vec<SessionKey> = people.iter().flat_map(|(_, keys)| keys.clone()).collect();
    let dates = sessions.dates(&all).await.unwrap();
    assert!(!sessions.date_tells());
    assert_eq!(sessions.delete_unmoved(&dates).await.unwrap(), []);
    let store = users.db.store_apart(sessions).await;
    let batch = SweepBatch {
        overdue: people,
        dates: dates.into_iter().collect(),
        stale: Vec::new(),
        cutoff: users.cutoff(),
        saves_prove: true,
        decide: Arc::new(|_, row| row.data.bytes() == b"idle"),
        exempts: Arc::new(|_| None),
    };
    let done = store.sweep(batch).await.unwrap();
    assert_eq!(done.deleted.len(), 5);
    assert_eq!(cache.line.ask(&cmd("DBSIZE")).await, Value::Int(0));
}

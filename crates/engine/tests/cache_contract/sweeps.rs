//! A sweep of people whose sessions lie in a cache alone, and who came back meanwhile.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use async_trait::async_trait;
use curfew_engine::store::{
    Mark, SessionKey, SessionRow, Sessions, Sink, Store, SweepBatch, UserId,
};
use curfew_engine::{Code, Error, Result};
use jiff::{SignedDuration, Timestamp};
use redis::{Value, cmd};

use crate::common;
use crate::ground::{Ground, session};

type Idle = Vec<(UserId, Vec<SessionKey>)>;

/// Five idle people in SQLite, and a Redis of the test's own with a session of each, and another of the second.
async fn idle() -> (common::Ground, Ground, Idle) {
    let users = common::Ground::on(common::Engine::Sqlite).await;
    let mut cache = Ground::alone().await;
    let mut people = Vec::new();
    for n in 1..=5 {
        let person = common::Person {
            activity: Some(users.ago(9000)),
            flag: true,
            ..common::Person::default()
        };
        users.person(n, &format!("person{n}"), person).await;
        people.push((users.id(n), Vec::new()));
    }
    for (n, of) in [(1, 0), (2, 1), (3, 1), (4, 2), (5, 3), (6, 4)] {
        let end = cache.later(1000 + i64::from(n));
        people[of]
            .1
            .push(cache.put(&session(n), b"idle", end).await);
    }
    (users, cache, people)
}

/// All of them, as they were judged; of what is read anew, those may go that meet this.
fn batch(
    users: &common::Ground,
    overdue: Idle,
    dates: impl IntoIterator<Item = (SessionKey, Timestamp)>,
    may_go: impl Fn(&SessionRow) -> bool + Send + Sync + 'static,
) -> SweepBatch {
    SweepBatch {
        overdue,
        dates: dates.into_iter().collect(),
        stale: Vec::new(),
        cutoff: users.cutoff(),
        saves_prove: true,
        decide: Arc::new(move |_, row| may_go(row)),
        exempts: Arc::new(|_| None),
    }
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
    // Of the fifth the date tells nothing; the sixth was taken for a little older than it is.
    let mut dates: HashMap<SessionKey, Timestamp> = (1..=4).map(ends).collect();
    let (sixth, end) = ends(6);
    dates.insert(sixth, end - SignedDuration::from_millis(1_200));
    // The second person is back in one of two sessions; the third was signed out by someone else.
    cache.put(&session(3), b"idle", cache.later(1500)).await;
    cache.take(&session(4)).await;
    cache.line.ask(cmd("CONFIG").arg("RESETSTAT")).await;
    let read_may_go = [5, 6].map(|n| SessionKey::new(session(n)));
    let batch = batch(&users, people, dates, move |row| {
        read_may_go.contains(&row.key)
    });
    let done = store.sweep(batch).await.unwrap();
    let gone: BTreeSet<SessionKey> = done.deleted.into_iter().collect();
    assert_eq!(gone, [1, 5, 6].map(|n| SessionKey::new(session(n))).into());
    let marked: BTreeSet<UserId> = done.marked.into_iter().collect();
    assert_eq!(marked, [1, 3, 4, 5].map(|n| users.id(n)).into());
    let spared: Vec<UserId> = done.spared.into_iter().map(|(id, _)| id).collect();
    assert_eq!(spared, [users.id(2)]);
    assert!(cache.there(&session(2)).await && cache.there(&session(3)).await);
    // Of those two, to judge them and to delete them; and of the one that came back, to judge it.
    assert_eq!(cache.asked("get").await, 5);
}

#[tokio::test]
async fn a_server_that_tells_no_expiry_has_contents_read() {
    let (users, mut cache, people) = idle().await;
    let mut less = cmd("ACL");
    less.arg("SETUSER").arg("default").arg("-pexpiretime");
    cache.line.ask(&less).await;
    let sessions = cache.sessions().await;
    let all: Vec<SessionKey> = people.iter().flat_map(|(_, keys)| keys.clone()).collect();
    let dates = sessions.dates(&all).await.unwrap();
    assert!(!sessions.date_tells());
    let mut gone = Vec::new();
    sessions
        .delete_judged(&dates, &[], &mut gone)
        .await
        .unwrap();
    assert_eq!(gone, []);
    let store = users.db.store_apart(sessions).await;
    let batch = batch(&users, people, dates, |row| row.data.bytes() == b"idle");
    let done = store.sweep(batch).await.unwrap();
    assert_eq!(done.deleted.len(), 6);
    assert_eq!(cache.line.ask(&cmd("DBSIZE")).await, Value::Int(0));
}

/// A cache that goes away once it has deleted.
struct Half(Arc<dyn Sessions>);

#[async_trait]
impl Sessions for Half {
    async fn look(&self, now: Timestamp, mark: &mut Mark, sink: &mut dyn Sink) -> Result<()> {
        self.0.look(now, mark, sink).await
    }
    async fn read(&self, keys: &[SessionKey]) -> Result<Vec<SessionRow>> {
        self.0.read(keys).await
    }
    async fn surviving(&self, keys: &[SessionKey]) -> Result<Vec<SessionKey>> {
        self.0.surviving(keys).await
    }
    async fn delete(&self, keys: &[SessionKey]) -> Result<Vec<SessionKey>> {
        self.0.delete(keys).await
    }
    async fn delete_unchanged(&self, rows: &[SessionRow]) -> Result<Vec<SessionKey>> {
        self.0.delete_unchanged(rows).await
    }
    fn date_tells(&self) -> bool {
        self.0.date_tells()
    }
    async fn dates(&self, keys: &[SessionKey]) -> Result<Vec<(SessionKey, Timestamp)>> {
        self.0.dates(keys).await
    }
    async fn delete_judged(
        &self,
        dated: &[(SessionKey, Timestamp)],
        rows: &[SessionRow],
        deleted: &mut Vec<SessionKey>,
    ) -> Result<()> {
        self.0.delete_judged(dated, rows, deleted).await?;
        Err(Error::new(Code::Unreachable, "it went away"))
    }
}

#[tokio::test]
async fn what_was_deleted_is_told_of_where_the_cache_goes_away() {
    let (users, mut cache, people) = idle().await;
    let sessions = cache.sessions().await;
    let all: Vec<SessionKey> = people.iter().flat_map(|(_, keys)| keys.clone()).collect();
    let dates = sessions.dates(&all).await.unwrap();
    let store = users.db.store_apart(Arc::new(Half(sessions))).await;
    let batch = batch(&users, people, dates, |_| false);
    let done = store.sweep(batch).await.unwrap();
    assert_eq!(done.deleted.len(), 6);
    assert_eq!(done.broken.unwrap().code, Code::Unreachable);
    // The users' part is undone.
    assert_eq!(done.marked, []);
    let flagged = r#"SELECT count(*) FROM accounts_user WHERE "isCurrentlyActive""#;
    assert_eq!(users.db.int(flagged).await, 5);
    assert_eq!(cache.line.ask(&cmd("DBSIZE")).await, Value::Int(0));
}

//! Rows in a table and copies in a cache: what happens to the copies when rows go.

use std::collections::BTreeSet;
use std::collections::HashMap;
use std::sync::Arc;

use curfew_engine::Code;
use curfew_engine::store::{SessionKey, Store, SweepBatch, WithCopies};
use jiff::Timestamp;

use crate::common;
use crate::ground::{Ground, session};
use crate::seen::Seen;

/// A table in SQLite, a Redis of the test's own, and Curfew's store over both.
async fn site() -> (common::Ground, Ground, Arc<WithCopies>) {
    site_on(common::Engine::Sqlite).await
}

async fn site_on(engine: common::Engine) -> (common::Ground, Ground, Arc<WithCopies>) {
    let rows = common::Ground::on(engine).await;
    let mut cache = Ground::alone().await;
    let copies = cache.copies().await;
    let store = WithCopies::new(Arc::new(rows.db.store().await), copies);
    (rows, cache, Arc::new(store))
}

/// Someone's session in both places.
async fn both(rows: &common::Ground, cache: &mut Ground, n: u32) -> SessionKey {
    let key = rows.session(&session(n), Some(1), rows.ago(3600)).await;
    cache
        .put(&session(n), b"a copy", cache.later(1_000_000))
        .await;
    key
}

async fn row_left(rows: &common::Ground, n: u32) -> bool {
    let key = session(n);
    let sql = format!("SELECT count(*) FROM django_session WHERE session_key = '{key}'");
    rows.db.int(&sql).await == 1
}

#[tokio::test]
async fn a_session_goes_with_its_copy() {
    let (rows, mut cache, store) = site().await;
    let one = both(&rows, &mut cache, 1).await;
    let two = both(&rows, &mut cache, 2).await;
    // A row without a copy, and a copy without a row.
    let three = rows.session(&session(3), Some(1), rows.ago(60)).await;
    let four = cache.put(&session(4), b"a copy", cache.later(1000)).await;
    let mut seen = Seen::default();
    seen.look_whole(&*store).await.unwrap();
    let all = [&one, &two, &three, &four].map(Clone::clone);
    assert_eq!(seen.keys(), BTreeSet::from(all.clone()));
    assert!(store.sees_copies());
    store.ready().await.unwrap();
    let gone: BTreeSet<SessionKey> = store.delete(&all[1..]).await.unwrap().into_iter().collect();
    assert_eq!(gone, all[1..].iter().cloned().collect());
    assert_eq!(
        store.surviving(&all).await.unwrap(),
        std::slice::from_ref(&one)
    );
    assert!(cache.there(&session(1)).await && !cache.there(&session(2)).await);
    seen.look_whole(&*store).await.unwrap();
    assert_eq!(seen.keys(), BTreeSet::from([one]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_that_somebody_holds_is_not_told_to_be_gone_because_it_has_a_copy() {
    for engine in [common::Engine::Postgres, common::Engine::Mysql] {
        let (rows, mut cache, store) = site_on(engine).await;
        let one = both(&rows, &mut cache, 1).await;
        let two = both(&rows, &mut cache, 2).await;
        let lone = cache.put(&session(3), b"a copy", cache.later(1000)).await;
        let mut seen = Seen::default();
        seen.look_whole(&*store).await.unwrap();
        let sql = format!(
            "SELECT 1 FROM django_session WHERE session_key = '{}' FOR UPDATE",
            session(1)
        );
        let held = rows.db.holding(&sql).await;
        let all = [one.clone(), two.clone(), lone.clone()];
        let some = store.delete(&all[..2]).await;
        let rest = store.delete(&[one.clone(), lone.clone()]).await;
        let none = store.delete(std::slice::from_ref(&one)).await;
        let there = cache.there(&session(1)).await;
        held.release().await;
        assert_eq!(some.unwrap(), [two], "{engine:?}");
        assert_eq!(rest.unwrap(), [lone]);
        assert!(none.unwrap_err().code == Code::Held);
        assert!(row_left(&rows, 1).await && there);
        assert_eq!(store.delete(&all).await.unwrap(), [one]);
        assert!(!row_left(&rows, 1).await && !cache.there(&session(1)).await);
    }
}

#[tokio::test]
async fn a_copy_alone_is_a_session_until_it_goes() {
    let (_rows, mut cache, store) = site().await;
    let one = cache.put(&session(1), b"a copy", cache.later(1000)).await;
    let mut seen = Seen::default();
    for _ in 0..3 {
        seen.look_whole(&*store).await.unwrap();
        assert_eq!(seen.keys(), BTreeSet::from([one.clone()]));
    }
    assert_eq!(
        store.surviving(std::slice::from_ref(&one)).await.unwrap(),
        [one]
    );
    cache.take(&session(1)).await;
    // What the last listing named is named once more with the rows; then it is gone.
    seen.look_whole(&*store).await.unwrap();
    seen.look_whole(&*store).await.unwrap();
    assert!(seen.there.is_empty());
}

#[tokio::test]
async fn copies_that_could_not_be_deleted_are_not_forgotten() {
    let (rows, mut cache, store) = site().await;
    let one = both(&rows, &mut cache, 1).await;
    let mut seen = Seen::default();
    seen.look_whole(&*store).await.unwrap();
    cache.servers[0].stop();
    assert_eq!(store.ready().await.unwrap_err().code, Code::NotPossible);
    // It went down after it was asked: the row is gone, and that is told.
    let mut deleted = Vec::new();
    let asked = store.delete_into(std::slice::from_ref(&one), &mut deleted);
    assert_eq!(asked.await.unwrap_err().code, Code::Unreachable);
    assert_eq!(deleted, std::slice::from_ref(&one));
    assert!(!row_left(&rows, 1).await);
    // Whether it is gone nobody can say.
    let error = store
        .surviving(std::slice::from_ref(&one))
        .await
        .unwrap_err();
    assert_eq!(error.code, Code::Unreachable);
    assert!(seen.look_whole(&*store).await.is_err());
    // Up again, with its copies.
    cache.servers[0].start_again().await;
    cache.line = crate::ground::Line::One(crate::servers::answering(cache.servers[0].port).await);
    cache.put(&session(1), b"a copy", cache.later(1000)).await;
    seen.look_whole(&*store).await.unwrap();
    assert!(!cache.there(&session(1)).await);
    assert!(store.surviving(&[one]).await.unwrap().is_empty());
    assert!(seen.there.is_empty());
}

fn batch(rows: &common::Ground, keys: Vec<SessionKey>, may_go: bool) -> SweepBatch {
    SweepBatch {
        overdue: vec![(rows.id(1), keys)],
        dates: HashMap::new(),
        stale: Vec::new(),
        cutoff: rows.cutoff(),
        saves_prove: true,
        decide: Arc::new(move |_, row| may_go || !row.data.bytes().starts_with(b"a copy")),
        exempts: Arc::new(|_| None),
    }
}

#[tokio::test]
async fn a_sweep_takes_copies_along_and_spares_who_is_here_by_a_copy_alone() {
    let (rows, mut cache, store) = site().await;
    let person = common::Person {
        activity: Some(rows.ago(9000)),
        flag: true,
        ..common::Person::default()
    };
    rows.person(1, "bob", person).await;
    let one = both(&rows, &mut cache, 1).await;
    let two = cache.put(&session(2), b"a copy", cache.later(1000)).await;
    let mut seen = Seen::default();
    seen.look_whole(&*store).await.unwrap();
    let keys = vec![one.clone(), two.clone()];
    // By the copy they were here a moment ago.
    let done = store
        .sweep(batch(&rows, keys.clone(), false))
        .await
        .unwrap();
    assert!(done.deleted.is_empty() && done.marked.is_empty());
    assert_eq!(done.spared.len(), 1);
    assert_eq!(store.surviving(&keys).await.unwrap(), keys);
    // By nothing.
    let done = store.sweep(batch(&rows, keys.clone(), true)).await.unwrap();
    assert_eq!(done.deleted, keys);
    assert_eq!(done.marked, [rows.id(1)]);
    assert!(store.surviving(&keys).await.unwrap().is_empty());
    assert!(!cache.there(&session(1)).await && !cache.there(&session(2)).await);
    assert!(rows.now < Timestamp::now());
}

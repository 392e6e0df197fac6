//! What a server refuses, and what is asked of it next.

use curfew_engine::error::Code;
use curfew_engine::store::Store;

use crate::common::{Engine, Ground, Looking};

/// A refusal comes before anything is copied. What its connection is asked next gets its own answer, and not the refusal's
/// end: that would be no rows at all, and everybody signed out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_copy_that_is_refused_each_statement_gets_its_own_answer() {
    let ground = Ground::on(Engine::Postgres).await;
    let mut keys = Vec::new();
    for number in 1..=5 {
        keys.push(ground.overdue(number, &format!("{number:a>32}")).await);
    }
    keys.sort();
    // A place in a table is compared with no such place.
    let name = ground.db.url().path().trim_start_matches('/').to_owned();
    let odd = format!(
        "CREATE SCHEMA odd; CREATE DOMAIN odd.tid AS text; ALTER DATABASE {name} SET search_path = odd, pg_catalog, public"
    );
    ground.db.execute(&odd).await;
    let store = ground.db.store().await;
    let mut looking = Looking::new();
    looking.look(&store).await;
    assert_eq!(looking.keys(), keys);
    assert_eq!(looking.users.len(), 5);
    for _ in 0..5 {
        let mut there = store.surviving(&keys).await.unwrap();
        there.sort();
        assert_eq!(there, keys);
        let people: Vec<_> = (1..=5).map(|number| ground.id(number)).collect();
        assert_eq!(store.users(&people).await.unwrap().len(), 5);
        looking.look_whole(&store).await;
        assert_eq!(looking.listings, 1);
    }
    let batch = vec![(ground.id(1), vec![keys[0].clone()])];
    let done = store.sweep(ground.batch(batch)).await.unwrap();
    assert_eq!(done.deleted, keys[..1]);
    assert_eq!(store.delete(&keys[1..]).await.unwrap().len(), 4);
    assert!(ground.keys().await.is_empty());
}

/// What its transaction was to be held to is refused, and leaves it open.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_transaction_that_could_not_begin_each_statement_gets_its_own_answer() {
    let ground = Ground::on(Engine::Postgres).await;
    let key = ground.overdue(1, "o1").await;
    let odd = ("'100ms'", "'100mz'");
    let store = ground.db.misheard_store(odd.0, odd.1, "sslmode=disable");
    let store = store.await;
    let batch = ground.batch(vec![(ground.id(1), vec![key.clone()])]);
    for _ in 0..5 {
        let refused = store.sweep(batch.clone()).await.unwrap_err();
        assert_eq!(refused.code, Code::Database);
        assert!(refused.message.contains("lock_timeout"), "{refused}");
        let keys = std::slice::from_ref(&key);
        assert_eq!(store.surviving(keys).await.unwrap(), keys);
        assert_eq!(store.users(&[ground.id(1)]).await.unwrap().len(), 1);
    }
    assert_eq!(
        store.delete(std::slice::from_ref(&key)).await.unwrap(),
        [key]
    );
}

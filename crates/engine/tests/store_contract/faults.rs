//! A network and a server with faults. Every wait ends, no more than three connections are left at the server, and what was
//! done is told although its answer was lost.

use std::time::{Duration, Instant};

use curfew_engine::config::{Address, SessionsConfig, UsersConfig};
use curfew_engine::error::{Code, Result};
use curfew_engine::site::discover::discover;
use curfew_engine::store::db::Pool;
use curfew_engine::store::sql::SqlStore;
use curfew_engine::store::{self, Hold, SessionKey, Store, SweepBatch};

use crate::common::{Engine, Ground, sorted};
use crate::wire::{Cut, Wire};

on_each_store! { servers:
    a_lost_answer_to_commit_is_read_back
    a_commit_that_never_came_is_not_claimed
    what_nobody_can_tell_is_called_unknown
    a_lost_answer_to_a_deletion_is_read_back
    a_server_that_falls_silent_anywhere_hangs_nobody
    few_round_trips_come_before_the_first_answer
}

/// The address of this site at the end of a wire, without TLS.
fn address(ground: &Ground, port: u16) -> Address {
    let mut url = ground.db.url();
    url.set_port(Some(port)).unwrap();
    url.set_query(Some(match ground.db.engine() {
        Engine::Mysql => "ssl-mode=disabled",
        _ => "sslmode=disable",
    }));
    Address::parse(url.as_str()).unwrap()
}

/// As a site is opened.
async fn open(ground: &Ground, port: u16) -> Result<SqlStore> {
    let address = address(ground, port);
    let db = match ground.db.engine() {
        Engine::Mysql => store::mysql::connect(&address).await?.db,
        _ => store::postgres::connect(&address).await?.db,
    };
    let tables = match db.pool() {
        Pool::Postgres(pool) => store::postgres::catalog(&pool).await?,
        Pool::Mysql(pool) => store::mysql::catalog(&pool, &[]).await?,
        Pool::Sqlite(_) => unreachable!(),
    };
    let found = discover(&tables, &UsersConfig::default(), &SessionsConfig::default());
    let schema = found.unwrap().0;
    Ok(SqlStore::new(
        db,
        schema.users,
        schema.sessions.unwrap(),
        false,
    ))
}

async fn wired(ground: &Ground) -> (Wire, SqlStore) {
    let wire = Wire::to(ground.db.url().port().unwrap(), None).await;
    let store = open(ground, wire.port).await.unwrap();
    (wire, store)
}

async fn two(ground: &Ground) -> (SweepBatch, Vec<SessionKey>) {
    let one = ground.overdue(1, "o1").await;
    let two = ground.overdue(2, "o2").await;
    let keys = vec![one.clone(), two.clone()];
    let people = vec![(ground.id(1), vec![one]), (ground.id(2), vec![two])];
    (ground.batch(people), keys)
}

async fn a_lost_answer_to_commit_is_read_back(engine: Engine) {
    let ground = Ground::on(engine).await;
    let (batch, keys) = two(&ground).await;
    let (wire, store) = wired(&ground).await;
    wire.cut("COMMIT", Cut::After);
    let done = store.sweep(batch).await.unwrap();
    assert_eq!(sorted(done.deleted), keys);
    assert_eq!(done.marked.len(), 2);
    assert!(done.broken.is_none());
    assert!(ground.keys().await.is_empty());
}

async fn a_commit_that_never_came_is_not_claimed(engine: Engine) {
    let ground = Ground::on(engine).await;
    let (batch, _) = two(&ground).await;
    let (wire, store) = wired(&ground).await;
    wire.cut("COMMIT", Cut::Before);
    let error = store.sweep(batch.clone()).await.unwrap_err();
    assert_eq!(error.code, Code::Unreachable, "{error}");
    assert_eq!(ground.keys().await, ["o1", "o2"]);
    // The same store works again.
    assert_eq!(store.sweep(batch).await.unwrap().deleted.len(), 2);
}

async fn what_nobody_can_tell_is_called_unknown(engine: Engine) {
    let ground = Ground::on(engine).await;
    let (batch, keys) = two(&ground).await;
    let (wire, store) = wired(&ground).await;
    wire.cut("COMMIT", Cut::AfterForGood);
    let done = store.sweep(batch).await.unwrap();
    assert!(done.deleted.is_empty() && done.marked.is_empty());
    let unsure = Hold::Unsure;
    assert_eq!(
        done.spared,
        [(ground.id(1), unsure), (ground.id(2), unsure)]
    );
    assert_eq!(done.broken.unwrap().code, Code::Unreachable);
    let error = store.delete(&keys).await.unwrap_err();
    assert_eq!(error.code, Code::Unreachable);
}

async fn a_lost_answer_to_a_deletion_is_read_back(engine: Engine) {
    let ground = Ground::on(engine).await;
    let (_, keys) = two(&ground).await;
    let (wire, store) = wired(&ground).await;
    wire.cut("DELETE FROM", Cut::Before);
    let error = store.delete(&keys).await.unwrap_err();
    assert_eq!(error.code, Code::Unreachable);
    assert_eq!(ground.keys().await, ["o1", "o2"]);
    // The key stands in the statement's values alone, which come once it is prepared.
    wire.cut("o2", Cut::After);
    assert_eq!(sorted(store.delete(&keys).await.unwrap()), keys);
    assert!(ground.keys().await.is_empty());
}

/// Opens the site and works with it.
async fn work(ground: &Ground, port: u16) -> Result<()> {
    let store = open(ground, port).await?;
    store.now().await?;
    store.users_named("person1").await?;
    store.surviving(&[SessionKey::new("o1")]).await?;
    store.delete(&[SessionKey::new("none")]).await?;
    Ok(())
}

async fn a_server_that_falls_silent_anywhere_hangs_nobody(engine: Engine) {
    const POSITIONS: usize = 16;
    let ground = Ground::on(engine).await;
    ground.overdue(1, "o1").await;
    let port = ground.db.url().port().unwrap();
    let whole = Wire::to(port, None).await;
    work(&ground, whole.port).await.unwrap();
    let said = whole.said();
    let began = Instant::now();
    let positions = (0..POSITIONS).map(|n| {
        let ground = &ground;
        async move {
            let wire = Wire::to(port, Some(said * n / POSITIONS)).await;
            let worked = tokio::time::timeout(Duration::from_secs(60), work(ground, wire.port));
            let error = worked.await.expect("it hangs").unwrap_err();
            assert_eq!(error.code, Code::Unreachable, "{n}: {error}");
        }
    });
    futures_util::future::join_all(positions).await;
    assert!(began.elapsed() < Duration::from_secs(40));
}

async fn few_round_trips_come_before_the_first_answer(engine: Engine) {
    let ground = Ground::on(engine).await;
    ground.overdue(1, "o1").await;
    let (wire, store) = wired(&ground).await;
    let opened = wire.trips();
    let mut looking = crate::common::Looking::new();
    looking.look(&store).await;
    let looked = wire.trips() - opened;
    println!("{engine:?}: {opened} to open, {looked} to look");
    assert!(
        opened <= 12 && looked <= 16,
        "{opened} to open, {looked} to look"
    );
}

/// While tables are locked, sites that are opened again and again leave three connections at the most, and none for long.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_locked_table_leaves_no_more_than_three_connections() {
    let ground = Ground::on(Engine::Postgres).await;
    ground.overdue(1, "o1").await;
    let count = "SELECT count(*) FROM pg_stat_activity
        WHERE application_name = 'curfew' AND datname = current_database() AND state = 'active'";
    let lock = "LOCK TABLE django_session, accounts_user IN ACCESS EXCLUSIVE MODE";
    let held = ground.db.holding(lock).await;
    let port = ground.db.url().port().unwrap();
    let until = Instant::now() + Duration::from_secs(5);
    let opened = async {
        while Instant::now() < until {
            let store = open(&ground, port).await.unwrap();
            // As a command that is ended by its user.
            let short = Duration::from_millis(700);
            let _ended = tokio::time::timeout(short, store.users_named("person1")).await;
            let held = store.users_named("person1").await.unwrap_err();
            assert!(held.code == Code::Held, "{held}");
        }
    };
    let most = async {
        let mut most = 0;
        while Instant::now() < until {
            most = most.max(ground.db.int(count).await);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        most
    };
    let many = futures_util::future::join_all((0..4).map(|_| opened_again(&ground, port, until)));
    let ((), most, _) = tokio::join!(opened, most, many);
    assert!((1..=3).contains(&most), "{most} connections");
    // The server ends what nobody waits for, although the lock is still held.
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    assert_eq!(ground.db.int(count).await, 0);
    held.release().await;
}

async fn opened_again(ground: &Ground, port: u16, until: Instant) {
    while Instant::now() < until {
        if let Ok(store) = open(ground, port).await {
            let short = Duration::from_millis(300);
            let keys = [SessionKey::new("o1")];
            let read = store.surviving(&keys);
            let _ended = tokio::time::timeout(short, read).await;
        }
    }
}

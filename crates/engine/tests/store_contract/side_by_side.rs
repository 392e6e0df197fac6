//! Batches of one sweep that are under way together.

use curfew_engine::store::Store;
use futures_util::{StreamExt, stream};
use jiff::SignedDuration;

use crate::common::{COOKIE_AGE, Engine, Ground};

on_each_store! { servers:
    no_batch_of_a_sweep_spares_anybody_for_another
}

const PEOPLE: u32 = 1_000;
const SESSIONS: usize = 10_000;

async fn no_batch_of_a_sweep_spares_anybody_for_another(engine: Engine) {
    let ground = Ground::on(engine).await;
    let anonymous = ground.data(None, ground.ago(60), Default::default());
    let others: Vec<String> = (0..SESSIONS).map(|n| format!("v{n:06}")).collect();
    ground.rows(&others, &anonymous, ground.ago(-900)).await;
    let mut people = Vec::new();
    for number in 1..=PEOPLE {
        let key = ground.overdue(number, &format!("o{number:06}")).await;
        let saved = ground.ago(7_200 + i64::from(number));
        let date = saved + SignedDuration::from_secs(COOKIE_AGE);
        people.push((ground.id(number), key, date));
    }
    let batches = people.chunks(50).map(|people| {
        let of = people.iter().cloned();
        let mut batch = ground.batch(of.map(|(id, key, _)| (id, vec![key])).collect());
        let dates = people.iter().cloned();
        batch.dates = dates.map(|(_, key, date)| (key, date)).collect();
        batch
    });
    let at_once = ground.store.sweeps_at_once(SESSIONS, PEOPLE as usize);
    assert!(at_once > 1);
    let swept: Vec<_> = stream::iter(batches)
        .map(|batch| ground.store.sweep(batch))
        .buffer_unordered(at_once)
        .collect()
        .await;
    let (mut deleted, mut marked) = (0, 0);
    for done in swept {
        let done = done.unwrap();
        assert_eq!(done.spared, []);
        deleted += done.deleted.len();
        marked += done.marked.len();
    }
    assert_eq!((deleted, marked), (PEOPLE as usize, PEOPLE as usize));
    assert_eq!(ground.keys().await, others);
}

/// MySQL may go through all rows of these for each statement, and what others hold is passed over.
#[tokio::test]
async fn of_a_small_table_of_mysqls_one_batch_follows_the_other() {
    let ground = Ground::on(Engine::Mysql).await;
    let at_once = |sessions, people| ground.store.sweeps_at_once(sessions, people);
    assert_eq!(at_once(SESSIONS - 1, PEOPLE as usize), 1);
    assert_eq!(at_once(SESSIONS, PEOPLE as usize - 1), 1);
    // Nor where a server fails for what others hold.
    let old = ground.db.posing_store("10.4").await;
    assert_eq!(old.sweeps_at_once(SESSIONS, PEOPLE as usize), 1);
}

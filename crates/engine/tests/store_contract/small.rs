//! Small sites: of a table that is not much larger than what is asked for, MySQL and MariaDB go through all rows, where they
//! are not kept from it.

use curfew_engine::store::{SessionKey, Store, SweepBatch};
use jiff::Timestamp;

use crate::common::{Engine, Ground, sorted};

on_each_store! { servers:
    who_is_not_meant_holds_up_nobody
    two_sweeps_at_once_spare_nobody_for_each_other
}

/// Overdue people, each with a session, and its date.
async fn overdue(ground: &Ground, people: u32) -> Vec<(u32, SessionKey, Timestamp)> {
    let mut all = Vec::new();
    for number in 1..=people {
        let key = ground.overdue(number, &format!("o{number:02}")).await;
        let saved = ground.ago(7_200 + i64::from(number));
        all.push((number, key, ground.expires(saved)));
    }
    all
}

fn batch(ground: &Ground, people: &[(u32, SessionKey, Timestamp)], by_dates: bool) -> SweepBatch {
    let of = people.iter().cloned();
    let mut batch = ground.batch(of.map(|(n, key, _)| (ground.id(n), vec![key])).collect());
    let dates = people.iter().filter(|_| by_dates).cloned();
    batch.dates = dates.map(|(_, key, at)| (key, at)).collect();
    batch
}

fn session(number: u32) -> String {
    format!("SELECT 1 FROM django_session WHERE session_key = 'o{number:02}' FOR UPDATE")
}

async fn who_is_not_meant_holds_up_nobody(engine: Engine) {
    let poses: &[Option<&str>] = match engine {
        Engine::Mysql => &[None, Some("10.4"), Some("10.2")],
        _ => &[None],
    };
    for (pose, by_dates) in poses.iter().flat_map(|pose| [(pose, true), (pose, false)]) {
        let mut ground = Ground::on(engine).await;
        if let Some(version) = pose {
            ground.store = ground.db.posing_store(version).await;
        }
        let mut people = overdue(&ground, 40).await;
        people.remove(17);
        let person = "SELECT 1 FROM accounts_user WHERE id = 18 FOR UPDATE";
        let held = [
            ground.db.holding(&session(18)).await,
            ground.db.holding(person).await,
        ];
        let (swept, out) = people.split_at(20);
        let batch = batch(&ground, swept, by_dates);
        let done = ground.store.sweep(batch).await.unwrap();
        assert_eq!(done.spared, [], "{pose:?}, by dates: {by_dates}");
        assert_eq!((done.deleted.len(), done.marked.len()), (20, 20));
        let out: Vec<_> = out.iter().map(|(_, key, _)| key.clone()).collect();
        let deleted = ground.store.delete(&out).await.unwrap();
        assert_eq!(sorted(deleted), out, "{pose:?}");
        for held in held {
            held.release().await;
        }
        assert_eq!(ground.keys().await, ["o18"]);
    }
}

/// Somebody holds a session of each, so that at MySQL dates are read before anything is deleted.
async fn two_sweeps_at_once_spare_nobody_for_each_other(engine: Engine) {
    let ground = Ground::on(engine).await;
    let other = ground.db.store().await;
    for round in 0..10 {
        let people = overdue(&ground, 40).await;
        let (some, others) = people.split_at(20);
        let held = match engine {
            Engine::Mysql => vec![
                ground.db.holding(&session(1)).await,
                ground.db.holding(&session(21)).await,
            ],
            _ => Vec::new(),
        };
        let (one, two) = tokio::join!(
            ground.store.sweep(batch(&ground, some, true)),
            other.sweep(batch(&ground, others, true)),
        );
        let spared = held.len() / 2;
        for done in [one.unwrap(), two.unwrap()] {
            assert_eq!(done.spared.len(), spared, "{round}: {:?}", done.spared);
            assert_eq!(done.deleted.len(), 20 - spared);
        }
        for held in held {
            held.release().await;
        }
        ground.db.execute("DELETE FROM django_session").await;
        ground.db.execute("DELETE FROM accounts_user").await;
    }
}

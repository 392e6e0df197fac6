//! What a deed asks of MariaDB, as the server itself counts it for an account.

use curfew_engine::store::{SessionKey, Store};
use jiff::SignedDuration;

use super::rights::{guest, store};
use crate::common::{COOKIE_AGE, Engine, Ground};

const RIGHTS: [&str; 2] = [
    "SELECT, DELETE ON django_session",
    "SELECT, UPDATE ON accounts_user",
];

/// Commands that read, and commands that write, so far.
async fn commands(ground: &Ground, who: &str) -> (i64, i64) {
    let name = who.split('\'').nth(1).unwrap();
    let count = |column: &str| {
        format!(
            "SELECT CAST({column} AS SIGNED) FROM information_schema.USER_STATISTICS WHERE USER = '{name}'"
        )
    };
    let reads = ground.db.int(&count("SELECT_COMMANDS")).await;
    (reads, ground.db.int(&count("UPDATE_COMMANDS")).await)
}

#[tokio::test]
async fn a_batch_of_a_sweep_locks_its_people_and_deletes_and_a_logout_only_deletes() {
    let ground = Ground::on(Engine::Mysql).await;
    ground.db.execute("SET GLOBAL userstat = 1").await;
    let (who, address) = guest(&ground, &RIGHTS).await;
    let store = store(&address).await;
    let mut keys = Vec::new();
    for number in 1..=3 {
        keys.push(ground.overdue(number, &format!("o{number}")).await);
    }
    let people = [1, 2].map(|number| (ground.id(number), vec![keys[number as usize - 1].clone()]));
    let mut batch = ground.batch(people.into());
    let date = |number: i64| ground.ago(7_200 + number) + SignedDuration::from_secs(COOKIE_AGE);
    batch.dates = [(keys[0].clone(), date(1)), (keys[1].clone(), date(2))].into();

    let (reads, writes) = commands(&ground, &who).await;
    let done = store.sweep(batch).await.unwrap();
    assert_eq!((done.deleted.len(), done.marked.len()), (2, 2));
    let (after, written) = commands(&ground, &who).await;
    // The people; the sessions, and the flags.
    assert_eq!((after - reads, written - writes), (1, 2));

    let deleted = store.delete(&keys[2..]).await.unwrap();
    assert_eq!(deleted, [SessionKey::new("o3")]);
    assert_eq!(commands(&ground, &who).await, (after, written + 1));
}

//! Deleting sessions and clearing the flag, whatever the activity; each deed is reported by whoever did it.

use curfew_engine::store::{SessionKey, Sessions, Store, UserId};

use crate::common::{Engine, Ground, Person, sorted};

on_each_store! {
    a_deletion_returns_only_what_it_deleted
    two_who_delete_at_once_report_each_row_once
    more_keys_than_one_statement_takes_are_deleted
    the_flag_is_cleared_once_and_by_one_alone
    survivors_are_those_still_there
    nothing_asked_for_is_nothing_done
}

async fn a_deletion_returns_only_what_it_deleted(engine: Engine) {
    let ground = Ground::on(engine).await;
    let one = ground.session("k1", Some(1), ground.ago(5)).await;
    ground.session("k2", Some(1), ground.ago(5)).await;
    let never = SessionKey::new("k3");
    let asked = [one.clone(), never];
    assert_eq!(ground.store.delete(&asked).await.unwrap(), [one]);
    assert!(ground.store.delete(&asked).await.unwrap().is_empty());
    assert_eq!(ground.keys().await, ["k2"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_what_is_what_was_read_only_what_went_is_named() {
    for engine in [Engine::Postgres, Engine::Mysql] {
        what_went_is_named(engine).await;
    }
}

/// Where they lie in another place than the users, by what they hold. What somebody holds is passed over.
async fn what_went_is_named(engine: Engine) {
    let ground = Ground::on(engine).await;
    let sessions = ground.db.sessions().await;
    let mut keys = Vec::new();
    for number in 10..50 {
        let saved = ground.ago(60);
        keys.push(ground.session(&format!("k{number}"), Some(1), saved).await);
    }
    let rows = sessions.read(&keys).await.unwrap();
    assert_eq!(rows.len(), 40);
    ground.save("k49", Some(1), ground.ago(1)).await;
    let hold = "SELECT 1 FROM django_session WHERE session_key = 'k27' FOR UPDATE";
    let held = ground.db.holding(hold).await;
    let deleted = sessions.delete_unchanged(&rows).await.unwrap();
    keys.pop();
    let free: Vec<_> = keys
        .iter()
        .filter(|key| **key != keys[17])
        .cloned()
        .collect();
    assert_eq!(sorted(deleted), free);
    held.release().await;
    assert_eq!(ground.keys().await, ["k27", "k49"]);
    let rest = sessions.delete_unchanged(&rows).await.unwrap();
    assert_eq!(rest, keys[17..18]);
}

async fn crowd(ground: &Ground, size: usize) -> Vec<SessionKey> {
    let rows: Vec<String> = (0..size)
        .map(|n| format!("('key{n:05}', 'x', {})", ground.at(ground.ago(-900))))
        .collect();
    let sql = format!("INSERT INTO django_session VALUES {}", rows.join(", "));
    ground.db.execute(&sql).await;
    let keys = (0..size).map(|n| SessionKey::new(format!("key{n:05}")));
    keys.collect()
}

async fn two_who_delete_at_once_report_each_row_once(engine: Engine) {
    let ground = Ground::on(engine).await;
    let other = ground.db.store().await;
    let keys = crowd(&ground, 900).await;
    let (one, two) = tokio::join!(
        tokio::spawn({
            let (store, keys) = (ground.store.clone(), keys.clone());
            async move { store.delete(&keys).await.unwrap() }
        }),
        tokio::spawn({
            let keys = keys.clone();
            async move { other.delete(&keys).await.unwrap() }
        }),
    );
    let both = sorted(one.unwrap().into_iter().chain(two.unwrap()));
    assert_eq!(both, keys);
    assert!(ground.keys().await.is_empty());
}

async fn more_keys_than_one_statement_takes_are_deleted(engine: Engine) {
    let ground = Ground::on(engine).await;
    let keys = crowd(&ground, 1_234).await;
    let left = ground.store.surviving(&keys).await.unwrap();
    assert_eq!(sorted(left), keys);
    assert_eq!(
        ground.store.delete(&keys[..1_233]).await.unwrap().len(),
        1_233
    );
    assert_eq!(ground.keys().await, ["key01233"]);
}

async fn the_flag_is_cleared_once_and_by_one_alone(engine: Engine) {
    let ground = Ground::on(engine).await;
    let flagged = Person {
        flag: true,
        ..Person::default()
    };
    ground.person(1, "ana", flagged).await;
    ground.person(2, "ben", flagged).await;
    let (id, other) = (ground.id(1), ground.db.store().await);
    let (one, two) = tokio::join!(ground.store.clear_flag(&id), other.clear_flag(&id));
    assert!(one.unwrap() ^ two.unwrap(), "each flag is cleared once");
    assert!(!ground.store.clear_flag(&id).await.unwrap());
    assert!(!ground.flagged(1).await);
    assert!(ground.flagged(2).await, "it was somebody else's");
}

async fn survivors_are_those_still_there(engine: Engine) {
    let ground = Ground::on(engine).await;
    let one = ground.session("k1", Some(1), ground.ago(5)).await;
    // One that has expired is a row all the same.
    let two = ground.row("k2", "x", ground.ago(500)).await;
    let asked = [one.clone(), two.clone(), SessionKey::new("k3")];
    let left = ground.store.surviving(&asked).await.unwrap();
    assert_eq!(sorted(left), [one, two]);
}

async fn nothing_asked_for_is_nothing_done(engine: Engine) {
    let ground = Ground::on(engine).await;
    ground.overdue(1, "k1").await;
    let store = &ground.store;
    assert!(store.delete(&[]).await.unwrap().is_empty());
    assert!(store.surviving(&[]).await.unwrap().is_empty());
    assert!(store.users(&[]).await.unwrap().is_empty());
    let done = store.sweep(ground.batch(Vec::new())).await.unwrap();
    assert!(done.deleted.is_empty() && done.marked.is_empty() && done.spared.is_empty());
    // Ids that this column cannot hold are nobody's.
    for id in [
        "",
        "ana",
        "99999999999999999999",
        "1; DROP TABLE django_session",
    ] {
        let id = UserId::new(id);
        assert!(
            store
                .users(std::slice::from_ref(&id))
                .await
                .unwrap()
                .is_empty()
        );
        assert!(!store.clear_flag(&id).await.unwrap());
    }
    assert_eq!(ground.keys().await, ["k1"]);
    assert!(ground.flagged(1).await);
}

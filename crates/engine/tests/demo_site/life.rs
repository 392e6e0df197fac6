//! How a demo site goes on: people act, stop, leave and sign in, and take a deletion for what it is.

use std::collections::HashSet;
use std::time::Duration;

use curfew_engine::demo::{self, DEFAULT_USERS, Life};
use curfew_engine::django::session::Decoder;
use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;

use super::ground::*;

#[tokio::test]
async fn an_hour_of_life() {
    let (_folder, path) = Folder::site(DEFAULT_USERS).await;
    let mut life = Life::open(&path, 7, now()).await.unwrap();
    let (mut acted, mut signed_in, mut left) = (0, 0, 0);
    for second in 1..=3_600 {
        let moved = life
            .step(now() + SignedDuration::from_secs(second))
            .await
            .unwrap();
        acted += moved.acted;
        signed_in += moved.signed_in;
        left += moved.left;
    }
    assert!(acted > 3_600, "{acted} acted");
    assert!(
        signed_in > 60 && left > 60,
        "{signed_in} signed in, {left} left"
    );

    let end = now() + SignedDuration::from_secs(3_600);
    let users = users(&path).await;
    let sessions = sessions(&path).await;
    let keys = keys(&path);
    let mut decoder = Decoder::new(Some(&keys));
    let usable: HashSet<_> = sessions
        .iter()
        .filter(|session| session.2 > end)
        .filter_map(|session| decoder.decode(&session.1).ok()?.user)
        .collect();
    let idle_for = |from: i64, to: i64| {
        let gone = |user: &User| end.duration_since(user.last_activity.unwrap()).as_secs();
        usable
            .iter()
            .filter(|id| (from..to).contains(&gone(&users[*id])))
            .count()
    };
    let (active, idle, overdue) = (
        idle_for(0, 300),
        idle_for(300, 2_100),
        idle_for(2_100, 900_000),
    );
    assert!(
        active >= 15 && idle >= 5 && overdue >= 5,
        "{active} active, {idle} idle, {overdue} overdue"
    );
    assert!(
        usable.len() < 130,
        "not everyone ends up signed in: {}",
        usable.len()
    );
    let stale = users
        .iter()
        .filter(|(id, user)| user.flag && !usable.contains(*id))
        .count();
    assert!(stale >= 1, "{stale} stale");
    assert!(
        users
            .values()
            .all(|user| user.last_activity.is_none_or(|at| at <= end))
    );
}

#[tokio::test]
async fn what_is_deleted_stays_deleted() {
    let (_folder, path) = Folder::site(60).await;
    let mut life = Life::open(&path, 7, now()).await.unwrap();
    let mut connection = connect(&path).await;
    let old: HashSet<_> = sessions(&path)
        .await
        .into_iter()
        .map(|session| session.0)
        .collect();
    for statement in [
        r#"DELETE FROM "django_session""#,
        r#"UPDATE "accounts_user" SET "isCurrentlyActive" = 0, "is_active" = 0"#,
    ] {
        sqlx::query(statement)
            .execute(&mut connection)
            .await
            .unwrap();
    }
    for second in 1..=600 {
        let moved = life
            .step(now() + SignedDuration::from_secs(second))
            .await
            .unwrap();
        assert_eq!(moved, demo::Moved::default(), "second {second}");
    }
    assert!(
        sessions(&path)
            .await
            .iter()
            .all(|session| !old.contains(&session.0))
    );
    assert!(users(&path).await.values().all(|user| !user.flag));

    sqlx::query(r#"UPDATE "accounts_user" SET "is_active" = 1"#)
        .execute(&mut connection)
        .await
        .unwrap();
    let mut signed_in = 0;
    for second in 601..=900 {
        signed_in += life
            .step(now() + SignedDuration::from_secs(second))
            .await
            .unwrap()
            .signed_in;
    }
    assert!(
        signed_in > 10,
        "an emptied site fills up again: {signed_in}"
    );
}

#[tokio::test]
async fn live_moves_within_three_seconds_and_ends_when_told() {
    let folder = Folder::new();
    let path = folder.path();
    demo::create(&path, DEFAULT_USERS, Timestamp::now())
        .await
        .unwrap();
    let newest = async || {
        sqlx::query_scalar::<_, String>(r#"SELECT max("last_activity") FROM "accounts_user""#)
            .fetch_one(&mut connect(&path).await)
            .await
            .unwrap()
    };
    let before = newest().await;
    let cancel = CancellationToken::new();
    let living = {
        let (path, cancel) = (path.clone(), cancel.clone());
        tokio::spawn(async move { demo::live(&path, 7, cancel).await })
    };
    let moved = async {
        while newest().await == before {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(3), moved)
        .await
        .expect("nobody moved");
    cancel.cancel();
    let ended = tokio::time::timeout(Duration::from_secs(3), living).await;
    ended.expect("it did not end").unwrap().unwrap();
    let still = newest().await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(newest().await, still);
}

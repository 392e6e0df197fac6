//! What a demo site begins with, and what `create` refuses.

use std::collections::{HashMap, HashSet};

use curfew_engine::demo::{self, DEFAULT_USERS, Life};
use curfew_engine::django::auth_hash;
use curfew_engine::django::session::{Decoder, ExpiryKind, Signature};
use curfew_engine::error::Code;
use jiff::SignedDuration;
use secrecy::ExposeSecret;
use sqlx::Connection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use tokio_util::sync::CancellationToken;

use super::ground::*;

#[tokio::test]
async fn the_default_site_begins_with_people_in_every_state() {
    let (_folder, path) = Folder::site(DEFAULT_USERS).await;
    assert!(demo::is_demo(&path).await);
    let keys = keys(&path);
    let users = users(&path).await;
    assert_eq!(users.len(), DEFAULT_USERS as usize);

    let mut decoder = Decoder::new(Some(&keys));
    let (mut unreadable, mut anonymous, mut expired) = (0, 0, 0);
    let mut usable: HashMap<String, usize> = HashMap::new();
    let mut kinds = HashSet::new();
    for (key, data, expires) in sessions(&path).await {
        assert_eq!(key.len(), 32);
        let Ok(session) = decoder.decode(&data) else {
            unreadable += 1;
            continue;
        };
        assert_eq!(session.signature, Signature::Verified);
        let saved = session.last_saved.unwrap();
        assert!(saved <= now());
        kinds.insert(session.expiry.kind());
        let Some(id) = session.user else {
            anonymous += 1;
            continue;
        };
        let user = &users[&id];
        assert!(saved <= user.last_activity.unwrap(), "user {id}");
        assert!(auth_hash::matches(
            &user.password,
            &session.auth_hash.unwrap(),
            &keys
        ));
        if expires > now() {
            *usable.entry(id).or_default() += 1;
        } else {
            expired += 1;
        }
    }
    assert_eq!(unreadable, 1);
    assert!(anonymous >= 10, "{anonymous} anonymous");
    assert!(expired >= 1, "{expired} expired");
    assert!(
        usable.values().any(|sessions| *sessions > 1),
        "several sessions"
    );
    assert_eq!(
        kinds,
        [ExpiryKind::Age, ExpiryKind::BrowserClose, ExpiryKind::Fixed].into()
    );

    let here = |from: i64, to: i64| {
        let fits = |user: &User| {
            let gone = user
                .last_activity
                .map(|at| now().duration_since(at).as_secs());
            user.flag && gone.is_some_and(|gone| (from..to).contains(&gone))
        };
        let signed_in = |id: &&String| usable.contains_key(*id) && fits(&users[*id]);
        users.keys().filter(signed_in).count()
    };
    let (active, idle, overdue) = (here(0, 300), here(300, 2_100), here(2_100, 90_000));
    assert!(
        active >= 25 && idle >= 14 && overdue >= 5,
        "{active} {idle} {overdue}"
    );
    let stale = users
        .iter()
        .filter(|(id, user)| user.flag && !usable.contains_key(*id))
        .count();
    assert!(stale >= 2, "{stale} stale");
    assert!(
        users
            .values()
            .any(|user| user.last_activity.is_none() && user.last_login.is_none())
    );
    assert!(
        users
            .iter()
            .all(|(id, user)| user.enabled || !usable.contains_key(id))
    );
    // Under the share at which a sweep asks first, so that the first one simply works.
    assert!(overdue + stale < usable.len() / 2);
}

#[tokio::test]
async fn ten_thousand_people_fit() {
    let (_folder, path) = Folder::site(10_000).await;
    assert_eq!(users(&path).await.len(), 10_000);
    assert!(sessions(&path).await.len() > 4_000);
}

#[tokio::test]
async fn one_person_is_a_site_too() {
    for count in [0, 1, 5] {
        let (_folder, path) = Folder::site(count).await;
        assert_eq!(users(&path).await.len(), count as usize);
        let mut life = Life::open(&path, 1, now()).await.unwrap();
        for second in 0..200 {
            life.step(now() + SignedDuration::from_secs(second))
                .await
                .unwrap();
        }
    }
}

#[tokio::test]
async fn another_file_is_refused_and_left_as_it_is() {
    let folder = Folder::new();
    let text = folder.0.path().join("notes.txt");
    std::fs::write(
        &text,
        "not a database, and longer than a header of a hundred bytes".repeat(9),
    )
    .unwrap();
    let other = folder.0.path().join("site.sqlite3");
    let options = SqliteConnectOptions::new()
        .filename(&other)
        .create_if_missing(true);
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::raw_sql("CREATE TABLE t (a); INSERT INTO t VALUES (1)")
        .execute(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();

    for path in [&text, &other, &folder.0.path().to_path_buf()] {
        let before = std::fs::read(path).ok();
        let made = demo::create(path, 5, now()).await.unwrap_err();
        assert_eq!(made.code, Code::File);
        assert!(made.message.contains(path.to_str().unwrap()), "{made}");
        assert!(Life::open(path, 1, now()).await.is_err());
        assert!(demo::live(path, 1, CancellationToken::new()).await.is_err());
        assert_eq!(std::fs::read(path).ok(), before);
        assert!(
            !path.with_added_extension("secret").exists(),
            "no key for {}",
            path.display()
        );
    }
    let missing = folder.0.path().join("no folder/demo.sqlite3");
    assert!(
        demo::create(&missing, 5, now())
            .await
            .unwrap_err()
            .message
            .contains("no folder")
    );
    assert!(Life::open(&folder.path(), 1, now()).await.is_err());
    assert!(!folder.path().exists(), "looking makes no file");
}

#[tokio::test]
async fn a_demo_site_is_filled_anew_under_the_same_key() {
    let (_folder, path) = Folder::site(30).await;
    let key = demo::secret_key(&path).unwrap();
    let old: HashSet<_> = sessions(&path)
        .await
        .into_iter()
        .map(|session| session.0)
        .collect();
    // Somebody looks on, as the window does.
    let mut watching = connect(&path).await;
    demo::create(&path, 20, now() + SignedDuration::from_hours(1))
        .await
        .unwrap();
    let count: i64 = sqlx::query_scalar(r#"SELECT count(*) FROM "accounts_user" WHERE "id" <= 20"#)
        .fetch_one(&mut watching)
        .await
        .unwrap();
    assert_eq!(count, 20);
    assert_eq!(users(&path).await.len(), 20);
    assert_eq!(
        demo::secret_key(&path).unwrap().expose_secret(),
        key.expose_secret()
    );
    assert!(
        sessions(&path)
            .await
            .iter()
            .all(|session| !old.contains(&session.0))
    );
}

#[cfg(unix)]
#[tokio::test]
async fn the_key_is_its_owners_alone_and_each_sites_own() {
    use std::os::unix::fs::PermissionsExt;
    let (_one, path) = Folder::site(1).await;
    let (_two, other) = Folder::site(1).await;
    let mode = std::fs::metadata(path.with_added_extension("secret"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let (one, two) = (
        demo::secret_key(&path).unwrap(),
        demo::secret_key(&other).unwrap(),
    );
    assert_eq!(one.expose_secret().len(), 50);
    assert_ne!(one.expose_secret(), two.expose_secret());
}

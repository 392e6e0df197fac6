//! Real Django reads the demo site: every user, every session, and who each one signs in.
//! The Django is the one that CURFEW_TEST_PYTHON_52 names; `cargo xtask test` sets it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;

use curfew_engine::demo::{self, Life};
use curfew_engine::django::secret::SecretKeys;
use curfew_engine::django::session::decode;
use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{Connection, Row};

#[derive(Deserialize)]
struct Read {
    sessions: HashMap<String, Session>,
    users: HashMap<String, User>,
    permissions: usize,
    log: usize,
}

#[derive(Deserialize)]
struct Session {
    /// What `SessionStore(key).load()` finds, and whom `get_user` then signs in.
    loaded: Option<String>,
    user: Option<i64>,
    expires: Timestamp,
}

#[derive(Deserialize)]
struct User {
    username: String,
    last_activity: Option<Timestamp>,
    flag: bool,
    staff: bool,
    password: bool,
}

fn read_by_django(path: &Path) -> Read {
    let python = std::env::var_os("CURFEW_TEST_PYTHON_52")
        .expect("CURFEW_TEST_PYTHON_52 is not set: run these tests with `cargo xtask test`");
    let script = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fixtures/read_demo_site.py"
    );
    let output = Command::new(python).arg(script).arg(path).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}", output.status);
    serde_json::from_slice(&output.stdout).unwrap()
}

fn hashed(key: &str) -> String {
    Sha256::digest(key)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

async fn django_agrees(path: &Path, now: Timestamp, least: usize) {
    let options = SqliteConnectOptions::new().filename(path);
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    let users = sqlx::query(
        r#"SELECT "id", "username", "last_activity", "isCurrentlyActive", "is_staff", "is_active"
           FROM "accounts_user""#,
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    let sessions = sqlx::query(r#"SELECT * FROM "django_session""#)
        .fetch_all(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
    let read = read_by_django(path);
    assert_eq!(read.permissions, 24);
    assert_eq!(read.log, 0);

    let at = |text: &str| -> Timestamp { format!("{}Z", text.replace(' ', "T")).parse().unwrap() };
    assert_eq!(read.users.len(), users.len());
    let mut enabled = HashMap::new();
    for row in &users {
        let id: i64 = row.get(0);
        let user = &read.users[&id.to_string()];
        assert_eq!(user.username, row.get::<String, _>(1));
        assert_eq!(
            user.last_activity,
            row.get::<Option<String>, _>(2).as_deref().map(at)
        );
        assert_eq!(user.flag, row.get::<bool, _>(3));
        assert_eq!(user.staff, row.get::<bool, _>(4));
        assert!(!user.password, "nobody has a password that works");
        enabled.insert(id, row.get::<bool, _>(5));
    }

    let key = demo::secret_key(path).unwrap().expose_secret().to_owned();
    let keys = SecretKeys::new(key, vec![]);
    assert_eq!(read.sessions.len(), sessions.len());
    let mut signed_in = 0;
    for row in &sessions {
        let session = &read.sessions[&hashed(row.get(0))];
        assert_eq!(session.expires, at(row.get(2)));
        let ours = decode(row.get(1), Some(&keys))
            .ok()
            .and_then(|session| session.user);
        let ours = ours.filter(|_| session.expires > now);
        assert_eq!(session.loaded, ours);
        let here = ours.map(|id| id.parse().unwrap()).filter(|id| enabled[id]);
        assert_eq!(session.user, here);
        signed_in += usize::from(here.is_some());
    }
    assert!(signed_in >= least, "{signed_in} sessions sign somebody in");
}

#[tokio::test]
async fn django_reads_the_site_as_it_begins_and_as_it_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("demo.sqlite3");
    let begin = Timestamp::now() - SignedDuration::from_mins(30);
    demo::create(&path, demo::DEFAULT_USERS, begin)
        .await
        .unwrap();
    django_agrees(&path, Timestamp::now(), 40).await;

    let mut life = Life::open(&path, 7, begin).await.unwrap();
    for second in 1..1_800 {
        life.step(begin + SignedDuration::from_secs(second))
            .await
            .unwrap();
    }
    drop(life);
    django_agrees(&path, Timestamp::now(), 40).await;
}

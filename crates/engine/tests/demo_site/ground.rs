//! A demo site in a folder of its own, and its rows as they stand.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use curfew_engine::demo;
use curfew_engine::django::secret::SecretKeys;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use secrecy::ExposeSecret;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{Connection, Row};

const NOW: &str = "2026-01-02T03:04:05.678Z";

pub fn now() -> Timestamp {
    NOW.parse().unwrap()
}

pub struct Folder(pub tempfile::TempDir);

impl Folder {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self) -> PathBuf {
        self.0.path().join("demo.sqlite3")
    }

    pub async fn site(users: u32) -> (Self, PathBuf) {
        let folder = Self::new();
        let path = folder.path();
        demo::create(&path, users, now()).await.unwrap();
        (folder, path)
    }
}

pub async fn connect(path: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(Duration::from_secs(10));
    SqliteConnection::connect_with(&options).await.unwrap()
}

pub fn keys(path: &Path) -> SecretKeys {
    SecretKeys::new(
        demo::secret_key(path).unwrap().expose_secret().to_owned(),
        vec![],
    )
}

pub fn moment(text: &str) -> Timestamp {
    // Exactly Django's form, which sorts as it counts.
    assert_eq!(text.len(), "2026-01-02 03:04:05.678901".len(), "{text}");
    let naive: DateTime = text.parse().unwrap();
    TimeZone::UTC.to_timestamp(naive).unwrap()
}

pub struct User {
    pub password: String,
    pub last_activity: Option<Timestamp>,
    pub last_login: Option<Timestamp>,
    pub flag: bool,
    pub enabled: bool,
}

pub async fn users(path: &Path) -> HashMap<String, User> {
    let rows = sqlx::query(
        r#"SELECT "id", "password", "last_activity", "last_login", "isCurrentlyActive", "is_active"
           FROM "accounts_user""#,
    )
    .fetch_all(&mut connect(path).await)
    .await
    .unwrap();
    let at = |text: Option<String>| text.as_deref().map(moment);
    rows.iter()
        .map(|row| {
            let user = User {
                password: row.get(1),
                last_activity: at(row.get(2)),
                last_login: at(row.get(3)),
                flag: row.get(4),
                enabled: row.get(5),
            };
            (row.get::<i64, _>(0).to_string(), user)
        })
        .collect()
}

/// Keys, data and expiry dates.
pub async fn sessions(path: &Path) -> Vec<(String, String, Timestamp)> {
    let rows = sqlx::query(r#"SELECT * FROM "django_session""#)
        .fetch_all(&mut connect(path).await)
        .await
        .unwrap();
    rows.iter()
        .map(|row| (row.get(0), row.get(1), moment(row.get(2))))
        .collect()
}

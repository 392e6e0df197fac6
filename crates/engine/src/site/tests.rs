//! A whole site, a demo one, with a state folder of its own: guards, sweeps, logouts, the timer, and the line.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod account;
mod deeds;
mod engines;
mod files;
mod follow;
mod guards;
mod left_open;
mod line;
mod listed;
mod named;
mod puppet;
mod refused;
mod several;
mod timer;
mod unreadable;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, Connection};

use super::{Site, hold};
use crate::config::{Address, EngineName, Env, Policy, SiteConfig};
use crate::django::auth_hash::session_auth_hash;
use crate::django::session::{Expiry, Fields, encode};
use crate::error::{Code, Error, Result};
use crate::logout::How;
use crate::store::{Mark, Store, UserId, UserRow};
use crate::view::{Entry, Filter, Query, SweepReason, SweepReport, SweepSummary, UserView};
use crate::{Event, demo, journal};

/// A demo site of 60 people, and what it takes to look at it.
struct Ground {
    folder: tempfile::TempDir,
    secret: String,
    now: Timestamp,
}

impl Ground {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let now = Timestamp::now();
        let path = folder.path().join("demo.sqlite3");
        demo::create(&path, 60, now).await.unwrap();
        let secret = demo::secret_key(&path).unwrap().expose_secret().to_owned();
        Self {
            folder,
            secret,
            now,
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("demo.sqlite3")
    }

    fn state_dir(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    fn config(&self) -> SiteConfig {
        let address = Address::parse(&format!("sqlite://{}", self.path().display())).unwrap();
        let mut config = SiteConfig {
            secret_key: Some(self.secret.clone().into()),
            ..SiteConfig::by_address(address)
        };
        config.sessions.engine = EngineName::shown("django.contrib.sessions.backends.db");
        config
    }

    /// The site, opened with this configuration and looked at once.
    async fn open(&self, config: SiteConfig) -> Arc<Site> {
        let env = Env {
            config_dir: self.folder.path().join("config"),
            state_dir: self.state_dir(),
            site: None,
            session_engine: None,
            secret_key: None,
            secret_key_fallbacks: Vec::new(),
        };
        let site = Site::open(config, &env).await.unwrap();
        site.look().await.unwrap();
        site
    }

    /// The site as the command line has it: armed.
    async fn site(&self) -> Arc<Site> {
        self.open(self.config()).await
    }

    async fn connect(&self) -> SqliteConnection {
        let options = SqliteConnectOptions::new()
            .filename(self.path())
            .busy_timeout(Duration::from_secs(5));
        SqliteConnection::connect_with(&options).await.unwrap()
    }

    async fn execute(&self, sql: &str) -> u64 {
        let safe = AssertSqlSafe(sql.to_owned());
        let mut connection = self.connect().await;
        let done = sqlx::raw_sql(safe).execute(&mut connection).await.unwrap();
        done.rows_affected()
    }

    async fn texts(&self, sql: &str) -> Vec<String> {
        let safe = AssertSqlSafe(sql.to_owned());
        let mut connection = self.connect().await;
        sqlx::query_scalar(safe)
            .fetch_all(&mut connection)
            .await
            .unwrap()
    }

    async fn keys(&self) -> Vec<String> {
        self.texts("SELECT session_key FROM django_session ORDER BY 1")
            .await
    }

    async fn flagged(&self, id: &str) -> bool {
        let sql = format!(
            r#"SELECT username FROM accounts_user WHERE id = {id} AND "isCurrentlyActive""#
        );
        !self.texts(&sql).await.is_empty()
    }

    /// Signs somebody in on one more browser, the way Django does. Returns the key.
    async fn sign_in(&self, id: &str, name: &str) -> String {
        let sql = format!("SELECT password FROM accounts_user WHERE id = {id}");
        let password = self.texts(&sql).await.remove(0);
        let fields = Fields {
            user: Some(id.to_owned()),
            auth_hash: Some(session_auth_hash(&password, &self.secret)),
            expiry: Expiry::Default,
            ..Fields::default()
        };
        let saved = self.now - SignedDuration::from_secs(90);
        let keys = crate::django::secret::SecretKeys::new(self.secret.clone(), Vec::new());
        let data = encode(&fields, &keys, saved);
        let expires =
            (saved + SignedDuration::from_hours(14 * 24)).strftime("%Y-%m-%d %H:%M:%S.%6f");
        let key = format!("{name:0<32}");
        self.execute(&format!(
            "INSERT INTO django_session VALUES ('{key}', '{data}', '{expires}')"
        ))
        .await;
        key
    }

    /// The site's file, byte for byte, and what lies beside it.
    fn bytes(&self) -> (Vec<u8>, Vec<String>) {
        let entries = std::fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name != "state")
            .collect();
        names.sort();
        (std::fs::read(self.path()).unwrap(), names)
    }

    /// The journal's entries, oldest first.
    fn entries(&self) -> Vec<Entry> {
        let view = journal::read(&self.state_dir(), 1_000).unwrap();
        assert!(view.intact, "{:?}", view.fault);
        view.entries.into_iter().rev().collect()
    }
}

fn everyone(filter: Filter) -> Query {
    Query {
        filter,
        limit: 1_000,
        ..Query::default()
    }
}

/// Who is in a report, for what and with how much: all but the seconds, which go on between two reports.
fn who(report: &SweepReport) -> Vec<(&str, SweepReason, u32)> {
    let users = report.users.iter();
    users
        .map(|u| (u.id.as_str(), u.reason, u.sessions))
        .collect()
}

/// Somebody in this state, by the site's own order.
fn somebody(site: &Site, filter: Filter) -> UserView {
    let people = site.users(&everyone(filter)).rows;
    people
        .into_iter()
        .find(|person| person.flagged)
        .unwrap_or_else(|| panic!("nobody is {filter:?}"))
}

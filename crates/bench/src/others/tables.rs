//! Sessions in a table, whatever the database: statements that MySQL and SQLite read alike.

use std::collections::HashSet;
use std::future::Future;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use curfew_engine::Site as Engine;
use futures_util::TryStreamExt;
use jiff::{SignedDuration, Timestamp};
use sqlx::PgConnection;
use tokio::process::Command;

use super::store::{Kept, Saves, Store, Words};
use crate::hand::{Hand, all_of};
use crate::overdue::ONE_IN;
use crate::population::{COOKIE_AGE, saved};
use crate::watching::APART;

/// Rows of one INSERT: with a few large ones it still is under what MySQL takes.
const CHUNK: usize = 500;
/// A day.
const DAY: i64 = 86_400;

/// What a client is given to read.
pub const ALL: &str = "SELECT session_key, session_data, expire_date FROM django_session";

// PostgreSQL writes the rows that are to be inserted: there is no backslash in any of them.
const SESSIONS: &str = "
SELECT format('(%L,%L,%L)', session_key, session_data, to_char(expire_date AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'))
FROM django_session";
const USERS: &str = "
SELECT format('(%s,%L,%L,%s,%L,%L,%s,%s,%L,%s)', id, password,
    to_char(last_login AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), is_superuser::int, username, email, is_staff::int,
    is_active::int, to_char(last_activity AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), is_online::int)
FROM auth_user";

/// A database with such tables.
pub trait Tables: Send {
    const NAME: &'static str;
    const WORDS: Words;

    /// The site's address.
    fn address(&self) -> String;

    fn about(&mut self) -> impl Future<Output = Result<String>> + Send;

    /// The database's own client, with this statement to run.
    fn client(&self, statement: &str) -> Result<Command>;

    /// Runs statements as they stand, and says how many rows the last of them moved.
    fn run(&mut self, statements: String) -> impl Future<Output = Result<u64>> + Send;

    /// Runs a prepared statement, and fetches its rows.
    fn fetch(
        &mut self,
        statement: &'static str,
        given: &[String],
    ) -> impl Future<Output = Result<Vec<String>>> + Send;

    /// What is to be done once many rows have moved.
    fn tidy(&mut self) -> impl Future<Output = Result<()>> + Send;

    /// What `keep` was told.
    fn kept(&mut self) -> &mut Option<Kept>;
}

/// Copies the site's rows from PostgreSQL.
pub async fn fill(tables: &mut impl Tables, database: &mut PgConnection) -> Result<()> {
    for (table, select) in [("django_session", SESSIONS), ("auth_user", USERS)] {
        let mut rows = sqlx::query_scalar::<_, String>(select).fetch(&mut *database);
        let mut some = Vec::with_capacity(CHUNK);
        loop {
            let row = rows.try_next().await?;
            let last = row.is_none();
            some.extend(row);
            if some.len() == CHUNK || last && !some.is_empty() {
                let insert = format!("INSERT INTO {table} VALUES {}", some.join(","));
                tables.run(insert).await?;
                some.clear();
            }
            if last {
                break;
            }
        }
    }
    tables.tidy().await
}

/// As both databases read it, in UTC.
fn text(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%S.%6f").to_string()
}

fn days_ahead(time: Timestamp, days: i64) -> String {
    text(time + SignedDuration::from_secs(days * DAY))
}

fn list(keys: &[String]) -> String {
    format!("'{}'", keys.join("','"))
}

impl<T: Tables> Hand for T {
    fn statements(&self) -> &'static str {
        "raw DELETE of the same keys"
    }

    async fn delete(&mut self, keys: &[String]) -> Result<()> {
        let delete = format!(
            "DELETE FROM django_session WHERE session_key IN ({})",
            list(keys)
        );
        let gone = self.run(delete).await?;
        all_of(keys, gone)
    }
}

impl<T: Tables> Store for T {
    fn name(&self) -> &'static str {
        T::NAME
    }

    async fn about(&mut self) -> Result<String> {
        Tables::about(self).await
    }

    fn words(&self) -> &'static Words {
        &T::WORDS
    }

    fn addresses(&self) -> (String, Option<String>) {
        (self.address(), None)
    }

    async fn keys(&mut self) -> Result<HashSet<String>> {
        let all = "SELECT session_key FROM django_session";
        Ok(self.fetch(all, &[]).await?.into_iter().collect())
    }

    async fn read_all(&mut self, _sessions: usize) -> Result<()> {
        let mut client = self.client(ALL)?;
        let output = client
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .context("the client cannot be started")?;
        if !output.status.success() {
            bail!("{}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(())
    }

    async fn ask(&mut self) -> Result<()> {
        let now = Timestamp::now();
        let between = [days_ahead(now, 9 * 365), days_ahead(now, 10 * 365)];
        let none = "SELECT session_key FROM django_session WHERE expire_date BETWEEN ? AND ?";
        if !self.fetch(none, &between).await?.is_empty() {
            bail!("the range is not empty");
        }
        Ok(())
    }

    async fn settle(&mut self, engine: &Engine) -> Result<()> {
        tokio::time::sleep(APART).await;
        Ok(engine.look().await?)
    }

    async fn save(&mut self, saves: &Saves) -> Result<()> {
        let mut updates = String::from("BEGIN;");
        for (user, key) in &saves.sessions {
            let (data, date) = saved(*user, saves.at);
            let date = text(date);
            updates += &format!(
                "UPDATE django_session SET session_data='{data}',expire_date='{date}' WHERE session_key='{key}';"
            );
        }
        self.run(updates + "COMMIT").await?;
        Ok(())
    }

    async fn read_saved(&mut self, saves: &Saves) -> Result<usize> {
        let since = "SELECT session_key, session_data, expire_date FROM django_session WHERE expire_date >= ?";
        let date = saves.at + SignedDuration::from_secs(COOKIE_AGE);
        Ok(self.fetch(since, &[text(date)]).await?.len())
    }

    async fn keep(&mut self, batches: &[Vec<String>], people: Kept) -> Result<()> {
        self.run("CREATE TABLE kept_session AS SELECT * FROM django_session WHERE 1 = 0".into())
            .await?;
        for keys in batches.iter().filter(|keys| !keys.is_empty()) {
            let keep = format!(
                "INSERT INTO kept_session {ALL} WHERE session_key IN ({})",
                list(keys)
            );
            all_of(keys, self.run(keep).await?)?;
        }
        *self.kept() = Some(people);
        Ok(())
    }

    async fn restore(&mut self) -> Result<()> {
        let kept = self.kept().as_ref().context("nobody was kept")?;
        let up_to = kept.up_to;
        // Nobody has the number 0, and a list cannot be empty.
        let ids = kept.signed_out.iter().chain([&0]);
        let ids: Vec<String> = ids.map(i64::to_string).collect();
        let signed_out = ids.join(",");
        let now = Timestamp::now();
        let before = text(now - SignedDuration::from_hours(1));
        let now = text(now);
        let back = "INSERT INTO django_session SELECT * FROM kept_session
            WHERE session_key NOT IN (SELECT session_key FROM django_session)";
        self.run(back.into()).await?;
        let here = format!(
            "UPDATE auth_user SET is_online = CASE WHEN id IN ({signed_out}) THEN 0 ELSE 1 END,
                last_activity = CASE WHEN (id - 1) % {ONE_IN} = 0 AND id <= {up_to} THEN '{before}' ELSE '{now}' END"
        );
        self.run(here).await?;
        self.tidy().await?;
        // What was just written is written out by now, and not beside what is measured.
        tokio::time::sleep(Duration::from_secs(1)).await;
        Ok(())
    }
}

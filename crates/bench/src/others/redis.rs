//! Redis as the session engine `cache` uses it: the sessions are there alone, and the users in PostgreSQL.

use std::collections::HashSet;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use curfew_engine::Site as Engine;
use redis::aio::MultiplexedConnection;
use sqlx::PgConnection;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::store::{Kept, Saves, Store, Words};
use crate::hand::{Hand, all_of, unlink};
use crate::overdue::ONE_IN;
use crate::population::{CACHE_PREFIX, COOKIE_AGE, cached};

/// Keys of one SCAN, and of one MGET: as many as Curfew asks for.
const COUNT: usize = 1_000;

const WORDS: Words = Words {
    cold: "SCAN of all keys, and `redis-cli` reading them to nowhere, MGET by MGET of 1,000 keys",
    still_work: ", in looks without a step of a listing of the keys",
    still: "`SELECT now()` of the users' database: of Redis nothing is asked then",
    touched_work: ": looks every 2 s until the roster has all of them, their costs added up",
    touched: "SCAN and pipelined PEXPIRETIME of all keys, and pipelined GET of those that were saved",
    sweep_work: ", without the 5 s in which it waits for requests under way",
    sweep: "raw UNLINK of the same keys and UPDATE of the flags, in the same batches",
};

pub struct Redis<'a> {
    users: &'a str,
    address: &'a str,
    database: &'a mut PgConnection,
    cache: &'a mut MultiplexedConnection,
    kept: Everything,
}

/// Sessions that come back, and whose they are: one in [`ONE_IN`], up to a number.
#[derive(Default)]
struct Everything {
    sessions: Vec<(String, Vec<u8>, i64)>,
    people: Kept,
}

impl<'a> Redis<'a> {
    pub fn new(
        users: &'a str,
        address: &'a str,
        database: &'a mut PgConnection,
        cache: &'a mut MultiplexedConnection,
    ) -> Self {
        Self {
            users,
            address,
            database,
            cache,
            kept: Everything::default(),
        }
    }

    /// Hands over the names of all keys, page by page.
    async fn scan(&mut self, cursor: u64) -> Result<(u64, Vec<String>)> {
        let mut scan = redis::cmd("SCAN");
        scan.arg(cursor)
            .arg("MATCH")
            .arg(format!("{CACHE_PREFIX}*"))
            .arg("COUNT")
            .arg(COUNT);
        Ok(scan.query_async(self.cache).await?)
    }

    async fn expiries(&mut self, names: &[String]) -> Result<Vec<i64>> {
        let mut pipeline = redis::pipe();
        for name in names {
            pipeline.cmd("PEXPIRETIME").arg(name);
        }
        Ok(pipeline.query_async(self.cache).await?)
    }

    async fn values(&mut self, names: &[String]) -> Result<Vec<Option<Vec<u8>>>> {
        let mut pipeline = redis::pipe();
        for name in names {
            pipeline.cmd("GET").arg(name);
        }
        Ok(pipeline.query_async(self.cache).await?)
    }
}

fn name(key: &String) -> String {
    format!("{CACHE_PREFIX}{key}")
}

impl Hand for Redis<'_> {
    fn statements(&self) -> &'static str {
        "raw UNLINK of the same keys"
    }

    async fn delete(&mut self, keys: &[String]) -> Result<()> {
        if keys.is_empty() {
            return Ok(());
        }
        all_of(keys, unlink(keys, CACHE_PREFIX, self.cache).await?)
    }
}

impl Store for Redis<'_> {
    fn name(&self) -> &'static str {
        "Redis, session engine `cache`"
    }

    async fn about(&mut self) -> Result<String> {
        Ok(
            "Redis keeps nothing on a disk; the users are in PostgreSQL. Redis has no index of \
            what was saved: Curfew lists the keys in steps, for one fiftieth of the time. No site is at work here: \
            before each look all keys are read by hand, or the machine takes the memory away from Redis."
                .into(),
        )
    }

    fn words(&self) -> &'static Words {
        &WORDS
    }

    fn addresses(&self) -> (String, Option<String>) {
        (self.users.into(), Some(self.address.into()))
    }

    async fn keys(&mut self) -> Result<HashSet<String>> {
        let (mut keys, mut cursor) = (HashSet::new(), 0);
        loop {
            let (next, names) = self.scan(cursor).await?;
            let named = names.iter().filter_map(|n| n.strip_prefix(CACHE_PREFIX));
            keys.extend(named.map(String::from));
            if next == 0 {
                return Ok(keys);
            }
            cursor = next;
        }
    }

    async fn read_all(&mut self, sessions: usize) -> Result<()> {
        // Not by redis-cli's own --scan: it goes ten keys at a time.
        let names: Vec<String> = self.keys().await?.iter().map(name).collect();
        if names.len() != sessions {
            bail!("{} of {sessions} keys were named", names.len());
        }
        let mut commands = String::new();
        for some in names.chunks(COUNT) {
            commands += &format!("MGET {}\n", some.join(" "));
        }
        let mut client = Command::new("redis-cli");
        client
            .args(["-u", self.address])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .kill_on_drop(true);
        let mut reading = client.spawn().context("redis-cli")?;
        let mut stdin = reading.stdin.take().context("no way to redis-cli")?;
        stdin.write_all(commands.as_bytes()).await?;
        drop(stdin);
        if !reading.wait().await?.success() {
            bail!("redis-cli did not read all");
        }
        Ok(())
    }

    async fn ask(&mut self) -> Result<()> {
        sqlx::query("SELECT now()")
            .fetch_one(&mut *self.database)
            .await?;
        Ok(())
    }

    fn finds_saved_at_once(&self) -> bool {
        false
    }

    async fn steps(&mut self) -> Result<u64> {
        let mut info = redis::cmd("INFO");
        let told: String = info.arg("commandstats").query_async(self.cache).await?;
        let scans = told.lines().find_map(|line| {
            let (calls, _) = line.strip_prefix("cmdstat_scan:calls=")?.split_once(',')?;
            calls.parse().ok()
        });
        Ok(scans.unwrap_or(0))
    }

    /// A listing is over then, and another has not begun.
    async fn settle(&mut self, engine: &Engine) -> Result<()> {
        engine.preview().await?;
        Ok(())
    }

    async fn save(&mut self, saves: &Saves) -> Result<()> {
        let mut pipeline = redis::pipe();
        let expires = saves.at.as_millisecond() + COOKIE_AGE * 1_000;
        for (user, key) in &saves.sessions {
            pipeline
                .cmd("SET")
                .arg(name(key))
                .arg(cached(*user))
                .arg("PXAT")
                .arg(expires)
                .ignore();
        }
        Ok(pipeline.query_async(self.cache).await?)
    }

    async fn read_saved(&mut self, saves: &Saves) -> Result<usize> {
        let since = saves.at.as_millisecond() + COOKIE_AGE * 1_000;
        let (mut read, mut cursor) = (HashSet::new(), 0);
        loop {
            let (next, names) = self.scan(cursor).await?;
            let expiries = self.expiries(&names).await?;
            let both = names.into_iter().zip(expiries);
            let saved: Vec<String> = both
                .filter(|(_, expires)| *expires >= since)
                .map(|(name, _)| name)
                .collect();
            let values = self.values(&saved).await?;
            let both = saved.into_iter().zip(values);
            read.extend(both.filter_map(|(name, value)| value.map(|_| name)));
            if next == 0 {
                return Ok(read.len());
            }
            cursor = next;
        }
    }

    async fn keep(&mut self, batches: &[Vec<String>], people: Kept) -> Result<()> {
        self.kept.people = people;
        for keys in batches.iter().filter(|keys| !keys.is_empty()) {
            let names: Vec<String> = keys.iter().map(name).collect();
            let expiries = self.expiries(&names).await?;
            let values = self.values(&names).await?;
            for ((name, value), expires) in
                names.into_iter().zip(values).zip(expires_all(expiries)?)
            {
                let value = value.context("a session is gone")?;
                self.kept.sessions.push((name, value, expires));
            }
        }
        Ok(())
    }

    async fn restore(&mut self) -> Result<()> {
        for some in self.kept.sessions.chunks(COUNT) {
            let mut pipeline = redis::pipe();
            for (name, value, expires) in some {
                let set = pipeline.cmd("SET");
                set.arg(name).arg(value).arg("PXAT").arg(expires).ignore();
            }
            let () = pipeline.query_async(self.cache).await?;
        }
        sqlx::query(
            "UPDATE auth_user SET is_online = NOT id = ANY($3), last_activity = now() -
                CASE WHEN (id - 1) % $1 = 0 AND id <= $2 THEN interval '1 hour' ELSE interval '0' END",
        )
        .bind(i64::try_from(ONE_IN)?)
        .bind(i64::try_from(self.kept.people.up_to)?)
        .bind(&self.kept.people.signed_out)
        .execute(&mut *self.database)
        .await?;
        sqlx::raw_sql("VACUUM ANALYZE auth_user")
            .execute(&mut *self.database)
            .await?;
        Ok(())
    }

    async fn sweep(&mut self, people: &[usize], keys: &[String]) -> Result<()> {
        self.delete(keys).await?;
        let ids: Vec<i64> = people.iter().map(|n| *n as i64 + 1).collect();
        sqlx::query("UPDATE auth_user SET is_online = false WHERE id = ANY($1)")
            .bind(&ids)
            .execute(&mut *self.database)
            .await?;
        Ok(())
    }

    fn waits(&self) -> Duration {
        Duration::from_secs(5)
    }
}

/// Each of them in the future.
fn expires_all(expiries: Vec<i64>) -> Result<Vec<i64>> {
    if expiries.iter().any(|expires| *expires <= 0) {
        bail!("a session has no expiry");
    }
    Ok(expiries)
}

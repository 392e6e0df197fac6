//! The same work where sessions lie in MariaDB, in SQLite, or in Redis alone: each store's own table, each row against
//! what is done by hand there.

mod mysql;
mod redis;
mod sqlite;
mod store;
mod tables;
mod watch;

use std::collections::HashSet;
use std::path::Path;

use ::redis::aio::MultiplexedConnection;
use anyhow::Result;
use sqlx::PgConnection;

use crate::logout;
use crate::overdue::ONE_IN;
use crate::population::{self, CACHE_PREFIX, Copies, Population};
use crate::report::{Measure, Page, table};
use crate::sweeping::{self, batches};
use store::{Kept, Store};

/// Of each store, where as many are asked for.
pub const SESSIONS: usize = 100_000;
/// People swept in one run, where the site has as many.
const PEOPLE: usize = 10_000;

/// Where the stores are, and how much is asked of each.
pub struct Others<'a> {
    pub sessions: usize,
    /// Pairs of runs of what is short.
    pub runs: usize,
    /// Pairs of runs of what is long.
    pub few: usize,
    pub mariadb: &'a str,
    pub postgres: &'a str,
    pub redis: &'a str,
    pub state: &'a Path,
}

impl Others<'_> {
    /// One section a store, each by itself. Makes the site's tables in PostgreSQL anew: rows and users are taken from there.
    pub async fn measure(
        &self,
        database: &mut PgConnection,
        cache: &mut MultiplexedConnection,
        page: &mut Page,
    ) -> Result<()> {
        eprintln!("making {} sessions for the other stores", self.sessions);
        // Other keys would have to be passed over in each listing.
        let () = ::redis::cmd("FLUSHDB")
            .arg("SYNC")
            .query_async(cache)
            .await?;
        let copies = Copies {
            cache: &mut *cache,
            prefix: CACHE_PREFIX,
        };
        let population = population::make(self.sessions, database, Some(copies)).await?;
        let measured = self.mariadb(&population, database, page).await;
        page.keep("MariaDB", measured);
        let measured = self.sqlite(&population, database, page).await;
        page.keep("SQLite", measured);
        let mut redis = redis::Redis::new(self.postgres, self.redis, database, cache);
        let measured = self.section(&mut redis, &population, page).await;
        page.keep("Redis", measured);
        Ok(())
    }

    async fn mariadb(
        &self,
        population: &Population,
        database: &mut PgConnection,
        page: &mut Page,
    ) -> Result<()> {
        let mut mariadb = mysql::MariaDb::open(self.mariadb).await?;
        tables::fill(&mut mariadb, database).await?;
        self.section(&mut mariadb, population, page).await?;
        mariadb.end().await
    }

    async fn sqlite(
        &self,
        population: &Population,
        database: &mut PgConnection,
        page: &mut Page,
    ) -> Result<()> {
        let mut sqlite = sqlite::Sqlite::make(self.state).await?;
        tables::fill(&mut sqlite, database).await?;
        self.section(&mut sqlite, population, page).await?;
        sqlite.end().await
    }

    async fn section(
        &self,
        store: &mut impl Store,
        population: &Population,
        page: &mut Page,
    ) -> Result<()> {
        let name = store.name();
        eprintln!("measuring {name}");
        let measures = self.measures(store, population).await?;
        let about = store.about().await?;
        page.sections.push(format!(
            "## {name}\n\n{} sessions of the same kind. {about}\n\n{}",
            self.sessions,
            table(&measures)
        ));
        Ok(())
    }

    async fn measures(
        &self,
        store: &mut impl Store,
        population: &Population,
    ) -> Result<Vec<Measure>> {
        let (address, cache) = store.addresses();
        let site = store::site(&address, cache.as_deref());
        // First of all, as with PostgreSQL.
        let logout = logout::measure(&site, self.state, population, self.runs, 0, store).await?;
        let left = store.keys().await?;
        let mut measures = vec![watch::cold(&site, left.len(), self.few, self.state, store).await?];
        let engine = site.open(self.state).await?;
        engine.look().await?;
        measures.push(watch::still(&engine, self.runs, store).await?);
        let runs = match store.finds_saved_at_once() {
            true => self.runs,
            false => self.few,
        };
        measures.push(watch::touched(&engine, population, &left, runs, store).await?);
        engine.close().await;
        measures.push(self.swept(&site, store, population, &left).await?);
        measures.push(logout);
        Ok(measures)
    }

    /// As often as it takes, with everybody back in between.
    async fn swept(
        &self,
        site: &crate::site::Site<'_>,
        store: &mut impl Store,
        population: &Population,
        left: &HashSet<String>,
    ) -> Result<Measure> {
        let size = PEOPLE.min(population.people.len() / ONE_IN);
        let people: Vec<usize> = (0..size).map(|n| n * ONE_IN).collect();
        // Whoever was signed out by a logout has no sessions to come back with.
        let mut batches = batches(&people, population);
        for keys in &mut batches {
            keys.retain(|key| left.contains(key));
        }
        let all = population.people.iter().enumerate();
        let signed_out = all.filter(|(_, keys)| !keys.iter().any(|key| left.contains(key)));
        let signed_out = signed_out.map(|(n, _)| n as i64 + 1).collect();
        let kept = Kept {
            up_to: size * ONE_IN,
            signed_out,
        };
        store.keep(&batches, kept).await?;
        let mut pairs = Vec::new();
        for _ in 0..self.few {
            store.restore().await?;
            let engine = site.open(self.state).await?;
            engine.look().await?;
            let ours = sweeping::by_curfew(&engine, size).await?;
            engine.close().await;
            store.restore().await?;
            let ours = ours.saturating_sub(store.waits());
            pairs.push((ours, store::by_hand(store, &people, &batches).await?));
        }
        Ok(Measure {
            work: sweeping::work(size) + store.words().sweep_work,
            against: store.words().sweep.into(),
            goal: sweeping::GOAL,
            pairs,
        })
    }
}

//! A force logout of one user of a `cached_db` site, roster warm, against the raw DELETE and UNLINK of the same keys.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use curfew_engine::Site as Engine;
use curfew_engine::config::{Address, CacheAddress, Env, SiteConfig};
use curfew_engine::logout::{Follow, How};
use sqlx::PgConnection;

use crate::population::{CACHE_PREFIX, Population, SECRET_KEY};
use crate::report::Measure;

/// The most that a logout may cost, as the raw statements' multiple.
const GOAL: f64 = 3.0;

/// Where the site is.
pub struct Site<'a> {
    pub database: &'a str,
    pub cache: &'a str,
}

impl Site<'_> {
    async fn open(&self, state: &std::path::Path) -> Result<Arc<Engine>> {
        let mut config = SiteConfig::by_address(Address::parse(self.database)?);
        config.sessions.engine = "django.contrib.sessions.backends.cached_db".into();
        config.sessions.cache = Some(CacheAddress::parse(self.cache)?);
        config.secret_key = Some(SECRET_KEY.to_string().into());
        let env = Env {
            config_dir: state.to_path_buf(),
            state_dir: state.to_path_buf(),
            site: None,
            secret_key: None,
            secret_key_fallbacks: Vec::new(),
        };
        Ok(Engine::open(config, &env).await?)
    }
}

/// Person after person, in turns: one by Curfew, one by the raw statements.
pub async fn measure(
    site: &Site<'_>,
    population: &Population,
    runs: usize,
    database: &mut PgConnection,
    cache: &mut redis::aio::MultiplexedConnection,
) -> Result<Measure> {
    let state = tempfile::tempdir().context("no temporary folder can be made")?;
    let engine = site.open(state.path()).await?;
    // Cold, and then warm: the cache's own listing takes several looks.
    for _ in 0..5 {
        engine.look().await?;
    }
    let people: Vec<usize> = (0..population.people.len())
        .filter(|n| !population.people[*n].is_empty())
        .take(2 * (runs + 1))
        .collect();
    let mut pairs = Vec::new();
    for pair in people.chunks_exact(2) {
        let ours = by_curfew(&engine, pair[0] + 1, &population.people[pair[0]]).await?;
        let raw = by_hand(&population.people[pair[1]], database, cache).await?;
        pairs.push((ours, raw));
    }
    // The first pair opens connections and prepares statements.
    pairs.remove(0);
    engine.close().await;
    Ok(Measure {
        work: "force logout of one user, `cached_db`, roster warm: journal, row, copy, and the look at once".into(),
        against: "raw DELETE and UNLINK of the same keys".into(),
        goal: GOAL,
        pairs,
    })
}

async fn by_curfew(engine: &Arc<Engine>, user: usize, keys: &[String]) -> Result<Duration> {
    let how = How {
        follow: Follow::Background,
        ..How::default()
    };
    let began = Instant::now();
    let report = engine.logout(&user.to_string(), None, &how).await?;
    let took = began.elapsed();
    if report.sessions_deleted as usize != keys.len() {
        bail!("user {user}: {}", report.detail);
    }
    Ok(took)
}

async fn by_hand(
    keys: &[String],
    database: &mut PgConnection,
    cache: &mut redis::aio::MultiplexedConnection,
) -> Result<Duration> {
    let copies: Vec<String> = keys
        .iter()
        .map(|key| format!("{CACHE_PREFIX}{key}"))
        .collect();
    let began = Instant::now();
    let rows = sqlx::query("DELETE FROM django_session WHERE session_key = ANY($1)")
        .bind(keys)
        .execute(database)
        .await?
        .rows_affected();
    let unlinked: u64 = redis::cmd("UNLINK").arg(&copies).query_async(cache).await?;
    let took = began.elapsed();
    if rows as usize != keys.len() || unlinked as usize != keys.len() {
        bail!(
            "the raw statements met {rows} rows and {unlinked} copies of {}",
            keys.len()
        );
    }
    Ok(took)
}

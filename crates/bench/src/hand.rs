//! What is done by hand, where a deed of Curfew's is held against it.

use std::future::Future;

use anyhow::{Result, bail};
use redis::aio::MultiplexedConnection;
use sqlx::PgConnection;

use crate::population::COPY_PREFIX;

/// Deletes what Curfew deletes.
pub trait Hand: Send {
    /// By what statements, in a table's words.
    fn statements(&self) -> &'static str;

    /// Deletes these sessions, each of which has to be there.
    fn delete(&mut self, keys: &[String]) -> impl Future<Output = Result<()>> + Send;
}

/// PostgreSQL, with the copies in Redis where the session engine has them.
pub struct Postgres<'a> {
    pub database: &'a mut PgConnection,
    pub copies: Option<&'a mut MultiplexedConnection>,
}

impl Hand for Postgres<'_> {
    fn statements(&self) -> &'static str {
        match self.copies {
            Some(_) => "raw DELETE and UNLINK of the same keys",
            None => "raw DELETE of the same keys",
        }
    }

    async fn delete(&mut self, keys: &[String]) -> Result<()> {
        let rows = sqlx::query("DELETE FROM django_session WHERE session_key = ANY($1)")
            .bind(keys)
            .execute(&mut *self.database)
            .await?
            .rows_affected();
        let unlinked = match &mut self.copies {
            Some(cache) => unlink(keys, COPY_PREFIX, cache).await?,
            None => rows,
        };
        all_of(keys, rows)?;
        all_of(keys, unlinked)
    }
}

/// How many of them there were.
pub async fn unlink(
    keys: &[String],
    prefix: &str,
    cache: &mut MultiplexedConnection,
) -> Result<u64> {
    let names: Vec<String> = keys.iter().map(|key| format!("{prefix}{key}")).collect();
    Ok(redis::cmd("UNLINK").arg(names).query_async(cache).await?)
}

/// Fewer would be less work than Curfew's.
pub fn all_of(keys: &[String], met: u64) -> Result<()> {
    if met != keys.len() as u64 {
        bail!("the raw statements met {met} of {} sessions", keys.len());
    }
    Ok(())
}

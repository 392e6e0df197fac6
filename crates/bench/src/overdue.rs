//! People who are overdue, and who are back with all their sessions once they were swept: as often as it takes.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use curfew_engine::Site as Engine;
use futures_util::TryStreamExt;
use sqlx::PgConnection;

use crate::population::Population;
use crate::site::Site;

/// People swept in one run, where the site has as many; one in so many is.
const PEOPLE: usize = 10_000;
pub const ONE_IN: usize = 3;

/// Each session that an earlier run deleted is back.
const RESTORE: &str =
    "INSERT INTO django_session SELECT * FROM kept_session ON CONFLICT DO NOTHING";
/// Whoever has a session has a flag. One without a session would be work for each sweep, and none of what is measured.
const FLAGS: &str =
    "UPDATE auth_user SET is_online = NOT id = ANY($1) WHERE is_online = (id = ANY($1))";

/// Copies of their sessions lie in a table of their own.
pub struct Overdue {
    ids: Vec<i64>,
    /// People without a session: what was measured before has signed them out.
    signed_out: Vec<i64>,
}

impl Overdue {
    /// Makes them overdue.
    pub async fn keep(population: &Population, database: &mut PgConnection) -> Result<Self> {
        let size = PEOPLE.min(population.people.len() / ONE_IN);
        let people: Vec<usize> = (0..size).map(|n| n * ONE_IN).collect();
        let keys: Vec<&String> = people.iter().flat_map(|n| &population.people[*n]).collect();
        sqlx::raw_sql("CREATE TABLE kept_session (LIKE django_session)")
            .execute(&mut *database)
            .await?;
        sqlx::query(
            "INSERT INTO kept_session SELECT * FROM django_session WHERE session_key = ANY($1)",
        )
        .bind(&keys)
        .execute(&mut *database)
        .await?;
        let ids: Vec<i64> = people.iter().map(|n| *n as i64 + 1).collect();
        sqlx::query(
            "UPDATE auth_user SET last_activity = least(last_activity, now() - interval '1 hour') WHERE id = ANY($1)",
        )
        .bind(&ids)
        .execute(&mut *database)
        .await?;
        Ok(Self {
            ids,
            signed_out: signed_out(population, database).await?,
        })
    }

    /// Their numbers, from 0 on.
    pub fn people(&self) -> impl ExactSizeIterator<Item = usize> + '_ {
        self.ids.iter().map(|id| *id as usize - 1)
    }

    /// So many of them; the others are here from the next restoring on.
    pub fn only(mut self, people: usize) -> Self {
        self.ids.truncate(people);
        self
    }

    /// They are overdue, and everybody else is here.
    pub async fn restore(&self, database: &mut PgConnection) -> Result<()> {
        // They come back to where they lay, all over the table, and not to its end.
        sqlx::raw_sql("VACUUM django_session")
            .execute(&mut *database)
            .await?;
        sqlx::raw_sql(RESTORE).execute(&mut *database).await?;
        sqlx::query(FLAGS)
            .bind(&self.signed_out)
            .execute(&mut *database)
            .await?;
        sqlx::query("UPDATE auth_user SET last_activity = now() WHERE NOT id = ANY($1)")
            .bind(&self.ids)
            .execute(&mut *database)
            .await?;
        for table in ["VACUUM ANALYZE django_session", "VACUUM ANALYZE auth_user"] {
            sqlx::raw_sql(table).execute(&mut *database).await?;
        }
        Ok(())
    }

    /// A roster that knows of them: sessions that come back as they were are no save, and take a listing to be found.
    pub async fn met(
        &self,
        site: &Site<'_>,
        state: &Path,
        database: &mut PgConnection,
    ) -> Result<Arc<Engine>> {
        self.restore(database).await?;
        let engine = site.open(state).await?;
        engine.look().await?;
        Ok(engine)
    }

    /// Nobody is overdue, and the copies are gone.
    pub async fn end(self, database: &mut PgConnection) -> Result<()> {
        self.only(0).restore(&mut *database).await?;
        sqlx::raw_sql("DROP TABLE kept_session")
            .execute(database)
            .await?;
        Ok(())
    }
}

/// The ids of people whose sessions are all gone.
async fn signed_out(population: &Population, database: &mut PgConnection) -> Result<Vec<i64>> {
    let left: HashSet<String> = sqlx::query_scalar("SELECT session_key FROM django_session")
        .fetch(database)
        .try_collect()
        .await?;
    let ids = (1..).zip(&population.people);
    Ok(ids
        .filter(|(_, keys)| !keys.iter().any(|key| left.contains(key)))
        .map(|(id, _)| id)
        .collect())
}

//! People who are overdue, and who are back with all their sessions once they were swept: as often as it takes.

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use curfew_engine::Site as Engine;
use sqlx::PgConnection;

use crate::population::Population;
use crate::site::Site;

/// People swept in one run, where the site has as many; one in so many is.
const PEOPLE: usize = 10_000;
pub const ONE_IN: usize = 3;

/// Each session that an earlier run deleted is back, and each flag that it cleared.
const RESTORE: &str = "
INSERT INTO django_session SELECT * FROM kept_session ON CONFLICT DO NOTHING;
UPDATE auth_user SET is_online = true WHERE NOT is_online;";

/// Their ids. Copies of their sessions lie in a table of their own.
pub struct Overdue(Vec<i64>);

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
            "UPDATE auth_user SET last_activity = now() - interval '1 hour' WHERE id = ANY($1)",
        )
        .bind(&ids)
        .execute(database)
        .await?;
        Ok(Self(ids))
    }

    /// Their numbers, from 0 on.
    pub fn people(&self) -> impl ExactSizeIterator<Item = usize> + '_ {
        self.0.iter().map(|id| *id as usize - 1)
    }

    /// So many of them; the others are here from the next restoring on.
    pub fn only(mut self, people: usize) -> Self {
        self.0.truncate(people);
        self
    }

    /// They are overdue, and everybody else is here.
    pub async fn restore(&self, database: &mut PgConnection) -> Result<()> {
        // They come back to where they lay, all over the table, and not to its end.
        sqlx::raw_sql("VACUUM django_session")
            .execute(&mut *database)
            .await?;
        sqlx::raw_sql(RESTORE).execute(&mut *database).await?;
        sqlx::query("UPDATE auth_user SET last_activity = now() WHERE NOT id = ANY($1)")
            .bind(&self.0)
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

//! A short transaction that means to write.

use sea_query_sqlx::SqlxBinder;
use sqlx::{Postgres, Sqlite, Transaction};

use super::schema::Dialect;
use super::statement::{Cell, Read, Statement};

/// A short transaction. Dropped without a commit, it is rolled back.
pub enum Tx {
    Postgres(Transaction<'static, Postgres>),
    Sqlite(Transaction<'static, Sqlite>),
}

impl Tx {
    pub fn dialect(&self) -> Dialect {
        match self {
            Self::Postgres(_) => Dialect::Postgres,
            Self::Sqlite(_) => Dialect::Sqlite,
        }
    }

    pub async fn rows(
        &mut self,
        query: &impl SqlxBinder,
        shape: &[Read],
    ) -> Result<Vec<Vec<Cell>>, sqlx::Error> {
        let statement = Statement::new(self.dialect(), query, shape);
        match self {
            Self::Postgres(tx) => statement.on_postgres(&mut **tx).await,
            Self::Sqlite(tx) => statement.on_sqlite(&mut **tx).await,
        }
    }

    /// Waits for other people's locks no longer than the site should wait for ours.
    pub async fn limit_waiting(&mut self) -> Result<(), sqlx::Error> {
        if let Self::Postgres(tx) = self {
            sqlx::query("SET LOCAL lock_timeout = '100ms'")
                .execute(&mut **tx)
                .await?;
            sqlx::query("SET LOCAL statement_timeout = '5s'")
                .execute(&mut **tx)
                .await?;
        }
        Ok(())
    }

    pub async fn commit(self) -> Result<(), sqlx::Error> {
        match self {
            Self::Postgres(tx) => tx.commit().await,
            Self::Sqlite(tx) => tx.commit().await,
        }
    }
}

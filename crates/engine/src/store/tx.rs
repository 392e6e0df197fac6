//! A short transaction that means to write.

use std::time::Duration;

use sea_query_sqlx::SqlxBinder;
use sqlx::{MySql, PgPool, Postgres, Sqlite, Transaction};

use super::mysql::{Able, Passing};
use super::schema::Dialect;
use super::statement::{Cell, Read, Statement};

/// A short transaction. Dropped without a commit, it is rolled back.
pub enum Tx {
    Postgres(Transaction<'static, Postgres>),
    /// And what its server can do.
    Mysql(Transaction<'static, MySql>, Able),
    Sqlite(Transaction<'static, Sqlite>),
}

/// How long a transaction that failed is waited for to leave its locks.
const LEAVING: Duration = Duration::from_millis(500);

/// Waits for other people's locks no longer than the site should wait for its own. All in one trip.
const BEGIN_ON_POSTGRES: &str =
    "BEGIN; SET LOCAL lock_timeout = '100ms'; SET LOCAL statement_timeout = '5s'";

impl Tx {
    pub async fn on_postgres(pool: &PgPool) -> Result<Self, sqlx::Error> {
        pool.begin_with(BEGIN_ON_POSTGRES).await.map(Self::Postgres)
    }

    pub fn dialect(&self) -> Dialect {
        match self {
            Self::Postgres(_) => Dialect::Postgres,
            Self::Mysql(..) => Dialect::Mysql,
            Self::Sqlite(_) => Dialect::Sqlite,
        }
    }

    /// How rows that others hold are passed over; none where statements return what they changed.
    pub fn passing(&self) -> Option<Passing> {
        match self {
            Self::Mysql(_, able) => Some(able.passing),
            Self::Postgres(_) | Self::Sqlite(_) => None,
        }
    }

    pub fn is_mariadb(&self) -> bool {
        matches!(self, Self::Mysql(_, able) if able.mariadb)
    }

    pub async fn rows(
        &mut self,
        query: &impl SqlxBinder,
        shape: &[Read],
    ) -> Result<Vec<Vec<Cell>>, sqlx::Error> {
        self.run(Statement::new(self.dialect(), query, shape)).await
    }

    pub async fn run(&mut self, statement: Statement) -> Result<Vec<Vec<Cell>>, sqlx::Error> {
        match self {
            Self::Postgres(tx) => statement.on_postgres(&mut **tx).await,
            Self::Mysql(tx, _) => statement.on_mysql(&mut **tx).await,
            Self::Sqlite(tx) => statement.on_sqlite(&mut **tx).await,
        }
    }

    /// Runs a statement, and says how many rows it changed.
    pub async fn count(&mut self, statement: Statement) -> Result<u64, sqlx::Error> {
        match self {
            Self::Postgres(tx) => statement.count_on_postgres(&mut **tx).await,
            Self::Mysql(tx, _) => statement.count_on_mysql(&mut **tx).await,
            Self::Sqlite(tx) => statement.count_on_sqlite(&mut **tx).await,
        }
    }

    pub async fn commit(self) -> Result<(), sqlx::Error> {
        match self {
            Self::Postgres(tx) => tx.commit().await,
            Self::Mysql(tx, _) => tx.commit().await,
            Self::Sqlite(tx) => tx.commit().await,
        }
    }

    /// Undoes it, and leaves its locks: dropped, it would do so a little later.
    pub async fn rollback(self) -> Result<(), sqlx::Error> {
        match self {
            Self::Postgres(tx) => tx.rollback().await,
            Self::Mysql(tx, _) => tx.rollback().await,
            Self::Sqlite(tx) => tx.rollback().await,
        }
    }

    /// The same of one in which something failed, which says more than a rollback that fails, too: not waited for beyond a
    /// moment, for the server may not answer.
    pub async fn abandon(self) {
        if let Ok(Err(error)) = tokio::time::timeout(LEAVING, self.rollback()).await {
            tracing::debug!(%error, "what failed could not be rolled back");
        }
    }
}

//! A short transaction that means to write. What ends it wrongly closes its connection, so that the server undoes it.

use std::time::Duration;

use sea_query_sqlx::SqlxBinder;
use sqlx::{MySql, Postgres, Sqlite, Transaction};

use super::db::{Failure, asked};
use super::lines::{Line, quietly};
use super::mysql::{Able, Passing};
use super::schema::Dialect;
use super::statement::{Cell, Read, Statement};

/// A short transaction. Dropped without a commit, it is rolled back.
pub enum Tx {
    Postgres(Line<Postgres>),
    /// And what its server can do.
    Mysql(Line<MySql>, Able),
    Sqlite(Transaction<'static, Sqlite>),
}

/// How long a transaction that failed is waited for to leave its locks.
const LEAVING: Duration = Duration::from_millis(500);

/// Waits for other people's locks no longer than the site should wait for its own. All in one trip. A pooler may stand
/// between, so nothing outlives the transaction.
const BEGIN_ON_POSTGRES: &str = "BEGIN; SET LOCAL lock_timeout = '100ms'; SET LOCAL statement_timeout = '5s'; \
     SET LOCAL idle_in_transaction_session_timeout = '10s'";
/// For one statement behind a pooler, which does not pass the deadlines of a connection on. The statement may write.
const BEGIN_FOR_ONE: &str =
    "BEGIN; SET LOCAL lock_timeout = '2s'; SET LOCAL statement_timeout = '10s'";

impl Tx {
    pub(super) async fn on_postgres(line: Line<Postgres>) -> Result<Self, sqlx::Error> {
        Self::begun(Self::Postgres(line), BEGIN_ON_POSTGRES).await
    }

    pub(super) async fn for_one_on_postgres(line: Line<Postgres>) -> Result<Self, sqlx::Error> {
        Self::begun(Self::Postgres(line), BEGIN_FOR_ONE).await
    }

    pub(super) async fn on_mysql(line: Line<MySql>, able: Able) -> Result<Self, sqlx::Error> {
        Self::begun(Self::Mysql(line, able), "BEGIN").await
    }

    async fn begun(mut self, begin: &'static str) -> Result<Self, sqlx::Error> {
        match &mut self {
            Self::Postgres(line) => line.in_transaction(true),
            Self::Mysql(line, _) => line.in_transaction(true),
            Self::Sqlite(_) => {}
        }
        self.say(begin).await?;
        Ok(self)
    }

    /// A statement of this module's own.
    async fn say(&mut self, text: &'static str) -> Result<(), sqlx::Error> {
        match self {
            Self::Postgres(line) => {
                let said = quietly(sqlx::raw_sql(text).execute(line.ask()?)).await;
                line.ended(&said);
                said.map(|_| ())
            }
            Self::Mysql(line, _) => {
                let said = quietly(sqlx::raw_sql(text).execute(line.ask()?)).await;
                line.ended(&said);
                said.map(|_| ())
            }
            Self::Sqlite(_) => Ok(()),
        }
    }

    /// Nothing is open on the connection any more.
    fn over(self) {
        match self {
            Self::Postgres(mut line) => line.in_transaction(false),
            Self::Mysql(mut line, _) => line.in_transaction(false),
            Self::Sqlite(_) => {}
        }
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
            Self::Postgres(line) => {
                // Behind a pooler another client's statement may bear the same name.
                let named = !line.is_pooled();
                let rows = statement.on_postgres(line.ask()?, named).await;
                line.ended(&rows);
                rows
            }
            Self::Mysql(line, _) => {
                let rows = statement.on_mysql(line.ask()?).await;
                line.ended(&rows);
                rows
            }
            Self::Sqlite(tx) => statement.on_sqlite(&mut **tx).await,
        }
    }

    /// Runs a statement, and says how many rows it changed.
    pub async fn count(&mut self, statement: Statement) -> Result<u64, sqlx::Error> {
        match self {
            Self::Postgres(line) => {
                let named = !line.is_pooled();
                let counted = quietly(statement.count_on_postgres(line.ask()?, named)).await;
                line.ended(&counted);
                counted
            }
            Self::Mysql(line, _) => {
                let counted = quietly(statement.count_on_mysql(line.ask()?)).await;
                line.ended(&counted);
                counted
            }
            Self::Sqlite(tx) => statement.count_on_sqlite(&mut **tx).await,
        }
    }

    /// Commits.
    ///
    /// # Errors
    /// [`Failure::Unsure`] if the connection broke before the server answered: the work may be done.
    pub async fn commit(self) -> Result<(), Failure> {
        self.commit_driver().await.map_err(asked)
    }

    /// As [`Self::commit`], for a transaction that only reads.
    pub(super) async fn commit_driver(mut self) -> Result<(), sqlx::Error> {
        if let Self::Sqlite(tx) = self {
            return tx.commit().await;
        }
        self.say("COMMIT").await?;
        self.over();
        Ok(())
    }

    /// Undoes it, and leaves its locks: dropped, it would do so a little later.
    pub async fn rollback(mut self) -> Result<(), sqlx::Error> {
        if let Self::Sqlite(tx) = self {
            return tx.rollback().await;
        }
        self.say("ROLLBACK").await?;
        self.over();
        Ok(())
    }

    /// The same of one in which something failed, which says more than a rollback that fails, too: not waited for beyond a
    /// moment, for the server may not answer.
    pub async fn abandon(self) {
        if let Ok(Err(error)) = tokio::time::timeout(LEAVING, self.rollback()).await {
            tracing::debug!(%error, "what failed could not be rolled back");
        }
    }
}

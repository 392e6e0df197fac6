//! SQLite: a file as Django makes it, its journal as Django leaves it.

use std::path::{Path, PathBuf};

use anyhow::Result;
use futures_util::TryStreamExt;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Row, SqliteConnection};
use tokio::process::Command;

use super::store::{Kept, Words};
use super::tables::Tables;

const TABLES: &str = "
CREATE TABLE auth_user (
    id integer NOT NULL PRIMARY KEY, password varchar(128) NOT NULL, last_login datetime, is_superuser bool NOT NULL,
    username varchar(150) NOT NULL UNIQUE, email varchar(254) NOT NULL, is_staff bool NOT NULL,
    is_active bool NOT NULL, last_activity datetime, is_online bool NOT NULL
);
CREATE TABLE django_session (
    session_key varchar(40) NOT NULL PRIMARY KEY, session_data text NOT NULL, expire_date datetime NOT NULL
);
CREATE INDEX django_session_expire_date ON django_session (expire_date);";

pub struct Sqlite {
    connection: SqliteConnection,
    path: PathBuf,
    kept: Option<Kept>,
}

impl Sqlite {
    /// A new file with empty tables.
    pub async fn make(folder: &Path) -> Result<Self> {
        let path = folder.join("site.sqlite3");
        let options = SqliteConnectOptions::new()
            .filename(&path)
            .create_if_missing(true);
        let mut this = Self {
            connection: options.connect().await?,
            path,
            kept: None,
        };
        this.run(TABLES.into()).await?;
        Ok(this)
    }

    pub async fn end(self) -> Result<()> {
        self.connection.close().await?;
        Ok(std::fs::remove_file(self.path)?)
    }

    async fn says(&mut self, question: &'static str) -> Result<String> {
        let row = sqlx::raw_sql(question)
            .fetch_one(&mut self.connection)
            .await?;
        Ok(row.try_get_unchecked(0)?)
    }
}

impl Tables for Sqlite {
    const NAME: &'static str = "SQLite";
    const WORDS: Words = Words {
        cold: "the `sqlite3` client reading the same rows to nowhere",
        still_work: "",
        still: "an empty index range query",
        touched_work: "",
        touched: "the raw indexed read of those rows",
        sweep_work: "",
        sweep: "raw DELETE of the same keys in the same batches",
    };

    fn address(&self) -> String {
        format!("sqlite://{}", self.path.display())
    }

    async fn about(&mut self) -> Result<String> {
        let synchronous = match self.says("PRAGMA synchronous").await?.as_str() {
            "2" => "FULL".to_string(),
            other => other.to_string(),
        };
        Ok(format!(
            "SQLite {}, one file, journal_mode = {} and synchronous = {synchronous}, as Django has them.",
            self.says("SELECT sqlite_version()").await?,
            self.says("PRAGMA journal_mode").await?.to_uppercase(),
        ))
    }

    fn client(&self, statement: &str) -> Result<Command> {
        let mut command = Command::new("sqlite3");
        command
            .args(["-init", "", "-batch", "-readonly"])
            .arg(&self.path)
            .arg(statement);
        Ok(command)
    }

    async fn run(&mut self, statements: String) -> Result<u64> {
        let statements = sqlx::raw_sql(AssertSqlSafe(statements));
        Ok(statements
            .execute(&mut self.connection)
            .await?
            .rows_affected())
    }

    async fn fetch(&mut self, statement: &'static str, given: &[String]) -> Result<Vec<String>> {
        let mut query = sqlx::query(statement);
        for value in given {
            query = query.bind(value);
        }
        let rows = query.fetch(&mut self.connection);
        Ok(rows
            .and_then(|row| async move { row.try_get(0) })
            .try_collect()
            .await?)
    }

    async fn tidy(&mut self) -> Result<()> {
        // Sites do nothing of the kind: ANALYZE is nobody's habit here.
        Ok(())
    }

    fn kept(&mut self) -> &mut Option<Kept> {
        &mut self.kept
    }
}

//! MariaDB, which stands for MySQL: tables as Django's migrations make them there.

use std::str::FromStr;

use anyhow::{Context, Result};
use futures_util::TryStreamExt;
use sqlx::mysql::MySqlConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, MySqlConnection, Row};
use tokio::process::Command;

use super::store::{Kept, Words};
use super::tables::Tables;

const DATABASE: &str = "curfew_bench";

const TABLES: &str = "
CREATE TABLE auth_user (
    id integer NOT NULL PRIMARY KEY, password varchar(128) NOT NULL, last_login datetime(6), is_superuser bool NOT NULL,
    username varchar(150) NOT NULL UNIQUE, email varchar(254) NOT NULL, is_staff bool NOT NULL,
    is_active bool NOT NULL, last_activity datetime(6), is_online bool NOT NULL
);
CREATE TABLE django_session (
    session_key varchar(40) NOT NULL PRIMARY KEY, session_data longtext NOT NULL, expire_date datetime(6) NOT NULL
);
CREATE INDEX django_session_expire_date ON django_session (expire_date)";

pub struct MariaDb {
    connection: MySqlConnection,
    url: url::Url,
    kept: Option<Kept>,
}

impl MariaDb {
    /// With empty tables in a database of its own; what an earlier run broke off is gone.
    pub async fn open(address: &str) -> Result<Self> {
        let mut url = url::Url::parse(address).context("the address cannot be read")?;
        url.set_path(DATABASE);
        let connection = MySqlConnectOptions::from_str(address)?.connect().await?;
        let mut this = Self {
            connection,
            url,
            kept: None,
        };
        let database = format!(
            "DROP DATABASE IF EXISTS {DATABASE}; CREATE DATABASE {DATABASE} CHARACTER SET utf8mb4; USE {DATABASE};"
        );
        this.run(database + TABLES).await?;
        Ok(this)
    }

    pub async fn end(mut self) -> Result<()> {
        self.run(format!("DROP DATABASE {DATABASE}")).await?;
        Ok(self.connection.close().await?)
    }
}

impl Tables for MariaDb {
    const NAME: &'static str = "MariaDB";
    const WORDS: Words = Words {
        cold: "the `mariadb` client (`--quick`) reading the same rows to nowhere",
        still_work: "",
        still: "an empty index range query",
        touched_work: "",
        touched: "the raw indexed read of those rows",
        sweep_work: "",
        sweep: "raw DELETE of the same keys in the same batches",
    };

    fn address(&self) -> String {
        self.url.to_string()
    }

    async fn about(&mut self) -> Result<String> {
        let said = sqlx::raw_sql(
            "SELECT VERSION(), CAST(@@innodb_flush_log_at_trx_commit AS CHAR), CAST(@@innodb_buffer_pool_size DIV 1048576 AS CHAR)",
        )
        .fetch_one(&mut self.connection)
        .await?;
        let flushed: String = said.try_get(1)?;
        Ok(format!(
            "MariaDB {}, {}, a buffer pool of {} MiB.",
            said.try_get::<String, _>(0)?,
            match flushed.as_str() {
                "1" => "durable commits",
                _ => "commits that are not durable",
            },
            said.try_get::<String, _>(2)?,
        ))
    }

    fn client(&self, statement: &str) -> Result<Command> {
        let mut command = Command::new("mariadb");
        command
            .args(["--no-defaults", "--protocol=tcp", "--quick", "--batch"])
            .args(["--raw", "--skip-column-names"])
            .arg(format!(
                "--host={}",
                self.url.host_str().context("no host")?
            ))
            .arg(format!("--port={}", self.url.port().unwrap_or(3306)))
            .arg(format!("--user={}", self.url.username()))
            .arg(format!("--execute={statement}"))
            .arg(DATABASE)
            .env("MYSQL_PWD", self.url.password().unwrap_or_default());
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
        for table in ["ANALYZE TABLE django_session", "ANALYZE TABLE auth_user"] {
            sqlx::raw_sql(table).fetch_all(&mut self.connection).await?;
        }
        Ok(())
    }

    fn kept(&mut self) -> &mut Option<Kept> {
        &mut self.kept
    }
}

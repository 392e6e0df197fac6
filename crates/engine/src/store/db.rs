//! One pool of at most three connections, and statements that end: every one has a deadline of its own,
//! and none is cancelled half way. The only place where SQL text is handed to the driver.

use std::future::Future;
use std::time::Duration;

use jiff::Timestamp;
use sea_query::{PostgresQueryBuilder, SqliteQueryBuilder};
use sea_query_sqlx::{SqlxBinder, SqlxValues};
use sqlx::{AssertSqlSafe, PgPool, Postgres, Row, Sqlite, SqlitePool, Transaction};

use super::schema::Dialect;
use crate::error::{Code, Error, Result};

/// How long a reading may take before the site counts as not answering.
pub const DEADLINE: Duration = Duration::from_secs(7);

/// A value of a row, as statements here ask for it.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    Null,
    Int(i64),
    Text(String),
    Bytes(Vec<u8>),
}

impl Cell {
    pub fn text(self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text),
            Self::Bytes(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
            Self::Int(n) => Some(n.to_string()),
            Self::Null => None,
        }
    }

    pub fn bytes(self) -> Vec<u8> {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Text(text) => text.into_bytes(),
            Self::Int(_) | Self::Null => Vec::new(),
        }
    }

    pub fn truth(&self) -> bool {
        matches!(self, Self::Int(n) if *n != 0)
    }

    /// Microseconds since 1970, or Django's text in UTC.
    pub fn time(&self) -> Option<Timestamp> {
        match self {
            Self::Int(us) => Timestamp::from_microsecond(*us).ok(),
            Self::Text(text) => parse_time(text),
            Self::Bytes(bytes) => parse_time(std::str::from_utf8(bytes).ok()?),
            Self::Null => None,
        }
    }
}

/// `2026-11-23 10:00:00.123456`, with or without fraction, `T` or an offset.
fn parse_time(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if let Ok(at) = text.parse::<Timestamp>() {
        return Some(at);
    }
    let naive: jiff::civil::DateTime = text.parse().ok()?;
    naive
        .to_zoned(jiff::tz::TimeZone::UTC)
        .ok()
        .map(|z| z.timestamp())
}

/// What to read out of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Read {
    Int,
    Text,
    Bytes,
}

/// A statement's text and values, ready for the driver.
pub struct Statement {
    sql: String,
    values: SqlxValues,
    shape: Vec<Read>,
}

/// The pool of one site.
#[derive(Debug, Clone)]
pub enum Db {
    Postgres(PgPool),
    Sqlite(SqlitePool),
}

impl Db {
    pub fn dialect(&self) -> Dialect {
        match self {
            Self::Postgres(_) => Dialect::Postgres,
            Self::Sqlite(_) => Dialect::Sqlite,
        }
    }

    /// Makes a statement of this database's dialect. `shape` says what its rows hold; empty for none.
    pub fn statement(&self, query: &impl SqlxBinder, shape: &[Read]) -> Statement {
        statement(self.dialect(), query, shape)
    }

    /// Runs a statement and returns its rows.
    pub async fn rows(&self, statement: Statement) -> Result<Vec<Vec<Cell>>> {
        let db = self.clone();
        finish(DEADLINE, async move {
            let Statement { sql, values, shape } = statement;
            match db {
                Self::Postgres(pool) => {
                    let rows = sqlx::query_with(AssertSqlSafe(sql), values)
                        .fetch_all(&pool)
                        .await?;
                    rows.iter().map(|r| pg_row(r, &shape)).collect()
                }
                Self::Sqlite(pool) => {
                    let rows = sqlx::query_with(AssertSqlSafe(sql), values)
                        .fetch_all(&pool)
                        .await?;
                    rows.iter().map(|r| sqlite_row(r, &shape)).collect()
                }
            }
        })
        .await
    }

    /// Begins a transaction that means to write.
    pub async fn begin(&self) -> Result<Tx, sqlx::Error> {
        Ok(match self {
            Self::Postgres(pool) => Tx::Postgres(pool.begin().await?),
            // A reader that turns writer half way can only fail.
            Self::Sqlite(pool) => Tx::Sqlite(pool.begin_with("BEGIN IMMEDIATE").await?),
        })
    }

    pub async fn close(&self) {
        match self {
            Self::Postgres(pool) => pool.close().await,
            Self::Sqlite(pool) => pool.close().await,
        }
    }
}

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
        let Statement { sql, values, shape } = statement(self.dialect(), query, shape);
        match self {
            Self::Postgres(tx) => {
                let rows = sqlx::query_with(AssertSqlSafe(sql), values)
                    .fetch_all(&mut **tx)
                    .await?;
                rows.iter().map(|r| pg_row(r, &shape)).collect()
            }
            Self::Sqlite(tx) => {
                let rows = sqlx::query_with(AssertSqlSafe(sql), values)
                    .fetch_all(&mut **tx)
                    .await?;
                rows.iter().map(|r| sqlite_row(r, &shape)).collect()
            }
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

fn statement(dialect: Dialect, query: &impl SqlxBinder, shape: &[Read]) -> Statement {
    let (sql, values) = match dialect {
        Dialect::Postgres => query.build_sqlx(PostgresQueryBuilder),
        Dialect::Sqlite => query.build_sqlx(SqliteQueryBuilder),
    };
    Statement {
        sql,
        values,
        shape: shape.to_vec(),
    }
}

// Unchecked on purpose: the statements cast every column to the type read here, and the
// driver's own check would refuse equal things (varchar and text, bytes of a text).
fn pg_row(row: &sqlx::postgres::PgRow, shape: &[Read]) -> Result<Vec<Cell>, sqlx::Error> {
    shape
        .iter()
        .enumerate()
        .map(|(i, read)| {
            Ok(match read {
                Read::Int => row
                    .try_get_unchecked::<Option<i64>, _>(i)?
                    .map_or(Cell::Null, Cell::Int),
                Read::Text | Read::Bytes => row
                    .try_get_unchecked::<Option<Vec<u8>>, _>(i)?
                    .map_or(Cell::Null, |b| cell(b, *read)),
            })
        })
        .collect()
}

fn sqlite_row(row: &sqlx::sqlite::SqliteRow, shape: &[Read]) -> Result<Vec<Cell>, sqlx::Error> {
    shape
        .iter()
        .enumerate()
        .map(|(i, read)| {
            Ok(match read {
                Read::Int => row
                    .try_get_unchecked::<Option<i64>, _>(i)?
                    .map_or(Cell::Null, Cell::Int),
                Read::Text | Read::Bytes => row
                    .try_get_unchecked::<Option<Vec<u8>>, _>(i)?
                    .map_or(Cell::Null, |b| cell(b, *read)),
            })
        })
        .collect()
}

/// Text that is not UTF-8 is one odd value, not the end of a reading.
fn cell(bytes: Vec<u8>, read: Read) -> Cell {
    match read {
        Read::Text => Cell::Text(match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(e) => String::from_utf8_lossy(e.as_bytes()).into_owned(),
        }),
        Read::Int | Read::Bytes => Cell::Bytes(bytes),
    }
}

/// Runs database work to its end on a task of its own, and waits for it no longer than `deadline`.
/// The work itself is never cancelled: a connection dropped in mid-statement cannot be trusted afterwards.
pub async fn finish<T: Send + 'static>(
    deadline: Duration,
    work: impl Future<Output = Result<T, sqlx::Error>> + Send + 'static,
) -> Result<T> {
    match tokio::time::timeout(deadline, tokio::spawn(work)).await {
        Ok(Ok(result)) => result.map_err(|e| explain(&e)),
        Ok(Err(_)) => Err(Error::new(
            Code::Database,
            "a statement broke off; look again in a moment",
        )),
        Err(_) => Err(Error::new(
            Code::Unreachable,
            format!(
                "the database has not answered for {} s; check the network and the server",
                deadline.as_secs()
            ),
        )),
    }
}

/// A driver's error as one line with a code. Drivers name hosts, tables and roles, never values of ours.
pub fn explain(error: &sqlx::Error) -> Error {
    match error {
        sqlx::Error::Database(db) => {
            let state = db.code().unwrap_or_default().into_owned();
            let code = match state.as_str() {
                "28P01" | "28000" | "42501" | "3D000" => Code::Denied,
                s if s.starts_with("08") || s.starts_with("57P") || s == "53300" => {
                    Code::Unreachable
                }
                _ => Code::Database,
            };
            let fix = match state.as_str() {
                "28P01" | "28000" => "; check user and password",
                "3D000" => "; check the database's name",
                "42501" => "; grant the role what `curfew doctor` lists",
                _ => "",
            };
            Error::new(code, format!("the database says: {}{fix}", db.message()))
        }
        sqlx::Error::Io(e) => Error::new(
            Code::Unreachable,
            format!("the database cannot be reached ({e}); check host, port and that it runs"),
        ),
        sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed => Error::new(
            Code::Unreachable,
            "no connection to the database in time; check that it runs and takes connections",
        ),
        sqlx::Error::Tls(e) => Error::new(
            Code::Denied,
            format!(
                "the encrypted connection failed ({e}); name the certificate with sslrootcert=, or say sslmode="
            ),
        ),
        other => Error::new(Code::Database, format!("the database driver says: {other}")),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_every_form_that_django_writes() {
        let want: Timestamp = "2026-11-23T10:00:00.25Z".parse().unwrap();
        for text in [
            "2026-11-23 10:00:00.250000",
            "2026-11-23T10:00:00.25",
            "2026-11-23 10:00:00.25Z",
            "2026-11-23 11:00:00.25+01:00",
        ] {
            assert_eq!(Cell::Text(text.into()).time(), Some(want), "{text}");
        }
        assert_eq!(Cell::Text("never".into()).time(), None);
        assert_eq!(Cell::Int(want.as_microsecond()).time(), Some(want));
    }
}

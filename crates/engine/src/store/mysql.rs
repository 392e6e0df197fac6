//! MySQL and MariaDB: how to reach one, how its sessions are set, and what it says of its own tables.
//!
//! Connections bear no name: the driver sends no connection attributes. So each statement bears a comment,
//! by which the server's own list of statements shows whose they are, to people and to [`Server::end`].

use std::str::FromStr;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use sea_query::{Alias, LockBehavior, LockType, Order, SelectStatement};
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, MySql, Row};
use tokio::time::Instant;

use super::catalog::{Column, Reference, Table};
use super::db::{Db, Reached, explain};
use super::explain::{DEADLINE, HELD};
use super::id_form::Compared;
use super::lines::{Facts, Server};
use super::statement::MARK;
use super::tls;
use crate::config::Address;
use crate::error::{Code, Error, Result};

/// How a server passes over rows that others hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passing {
    /// It leaves them out: MySQL 8, MariaDB 10.6.
    Skip,
    /// It fails at once: MariaDB 10.3, TiDB.
    Fail,
    /// It knows neither, and waits for up to a second: the least that it can be told.
    Wait,
}

/// What a server can do, by what it says of its version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Able {
    pub passing: Passing,
    pub mariadb: bool,
}

impl Able {
    /// What each of them can do.
    pub const LEAST: Self = Self {
        passing: Passing::Wait,
        mariadb: false,
    };

    /// A deletion says itself what it took, and fails at once where somebody holds a row of it: MariaDB 10.3.
    pub fn deletes_at_once(self) -> bool {
        self.mariadb && self.passing != Passing::Wait
    }

    pub fn of(version: &str) -> Self {
        // MariaDB puts this before its own, for old replicas.
        let own = version.strip_prefix("5.5.5-").unwrap_or(version);
        let mut numbers = own.split(|c: char| !c.is_ascii_digit());
        let mut next = || numbers.next().and_then(|n| n.parse().ok()).unwrap_or(0);
        let number: (u32, u32) = (next(), next());
        let kind = version.to_ascii_lowercase();
        let mariadb = kind.contains("mariadb");
        let passing = if kind.contains("tidb") {
            Passing::Fail
        } else if mariadb {
            match number {
                (10, 6..) | (11.., _) => Passing::Skip,
                (10, 3..) => Passing::Fail,
                _ => Passing::Wait,
            }
        } else if number.0 >= 8 {
            Passing::Skip
        } else {
            Passing::Wait
        };
        Self { passing, mariadb }
    }
}

impl Passing {
    /// Locks what a statement selects. `few`: no more rows than so many, which are named by this column. A table that is not
    /// much larger would be gone through from end to end, each row locked for a moment: a stranger's is waited for, and one
    /// that another Curfew wants is passed over there. Told so, the server goes to them by their keys.
    pub(super) fn lock(self, query: &mut SelectStatement, few: Option<(&str, usize)>) {
        if let Some((key, most)) = few {
            query.limit(most as u64);
            // An index that holds all that is asked for would still be gone through.
            query.order_by(Alias::new(key), Order::Asc);
        }
        match self {
            Self::Skip => query.lock_with_behavior(LockType::Update, LockBehavior::SkipLocked),
            Self::Fail => query.lock_with_behavior(LockType::Update, LockBehavior::Nowait),
            Self::Wait => query.lock(LockType::Update),
        };
    }
}

/// What each connection is set to, once: nothing waits for a lock beyond a second, nothing runs on beyond what
/// anybody waits for, and a server drops a connection that went silent in mid-transaction. Then: who answers.
const SETTLE: &str = "SET NAMES utf8mb4, SESSION time_zone = '+00:00', SESSION autocommit = 1, \
     SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', SESSION lock_wait_timeout = 1, \
     SESSION innodb_lock_wait_timeout = 1, SESSION wait_timeout = 60 \
     /*!50708 , SESSION max_execution_time = 10000 */ /*M!100101 , SESSION max_statement_time = 10 */ \
     /*M!100300 , SESSION idle_transaction_timeout = 10 */; \
     SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED; \
     SELECT CAST(CONNECTION_ID() AS CHAR), VERSION(); \
     SHOW SESSION STATUS LIKE 'Ssl_cipher'";

impl Server for MySql {
    type Options = MySqlConnectOptions;

    /// Less than the minute after which the server drops it.
    const IDLE: Duration = Duration::from_secs(45);

    fn dial(
        options: MySqlConnectOptions,
    ) -> BoxFuture<'static, Result<(MySqlConnection, Facts), sqlx::Error>> {
        async move {
            let mut connection = MySqlConnection::connect_with(&options).await?;
            let began = Instant::now();
            let rows = sqlx::raw_sql(SETTLE).fetch_all(&mut connection).await?;
            let text = |row: usize, column: usize| -> Option<String> {
                rows.get(row)?.try_get_unchecked(column).ok()
            };
            let facts = Facts {
                id: text(0, 0).and_then(|id| id.parse().ok()),
                encrypted: text(1, 1).is_some_and(|cipher| !cipher.is_empty()),
                pooled: false,
                version: text(0, 1).unwrap_or_default(),
                way: began.elapsed(),
            };
            Ok((connection, facts))
        }
        .boxed()
    }

    /// Only while a statement of Curfew's runs there: a proxy may have given the number to somebody else.
    fn end(connection: &mut MySqlConnection, id: u64) -> BoxFuture<'_, Result<(), sqlx::Error>> {
        async move {
            let runs = sqlx::query(
                "SELECT 1 FROM information_schema.PROCESSLIST
                 WHERE ID = ? AND COMMAND <> 'Sleep' AND INFO LIKE CONCAT('%', ?)",
            );
            let runs = runs.bind(id).bind(MARK).fetch_optional(&mut *connection);
            if runs.await?.is_some() {
                let end = AssertSqlSafe(format!("KILL {id}"));
                sqlx::raw_sql(end).execute(connection).await?;
            }
            Ok(())
        }
        .boxed()
    }
}

/// Opens a pool of at most three connections. Off this machine TLS is required and verified, unless the address
/// says otherwise with `ssl-mode=`.
pub async fn connect(address: &Address) -> Result<Reached> {
    let options = MySqlConnectOptions::from_str(address.expose()).map_err(|_| {
        Error::new(
            Code::Config,
            "the site's address cannot be read; write mysql://user:password@host:port/db",
        )
    })?;
    let host = options.get_host().trim_matches(['[', ']']).to_string();
    let options = options
        .host(&host)
        // The settings below say all of it.
        .pipes_as_concat(false)
        .no_engine_substitution(false)
        .timezone(None)
        .set_names(false)
        .charset("utf8mb4")
        .disable_statement_logging();
    tls::check_files(address)?;
    let (options, protection) = tls::protect(options, address);
    Ok(Reached::of(Db::mysql(options).await?, protection))
}

/// What a driver's error means, and what to do about it.
pub(super) fn verdict(number: u16) -> (Code, &'static str) {
    match number {
        1045 | 1698 | 1862 => (
            Code::Denied,
            "; check user and password: the password comes from the address, password_command or the keychain",
        ),
        1049 => (Code::Denied, "; check the database's name"),
        1044 | 1142 | 1143 | 1227 | 1370 => (
            Code::Denied,
            "; grant the account what `curfew doctor` lists",
        ),
        1130 => (Code::Denied, "; let the account sign in from this machine"),
        1129 => (
            Code::Unreachable,
            "; the server has blocked this machine: FLUSH HOSTS there",
        ),
        1040 | 1203 | 1226 => (Code::Unreachable, "; it takes no more connections"),
        1053 | 1077..=1081 | 1152..=1161 | 2002..=2013 | 3169 | 1927 => (Code::Unreachable, ""),
        // A lock that was not to be had, or only by a deadlock.
        1205 | 1213 | 3572 => (Code::Held, HELD),
        1969 | 3024 => (Code::TooSlow, DEADLINE),
        1290 | 1836 => (
            Code::Database,
            "; it is read-only: give the address of the primary",
        ),
        _ => (Code::Database, ""),
    }
}

// One database a question: asked for all at once, the server opens every table that it has, and MariaDB has been
// seen to answer others wrongly meanwhile, whose tables were being altered.
const COLUMNS: &str = "
SELECT NULLIF(c.TABLE_SCHEMA, DATABASE()), c.TABLE_NAME, c.COLUMN_NAME, c.COLUMN_TYPE, k.ONLY_PRIMARY, k.ONLY_UNIQUE,
  c.COLLATION_NAME, c.TABLE_SCHEMA
FROM information_schema.COLUMNS c
LEFT JOIN (
  SELECT TABLE_NAME, COLUMN_NAME, MAX(INDEX_NAME = 'PRIMARY') AS ONLY_PRIMARY, 1 AS ONLY_UNIQUE
  FROM (
    SELECT TABLE_NAME, INDEX_NAME, MAX(COLUMN_NAME) AS COLUMN_NAME
    FROM information_schema.STATISTICS
    WHERE TABLE_SCHEMA = ? AND NON_UNIQUE = 0 GROUP BY TABLE_NAME, INDEX_NAME
    HAVING COUNT(*) = 1 AND MAX(SUB_PART) IS NULL
  ) i GROUP BY TABLE_NAME, COLUMN_NAME
) k ON k.TABLE_NAME = c.TABLE_NAME AND k.COLUMN_NAME = c.COLUMN_NAME
WHERE c.TABLE_SCHEMA = ?
ORDER BY c.TABLE_NAME, c.ORDINAL_POSITION";

const REFERENCES: &str = "
SELECT TABLE_NAME, MAX(COLUMN_NAME), MAX(REFERENCED_TABLE_SCHEMA), MAX(REFERENCED_TABLE_NAME)
FROM information_schema.KEY_COLUMN_USAGE
WHERE TABLE_SCHEMA = ? AND REFERENCED_TABLE_NAME IS NOT NULL
GROUP BY TABLE_NAME, CONSTRAINT_NAME HAVING COUNT(*) = 1";

const TRANSACTIONAL: &str = "
SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? AND ENGINE = 'InnoDB'";

/// Every table and view of the address's database that the account can see, of these neighbours, and of those that
/// its foreign keys lead to.
pub async fn catalog<'e>(
    pool: impl Executor<'e, Database = MySql> + Copy,
    neighbours: &[&str],
) -> Result<Vec<Table>> {
    let own: String = sqlx::query("SELECT DATABASE()")
        .fetch_one(pool)
        .await
        .and_then(|row| row.try_get_unchecked(0))
        .map_err(|e| explain(&e))?;
    let mut tables = tables(pool, &own).await.map_err(|e| explain(&e))?;
    let referred = tables.iter().flat_map(|t| &t.references);
    let mut others: Vec<String> = referred
        .map(|r| r.to_place.clone())
        .chain(neighbours.iter().map(|n| (*n).to_owned()))
        .filter(|other| *other != own)
        .collect();
    others.sort();
    others.dedup();
    for other in others {
        tables.extend(self::tables(pool, &other).await.map_err(|e| explain(&e))?);
    }
    Ok(tables)
}

/// How texts of this collation are compared.
fn compared(collation: Option<&str>) -> Compared {
    let name = collation.unwrap_or("binary").to_lowercase();
    Compared {
        caseless: name.ends_with("_ci"),
        padded: name != "binary" && !name.contains("nopad") && !name.contains("_0900_"),
    }
}

/// The tables and views of one database.
async fn tables<'e>(
    pool: impl Executor<'e, Database = MySql> + Copy,
    database: &str,
) -> Result<Vec<Table>, sqlx::Error> {
    let columns = sqlx::query(COLUMNS).bind(database).bind(database);
    let columns = columns.fetch_all(pool).await?;
    let references = sqlx::query(REFERENCES).bind(database);
    let references = references.fetch_all(pool).await?;
    let transactional = sqlx::query(TRANSACTIONAL).bind(database);
    let transactional = transactional.fetch_all(pool).await?;
    let mut tables: Vec<Table> = Vec::new();
    // Unchecked: these views' own types differ from version to version.
    for row in &columns {
        let name: String = row.try_get_unchecked(1)?;
        let type_name: String = row.try_get_unchecked(3)?;
        let primary: Option<i64> = row.try_get_unchecked(4)?;
        let unique: Option<i64> = row.try_get_unchecked(5)?;
        let collation: Option<String> = row.try_get_unchecked(6)?;
        let column = Column {
            compared: compared(collation.as_deref()),
            name: row.try_get_unchecked(2)?,
            type_name: type_name.to_lowercase(),
            primary: primary == Some(1),
            unique: unique == Some(1),
        };
        match tables.last_mut() {
            Some(last) if last.name == name => last.columns.push(column),
            _ => tables.push(Table {
                schema: row.try_get_unchecked(0)?,
                place: row.try_get_unchecked(7)?,
                meant: row.try_get_unchecked::<Option<String>, _>(0)?.is_none(),
                name,
                columns: vec![column],
                references: Vec::new(),
                transactional: false,
            }),
        }
    }
    for row in &references {
        let name: String = row.try_get_unchecked(0)?;
        let reference = Reference {
            column: row.try_get_unchecked(1)?,
            to_place: row.try_get_unchecked(2)?,
            to_table: row.try_get_unchecked(3)?,
        };
        if let Some(table) = tables.iter_mut().find(|t| t.name == name) {
            table.references.push(reference);
        }
    }
    for row in &transactional {
        let name: String = row.try_get_unchecked(0)?;
        if let Some(table) = tables.iter_mut().find(|t| t.name == name) {
            table.transactional = true;
        }
    }
    Ok(tables)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_says_how_locked_rows_are_passed_over_and_who_deletes_at_once() {
        for (version, passing, deletes_at_once) in [
            ("8.0.36", Passing::Skip, false),
            ("9.1.0-commercial", Passing::Skip, false),
            ("10.11.6-MariaDB-0+deb12u1", Passing::Skip, true),
            ("5.5.5-10.6.16-MariaDB-log", Passing::Skip, true),
            ("11.4.2-MariaDB", Passing::Skip, true),
            ("10.4.32-MariaDB", Passing::Fail, true),
            ("8.0.11-TiDB-v7.5.1", Passing::Fail, false),
            ("10.2.44-MariaDB", Passing::Wait, false),
            ("5.7.44", Passing::Wait, false),
            ("", Passing::Wait, false),
        ] {
            let able = Able::of(version);
            assert_eq!(able.passing, passing, "{version}");
            assert_eq!(able.deletes_at_once(), deletes_at_once, "{version}");
        }
    }
}

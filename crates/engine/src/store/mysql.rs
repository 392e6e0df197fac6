//! MySQL and MariaDB: how to reach one, how its sessions are set, and what it says of its own tables.
//!
//! Connections bear no name: the driver sends no connection attributes. So each statement bears a comment,
//! by which the server's own list of statements shows whose they are, to people and to `end_left_behind`.

use std::str::FromStr;
use std::time::Duration;

use sea_query::{Alias, Expr, LockBehavior, LockType, Order, Query, SelectStatement};
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, MySqlPool, Row};

use super::catalog::{Column, Reference, Table};
use super::db::{Db, Pool, explain};
use super::explain::HELD_UP;
use super::id_form::Compared;
use super::statement::{Cell, MARK, Read};
use super::tls::{self, Protection};
use crate::config::Address;
use crate::error::{Code, Error, Result};

/// A connection that was made, and how it is protected.
pub struct Reached {
    pub db: Db,
    pub encrypted: bool,
    pub protection: Protection,
}

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

    fn of(version: &str) -> Self {
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

/// Asks the server for its version.
pub(super) async fn able(db: &Db) -> Result<Able> {
    let query = Query::select().expr(Expr::cust("VERSION()")).to_owned();
    let rows = db.rows(&query, &[Read::Text]).await?;
    let version = rows.into_iter().flatten().next().and_then(Cell::text);
    Ok(Able::of(&version.unwrap_or_default()))
}

/// What each connection is set to, once: nothing waits for a lock beyond a second, nothing runs on beyond what
/// anybody waits for, and a server drops a connection that went silent in mid-transaction.
const SETTINGS: &str = "SET SESSION autocommit = 1, sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', \
     lock_wait_timeout = 1, innodb_lock_wait_timeout = 1, wait_timeout = 60 \
     /*!50708 , max_execution_time = 10000 */ /*M!100101 , max_statement_time = 10 */ \
     /*M!100300 , idle_transaction_timeout = 10 */";
/// Less than the minute after which the server drops it.
pub(super) const IDLE: Duration = Duration::from_secs(45);
const ISOLATION: &str = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED";

pub(super) async fn settle(connection: &mut MySqlConnection) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(SETTINGS).execute(&mut *connection).await?;
    sqlx::raw_sql(ISOLATION).execute(connection).await?;
    Ok(())
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
        .timezone(Some("+00:00".to_string()))
        .charset("utf8mb4")
        .disable_statement_logging();
    tls::check_files(address)?;
    let (options, protection) = tls::on_mysql(options, address);
    let db = Db::mysql(options).await?;
    let encrypted = match protection.is_encrypted() {
        Some(known) => known,
        None => encrypted_now(&db).await,
    };
    Ok(Reached {
        db,
        encrypted,
        protection,
    })
}

async fn encrypted_now(db: &Db) -> bool {
    let Pool::Mysql(pool) = db.pool() else {
        return false;
    };
    sqlx::query("SHOW SESSION STATUS LIKE 'Ssl_cipher'")
        .fetch_one(&pool)
        .await
        .and_then(|row| row.try_get_unchecked::<String, _>(1))
        .is_ok_and(|cipher| !cipher.is_empty())
}

/// Ends statements of Curfew's that are older than any deadline, where the server lets it: whoever asked has
/// long stopped waiting, and their connections would count against the three.
pub(super) async fn end_left_behind(pool: MySqlPool) {
    let old = sqlx::query(
        "SELECT CAST(ID AS CHAR) FROM information_schema.PROCESSLIST
         WHERE USER = SUBSTRING_INDEX(USER(), '@', 1) AND ID <> CONNECTION_ID()
           AND COMMAND <> 'Sleep' AND TIME > 10 AND INFO LIKE CONCAT('%', ?)",
    )
    .bind(MARK)
    .fetch_all(&pool)
    .await;
    let ended = async {
        for row in old? {
            let id: String = row.try_get_unchecked(0)?;
            let Ok(id) = id.parse::<u64>() else { continue };
            sqlx::raw_sql(AssertSqlSafe(format!("KILL {id}")))
                .execute(&pool)
                .await?;
        }
        Ok::<(), sqlx::Error>(())
    };
    if let Err(error) = ended.await {
        tracing::debug!(%error, "what was given up could not be ended");
    }
}

/// What a driver's error means, and what to do about it.
pub(super) fn verdict(number: u16) -> (Code, &'static str) {
    match number {
        1045 | 1698 | 1862 => (Code::Denied, "; check user and password"),
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
        1205 | 1213 | 3572 => (Code::Database, HELD_UP),
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
pub async fn catalog(pool: &MySqlPool, neighbours: &[&str]) -> Result<Vec<Table>> {
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
async fn tables(pool: &MySqlPool, database: &str) -> Result<Vec<Table>, sqlx::Error> {
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

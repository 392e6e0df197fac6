//! SQLite: an existing file, opened as it is, what it says of its own tables, and how its locks are waited for.

use std::future::Future;
use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteError};
use sqlx::{ConnectOptions, Row, SqlitePool};
use tokio::time::Instant;

use super::catalog::{Column, Reference, Table};
use super::db::{Db, explain};
use super::id_form::Compared;
use super::identity::Identity;
use crate::error::{Code, Error, Result};

/// How long SQLite itself waits for a lock, with new readers held off meanwhile. Asked once, it would ask ever more
/// seldom, and beside a busy site never get its turn.
const BUSY: Duration = Duration::from_millis(100);
/// How long others are let in before it is asked anew.
const PAUSE: Duration = Duration::from_millis(5);
/// How long a statement's lock is asked for in all. A batch of a sweep may ask twice for one of another file's, and has
/// to end within its deadline.
pub(super) const PATIENCE: Duration = Duration::from_secs(4);
/// How long a transaction is begun for: what a sweep puts off, the next one does.
pub(super) const TO_BEGIN: Duration = Duration::from_secs(1);

/// Does the work again as long as others hold the file's lock.
pub(super) async fn patiently<T, F>(
    patience: Duration,
    work: impl Fn() -> F,
) -> Result<T, sqlx::Error>
where
    F: Future<Output = Result<T, sqlx::Error>>,
{
    let began = Instant::now();
    loop {
        match work().await {
            Err(error) if is_busy(&error) && began.elapsed() < patience => {
                tokio::time::sleep(PAUSE).await;
            }
            other => return other,
        }
    }
}

/// SQLITE_BUSY or SQLITE_LOCKED.
pub(super) fn is_busy(error: &sqlx::Error) -> bool {
    matches!(primary_code(error), Some(5 | 6))
}

/// SQLITE_READONLY, or SQLITE_CANTOPEN: the journal beside the file cannot be made.
pub(super) fn is_read_only(error: &sqlx::Error) -> bool {
    matches!(primary_code(error), Some(8 | 14))
}

/// What to do about a file that cannot be written.
pub(super) const MAKE_WRITABLE: &str = "; let this user write the file and its folder";

/// SQLite's code of an error, without the upper bits, which say more of it.
fn primary_code(error: &sqlx::Error) -> Option<u32> {
    let sqlx::Error::Database(said) = error else {
        return None;
    };
    said.try_downcast_ref::<SqliteError>()?;
    let code = said.code()?.parse::<u32>().ok()?;
    Some(code & 0xff)
}

/// Opens an existing file. Never creates one, never changes its journal mode.
pub async fn connect(path: &Path) -> Result<Db> {
    Identity::of(path)?;
    beside(path)?;
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .busy_timeout(BUSY)
        .disable_statement_logging();
    Db::sqlite(options).await
}

/// What SQLite opens beside the file has to be files, too: a FIFO there would be waited for.
fn beside(path: &Path) -> Result<()> {
    for end in ["-journal", "-wal", "-shm"] {
        let mut other = path.as_os_str().to_owned();
        other.push(end);
        let other = Path::new(&other);
        match crate::regular::check(other) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                let text = format!("{}: {e}; take it away", other.display());
                return Err(Error::new(Code::File, text));
            }
            _ => {}
        }
    }
    Ok(())
}

const COLUMNS: &str = "
SELECT m.name, p.name, p.type, p.pk,
       EXISTS (SELECT 1 FROM pragma_index_list(m.name) l WHERE l.\"unique\" = 1 AND l.partial = 0
               AND (SELECT count(*) FROM pragma_index_info(l.name)) = 1
               AND (SELECT i.name FROM pragma_index_info(l.name) i) = p.name),
       (SELECT x.coll FROM pragma_index_list(m.name) l JOIN pragma_index_xinfo(l.name) x
        WHERE x.name = p.name AND x.\"key\" = 1 LIMIT 1)
FROM sqlite_master m JOIN pragma_table_info(m.name) p
WHERE m.type IN ('table', 'view') AND m.name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
ORDER BY m.name, p.cid";

const REFERENCES: &str = "
SELECT m.name, f.\"from\", f.\"table\" FROM sqlite_master m JOIN pragma_foreign_key_list(m.name) f
WHERE m.type = 'table'";

/// What SQLite calls the file itself.
const PLACE: &str = "main";

/// Every table and view of the file.
pub async fn catalog(pool: &SqlitePool) -> Result<Vec<Table>> {
    let read = |e: sqlx::Error| explain(&e);
    let all = |text: &'static str| patiently(PATIENCE, move || sqlx::query(text).fetch_all(pool));
    let columns = all(COLUMNS).await.map_err(read)?;
    let references = all(REFERENCES).await.map_err(read)?;
    let mut tables: Vec<Table> = Vec::new();
    for row in &columns {
        let name: String = row.try_get(0).map_err(read)?;
        let primary: i64 = row.try_get_unchecked(3).map_err(read)?;
        let unique: i64 = row.try_get_unchecked(4).map_err(read)?;
        let collation: Option<String> = row.try_get_unchecked(5).map_err(read)?;
        let is = |name: &str| {
            collation
                .as_ref()
                .is_some_and(|c| c.eq_ignore_ascii_case(name))
        };
        let column = Column {
            compared: Compared {
                caseless: is("nocase"),
                padded: is("rtrim"),
            },
            name: row.try_get(1).map_err(read)?,
            type_name: row.try_get::<String, _>(2).map_err(read)?.to_lowercase(),
            primary: primary > 0,
            unique: unique != 0 || primary > 0,
        };
        match tables.last_mut() {
            Some(last) if last.name == name => last.columns.push(column),
            _ => tables.push(Table {
                schema: None,
                place: PLACE.into(),
                meant: true,
                name,
                columns: vec![column],
                references: Vec::new(),
                transactional: true,
            }),
        }
    }
    for row in &references {
        let name: String = row.try_get(0).map_err(read)?;
        let reference = Reference {
            column: row.try_get(1).map_err(read)?,
            to_place: PLACE.into(),
            to_table: row.try_get(2).map_err(read)?,
        };
        if let Some(table) = tables.iter_mut().find(|t| t.name == name) {
            table.references.push(reference);
        }
    }
    Ok(tables)
}

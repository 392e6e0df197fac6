//! Whether a whole table is locked, where a server's error does not tell a row from a table.

use sea_query::{Expr, ExprTrait, Query};

use super::{SqlSessions, SqlStore};
use crate::error::{Code, Error};
use crate::store::Hold;
use crate::store::db::Db;
use crate::store::expr;
use crate::store::mysql::Passing;
use crate::store::schema::{Dialect, TableName};
use crate::store::statement::{Cell, Read};

/// Somebody has, or waits for, a lock on the table, or on a part of it, that excludes those who write rows. Whoever writes
/// later waits behind both.
const LOCKED: &str = "SELECT CAST(count(*) AS bigint) FROM pg_catalog.pg_locks l
     WHERE l.locktype = 'relation' AND l.pid <> pg_backend_pid()
       AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
       AND (l.relation = to_regclass($1)
            OR l.relation IN (SELECT inhrelid FROM pg_catalog.pg_inherits WHERE inhparent = to_regclass($1)))
       AND l.mode IN ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')";

/// Whether somebody has locked one of these tables of PostgreSQL.
async fn is_locked(db: &Db, tables: &[&TableName]) -> bool {
    for table in tables {
        let query = super::hidden::about(LOCKED, table, "x.v", "x(v)");
        let Ok(rows) = db.rows(&query, &[Read::Int]).await else {
            continue;
        };
        let locks = rows.into_iter().flatten().next();
        if matches!(locks, Some(Cell::Int(n)) if n > 0) {
            return true;
        }
    }
    false
}

impl SqlStore {
    /// The true cause of a batch's hold. PostgreSQL names the row to the first who waits for it, and not to the others.
    pub(super) async fn told_apart(&self, hold: Hold) -> Hold {
        if hold != Hold::Table || self.dialect() != Dialect::Postgres {
            return hold;
        }
        let mut tables = vec![&self.users.table];
        if let super::At::Beside(sessions) = &self.sessions {
            tables.push(&sessions.table.table);
        }
        match is_locked(&self.db, &tables).await {
            true => Hold::Table,
            false => Hold::Row,
        }
    }
}

impl SqlSessions {
    /// The error of a deletion that waited in vain, with the cause in it.
    pub(super) async fn held(&self) -> Error {
        let locked = match self.dialect() {
            Dialect::Sqlite => return Hold::File.error(),
            Dialect::Postgres => is_locked(&self.db, &[&self.table.table]).await,
            Dialect::Mysql => {
                // Of no row: only a lock on the table can be in the way.
                let mut query = Query::select()
                    .expr(Expr::val(1))
                    .from(expr::table(&self.table.table))
                    .and_where(Expr::val(1).eq(0))
                    .to_owned();
                Passing::Wait.lock(&mut query, None);
                let asked = self.db.rows(&query, &[]).await;
                asked.is_err_and(|error| error.code == Code::Held)
            }
        };
        match locked {
            true => Hold::Table.error(),
            false => Hold::Row.error(),
        }
    }
}

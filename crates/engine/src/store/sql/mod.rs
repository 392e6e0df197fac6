//! Sessions and users in SQL tables, of PostgreSQL, MySQL or SQLite: the statements of looks and logouts.
//! Reads go in steps of bounded size; what costs much is done only as often as its cost allows.

mod own;
mod sessions;
mod sweep;
mod take;
mod users;

pub use sessions::SqlSessions;

use std::sync::Arc;

use async_trait::async_trait;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use sea_query::Query;
use tokio::time::Instant;

use super::db::Db;
use super::key::{SessionKey, UserId};
use super::schema::{Dialect, SessionTable, UserTable};
use super::{BatchDone, Mark, Sessions, Sink, Store, SweepBatch, UserRow, expr};
use crate::error::{Code, Error, Result};

/// Keys or ids in one statement.
const CHUNK: usize = 500;
/// A save that began before the last look may be committed after it.
const OVERLAP: SignedDuration = SignedDuration::from_secs(10);

const KEY: &str = "session_key";
const DATA: &str = "session_data";

/// The users of one site, and its sessions: beside them in the same database, or elsewhere.
#[derive(Clone)]
pub struct SqlStore {
    db: Db,
    users: UserTable,
    sessions: At,
    /// Read stored password strings: only where a SECRET_KEY is known.
    passwords: bool,
}

/// Where the sessions lie, seen from the users.
#[derive(Clone)]
enum At {
    /// In the same database: one transaction holds both.
    Beside(Box<SqlSessions>),
    Elsewhere(Arc<dyn Sessions>),
}

impl SqlStore {
    /// Sessions in a table beside the users.
    pub fn new(db: Db, users: UserTable, sessions: SessionTable, passwords: bool) -> Self {
        let sessions = At::Beside(Box::new(SqlSessions::new(db.clone(), sessions)));
        Self {
            db,
            users,
            sessions,
            passwords,
        }
    }

    /// Sessions in another database, a cache, a folder.
    pub fn apart(db: Db, users: UserTable, sessions: Arc<dyn Sessions>, passwords: bool) -> Self {
        Self {
            db,
            users,
            sessions: At::Elsewhere(sessions),
            passwords,
        }
    }

    pub fn db(&self) -> &Db {
        &self.db
    }

    fn dialect(&self) -> Dialect {
        self.db.dialect()
    }

    fn sessions(&self) -> &dyn Sessions {
        match &self.sessions {
            At::Beside(rows) => &**rows,
            At::Elsewhere(sessions) => &**sessions,
        }
    }
}

#[async_trait]
impl Store for SqlStore {
    async fn now(&self) -> Result<Timestamp> {
        let shape = [expr::time_shape(self.dialect())];
        let query = Query::select().expr(expr::now(self.dialect())).to_owned();
        let rows = self.db.rows(&query, &shape).await?;
        rows.into_iter()
            .flatten()
            .next()
            .and_then(|cell| cell.time(&TimeZone::UTC))
            .ok_or_else(|| {
                Error::new(
                    Code::Database,
                    "the database's clock cannot be read; check its version",
                )
            })
    }

    async fn look(&self, mark: &mut Mark, sink: &mut dyn Sink) -> Result<Timestamp> {
        let now = self.now().await?;
        self.sessions().look(now, mark, sink).await?;
        // The flag's bearers are few, and each look names them all.
        self.read_flagged(sink).await?;
        let began = Instant::now();
        if mark.users.due(began) {
            if let Some(last) = mark.last {
                self.read_moved_users(last, sink).await?;
            }
            self.read_users(&sink.users_wanted(true), sink).await?;
            mark.users.took(began.elapsed(), Instant::now());
        } else {
            self.read_users(&sink.users_wanted(false), sink).await?;
        }
        mark.last = Some(now);
        Ok(now)
    }

    async fn glance(&self, now: Timestamp, last: Timestamp, sink: &mut dyn Sink) -> Result<()> {
        self.sessions().glance(now, last, sink).await
    }

    async fn users_named(&self, name: &str) -> Result<Vec<UserRow>> {
        let mut query = self.select_users();
        query
            .and_where(expr::among(
                self.dialect(),
                &self.users.username,
                std::iter::once(name),
            ))
            .limit(3);
        self.user_rows(&query).await
    }

    async fn users(&self, ids: &[UserId]) -> Result<Vec<UserRow>> {
        let Some(these) = self.among(ids) else {
            return Ok(Vec::new());
        };
        let mut query = self.select_users();
        query.and_where(these);
        self.user_rows(&query).await
    }

    async fn surviving(&self, keys: &[SessionKey]) -> Result<Vec<SessionKey>> {
        self.sessions().surviving(keys).await
    }

    async fn delete(&self, keys: &[SessionKey]) -> Result<Vec<SessionKey>> {
        self.sessions().delete(keys).await
    }

    async fn ready(&self) -> Result<()> {
        self.sessions().ready().await
    }

    fn whole(&self) -> bool {
        self.sessions().whole()
    }

    /// What was never seen cannot be seen to be gone.
    fn sees_copies(&self) -> bool {
        self.sessions().whole()
    }

    async fn clear_flag(&self, id: &UserId) -> Result<bool> {
        match &self.users.flag {
            Some(flag) => self.set_truth(flag, id, false).await,
            None => Ok(false),
        }
    }

    async fn set_enabled(&self, id: &UserId, enabled: bool) -> Result<bool> {
        match &self.users.is_active {
            Some(column) => self.set_truth(column, id, enabled).await,
            None => Err(Error::new(
                Code::NotPossible,
                format!(
                    "{} has no is_active column, so accounts cannot be switched off",
                    self.users.table.shown()
                ),
            )),
        }
    }

    async fn sweep(&self, batch: SweepBatch) -> Result<BatchDone> {
        sweep::run(self.clone(), batch).await
    }
}

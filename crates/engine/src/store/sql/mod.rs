//! Sessions and users in SQL tables, PostgreSQL or SQLite: the statements of looks and logouts.
//! Reads go in steps of bounded size; what costs much is done only as often as its cost allows.

mod sessions;
mod sweep;
mod users;

use sessions::keys_of;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use sea_query::{Alias, ExprTrait, Query};
use tokio::time::Instant;

use super::db::Db;
use super::key::{SessionKey, UserId};
use super::schema::{Dialect, Schema};
use super::statement::Read;
use super::{BatchDone, Mark, Sink, Store, SweepBatch, UserRow, expr};
use crate::error::{Code, Error, Result};

/// Keys or ids in one statement.
const CHUNK: usize = 500;
/// A save that began before the last look may be committed after it.
const OVERLAP: SignedDuration = SignedDuration::from_secs(10);

const KEY: &str = "session_key";
const DATA: &str = "session_data";

/// The tables of one site, in its own database.
#[derive(Clone)]
pub struct SqlStore {
    db: Db,
    schema: Schema,
    /// Read stored password strings: only where a SECRET_KEY is known.
    passwords: bool,
}

impl SqlStore {
    pub fn new(db: Db, schema: Schema, passwords: bool) -> Self {
        Self {
            db,
            schema,
            passwords,
        }
    }

    pub fn db(&self) -> &Db {
        &self.db
    }

    fn dialect(&self) -> Dialect {
        self.db.dialect()
    }
}

#[async_trait]
impl Store for SqlStore {
    async fn now(&self) -> Result<Timestamp> {
        let shape = match self.dialect() {
            Dialect::Postgres => [Read::Int],
            Dialect::Sqlite => [Read::Text],
        };
        let query = Query::select().expr(expr::now(self.dialect())).to_owned();
        let rows = self.db.rows(&query, &shape).await?;
        rows.into_iter()
            .flatten()
            .next()
            .and_then(|cell| cell.time())
            .ok_or_else(|| {
                Error::new(
                    Code::Database,
                    "the database's clock cannot be read; check its version",
                )
            })
    }

    async fn look(&self, mark: &mut Mark, sink: &mut dyn Sink) -> Result<Timestamp> {
        let now = self.now().await?;
        let began = Instant::now();
        match mark.last {
            None => {
                self.read_all(now, sink).await?;
                mark.listing.took(began.elapsed(), Instant::now());
            }
            Some(last) => {
                self.read_touched(last, now, sink).await?;
                if mark.listing.due(began) {
                    let began = Instant::now();
                    self.list(now, sink).await?;
                    mark.listing.took(began.elapsed(), Instant::now());
                }
            }
        }
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

    async fn users_named(&self, name: &str) -> Result<Vec<UserRow>> {
        let mut query = self.select_users();
        query
            .and_where(expr::col(&self.schema.users.username).eq(name))
            .limit(3);
        self.user_rows(&query).await
    }

    async fn users(&self, ids: &[UserId]) -> Result<Vec<UserRow>> {
        let values = self.ids(ids);
        if values.is_empty() {
            return Ok(Vec::new());
        }
        let mut query = self.select_users();
        query.and_where(expr::col(&self.schema.users.id).is_in(values));
        self.user_rows(&query).await
    }

    async fn surviving(&self, keys: &[SessionKey]) -> Result<Vec<SessionKey>> {
        let mut found = Vec::new();
        for chunk in keys.chunks(CHUNK) {
            let query = Query::select()
                .expr(expr::text(self.dialect(), expr::col(KEY)))
                .from(expr::table(&self.schema.sessions.table))
                .and_where(expr::col(KEY).is_in(chunk.iter().map(SessionKey::expose)))
                .to_owned();
            let rows = self.db.rows(&query, &[Read::Text]).await?;
            found.extend(keys_of(rows));
        }
        Ok(found)
    }

    async fn delete(&self, keys: &[SessionKey]) -> Result<Vec<SessionKey>> {
        let mut deleted = Vec::new();
        for chunk in keys.chunks(CHUNK) {
            let query = Query::delete()
                .from_table(expr::table(&self.schema.sessions.table))
                .and_where(expr::col(KEY).is_in(chunk.iter().map(SessionKey::expose)))
                .returning_col(Alias::new(KEY))
                .to_owned();
            let rows = self.db.rows(&query, &[Read::Text]).await?;
            deleted.extend(keys_of(rows));
        }
        Ok(deleted)
    }

    async fn clear_flag(&self, id: &UserId) -> Result<bool> {
        let users = &self.schema.users;
        let (Some(flag), Some(id)) = (&users.flag, expr::id(self.dialect(), users.id_kind, id))
        else {
            return Ok(false);
        };
        let query = Query::update()
            .table(expr::table(&users.table))
            .value(Alias::new(flag), false)
            .and_where(expr::col(&users.id).eq(id))
            .and_where(expr::col(flag).eq(true))
            .returning_col(Alias::new(&users.id))
            .to_owned();
        // The id is not needed, only whether a row came back.
        let rows = self.db.rows(&query, &[]).await?;
        Ok(!rows.is_empty())
    }

    async fn sweep(&self, batch: SweepBatch) -> Result<BatchDone> {
        sweep::run(self.clone(), batch).await
    }
}

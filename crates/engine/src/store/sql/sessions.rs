//! A table of sessions: reading rows by their keys, and deleting them.
//! Those that were saved are in `touched`, reading and listing all of it in `listing`.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use jiff::Timestamp;
use sea_query::{Alias, Cond, Expr, ExprTrait, Order, Query, SelectStatement, SimpleExpr};

use super::read_back::{Found, not_made, read_back};
use super::take::Take;
use super::{ASKED_AT_ONCE, CHUNK, DATA, KEY};
use crate::django::session::{Form, version_of};
use crate::error::{Code, Error, Result};
use crate::store::db::Db;
use crate::store::hiding::Hiding;
use crate::store::key::SessionKey;
use crate::store::schema::{Dialect, SessionTable};
use crate::store::statement::{Cell, Read};
use crate::store::{Mark, SessionRow, Sessions, Sink, expr};

/// Sessions in a table with Django's three columns, and perhaps some of its own.
#[derive(Clone)]
pub struct SqlSessions {
    pub(super) db: Db,
    pub(super) table: SessionTable,
    /// Sessions saved within a second, as whoever asked last has met them.
    busy: Arc<AtomicU64>,
}

#[async_trait]
impl Sessions for SqlSessions {
    async fn last_to_expire(&self, most: u32) -> Result<Vec<SessionRow>> {
        if self.table.expires.zone.is_none() {
            return Ok(Vec::new());
        }
        let query = self
            .select_sessions()
            .order_by(Alias::new(&self.table.expires.name), Order::Desc)
            .limit(u64::from(most))
            .to_owned();
        self.session_rows(&query).await
    }

    async fn look(&self, now: Timestamp, mark: &mut Mark, sink: &mut dyn Sink) -> Result<()> {
        match mark.last {
            None => self.read_all(now, mark, sink).await,
            Some(last) => {
                let settled = mark.course.settled;
                self.read_touched(last, settled, now, sink).await?;
                mark.course.settled = None;
                self.list(now, mark, sink).await
            }
        }
    }

    async fn glance(&self, now: Timestamp, last: Timestamp, sink: &mut dyn Sink) -> Result<()> {
        self.read_touched(last, None, now, sink).await
    }

    async fn read(&self, keys: &[SessionKey]) -> Result<Vec<SessionRow>> {
        let mut rows = Vec::with_capacity(keys.len());
        for chunk in keys.chunks(self.db.chunk()) {
            rows.extend(self.session_rows(&self.select_keys(chunk)).await?);
        }
        Ok(rows)
    }

    async fn surviving(&self, keys: &[SessionKey]) -> Result<Vec<SessionKey>> {
        let some = |keys: &[SessionKey]| {
            // With the dates, which nobody needs: for keys alone PostgreSQL goes through another index than a deletion does,
            // and whoever asks after one would have that read, too.
            let mut query = self.select_dates();
            query.and_where(self.alike(keys));
            async move { self.db.rows(&query, &[Read::Text]).await }
        };
        let asked: HashSet<&SessionKey> = keys.iter().collect();
        let all: Vec<_> = keys.chunks(self.db.chunk()).map(some).collect();
        let found = stream::iter(all).buffer_unordered(ASKED_AT_ONCE);
        let found: Vec<_> = found.try_collect().await?;
        let found = found.into_iter().flat_map(keys_of);
        Ok(found.filter(|key| asked.contains(key)).collect())
    }

    async fn delete(&self, keys: &[SessionKey]) -> Result<Vec<SessionKey>> {
        let (mut deleted, mut held) = (Vec::new(), false);
        for chunk in keys.chunks(self.db.chunk()) {
            let take = self.take(Cond::all().add(self.these(chunk)), chunk.len());
            match take.alone(&self.db).await {
                Ok(taken) => {
                    deleted.extend(taken.keys.into_iter().map(SessionKey::new));
                    held |= taken.held;
                }
                Err(error) if error.code == Code::Held => return Err(self.held().await),
                Err(error) if error.code == Code::NotKnown => {
                    deleted.extend(self.read_back(chunk, error).await?);
                }
                Err(error) => return Err(error),
            }
        }
        match held && deleted.is_empty() {
            true => Err(self.held().await),
            false => Ok(deleted),
        }
    }

    async fn hides_rows(&self) -> Result<Option<Hiding>> {
        self.rows_hidden().await
    }

    async fn keepers(&self) -> Result<Vec<String>> {
        self.row_keepers().await
    }

    async fn delete_unchanged(&self, rows: &[SessionRow]) -> Result<Vec<SessionKey>> {
        let mut deleted = Vec::new();
        for chunk in rows.chunks(CHUNK) {
            let take = self.take(self.unchanged(chunk), chunk.len());
            let taken = take.alone_at_once(&self.db).await?;
            deleted.extend(taken.keys.into_iter().map(SessionKey::new));
        }
        Ok(deleted)
    }
}

impl SqlSessions {
    /// No answer came to the deletion of these: returns those that are gone.
    ///
    /// # Errors
    /// Nothing is gone, or, with [`Code::NotKnown`], nobody can be asked.
    async fn read_back(&self, keys: &[SessionKey], why: Error) -> Result<Vec<SessionKey>> {
        let gone = || async {
            let there: HashSet<SessionKey> = self.surviving(keys).await?.into_iter().collect();
            let gone: Vec<SessionKey> = keys
                .iter()
                .filter(|key| !there.contains(key))
                .cloned()
                .collect();
            Ok((!gone.is_empty()).then_some(gone))
        };
        match read_back(gone).await {
            Found::Made(gone) => Ok(gone),
            Found::NotMade => Err(not_made(&why)),
            Found::NotKnown => Err(why),
        }
    }

    pub fn new(db: Db, table: SessionTable) -> Self {
        Self {
            db,
            table,
            busy: Arc::default(),
        }
    }

    pub(super) fn busy(&self) -> u64 {
        self.busy.load(Ordering::Relaxed)
    }

    pub(super) fn set_busy(&self, a_second: u64) {
        self.busy.store(a_second, Ordering::Relaxed);
    }

    pub(super) fn dialect(&self) -> Dialect {
        self.db.dialect()
    }

    /// Whether there is a session that has not expired.
    pub async fn any(&self, now: Timestamp) -> Result<bool> {
        let query = Query::select()
            .expr(expr::text(self.dialect(), expr::col(KEY)))
            .from(expr::table(&self.table.table))
            .and_where(self.expires().gt(self.moment(now)))
            .limit(1)
            .to_owned();
        Ok(!self.db.rows(&query, &[Read::Text]).await?.is_empty())
    }

    /// To delete those of so many sessions that meet a condition.
    pub(super) fn take(&self, condition: Cond, of: usize) -> Take {
        let most = self.table.keyed.then_some(of);
        Take::delete(&self.table.table, KEY, condition, most)
    }

    pub(super) fn these(&self, keys: &[SessionKey]) -> Expr {
        expr::among(self.dialect(), KEY, keys.iter().map(SessionKey::expose))
    }

    /// As [`Self::these`], for whoever compares the answer with them.
    pub(super) fn alike(&self, keys: &[SessionKey]) -> Expr {
        expr::alike(self.dialect(), KEY, keys.iter().map(SessionKey::expose))
    }

    /// These sessions whole.
    pub(super) fn select_keys(&self, keys: &[SessionKey]) -> SelectStatement {
        let mut query = self.select_sessions();
        query.and_where(self.these(keys));
        query
    }

    /// Each of these rows, as long as its content is what was read. Of what is signed, timestamp and signature stand at the
    /// end, and no two contents have the same: so one question holds all keys and all ends, where a pair for each row would
    /// be gone through for each row. A session that took over what another of them held is as much to go as that one.
    pub(super) fn unchanged(&self, rows: &[SessionRow]) -> Cond {
        let d = self.dialect();
        let texts = rows.iter().filter_map(|row| {
            let data = std::str::from_utf8(row.data.bytes()).ok()?;
            Some((row.key.expose(), data))
        });
        let (signed, others): (Vec<_>, Vec<_>) =
            texts.partition(|(_, data)| matches!(Form::of(data), Form::Signed));
        let mut any = Cond::any();
        if !signed.is_empty() {
            let these = expr::among(d, KEY, signed.iter().map(|(key, _)| *key));
            let ends = signed.iter().map(|(_, data)| version_of(data));
            any = any.add(these.and(expr::same_as_one(d, expr::tail(d, DATA), ends)));
        }
        for (key, data) in others {
            let same = expr::same(d, expr::col(DATA), data);
            any = any.add(expr::col(KEY).eq(key).and(same));
        }
        any
    }

    pub(super) fn session_shape(&self) -> [Read; 3] {
        [Read::Text, Read::Bytes, expr::time_shape(self.dialect())]
    }

    /// Key, data and date of sessions, and what else their table says of them.
    pub(super) fn select_sessions(&self) -> SelectStatement {
        self.select_with(self.data())
    }

    /// A session's content as bytes.
    pub(super) fn data(&self) -> Expr {
        match self.dialect() {
            Dialect::Postgres | Dialect::Mysql => expr::col(DATA),
            Dialect::Sqlite => Expr::cust_with_exprs("CAST(? AS BLOB)", [expr::col(DATA)]),
        }
    }

    /// As [`Self::select_sessions`], with something else in the place of the data.
    pub(super) fn select_with(&self, data: Expr) -> SelectStatement {
        let d = self.dialect();
        let mut query = Query::select()
            .expr(expr::text(d, expr::col(KEY)))
            .expr(data)
            .expr(expr::time(d, &self.table.expires))
            .from(expr::table(&self.table.table))
            .to_owned();
        self.select_own(&mut query);
        query
    }

    pub(super) fn session_row(&self, row: Vec<Cell>) -> Option<SessionRow> {
        let mut cells = row.into_iter();
        let (key, data) = (cells.next()?.text()?, cells.next()?.bytes());
        let expires = self.expiry(&cells.next()?);
        Some(SessionRow {
            extra: self.own(cells),
            ..SessionRow::encoded(SessionKey::new(key), data, expires)
        })
    }

    /// Infinity: a session that never expires.
    pub(super) fn expiry(&self, cell: &Cell) -> Timestamp {
        cell.time(self.table.expires.zone())
            .unwrap_or(Timestamp::MAX)
    }

    pub(super) fn expires(&self) -> SimpleExpr {
        expr::col(&self.table.expires.name)
    }

    pub(super) fn moment(&self, at: Timestamp) -> Expr {
        expr::moment(self.dialect(), &self.table.expires, at)
    }

    pub(super) async fn session_rows(&self, query: &SelectStatement) -> Result<Vec<SessionRow>> {
        let shape = self.whole_shape();
        let rows = self.db.rows(query, &shape).await?;
        Ok(rows
            .into_iter()
            .filter_map(|row| self.session_row(row))
            .collect())
    }

    pub(super) async fn read_keys(&self, keys: &[SessionKey], sink: &mut dyn Sink) -> Result<()> {
        for row in self.read(keys).await? {
            sink.session(row);
        }
        Ok(())
    }
}

/// The keys that a statement returned.
pub(super) fn keys_of(rows: Vec<Vec<Cell>>) -> impl Iterator<Item = SessionKey> {
    rows.into_iter()
        .flatten()
        .filter_map(Cell::text)
        .map(SessionKey::new)
}

//! Reading sessions: whole at first, by range of dates afterwards, by listing now and then.

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use sea_query::{Alias, Cond, Expr, ExprTrait, Order, Query, SelectStatement, SimpleExpr};
use tokio::time::Instant;

use super::take::Take;
use super::{CHUNK, DATA, KEY, OVERLAP};
use crate::django::session::{Form, version_of};
use crate::error::Result;
use crate::store::catalog::Kind;
use crate::store::db::Db;
use crate::store::key::SessionKey;
use crate::store::schema::{Dialect, SessionTable};
use crate::store::statement::{Cell, Read};
use crate::store::{Mark, SessionRow, Sessions, Sink, expr};

/// Rows of one step of a whole reading.
const STEP: usize = 2_000;
/// Kinds of ages followed by range; the listing finds the rest.
const AGES: usize = 16;

/// Sessions in a table with Django's three columns, and perhaps some of its own.
#[derive(Clone)]
pub struct SqlSessions {
    pub(super) db: Db,
    pub(super) table: SessionTable,
}

#[async_trait]
impl Sessions for SqlSessions {
    async fn look(&self, now: Timestamp, mark: &mut Mark, sink: &mut dyn Sink) -> Result<()> {
        let began = Instant::now();
        let Some(last) = mark.last else {
            self.read_all(now, sink).await?;
            mark.listing.took(began.elapsed(), Instant::now());
            return Ok(());
        };
        self.read_touched(last, now, sink).await?;
        if mark.listing.due(began) {
            let began = Instant::now();
            self.list(now, sink).await?;
            mark.listing.took(began.elapsed(), Instant::now());
        }
        Ok(())
    }

    async fn glance(&self, now: Timestamp, last: Timestamp, sink: &mut dyn Sink) -> Result<()> {
        self.read_touched(last, now, sink).await
    }

    async fn read(&self, keys: &[SessionKey]) -> Result<Vec<SessionRow>> {
        let mut rows = Vec::with_capacity(keys.len());
        for chunk in keys.chunks(CHUNK) {
            rows.extend(self.session_rows(&self.select_keys(chunk)).await?);
        }
        Ok(rows)
    }

    async fn surviving(&self, keys: &[SessionKey]) -> Result<Vec<SessionKey>> {
        let mut found = Vec::new();
        for chunk in keys.chunks(CHUNK) {
            let query = Query::select()
                .expr(expr::text(self.dialect(), expr::col(KEY)))
                .from(expr::table(&self.table.table))
                .and_where(self.these(chunk))
                .to_owned();
            let rows = self.db.rows(&query, &[Read::Text]).await?;
            found.extend(keys_of(rows));
        }
        Ok(found)
    }

    async fn delete(&self, keys: &[SessionKey]) -> Result<Vec<SessionKey>> {
        let mut deleted = Vec::new();
        for chunk in keys.chunks(CHUNK) {
            let take = self.take(Cond::all().add(self.these(chunk)));
            let taken = take.alone(&self.db).await?;
            deleted.extend(taken.into_iter().map(SessionKey::new));
        }
        Ok(deleted)
    }

    async fn delete_unchanged(&self, rows: &[SessionRow]) -> Result<Vec<SessionKey>> {
        let mut deleted = Vec::new();
        for chunk in rows.chunks(CHUNK) {
            let taken = self.take(self.unchanged(chunk)).alone(&self.db).await?;
            deleted.extend(taken.into_iter().map(SessionKey::new));
        }
        Ok(deleted)
    }
}

impl SqlSessions {
    pub fn new(db: Db, table: SessionTable) -> Self {
        Self { db, table }
    }

    fn dialect(&self) -> Dialect {
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

    /// To delete the sessions that meet a condition.
    pub(super) fn take(&self, condition: Cond) -> Take {
        Take::delete(&self.table.table, KEY, Kind::Text, condition)
    }

    fn these(&self, keys: &[SessionKey]) -> Expr {
        expr::among(self.dialect(), KEY, keys.iter().map(SessionKey::expose))
    }

    /// These sessions whole.
    pub(super) fn select_keys(&self, keys: &[SessionKey]) -> SelectStatement {
        let mut query = self.select_sessions();
        query.and_where(self.these(keys));
        query
    }

    /// Each of these rows, as long as its content is what was read. Timestamp and signature stand at the end.
    pub(super) fn unchanged(&self, rows: &[SessionRow]) -> Cond {
        let mut any = Cond::any();
        for row in rows {
            let Ok(data) = std::str::from_utf8(row.data.bytes()) else {
                continue;
            };
            let d = self.dialect();
            let same = match Form::of(data) {
                Form::Signed => expr::same(d, expr::tail(d, DATA), version_of(data)),
                Form::Legacy | Form::Cached => expr::same(d, expr::col(DATA), data),
            };
            any = any.add(expr::col(KEY).eq(row.key.expose()).and(same));
        }
        any
    }

    pub(super) fn session_shape(&self) -> [Read; 3] {
        [Read::Text, Read::Bytes, expr::time_shape(self.dialect())]
    }

    /// Key, data and date of sessions, and what else their table says of them.
    pub(super) fn select_sessions(&self) -> SelectStatement {
        let d = self.dialect();
        let mut query = Query::select()
            .expr(expr::text(d, expr::col(KEY)))
            .expr(match d {
                Dialect::Postgres | Dialect::Mysql => expr::col(DATA),
                Dialect::Sqlite => Expr::cust_with_exprs("CAST(? AS BLOB)", [expr::col(DATA)]),
            })
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
        let row = SessionRow::encoded(SessionKey::new(key), data, expires);
        Some(self.with_own(row, cells))
    }

    /// Infinity: a session that never expires.
    fn expiry(&self, cell: &Cell) -> Timestamp {
        cell.time(self.table.expires.zone())
            .unwrap_or(Timestamp::MAX)
    }

    fn expires(&self) -> SimpleExpr {
        expr::col(&self.table.expires.name)
    }

    fn moment(&self, at: Timestamp) -> Expr {
        expr::moment(self.dialect(), &self.table.expires, at)
    }

    async fn session_rows(&self, query: &SelectStatement) -> Result<Vec<SessionRow>> {
        let shape = self.whole_shape();
        let rows = self.db.rows(query, &shape).await?;
        Ok(rows
            .into_iter()
            .filter_map(|row| self.session_row(row))
            .collect())
    }

    /// Every usable session whole, in steps along the key.
    pub(super) async fn read_all(&self, now: Timestamp, sink: &mut dyn Sink) -> Result<()> {
        sink.listing_begins();
        let mut after: Option<SessionKey> = None;
        loop {
            let mut query = self.select_sessions();
            query
                .and_where(self.expires().gt(self.moment(now)))
                .order_by(Alias::new(KEY), Order::Asc)
                .limit(STEP as u64);
            if let Some(key) = &after {
                query.and_where(expr::col(KEY).gt(key.expose()));
            }
            let rows = self.session_rows(&query).await?;
            let full = rows.len() == STEP;
            after = rows.last().map(|r| r.key.clone());
            for row in rows {
                sink.session(row);
            }
            if !full || after.is_none() {
                sink.listing_done();
                return Ok(());
            }
        }
    }

    /// Keys and dates of every usable session, and whole those that are new or moved.
    pub(super) async fn list(&self, now: Timestamp, sink: &mut dyn Sink) -> Result<()> {
        let d = self.dialect();
        let shape = [Read::Text, self.session_shape()[2]];
        sink.listing_begins();
        let mut after: Option<SessionKey> = None;
        loop {
            let mut query = Query::select()
                .expr(expr::text(d, expr::col(KEY)))
                .expr(expr::time(d, &self.table.expires))
                .from(expr::table(&self.table.table))
                .and_where(self.expires().gt(self.moment(now)))
                .order_by(Alias::new(KEY), Order::Asc)
                .limit(STEP as u64)
                .to_owned();
            if let Some(key) = &after {
                query.and_where(expr::col(KEY).gt(key.expose()));
            }
            let rows = self.db.rows(&query, &shape).await?;
            let full = rows.len() == STEP;
            let mut wanted = Vec::new();
            for row in rows {
                let mut cells = row.into_iter();
                let (Some(key), Some(expires)) = (
                    cells.next().and_then(Cell::text).map(SessionKey::new),
                    cells.next(),
                ) else {
                    continue;
                };
                if sink.listed(&key, self.expiry(&expires)) {
                    wanted.push(key.clone());
                }
                after = Some(key);
            }
            self.read_keys(&wanted, sink).await?;
            if !full {
                sink.listing_done();
                return Ok(());
            }
        }
    }

    async fn read_keys(&self, keys: &[SessionKey], sink: &mut dyn Sink) -> Result<()> {
        for row in self.read(keys).await? {
            sink.session(row);
        }
        Ok(())
    }

    /// Sessions saved since `last`: each save moves the date to its moment plus the session's age.
    pub(super) async fn read_touched(
        &self,
        last: Timestamp,
        now: Timestamp,
        sink: &mut dyn Sink,
    ) -> Result<()> {
        let expires = &self.table.expires;
        let (Ok(since), Ok(until)) = (last.checked_sub(OVERLAP), now.checked_add(OVERLAP)) else {
            return Ok(());
        };
        let d = self.dialect();
        // What is over stays over, however short its age.
        let over = expires.wall(now);
        let mut moved = Cond::any();
        for age in sink.ages().into_iter().take(AGES) {
            let age = SignedDuration::from_secs(age);
            let (Some(from), Some(to)) = (
                expires.saved_after(since, age),
                expires.saved_by(until, age),
            ) else {
                continue;
            };
            let from = self.expires().gt(expr::shown(d, expires, from.max(over)));
            let to = self.expires().lte(expr::shown(d, expires, to));
            moved = moved.add(from.and(to));
        }
        // Of no age at all, nobody asks.
        if moved.is_empty() {
            return Ok(());
        }
        let mut query = self.select_sessions();
        query.cond_where(moved);
        for row in self.session_rows(&query).await? {
            sink.session(row);
        }
        Ok(())
    }
}

/// The keys that a statement returned.
fn keys_of(rows: Vec<Vec<Cell>>) -> impl Iterator<Item = SessionKey> {
    rows.into_iter()
        .flatten()
        .filter_map(Cell::text)
        .map(SessionKey::new)
}

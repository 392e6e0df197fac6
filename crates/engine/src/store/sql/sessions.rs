//! Reading sessions: whole at first, by range of dates afterwards, by listing now and then.

use jiff::{SignedDuration, Timestamp};
use sea_query::{Alias, Expr, ExprTrait, Order, Query, SelectStatement, SimpleExpr};

use super::{CHUNK, DATA, KEY, OVERLAP, SqlStore};
use crate::error::Result;
use crate::store::key::SessionKey;
use crate::store::schema::Dialect;
use crate::store::statement::{Cell, Read};
use crate::store::{SessionRow, Sink, expr};

/// Rows of one step of a whole reading.
const STEP: usize = 2_000;
/// Kinds of ages followed by range; the listing finds the rest.
const AGES: usize = 16;

impl SqlStore {
    pub(super) fn session_shape(&self) -> [Read; 3] {
        match self.dialect() {
            Dialect::Postgres => [Read::Text, Read::Bytes, Read::Int],
            Dialect::Sqlite => [Read::Text, Read::Bytes, Read::Text],
        }
    }

    /// Key, data and date of sessions.
    pub(super) fn select_sessions(&self) -> SelectStatement {
        let d = self.dialect();
        Query::select()
            .expr(expr::text(d, expr::col(KEY)))
            .expr(match d {
                Dialect::Postgres => expr::col(DATA),
                Dialect::Sqlite => Expr::cust_with_exprs("CAST(? AS BLOB)", [expr::col(DATA)]),
            })
            .expr(expr::time(d, &self.schema.sessions.expires))
            .from(expr::table(&self.schema.sessions.table))
            .to_owned()
    }

    fn expires(&self) -> SimpleExpr {
        expr::col(&self.schema.sessions.expires.name)
    }

    fn moment(&self, at: Timestamp) -> Expr {
        expr::moment(self.dialect(), &self.schema.sessions.expires, at)
    }

    async fn session_rows(&self, query: &SelectStatement) -> Result<Vec<SessionRow>> {
        let shape = self.session_shape();
        let rows = self.db.rows(query, &shape).await?;
        Ok(rows.into_iter().filter_map(session_row).collect())
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
                .expr(expr::time(d, &self.schema.sessions.expires))
                .from(expr::table(&self.schema.sessions.table))
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
                if sink.listed(&key, expires.time().unwrap_or(Timestamp::MAX)) {
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
        for chunk in keys.chunks(CHUNK) {
            let mut query = self.select_sessions();
            query.and_where(expr::col(KEY).is_in(chunk.iter().map(SessionKey::expose)));
            for row in self.session_rows(&query).await? {
                sink.session(row);
            }
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
        for age in sink.ages().into_iter().take(AGES) {
            let age = SignedDuration::from_secs(age);
            let (Ok(from), Ok(to)) = (
                // What is over stays over, however short its age.
                last.checked_add(age - OVERLAP).map(|from| from.max(now)),
                now.checked_add(age + OVERLAP),
            ) else {
                continue;
            };
            let mut query = self.select_sessions();
            query.and_where(self.expires().gt(self.moment(from)));
            query.and_where(self.expires().lte(self.moment(to)));
            for row in self.session_rows(&query).await? {
                sink.session(row);
            }
        }
        Ok(())
    }
}

pub(super) fn session_row(row: Vec<Cell>) -> Option<SessionRow> {
    let mut cells = row.into_iter();
    Some(SessionRow {
        key: SessionKey::new(cells.next()?.text()?),
        data: cells.next()?.bytes(),
        // Infinity: a session that never expires.
        expires: cells.next()?.time().unwrap_or(Timestamp::MAX),
    })
}

/// The keys that a statement returned.
pub(super) fn keys_of(rows: Vec<Vec<Cell>>) -> impl Iterator<Item = SessionKey> {
    rows.into_iter()
        .flatten()
        .filter_map(Cell::text)
        .map(SessionKey::new)
}

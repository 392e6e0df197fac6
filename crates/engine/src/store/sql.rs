//! Sessions and users in SQL tables, PostgreSQL or SQLite: the statements of looks and logouts.
//! Reads go in steps of bounded size; what costs much is done only as often as its cost allows.

use std::collections::BTreeSet;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use sea_query::{Alias, Cond, Expr, ExprTrait, Order, Query, SelectStatement, SimpleExpr};
use secrecy::SecretString;
use tokio::time::Instant;

use super::db::{Cell, Db, Read};
use super::key::{SessionKey, UserId};
use super::schema::{Dialect, Schema};
use super::{BatchDone, Mark, SessionRow, Sink, Store, SweepBatch, UserRow, expr, sweep};
use crate::error::{Code, Error, Result};
use crate::store::catalog::Kind;

/// Rows of one step of a whole reading.
const STEP: usize = 2_000;
/// Keys or ids in one statement.
pub(super) const CHUNK: usize = 500;
/// A save that began before the last look may be committed after it.
const OVERLAP: SignedDuration = SignedDuration::from_secs(10);
/// Kinds of ages followed by range; the listing finds the rest.
const AGES: usize = 16;

pub(super) const SESSION: [Read; 3] = [Read::Text, Read::Bytes, Read::Text];
const KEY: &str = "session_key";
const DATA: &str = "session_data";

/// The tables of one site, in its own database.
#[derive(Clone)]
pub struct SqlStore {
    pub(super) db: Db,
    pub(super) schema: Schema,
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

    pub(super) fn session_shape(&self) -> [Read; 3] {
        match self.dialect() {
            Dialect::Postgres => [Read::Text, Read::Bytes, Read::Int],
            Dialect::Sqlite => SESSION,
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
        let rows = self.db.rows(self.db.statement(query, &shape)).await?;
        Ok(rows.into_iter().filter_map(session_row).collect())
    }

    /// Every usable session whole, in steps along the key.
    async fn read_all(&self, now: Timestamp, sink: &mut dyn Sink) -> Result<()> {
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
    async fn list(&self, now: Timestamp, sink: &mut dyn Sink) -> Result<()> {
        let d = self.dialect();
        let shape = [Read::Text, self.session_shape()[2]];
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
            let rows = self.db.rows(self.db.statement(&query, &shape)).await?;
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
    async fn read_touched(
        &self,
        last: Timestamp,
        now: Timestamp,
        sink: &mut dyn Sink,
    ) -> Result<()> {
        for age in sink.ages().into_iter().take(AGES) {
            let age = SignedDuration::from_secs(age);
            let (Ok(from), Ok(to)) = (
                last.checked_add(age - OVERLAP),
                now.checked_add(age + OVERLAP),
            ) else {
                continue;
            };
            let mut query = self.select_sessions();
            query.and_where(self.expires().gte(self.moment(from)));
            query.and_where(self.expires().lte(self.moment(to)));
            for row in self.session_rows(&query).await? {
                sink.session(row);
            }
        }
        Ok(())
    }

    fn user_shape(&self) -> [Read; 12] {
        let time = match self.dialect() {
            Dialect::Postgres => Read::Int,
            Dialect::Sqlite => Read::Text,
        };
        let (text, int) = (Read::Text, Read::Int);
        [
            text, text, text, text, text, time, time, int, int, int, int, text,
        ]
    }

    fn select_users(&self) -> SelectStatement {
        let d = self.dialect();
        let users = &self.schema.users;
        let none = || Expr::cust("NULL");
        let text = |name: &Option<String>| match name {
            Some(name) => expr::text(d, expr::col(name)),
            None => none(),
        };
        let time = |column: &Option<super::schema::TimeColumn>| match column {
            Some(column) => expr::time(d, column),
            None => match d {
                Dialect::Postgres => Expr::cust("CAST(NULL AS bigint)"),
                Dialect::Sqlite => none(),
            },
        };
        let truth = |name: &Option<String>| match (name, d) {
            (Some(name), _) => expr::truth(d, name),
            (None, Dialect::Postgres) => Expr::cust("CAST(NULL AS bigint)"),
            (None, Dialect::Sqlite) => none(),
        };
        let password = users.password.clone().filter(|_| self.passwords);
        Query::select()
            .expr(expr::text(d, expr::col(&users.id)))
            .expr(expr::text(d, expr::col(&users.username)))
            .expr(text(&users.email))
            .expr(text(&users.first_name))
            .expr(text(&users.last_name))
            .expr(time(&users.last_activity))
            .expr(time(&users.last_login))
            .expr(truth(&users.flag))
            .expr(truth(&users.is_staff))
            .expr(truth(&users.is_superuser))
            .expr(truth(&users.is_active))
            .expr(text(&password))
            .from(expr::table(&users.table))
            .to_owned()
    }

    async fn user_rows(&self, query: &SelectStatement) -> Result<Vec<UserRow>> {
        let shape = self.user_shape();
        let rows = self.db.rows(self.db.statement(query, &shape)).await?;
        let knows_active = self.schema.users.is_active.is_some();
        Ok(rows
            .into_iter()
            .filter_map(|row| user_row(row, self.schema.users.id_kind, knows_active))
            .collect())
    }

    pub(super) fn ids(&self, ids: &[UserId]) -> Vec<Expr> {
        ids.iter()
            .filter_map(|id| expr::id(self.dialect(), self.schema.users.id_kind, id))
            .collect()
    }

    /// Users whose evidence moved since `last`.
    async fn read_moved_users(&self, last: Timestamp, sink: &mut dyn Sink) -> Result<()> {
        let d = self.dialect();
        let since = last.checked_sub(OVERLAP).unwrap_or(last);
        let mut any = Cond::any();
        for column in [
            &self.schema.users.last_activity,
            &self.schema.users.last_login,
        ]
        .into_iter()
        .flatten()
        {
            any = any.add(expr::col(&column.name).gte(expr::moment(d, column, since)));
        }
        let mut query = self.select_users();
        query.cond_where(any);
        for row in self.user_rows(&query).await? {
            sink.user(row);
        }
        Ok(())
    }

    async fn read_flagged(&self, sink: &mut dyn Sink) -> Result<()> {
        let Some(flag) = &self.schema.users.flag else {
            return Ok(());
        };
        let mut query = self.select_users();
        query.and_where(expr::col(flag).eq(true));
        let rows = self.user_rows(&query).await?;
        let ids: BTreeSet<UserId> = rows.iter().map(|r| r.id.clone()).collect();
        for row in rows {
            sink.user(row);
        }
        sink.flagged(ids);
        Ok(())
    }

    async fn read_users(&self, ids: &[UserId], sink: &mut dyn Sink) -> Result<()> {
        for chunk in ids.chunks(CHUNK) {
            let rows = self.users(chunk).await?;
            let found: BTreeSet<&UserId> = rows.iter().map(|r| &r.id).collect();
            let missing = chunk
                .iter()
                .filter(|id| !found.contains(id))
                .cloned()
                .collect();
            sink.users_missing(missing);
            for row in rows {
                sink.user(row);
            }
        }
        Ok(())
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
        let rows = self.db.rows(self.db.statement(&query, &shape)).await?;
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
            let rows = self
                .db
                .rows(self.db.statement(&query, &[Read::Text]))
                .await?;
            found.extend(
                rows.into_iter()
                    .flatten()
                    .filter_map(Cell::text)
                    .map(SessionKey::new),
            );
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
            let rows = self
                .db
                .rows(self.db.statement(&query, &[Read::Text]))
                .await?;
            deleted.extend(
                rows.into_iter()
                    .flatten()
                    .filter_map(Cell::text)
                    .map(SessionKey::new),
            );
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
        let rows = self.db.rows(self.db.statement(&query, &[])).await?;
        Ok(!rows.is_empty())
    }

    async fn sweep(&self, batch: SweepBatch) -> Result<BatchDone> {
        sweep::run(self.clone(), batch).await
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

/// An id as text, in the form that Django writes into sessions.
pub(super) fn user_id(text: String, kind: Kind) -> UserId {
    if kind == Kind::Uuid
        && let Some(id) = UserId::from_uuid_text(&text)
    {
        return id;
    }
    UserId::new(text)
}

fn user_row(row: Vec<Cell>, kind: Kind, knows_active: bool) -> Option<UserRow> {
    let [
        id,
        username,
        email,
        first,
        last,
        activity,
        login,
        flag,
        staff,
        superuser,
        active,
        password,
    ] = <[Cell; 12]>::try_from(row).ok()?;
    let full = |cell: Cell| cell.text().filter(|t| !t.trim().is_empty());
    let name: Vec<String> = [full(first), full(last)].into_iter().flatten().collect();
    Some(UserRow {
        id: user_id(id.text()?, kind),
        username: username.text().unwrap_or_default(),
        email: full(email),
        name: Some(name.join(" ")).filter(|n| !n.is_empty()),
        last_activity: activity.time(),
        last_login: login.time(),
        flagged: flag.truth(),
        staff: staff.truth(),
        superuser: superuser.truth(),
        enabled: !knows_active || active.truth(),
        password: password.text().map(SecretString::from),
    })
}

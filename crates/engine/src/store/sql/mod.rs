//! Sessions and users in SQL tables, of PostgreSQL, MySQL or SQLite: the statements of looks and logouts.
//! Reads go in steps of bounded size; what costs much is done only as often as its cost allows.

mod arrays;
mod batch;
mod blocked;
mod copy;
mod crew;
mod hidden;
mod listing;
mod numbered;
mod own;
mod plain_view;
mod reach;
mod read_back;
pub(crate) mod replica;
mod rounds;
mod seen;
mod sessions;
mod stream;
mod stride;
mod sweep;
mod take;
mod touched;
mod users;
mod whole;

pub(crate) use listing::Course;
use replica::{Position, Replica};
pub(crate) use rounds::Rounds;
pub use sessions::SqlSessions;

use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use sea_query::Query;

use super::db::Db;
use super::hiding::Hiding;
use super::key::{SessionKey, UserId};
use super::schema::{Dialect, SessionTable, UserTable};
use super::statement::{Cell, Read};
use super::{BatchDone, Mark, SessionRow, Sessions, Sink, Store, SweepBatch, UserRow, expr};
use crate::config::Address;
use crate::error::{Code, Error, Result};

/// Sessions in one statement that compares each one's content.
const CHUNK: usize = 500;
/// Statements that are under way together where many keys or users are asked for.
const ASKED_AT_ONCE: usize = 2;
/// Of fewer sessions or fewer people MySQL may go through all rows for some of a batch's statements, and what one batch goes
/// through at that moment another would pass over. So it may of more where no key is unique.
const MANY_SESSIONS: usize = 10_000;
const MANY_PEOPLE: usize = 1_000;
/// Between looks so close together only so much is saved.
const SOON: SignedDuration = SignedDuration::from_secs(60);
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
    /// Looked at in the place of `db`, where that will do.
    replica: Option<Arc<Replica>>,
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
            replica: None,
            passwords,
        }
    }

    /// Sessions in another database, a cache, a folder.
    pub fn apart(db: Db, users: UserTable, sessions: Arc<dyn Sessions>, passwords: bool) -> Self {
        Self {
            db,
            users,
            sessions: At::Elsewhere(sessions),
            replica: None,
            passwords,
        }
    }

    /// With a streaming replica of this PostgreSQL, for looks that decide nothing. It is connected to when it is needed,
    /// and passed over where it does not answer or is behind.
    pub fn with_replica(self, address: Option<Address>) -> Self {
        Self {
            replica: address.map(|address| Arc::new(Replica::at(address))),
            ..self
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

    /// The clock, and where a replica is to be held against it, how far the primary has written.
    async fn now_and_position(&self) -> Result<(Timestamp, Option<Position>)> {
        let mut shape = vec![expr::time_shape(self.dialect())];
        let mut query = Query::select().expr(expr::now(self.dialect())).to_owned();
        if self.replica.is_some() {
            query.expr(replica::written());
            shape.push(Read::Int);
        }
        let rows = self.db.rows(&query, &shape).await?;
        let mut cells = rows.into_iter().flatten();
        let now = cells.next().and_then(|cell| cell.time(&TimeZone::UTC));
        let position = match cells.next() {
            Some(Cell::Int(position)) => Some(position),
            _ => None,
        };
        let error = || {
            let text = "the database's clock cannot be read; check its version";
            Error::new(Code::Database, text)
        };
        Ok((now.ok_or_else(error)?, position))
    }

    /// A look with one trip less, where the sessions lie beside the users and it is known about what time it is. None,
    /// and nothing done, where that is not so.
    async fn look_at_once(
        &self,
        mark: &mut Mark,
        sink: &mut dyn Sink,
    ) -> Result<Option<Timestamp>> {
        let (None, At::Beside(sessions), Some(last), Some(about)) =
            (&self.replica, &self.sessions, mark.last, mark.about_now())
        else {
            return Ok(None);
        };
        let Some(now) = sessions
            .now_and_touched(last, about, &mut mark.course, sink)
            .await?
        else {
            return Ok(None);
        };
        mark.tells(now);
        mark.as_of = Some(now);
        sessions.list(now, mark, sink).await?;
        self.look_at_users(now, mark, sink).await?;
        mark.last = Some(now);
        Ok(Some(now))
    }

    /// Of these users, those who bear the flag.
    async fn flagged_of(&self, ids: &[UserId]) -> Result<Vec<UserId>> {
        let rows = match ids {
            [] => Vec::new(),
            ids => self.users(ids).await?,
        };
        let flagged = rows.into_iter().filter(|row| row.flagged);
        Ok(flagged.map(|row| row.id).collect())
    }

    /// Whatever came of it: something may have been written.
    fn wrote(&self) {
        if let Some(replica) = &self.replica {
            replica.wrote();
        }
    }

    /// What changed, as it was at `as_of` at the least.
    async fn look_here(
        &self,
        now: Timestamp,
        as_of: Timestamp,
        mark: &mut Mark,
        sink: &mut dyn Sink,
    ) -> Result<()> {
        mark.as_of = Some(as_of);
        self.sessions().look(now, mark, sink).await?;
        self.look_at_users(as_of, mark, sink).await?;
        mark.last = Some(as_of);
        Ok(())
    }
}

#[async_trait]
impl Store for SqlStore {
    async fn now(&self) -> Result<Timestamp> {
        Ok(self.now_and_position().await?.0)
    }

    async fn look(&self, mark: &mut Mark, sink: &mut dyn Sink) -> Result<Timestamp> {
        if let Some(now) = self.look_at_once(mark, sink).await? {
            return Ok(now);
        }
        let (now, position) = self.now_and_position().await?;
        mark.tells(now);
        let decides = std::mem::take(&mut mark.decides);
        let before = mark.written.take();
        let wrote = self.replica.as_ref().is_some_and(|r| r.take_wrote());
        let free = !decides && !wrote;
        if let (Some(replica), Some(here), true) = (&self.replica, position, free) {
            // What it had at the last look, whoever was looked at: nothing that was seen is unseen.
            let (as_of, wanted) = before.unwrap_or((now, here));
            let patient = mark.last.is_none();
            if let Some(store) = replica.caught_up(self, wanted, patient).await {
                match store.look_here(now, as_of, mark, sink).await {
                    Ok(()) => {
                        mark.written = Some((now, here));
                        return Ok(now);
                    }
                    Err(error) => replica.rest(&error).await,
                }
            }
        }
        let looked = self.look_here(now, now, mark, sink).await;
        mark.decides = decides && looked.is_err();
        looked?;
        if self.replica.is_some() {
            // What was committed meanwhile has been seen, too.
            let (_, position) = self.now_and_position().await?;
            mark.written = position.map(|position| (now, position));
        }
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

    async fn users_alike(&self, name: &str) -> Result<Vec<UserRow>> {
        let mut query = self.select_users();
        let names = std::iter::once(name);
        let alike = expr::alike(self.dialect(), &self.users.username, names);
        query.and_where(alike).limit(10);
        self.user_rows(&query).await
    }

    async fn users(&self, ids: &[UserId]) -> Result<Vec<UserRow>> {
        let Some(these) = self.among(ids) else {
            return Ok(Vec::new());
        };
        let mut query = self.select_users();
        query.and_where(these);
        let asked: HashSet<UserId> = ids
            .iter()
            .map(|id| self.users.id_form.id(id.as_str()))
            .collect();
        // A collation may take more for equal than Curfew does.
        let mut rows = self.user_rows(&query).await?;
        rows.retain(|row| asked.contains(&row.id));
        Ok(rows)
    }

    async fn surviving(&self, keys: &[SessionKey]) -> Result<Vec<SessionKey>> {
        self.sessions().surviving(keys).await
    }

    async fn delete(&self, keys: &[SessionKey]) -> Result<Vec<SessionKey>> {
        let deleted = self.sessions().delete(keys).await;
        self.wrote();
        deleted
    }

    async fn ready(&self) -> Result<()> {
        self.sessions().ready().await
    }

    async fn hides_rows(&self) -> Result<Option<Hiding>> {
        self.sessions().hides_rows().await
    }

    async fn keepers(&self) -> Result<Vec<String>> {
        self.sessions().keepers().await
    }

    async fn last_to_expire(&self, most: u32) -> Result<Vec<SessionRow>> {
        self.sessions().last_to_expire(most).await
    }

    async fn seen_since(&self, since: Timestamp, now: Timestamp, most: u32) -> Result<u32> {
        self.users_seen_since(since, now, most).await
    }

    fn whole(&self) -> bool {
        self.sessions().whole()
    }

    /// What was never seen cannot be seen to be gone.
    fn sees_copies(&self) -> bool {
        self.sessions().whole()
    }

    async fn clear_flag(&self, id: &UserId) -> Result<bool> {
        let cleared = match &self.users.flag {
            Some(flag) => self.set_truth(flag, id, false).await,
            None => Ok(false),
        };
        self.wrote();
        cleared
    }

    async fn set_enabled(&self, id: &UserId, enabled: bool) -> Result<bool> {
        let set = match &self.users.is_active {
            Some(column) => self.set_truth(column, id, enabled).await,
            None => Err(Error::new(
                Code::NotPossible,
                format!(
                    "{} has no is_active column, so accounts cannot be switched off",
                    self.users.table.shown()
                ),
            )),
        };
        self.wrote();
        set
    }

    fn looks_by_dates(&self) -> bool {
        matches!(self.sessions, At::Beside(_))
    }

    fn sweeps_at_once(&self, sessions: usize, people: usize) -> usize {
        let many = sessions >= MANY_SESSIONS && people >= MANY_PEOPLE;
        let At::Beside(beside) = &self.sessions else {
            return 1;
        };
        let keyed = beside.table.keyed && self.users.keyed;
        match self.dialect() {
            // Each waits for the disk; as many as there are connections wait together, and a look for one of them.
            Dialect::Postgres => 3,
            Dialect::Mysql if keyed && many && self.db.passes_over() => 3,
            Dialect::Mysql | Dialect::Sqlite => 1,
        }
    }

    async fn sweep(&self, batch: SweepBatch) -> Result<BatchDone> {
        let done = sweep::run(self.clone(), batch).await;
        self.wrote();
        done
    }
}

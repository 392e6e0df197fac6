//! Where a site's sessions and users live. This folder alone speaks to databases and caches, through one trait.
//! No rule is decided here: whoever asks says what goes, and under which condition.

pub mod cache;
mod cache_key;
pub mod catalog;
mod copies;
pub mod db;
mod explain;
mod expr;
mod files;
mod identity;
pub mod key;
mod late;
mod memcached;
pub mod mysql;
mod none;
pub mod pace;
pub mod postgres;
mod redis;
pub mod schema;
pub mod sql;
pub mod sqlite;
mod statement;
mod tx;
mod zone;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use secrecy::SecretString;

pub use copies::WithCopies;
pub(crate) use explain::held_up;
pub use files::FileSessions;
pub use key::{SessionKey, UserId};
pub(crate) use late::Late;
pub use none::NoSessions;
pub use schema::Schema;

use crate::error::{Error, Result};
use pace::Pace;

/// A session's content as it lies there, held only while it is read.
#[derive(Clone, PartialEq, Eq)]
pub enum Data {
    /// Django's `session_data`: a column of a table, or a file.
    Encoded(Vec<u8>),
    /// The session's dict, packed as a cache's values are. Not signed.
    Cached(Vec<u8>),
}

impl Data {
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Encoded(bytes) | Self::Cached(bytes) => bytes,
        }
    }
}

/// One session as it lies in the store.
#[derive(Clone)]
pub struct SessionRow {
    pub key: SessionKey,
    pub data: Data,
    pub expires: Timestamp,
    /// The last save, where the store knows it beside the data: a file's time.
    pub saved: Option<Timestamp>,
    /// What tables with columns of their own say of a session.
    pub extra: Option<Box<Extra>>,
}

impl SessionRow {
    /// Of Django's three columns alone.
    pub fn encoded(key: SessionKey, data: Vec<u8>, expires: Timestamp) -> Self {
        Self {
            key,
            data: Data::Encoded(data),
            expires,
            saved: None,
            extra: None,
        }
    }
}

/// A session's own columns, beside Django's three.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Extra {
    pub user: Option<UserId>,
    pub ip: Option<String>,
    /// The browser's User-Agent, as it was sent.
    pub device: Option<String>,
    /// The table's own time of its last use.
    pub seen: Option<Timestamp>,
}

/// One user as the site's table has them.
#[derive(Debug, Clone)]
pub struct UserRow {
    pub id: UserId,
    pub username: String,
    pub email: Option<String>,
    pub name: Option<String>,
    pub last_activity: Option<Timestamp>,
    pub last_login: Option<Timestamp>,
    pub flagged: bool,
    pub staff: bool,
    pub superuser: bool,
    pub enabled: bool,
    /// The stored password string, read only where a SECRET_KEY is known: the auth hash is made of it.
    pub password: Option<SecretString>,
}

/// Takes in what a look finds, piece by piece, so that no look holds all payloads.
pub trait Sink: Send {
    /// A session, whole.
    fn session(&mut self, row: SessionRow);
    /// A session's key and date alone. True asks for the whole row.
    fn listed(&mut self, key: &SessionKey, expires: Timestamp) -> bool;
    /// A listing begins: whatever it does not name or hand over is gone.
    fn listing_begins(&mut self);
    /// The listing that began last is whole.
    fn listing_done(&mut self);
    /// Whether a session of this key has been handed over, and has not gone since.
    fn knows(&self, key: &SessionKey) -> bool;
    /// The ages, in seconds, that sessions are saved with.
    fn ages(&self) -> Vec<i64>;
    fn user(&mut self, row: UserRow);
    /// The users to read: all that are known, or only those not read yet.
    fn users_wanted(&self, all: bool) -> Vec<UserId>;
    /// These were asked for and are not there.
    fn users_missing(&mut self, ids: Vec<UserId>);
    /// Exactly these carry the flag now.
    fn flagged(&mut self, ids: BTreeSet<UserId>);
}

/// How far looks have come.
#[derive(Default)]
pub struct Mark {
    /// The database's time at the last look that succeeded.
    pub last: Option<Timestamp>,
    pub(crate) listing: Pace,
    pub(crate) users: Pace,
    /// The cache's own listing.
    pub(crate) copies: Pace,
    pub(crate) scan: redis::Scan,
}

impl Mark {
    /// Looks may go on listing a cache's keys for this long each.
    pub fn list_for(&mut self, budget: Duration) {
        self.scan.budget = budget;
    }

    /// The next look leaves nothing out.
    pub fn hurry(&mut self) {
        self.listing.hurry();
        self.users.hurry();
        self.copies.hurry();
        self.scan.at_once = true;
    }
}

/// Whether a session, read a moment ago, may go as one of this user's.
pub type Decide = dyn Fn(&UserId, &SessionRow) -> bool + Send + Sync;

/// The condition under which people are swept. `decide` reads a session as it is now.
#[derive(Clone)]
pub struct SweepBatch {
    /// Overdue people: their sessions go, and their flag.
    pub overdue: Vec<(UserId, Vec<SessionKey>)>,
    /// Stale people: their flag goes, where their evidence still is what was seen.
    pub stale: Vec<(UserId, Option<Timestamp>)>,
    /// Whoever was seen after this stays.
    pub cutoff: Timestamp,
    /// A session's last save is evidence of inactivity.
    pub saves_prove: bool,
    /// Whether this session, as it is now, may go.
    pub decide: Arc<Decide>,
}

/// What a batch's statements did.
#[derive(Debug, Default)]
pub struct BatchDone {
    /// Flags cleared by our statement.
    pub marked: Vec<UserId>,
    /// Rows deleted by our statement.
    pub deleted: Vec<SessionKey>,
    /// People who were left alone, and why.
    pub spared: Vec<(UserId, &'static str)>,
    /// The rest of this stands, and then this failed: rows are gone whose copies are not.
    pub broken: Option<Error>,
}

/// Sessions wherever they lie: a table of this database or of another, a cache, a folder.
#[async_trait]
pub trait Sessions: Send + Sync {
    /// Hands over what changed since `mark.last`, at the database's `now`.
    async fn look(&self, now: Timestamp, mark: &mut Mark, sink: &mut dyn Sink) -> Result<()>;

    /// Hands over what was saved since `last`, where that is a short question; nothing where it is not.
    async fn glance(&self, _now: Timestamp, _last: Timestamp, _sink: &mut dyn Sink) -> Result<()> {
        Ok(())
    }

    /// These as they are now; whichever is gone is left out.
    async fn read(&self, keys: &[SessionKey]) -> Result<Vec<SessionRow>>;

    /// Of these, the sessions that still exist.
    async fn surviving(&self, keys: &[SessionKey]) -> Result<Vec<SessionKey>>;

    /// Deletes sessions whatever their state, and returns those that this call deleted.
    async fn delete(&self, keys: &[SessionKey]) -> Result<Vec<SessionKey>>;

    /// Deletes those that still are what was read, in one step each, and returns those that this call deleted.
    async fn delete_unchanged(&self, rows: &[SessionRow]) -> Result<Vec<SessionKey>>;

    /// Whether a deletion would reach everything that holds these sessions. Asked before each deed.
    ///
    /// # Errors
    /// [`crate::error::Code::NotPossible`] with what is in the way.
    async fn ready(&self) -> Result<()> {
        Ok(())
    }

    /// Whether looks see every session there is, so that having none means something: false where sessions cannot
    /// be listed, and until a listing was whole.
    fn whole(&self) -> bool {
        true
    }
}

/// A part of a listing of copies, or all of it.
#[derive(Debug, Default)]
pub struct Listed {
    pub copies: Vec<(SessionKey, Timestamp)>,
    /// The listing began with this part.
    pub begins: bool,
    /// The listing ended with this part: what none of its parts names is gone.
    pub whole: bool,
}

/// Copies of sessions that a site asks before the table: the cache of `cached_db`.
#[async_trait]
pub trait Copies: Send + Sync {
    /// The copies that the cache names, where it can name them; each look does a part of it, by its cost. By `known`,
    /// some sessions of this site, the form of its keys is found.
    /// None: this cache cannot be listed.
    async fn look(
        &self,
        now: Timestamp,
        mark: &mut Mark,
        known: &[SessionKey],
    ) -> Result<Option<Listed>>;

    async fn read(&self, keys: &[SessionKey]) -> Result<Vec<SessionRow>>;

    /// Of these, those that have a copy.
    async fn surviving(&self, keys: &[SessionKey]) -> Result<Vec<SessionKey>>;

    /// Deletes copies, and returns the keys of those that were there.
    async fn delete(&self, keys: &[SessionKey]) -> Result<Vec<SessionKey>>;

    /// Deletes those that still are what was read, in one step each, and returns those that this call deleted.
    /// A cache that cannot list its copies is never asked.
    async fn delete_unchanged(&self, rows: &[SessionRow]) -> Result<Vec<SessionKey>>;

    /// Whether the cache answers, and lets us delete.
    ///
    /// # Errors
    /// [`crate::error::Code::NotPossible`] where it does not.
    async fn ready(&self) -> Result<()>;

    /// A session of this site was seen in the cache: the form of its keys is the right one.
    fn key_form_seen(&self) -> bool;
}

/// One site's sessions and users, wherever they live.
#[async_trait]
pub trait Store: Send + Sync {
    /// The database's clock.
    async fn now(&self) -> Result<Timestamp>;

    /// Hands over what changed since `mark`, and moves it on. Returns the database's time at the look's begin.
    async fn look(&self, mark: &mut Mark, sink: &mut dyn Sink) -> Result<Timestamp>;

    /// Hands over the sessions saved since `last`, a look's moment, at the database's `now`, where that is a short
    /// question. Never kept waiting by a look that is under way.
    async fn glance(&self, _now: Timestamp, _last: Timestamp, _sink: &mut dyn Sink) -> Result<()> {
        Ok(())
    }

    /// The users of exactly that name; more than one where the column is not unique.
    async fn users_named(&self, name: &str) -> Result<Vec<UserRow>>;

    async fn users(&self, ids: &[UserId]) -> Result<Vec<UserRow>>;

    /// Of these, the sessions that still exist.
    async fn surviving(&self, keys: &[SessionKey]) -> Result<Vec<SessionKey>>;

    /// Deletes sessions whatever their state, and returns those that this call deleted.
    async fn delete(&self, keys: &[SessionKey]) -> Result<Vec<SessionKey>>;

    /// As [`Store::delete`]. Where it fails half-way, what was deleted until then stands in `deleted` all the same.
    async fn delete_into(&self, keys: &[SessionKey], deleted: &mut Vec<SessionKey>) -> Result<()> {
        deleted.extend(self.delete(keys).await?);
        Ok(())
    }

    /// Clears the flag, and says whether this call did it.
    async fn clear_flag(&self, id: &UserId) -> Result<bool>;

    /// Writes `is_active`, and says whether this call changed it.
    async fn set_enabled(&self, id: &UserId, enabled: bool) -> Result<bool>;

    /// Whether a deletion would reach everything that holds the sessions. Asked before each deed.
    async fn ready(&self) -> Result<()>;

    /// Whether what [`Store::surviving`] says can be relied on: false where a cache has never shown a session of this
    /// site, so that its keys may have another form.
    fn sees_copies(&self) -> bool {
        true
    }

    /// Whether looks see every session there is, so that having none means something.
    fn whole(&self) -> bool {
        true
    }

    /// Applies one batch of a sweep in one short transaction.
    async fn sweep(&self, batch: SweepBatch) -> Result<BatchDone>;
}

//! Where a site's sessions and users live. This folder alone speaks to databases and caches, through one trait.
//! No rule is decided here: whoever asks says what goes, and under which condition.

pub mod catalog;
pub mod db;
mod expr;
mod identity;
pub mod key;
pub mod pace;
pub mod postgres;
pub mod schema;
pub mod sql;
pub mod sqlite;
mod statement;
mod tx;

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use secrecy::SecretString;

pub use key::{SessionKey, UserId};
pub use schema::Schema;

use crate::error::Result;
use pace::Pace;

/// One session as it lies in the store. The payload is held only while it is read.
pub struct SessionRow {
    pub key: SessionKey,
    pub data: Vec<u8>,
    pub expires: Timestamp,
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
}

/// One site's sessions and users, wherever they live.
#[async_trait]
pub trait Store: Send + Sync {
    /// The database's clock.
    async fn now(&self) -> Result<Timestamp>;

    /// Hands over what changed since `mark`, and moves it on. Returns the database's time at the look's begin.
    async fn look(&self, mark: &mut Mark, sink: &mut dyn Sink) -> Result<Timestamp>;

    /// The users of exactly that name; more than one where the column is not unique.
    async fn users_named(&self, name: &str) -> Result<Vec<UserRow>>;

    async fn users(&self, ids: &[UserId]) -> Result<Vec<UserRow>>;

    /// Of these, the sessions that still exist.
    async fn surviving(&self, keys: &[SessionKey]) -> Result<Vec<SessionKey>>;

    /// Deletes sessions whatever their state, and returns those that this call deleted.
    async fn delete(&self, keys: &[SessionKey]) -> Result<Vec<SessionKey>>;

    /// Clears the flag, and says whether this call did it.
    async fn clear_flag(&self, id: &UserId) -> Result<bool>;

    /// Applies one batch of a sweep in one short transaction.
    async fn sweep(&self, batch: SweepBatch) -> Result<BatchDone>;
}

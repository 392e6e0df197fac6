//! Where a site's sessions and users live. This folder alone speaks to databases and caches, through one trait.
//! No rule is decided here: whoever asks says what goes, and under which condition.

mod account;
mod batch;
pub mod cache;
mod cache_key;
pub mod catalog;
mod copies;
pub mod db;
mod explain;
mod expr;
mod files;
pub(crate) mod hiding;
mod hold;
mod id_form;
mod identity;
pub mod key;
mod late;
pub mod lines;
mod memcached;
pub mod mysql;
mod none;
pub mod pace;
pub(crate) mod policies;
pub mod postgres;
pub(crate) mod prove;
mod redis;
mod row;
pub mod schema;
pub mod sql;
pub mod sqlite;
mod statement;
pub mod tls;
pub mod tokens;
mod tx;
mod way;
pub(crate) mod zone;

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::time::Instant;

pub use batch::{BatchDone, Decide, Exempts, SweepBatch};
pub use copies::WithCopies;
pub(crate) use explain::held_up;
pub use files::FileSessions;
pub use hold::Hold;
pub use id_form::{Compared, IdForm};
pub use key::{KeyRef, SessionKey, UserId};
pub(crate) use late::Late;
pub use none::NoSessions;
pub use row::{Data, DataRef, Extra, SessionRef, SessionRow, UserRow};
pub use schema::Schema;

use crate::error::Result;
use hiding::Hiding;
use pace::Pace;

/// Takes sessions in for a [`Sink`], on any thread.
pub trait Helper: Send {
    fn take(&mut self, row: SessionRef<'_>);
    /// Afterwards all that it took is in the sink; so it is once the helper is gone.
    fn flush(&mut self);
}

/// Takes in what a look finds, piece by piece, so that no look holds all payloads.
pub trait Sink: Send {
    /// A session, whole.
    fn take(&mut self, row: SessionRef<'_>);
    /// Another that takes sessions in, beside this one. None: it has to be this one, for now.
    fn helper(&mut self) -> Option<Box<dyn Helper>> {
        None
    }
    fn session(&mut self, row: SessionRow) {
        self.take(row.lend());
    }
    /// A session's key and date alone. True asks for the whole row.
    fn listed(&mut self, key: KeyRef<'_>, expires: Timestamp) -> bool;
    /// Keys and dates alone of sessions, found where the saves since a moment have their dates: the span in which they were
    /// saved if their age is what it was. None: their dates do not tell all. Those that come back, by their places, are asked
    /// for whole.
    fn saved(
        &mut self,
        found: &[(KeyRef<'_>, Timestamp)],
        _within: Option<(Timestamp, Timestamp)>,
    ) -> Vec<usize> {
        // Where dates are kept to the second, two saves may have the same.
        let mut wants =
            |key, expires: Timestamp| self.listed(key, expires) || expires.subsec_nanosecond() == 0;
        let wanted = found.iter().enumerate();
        let wanted = wanted.filter(|(_, (key, expires))| wants(*key, *expires));
        wanted.map(|(place, _)| place).collect()
    }
    /// A listing begins: whatever it does not name or hand over is gone.
    fn listing_begins(&mut self);
    /// What the listing that is under way has not named so far, for a store that can tell whether it is there all the
    /// same.
    fn unnamed(&mut self) -> Vec<SessionKey> {
        Vec::new()
    }
    /// The listing that began last is whole.
    fn listing_done(&mut self);
    /// Whether a session of this key has been handed over, and has not gone since.
    fn knows(&mut self, key: KeyRef<'_>) -> bool;
    /// The ages, in seconds, that sessions are saved with.
    fn ages(&mut self) -> Vec<i64>;
    fn user(&mut self, row: UserRow);
    /// The users that are known of and have not been read.
    fn users_unread(&mut self) -> Vec<UserId>;
    /// So many of all users that are known of, from a number on, and the number of the next; none after the last.
    fn users_in_turn(&mut self, from: u32, most: usize) -> (Vec<UserId>, Option<u32>);
    /// These were asked for and are not there.
    fn users_missing(&mut self, ids: Vec<UserId>);
    /// Exactly these carry the flag now.
    fn flagged(&mut self, ids: Vec<UserId>);
}

/// Kinds of ages followed by range of dates; a listing finds the rest.
pub(crate) const AGES: usize = 16;

/// How far looks have come.
#[derive(Default)]
pub struct Mark {
    /// The database's time at the last look that succeeded.
    pub last: Option<Timestamp>,
    pub(crate) listing: Pace,
    /// A folder's own listing, by which alone it is seen who saved.
    pub(crate) folder: Pace,
    /// How far a table's listing has come.
    pub(crate) course: sql::Course,
    /// When the last listing began that named every session of a table. None: no table, or not read yet.
    pub(crate) listed: Option<Timestamp>,
    /// The last look named every session there was when it began; not the first one.
    pub(crate) named_all: bool,
    /// The next look leaves nothing out.
    pub(crate) whole: bool,
    pub(crate) people: sql::Rounds,
    /// The cache's own listing.
    pub(crate) copies: Pace,
    pub(crate) scan: redis::Scan,
    /// When, and how far the primary had written, at the last look.
    written: Option<(Timestamp, i64)>,
    /// What is being looked at is as it was then, or later. None: as it is.
    as_of: Option<Timestamp>,
    /// A deed hangs on the next look: no replica will do.
    decides: bool,
    /// What the database's clock told, and when.
    clock: Option<(Timestamp, Instant)>,
}

impl Mark {
    /// Looks may go on listing a cache's keys for this long each.
    pub fn list_for(&mut self, budget: Duration) {
        self.scan.budget = budget;
    }

    /// As of when the looks so far have left nothing out that a glance would find.
    pub fn covered(&self) -> Option<Timestamp> {
        self.last.map(|last| self.course.covered(last))
    }

    /// The database's clock told this time just now.
    fn tells(&mut self, now: Timestamp) {
        self.clock = Some((now, Instant::now()));
    }

    /// What the database's clock may tell by now.
    fn about_now(&self) -> Option<Timestamp> {
        let (told, at) = self.clock?;
        told.checked_add(at.elapsed()).ok()
    }

    /// The next look reads these users anew.
    pub fn read_again(&mut self, ids: &[UserId]) {
        self.people.again.extend_from_slice(ids);
    }

    /// The next look lists every session, and reads what of users has moved.
    pub fn hurry(&mut self) {
        self.whole = true;
        self.people.hurry();
        self.freshen();
    }

    /// The next look leaves nothing out that was seen by somebody's doing: what was saved, who was active. Where no
    /// dates tell, it lists every session. It is a look by which something is decided: no replica will do for it, nor what
    /// another look has seen.
    pub fn freshen(&mut self) {
        self.freshen_people();
        self.course.seen = None;
        self.folder.hurry();
        self.copies.hurry();
        self.scan.at_once = true;
    }

    /// The same of what the table of users tells.
    pub fn freshen_people(&mut self) {
        self.decides = true;
        self.people.freshen();
    }
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

    /// As [`Store::last_to_expire`].
    async fn last_to_expire(&self, _most: u32) -> Result<Vec<SessionRow>> {
        Ok(Vec::new())
    }

    /// These as they are now; whichever is gone is left out.
    async fn read(&self, keys: &[SessionKey]) -> Result<Vec<SessionRow>>;

    /// Of these, the sessions that still exist.
    async fn surviving(&self, keys: &[SessionKey]) -> Result<Vec<SessionKey>>;

    /// Deletes sessions whatever their state, and returns those that this call deleted.
    async fn delete(&self, keys: &[SessionKey]) -> Result<Vec<SessionKey>>;

    /// Deletes those that still are what was read, in one step each, and returns those that this call deleted.
    async fn delete_unchanged(&self, rows: &[SessionRow]) -> Result<Vec<SessionKey>>;

    /// As [`Sessions::delete_unchanged`], and deletes those that have this date still; of the latter none, where no date tells
    /// ([`Sessions::date_tells`]). Where it fails half-way, what was deleted until then stands in `deleted` all the same.
    async fn delete_judged(
        &self,
        _dated: &[(SessionKey, Timestamp)],
        rows: &[SessionRow],
        deleted: &mut Vec<SessionKey>,
    ) -> Result<()> {
        deleted.extend(self.delete_unchanged(rows).await?);
        Ok(())
    }

    /// Whether a session that has the date that it had is what it was.
    fn date_tells(&self) -> bool {
        false
    }

    /// The dates of these as they are now; whichever is gone is left out.
    async fn dates(&self, keys: &[SessionKey]) -> Result<Vec<(SessionKey, Timestamp)>> {
        let rows = self.read(keys).await?;
        Ok(rows.into_iter().map(|row| (row.key, row.expires)).collect())
    }

    /// Whether a deletion would reach everything that holds these sessions. Asked before each deed.
    ///
    /// # Errors
    /// [`crate::error::Code::NotPossible`] with what is in the way.
    async fn ready(&self) -> Result<()> {
        Ok(())
    }

    /// The table of which the database hides rows from this role; none where every row is visible.
    async fn hides_rows(&self) -> Result<Option<Hiding>> {
        Ok(None)
    }

    /// The names of triggers, rules and policies that can keep a row although its deletion succeeds.
    async fn keepers(&self) -> Result<Vec<String>> {
        Ok(Vec::new())
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

    /// Whether the cache can name its copies. Else a copy is found only by a key that is known.
    fn lists(&self) -> bool;
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

    /// A few of the users whose names the database's own comparison takes for this one.
    async fn users_alike(&self, name: &str) -> Result<Vec<UserRow>> {
        self.users_named(name).await
    }

    async fn users(&self, ids: &[UserId]) -> Result<Vec<UserRow>>;

    /// Of these, the sessions that still exist.
    async fn surviving(&self, keys: &[SessionKey]) -> Result<Vec<SessionKey>>;

    /// Deletes sessions whatever their state, and returns those that this call deleted. What somebody else holds for long is
    /// left; where that is all, it fails.
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

    /// The table of sessions of which the database hides rows from this role; none where every row is visible.
    async fn hides_rows(&self) -> Result<Option<Hiding>> {
        Ok(None)
    }

    /// The names of triggers, rules and policies that can keep a session although its deletion succeeds.
    async fn keepers(&self) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    /// How many users were active or signed in after `since` and not after `now`, up to `most`.
    async fn seen_since(&self, _since: Timestamp, _now: Timestamp, _most: u32) -> Result<u32> {
        Ok(0)
    }

    /// The sessions that expire last, expired or not, at most so many; none where the database itself knows the moments.
    async fn last_to_expire(&self, _most: u32) -> Result<Vec<SessionRow>> {
        Ok(Vec::new())
    }

    /// Whether what [`Store::surviving`] says can be relied on: false where a cache has never shown a session of this
    /// site, so that its keys may have another form.
    fn sees_copies(&self) -> bool {
        true
    }

    /// Whether a copy without a row is found although its key is not known.
    fn lists_copies(&self) -> bool {
        true
    }

    /// Whether looks see every session there is, so that having none means something.
    fn whole(&self) -> bool {
        true
    }

    /// Whether looks find what was saved by dates in the users' own database, and list no other place for it.
    fn looks_by_dates(&self) -> bool {
        true
    }

    /// How many batches of a sweep may be under way at once, where there are so many sessions and people.
    fn sweeps_at_once(&self, _sessions: usize, _people: usize) -> usize {
        1
    }

    /// Applies one batch of a sweep in one short transaction.
    async fn sweep(&self, batch: SweepBatch) -> Result<BatchDone>;
}

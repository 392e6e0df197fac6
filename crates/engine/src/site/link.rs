//! How the line to the database is, and how old what is shown is.

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use crate::error::Error;
use crate::view::{Connection, Link};

/// A look older than this is stale, whatever the reason.
const FRESH: std::time::Duration = std::time::Duration::from_secs(6);

/// The state of the connection, as the looks tell it.
#[derive(Debug, Default)]
pub struct Line {
    last: Option<(Instant, Timestamp)>,
    saved: usize,
    covered: Option<Timestamp>,
    look_ms: Option<u32>,
    skew: Option<SignedDuration>,
    error: Option<Error>,
    retry: Option<Instant>,
}

impl Line {
    /// A look ended well, and met so many saved sessions: `db` is the database's time at its begin, `local` this machine's.
    pub fn succeeded(&mut self, began: Instant, db: Timestamp, local: Timestamp, saved: usize) {
        self.saved = saved;
        self.look_ms = u32::try_from(began.elapsed().as_millis()).ok();
        self.last = Some((began, db));
        self.skew = Some(db.duration_since(local));
        self.error = None;
        self.retry = None;
    }

    /// Sessions that the last look met as saved: where no numbers tell which of them were seen, those of ten seconds more.
    pub fn saved(&self) -> usize {
        self.saved
    }

    pub fn failed(&mut self, error: Error) {
        self.error = Some(error);
    }

    /// The next try will be then.
    pub fn retry_at(&mut self, at: Instant) {
        self.retry = Some(at);
    }

    /// The database's clock now: its last answer and the time since.
    pub fn db_now(&self) -> Option<Timestamp> {
        let (began, db) = self.last?;
        let since = SignedDuration::try_from(began.elapsed()).ok()?;
        // What databases keep, and no digit more.
        db.checked_add(since)
            .ok()?
            .round(jiff::Unit::Microsecond)
            .ok()
    }

    /// As of when looks have left nothing out: no later than the begin of the last one that ended well.
    pub fn covered(&self) -> Option<Timestamp> {
        self.covered
    }

    pub fn covers(&mut self, as_of: Option<Timestamp>) {
        self.covered = as_of;
    }

    pub fn skew(&self) -> Option<SignedDuration> {
        self.skew
    }

    pub fn view(&self) -> Connection {
        let age = self.last.map(|(began, _)| began.elapsed());
        let link = match (&self.error, age) {
            (Some(_), _) => Link::Offline,
            (None, Some(age)) if age <= FRESH => Link::Live,
            _ => Link::Stale,
        };
        Connection {
            link,
            age_seconds: age.map(|a| a.as_secs_f64()),
            look_ms: self.look_ms,
            error: self.error.clone(),
            retry_seconds: self.retry.filter(|_| self.error.is_some()).map(|at| {
                let left = at.saturating_duration_since(Instant::now()).as_secs_f64();
                left.ceil() as u32
            }),
            skew_seconds: self.skew.map(|s| s.as_secs_f64()),
        }
    }
}

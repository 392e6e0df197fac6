//! A batch of a sweep: under which condition people go, and what became of it.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::{SessionKey, SessionRow, UserId, UserRow};
use crate::error::Error;

/// Whether a session, read a moment ago, may go as one of this user's.
pub type Decide = dyn Fn(&UserId, &SessionRow) -> bool + Send + Sync;

/// Why this user, read a moment ago, is to be left alone; none where they are not.
pub type Exempts = dyn Fn(&UserRow) -> Option<&'static str> + Send + Sync;

/// The condition under which people are swept. `decide` reads a session as it is now.
#[derive(Clone)]
pub struct SweepBatch {
    /// Overdue people: their sessions go, and their flag.
    pub overdue: Vec<(UserId, Vec<SessionKey>)>,
    /// The dates of those sessions that each save moves, as they were when they were judged: with the same date, a
    /// session is what it was, and needs no reading.
    pub dates: HashMap<SessionKey, Timestamp>,
    /// Stale people: their flag goes, where their evidence still is what was seen.
    pub stale: Vec<(UserId, Option<Timestamp>)>,
    /// Whoever was seen after this stays.
    pub cutoff: Timestamp,
    /// A session's last save is evidence of inactivity.
    pub saves_prove: bool,
    /// Whether this session, as it is now, may go.
    pub decide: Arc<Decide>,
    /// Whether this user, as they are now, is none of the policy's business.
    pub exempts: Arc<Exempts>,
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

//! A batch of a sweep: under which condition people go, and what became of it.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::hold::Hold;
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

impl SweepBatch {
    /// How many users it means.
    pub fn size(&self) -> usize {
        self.overdue.len() + self.stale.len()
    }

    /// Everyone it means.
    pub fn users(&self) -> impl Iterator<Item = &UserId> {
        let overdue = self.overdue.iter().map(|(id, _)| id);
        overdue.chain(self.stale.iter().map(|(id, _)| id))
    }

    /// The same in two batches of about half its users.
    pub fn halves(mut self) -> [Self; 2] {
        let half = self.size() / 2;
        let mut second = Self {
            overdue: Vec::new(),
            stale: Vec::new(),
            ..self.clone()
        };
        second.overdue = self.overdue.split_off(half.min(self.overdue.len()));
        let stale = half.saturating_sub(self.overdue.len());
        second.stale = self.stale.split_off(stale.min(self.stale.len()));
        [self, second]
    }
}

/// What a batch's statements did.
#[derive(Debug, Default)]
pub struct BatchDone {
    /// Flags cleared by our statement.
    pub marked: Vec<UserId>,
    /// Rows deleted by our statement.
    pub deleted: Vec<SessionKey>,
    /// People who were left alone, and why.
    pub spared: Vec<(UserId, Hold)>,
    /// The rest of this stands, and then this failed: rows are gone whose copies are not.
    pub broken: Option<Error>,
}

impl BatchDone {
    /// Users who were left alone for this reason.
    pub fn spare<'a>(&mut self, users: impl Iterator<Item = &'a UserId>, hold: Hold) {
        self.spared.extend(users.map(|id| (id.clone(), hold)));
    }

    /// Takes in what another part did.
    pub fn add(&mut self, part: Self) {
        self.marked.extend(part.marked);
        self.deleted.extend(part.deleted);
        self.spared.extend(part.spared);
        self.broken = self.broken.take().or(part.broken);
    }
}

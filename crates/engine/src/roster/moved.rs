//! What one refresh saw move on since another: the value of the activity column, the last sign-in, a session's save.
//! Such a change is evidence of activity between the two refreshes, whatever the new timestamp says.

use jiff::Timestamp;

use super::session::{UNKNOWN, moment};
use super::{Person, Roster};
use crate::store::{UserId, UserRow};

/// Moves that are kept until somebody takes them. A busy site has more, and a sample is enough.
const MOST: usize = 512;
/// A cache tells when a session was saved to about two seconds.
const WAVER: i64 = 2_000_000;

/// Which source moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moved {
    /// The activity column, from one value to a later one.
    Activity(Timestamp, Timestamp),
    /// The activity column, together with the last sign-in.
    SignIn,
    /// A session's last save.
    Save(Timestamp),
}

/// A source of one user that moved on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Move {
    pub user: UserId,
    pub what: Moved,
}

impl Moved {
    /// What a new reading of the user's row shows to have moved. The first reading shows nothing: there is nothing to compare
    /// with. A value that was NULL before may only have been out of sight.
    pub(super) fn of(person: &Person, row: &UserRow) -> Option<Self> {
        if !person.is_read() {
            return None;
        }
        if row.last_login > person.last_login() {
            return Some(Self::SignIn);
        }
        let (before, after) = person.last_activity().zip(row.last_activity)?;
        (after > before).then_some(Self::Activity(before, after))
    }
}

impl Roster {
    pub(super) fn note(&mut self, number: u32, moved: Option<Moved>) {
        let Some(what) = moved else { return };
        let Some(person) = self.people.get_mut(number) else {
            return;
        };
        person.stirred = true;
        if self.moves.len() < MOST {
            let user = person.id();
            self.moves.push(Move { user, what });
        }
    }

    /// Notes that a known session of this person was saved again.
    pub(super) fn saved_again(&mut self, person: u32, before: i64, after: i64) {
        if before != UNKNOWN && after.saturating_sub(before) > WAVER {
            self.note(person, moment(after).map(Moved::Save));
        }
    }

    /// Forgets what was seen to move since the last settling: for tests of what the timestamps say.
    #[cfg(test)]
    pub(crate) fn unobserve(&mut self) {
        let numbers: Vec<u32> = self.people.iter().map(|(number, _)| number).collect();
        for number in numbers {
            if let Some(person) = self.people.get_mut(number) {
                person.stirred = false;
            }
        }
    }

    /// What was seen to move since this was last asked.
    pub fn take_moves(&mut self) -> Vec<Move> {
        std::mem::take(&mut self.moves)
    }
}

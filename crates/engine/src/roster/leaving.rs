//! What a logout asks of the roster while it is under way, without settling everyone.

use jiff::{SignedDuration, Timestamp};

use super::Roster;
use crate::store::{SessionKey, UserId};

/// A session's last save is kept to the second, and a login's moment to the microsecond.
const ROUNDED: SignedDuration = SignedDuration::from_secs(2);

impl Roster {
    /// How many sessions of this person Django would let in at `now`.
    pub fn usable_of(&self, id: &UserId, now: Timestamp) -> u32 {
        let Some(person) = self.people.get(id) else {
            return 0;
        };
        let usable = person
            .keys()
            .iter()
            .filter_map(|key| self.sessions.get(key))
            .filter(|session| person.refusal(session, now).is_none())
            .count();
        u32::try_from(usable).unwrap_or(u32::MAX)
    }

    pub fn flagged_now(&self, id: &UserId) -> bool {
        self.people
            .get(id)
            .and_then(|person| person.row.as_ref())
            .is_some_and(|row| row.flagged)
    }

    /// Of this person's sessions, those that a login after `since` made: the login is on record, and nothing says
    /// that the session is older.
    pub fn begun_after(&self, id: &UserId, since: Timestamp) -> Vec<SessionKey> {
        let Some(person) = self.people.get(id) else {
            return Vec::new();
        };
        let login = person.row.as_ref().and_then(|row| row.last_login);
        let Some(login) = login.filter(|login| *login > since) else {
            return Vec::new();
        };
        let from = login.checked_sub(ROUNDED).unwrap_or(login);
        person
            .keys()
            .iter()
            .filter(|key| {
                self.sessions
                    .get(*key)
                    .is_some_and(|s| s.last_saved.is_none_or(|saved| saved >= from))
            })
            .cloned()
            .collect()
    }
}

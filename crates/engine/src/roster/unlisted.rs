//! Sessions by an authentication backend that the configuration does not list. Django refuses them if the list is right.

use jiff::Timestamp;

use super::Roster;
use crate::django::backends::Admits;

impl Roster {
    /// How many users were active since that moment, although an unlisted backend is all that refuses their sessions at `now`.
    /// Such users show that the list lacks a backend. A session's save shows nothing: Django saves anonymous sessions, too.
    pub fn active_by_unlisted(&self, now: Timestamp, since: Timestamp) -> u32 {
        let users = self.people.iter().filter(|(_, person)| {
            let active = person.last_activity().max(person.last_login());
            person.is_read()
                && person.usable() == 0
                && active.is_some_and(|at| at > since)
                && person.numbers(&self.rows).any(|number| {
                    let row = &self.rows[number];
                    row.admits() == Admits::Nobody && row.expires() > now
                })
        });
        u32::try_from(users.count()).unwrap_or(u32::MAX)
    }
}

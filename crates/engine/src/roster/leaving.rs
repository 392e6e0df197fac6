//! What a logout asks of the roster while it is under way, without settling everyone.

use jiff::{SignedDuration, Timestamp};

use super::Roster;
use crate::store::{SessionKey, UserId};

/// A session's last save is kept to the second, and a login's moment to the microsecond.
const ROUNDED: SignedDuration = SignedDuration::from_secs(2);

/// Sessions of one age, at least, and of all sessions this part, before a date is taken for a save's.
const MANY: u32 = 10;
const SHARE: usize = 10;

impl Roster {
    /// How many sessions of this person Django would let in at `now`.
    pub fn usable_of(&self, id: &UserId, now: Timestamp) -> u32 {
        let Some(person) = self.person(id) else {
            return 0;
        };
        let usable = person
            .numbers(&self.rows)
            .filter(|number| person.refusal(&self.rows[*number], now).is_none())
            .count();
        u32::try_from(usable).unwrap_or(u32::MAX)
    }

    /// Whether each save of each session here moves its date to where a look finds it: no date is fixed, and no more
    /// than so many ages are in use.
    pub fn dates_tell(&self, ages: usize) -> bool {
        self.fixed == 0 && self.ages.len() <= ages
    }

    /// Whether so many sessions have this age that a save must have given it to them. A site that lets all of them end
    /// at midnight, say, moves no date by a save, and its ages are as many as its sessions.
    fn is_shared(&self, age: i64) -> bool {
        let of = |age: i64| self.ages.get(&age).copied().unwrap_or(0);
        // The moment of a save is kept to the second before it.
        let sharing = of(age - 1) + of(age) + of(age + 1);
        sharing >= MANY && sharing as usize >= self.rows.len() / SHARE
    }

    /// All of this person's sessions; with the date of each that a save moves, where it was not saved after the cutoff.
    pub fn leaving(
        &self,
        person: &super::Person,
        cutoff: Timestamp,
    ) -> Vec<(SessionKey, Option<Timestamp>)> {
        let numbers = person.numbers(&self.rows);
        numbers
            .map(|number| {
                let row = &self.rows[number];
                let dated = row.unread().is_none()
                    && !row.is_by_date()
                    && row.age().is_some_and(|age| self.is_shared(age))
                    && row.saved().is_some_and(|saved| saved <= cutoff);
                (self.rows.key(number), dated.then(|| row.expires()))
            })
            .collect()
    }

    pub fn flagged_now(&self, id: &UserId) -> bool {
        self.person(id).is_some_and(super::Person::is_flagged)
    }

    /// Of this person's sessions, those that a login after `since` made: the login is on record, and nothing says
    /// that the session is older.
    pub fn begun_after(&self, id: &UserId, since: Timestamp) -> Vec<SessionKey> {
        let Some(person) = self.person(id) else {
            return Vec::new();
        };
        let Some(login) = person.last_login().filter(|login| *login > since) else {
            return Vec::new();
        };
        let from = login.checked_sub(ROUNDED).unwrap_or(login);
        person
            .numbers(&self.rows)
            .filter(|number| self.rows[*number].saved().is_none_or(|saved| saved >= from))
            .map(|number| self.rows.key(number))
            .collect()
    }
}

//! Who is signed in, in memory: users, their sessions, their states. Fed by a look, settled by the policy.
//! Holds no payloads; session keys stay inside, for they are needed to delete.
//!
//! What changes costs what it is, not what the site is: a session is a row of 56 bytes (`session`) in an array (`rows`), a
//! person has a number (`people`), counts and orders are repaired where something moved (`settle`, `names`).

mod acting;
mod device;
mod intake;
mod key;
mod leaving;
mod memory;
mod moved;
mod names;
mod page;
mod people;
mod person;
mod read;
mod rows;
mod session;
mod settle;
mod standing;
mod table;
#[cfg(test)]
pub(crate) mod tests;
mod unlisted;
mod unreadable;
mod view;

use std::time::Duration;

use hashbrown::HashMap;
use jiff::Timestamp;

use crate::django::backends::Backends;
use crate::django::secret::SecretKeys;
use crate::error::{Code, Error, Result};
use crate::policy::Rules;
use crate::store::{IdForm, SessionKey, UserId};
use crate::view::Counts;

pub use moved::{Move, Moved};
use names::Names;
use page::Order;
use people::People;
pub use person::Person;
pub use read::{Fresh, Reader, last_save};
use rows::Rows;
use settle::Alarms;
pub use settle::Crossed;

/// The picture in memory of one site's people.
pub struct Roster {
    reader: Reader,
    rows: Rows,
    acting: acting::Acting,
    people: People,
    names: Names,
    /// How many sessions are saved with each age, in seconds.
    ages: HashMap<i64, u32>,
    /// How many have a date that no save moves.
    fixed: u32,
    /// The listing that is under way, and how many sessions it has named; one that it does not name is gone.
    pass: u8,
    named: usize,
    alarms: Alarms,
    /// What was seen to move since [`Self::take_moves`].
    moves: Vec<Move>,
    /// Something was taken in since the last settling.
    moved: bool,
    revision: u32,
    now: Option<Timestamp>,
    rules: Option<Rules>,
    /// As of this moment, and as of the last settling.
    tally: Counts,
    counts: Counts,
    /// How many sessions the SECRET_KEY fits, and how many it does not.
    fit: u32,
    unfit: u32,
    order: Option<Order>,
}

impl Roster {
    pub fn new(keys: Option<SecretKeys>) -> Self {
        Self::with_cookie_age(keys.as_ref(), None)
    }

    /// With the age that this site's sessions have, as its operator says.
    pub fn with_cookie_age(keys: Option<&SecretKeys>, cookie_age: Option<Duration>) -> Self {
        Self {
            reader: Reader::new(keys, cookie_age),
            rows: Rows::default(),
            acting: acting::Acting::default(),
            people: People::default(),
            names: Names::default(),
            ages: HashMap::new(),
            fixed: 0,
            pass: 1,
            named: 0,
            alarms: Alarms::default(),
            moves: Vec::new(),
            moved: false,
            revision: 0,
            now: None,
            rules: None,
            tally: Counts::default(),
            counts: Counts::default(),
            fit: 0,
            unfit: 0,
            order: None,
        }
    }

    /// Of a site whose users have keys of this form.
    pub fn with_ids(mut self, ids: IdForm) -> Self {
        self.reader = self.reader.with_ids(ids);
        self
    }

    /// Of a site with these authentication backends.
    pub fn with_backends(mut self, backends: Backends) -> Self {
        self.reader = self.reader.with_backends(backends);
        self
    }

    /// Of a site that keeps django-loginas' user under this key.
    pub fn with_loginas_key(mut self, key: Option<String>) -> Self {
        self.reader = self.reader.with_loginas_key(key);
        self
    }

    /// The database's time at the last settling.
    pub fn now(&self) -> Option<Timestamp> {
        self.now
    }

    pub fn revision(&self) -> u32 {
        self.revision
    }

    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Sessions there are, and people that were signed in or stale at the last settling.
    pub fn size(&self) -> (usize, usize) {
        let people = self.counts.signed_in + self.counts.stale;
        (self.rows.len(), people as usize)
    }

    pub fn person(&self, id: &UserId) -> Option<&Person> {
        self.people.known(id.as_str())
    }

    /// Everyone with a usable session or the flag.
    pub fn people(&self) -> impl Iterator<Item = &Person> {
        let people = self.people.iter().map(|(_, person)| person);
        people.filter(|person| person.state().is_some())
    }

    /// Keys of all of a user's sessions, usable or not; with those in which they act as somebody else, or somebody else acts
    /// as them.
    pub fn keys_of(&self, id: &UserId) -> Vec<SessionKey> {
        let person = self.person(id);
        person.map_or_else(Vec::new, |person| self.keys(person))
    }

    /// As [`Self::keys_of`].
    pub fn keys(&self, person: &Person) -> Vec<SessionKey> {
        let numbers = self.all_of(person);
        numbers.map(|number| self.rows.key(number)).collect()
    }

    /// The session of that user with this fingerprint, or the only one whose fingerprint begins so.
    pub fn key_by_fingerprint(&self, id: &UserId, fingerprint: &str) -> Result<SessionKey> {
        let wanted = fingerprint.trim().to_ascii_lowercase();
        let hits: Vec<SessionKey> = self
            .keys_of(id)
            .into_iter()
            .filter(|k| wanted.len() >= 4 && k.fingerprint().starts_with(&wanted))
            .collect();
        match hits.as_slice() {
            [only] => Ok(only.clone()),
            [] => Err(Error::new(
                Code::NoSession,
                format!(
                    "no session {wanted:?} of this user; `curfew sessions USER` lists their fingerprints"
                ),
            )),
            several => Err(Error::new(
                Code::NoSession,
                format!(
                    "{} sessions of this user begin with {wanted:?}; give all 12 digits",
                    several.len()
                ),
            )),
        }
    }

    /// How many sessions with a user the SECRET_KEY fits, and how many it does not: by their signature, and where a
    /// cache keeps them unsigned by their auth hash, which is made with the same key. As of the last settling.
    pub fn signatures(&self) -> (u32, u32) {
        (self.fit, self.unfit)
    }
}

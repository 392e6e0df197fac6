//! Who is signed in, in memory: users, their sessions, their states. Fed by a look, settled by the policy.
//! Holds no payloads; session keys stay inside, for they are needed to delete.

mod device;
mod intake;
mod leaving;
mod page;
mod person;
#[cfg(test)]
pub(crate) mod tests;
mod unreadable;

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use jiff::Timestamp;

use crate::django::secret::SecretKeys;
use crate::django::session::{Decoder, Signature};
use crate::error::{Code, Error, Result};
use crate::event::Person as EventPerson;
use crate::policy::{Rules, judge};
use crate::store::{SessionKey, UserId};
use crate::view::{Counts, State};

pub use intake::last_save;
use page::Order;
pub use person::{Owner, Person, Session};

/// The picture in memory of one site's people.
pub struct Roster {
    decoder: Decoder,
    keys: Option<SecretKeys>,
    /// SESSION_COOKIE_AGE, where the operator has said it.
    cookie_age: Option<Duration>,
    sessions: HashMap<SessionKey, Session>,
    people: HashMap<UserId, Person>,
    /// How many sessions are saved with each age, in seconds.
    ages: HashMap<i64, u32>,
    /// People whom a session names and who have not been read; some may have gone since.
    unread_people: HashSet<UserId>,
    /// The listing that is under way; a session that it did not name is gone.
    pass: u32,
    /// Something was taken in since the last settling.
    moved: bool,
    revision: u32,
    now: Option<Timestamp>,
    counts: Counts,
    order: Option<Order>,
}

/// Who crossed the line at a settling.
#[derive(Debug, Default)]
pub struct Crossed {
    pub went_idle: Vec<EventPerson>,
    pub came_back: Vec<String>,
    pub revision_moved: bool,
}

impl Roster {
    pub fn new(keys: Option<SecretKeys>) -> Self {
        Self {
            decoder: Decoder::new(keys.as_ref()),
            keys,
            cookie_age: None,
            sessions: HashMap::new(),
            people: HashMap::new(),
            ages: HashMap::new(),
            unread_people: HashSet::new(),
            pass: 1,
            moved: false,
            revision: 0,
            now: None,
            counts: Counts::default(),
            order: None,
        }
    }

    /// With the age that this site's sessions have, as its operator says.
    pub fn with_cookie_age(self, cookie_age: Option<Duration>) -> Self {
        Self { cookie_age, ..self }
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

    /// Judges everyone at the database's `now`, counts, and forgets who is neither signed in nor flagged.
    pub fn settle(&mut self, now: Timestamp, rules: &Rules) -> Crossed {
        let mut crossed = Crossed::default();
        let mut counts = Counts::default();
        let mut changed = self.moved;
        for session in self.sessions.values() {
            if session.unread.is_some() {
                counts.unreadable_sessions += 1;
            } else if session.owner == Owner::Anonymous {
                counts.anonymous_sessions += 1;
            }
        }
        let sessions = &self.sessions;
        self.people.retain(|id, person| {
            let facts = person.facts(sessions, now);
            counts.sessions += facts.usable_sessions;
            counts.rejected_sessions += person.session_count() - facts.usable_sessions;
            let verdict = judge(&facts, now, rules);
            let before = person.verdict.map(|v| v.state);
            let after = verdict.map(|v| v.state);
            changed |= before != after || person.usable != facts.usable_sessions;
            if before == Some(State::Active) && after == Some(State::Idle) {
                crossed.went_idle.push(EventPerson {
                    id: id.to_string(),
                    username: person.username().to_string(),
                    idle_seconds: verdict.and_then(|v| v.idle_seconds).unwrap_or(0),
                });
            } else if matches!(before, Some(State::Idle | State::Overdue))
                && !matches!(after, Some(State::Idle | State::Overdue))
            {
                // Back, or gone: either way no longer idle here.
                crossed.came_back.push(id.to_string());
            }
            person.verdict = verdict;
            person.usable = facts.usable_sessions;
            person.last_save = facts.last_save;
            match after {
                Some(State::Active) => counts.active += 1,
                Some(State::Idle) => counts.idle += 1,
                Some(State::Overdue) => counts.overdue += 1,
                Some(State::Stale) => counts.stale += 1,
                Some(State::Unknown) => counts.unknown += 1,
                None => {}
            }
            verdict.is_some() || person.session_count() > 0
        });
        let people = &self.people;
        self.unread_people.retain(|id| people.contains_key(id));
        counts.signed_in = counts.active + counts.idle + counts.overdue + counts.unknown;
        changed |= counts != self.counts;
        if changed {
            self.revision = self.revision.wrapping_add(1);
            self.order = None;
        }
        self.moved = false;
        self.counts = counts;
        self.now = Some(now);
        crossed.revision_moved = changed;
        crossed
    }

    pub fn person(&self, id: &UserId) -> Option<&Person> {
        self.people.get(id)
    }

    /// Everyone with a usable session or the flag.
    pub fn people(&self) -> impl Iterator<Item = (&UserId, &Person)> {
        self.people.iter().filter(|(_, p)| p.verdict.is_some())
    }

    /// Keys of all of a user's sessions that are not expired, usable or not.
    pub fn keys_of(&self, id: &UserId) -> Vec<SessionKey> {
        self.people
            .get(id)
            .map(|p| p.keys().to_vec())
            .unwrap_or_default()
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
    /// cache keeps them unsigned by their auth hash, which is made with the same key.
    pub fn signatures(&self) -> (u32, u32) {
        let hashed = |id: &UserId, session: &Session| {
            let row = self.people.get(id)?.row.as_ref()?;
            // Both have to be there to be compared.
            session.auth_hash.as_ref()?;
            row.password.as_ref()?;
            Some(session.auth_fits)
        };
        let (mut fit, mut do_not) = (0, 0);
        for session in self.sessions.values() {
            let Owner::User(id) = &session.owner else {
                continue;
            };
            let fits = match session.signature {
                Signature::Verified => Some(true),
                Signature::Invalid => Some(false),
                Signature::Unchecked => hashed(id, session),
            };
            match fits {
                Some(true) => fit += 1,
                Some(false) => do_not += 1,
                None => {}
            }
        }
        (fit, do_not)
    }

    /// Takes these sessions out at once, without waiting for the next listing.
    pub fn forget(&mut self, keys: &[SessionKey]) {
        for key in keys {
            self.remove_session(key);
        }
    }

    /// Notes that these people's flag was cleared.
    pub fn unflag(&mut self, ids: &[UserId]) {
        for id in ids {
            if let Some(row) = self.people.get_mut(id).and_then(|p| p.row.as_mut()) {
                row.flagged = false;
                self.moved = true;
            }
        }
    }
}

//! Sessions of impersonators: which other users a session belongs to besides its owner. A side table, for such sessions are
//! rare.
//! Invariant: a person whom this table names stays in memory, so that the name is known.

use std::collections::HashMap;

use jiff::Timestamp;

use super::people::People;
use super::{Person, Roster};
use crate::django::session::Impersonation;
use crate::policy::Facts;
use crate::store::{IdForm, UserId};
use crate::view::State;

/// What [`Impersonation`] says, with ids as the roster knows them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Links {
    pub returns_to: Vec<UserId>,
    pub acts_as: Option<UserId>,
}

impl Links {
    pub fn of(read: Impersonation, ids: IdForm) -> Box<Self> {
        Box::new(Self {
            returns_to: read.returns_to.iter().map(|id| ids.id(id)).collect(),
            acts_as: read.acts_as.as_deref().map(|id| ids.id(id)),
        })
    }

    fn users(&self) -> impl Iterator<Item = &UserId> {
        self.returns_to.iter().chain(&self.acts_as)
    }
}

/// The links of all sessions, by row and by user.
#[derive(Default)]
pub(super) struct Acting {
    by_row: HashMap<u32, Box<Links>>,
    by_user: HashMap<UserId, Vec<u32>>,
}

impl Acting {
    pub fn of(&self, row: u32) -> Option<&Links> {
        // Nearly always nobody impersonates anybody.
        match self.by_row.is_empty() {
            true => None,
            false => self.by_row.get(&row).map(|links| &**links),
        }
    }

    /// Rows that name this user beside their owner.
    pub fn rows(&self, id: &str) -> &[u32] {
        match self.by_user.is_empty() {
            true => &[],
            false => self.by_user.get(id).map_or(&[], Vec::as_slice),
        }
    }

    /// Everybody whom a session of an impersonator names. Their facts hang on each other.
    pub fn users(&self) -> impl Iterator<Item = &UserId> {
        self.by_user.keys()
    }

    /// Replaces the links of a row. Touches everybody whom they named or name.
    pub fn set(&mut self, row: u32, links: Option<Box<Links>>, people: &mut People) {
        if let Some(before) = self.by_row.remove(&row) {
            for id in before.users() {
                if let Some(rows) = self.by_user.get_mut(id) {
                    rows.retain(|other| *other != row);
                    if rows.is_empty() {
                        self.by_user.remove(id);
                    }
                }
                if let Some(number) = people.find(id.as_str()) {
                    people.touch(number);
                }
            }
        }
        let Some(links) = links else {
            return;
        };
        for id in links.users() {
            let rows = self.by_user.entry(id.clone()).or_default();
            if !rows.contains(&row) {
                rows.push(row);
            }
            let number = people.enter(id.as_str());
            people.touch(number);
        }
        self.by_row.insert(row, links);
    }
}

/// What the sessions in which someone acts as somebody else add to their facts.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Borrowed {
    /// Usable sessions of other users in which this person is at work.
    pub sessions: u32,
    last_save: Option<Timestamp>,
    /// The site writes this activity for the user as whom they act.
    activity: Option<Timestamp>,
    observed: Option<Timestamp>,
    /// When one of these sessions ends first, in microseconds since 1970.
    pub ends: Option<i64>,
}

impl Borrowed {
    fn borrow(&mut self, other: &Person) {
        self.activity = self.activity.max(other.last_activity());
        self.observed = self.observed.max(other.observed());
    }

    pub fn add_to(&self, facts: Facts) -> Facts {
        Facts {
            last_activity: facts.last_activity.max(self.activity),
            last_save: facts.last_save.max(self.last_save),
            observed: facts.observed.max(self.observed),
            usable_sessions: facts.usable_sessions + self.sessions,
            ..facts
        }
    }
}

/// Who acts as whom in one session, by name.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Actors {
    pub impersonator: String,
    pub acts_as: String,
}

impl Roster {
    /// Numbers of the sessions that belong to this person: their own, and those in which they act as somebody else or
    /// somebody else acts as them.
    pub(super) fn all_of<'a>(&'a self, person: &Person) -> impl Iterator<Item = u32> + 'a {
        let own = person.numbers(&self.rows);
        let linked = self.acting.rows(person.id_text()).iter().copied();
        let other = self.people.find(person.id_text());
        // A session may name its own owner, too.
        own.chain(linked.filter(move |row| Some(self.rows[*row].person) != other))
    }

    /// What this person does as somebody else, at `now`.
    pub(super) fn borrowed(&self, number: u32, now: Timestamp) -> Borrowed {
        let mut borrowed = Borrowed::default();
        let Some(person) = self.people.get(number) else {
            return borrowed;
        };
        if self.acting.by_row.is_empty() {
            return borrowed;
        }
        let id = person.id();
        let usable = |row: u32, owner: &Person| owner.refusal(&self.rows[row], now).is_none();
        for row in person.numbers(&self.rows) {
            let acts_as = self.acting.of(row).and_then(|links| links.acts_as.as_ref());
            let other = acts_as.filter(|other| **other != id);
            if let Some(other) = other.and_then(|other| self.person(other))
                && usable(row, person)
            {
                borrowed.borrow(other);
            }
        }
        for row in self.acting.rows(id.as_str()).iter().copied() {
            let returns = self
                .acting
                .of(row)
                .is_some_and(|l| l.returns_to.contains(&id));
            let owner = self.people.get(self.rows[row].person);
            let Some(owner) = owner.filter(|owner| returns && owner.id() != id) else {
                continue;
            };
            if usable(row, owner) {
                let row = &self.rows[row];
                borrowed.sessions += 1;
                borrowed.last_save = borrowed.last_save.max(row.saved());
                borrowed.ends = match borrowed.ends {
                    Some(ends) => Some(ends.min(row.expires_at())),
                    None => Some(row.expires_at()),
                };
                borrowed.borrow(owner);
            }
        }
        borrowed
    }

    /// How many usable sessions of other users this person is at work in, as of the last settling.
    pub fn sessions_as_others(&self, person: &Person) -> u32 {
        let number = self.people.find(person.id_text());
        let settled = number.zip(self.now);
        settled.map_or(0, |(number, now)| self.borrowed(number, now).sessions)
    }

    /// Everybody who acts as this person in a usable session of theirs.
    pub fn impersonators_of(&self, person: &Person, now: Timestamp) -> Vec<&Person> {
        let usable = person.numbers(&self.rows);
        let usable = usable.filter(|row| person.refusal(&self.rows[*row], now).is_none());
        let links = usable.filter_map(|row| self.acting.of(row));
        let ids = links.flat_map(|links| links.returns_to.iter());
        ids.filter_map(|id| self.person(id)).collect()
    }

    /// The impersonation of a session.
    pub(super) fn actors(&self, row: u32) -> Option<Actors> {
        let links = self.acting.of(row)?;
        let owner = self.people.get(self.rows[row].person);
        let owner = owner.map_or_else(String::new, name);
        let called = |id: &UserId| match self.person(id) {
            Some(person) => name(person),
            None => format!("id:{id}"),
        };
        Some(Actors {
            impersonator: links
                .returns_to
                .first()
                .map_or_else(|| owner.clone(), called),
            acts_as: links.acts_as.as_ref().map_or(owner, called),
        })
    }

    /// Everybody who acts as this person now, and everybody as whom this person acts, by name.
    pub(super) fn acting_of(&self, person: &Person) -> (Vec<String>, Vec<String>) {
        let (mut by, mut acts_as) = (Vec::new(), Vec::new());
        if self.acting.by_row.is_empty() {
            return (by, acts_as);
        }
        for row in self.all_of(person) {
            let Some(actors) = self.actors(row) else {
                continue;
            };
            let own = name(person);
            if actors.acts_as == own && actors.impersonator != own {
                by.push(actors.impersonator);
            } else if actors.impersonator == own && actors.acts_as != own {
                acts_as.push(actors.acts_as);
            }
        }
        for names in [&mut by, &mut acts_as] {
            names.sort();
            names.dedup();
        }
        (by, acts_as)
    }

    /// The user as whom this person is at work: their own evidence is not written meanwhile. `None` if they act as nobody,
    /// or if that user was not seen since the cutoff either.
    pub fn at_work_as(&self, person: &Person, now: Timestamp, cutoff: Timestamp) -> Option<&str> {
        let id = person.id();
        let lets_in = |row: u32| {
            let owner = self.people.get(self.rows[row].person)?;
            owner
                .refusal(&self.rows[row], now)
                .is_none()
                .then_some(owner)
        };
        let awake = |other: &Person| {
            let state = other.state();
            let seen = other.last_activity().is_some_and(|at| at > cutoff);
            (seen || matches!(state, Some(State::Active | State::Idle))) && other.id() != id
        };
        let own = person.numbers(&self.rows).filter_map(|row| {
            let acts_as = self.acting.of(row)?.acts_as.as_ref()?;
            lets_in(row)?;
            self.person(acts_as)
        });
        let linked = self.acting.rows(id.as_str()).iter().filter_map(|row| {
            let links = self.acting.of(*row)?;
            links.returns_to.contains(&id).then(|| lets_in(*row))?
        });
        own.chain(linked)
            .find(|other| awake(other))
            .map(Person::username)
    }
}

/// Whether a session names this person beside its owner.
pub(super) fn is_named(acting: &Acting, person: &Person) -> bool {
    !acting.rows(person.id_text()).is_empty()
}

fn name(person: &Person) -> String {
    match person.username() {
        "" => format!("id:{}", person.id_text()),
        name => name.to_owned(),
    }
}

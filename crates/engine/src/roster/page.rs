//! Pages of rows in the order the asker wants. The order is made once for a question and a revision, and kept while
//! people scroll.

use super::Roster;
use super::person::Person;
use super::rows::NONE;
use crate::config::Exempt;
use crate::view::{Filter, Page, Query, Sort, State};

/// The people of one question, in its order.
pub struct Order {
    query: Query,
    people: Vec<u32>,
}

impl Roster {
    /// The rows that a question asks for.
    pub fn page(&mut self, query: &Query, exempt: &Exempt) -> Page {
        let question = Query {
            offset: 0,
            limit: 0,
            ..query.clone()
        };
        if self.order.as_ref().is_none_or(|o| o.query != question) {
            let people = self.sorted(&question);
            self.order = Some(Order {
                query: question,
                people,
            });
        }
        let people = self.order.as_ref().map_or(&[][..], |o| &o.people);
        let rows = people
            .iter()
            .skip(query.offset as usize)
            .take(query.limit as usize)
            .filter_map(|number| self.people.get(*number))
            .map(|person| self.row(person, exempt))
            .collect();
        Page {
            revision: self.revision,
            total: u32::try_from(people.len()).unwrap_or(u32::MAX),
            offset: query.offset,
            rows,
        }
    }

    fn sorted(&mut self, query: &Query) -> Vec<u32> {
        self.names.repair(&self.people);
        let mut keys: Vec<u128> = Vec::new();
        let mut take = |number: u32, person: &Person| {
            if fits(person, query.filter) {
                // The question's own key, then the name, and the number to find them by.
                let key = u128::from(self.key(number, person, query)) << 64;
                let name = u128::from(self.names.by_name.place(number)) << 32;
                keys.push(key | name | u128::from(number));
            }
        };
        let needle = query.search.trim().to_lowercase();
        if needle.is_empty() {
            for (number, person) in self.people.iter() {
                take(number, person);
            }
        } else {
            let by_id = self.people.find(&needle);
            let found = |number| {
                if Some(number) != by_id
                    && let Some(person) = self.people.get(number)
                {
                    take(number, person);
                }
            };
            self.names.search(&needle, found);
            if let Some(number) = by_id
                && let Some(person) = self.people.get(number)
            {
                take(number, person);
            }
        }
        keys.sort_unstable();
        // The number is what is left of it in 32 bits.
        keys.into_iter().map(|key| key as u32).collect()
    }

    /// What a question sorts by, as a number. What is not known stands last, whichever way the rest is turned.
    fn key(&self, number: u32, person: &Person, query: &Query) -> u64 {
        let place = |place: u32| (place != NONE).then_some(u64::from(place));
        let standing = person.standing.as_ref();
        let at = standing
            .and_then(|standing| standing.seen_at())
            .map(ordered);
        let key = match query.sort {
            Sort::State => standing.map(|standing| standing.state as u64),
            Sort::Username => place(self.names.by_name.place(number)),
            Sort::Email => match person.email() {
                Some(_) => place(self.names.by_email.place(number)),
                None => None,
            },
            Sort::LastSeen => at,
            // Who is active is not idle at all: their rows keep still while they act. Least idle is last seen latest.
            Sort::Idle => match person.state() {
                Some(State::Active) => Some(0),
                _ => at.map(|at| u64::MAX - at),
            },
            Sort::Sessions => Some(u64::from(person.usable())),
            Sort::Role => {
                let rank = u64::from(person.is_superuser()) << 1;
                Some(rank | u64::from(person.is_staff()))
            }
            Sort::Evidence => person.evidence().map(|source| source as u64),
        };
        match key {
            Some(key) if query.descending => (u64::MAX - 1).saturating_sub(key),
            Some(key) => key.min(u64::MAX - 1),
            None => u64::MAX,
        }
    }
}

/// A number of either sign as one that sorts alike.
fn ordered(number: i64) -> u64 {
    number.cast_unsigned() ^ 1 << 63
}

fn fits(person: &Person, filter: Filter) -> bool {
    let Some(state) = person.state() else {
        return false;
    };
    match filter {
        Filter::Everyone => true,
        Filter::SignedIn => state != State::Stale,
        Filter::Active => state == State::Active,
        Filter::Idle => state == State::Idle,
        Filter::Overdue => state == State::Overdue,
        Filter::Stale => state == State::Stale,
        Filter::Unknown => state == State::Unknown,
    }
}

//! Judging people at a moment: those of whom something is new, and those whose state time alone has changed.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use jiff::{SignedDuration, Timestamp};

use super::Roster;
use super::acting::is_named;
use super::person::{Made, Person, Touch};
use super::rows::{NONE, Rows};
use super::standing::Standing;
use crate::event::Person as EventPerson;
use crate::policy::{AHEAD, Facts, Rules, judge};
use crate::view::{Counts, State};

/// When whose state may change next. Of someone's entries the one that they name themselves counts.
#[derive(Default)]
pub(super) struct Alarms(BinaryHeap<Reverse<(i64, u32)>>);

impl Alarms {
    fn set(&mut self, at: i64, number: u32) {
        if at < i64::MAX {
            self.0.push(Reverse((at, number)));
        }
    }

    /// Whoever is due at this moment.
    fn ring(&mut self, now: i64, mut due: impl FnMut(u32, i64)) {
        while let Some(Reverse((at, number))) = self.0.peek().copied()
            && at <= now
        {
            self.0.pop();
            due(number, at);
        }
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Lets go of those that count no more, where they are most of it.
    fn tidy(&mut self, people: u32, counts: impl Fn(u32, i64) -> bool) {
        if self.0.len() > 1024 + 4 * people as usize {
            self.0.retain(|Reverse((at, number))| counts(*number, *at));
        }
    }
}

/// Who crossed the line at a settling.
#[derive(Debug, Default)]
pub struct Crossed {
    pub went_idle: Vec<EventPerson>,
    pub came_back: Vec<String>,
    pub revision_moved: bool,
}

/// The database's time between two looks is reckoned from its last answer, which was under way for an unknown while: the
/// next answer may be less by so much, though no clock went back.
const WAVER: SignedDuration = SignedDuration::from_secs(1);

impl Roster {
    /// Judges people at the database's `now`, counts, and forgets who is neither signed in nor flagged.
    pub fn settle(&mut self, now: Timestamp, rules: &Rules) -> Crossed {
        let mut crossed = Crossed::default();
        let mut changed = std::mem::take(&mut self.moved);
        let before = self.now.filter(|b| b.duration_since(now) <= WAVER);
        let now = before.map_or(now, |before| now.max(before));
        // Other rules, or a clock that went back: what was made of people holds no more.
        let anew = self.rules != Some(*rules) || self.now.is_none_or(|before| now < before);
        let entwined: Vec<u32> = self
            .acting
            .users()
            .filter_map(|id| self.people.find(id.as_str()))
            .collect();
        for number in entwined {
            self.people.touch(number);
        }
        let mut those = self.people.take_touched();
        if anew {
            those = self.people.iter().map(|(number, _)| number).collect();
        } else {
            let people = &self.people;
            self.alarms.ring(now.as_microsecond(), |number, at| {
                if people.get(number).is_some_and(|p| p.due == at) {
                    those.push(number);
                }
            });
        }
        for number in those {
            changed |= self.judge(number, now, rules, anew, &mut crossed);
        }
        let people = &self.people;
        let counts = |number: u32, at| people.get(number).is_some_and(|p| p.due == at);
        self.alarms.tidy(people.end(), counts);
        self.names.repair(&self.people);
        self.people.sort_out_unread();

        let tally = &mut self.tally;
        tally.signed_in = tally.active + tally.idle + tally.overdue + tally.unknown;
        changed |= *tally != self.counts;
        if changed {
            self.revision = self.revision.wrapping_add(1);
            self.order = None;
        }
        self.counts = *tally;
        self.now = Some(now);
        self.rules = Some(*rules);
        crossed.revision_moved = changed;
        crossed
    }

    /// Judges one person, and says whether anything of them is other than before.
    fn judge(
        &mut self,
        number: u32,
        now: Timestamp,
        rules: &Rules,
        anew: bool,
        crossed: &mut Crossed,
    ) -> bool {
        let borrowed = self.borrowed(number, now);
        let Some(person) = self.people.get_mut(number) else {
            return false;
        };
        let touched = std::mem::take(&mut person.touched);
        person.settle_observed(now);
        let by_save = touched == Touch::Save && !anew && now.as_microsecond() < person.due;
        let (made, due) = match by_save {
            // Not before that moment does any of their sessions end.
            true => (person.made, person.due),
            false => walk(person, &mut self.rows, now),
        };
        let facts = borrowed.add_to(person.facts(&made));
        let due = due.min(borrowed.ends.unwrap_or(i64::MAX));
        let verdict = judge(&facts, now, rules);
        let (before, after) = (person.state(), verdict.map(|v| v.state));
        if before == Some(State::Active) && after == Some(State::Idle) {
            crossed.went_idle.push(EventPerson {
                id: person.id_text().to_string(),
                username: person.username().to_string(),
                idle_seconds: verdict.and_then(|v| v.idle_seconds).unwrap_or(0),
            });
        } else if matches!(before, Some(State::Idle | State::Overdue))
            && !matches!(after, Some(State::Idle | State::Overdue))
        {
            // Back, or gone: either way no longer idle here.
            crossed.came_back.push(person.id_text().to_string());
        }
        let changed = before != after || person.made.usable != made.usable;
        count(&mut self.tally, before, &person.made, false);
        count(&mut self.tally, after, &made, true);
        self.fit = self.fit - person.made.fit + made.fit;
        self.unfit = self.unfit - person.made.unfit + made.unfit;
        (person.standing, person.made) = (verdict.as_ref().map(Standing::of), made);
        // Who is active stays so for longer by a save: what was to change next comes no earlier, and is reckoned anew then.
        let active = Some(State::Active);
        let stays = by_save && before == active && after == active;
        let due = match stays && verdict.is_some_and(|verdict| verdict.fault.is_none()) {
            true => due,
            false => due.min(next_change(&facts, now, rules)),
        };
        let other = std::mem::replace(&mut person.due, due) != due;
        if verdict.is_none() && person.sessions == 0 && !is_named(&self.acting, person) {
            self.names.forget(number);
            self.people.remove(number);
        } else if other {
            // The same moment is set already: an alarm that rang is over, and the next is later.
            self.alarms.set(due, number);
        }
        changed
    }
}

/// What someone's sessions come to, and when the next of them ends. Takes those that have gone out of the chain.
fn walk(person: &mut Person, rows: &mut Rows, now: Timestamp) -> (Made, i64) {
    let (mut made, mut due) = (Made::NOTHING, i64::MAX);
    let (mut before, mut next) = (NONE, person.first);
    while next != NONE {
        let number = next;
        let row = rows[number];
        next = row.next;
        if row.is_gone() {
            match before {
                NONE => person.first = next,
                before => rows[before].next = next,
            }
            rows.release(number);
            continue;
        }
        before = number;
        match person.refusal(&row, now) {
            None => {
                made.usable += 1;
                made.saved(row.saved_at());
            }
            Some(_) => made.rejected += 1,
        }
        match person.key_fits(&row) {
            Some(true) => made.fit += 1,
            Some(false) => made.unfit += 1,
            None => {}
        }
        if row.expires() > now {
            due = due.min(row.expires_at());
        }
    }
    (made, due)
}

fn count(tally: &mut Counts, state: Option<State>, made: &Made, comes: bool) {
    let mut add = |field: fn(&mut Counts) -> &mut u32, number: u32| {
        let field = field(tally);
        *field = match comes {
            true => field.saturating_add(number),
            false => field.saturating_sub(number),
        };
    };
    add(|c| &mut c.sessions, made.usable);
    add(|c| &mut c.rejected_sessions, made.rejected);
    match state {
        Some(State::Active) => add(|c| &mut c.active, 1),
        Some(State::Idle) => add(|c| &mut c.idle, 1),
        Some(State::Overdue) => add(|c| &mut c.overdue, 1),
        Some(State::Stale) => add(|c| &mut c.stale, 1),
        Some(State::Unknown) => add(|c| &mut c.unknown, 1),
        None => {}
    }
}

/// The next moment, in microseconds, at which the same facts may be judged otherwise. Too early does no harm.
fn next_change(facts: &Facts, now: Timestamp, rules: &Rules) -> i64 {
    let now = now.as_microsecond();
    let mut next = i64::MAX;
    let mut at = |moment: i64| {
        if moment > now {
            next = next.min(moment);
        }
    };
    let limits = [rules.idle_after, rules.limit()];
    let limits = limits.map(|limit| i64::try_from(limit.as_micros()).unwrap_or(i64::MAX));
    let ahead = AHEAD.as_secs() * 1_000_000;
    let sources = [
        facts.last_activity,
        facts.last_login,
        facts.last_save,
        facts.observed,
    ];
    for seen in sources.into_iter().flatten() {
        let seen = seen.as_microsecond();
        // What is too far in the future counts once it is near enough.
        at(seen.saturating_sub(ahead));
        for limit in limits {
            let line = seen.saturating_add(limit);
            at(line);
            // Overdue is past the line, not on it.
            at(line.saturating_add(1));
        }
    }
    next
}

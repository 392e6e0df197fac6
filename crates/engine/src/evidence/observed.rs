//! What refreshes saw move, in this run and in earlier ones: steps between the values of one user, and records whose timestamps
//! are older than the refresh before.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use super::grain::Steps;
use super::kept::{self, Kept};
use super::skew::{self, Lag};
use super::survey::Survey;
use super::{AGREE, MINUTES};
use crate::roster::{Move, Moved, Roster};

/// Values and users that are kept.
const SAMPLE: usize = 200;
const USERS: usize = 20;
const MOVED: usize = 10_000;
/// Between two surveys, and between two writings of what is kept.
const EVERY: Duration = Duration::from_secs(30);
/// Refreshes so close skip no value of a column that moves more coarsely than they come.
const CLOSE: SignedDuration = SignedDuration::from_secs(10);
/// A refresh reads every user again within this time at the latest.
const IN_TURN: SignedDuration = SignedDuration::from_secs(120);

/// What one open site has learned about its evidence.
#[derive(Debug)]
pub(crate) struct Ledger {
    path: PathBuf,
    kept: Kept,
    /// Users' values from an earlier run, until the first refresh has compared them.
    earlier: Option<(Timestamp, BTreeMap<String, i64>)>,
    pub survey: Survey,
    surveyed: Option<Instant>,
    written: Option<Instant>,
    /// The first refresh of this run, and the database's time of the last.
    first: Option<Instant>,
    last: Option<Timestamp>,
    learned: bool,
    /// Users whose activity moved in this run, at most so many.
    moved: HashSet<String>,
}

impl Ledger {
    /// Reads what earlier runs have learned about this source.
    pub fn open(path: PathBuf, source: &str) -> Self {
        let mut kept = kept::read(&path, source);
        let values = std::mem::take(&mut kept.values);
        Self {
            path,
            earlier: kept.as_of.map(|at| (at, values)),
            kept,
            survey: Survey::default(),
            surveyed: None,
            written: None,
            first: None,
            last: None,
            learned: false,
            moved: HashSet::new(),
        }
    }

    pub fn steps(&self) -> Steps {
        Steps {
            smallest: self.kept.smallest_step_ms.map(Duration::from_millis),
            exact: self.kept.exact_step_ms.map(Duration::from_millis),
            exact_count: self.kept.exact_steps,
        }
    }

    pub fn lags(&self) -> &[Lag] {
        &self.kept.lags
    }

    /// How many users' steps were seen.
    pub fn users(&self) -> usize {
        self.kept.users.len()
    }

    /// When this run refreshed first.
    pub fn first(&self) -> Option<Instant> {
        self.first
    }

    /// Whether it is time for a new survey of everybody.
    pub fn survey_due(&self) -> bool {
        self.surveyed.is_none_or(|at| at.elapsed() >= EVERY)
    }

    pub fn surveyed(&mut self, survey: Survey) {
        self.survey = survey;
        self.surveyed = Some(Instant::now());
    }

    /// Takes in what a refresh at the database's `now` saw move. `saves` says that saves are evidence of inactivity here.
    pub fn refreshed(&mut self, now: Timestamp, moves: &[Move], saves: bool) {
        self.first.get_or_insert_with(Instant::now);
        let before = self.last.replace(now);
        let Some(before) = before else { return };
        let close = now.duration_since(before) <= CLOSE;
        for Move { user, what } in moves {
            match *what {
                Moved::Activity(old, new) => {
                    // The first move of a user ends an absence. From then on, one value follows the other.
                    let working = self.moved.contains(user.as_str());
                    self.step(user.as_str(), new.duration_since(old), close && working);
                    if self.moved.len() < MOVED {
                        self.moved.insert(user.to_string());
                    }
                    self.record(now, before, new);
                }
                Moved::Save(new) if saves => self.record(now, before, new),
                Moved::Save(_) | Moved::SignIn => {}
            }
        }
    }

    /// Compares with the values that an earlier run kept, once.
    pub fn compare(&mut self, roster: &Roster) {
        let (Some((as_of, values)), Some(now)) = (self.earlier.take(), roster.now()) else {
            return;
        };
        let agree = SignedDuration::try_from(AGREE).unwrap_or_default();
        for person in roster.people().filter(|person| person.is_read()) {
            let Some(new) = person.last_activity() else {
                continue;
            };
            let id = person.id();
            let old = values.get(id.as_str()).copied();
            let old = old.and_then(|old| Timestamp::from_microsecond(old).ok());
            let Some(old) = old.filter(|old| *old < new) else {
                continue;
            };
            let by_sign_in = person
                .last_login()
                .is_some_and(|login| new.duration_since(login).abs() <= agree);
            if !by_sign_in {
                self.step(id.as_str(), new.duration_since(old), false);
                self.record(now, as_of, new);
            }
        }
    }

    fn step(&mut self, user: &str, step: SignedDuration, exact: bool) {
        let ms = u64::try_from(step.as_millis()).unwrap_or(0);
        if ms == 0 {
            return;
        }
        let least = |known: &mut Option<u64>| {
            let less = known.is_none_or(|known| ms < known);
            if less {
                *known = Some(ms);
            }
            less
        };
        self.learned |= least(&mut self.kept.smallest_step_ms);
        if exact {
            self.learned |= least(&mut self.kept.exact_step_ms);
            self.kept.exact_steps = self.kept.exact_steps.saturating_add(1);
        }
        if self.kept.users.len() < USERS {
            self.learned |= self.kept.users.insert(user.to_string());
        }
    }

    /// A record that was made since the refresh `before`. Its timestamp cannot honestly be much older than that.
    fn record(&mut self, now: Timestamp, before: Timestamp, stamp: Timestamp) {
        let since = before.checked_sub(IN_TURN).unwrap_or(before);
        let late = since.duration_since(stamp).as_secs() > 0
            && now.duration_since(stamp).unsigned_abs() > MINUTES;
        let seconds = match late {
            true => now.duration_since(stamp).as_secs(),
            false => 0,
        };
        self.learned |= late;
        skew::note(&mut self.kept.lags, Lag { at: now, seconds });
    }

    /// What is to be written now, where anything is, and where to.
    pub fn take_what_is_due(&mut self, roster: &Roster) -> Option<(PathBuf, Kept)> {
        let due = self.written.is_none_or(|at| at.elapsed() >= EVERY);
        if !due && !self.learned {
            return None;
        }
        (self.written, self.learned) = (Some(Instant::now()), false);
        self.kept.as_of = roster.now();
        let mut values: Vec<(i64, String)> = roster
            .people()
            .filter_map(|p| Some((p.last_activity()?.as_microsecond(), p.id().to_string())))
            .collect();
        values.sort_unstable_by(|a, b| b.cmp(a));
        values.truncate(SAMPLE);
        let values = values.into_iter().map(|(at, id)| (id, at)).collect();
        Some((
            self.path.clone(),
            Kept {
                values,
                ..self.kept.clone()
            },
        ))
    }
}

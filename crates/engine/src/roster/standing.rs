//! What the last settling made of someone, in few bytes: there is one for each person.

use jiff::Timestamp;

use super::session::{micros, moment};
use crate::policy::Verdict;
use crate::view::{Evidence, State};

/// A verdict, but for its seconds: those are of the moment that asks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Standing {
    /// The newest evidence that can be trusted, in microseconds since 1970.
    seen: i64,
    source: Option<Evidence>,
    fault: Option<Evidence>,
    pub state: State,
    /// Whether that tells for how long they have been idle.
    pub tells: bool,
}

impl Standing {
    pub fn of(verdict: &Verdict) -> Self {
        Self {
            seen: micros(verdict.seen.map(|(at, _)| at)),
            source: verdict.seen.map(|(_, source)| source),
            fault: verdict.fault,
            state: verdict.state,
            tells: verdict.idle_seconds.is_some(),
        }
    }

    pub fn source(&self) -> Option<Evidence> {
        self.source
    }

    pub fn fault(&self) -> Option<Evidence> {
        self.fault
    }

    /// In microseconds since 1970.
    pub fn seen_at(&self) -> Option<i64> {
        self.source.map(|_| self.seen)
    }

    pub fn seen(&self) -> Option<Timestamp> {
        moment(self.seen)
    }
}

const _: () = assert!(size_of::<Option<Standing>>() == 16);

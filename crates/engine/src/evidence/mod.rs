//! Whether a site's evidence is good enough to call a user idle. A timestamp alone is not: a site may write its activity column
//! once a day, or by a clock that is wrong.
//!
//! - `survey`: one pass over the roster, as numbers.
//! - `grain`: how coarsely the evidence moves, and what proves it. Pure.
//! - `skew`: whether the clocks agree. Pure.
//! - `wall`: whether wall-clock columns are read by the clock that wrote them. Pure.
//! - `observed`: what refreshes saw move, in this run and in earlier ones.
//! - `kept`: what is kept of that in the state folder.
//! - `gate`: the guard in front of a sweep, the warnings and the doctor's checks.
//!
//! The rules are written down for operators in docs/configuration.md, "How Curfew decides that evidence is good enough".

mod gate;
mod grain;
mod kept;
mod observed;
mod skew;
mod survey;
#[cfg(test)]
mod tests;
mod wall;

use std::time::Duration;

pub(crate) use gate::{both, ledger};
pub(crate) use observed::Ledger;
pub(crate) use survey::later_save;
pub(crate) use wall::{Misread, Records, Saved};

use crate::error::{Code, Error};

/// Times that differ by no more than this agree. A request is that short, and a grain as fine as this needs no stretched limit.
pub(crate) const AGREE: Duration = Duration::from_secs(60);
/// Clocks that differ by more than this disagree.
pub(crate) const MINUTES: Duration = Duration::from_secs(180);

/// Why no user may be called overdue by this site's evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Doubt {
    pub code: Code,
    pub why: String,
    pub fix: String,
}

impl Doubt {
    fn new(code: Code, why: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            code,
            why: why.into(),
            fix: fix.into(),
        }
    }

    /// As the refusal of a sweep.
    pub fn refusal(&self, site: &str) -> Error {
        let Self { code, why, fix } = self;
        Error::new(
            *code,
            format!("{site}: nobody is signed out, because {why}; {fix}"),
        )
    }
}

/// A duration as a configuration has it, without parts of a second.
fn spoken(duration: Duration) -> String {
    humantime::format_duration(Duration::from_secs(duration.as_secs())).to_string()
}

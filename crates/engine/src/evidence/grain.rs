//! How coarsely a site's evidence moves, and what proves it. Pure.
//!
//! A column that is written once an hour says nothing about the last hour. So inactivity is believed only from a source whose
//! grain is proven, and a proven grain stretches the limit.

use std::time::Duration;

use super::survey::Survey;
use super::{AGREE, Doubt, spoken};
use crate::error::Code;

/// Exact steps from which the smallest is taken for the grain itself.
const ENOUGH: u32 = 10;

/// What the configuration says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Said {
    /// `sign_out_after`.
    pub limit: Duration,
    /// `saved_every_request`.
    pub saves: bool,
    /// `activity_grain`.
    pub grain: Option<Duration>,
}

/// The steps between successive values of the activity column of one user, sign-ins left out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Steps {
    /// The smallest of all. The grain is no coarser.
    pub smallest: Option<Duration>,
    /// The smallest and the number of those that follow another step of the same user in one run, between refreshes so close
    /// that no value was skipped.
    pub exact: Option<Duration>,
    pub exact_count: u32,
}

/// The grain to reckon with, or why none is proven.
pub(crate) fn prove(said: Said, survey: &Survey, steps: Steps) -> Result<Duration, Doubt> {
    if said.saves {
        if survey.later_saves == 0 {
            return Err(Doubt::new(
                Code::Contradicted,
                "saved_every_request is set, but no session of a signed-in user was saved after its sign-in",
                "wait until users have worked on the site, or remove saved_every_request from [site.sessions]",
            ));
        }
        // Each request saves its session, so the saves miss nothing.
        return Ok(Duration::ZERO);
    }
    let floor = floor(survey, steps);
    let (grain, proven) = match said.grain {
        Some(grain) => {
            contradicted(grain, survey, floor)?;
            (grain, true)
        }
        None if pairs(survey) => (Duration::ZERO, true),
        None => match steps.smallest {
            Some(step) if step <= said.limit => (step, true),
            _ => (Duration::ZERO, false),
        },
    };
    let grain = grain.max(floor);
    if grain > said.limit {
        return Err(Doubt::new(
            Code::CoarseGrain,
            format!(
                "this site records activity only once in {}, which is longer than sign_out_after ({})",
                spoken(grain),
                spoken(said.limit)
            ),
            format!("set sign_out_after to {} or longer", spoken(grain)),
        ));
    }
    if !proven {
        return Err(learning(said, steps));
    }
    Ok(if grain <= AGREE {
        Duration::ZERO
    } else {
        grain
    })
}

fn learning(said: Said, steps: Steps) -> Doubt {
    let seen = match steps.smallest {
        None => "Curfew is still learning how often this site records activity".to_string(),
        Some(step) => format!(
            "Curfew is still learning how often this site records activity: the closest two records of one user so far are {} apart, longer than sign_out_after ({})",
            spoken(step),
            spoken(said.limit)
        ),
    };
    Doubt::new(
        Code::Learning,
        seen,
        "try again while users are working on the site, or state activity_grain under [site.activity] (--activity-grain)",
    )
}

/// No grain is finer than this.
fn floor(survey: &Survey, steps: Steps) -> Duration {
    let exact = steps.exact.filter(|_| steps.exact_count >= ENOUGH);
    let truncated = survey.truncated.unwrap_or_default();
    truncated.max(exact.unwrap_or_default())
}

/// Saves and the column move together. A save that agrees with the column shows that its request wrote both; a save that is
/// newer shows a request that the column missed.
fn pairs(survey: &Survey) -> bool {
    let needed = (survey.later_saves / 4).clamp(1, 3);
    let missed = u32::try_from(survey.missed.len()).unwrap_or(u32::MAX);
    survey.agree >= needed && missed.saturating_mul(10) <= survey.agree
}

/// Refuses a stated grain that the data contradict.
fn contradicted(grain: Duration, survey: &Survey, floor: Duration) -> Result<(), Doubt> {
    let beyond = grain.saturating_add(AGREE);
    let missed = survey.missed.iter().filter(|gap| **gap > beyond).count();
    let many = missed >= 3 && missed * 2 > survey.later_saves as usize;
    if floor <= beyond && !many {
        return Ok(());
    }
    let why = match many {
        true => {
            format!("for {missed} users a session was saved later than the activity column says")
        }
        false => format!("the activity column moves only once in {}", spoken(floor)),
    };
    Err(Doubt::new(
        Code::Contradicted,
        format!("activity_grain is stated as {}, but {why}", spoken(grain)),
        "correct activity_grain under [site.activity], or name the right activity column",
    ))
}

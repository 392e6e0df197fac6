//! Whether the clock of the database and the clock that the site writes its records by agree. Pure.
//!
//! The database's clock decides, and this machine's may be wrong. So this machine's clock is a witness only: it counts where it
//! agrees with the site's records against the database.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{AGREE, Doubt, MINUTES, spoken};
use crate::error::Code;

/// How long a late record counts.
const LATELY: SignedDuration = SignedDuration::from_hours(1);
/// The newest records that count.
const MOST: usize = 20;

/// A record that was seen to be made at the database's time `at`, and how much older its own timestamp was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Lag {
    pub at: Timestamp,
    pub seconds: i64,
}

/// Adds a record, and lets go of those that no longer count.
pub(crate) fn note(lags: &mut Vec<Lag>, lag: Lag) {
    lags.push(lag);
    let most = lags.len().saturating_sub(MOST);
    lags.drain(..most);
}

/// What is wrong with the clocks at the database's `now`. `skew` is the database's clock minus this machine's.
pub(crate) fn doubt(
    now: Timestamp,
    skew: Option<SignedDuration>,
    newest: Option<Timestamp>,
    lags: &[Lag],
) -> Option<Doubt> {
    let fix =
        "set the clocks of the database server and of the site's servers (NTP), then sweep again";
    if let Some(late) = late(now, lags) {
        return Some(Doubt::new(
            Code::ClockSkew,
            format!(
                "records that the site has just made bear timestamps of {} ago, so its clock and the database's disagree",
                spoken(late)
            ),
            fix,
        ));
    }
    // How far the database is ahead of this machine, and of the newest record.
    let (skew, gap) = (skew?, now.duration_since(newest?));
    let off = |by: SignedDuration| by.unsigned_abs() > MINUTES;
    if !off(skew) || !off(gap) || (gap - skew).unsigned_abs() > AGREE {
        return None;
    }
    let side = if skew.is_positive() {
        "ahead of"
    } else {
        "behind"
    };
    Some(Doubt::new(
        Code::ClockSkew,
        format!(
            "the database's clock is {} {side} both this machine's clock and the newest record of activity",
            spoken(skew.unsigned_abs())
        ),
        fix,
    ))
}

/// How late the site's records are, where at least half of the recent ones are late.
fn late(now: Timestamp, lags: &[Lag]) -> Option<Duration> {
    let lately = lags
        .iter()
        .filter(|lag| now.duration_since(lag.at) <= LATELY);
    let mut all: Vec<u64> = lately
        .map(|lag| u64::try_from(lag.seconds).unwrap_or(0))
        .collect();
    all.sort_unstable();
    let median = Duration::from_secs(*all.get(all.len() / 2)?);
    (median > MINUTES).then_some(median)
}

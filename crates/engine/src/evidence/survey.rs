//! One pass over the roster: how the sources of evidence stand to each other. Pure.

use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::AGREE;
use crate::policy::AHEAD;
use crate::roster::{Person, Roster};

/// One request writes the column and saves its session within this time.
const ONE_REQUEST: Duration = Duration::from_secs(10);
const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;

/// What the users of a site show together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Survey {
    /// Signed-in users whose activity column holds a value.
    pub with_activity: u32,
    /// Signed-in users of whom a session was saved after its sign-in.
    pub later_saves: u32,
    /// Of those, users whose column was written by the request of that save.
    pub agree: u32,
    /// Of those, users whose column is older than that save, and the gaps: activity that the column missed.
    pub missed: Vec<Duration>,
    /// All values of the column are truncated to this. `None`: they are not.
    pub truncated: Option<Duration>,
    /// The newest evidence of all users. It may be in the future.
    pub newest: Option<Timestamp>,
}

impl Survey {
    /// Surveys a settled roster. Midnights are those of `zone`, or of UTC.
    pub fn of(roster: &Roster, zone: Option<&TimeZone>) -> Self {
        let mut survey = Self::default();
        let now = roster.now().unwrap_or(Timestamp::MIN);
        let horizon = now.checked_add(AHEAD).unwrap_or(Timestamp::MAX);
        let mut unit = None;
        for person in roster.people().filter(|person| person.is_read()) {
            let (activity, save) = (person.last_activity(), person.last_save());
            let newest = activity.max(save).max(person.last_login());
            survey.newest = survey.newest.max(newest);
            if let Some(at) = activity {
                let own = unit_of(at, zone);
                unit = Some(unit.map_or(own, |unit: i64| unit.min(own)));
            }
            if person.usable() == 0 {
                continue;
            }
            survey.with_activity += u32::from(activity.is_some());
            let Some(save) = later_save(person).filter(|save| *save <= horizon) else {
                continue;
            };
            survey.later_saves += 1;
            let Some(activity) = activity else { continue };
            let ahead = save.duration_since(activity);
            // A save of another request may come within a minute of a throttled record by chance, and proves nothing.
            if ahead.unsigned_abs() <= ONE_REQUEST {
                survey.agree += 1;
            } else if ahead.is_positive() && ahead.unsigned_abs() > AGREE {
                survey.missed.push(ahead.unsigned_abs());
            }
        }
        survey.truncated = unit
            .and_then(|unit| u64::try_from(unit).ok())
            .and_then(|unit| (unit > 0).then_some(Duration::from_secs(unit)));
        survey
    }
}

/// Their newest save, where it is not the one of a sign-in.
pub(crate) fn later_save(person: &Person) -> Option<Timestamp> {
    let (save, login) = person.last_save().zip(person.last_login())?;
    let after = SignedDuration::try_from(AGREE).ok()?;
    (save.duration_since(login) > after).then_some(save)
}

/// The longest of a day and an hour that this moment is a multiple of, in seconds; 0 where it is neither.
fn unit_of(at: Timestamp, zone: Option<&TimeZone>) -> i64 {
    let zones = [Some(&TimeZone::UTC), zone];
    let units = zones.into_iter().flatten().map(|zone| {
        let time = at.to_zoned(zone.clone()).time();
        let whole = (time.minute(), time.second(), time.subsec_nanosecond()) == (0, 0, 0);
        match (whole, time.hour()) {
            (true, 0) => DAY,
            (true, _) => HOUR,
            (false, _) => 0,
        }
    });
    units.max().unwrap_or(0)
}

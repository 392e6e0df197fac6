//! Whether wall-clock columns are read by the clock that wrote them. Pure.
//!
//! Without USE_TZ, MySQL and SQLite hold the wall clock of the site's TIME_ZONE and do not say which zone that is. A signed
//! session holds the moment of its save in UTC. So a column that was written together with a save shows the difference.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::spoken;

/// Zones differ by a multiple of this.
const STEP: i64 = 15 * 60;
/// No zone is farther from another.
const FARTHEST: i64 = 26 * 3_600;
/// Two columns that one request writes differ by no more than this.
const ONE_REQUEST: i64 = 5;

/// A session with the moment of its save.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Saved {
    pub at: Timestamp,
    /// As it is read.
    pub expires: Timestamp,
    /// The age in seconds, if the session has one of its own.
    pub age: Option<i64>,
}

/// How wrong wall-clock times are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Misread {
    /// Too early by this, or too late if it is negative.
    Early(SignedDuration),
    /// Sessions seem to end before they were saved. By how much the times are wrong is not known.
    Unknown,
}

impl Misread {
    pub const FIX: &str = "Set time_zone under [[site]] to the site's TIME_ZONE";

    /// What is wrong, as a part of a sentence.
    pub fn why(self) -> String {
        match self {
            Self::Early(by) => {
                let side = if by.is_positive() { "early" } else { "late" };
                let by = spoken(by.unsigned_abs());
                format!("times in the database are read {by} too {side}")
            }
            Self::Unknown => "sessions seem to end before they were saved".to_owned(),
        }
    }
}

/// What the sessions and the sign-ins show together. `age`: SESSION_COOKIE_AGE, or Django's default. `logins`: of each user,
/// the newest save and the sign-in.
pub(crate) fn misread(
    sessions: &[Saved],
    age: SignedDuration,
    logins: impl Iterator<Item = (Timestamp, Timestamp)>,
) -> Option<Misread> {
    // One session that ends after exactly that age shows that the dates are read right. Without sessions, nothing is shown.
    let right = |one: &Saved| {
        let ends = one.expires.duration_since(one.at).saturating_sub(age);
        one.age.is_none() && ends.as_secs().abs() <= ONE_REQUEST
    };
    if sessions.is_empty() || sessions.iter().any(right) {
        return None;
    }
    let own_ages = sessions.iter().filter_map(|one| {
        let ends = SignedDuration::from_secs(one.age.filter(|age| *age > 0)?);
        Some(one.at.checked_add(ends).ok()?.duration_since(one.expires))
    });
    let logins = logins.map(|(save, login)| save.duration_since(login));
    let mut votes: BTreeMap<i64, usize> = BTreeMap::new();
    let mut all = 0;
    for difference in own_ages.chain(logins).map(|one| one.as_secs()) {
        if difference.abs() > FARTHEST {
            continue;
        }
        all += 1;
        let nearest = (difference + STEP / 2).div_euclid(STEP) * STEP;
        if (difference - nearest).abs() <= ONE_REQUEST {
            *votes.entry(nearest).or_default() += 1;
        }
    }
    let agree = votes.remove(&0).unwrap_or(0);
    let most = votes.into_iter().max_by_key(|(_, votes)| *votes);
    // A user who comes back a quarter of an hour after the sign-in looks the same. Several users of one difference do not.
    if let Some((seconds, votes)) = most
        && votes >= 2
        && votes > agree
        && votes * 4 >= all
    {
        return Some(Misread::Early(SignedDuration::from_secs(seconds)));
    }
    let ended = |one: &Saved| one.age.is_none() && one.expires <= one.at;
    sessions.iter().any(ended).then_some(Misread::Unknown)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    fn of(ages: &[(i64, Option<i64>)], logins: &[i64]) -> Option<Misread> {
        let sessions: Vec<Saved> = ages
            .iter()
            .map(|(ends, age)| Saved {
                at: at(0),
                expires: at(*ends),
                age: *age,
            })
            .collect();
        let age = SignedDuration::from_hours(14 * 24);
        misread(
            &sessions,
            age,
            logins.iter().map(|after| (at(*after), at(0))),
        )
    }

    #[test]
    fn sign_ins_and_saves_of_one_request_show_the_zone() {
        let hours = SignedDuration::from_hours;
        let sessions = [(20 * HOUR, None)];
        let of = |logins: &[i64]| of(&sessions, logins);
        assert_eq!(
            of(&[8 * HOUR + 1, 8 * HOUR, 700]),
            Some(Misread::Early(hours(8)))
        );
        assert_eq!(
            of(&[-9 * HOUR, -9 * HOUR + 2]),
            Some(Misread::Early(-hours(9)))
        );
        // India's clock is half an hour off.
        let half = SignedDuration::from_mins(330);
        assert_eq!(of(&[-half.as_secs(); 3]), Some(Misread::Early(-half)));
        // One user proves nothing, nor do users who came back at other times.
        assert_eq!(of(&[8 * HOUR]), None);
        assert_eq!(of(&[0, 1, 0, 8 * HOUR, 8 * HOUR]), None);
        assert_eq!(of(&[HOUR, 3 * HOUR + 77, 900, 4_000]), None);
        assert_eq!(of(&[30 * HOUR, 30 * HOUR]), None);
    }

    #[test]
    fn one_session_of_the_sites_age_shows_that_dates_are_read_right() {
        let fortnight = 14 * 24 * HOUR;
        assert_eq!(of(&[(fortnight + 1, None)], &[HOUR; 5]), None);
        assert_eq!(of(&[(-HOUR, None), (fortnight, None)], &[HOUR; 5]), None);
        assert_eq!(of(&[], &[HOUR; 5]), None);
    }

    #[test]
    fn a_session_does_not_end_before_its_save() {
        assert_eq!(of(&[(-7 * HOUR, None)], &[]), Some(Misread::Unknown));
        assert_eq!(of(&[(HOUR, None)], &[]), None);
        // `set_expiry` with a moment of the past, or with no time at all.
        assert_eq!(of(&[(-HOUR, Some(0)), (-HOUR, Some(-5))], &[]), None);
        // Ages of their own show the difference.
        let own = (-7 * HOUR, Some(HOUR));
        let early = Misread::Early(SignedDuration::from_hours(8));
        assert_eq!(of(&[own, own], &[]), Some(early));
    }
}

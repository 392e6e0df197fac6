//! Whether wall-clock columns are read by the clock that wrote them. Pure.
//!
//! Without USE_TZ, MySQL and SQLite hold the wall clock of the site's TIME_ZONE and do not say which zone that is. A signed
//! session holds the moment of its save in UTC. So a column that was written together with a save shows the difference.

use std::collections::BTreeMap;

use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};

use super::spoken;
use crate::store::zone::highest;

/// Zones differ by a multiple of this.
const STEP: i64 = 15 * 60;
/// No zone is farther from another.
const FARTHEST: i64 = 26 * 3_600;
/// No zone is farther from UTC.
const FROM_UTC: i64 = 14 * 3_600;
/// Clocks that are merely wrong differ by less than this.
const CLOCKS: i64 = 30 * 60;
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

/// By how much wall-clock times are read wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// Too early by this, or too late if it is negative.
    By(SignedDuration),
    /// The same, by at least this.
    AtLeast(SignedDuration),
}

/// How wrong wall-clock times are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Misread {
    pub wrong: Wrong,
    /// The offset in which they are read.
    pub read_in: Offset,
}

impl Misread {
    pub const FIX: &str = "Set time_zone under [[site]] to the site's TIME_ZONE";

    /// What is wrong, as a part of a sentence.
    pub fn why(self) -> String {
        let (by, least, farther) = match self.wrong {
            Wrong::By(by) => (by, "", ""),
            Wrong::AtLeast(by) if by.is_positive() => (by, "at least ", " or west of it"),
            Wrong::AtLeast(by) => (by, "at least ", " or east of it"),
        };
        let side = if by.is_positive() { "early" } else { "late" };
        let amount = spoken(by.unsigned_abs());
        let text = format!("times in the database are read {least}{amount} too {side}");
        let site = self.read_in.checked_sub(by);
        match site {
            Ok(site) if site == Offset::UTC => {
                format!("{text}, so the site's clock seems to show UTC{farther}")
            }
            Ok(site) => format!("{text}, so the site's clock seems to show UTC{site}{farther}"),
            Err(_) => text,
        }
    }
}

/// What the records of a site show together.
pub(crate) struct Records<'a> {
    /// The database's time.
    pub now: Timestamp,
    /// In which the columns are read.
    pub zone: &'a TimeZone,
    pub sessions: &'a [Saved],
    /// SESSION_COOKIE_AGE, or Django's default.
    pub age: SignedDuration,
    /// Of each user, the newest save and the sign-in.
    pub logins: &'a [(Timestamp, Timestamp)],
    /// Of each user, the newest time in a wall-clock column.
    pub newest: &'a [Timestamp],
}

impl Records<'_> {
    pub fn wrong(&self) -> Option<Wrong> {
        // One session that ends after exactly the site's age shows that the dates are read right.
        let right = |one: &Saved| self.missing(one).is_some_and(|by| by.abs() <= ONE_REQUEST);
        if self.sessions.iter().any(right) {
            return None;
        }
        self.agreed()
            .or_else(|| {
                let by = whole(self.ahead(0)?);
                Some(Wrong::AtLeast(SignedDuration::from_secs(-by)))
            })
            .or_else(|| self.ended())
    }

    /// By how many seconds a session ends earlier than the site's age says. `None`: it has an age of its own.
    fn missing(&self, one: &Saved) -> Option<i64> {
        let by = self.age.saturating_sub(self.lasts(one)).as_secs();
        one.age.is_none().then_some(by)
    }

    /// Without USE_TZ, Django adds the age to the wall's time, even if the clocks change meanwhile.
    fn lasts(&self, one: &Saved) -> SignedDuration {
        let wall = |at: Timestamp| self.zone.to_datetime(at);
        wall(one.expires).duration_since(wall(one.at))
    }

    /// The difference on which several records agree.
    fn agreed(&self) -> Option<Wrong> {
        // Without sessions, nothing says that a user did not come back an hour after the sign-in.
        if self.sessions.is_empty() {
            return None;
        }
        // A site whose age nobody stated may have another age. An age as near to the default as this is rare.
        let ages = self.sessions.iter().filter_map(|one| self.missing(one));
        let ages = ages.filter(|by| by.abs() <= FROM_UTC);
        let own_ages = self.sessions.iter().filter_map(|one| {
            let ends = SignedDuration::from_secs(one.age.filter(|age| *age > 0)?);
            Some(ends.saturating_sub(self.lasts(one)).as_secs())
        });
        let logins = self.logins.iter();
        let logins = logins.map(|(save, login)| save.duration_since(*login).as_secs());
        let mut votes: BTreeMap<i64, usize> = BTreeMap::new();
        let mut all = 0;
        for difference in ages.chain(own_ages).chain(logins) {
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
        // Nothing happens later than now by the site's own clock either.
        votes.retain(|seconds, _| self.ahead(*seconds).is_none());
        let (seconds, most) = votes.into_iter().max_by_key(|(_, votes)| *votes)?;
        // A user who comes back a quarter of an hour after the sign-in looks the same. Several users of one difference do not.
        let enough = most >= 2 && most > agree && most * 4 >= all;
        enough.then(|| Wrong::By(SignedDuration::from_secs(seconds)))
    }

    /// By how many seconds times are not over yet, if they are corrected by so many. Saves hold the site's own clock in
    /// UTC, so a clock that is merely fast shows in them, too.
    fn ahead(&self, by: i64) -> Option<i64> {
        let saves = self.sessions.iter().map(|one| one.at);
        // An hour that the wall shows twice is read as the later one.
        let now = highest(self.zone, saves.fold(self.now, Timestamp::max));
        let ahead = self.newest.iter();
        let ahead = ahead.map(|at| self.zone.to_datetime(*at).duration_since(now).as_secs());
        let lately = ahead.filter(|ahead| ahead.abs() <= FARTHEST);
        let lately: Vec<i64> = lately.map(|ahead| ahead + by).collect();
        let future = lately.iter().filter(|ahead| **ahead >= CLOCKS).count();
        // One such time among others is a fault of that record.
        let enough = future >= 2 || (future == 1 && lately.len() == 1);
        lately.into_iter().max().filter(|_| enough)
    }

    /// Sessions that seem to end before they were saved.
    fn ended(&self) -> Option<Wrong> {
        let without_own = self.sessions.iter().filter(|one| one.age.is_none());
        let since = without_own.map(|one| one.at.duration_since(one.expires).as_secs());
        let most = since.max().filter(|most| *most >= 0)?;
        let by = whole(most).max(STEP);
        Some(Wrong::AtLeast(SignedDuration::from_secs(by)))
    }
}

/// The next difference that zones can have.
fn whole(seconds: i64) -> i64 {
    (seconds + STEP - 1).div_euclid(STEP) * STEP
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600;
    const FORTNIGHT: i64 = 14 * 24 * HOUR;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    /// `ends`: of each session, the age by its dates, and its own age. `logins`: from each sign-in to the save.
    /// `newest`: how far each user's newest time is ahead.
    fn shown(ends: &[(i64, Option<i64>)], logins: &[i64], newest: &[i64]) -> Option<Wrong> {
        let saved = |(ends, age): &(i64, Option<i64>)| Saved {
            at: at(0),
            expires: at(*ends),
            age: *age,
        };
        let sessions: Vec<Saved> = ends.iter().map(saved).collect();
        let logins: Vec<_> = logins.iter().map(|after| (at(*after), at(0))).collect();
        let newest: Vec<_> = newest.iter().map(|ahead| at(*ahead)).collect();
        let records = Records {
            now: at(0),
            zone: &TimeZone::UTC,
            sessions: &sessions,
            age: SignedDuration::from_secs(FORTNIGHT),
            logins: &logins,
            newest: &newest,
        };
        records.wrong()
    }

    fn by(hours: i64) -> Option<Wrong> {
        Some(Wrong::By(SignedDuration::from_hours(hours)))
    }

    fn at_least(seconds: i64) -> Option<Wrong> {
        Some(Wrong::AtLeast(SignedDuration::from_secs(seconds)))
    }

    #[test]
    fn sign_ins_and_saves_of_one_request_show_the_zone() {
        let of = |logins: &[i64]| shown(&[(20 * HOUR, None)], logins, &[]);
        assert_eq!(of(&[8 * HOUR + 1, 8 * HOUR, 700]), by(8));
        assert_eq!(of(&[-9 * HOUR, -9 * HOUR + 2]), by(-9));
        // India's clock is half an hour off.
        let half = SignedDuration::from_mins(330);
        assert_eq!(of(&[-half.as_secs(); 3]), Some(Wrong::By(-half)));
        // One user proves nothing, nor do users who came back at other times.
        assert_eq!(of(&[8 * HOUR]), None);
        assert_eq!(of(&[0, 1, 0, 8 * HOUR, 8 * HOUR]), None);
        assert_eq!(of(&[HOUR, 3 * HOUR + 77, 900, 4_000]), None);
        assert_eq!(of(&[30 * HOUR, 30 * HOUR]), None);
        // Users who came back an hour after the sign-in, in a zone nine hours from here.
        let back = shown(&[(10 * HOUR, None)], &[-8 * HOUR; 2], &[9 * HOUR - 30; 2]);
        assert_eq!(back, at_least(-9 * HOUR));
    }

    #[test]
    fn one_session_of_the_sites_age_shows_that_dates_are_read_right() {
        let of = |ends: &[(i64, Option<i64>)]| shown(ends, &[HOUR; 5], &[9 * HOUR; 2]);
        assert_eq!(of(&[(FORTNIGHT + 1, None)]), None);
        assert_eq!(of(&[(-HOUR, None), (FORTNIGHT, None)]), None);
        assert_eq!(shown(&[], &[HOUR; 5], &[]), None);
    }

    #[test]
    fn sessions_that_end_by_the_offset_of_a_zone_too_early_or_late_show_it() {
        let of = |ends: i64| shown(&[(ends, None), (ends, None)], &[], &[]);
        assert_eq!(of(FORTNIGHT - 8 * HOUR), by(8));
        assert_eq!(of(FORTNIGHT + 9 * HOUR), by(-9));
        // Another age than the default.
        assert_eq!(of(FORTNIGHT - 24 * HOUR), None);
        assert_eq!(of(FORTNIGHT - 8 * HOUR - 77), None);
        assert_eq!(of(HOUR), None);
    }

    #[test]
    fn a_session_does_not_end_before_its_save() {
        let of = |ends: &[(i64, Option<i64>)]| shown(ends, &[], &[]);
        assert_eq!(of(&[(-7 * HOUR, None)]), at_least(7 * HOUR));
        assert_eq!(of(&[(-6 * HOUR - 1, None)]), at_least(6 * HOUR + 900));
        assert_eq!(of(&[(HOUR, None)]), None);
        // `set_expiry` with a moment of the past, or with no time at all.
        assert_eq!(of(&[(-HOUR, Some(0)), (-HOUR, Some(-5))]), None);
        // Ages of their own show the difference.
        let own = (-7 * HOUR, Some(HOUR));
        assert_eq!(of(&[own, own]), by(8));
    }

    #[test]
    fn times_that_are_not_over_yet_show_a_zone_in_the_east() {
        let of = |newest: &[i64]| shown(&[], &[], newest);
        let tokyo = 9 * HOUR;
        assert_eq!(of(&[tokyo - 30]), at_least(-tokyo));
        assert_eq!(
            of(&[tokyo - 30, HOUR, -HOUR, -200 * HOUR]),
            at_least(-tokyo)
        );
        // One record among others may be wrong. Clocks may be, too.
        assert_eq!(of(&[tokyo, -HOUR]), None);
        assert_eq!(of(&[600, 700, 1_000]), None);
        assert_eq!(of(&[30 * HOUR, 40 * HOUR]), None);
        // A save hours ahead shows that the site's clock is.
        assert_eq!(of(&[]), None);
        let sessions = [Saved {
            at: at(tokyo),
            expires: at(tokyo + HOUR),
            age: None,
        }];
        let records = Records {
            now: at(0),
            zone: &TimeZone::UTC,
            sessions: &sessions,
            age: SignedDuration::from_secs(FORTNIGHT),
            logins: &[],
            newest: &[at(tokyo), at(tokyo)],
        };
        assert_eq!(records.wrong(), None);
    }

    #[test]
    fn clocks_that_change_show_no_other_zone() {
        let moment = |text: &str| text.parse::<Timestamp>().unwrap();
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        // Saved a week before the clocks go forth, and two weeks on the wall.
        let one = Saved {
            at: moment("2026-03-22T12:00:00Z"),
            expires: moment("2026-04-05T11:00:00Z"),
            age: None,
        };
        // The wall shows the hour from two to three twice.
        let twice = moment("2026-10-25T01:20:00Z");
        let wrong = |now, sessions: &[Saved], newest: &[Timestamp]| {
            let records = Records {
                now,
                zone: &zone,
                sessions,
                age: SignedDuration::from_secs(FORTNIGHT),
                logins: &[],
                newest,
            };
            records.wrong()
        };
        assert_eq!(wrong(one.at, &[one, one], &[]), None);
        let first = moment("2026-10-25T00:25:00Z");
        assert_eq!(wrong(first, &[], &[twice, twice]), None);
    }

    #[test]
    fn the_offset_of_the_sites_clock_is_named() {
        let why = |wrong: Option<Wrong>, read_in: i8| {
            let read_in = Offset::constant(read_in);
            wrong.map(|wrong| Misread { wrong, read_in }.why()).unwrap()
        };
        let read = "times in the database are read";
        let shows = "so the site's clock seems to show";
        assert_eq!(
            why(by(8), 0),
            format!("{read} 8h too early, {shows} UTC-08")
        );
        assert_eq!(why(by(-1), -1), format!("{read} 1h too late, {shows} UTC"));
        assert_eq!(
            why(at_least(-19_800), 0),
            format!("{read} at least 5h 30m too late, {shows} UTC+05:30 or east of it")
        );
        assert_eq!(
            why(at_least(7 * HOUR), 1),
            format!("{read} at least 7h too early, {shows} UTC-06 or west of it")
        );
    }
}

//! How far a look goes back for what was saved, and in how many statements.
//!
//! Where some hundreds are saved a second, a look goes back for little more than what was saved since the last one, and once
//! more for each once it is ten seconds old. What is late by more than a second, by a web server's clock that is behind say, is
//! seen then.
//! Whatever a look goes back for is fetched anew, and lies all over the table.

use jiff::{SignedDuration, Timestamp};

use super::OVERLAP;

/// How late a save is committed, nearly always: where there is a crowd, so far does a look go back for all of it.
const NEAR: SignedDuration = SignedDuration::from_secs(1);

/// So many sessions saved a second are a crowd, and half as many still are one.
const CROWD: u64 = 400;

/// Rows that one statement should find at the most, as far as it is known how many are saved.
const PIECE: u64 = 4_000;
/// A time however long is gone through in no more statements.
const PIECES: i32 = 1_000;
/// Of a longer time the last look, by which it is known how many are saved, tells too little:
const LONG: SignedDuration = SignedDuration::from_secs(20);
/// so many a second may have been,
const PERHAPS: u64 = 1_000;
/// and for that it is gone through in so many statements at the most.
const PERHAPS_PIECES: u64 = 64;

/// From when to when sessions were saved.
pub(super) type Span = (Timestamp, Timestamp);

/// How far back a look goes for what was saved.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reach {
    /// For all of it,
    pub near: Timestamp,
    /// and once more for what was saved from when to when.
    pub late: Option<Span>,
}

impl Reach {
    /// After a look at this time, and one at a crowd that left what is not `settled`.
    pub fn of(last: Timestamp, settled: Option<Timestamp>, crowd: bool) -> Option<Self> {
        let over = last.checked_sub(OVERLAP).ok()?;
        let since = settled.map_or(over, |settled| settled.min(over));
        Some(match crowd {
            true => Self {
                near: last.checked_sub(NEAR).ok()?,
                late: Some((since, over)),
            },
            false => Self {
                near: since,
                late: None,
            },
        })
    }

    /// The furthest.
    pub fn since(&self) -> Timestamp {
        self.late.map_or(self.near, |(since, _)| since)
    }

    /// Since when what it has left out has to be looked for.
    pub fn settled(&self) -> Option<Timestamp> {
        self.late.map(|(_, settled)| settled)
    }
}

/// Whether there is a crowd, after a look that met one or did not.
pub(super) fn is_crowd(a_second: u64, before: bool) -> bool {
    a_second >= if before { CROWD / 2 } else { CROWD }
}

/// A span for each statement, where about so many were saved a second. The first one comes first: whoever saves meanwhile is met by
/// a later one.
pub(super) fn pieces((since, until): Span, now: Timestamp, a_second: u64) -> Vec<Span> {
    let time = until.min(now).duration_since(since);
    let rows = a_second.saturating_mul(time.as_secs().try_into().unwrap_or(0));
    let pieces = i32::try_from(rows.div_ceil(PIECE)).unwrap_or(PIECES);
    let pieces = pieces.clamp(1, PIECES);
    let begin = |n| since.checked_add(time / pieces * n).unwrap_or(until);
    let begins: Vec<_> = (0..pieces).map(begin).collect();
    let ends = begins.iter().skip(1).copied().chain([until]);
    begins.iter().copied().zip(ends).collect()
}

/// How many may have been saved within a second of this time, however few were before it.
pub(super) fn perhaps((since, until): Span, now: Timestamp) -> u64 {
    let time = until.min(now).duration_since(since);
    match time > LONG {
        true => PERHAPS.min(PERHAPS_PIECES * PIECE / time.as_secs().unsigned_abs()),
        false => 0,
    }
}

/// How many were saved within a second, where so many were within this time.
pub(super) fn a_second(many: usize, time: SignedDuration) -> u64 {
    many as u64 / u64::try_from(time.as_secs()).unwrap_or(0).max(1)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_time_in_which_many_were_saved_is_gone_through_in_pieces() {
        let span = (at(100), at(124));
        assert_eq!(pieces(span, at(114), 0), [span]);
        assert_eq!(pieces(span, at(114), 285), [span]);
        let two = [(at(100), at(107)), (at(107), at(124))];
        assert_eq!(pieces(span, at(114), 570), two);
        let most = pieces(span, at(114), u64::MAX);
        assert_eq!(most.len(), 1_000);
        assert!(most.windows(2).all(|two| two[0].1 == two[1].0));
        assert_eq!((most[0].0, most[999].1), span);
        assert_eq!(pieces(span, at(90), u64::MAX), [span]);
    }

    #[test]
    fn what_was_quiet_before_a_long_time_may_not_have_been_so_since() {
        let pieces = |now: i64| {
            let span = (at(100), at(now + 10));
            pieces(span, at(now), perhaps(span, at(now))).len()
        };
        assert_eq!([120, 122, 160].map(pieces), [1, 6, 15]);
        assert_eq!(pieces(360), 64);
        // A quarter of an hour or a night are no more.
        assert!(
            [1_000, 40_000]
                .iter()
                .all(|now| (50..=64).contains(&pieces(*now)))
        );
    }

    #[test]
    fn what_one_look_left_out_the_next_goes_back_for_whatever_it_meets() {
        let left = Reach::of(at(100), None, true).unwrap();
        assert_eq!(left.near, at(99));
        assert_eq!(left.settled(), Some(at(90)));
        // Another server's time, say: the look that follows is by dates alone.
        for (last, since) in [(100, 90), (160, 90), (95, 85)] {
            let next = Reach::of(at(last), left.settled(), false).unwrap();
            assert_eq!((next.near, next.since()), (at(since), at(since)));
            assert_eq!(next.settled(), None);
        }
    }

    #[test]
    fn a_crowd_that_becomes_a_little_smaller_still_is_one() {
        assert!(!is_crowd(399, false));
        assert!(is_crowd(400, false));
        assert!(is_crowd(200, true));
        assert!(!is_crowd(199, true));
    }

    #[test]
    fn a_moment_counts_as_a_second() {
        assert_eq!(a_second(28_000, SignedDuration::from_secs(14)), 2_000);
        assert_eq!(a_second(3, SignedDuration::from_millis(2)), 3);
        assert_eq!(a_second(3, SignedDuration::from_secs(-7)), 3);
    }
}

//! How often a costly reading may be done: as often as its cost stays a small share of the time.

use std::time::Duration;

use tokio::time::Instant;

/// Of the time, the part that a reading may take: one in so many. Of a database, all of them and a look that finds nothing new
/// stay below one in a hundred.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Share {
    /// By which alone people's doing is seen, in a cache or a folder.
    Doing = 50,
    /// Who was active, where no index helps.
    Activity = 500,
    /// What only finds what others do not: sessions that were deleted.
    Listing = 400,
    /// The same, of users: flags that others set or cleared, names, rights.
    People = 1_000,
}

impl Share {
    /// However costly: somebody's activity is not seen much later than it takes to be called idle.
    fn longest(self) -> Duration {
        match self {
            Self::Activity => Duration::from_secs(60),
            Self::Doing | Self::Listing | Self::People => Duration::MAX,
        }
    }

    /// Whether it may always be a little late.
    fn is_light(self) -> bool {
        matches!(self, Self::Listing | Self::People)
    }
}

/// What costs more is put off at once; of anything cheaper a busy moment may be to blame, until a few costs are known.
const HEAVY: Duration = Duration::from_millis(100);

/// A light reading that costs no more is done at each look.
const SLIGHT: Duration = Duration::from_micros(2_500);

/// With more rows to go through than these it is not slight, whatever it costs.
const MANY: usize = 1_000;

/// How many costs are remembered.
const RECENT: usize = 4;

/// A busy while makes readings slow, never quick: a cost counts for no more than so many times the least of the last few.
const BUSY: u32 = 4;

/// Due at first; afterwards, when its cost has become its share of the time. What counts is the third of the last four
/// costs, the least first: one busy moment says nothing of a reading, but a machine at rest that reads the same twice as
/// slowly now and then, for what else it runs took its caches meanwhile, has that cost like any other.
#[derive(Debug, Default, Clone, Copy)]
pub struct Pace {
    next: Option<Instant>,
    recent: [Option<Duration>; RECENT],
}

impl Pace {
    pub fn due(&self, now: Instant) -> bool {
        self.next.is_none_or(|next| now >= next)
    }

    /// Due when this cost is no more than its share of the time; light readings at the next look, until it is sure that
    /// they cost much.
    pub fn took(&mut self, cost: Duration, share: Share, now: Instant) {
        self.took_for(0, cost, share, now);
    }

    /// As [`Self::took`], for so many rows to go through, each time the same.
    pub fn took_for(&mut self, rows: usize, cost: Duration, share: Share, now: Instant) {
        self.recent.rotate_right(1);
        self.recent[0] = Some(cost);
        let mut known: Vec<Duration> = self.recent.iter().flatten().copied().collect();
        known.sort_unstable();
        let least = known.first().copied().unwrap_or(cost);
        let all_known = known.len() == RECENT;
        let counted = match all_known {
            true => known[RECENT - 2].min(least * BUSY),
            false => least,
        };
        let pause = (counted * share as u32).min(share.longest());
        let sure = least > HEAVY || all_known;
        let slight = least <= SLIGHT && rows <= MANY;
        let wait = !share.is_light() || sure && !slight;
        self.next = wait.then(|| now + pause);
    }

    /// All was read at once, at whatever cost. What comes next is a part, and waits no longer than after a heavy one.
    pub fn took_all(&mut self, cost: Duration, share: Share, now: Instant) {
        self.next = (cost > HEAVY).then(|| now + HEAVY * share as u32);
    }

    /// Due at the next look, whatever the cost was.
    pub fn hurry(&mut self) {
        self.next = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cheap_reading_is_due_at_each_look_and_a_costly_one_waits() {
        let start = Instant::now();
        let ms = Duration::from_millis;
        for share in [Share::Doing, Share::Listing, Share::People] {
            let mut pace = Pace::default();
            assert!(pace.due(start));
            pace.took(ms(5), share, start);
            assert!(pace.due(start + ms(1_000)));
            // One slow reading among quick ones was a busy moment.
            pace.took(ms(1_000), share, start);
            assert!(pace.due(start + ms(1_000)));
            for _ in 0..RECENT {
                pace.took(ms(1_000), share, start);
            }
            let mut pauses = |cost, counted| {
                pace.took(cost, share, start);
                let pause = counted * share as u32;
                assert!(!pace.due(start + pause - ms(1)));
                assert!(pace.due(start + pause));
            };
            pauses(ms(1_000), ms(1_000));
            pauses(ms(9_000), ms(1_000));
            pauses(ms(1_900), ms(1_900));
            pauses(ms(800), ms(1_900));
            pauses(ms(800), ms(1_900));
            pauses(ms(800), ms(800));
            pauses(ms(9_000), ms(800));
            pauses(ms(9_000), ms(3_200));
            pace.hurry();
            assert!(pace.due(start));
        }
    }

    #[test]
    fn activity_is_looked_for_every_minute_whatever_it_costs() {
        let mut pace = Pace::default();
        let start = Instant::now();
        pace.took(Duration::from_secs(3), Share::Activity, start);
        assert!(!pace.due(start + Duration::from_secs(59)));
        assert!(pace.due(start + Duration::from_secs(60)));
    }

    #[test]
    fn a_light_reading_that_is_cheap_never_waits() {
        let mut pace = Pace::default();
        let start = Instant::now();
        pace.took(Duration::from_millis(5), Share::Listing, start);
        assert!(pace.due(start));

        // A few busy moments at the beginning prove nothing.
        let mut pace = Pace::default();
        for known in 1..=RECENT {
            pace.took(Duration::from_millis(40), Share::People, start);
            assert_eq!(pace.due(start), known < RECENT, "{known}");
        }
        assert!(!pace.due(start + Duration::from_secs(39)));
        assert!(pace.due(start + Duration::from_secs(40)));
    }

    #[test]
    fn many_rows_wait_for_their_share_however_quickly_they_come() {
        let (start, ms) = (Instant::now(), Duration::from_millis);
        for (rows, waits) in [(MANY, false), (MANY + 1, true)] {
            let mut pace = Pace::default();
            for known in 1..=RECENT {
                pace.took_for(rows, ms(1), Share::People, start);
                assert_eq!(pace.due(start), known < RECENT || !waits, "{rows}, {known}");
            }
            assert!(pace.due(start + ms(1_000)));
        }
    }

    #[test]
    fn after_all_was_read_at_once_a_part_comes_soon() {
        let (mut pace, start) = (Pace::default(), Instant::now());
        let s = Duration::from_secs;
        pace.took_all(s(4), Share::Listing, start);
        assert!(!pace.due(start + s(39)));
        assert!(pace.due(start + s(40)));
        pace.took_all(HEAVY, Share::Listing, start);
        assert!(pace.due(start));
    }

    #[test]
    fn all_that_a_table_is_read_for_takes_less_than_a_hundredth_of_the_time() {
        // The flags, and the people in turn.
        let people = [Share::People; 2];
        let all = [Share::Activity, Share::Listing].into_iter().chain(people);
        let sum: f64 = all.map(|share| 1.0 / f64::from(share as u32)).sum();
        assert!(sum < 0.007, "{sum}");
        // What is read at each look, every two seconds.
        assert!(3 * SLIGHT < Duration::from_secs(2) / 200);
    }
}

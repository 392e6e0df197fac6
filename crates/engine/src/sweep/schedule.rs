//! When the next sweep is due, by the database's clock. Pure: missed times coalesce into one sweep,
//! and a laptop that slept gives one sweep when it has looked again.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

#[derive(Debug, Default, Clone)]
pub struct Schedule {
    next: Option<Timestamp>,
}

impl Schedule {
    pub fn next(&self) -> Option<Timestamp> {
        self.next
    }

    pub fn stop(&mut self) {
        self.next = None;
    }

    /// The interval changed: count anew from now.
    pub fn restart(&mut self, now: Timestamp, every: Duration) {
        self.next = after(now, every);
    }

    /// Whether a sweep is due at the database's `now`. A schedule that has not begun begins here.
    pub fn due(&mut self, now: Timestamp, every: Duration) -> bool {
        match self.next {
            None => {
                self.restart(now, every);
                false
            }
            Some(next) if now >= next => {
                self.restart(now, every);
                true
            }
            // A clock that was set back must not silence the sweep for ever.
            Some(next) if after(now, every).is_some_and(|latest| next > latest) => {
                self.restart(now, every);
                false
            }
            Some(_) => false,
        }
    }
}

fn after(now: Timestamp, every: Duration) -> Option<Timestamp> {
    let every = SignedDuration::try_from(every).ok()?;
    now.checked_add(every).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const EVERY: Duration = Duration::from_secs(300);

    fn at(minute: i64) -> Timestamp {
        let start: Timestamp = "2026-11-23T00:00:00Z".parse().unwrap();
        start + SignedDuration::from_mins(minute)
    }

    #[test]
    fn the_first_sweep_comes_after_one_interval() {
        let mut schedule = Schedule::default();
        assert!(!schedule.due(at(0), EVERY));
        assert!(!schedule.due(at(4), EVERY));
        assert!(schedule.due(at(5), EVERY));
        assert!(!schedule.due(at(9), EVERY));
        assert!(schedule.due(at(10), EVERY));
    }

    #[test]
    fn a_night_asleep_gives_one_sweep() {
        let mut schedule = Schedule::default();
        schedule.due(at(0), EVERY);
        assert!(schedule.due(at(600), EVERY));
        assert!(!schedule.due(at(601), EVERY));
    }

    #[test]
    fn a_clock_set_back_does_not_silence_it() {
        let mut schedule = Schedule::default();
        schedule.due(at(1000), EVERY);
        assert!(!schedule.due(at(0), EVERY));
        assert!(schedule.due(at(5), EVERY));
    }
}

//! How often a costly reading may be done: as often as its cost stays a small share of the time.

use std::time::Duration;

use tokio::time::Instant;

/// Of the time, the share that a paced reading may take: one in fifty.
const SHARE: u32 = 50;

/// How many costs are remembered.
const RECENT: usize = 4;

/// Due at first; afterwards, when fifty times its cost has passed. Of the last few costs the least counts: a busy
/// moment makes a reading slow, never quick.
#[derive(Debug, Default, Clone, Copy)]
pub struct Pace {
    next: Option<Instant>,
    recent: [Option<Duration>; RECENT],
}

impl Pace {
    pub fn due(&self, now: Instant) -> bool {
        self.next.is_none_or(|next| now >= next)
    }

    pub fn took(&mut self, cost: Duration, now: Instant) {
        self.recent.rotate_right(1);
        self.recent[0] = Some(cost);
        let least = self.recent.iter().flatten().min().copied().unwrap_or(cost);
        self.next = Some(now + least * SHARE);
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
        let mut pace = Pace::default();
        assert!(pace.due(start));
        pace.took(Duration::from_millis(10), start);
        assert!(pace.due(start + Duration::from_secs(2)));
        // One slow reading among quick ones was a busy moment.
        pace.took(Duration::from_secs(1), start);
        assert!(pace.due(start + Duration::from_secs(2)));
        for _ in 0..RECENT {
            pace.took(Duration::from_secs(1), start);
        }
        assert!(!pace.due(start + Duration::from_secs(49)));
        assert!(pace.due(start + Duration::from_secs(50)));
        pace.hurry();
        assert!(pace.due(start));
    }
}

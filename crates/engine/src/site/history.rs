//! The last hour, in memory: how many were active and idle, and when sweeps ran.

use std::collections::VecDeque;

use jiff::Timestamp;

use crate::view::{Counts, Sample, SweepMark, Timeline};

const HOUR: f64 = 3600.0;
/// Seconds between samples: 360 points an hour, about what a window's width can show.
const STEP: f64 = 10.0;

#[derive(Debug, Default)]
pub struct History {
    samples: VecDeque<Sample>,
    sweeps: VecDeque<SweepMark>,
}

impl History {
    /// The newest sample follows the counts; a new one begins each ten seconds.
    pub fn sample(&mut self, at: Timestamp, counts: &Counts) {
        let sample = Sample {
            at: at.as_millisecond() as f64 / 1e3,
            active: counts.active,
            idle: counts.idle,
            overdue: counts.overdue,
        };
        let replace = {
            let mut back = self.samples.iter().rev();
            match (back.next(), back.next()) {
                (Some(newest), Some(before)) => newest.at - before.at < STEP,
                _ => false,
            }
        };
        if replace {
            self.samples.pop_back();
        }
        self.samples.push_back(sample);
        self.forget(sample.at);
    }

    pub fn swept(&mut self, at: Timestamp, people: u32) {
        self.sweeps.push_back(SweepMark {
            at: at.as_millisecond() as f64 / 1e3,
            people,
        });
    }

    fn forget(&mut self, now: f64) {
        while self.samples.front().is_some_and(|s| now - s.at > HOUR) {
            self.samples.pop_front();
        }
        while self.sweeps.front().is_some_and(|s| now - s.at > HOUR) {
            self.sweeps.pop_front();
        }
    }

    pub fn view(&self) -> Timeline {
        Timeline {
            samples: self.samples.iter().copied().collect(),
            sweeps: self.sweeps.iter().copied().collect(),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_is_kept_in_steps_of_ten_seconds() {
        let start: Timestamp = "2026-11-23T00:00:00Z".parse().unwrap();
        let mut history = History::default();
        for second in (0..7200).step_by(2) {
            let at = start + jiff::SignedDuration::from_secs(second);
            history.sample(
                at,
                &Counts {
                    active: u32::try_from(second).unwrap(),
                    ..Counts::default()
                },
            );
        }
        let view = history.view();
        assert!(
            (350..=365).contains(&view.samples.len()),
            "{}",
            view.samples.len()
        );
        assert_eq!(view.samples.last().unwrap().active, 7198);
        assert!(view.samples.windows(2).all(|w| w[0].at < w[1].at));
    }
}

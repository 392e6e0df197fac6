//! When a message is sent again, from what was answered and how often. Pure.
//! Invariant: every message ends, delivered or dropped, within a day and eight tries.

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;

/// The longest wait that a receiver can ask for.
const LONGEST_ASKED: Duration = Duration::from_secs(3_600);

/// How a try ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    Delivered,
    /// It may go better later. With the wait that the receiver asks for.
    Later(Option<Duration>),
    /// It will not go better.
    Refused,
    /// The receiver wants nothing more, ever.
    Gone,
}

/// What a status means.
pub(super) fn answer(status: u16, retry_after: Option<&str>, now: Timestamp) -> Answer {
    match status {
        200..=299 => Answer::Delivered,
        410 => Answer::Gone,
        408 | 429 | 500..=599 => {
            Answer::Later(retry_after.and_then(|text| read_retry_after(text, now)))
        }
        _ => Answer::Refused,
    }
}

/// `Retry-After`: seconds, or a date.
fn read_retry_after(text: &str, now: Timestamp) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let date = DateTimeParser::new().parse_timestamp(text).ok()?;
    // A date that has passed asks for no wait.
    Some(Duration::try_from(date.duration_since(now)).unwrap_or(Duration::ZERO))
}

/// How long between tries, and when it is over.
#[derive(Debug, Clone, Copy)]
pub(super) struct Schedule {
    /// The wait after the first try; eight times as long after each next.
    pub first: Duration,
    pub longest: Duration,
    pub tries: u32,
    /// From the first try on.
    pub age: Duration,
}

impl Default for Schedule {
    /// 5 s, 40 s, 5 min, 43 min, 6 h, 8 h, 8 h: over after a day.
    fn default() -> Self {
        Self {
            first: Duration::from_secs(5),
            longest: Duration::from_secs(8 * 3_600),
            tries: 8,
            age: Duration::from_secs(24 * 3_600),
        }
    }
}

impl Schedule {
    /// How long to wait for the next try, after `tries` of them in `age`. None: drop the message. `jitter` is from 0 to
    /// 1 and shortens the wait by up to a fifth, so that many senders do not come at once.
    pub(super) fn next(
        &self,
        tries: u32,
        age: Duration,
        asked: Option<Duration>,
        jitter: f64,
    ) -> Option<Duration> {
        if tries >= self.tries {
            return None;
        }
        let factor = 8u32.saturating_pow(tries.saturating_sub(1));
        let wait = self.first.saturating_mul(factor).min(self.longest);
        let wait = wait.mul_f64(1.0 - 0.2 * jitter.clamp(0.0, 1.0));
        let wait = wait.max(asked.unwrap_or_default().min(LONGEST_ASKED));
        (age.saturating_add(wait) <= self.age).then_some(wait)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    const S: fn(u64) -> Duration = Duration::from_secs;

    #[test]
    fn waits_grow_to_a_cap_and_end_within_a_day() {
        for jitter in [0.0, 0.5, 1.0] {
            let mut age = Duration::ZERO;
            let mut waits = Vec::new();
            while let Some(wait) =
                Schedule::default().next(waits.len() as u32 + 1, age, None, jitter)
            {
                waits.push(wait);
                age += wait;
            }
            assert_eq!(waits.len(), 7, "eight tries");
            assert!(age <= S(24 * 3_600) && age > S(17 * 3_600), "{age:?}");
            assert!(waits.is_sorted());
        }
        let schedule = Schedule::default();
        let wait = |tries| schedule.next(tries, Duration::ZERO, None, 0.0);
        assert_eq!(wait(1), Some(S(5)));
        assert_eq!(wait(2), Some(S(40)));
        assert_eq!(wait(7), Some(S(8 * 3_600)));
        assert_eq!(wait(8), None);
        assert_eq!(schedule.next(1, Duration::ZERO, None, 1.0), Some(S(4)));
    }

    #[test]
    fn a_receiver_may_ask_for_up_to_an_hour() {
        let schedule = Schedule::default();
        let wait = |tries, asked| schedule.next(tries, Duration::ZERO, Some(S(asked)), 0.0);
        assert_eq!(wait(1, 120), Some(S(120)));
        assert_eq!(wait(1, 1), Some(S(5)), "never sooner than the schedule");
        assert_eq!(wait(1, 86_400), Some(S(3_600)));
        assert_eq!(wait(6, 60), Some(S(8 * 3_600)));
    }

    #[test]
    fn a_day_old_message_is_dropped() {
        let schedule = Schedule::default();
        assert_eq!(schedule.next(1, S(24 * 3_600), None, 0.0), None);
        assert_eq!(schedule.next(1, S(24 * 3_600 - 5), None, 0.0), Some(S(5)));
        assert_eq!(schedule.next(2, S(23 * 3_600 + 3_590), None, 0.0), None);
    }

    #[test]
    fn statuses_mean_what_they_say() {
        let now = Timestamp::from_second(1_445_412_420).unwrap();
        let of = |status| answer(status, None, now);
        assert_eq!(of(200), Answer::Delivered);
        assert_eq!(of(204), Answer::Delivered);
        assert_eq!(of(410), Answer::Gone);
        for status in [408, 429, 500, 502, 503, 599] {
            assert_eq!(of(status), Answer::Later(None), "{status}");
        }
        for status in [301, 302, 308, 400, 401, 404, 413] {
            assert_eq!(of(status), Answer::Refused, "{status}");
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = Timestamp::from_second(1_445_412_420).unwrap(); // 07:27:00
        let of = |text| answer(503, Some(text), now);
        assert_eq!(of("17"), Answer::Later(Some(S(17))));
        let date = of("Wed, 21 Oct 2015 07:28:00 GMT");
        assert_eq!(date, Answer::Later(Some(S(60))));
        let past = of("Wed, 21 Oct 2015 07:00:00 GMT");
        assert_eq!(past, Answer::Later(Some(Duration::ZERO)));
        assert_eq!(of("soon"), Answer::Later(None));
        assert_eq!(of("-1"), Answer::Later(None));
    }
}

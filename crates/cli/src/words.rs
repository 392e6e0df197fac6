//! Words for people: durations, moments, counts, and text from a site made safe for a terminal.
//! Nothing here reads a clock: the moment that counts as now is an argument.

use std::time::Duration;

pub use curfew_engine::secrets::redact::redact;
/// Text from a site on one line of a terminal.
pub use curfew_engine::text::visible as clean;
use jiff::{Timestamp, Unit, tz::TimeZone};

/// How long, as people say it: `12 s`, `41 min`, `1 h 07`, `3 d`.
pub fn span(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{minutes} min"),
        3600..86_400 => format!("{hours} h {:02}", minutes % 60),
        _ => format!("{days} d"),
    }
}

/// A setting, as it is typed: `5m`, `1h 30m`.
pub fn setting(duration: Duration) -> String {
    humantime::format_duration(duration).to_string()
}

/// When, as people say it, in `zone`: `14:05`, `yesterday 14:05`, `12 Nov 14:05`, `12 Nov 2025`.
pub fn moment(at: Timestamp, now: Timestamp, zone: &TimeZone) -> String {
    let (at, now) = (at.to_zoned(zone.clone()), now.to_zoned(zone.clone()));
    let days = at
        .date()
        .until((Unit::Day, now.date()))
        .map_or(i32::MAX, |span| span.get_days());
    let form = match days {
        0 => "%H:%M",
        1 => "yesterday %H:%M",
        -1 => "tomorrow %H:%M",
        _ if at.year() == now.year() => "%-d %b %H:%M",
        _ => "%-d %b %Y",
    };
    at.strftime(form).to_string()
}

/// A moment in full, for lines that are kept: `2026-11-23 14:05:09`.
pub fn stamp(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone())
        .strftime("%Y-%m-%d %H:%M:%S")
        .to_string()
}

/// `1 session`, `2 sessions`.
pub fn count(n: u32, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn durations_read_as_people_say_them() {
        for (seconds, words) in [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (41 * 60 + 59, "41 min"),
            (3600 + 7 * 60, "1 h 07"),
            (23 * 3600 + 59 * 60, "23 h 59"),
            (86_400, "1 d"),
            (86_400 * 9 + 5, "9 d"),
        ] {
            assert_eq!(span(seconds), words);
        }
    }

    #[test]
    fn moments_name_the_day_only_when_it_is_another() {
        let zone = TimeZone::get("Europe/Paris").unwrap();
        let now: Timestamp = "2026-11-23T12:30:00Z".parse().unwrap();
        for (at, words) in [
            ("2026-11-23T13:05:00+01:00", "13:05"),
            ("2026-11-22T23:30:00Z", "00:30"),
            ("2026-11-22T22:30:00Z", "yesterday 23:30"),
            ("2026-11-24T08:00:00Z", "tomorrow 09:00"),
            ("2026-03-02T08:00:00Z", "2 Mar 09:00"),
            ("2025-12-31T08:00:00Z", "31 Dec 2025"),
        ] {
            assert_eq!(moment(at.parse().unwrap(), now, &zone), words, "{at}");
        }
    }

    #[test]
    fn counts_agree_in_number() {
        assert_eq!(count(0, "person", "people"), "0 people");
        assert_eq!(count(1, "person", "people"), "1 person");
        assert_eq!(count(2, "person", "people"), "2 people");
    }

    #[test]
    fn a_name_cannot_drive_the_terminal() {
        assert_eq!(clean("ana"), "ana");
        assert_eq!(clean("李雷 שלום"), "李雷 שלום");
        assert_eq!(clean("a\u{1b}[2Jb\nc"), "a<U+001B>[2Jb<U+000A>c");
        assert_eq!(clean("a\u{202e}b\u{9b}c"), "a<U+202E>b<U+009B>c");
    }
}

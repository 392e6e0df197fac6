//! Wall clocks. A column without a zone holds what the clock on the site's wall showed, and twice a year that
//! clock goes back or forth: some times were shown twice, some never. Pure.

use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};

/// No clock was ever put back or forth by more.
const FARTHEST: SignedDuration = SignedDuration::from_hours(36);
/// What columns tell apart.
const STEP: SignedDuration = SignedDuration::from_micros(1);

/// The moment at which the wall showed this. Of two, the later: nobody is taken for longer gone than they are.
/// A time that was never shown counts on from before the change, as Django's does.
pub fn moment(zone: &TimeZone, wall: DateTime) -> Option<Timestamp> {
    let moment = zone.to_ambiguous_timestamp(wall);
    match moment.offset() {
        AmbiguousOffset::Fold { .. } => moment.later(),
        _ => moment.compatible(),
    }
    .ok()
}

/// The last wall time that, as every one before it, is over at this moment: none of them was shown after it.
pub fn over(zone: &TimeZone, at: Timestamp) -> DateTime {
    let mut bound = zone.to_datetime(at);
    let until = at.saturating_add(FARTHEST).unwrap_or(at);
    for change in zone.following(at) {
        if change.timestamp() > until {
            break;
        }
        // Put back, the wall will show what it shows now once more.
        let again = zone.to_datetime(change.timestamp());
        bound = bound.min(again.saturating_sub(STEP));
    }
    for (change, before, after) in changes_before(zone, at) {
        // Put forth, what was never shown counts on from before.
        let skipped = i64::from(after.seconds()) - i64::from(before.seconds());
        if at.duration_since(change).as_secs() < skipped {
            bound = bound.min(before.to_datetime(at));
        }
    }
    bound
}

/// The last wall time that was shown up to this moment.
pub fn highest(zone: &TimeZone, at: Timestamp) -> DateTime {
    let shown_last = changes_before(zone, at)
        .filter_map(|(change, before, _)| Some(before.to_datetime(change.checked_sub(STEP).ok()?)));
    shown_last.fold(zone.to_datetime(at), DateTime::max)
}

/// The latest changes up to this moment, with the offsets before and after each.
fn changes_before(
    zone: &TimeZone,
    at: Timestamp,
) -> impl Iterator<Item = (Timestamp, Offset, Offset)> {
    let since = at.saturating_sub(FARTHEST).unwrap_or(at);
    let next = at.saturating_add(SignedDuration::from_nanos(1));
    zone.preceding(next.unwrap_or(at))
        .take_while(move |change| change.timestamp() >= since)
        .filter_map(|change| {
            let eve = change.timestamp().checked_sub(STEP).ok()?;
            Some((change.timestamp(), zone.to_offset(eve), change.offset()))
        })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Both changes of three zones, each a day before and a day after: half an hour at one of them.
    const CHANGES: [(&str, &str); 6] = [
        ("Europe/Berlin", "2026-03-29T01:00:00Z"),
        ("Europe/Berlin", "2026-10-25T01:00:00Z"),
        ("America/New_York", "2026-03-08T07:00:00Z"),
        ("America/New_York", "2026-11-01T06:00:00Z"),
        ("Australia/Lord_Howe", "2026-04-04T15:00:00Z"),
        ("Australia/Lord_Howe", "2026-10-03T15:30:00Z"),
    ];
    const MINUTE: SignedDuration = SignedDuration::from_mins(1);

    /// Each zone with every minute around each change.
    fn minutes() -> impl Iterator<Item = (TimeZone, Vec<Timestamp>)> {
        CHANGES.into_iter().map(|(name, change)| {
            let zone = TimeZone::get(name).unwrap();
            let change: Timestamp = change.parse().unwrap();
            assert_eq!(
                zone.preceding(change + MINUTE).next().unwrap().timestamp(),
                change,
                "{name}"
            );
            let start = change - SignedDuration::from_hours(24);
            (zone, (0..2_880).map(|n| start + MINUTE * n).collect())
        })
    }

    #[test]
    fn what_was_shown_reads_as_its_last_moment() {
        for (zone, minutes) in minutes() {
            for &at in &minutes {
                let wall = zone.to_datetime(at);
                let last = minutes.iter().rfind(|&&m| zone.to_datetime(m) == wall);
                assert_eq!(moment(&zone, wall), last.copied(), "{wall} {at}");
            }
        }
    }

    #[test]
    fn what_was_never_shown_counts_on_from_before() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let wall = "2026-03-29T02:20:00".parse().unwrap();
        let want: Timestamp = "2026-03-29T01:20:00Z".parse().unwrap();
        assert_eq!(moment(&zone, wall), Some(want));
    }

    #[test]
    fn over_is_the_highest_bound_below_which_nothing_is_later() {
        for (zone, minutes) in minutes() {
            // Every half minute of the two days on the wall, shown or not, with its moment.
            let first = zone.to_datetime(minutes[0]);
            let walls: Vec<(DateTime, Timestamp)> = (0..5_760)
                .map(|n| first + SignedDuration::from_secs(30) * n)
                .map(|wall| (wall, moment(&zone, wall).unwrap()))
                .collect();
            // The day in the middle, so that what follows and precedes is known.
            for &at in &minutes[600..2_280] {
                let bound = over(&zone, at);
                let later = walls.iter().filter(|(_, m)| *m > at);
                let lowest = later.map(|(wall, _)| *wall).min().unwrap();
                assert!(bound < lowest, "{at}: {bound} lets {lowest} pass");
                assert!(lowest.duration_since(bound) <= MINUTE, "{at}: {bound} lags");
            }
        }
    }

    #[test]
    fn highest_is_the_highest_that_was_shown() {
        for (zone, minutes) in minutes() {
            for (n, &at) in minutes.iter().enumerate().skip(600) {
                let shown = minutes[..=n].iter().map(|&m| zone.to_datetime(m));
                let want = shown.max().unwrap();
                let bound = highest(&zone, at);
                assert!(bound >= want, "{at}: {bound} {want}");
                assert!(bound.duration_since(want) < MINUTE, "{at}: {bound} {want}");
            }
        }
    }

    #[test]
    fn a_zone_without_changes_is_left_alone() {
        let at: Timestamp = "2026-11-23T10:00:00.000123Z".parse().unwrap();
        let zone = TimeZone::get("Asia/Kathmandu").unwrap();
        let wall: DateTime = "2026-11-23T15:45:00.000123".parse().unwrap();
        assert_eq!((over(&zone, at), highest(&zone, at)), (wall, wall));
        assert_eq!(moment(&zone, wall), Some(at));
    }
}

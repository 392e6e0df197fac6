//! A pickled `datetime`: ten bytes, and a zone or none.
//! Invariant: no zone file of this machine is read; zones by name come from the data that is built in.

use jiff::civil::DateTime;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{SignedDuration, Timestamp};

use super::value::Zone;

/// Set in the month's byte for the second of two equal hours; that hour is not worth the difference here.
const FOLD: u8 = 0x80;

/// Without a zone it counts as UTC, as in JSON. What lies outside a `Timestamp` is held at its end.
pub(super) fn of(state: &[u8; 10], zone: Option<Zone<'_>>) -> Option<Timestamp> {
    let [high, low, month, day, hour, minute, second, micros @ ..] = *state;
    let [a, b, c] = micros.map(i32::from);
    let small = |byte: u8| i8::try_from(byte).ok();
    let local = DateTime::new(
        i16::from_be_bytes([high, low]),
        small(month & !FOLD)?,
        small(day)?,
        small(hour)?,
        small(minute)?,
        small(second)?,
        ((a << 16) | (b << 8) | c).checked_mul(1_000)?,
    )
    .ok()?;
    let (zone, east) = match zone {
        None => (TimeZone::UTC, 0),
        Some(Zone::Offset(east)) => (TimeZone::UTC, east),
        Some(Zone::Named(name)) => (named(name)?, 0),
    };
    let at = zone.to_timestamp(local).unwrap_or(Timestamp::MAX);
    let at = at.checked_sub(SignedDuration::from_micros(east));
    Some(at.unwrap_or(Timestamp::MAX))
}

fn named(name: &[u8]) -> Option<TimeZone> {
    let name = std::str::from_utf8(name).ok()?;
    TimeZoneDatabase::bundled().get(name).ok()
}

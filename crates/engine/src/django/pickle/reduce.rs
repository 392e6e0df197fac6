//! Calls inside a pickle, none of which is made: the few that spell a date are understood, the rest are opaque.
//! Invariant: a call that is not known in each of its arguments gives `Opaque`.

use super::text;
use super::value::{Known, Value, Zone};

/// What `known(*arguments)` would be.
pub(super) fn call<'a>(known: Known, arguments: &[Value<'a>]) -> Value<'a> {
    understood(known, arguments).unwrap_or(Value::Opaque)
}

fn understood<'a>(known: Known, arguments: &[Value<'a>]) -> Option<Value<'a>> {
    Some(match (known, arguments) {
        (Known::Datetime, [state]) => Value::Moment(ten(*state)?, None),
        (Known::Datetime, [state, Value::Zone(zone)]) => Value::Moment(ten(*state)?, Some(*zone)),
        (Known::Timedelta, [Value::Int(days), Value::Int(seconds), Value::Int(micros)]) => {
            let seconds = days.checked_mul(86_400)?.checked_add(*seconds)?;
            let micros = seconds.checked_mul(1_000_000)?.checked_add(*micros)?;
            Value::Delta(i64::try_from(micros).ok()?)
        }
        (Known::Timezone, [Value::Delta(east)]) | (Known::Timezone, [Value::Delta(east), _]) => {
            Value::Zone(Zone::Offset(*east))
        }
        (Known::PytzUtc, []) => Value::Zone(Zone::Offset(0)),
        // Its name, seconds east of UTC, and what of them is summer time.
        (Known::PytzZone, [_, Value::Int(east), Value::Int(_), _]) => {
            let micros = east.checked_mul(1_000_000)?;
            Value::Zone(Zone::Offset(i64::try_from(micros).ok()?))
        }
        (Known::PytzZone, [name]) | (Known::ZoneNamed, [name, _]) => {
            Value::Zone(Zone::Named(text::plain(*name)?))
        }
        (Known::Getattr, [Value::Known(Known::ZoneInfo), name])
            if text::plain(*name)? == b"_unpickle" =>
        {
            Value::Known(Known::ZoneNamed)
        }
        (Known::Encode, [ten, encoding])
            if matches!(text::plain(*encoding)?, b"latin1" | b"latin-1") =>
        {
            Value::Ten(latin1(&text::short(*ten))?)
        }
        _ => return None,
    })
}

fn ten(state: Value<'_>) -> Option<[u8; 10]> {
    match state {
        Value::Ten(bytes) => Some(bytes),
        Value::Bytes(bytes) | Value::Text(bytes) => bytes.try_into().ok(),
        _ => None,
    }
}

/// Ten characters as the bytes that they stand for.
fn latin1(text: &[u8]) -> Option<[u8; 10]> {
    // No character of Latin-1 takes more than two bytes.
    if text.len() > 20 {
        return None;
    }
    let mut bytes = [0; 10];
    let mut count = 0;
    for char in std::str::from_utf8(text).ok()?.chars() {
        *bytes.get_mut(count)? = u8::try_from(char).ok()?;
        count += 1;
    }
    (count == bytes.len()).then_some(bytes)
}

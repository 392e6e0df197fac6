//! The JSON inside a session: the three keys that matter, and nothing else of it.
//! Signing, base64 and inflating are done before; no tree of the rest is ever built.
//! Invariant: memory stays that of the input, and depth is checked before anything nests.

use std::borrow::Cow;
use std::fmt;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{Expiry, Unreadable};

/// Python's own parser gives up near this depth, and such a session is empty to Django.
const MAX_DEPTH: usize = 900;

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Payload {
    pub user: Option<String>,
    pub auth_hash: Option<String>,
    pub expiry: Expiry,
}

/// Reads the payload; overwrites Python's non-JSON numbers in `json` on the way.
pub(super) fn read(json: &mut [u8]) -> Result<Payload, Unreadable> {
    tame(json)?;
    serde_json::from_slice(json).map_err(|_| Unreadable::Opaque)
}

/// Python writes and reads `NaN`, `Infinity` and `-Infinity`, which JSON does not know: each
/// becomes a zero, since no number matters here. The same pass measures the depth.
fn tame(json: &mut [u8]) -> Result<(), Unreadable> {
    let (mut at, mut depth) = (0, 0_usize);
    while let Some(&byte) = json.get(at) {
        match byte {
            b'"' => {
                at += 1;
                while let Some(&inside) = json.get(at) {
                    match inside {
                        b'\\' => at += 1,
                        b'"' => break,
                        _ => {}
                    }
                    at += 1;
                }
            }
            b'[' | b'{' => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return Err(Unreadable::TooDeep);
                }
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            b'N' | b'I' => {
                let name: &[u8] = if byte == b'N' { b"NaN" } else { b"Infinity" };
                if let Some(found) = json[at..].get_mut(..name.len())
                    && found == name
                {
                    found.fill(b' ');
                    found[0] = b'0';
                }
            }
            _ => {}
        }
        at += 1;
    }
    Ok(())
}

impl<'de> Deserialize<'de> for Payload {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(PayloadVisitor)
    }
}

struct PayloadVisitor;

impl<'de> Visitor<'de> for PayloadVisitor {
    type Value = Payload;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a session's dict")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Payload, A::Error> {
        let mut payload = Payload::default();
        while let Some(key) = map.next_key::<Key>()? {
            // Of a key that comes twice the last one counts, as in Python.
            match key {
                Key::User => payload.user = map.next_value::<Scalar<'de>>()?.into_text(),
                Key::AuthHash => payload.auth_hash = map.next_value::<Scalar<'de>>()?.into_text(),
                Key::Expiry => payload.expiry = map.next_value::<Scalar<'de>>()?.into_expiry(),
                Key::Other => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(payload)
    }
}

enum Key {
    User,
    AuthHash,
    Expiry,
    Other,
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // As bytes: a foreign key may hold half of a surrogate pair, which is no text to Rust.
        deserializer.deserialize_bytes(KeyVisitor)
    }
}

struct KeyVisitor;

impl Visitor<'_> for KeyVisitor {
    type Value = Key;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_bytes<E>(self, key: &[u8]) -> Result<Key, E> {
        Ok(match key {
            b"_auth_user_id" => Key::User,
            b"_auth_user_hash" => Key::AuthHash,
            b"_session_expiry" => Key::Expiry,
            _ => Key::Other,
        })
    }
}

/// A value under one of the three keys. What cannot belong there is `Nothing`, not an error:
/// Django, too, reads such a session, and finds nobody in it.
enum Scalar<'de> {
    Nothing,
    Integer(i64),
    Text(Cow<'de, str>),
}

impl Scalar<'_> {
    fn into_text(self) -> Option<String> {
        match self {
            Self::Nothing => None,
            Self::Integer(number) => Some(number.to_string()),
            Self::Text(text) if text.is_empty() => None,
            Self::Text(text) => Some(text.into_owned()),
        }
    }

    fn into_expiry(self) -> Expiry {
        match self {
            Self::Nothing => Expiry::Default,
            Self::Integer(0) => Expiry::BrowserClose,
            Self::Integer(seconds) => Expiry::Seconds(seconds),
            Self::Text(text) => moment(&text).map_or(Expiry::Default, Expiry::Fixed),
        }
    }
}

/// `datetime.isoformat()`; without an offset it counts as UTC. The years that Python can name
/// and a `Timestamp` cannot ("never") are held at its end.
fn moment(text: &str) -> Option<Timestamp> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Some(at);
    }
    let naive: DateTime = text.parse().ok()?;
    Some(TimeZone::UTC.to_timestamp(naive).unwrap_or(Timestamp::MAX))
}

impl<'de> Deserialize<'de> for Scalar<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor)
    }
}

struct ScalarVisitor;

impl<'de> Visitor<'de> for ScalarVisitor {
    type Value = Scalar<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text or a number")
    }

    fn visit_unit<E>(self) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Nothing)
    }

    fn visit_bool<E>(self, yes: bool) -> Result<Scalar<'de>, E> {
        // To Python, True is 1 and False is 0.
        Ok(Scalar::Integer(i64::from(yes)))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Integer(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Scalar<'de>, E> {
        Ok(match i64::try_from(number) {
            Ok(number) => Scalar::Integer(number),
            Err(_) => Scalar::Text(Cow::Owned(number.to_string())),
        })
    }

    fn visit_f64<E>(self, number: f64) -> Result<Scalar<'de>, E> {
        // Away from zero, so that half a second does not become "when the browser closes".
        let away = if number < 0.0 {
            number.floor()
        } else {
            number.ceil()
        };
        Ok(Scalar::Integer(away as i64))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Scalar<'de>, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Scalar::Nothing)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Scalar<'de>, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Scalar::Nothing)
    }
}

#[cfg(test)]
#[path = "payload_tests.rs"]
mod tests;

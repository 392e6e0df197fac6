//! A session's dict, in JSON or msgpack: the three keys that matter, and nothing else of it.
//! Pickles are read next door. Signing, base64 and inflating are done before; no tree of the rest is ever built.
//! Invariant: memory stays that of the input, and depth is checked before anything nests.

use std::borrow::Cow;
use std::fmt;
use std::sync::LazyLock;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use memchr::memmem::Finder;
use serde::de::{
    self, Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor,
};

use super::super::pickle;
use super::impersonation::{Clue, Ids, Impersonation, Names};
use super::{Expiry, Unreadable};

/// Python's own parser gives up near this depth, and such a session is empty to Django.
pub(super) const MAX_DEPTH: usize = 900;
/// Where Python's msgpack gives up.
pub(super) const MAX_DEPTH_MSGPACK: usize = 511;

#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::django) struct Payload {
    pub user: Option<String>,
    pub backend: Option<String>,
    pub auth_hash: Option<String>,
    pub expiry: Expiry,
    pub impersonation: Option<Box<Impersonation>>,
}

/// Reads what a serializer of Django's wrote: JSON or a pickle. Overwrites Python's non-JSON numbers on the way.
pub(super) fn read(bytes: &mut [u8], names: Names<'_>) -> Result<Payload, Unreadable> {
    if pickle::begins(bytes) {
        return pickle::read(bytes, names);
    }
    tame(bytes)?;
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let payload = deserializer.deserialize_map(PayloadVisitor(names));
    let payload = payload.and_then(|payload| deserializer.end().map(|()| payload));
    payload.map_err(|_| Unreadable::Opaque)
}

pub(super) fn read_msgpack(mut bytes: &[u8], names: Names<'_>) -> Result<Payload, Unreadable> {
    let mut deserializer = rmp_serde::Deserializer::new(&mut bytes);
    deserializer.set_max_depth(MAX_DEPTH_MSGPACK);
    let payload = (&mut deserializer).deserialize_map(PayloadVisitor(names));
    let payload = payload.map_err(|error| match error {
        rmp_serde::decode::Error::DepthLimitExceeded => Unreadable::TooDeep,
        _ => Unreadable::Opaque,
    })?;
    if deserializer.get_ref().is_empty() {
        Ok(payload)
    } else {
        Err(Unreadable::Opaque)
    }
}

/// Python writes and reads `NaN`, `Infinity` and `-Infinity`, which JSON does not know: each
/// becomes a zero, since no number matters here. The same pass measures the depth.
fn tame(json: &mut [u8]) -> Result<(), Unreadable> {
    if is_tame(json) {
        return Ok(());
    }
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

/// Whether there is nothing to tame, at a glance: too few brackets to nest too deep, and no such word anywhere.
fn is_tame(json: &[u8]) -> bool {
    (json.len() <= MAX_DEPTH || opening(json) <= MAX_DEPTH)
        && NAN.find(json).is_none()
        && INFINITY.find(json).is_none()
}

static NAN: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("NaN"));
static INFINITY: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("Infinity"));

/// How many brackets open. In pieces whose count fits a byte: so many are counted at a time.
fn opening(json: &[u8]) -> usize {
    let opens = |byte: &u8| u8::from(matches!(byte, b'[' | b'{'));
    let pieces = json.chunks(usize::from(u8::MAX));
    pieces
        .map(|piece| usize::from(piece.iter().map(opens).sum::<u8>()))
        .sum()
}

struct PayloadVisitor<'n>(Names<'n>);

impl<'de> Visitor<'de> for PayloadVisitor<'_> {
    type Value = Payload;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a session's dict")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Payload, A::Error> {
        let mut payload = Payload::default();
        let mut impersonation = Impersonation::default();
        while let Some(key) = map.next_key_seed(KeySeed(self.0))? {
            // Of a key that comes twice the last one counts, as in Python.
            match key {
                Key::User => payload.user = map.next_value::<Scalar<'de>>()?.into_text(),
                Key::Backend => payload.backend = map.next_value::<Scalar<'de>>()?.into_text(),
                Key::AuthHash => payload.auth_hash = map.next_value::<Scalar<'de>>()?.into_text(),
                Key::Expiry => payload.expiry = map.next_value::<Scalar<'de>>()?.into_expiry(),
                Key::Clue(clue) => impersonation.add(clue, map.next_value::<Ids>()?.0),
                Key::Other => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        payload.impersonation = impersonation.boxed();
        Ok(payload)
    }
}

enum Key {
    User,
    Backend,
    AuthHash,
    Expiry,
    Clue(Clue),
    Other,
}

/// Recognises a key under the names of this site.
struct KeySeed<'n>(Names<'n>);

impl<'de> DeserializeSeed<'de> for KeySeed<'_> {
    type Value = Key;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Key, D::Error> {
        // As bytes: a foreign key may hold half of a surrogate pair, which is no text to Rust.
        deserializer.deserialize_bytes(self)
    }
}

impl Visitor<'_> for KeySeed<'_> {
    type Value = Key;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: de::Error>(self, key: &str) -> Result<Key, E> {
        self.visit_bytes(key.as_bytes())
    }

    fn visit_bytes<E>(self, key: &[u8]) -> Result<Key, E> {
        Ok(match key {
            b"_auth_user_id" => Key::User,
            b"_auth_user_backend" => Key::Backend,
            b"_auth_user_hash" => Key::AuthHash,
            b"_session_expiry" => Key::Expiry,
            key => self.0.clue_of(key).map_or(Key::Other, Key::Clue),
        })
    }
}

/// A value under one of the four keys. What cannot belong there is `Nothing`, not an error:
/// Django, too, reads such a session, and finds nobody in it.
pub(in crate::django) enum Scalar<'de> {
    Nothing,
    Integer(i64),
    Float(f64),
    Text(Cow<'de, str>),
    /// A `datetime` itself, which only a pickle can hold.
    Moment(Timestamp),
}

impl Scalar<'_> {
    pub(in crate::django) fn into_text(self) -> Option<String> {
        match self {
            Self::Nothing | Self::Moment(_) => None,
            Self::Integer(number) => Some(number.to_string()),
            // `int(21.9)` is 21.
            Self::Float(number) if number.is_finite() => Some((number.trunc() as i64).to_string()),
            Self::Float(_) => None,
            Self::Text(text) if text.is_empty() => None,
            Self::Text(text) => Some(text.into_owned()),
        }
    }

    pub(in crate::django) fn into_expiry(self) -> Expiry {
        match self {
            Self::Moment(at) => Expiry::Fixed(at),
            Self::Nothing => Expiry::Default,
            Self::Integer(0) => Expiry::BrowserClose,
            Self::Float(0.0) => Expiry::BrowserClose,
            // Away from zero, so that half a second does not become "when the browser closes".
            Self::Float(seconds) if seconds < 0.0 => Expiry::Seconds(seconds.floor() as i64),
            Self::Float(seconds) => Expiry::Seconds(seconds.ceil() as i64),
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
        Ok(Scalar::Float(number))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Scalar<'de>, E> {
        Ok(match std::str::from_utf8(bytes) {
            Ok(text) => Scalar::Text(Cow::Owned(text.to_owned())),
            Err(_) => Scalar::Nothing,
        })
    }

    /// A type of msgpack's that only its writer knows.
    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<Scalar<'de>, D::Error> {
        IgnoredAny::deserialize(inner)?;
        Ok(Scalar::Nothing)
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

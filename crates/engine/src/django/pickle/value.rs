//! What can lie on a pickle's stack, as little of it as the three keys need.
//! Invariant: every value is `Copy`: no mention of a value makes more of it.

use std::borrow::Cow;

use super::super::session::Unreadable;
use super::super::session::impersonation::{Clue, Impersonation, Names};
use super::super::session::payload::{Payload, Scalar};
use super::{moment, text};

#[derive(Clone, Copy, Debug)]
pub(super) enum Value<'a> {
    None,
    Bool(bool),
    Int(i128),
    Float(f64),
    /// `str`, as it stands in the input.
    Text(&'a [u8]),
    /// `str` of protocol 0, with its escapes.
    Escaped(&'a [u8]),
    Bytes(&'a [u8]),
    /// The dict that was begun before anything else: the session. There is one, and it is never mentioned again.
    Session,
    Dict,
    List,
    /// A list under a key that names users, by its number.
    Ids(u32),
    Set,
    /// Its number; the newest tuple's items are known, while it is the newest.
    Tuple(u32),
    /// A name that stands for something of use here.
    Known(Known),
    /// `timedelta` in microseconds.
    Delta(i64),
    Zone(Zone<'a>),
    /// `datetime`, from the ten bytes that it pickles as.
    Moment([u8; 10], Option<Zone<'a>>),
    /// Ten bytes that stood in the input as text, as protocols 0 to 2 have it.
    Ten([u8; 10]),
    /// Whatever needs Python to be known.
    Opaque,
}

/// The callables that are understood, without being called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    Datetime,
    Timedelta,
    Timezone,
    ZoneInfo,
    /// `ZoneInfo._unpickle`
    ZoneNamed,
    PytzUtc,
    PytzZone,
    Encode,
    Getattr,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Zone<'a> {
    /// Microseconds east of UTC.
    Offset(i64),
    Named(&'a [u8]),
}

impl Known {
    pub(super) fn of(module: &[u8], name: &[u8]) -> Option<Self> {
        Some(match (module, name) {
            (b"datetime", b"datetime") => Self::Datetime,
            (b"datetime", b"timedelta") => Self::Timedelta,
            (b"datetime", b"timezone") => Self::Timezone,
            (b"zoneinfo" | b"backports.zoneinfo", b"ZoneInfo") => Self::ZoneInfo,
            (b"zoneinfo" | b"backports.zoneinfo", b"ZoneInfo._unpickle") => Self::ZoneNamed,
            (b"pytz", b"_UTC") => Self::PytzUtc,
            (b"pytz", b"_p") => Self::PytzZone,
            (b"_codecs", b"encode") => Self::Encode,
            (b"builtins" | b"__builtin__", b"getattr") => Self::Getattr,
            _ => return None,
        })
    }
}

impl<'a> Value<'a> {
    /// The bytes of a number as Python keeps it: little-endian, in two's complement.
    pub(super) fn long(bytes: &[u8]) -> Self {
        let mut wide = [0; 16];
        let Some(room) = wide.get_mut(..bytes.len()) else {
            return Self::Opaque;
        };
        room.copy_from_slice(bytes);
        if bytes.last().is_some_and(|last| last & 0x80 != 0) {
            for byte in wide.iter_mut().skip(bytes.len()) {
                *byte = 0xff;
            }
        }
        Self::Int(i128::from_le_bytes(wide))
    }

    /// A number of protocol 0. One that is too large to be anyone's key is a number all the same.
    pub(super) fn digits(line: &[u8]) -> Result<Self, Unreadable> {
        let digits = std::str::from_utf8(line).map_err(|_| Unreadable::Opaque)?;
        if let Ok(number) = digits.parse() {
            return Ok(Self::Int(number));
        }
        let bare = digits.strip_prefix('-').unwrap_or(digits);
        if bare.is_empty() || bare.bytes().any(|byte| !byte.is_ascii_digit()) {
            return Err(Unreadable::Opaque);
        }
        Ok(Self::Opaque)
    }

    pub(super) fn float(line: &[u8]) -> Result<Self, Unreadable> {
        let text = std::str::from_utf8(line).map_err(|_| Unreadable::Opaque)?;
        let number = text.parse().map_err(|_| Unreadable::Opaque)?;
        Ok(Self::Float(number))
    }

    /// Whether Python takes it for the key of a dict.
    pub(super) fn is_hashable(self) -> bool {
        !matches!(
            self,
            Self::Session | Self::Dict | Self::List | Self::Ids(_) | Self::Set
        )
    }

    pub(super) fn is_text(self) -> bool {
        matches!(self, Self::Text(_) | Self::Escaped(_))
    }

    fn scalar(self) -> Result<Scalar<'a>, Unreadable> {
        Ok(match self {
            Self::Opaque => return Err(Unreadable::Opaque),
            Self::Int(number) => match i64::try_from(number) {
                Ok(number) => Scalar::Integer(number),
                Err(_) => Scalar::Text(Cow::Owned(number.to_string())),
            },
            Self::Bool(yes) => Scalar::Integer(i64::from(yes)),
            Self::Float(number) => Scalar::Float(number),
            Self::Text(bytes) | Self::Bytes(bytes) => {
                let text = std::str::from_utf8(bytes).map_err(|_| Unreadable::Opaque)?;
                Scalar::Text(Cow::Borrowed(text))
            }
            Self::Escaped(raw) => {
                Scalar::Text(Cow::Owned(text::unescaped(raw).ok_or(Unreadable::Opaque)?))
            }
            Self::Moment(state, zone) => {
                Scalar::Moment(moment::of(&state, zone).ok_or(Unreadable::Opaque)?)
            }
            _ => Scalar::Nothing,
        })
    }
}

/// What the keys that matter held when the pickle ended.
#[derive(Debug, Default)]
pub(super) struct Found<'a> {
    names: Names<'a>,
    user: Option<Value<'a>>,
    backend: Option<Value<'a>>,
    auth_hash: Option<Value<'a>>,
    expiry: Option<Value<'a>>,
    /// By [`Clue`], and the newest value alone.
    clues: Vec<(Clue, Value<'a>)>,
    /// Items of the lists, each with its list's number.
    pub(super) items: Vec<(u32, Value<'a>)>,
}

impl<'a> Found<'a> {
    pub(super) fn of(names: Names<'a>) -> Self {
        Self {
            names,
            ..Self::default()
        }
    }

    pub(super) fn put(&mut self, key: Value<'a>, value: Value<'a>) {
        let slot = match text::short(key).as_ref() {
            b"_auth_user_id" => &mut self.user,
            b"_auth_user_backend" => &mut self.backend,
            b"_auth_user_hash" => &mut self.auth_hash,
            b"_session_expiry" => &mut self.expiry,
            key => {
                if let Some(clue) = self.names.clue_of(key) {
                    self.clues.retain(|(known, _)| *known != clue);
                    self.clues.push((clue, value));
                }
                return;
            }
        };
        *slot = Some(value);
    }

    pub(super) fn into_payload(self) -> Result<Payload, Unreadable> {
        let scalar = |value: Option<Value<'a>>| value.unwrap_or(Value::None).scalar();
        Ok(Payload {
            user: scalar(self.user)?.into_text(),
            backend: scalar(self.backend)?.into_text(),
            auth_hash: scalar(self.auth_hash)?.into_text(),
            expiry: scalar(self.expiry)?.into_expiry(),
            impersonation: impersonation(&self.clues, &self.items),
        })
    }
}

/// What only Python could make sense of names nobody.
fn impersonation<'a>(
    clues: &[(Clue, Value<'a>)],
    items: &[(u32, Value<'a>)],
) -> Option<Box<Impersonation>> {
    let id = |value: Value<'a>| value.scalar().ok().and_then(Scalar::into_text);
    let mut found = Impersonation::default();
    for (clue, value) in clues {
        match value {
            Value::Ids(list) => {
                let own = items.iter().filter(|(of, _)| of == list);
                found.add(*clue, own.filter_map(|(_, item)| id(*item)));
            }
            value => found.add(*clue, id(*value)),
        }
    }
    found.boxed()
}

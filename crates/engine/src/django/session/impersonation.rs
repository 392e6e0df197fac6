//! Which other users a session belongs to: what django-hijack, django-loginas, django-su and django-impersonate keep in it.
//! Pure. The keys are recognised by name and by the form of their values; no setting of the site is needed.
//! Invariant: a value of another form is no error and no impersonation.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::super::base62;
use super::payload::Scalar;

/// Users kept of one list. Nobody nests impersonations deeper.
pub(in crate::django) const MOST: usize = 16;

/// The users that a session names besides its own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Impersonation {
    /// Users to whom the session returns, without a password, when the impersonation ends. The first one began it.
    pub returns_to: Vec<String>,
    /// The user as whom requests act while the session stays its own user's.
    pub acts_as: Option<String>,
}

impl Impersonation {
    pub(in crate::django) fn add(&mut self, clue: Clue, ids: impl IntoIterator<Item = String>) {
        let mut ids = ids.into_iter().filter(|id| !id.is_empty());
        match clue {
            Clue::Hijack | Clue::Su => {
                let room = MOST.saturating_sub(self.returns_to.len());
                self.returns_to.extend(ids.take(room));
            }
            Clue::LoginAs => {
                let signed = ids.next().as_deref().and_then(signed_id).map(str::to_owned);
                self.returns_to.extend(signed);
            }
            Clue::Impersonate => self.acts_as = ids.next(),
        }
    }

    /// `None` if the session names nobody.
    pub(in crate::django) fn boxed(self) -> Option<Box<Self>> {
        let any = !self.returns_to.is_empty() || self.acts_as.is_some();
        any.then(|| Box::new(self))
    }
}

/// A key of a session under which a package keeps users.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::django) enum Clue {
    /// `hijack_history`: a list of ids.
    Hijack,
    /// `exit_users_pk`: a list of pairs, each an id and a backend.
    Su,
    /// `loginas_from_user`: an id, signed with a timestamp.
    LoginAs,
    /// `_impersonate`: the id of the user as whom requests act.
    Impersonate,
}

/// What a site calls the keys that it may rename.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::django) struct Names<'n> {
    /// django-loginas' `LOGINAS_FROM_USER_SESSION_FLAG`, if it is not the package's own.
    pub loginas: Option<&'n str>,
}

impl Names<'_> {
    /// The clue under this key of this site's sessions.
    pub(in crate::django) fn clue_of(self, key: &[u8]) -> Option<Clue> {
        match self.loginas {
            Some(own) if own.as_bytes() == key => Some(Clue::LoginAs),
            _ => Clue::of(key),
        }
    }
}

impl Clue {
    pub(in crate::django) fn of(key: &[u8]) -> Option<Self> {
        Some(match key {
            b"hijack_history" => Self::Hijack,
            b"exit_users_pk" => Self::Su,
            b"loginas_from_user" => Self::LoginAs,
            b"_impersonate" => Self::Impersonate,
            _ => return None,
        })
    }

    pub(in crate::django) fn is_list(self) -> bool {
        matches!(self, Self::Hijack | Self::Su)
    }
}

/// The value that Django's `TimestampSigner` signed: `value:timestamp:signature`. A site may use the key for something
/// else, so `None` if the text has another form.
fn signed_id(text: &str) -> Option<&str> {
    let mut parts = text.rsplitn(3, ':');
    let (signature, timestamp, id) = (parts.next()?, parts.next()?, parts.next()?);
    let digits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let signature = matches!(signature.len(), 27 | 43) && signature.bytes().all(digits);
    (signature && base62::decode(timestamp.as_bytes()).is_some()).then_some(id)
}

/// The ids in a value of JSON or msgpack: a plain value, a list of them, or a list of lists that begin with one.
pub(super) struct Ids(pub Vec<String>);

impl<'de> Deserialize<'de> for Ids {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(IdsVisitor).map(Self)
    }
}

struct IdsVisitor;

impl<'de> Visitor<'de> for IdsVisitor {
    type Value = Vec<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ids of users")
    }

    fn visit_unit<E>(self) -> Result<Vec<String>, E> {
        Ok(Vec::new())
    }

    fn visit_bool<E>(self, _: bool) -> Result<Vec<String>, E> {
        Ok(Vec::new())
    }

    fn visit_i64<E>(self, number: i64) -> Result<Vec<String>, E> {
        Ok(vec![number.to_string()])
    }

    fn visit_u64<E>(self, number: u64) -> Result<Vec<String>, E> {
        Ok(vec![number.to_string()])
    }

    fn visit_f64<E>(self, _: f64) -> Result<Vec<String>, E> {
        Ok(Vec::new())
    }

    fn visit_str<E>(self, text: &str) -> Result<Vec<String>, E> {
        Ok(vec![text.to_owned()])
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Vec<String>, E> {
        Ok(std::str::from_utf8(bytes).map_or_else(|_| Vec::new(), |text| vec![text.to_owned()]))
    }

    /// A msgpack extension type.
    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<Vec<String>, D::Error> {
        IgnoredAny::deserialize(inner)?;
        Ok(Vec::new())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<String>, A::Error> {
        let mut ids = Vec::new();
        while let Some(First(id)) = seq.next_element()? {
            if ids.len() < MOST {
                ids.extend(id);
            }
        }
        Ok(ids)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Vec<String>, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Vec::new())
    }
}

/// A plain value, or the first one of a list.
struct First(Option<String>);

impl<'de> Deserialize<'de> for First {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FirstVisitor).map(Self)
    }
}

struct FirstVisitor;

impl<'de> Visitor<'de> for FirstVisitor {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an id, or a list that begins with one")
    }

    fn visit_unit<E>(self) -> Result<Option<String>, E> {
        Ok(None)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Option<String>, E> {
        Ok(None)
    }

    fn visit_i64<E>(self, number: i64) -> Result<Option<String>, E> {
        Ok(Some(number.to_string()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Option<String>, E> {
        Ok(Some(number.to_string()))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Option<String>, E> {
        Ok(None)
    }

    fn visit_str<E>(self, text: &str) -> Result<Option<String>, E> {
        Ok(Some(text.to_owned()))
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Option<String>, E> {
        Ok(std::str::from_utf8(bytes).ok().map(str::to_owned))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(
        self,
        inner: D,
    ) -> Result<Option<String>, D::Error> {
        IgnoredAny::deserialize(inner)?;
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Option<String>, A::Error> {
        let first = seq.next_element::<Scalar<'de>>()?;
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(first.and_then(Scalar::into_text))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Option<String>, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(None)
    }
}

#[cfg(test)]
#[path = "impersonation_tests.rs"]
mod tests;

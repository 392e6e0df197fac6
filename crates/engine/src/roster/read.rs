//! One row's reading: from what lies in the store to a session in the roster's own form. Needs nothing of the roster, so
//! that its lock is free meanwhile.

use std::hash::BuildHasher;
use std::time::Duration;

use hashbrown::DefaultHashBuilder;
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};

use super::acting::Links;
use super::key::Key;
use super::person::{Password, Starts};
use super::session::{HashStart, Row};
use crate::django::auth_hash;
use crate::django::backends::Backends;
use crate::django::secret::SecretKeys;
use crate::django::session::{Decoded, Decoder, Expiry, ExpiryKind, Signature, Unreadable};
use crate::store::{DataRef, Extra, IdForm, SessionRef, UserId};

/// When a session was last saved, by all that tells it: its own timestamp, its file, its table. A cache tells only
/// when it runs out, and that is an age after the last save; but a wrong age would make the active look idle, so only
/// one that the session itself has or that the operator said counts, never one taken for granted.
pub fn last_save(
    row: SessionRef<'_>,
    decoded: Option<&Decoded>,
    cookie_age: Option<Duration>,
) -> Option<Timestamp> {
    let seen = row.extra.and_then(|extra| extra.seen);
    let told = decoded
        .and_then(|session| session.last_saved)
        .max(row.saved)
        .max(seen);
    let (DataRef::Cached(_), Some(session)) = (row.data, decoded) else {
        return told;
    };
    let age = match session.expiry {
        Expiry::Seconds(seconds) => Some(SignedDuration::from_secs(seconds)),
        Expiry::Default | Expiry::BrowserClose => {
            cookie_age.and_then(|age| SignedDuration::try_from(age).ok())
        }
        Expiry::Fixed(_) => None,
    };
    let reckoned = age
        // What never runs out tells nothing.
        .filter(|_| row.expires < Timestamp::MAX)
        .and_then(|age| row.expires.checked_sub(age).ok());
    told.max(reckoned)
}

/// Reads sessions of one site.
pub struct Reader {
    decoder: Decoder,
    auth: Option<auth_hash::Checker>,
    /// SESSION_COOKIE_AGE, where the operator has said it.
    cookie_age: Option<Duration>,
    /// How Django reads the user's id in a session.
    ids: IdForm,
    backends: Backends,
    /// Tells one password from another without keeping either.
    stamps: DefaultHashBuilder,
}

/// A session that was just read.
pub struct Fresh {
    pub(super) key: Key,
    pub(super) user: Option<UserId>,
    pub(super) row: Row,
    pub(super) extra: Option<Box<Extra>>,
    pub(super) links: Option<Box<Links>>,
    /// Its times are as exact as a cache is.
    pub(super) wavers: bool,
}

impl Reader {
    pub fn new(keys: Option<&SecretKeys>, cookie_age: Option<Duration>) -> Self {
        Self {
            decoder: Decoder::new(keys),
            auth: keys.map(auth_hash::Checker::new),
            cookie_age,
            ids: IdForm::default(),
            backends: Backends::default(),
            stamps: DefaultHashBuilder::default(),
        }
    }

    /// Of a site whose users have keys of this form.
    pub fn with_ids(self, ids: IdForm) -> Self {
        Self { ids, ..self }
    }

    /// Of a site that keeps django-loginas' user under this key.
    pub fn with_loginas_key(self, key: Option<String>) -> Self {
        let decoder = self.decoder.with_loginas_key(key);
        Self { decoder, ..self }
    }

    /// Of a site with these authentication backends.
    pub fn with_backends(self, backends: Backends) -> Self {
        Self { backends, ..self }
    }

    /// Reads one row. Pure but for the decoder's buffers.
    pub fn read(&mut self, row: SessionRef<'_>) -> Fresh {
        let decoded = match row.data {
            DataRef::Encoded(bytes) => std::str::from_utf8(bytes)
                .map_err(|_| Unreadable::Malformed)
                .and_then(|text| self.decoder.decode(text)),
            DataRef::Cached(bytes) => self.decoder.cached(bytes),
        };
        let last_saved = last_save(row, decoded.as_ref().ok(), self.cookie_age);
        let (mut session, hash, user, links) = match decoded {
            Ok(decoded) => {
                let hash = decoded.auth_hash.filter(|_| self.auth.is_some());
                let mut session = Row::new(
                    last_saved,
                    row.expires,
                    decoded.expiry.kind(),
                    decoded.signature,
                    None,
                );
                session.set_admits(self.backends.of(decoded.backend.as_deref()));
                let start = hash.map_or(0, |hash| auth_hash::start(&hash));
                let links = decoded.impersonation.map(|read| Links::of(*read, self.ids));
                (
                    session,
                    start,
                    decoded.user.map(|id| self.ids.id(&id)),
                    links,
                )
            }
            Err(unread) => (
                Row::new(
                    last_saved,
                    row.expires,
                    ExpiryKind::Age,
                    Signature::Unchecked,
                    Some(unread),
                ),
                0,
                // A table that names the user itself does so for what cannot be read, too.
                row.extra
                    .and_then(|extra| extra.user.as_ref())
                    .map(|id| self.ids.id(id.as_str())),
                None,
            ),
        };
        session.hash = hash;
        Fresh {
            key: Key::of(row.key),
            user,
            row: session,
            extra: row.extra.cloned().map(Box::new),
            links,
            wavers: matches!(row.data, DataRef::Cached(_)),
        }
    }

    /// A number that another password has not. None: nobody can check it.
    pub(super) fn stamp(&self, password: &SecretString) -> Option<u64> {
        self.auth.as_ref()?;
        Some(self.stamps.hash_one(password.expose_secret()))
    }

    /// What is kept of a password.
    pub(super) fn password(&self, password: &SecretString, stamp: u64) -> Option<Password> {
        let checker = self.auth.as_ref()?;
        let starts: Vec<HashStart> = checker.starts(password.expose_secret());
        Some(Password {
            stamp,
            starts: match starts.as_slice() {
                [one, two] => Starts::Two([*one, *two]),
                _ => Starts::Many(starts.into()),
            },
        })
    }
}

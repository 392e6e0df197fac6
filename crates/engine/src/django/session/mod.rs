//! What one session row says: its user, its last save, how it expires, whether it is genuine.
//! Whether that user is signed in needs more than the row, and is decided elsewhere.
//! Invariant: a bad row is a value of `Unreadable`, never a panic, and never quotes the row.

mod cached;
mod decode;
mod encode;
pub(super) mod impersonation;
mod large;
pub(super) mod payload;
mod unpack;

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use decode::{Decoder, MAX_INFLATED, decode};
pub use encode::{Fields, encode};
pub use impersonation::Impersonation;

/// Both forms sign for the class `SessionStore`, the name in every session engine of Django's own.
const SIGNED_SALT: &str = "django.contrib.sessions.SessionStoresigner";
const LEGACY_SALT: &str = "django.contrib.sessionsSessionStore";

/// A session row that could be read. An empty or anonymous session has no `user`.
#[derive(Clone, PartialEq, Eq)]
pub struct Decoded {
    /// `_auth_user_id` as text, in the spelling that Django chose for it.
    pub user: Option<String>,
    /// `_auth_user_backend`, a dotted name; see [`super::backends`].
    pub backend: Option<String>,
    /// `_auth_user_hash`; compare it with [`super::auth_hash::matches`].
    pub auth_hash: Option<String>,
    /// The second of the last save; the legacy form has none.
    pub last_saved: Option<Timestamp>,
    pub expiry: Expiry,
    pub signature: Signature,
    pub form: Form,
    /// The other users that it names, if an impersonation is under way.
    pub impersonation: Option<Box<Impersonation>>,
}

impl fmt::Debug for Decoded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoded")
            .field("user", &self.user)
            .field("backend", &self.backend)
            .field("auth_hash", &self.auth_hash.as_ref().map(|_| "[redacted]"))
            .field("last_saved", &self.last_saved)
            .field("expiry", &self.expiry)
            .field("signature", &self.signature)
            .field("form", &self.form)
            .field("impersonation", &self.impersonation)
            .finish()
    }
}

/// `_session_expiry`: what the site asked for with `set_expiry`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Expiry {
    /// Not set: SESSION_COOKIE_AGE after each save.
    #[default]
    Default,
    /// This many seconds after each save.
    Seconds(i64),
    /// The cookie ends with the browser; the row lives for SESSION_COOKIE_AGE.
    BrowserClose,
    /// One moment that saves do not move. A value without an offset counts as UTC.
    Fixed(Timestamp),
}

impl Expiry {
    pub fn kind(self) -> ExpiryKind {
        match self {
            Self::Default | Self::Seconds(_) => ExpiryKind::Age,
            Self::BrowserClose => ExpiryKind::BrowserClose,
            Self::Fixed(_) => ExpiryKind::Fixed,
        }
    }
}

/// The public names of the ways in which a session expires.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, specta::Type)]
#[serde(rename_all = "snake_case")]
pub enum ExpiryKind {
    Age,
    BrowserClose,
    Fixed,
}

/// Whether a row was signed with one of the site's keys. To Django an invalid row is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, specta::Type)]
#[serde(rename_all = "snake_case")]
pub enum Signature {
    Verified,
    Invalid,
    /// The SECRET_KEY is not known here.
    Unchecked,
}

/// How a session was written down: `session_data` has two encodings, caches have their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Form {
    /// Since Django 3.1: `payload:timestamp:signature`.
    Signed,
    /// Before: base64 of `digest:payload`. Django 4.0 and later take it for an empty session.
    Legacy,
    /// A cache's value, read by [`Decoder::cached`]: not signed, and without the moment of its save.
    Cached,
}

impl Form {
    /// Of a row: [`Form::Signed`] or [`Form::Legacy`].
    /// Base64 has no colon in either alphabet, so one byte tells the forms apart.
    pub fn of(data: &str) -> Self {
        if data.contains(':') {
            Self::Signed
        } else {
            Self::Legacy
        }
    }
}

/// Why a row tells nothing. The text of the row is in none of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Unreadable {
    #[error("the session data is empty")]
    Empty,
    #[error("the session data is in none of Django's forms")]
    Malformed,
    #[error("the session data is not base64")]
    NotBase64,
    #[error("the session data does not inflate")]
    NotInflatable,
    #[error("the session data is larger than 1 MiB")]
    TooLarge,
    #[error("the session data nests too deeply")]
    TooDeep,
    #[error("the timestamp in the session data is not one")]
    BadTimestamp,
    /// An encrypted payload, a serializer or compressor of the site's own, a pickle that Python would have
    /// to run, or damage.
    #[error("the session data is opaque: no plain values")]
    Opaque,
}

/// How many characters of a row [`version_of`] returns at most.
pub const VERSION_CHARS: usize = 64;

/// A short piece of a row that changes whenever Django saves something else into it.
///
/// The signed form ends in its timestamp and signature, so its last 64 characters tell one save
/// from another; the legacy form begins with its digest, so there it is the first 64. A shorter
/// row is its own version. A DELETE that must hit only the row as it was read asks for
/// `version IN (RIGHT(session_data, 64), LEFT(session_data, 64))`.
pub fn version_of(data: &str) -> &str {
    match Form::of(data) {
        Form::Signed => match data.char_indices().rev().nth(VERSION_CHARS - 1) {
            Some((start, _)) => &data[start..],
            None => data,
        },
        Form::Legacy | Form::Cached => match data.char_indices().nth(VERSION_CHARS) {
            Some((end, _)) => &data[..end],
            None => data,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_the_end_of_the_signed_form_and_the_start_of_the_legacy_form() {
        let signed = format!("{}:1abcde:{}", "p".repeat(300), "s".repeat(43));
        assert_eq!(version_of(&signed).chars().count(), 64);
        assert!(signed.ends_with(version_of(&signed)));
        assert!(version_of(&signed).contains(":1abcde:"));

        let legacy = format!("{}{}", "d".repeat(60), "p".repeat(300));
        assert_eq!(version_of(&legacy), &legacy[..64]);

        for short in ["", "a:b:c", "abc", "é:é"] {
            assert_eq!(version_of(short), short);
        }
        let wide = "é".repeat(100) + ":";
        assert_eq!(version_of(&wide).chars().count(), 64);
    }

    #[test]
    fn debug_keeps_the_auth_hash_back() {
        let decoded = Decoded {
            backend: None,
            user: Some("1".into()),
            auth_hash: Some("canary".into()),
            last_saved: None,
            expiry: Expiry::Default,
            signature: Signature::Unchecked,
            form: Form::Signed,
            impersonation: None,
        };
        assert!(!format!("{decoded:?}").contains("canary"));
    }

    #[test]
    fn kinds_are_the_public_names() {
        let kind = |expiry: Expiry| serde_json::to_string(&expiry.kind()).unwrap_or_default();
        assert_eq!(kind(Expiry::Default), "\"age\"");
        assert_eq!(kind(Expiry::Seconds(9)), "\"age\"");
        assert_eq!(kind(Expiry::BrowserClose), "\"browser_close\"");
        assert_eq!(kind(Expiry::Fixed(Timestamp::UNIX_EPOCH)), "\"fixed\"");
    }
}

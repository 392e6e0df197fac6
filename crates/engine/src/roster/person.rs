//! One person and one session, as the roster holds them.

use std::collections::HashMap;

use jiff::Timestamp;

use crate::django::auth_hash;
use crate::django::secret::SecretKeys;
use crate::django::session::{Expiry, Signature, Unreadable};
use crate::policy::{Facts, Verdict};
use crate::store::{Extra, SessionKey, UserId, UserRow};

/// Whose session it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    User(UserId),
    Anonymous,
    Unreadable,
}

/// A session without its payload.
#[derive(Debug, Clone)]
pub struct Session {
    pub owner: Owner,
    pub last_saved: Option<Timestamp>,
    pub expires: Timestamp,
    pub expiry: Expiry,
    pub signature: Signature,
    /// Kept only where a SECRET_KEY is known to check it with.
    pub auth_hash: Option<Box<str>>,
    /// The auth hash fits the user's password, as far as it can be checked.
    pub auth_fits: bool,
    /// What the table says of it in columns of its own.
    pub extra: Option<Box<Extra>>,
    /// Why its content tells nothing.
    pub unread: Option<Unreadable>,
    pub(super) pass: u32,
}

impl Session {
    /// The seconds between a save and the date it set, where each save sets it anew.
    pub fn age(&self) -> Option<i64> {
        if matches!(self.expiry, Expiry::Fixed(_)) {
            return None;
        }
        let saved = self.last_saved?;
        let seconds = self.expires.duration_since(saved).as_secs();
        (seconds > 0).then_some(seconds)
    }

    /// What Django itself could not read either, and takes for an empty session. What only Curfew cannot read, a
    /// pickle or more than it looks into, lets its holder in.
    pub(super) fn is_damaged(&self) -> bool {
        matches!(
            self.unread,
            Some(
                Unreadable::Empty
                    | Unreadable::Malformed
                    | Unreadable::NotBase64
                    | Unreadable::NotInflatable
                    | Unreadable::BadTimestamp
            )
        )
    }
}

/// A user with sessions, the flag, or both.
#[derive(Debug, Clone, Default)]
pub struct Person {
    /// None until it has been read.
    pub row: Option<UserRow>,
    /// The sessions name a user that the table does not have.
    pub missing: bool,
    pub(super) keys: Vec<SessionKey>,
    pub verdict: Option<Verdict>,
    pub usable: u32,
    pub last_save: Option<Timestamp>,
}

impl Person {
    pub fn username(&self) -> &str {
        self.row.as_ref().map_or("", |r| r.username.as_str())
    }

    pub fn keys(&self) -> &[SessionKey] {
        &self.keys
    }

    pub(super) fn session_count(&self) -> u32 {
        u32::try_from(self.keys.len()).unwrap_or(u32::MAX)
    }

    /// Why Django would not let the holder of this session in; none where it would.
    pub fn refusal(&self, session: &Session, now: Timestamp) -> Option<&'static str> {
        if session.signature == Signature::Invalid {
            return Some("its signature is not this site's");
        }
        if session.is_damaged() {
            return Some("its content is damaged");
        }
        match &self.row {
            None if self.missing => Some("its user no longer exists"),
            None => Some("its user has not been read yet"),
            Some(row) if !row.enabled => Some("the account is disabled"),
            Some(_) if !session.auth_fits => Some("the password has changed since"),
            Some(_) if session.expires <= now => Some("it has expired"),
            Some(_) => None,
        }
    }

    pub(super) fn facts(&self, sessions: &HashMap<SessionKey, Session>, now: Timestamp) -> Facts {
        let mut facts = Facts::default();
        if let Some(row) = &self.row {
            facts.last_activity = row.last_activity;
            facts.last_login = row.last_login;
            facts.flagged = row.flagged;
        }
        for session in self.keys.iter().filter_map(|k| sessions.get(k)) {
            if self.refusal(session, now).is_none() {
                facts.usable_sessions += 1;
                facts.last_save = facts.last_save.max(session.last_saved);
            }
        }
        facts
    }

    /// Whether this session was made with the password that the user has now.
    pub(super) fn fits(&self, session: &Session, keys: Option<&SecretKeys>) -> bool {
        let (Some(keys), Some(row)) = (keys, &self.row) else {
            return true;
        };
        // The hash stands in what could not be read.
        if session.unread.is_some() {
            return true;
        }
        match (&session.auth_hash, &row.password) {
            (Some(hash), Some(password)) => {
                use secrecy::ExposeSecret;
                auth_hash::matches(password.expose_secret(), hash, keys)
            }
            // A user model without passwords has no hash to compare.
            (_, None) => true,
            (None, Some(_)) => false,
        }
    }
}

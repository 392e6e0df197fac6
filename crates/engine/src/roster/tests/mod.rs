//! The roster fed by hand, with the clock in hand. What a store hands over is in tests/store_contract.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod acting;
mod follow;
mod intake;
mod pages;
mod refused;
mod saved;
mod settling;
mod users;

use jiff::{SignedDuration, Timestamp};

use super::Roster;
use crate::config::Policy;
use crate::django::secret::SecretKeys;
use crate::django::session::{Expiry, Fields, encode};
use crate::policy::Rules;
use crate::store::{SessionKey, SessionRow, Sink, UserId, UserRow};

pub(crate) const PASSWORD: &str = "pbkdf2_sha256$1$salt$digest";
pub(crate) const COOKIE_AGE: i64 = 1_209_600;

pub(crate) fn now() -> Timestamp {
    "2026-11-23T12:00:00Z".parse().unwrap()
}

pub(crate) fn ago(seconds: i64) -> Timestamp {
    now() - SignedDuration::from_secs(seconds)
}

pub(crate) fn later(seconds: i64) -> Timestamp {
    now() + SignedDuration::from_secs(seconds)
}

pub(crate) fn keys() -> SecretKeys {
    SecretKeys::new("a key of the tests".into(), Vec::new())
}

/// Five and 35 minutes, and every session in sight.
pub(crate) fn rules() -> Rules {
    Rules::new(&Policy::default(), false, true)
}

pub(crate) fn roster() -> Roster {
    Roster::new(Some(keys()))
}

/// A user with a name and an enabled account, and nothing else.
pub(crate) fn user(id: &str, username: &str) -> UserRow {
    UserRow {
        id: UserId::new(id),
        username: username.into(),
        email: None,
        name: None,
        last_activity: None,
        last_login: None,
        flagged: false,
        staff: false,
        superuser: false,
        enabled: true,
        password: None,
    }
}

/// The same, last active so many seconds ago.
pub(crate) fn seen(id: &str, username: &str, seconds: i64) -> UserRow {
    UserRow {
        last_activity: Some(ago(seconds)),
        ..user(id, username)
    }
}

/// A session as Django writes it: of the usual age, saved so many seconds ago.
pub(crate) fn session(key: &str, user: Option<&str>, saved: i64) -> SessionRow {
    session_with(key, user, saved, Expiry::Default, &keys())
}

pub(crate) fn session_with(
    key: &str,
    user: Option<&str>,
    saved: i64,
    expiry: Expiry,
    keys: &SecretKeys,
) -> SessionRow {
    let fields = Fields {
        user: user.map(str::to_owned),
        expiry,
        ..Fields::default()
    };
    row(
        key,
        &encode(&fields, keys, ago(saved)),
        later(COOKIE_AGE - saved),
    )
}

pub(crate) fn row(key: &str, data: &str, expires: Timestamp) -> SessionRow {
    SessionRow::encoded(SessionKey::new(key), data.into(), expires)
}

pub(crate) fn id(id: &str) -> UserId {
    UserId::new(id)
}

/// Somebody with one session, saved when they were last active.
pub(crate) fn signed_in(roster: &mut Roster, who: UserRow, idle: i64) {
    let id = who.id.as_str().to_owned();
    roster.session(session(&format!("key of {id}"), Some(&id), idle));
    roster.user(UserRow {
        last_activity: who.last_activity.or(Some(ago(idle))),
        ..who
    });
}

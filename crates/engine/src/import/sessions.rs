//! From what a project says of its sessions to `[site.sessions]`. Pure.

use super::answer::{Cache, Database, Sessions};
use super::cache::{self, Keys};
use super::database;
use super::take::{from, named, password};
use super::taken::Taken;
use crate::config::{Address, Base, Engine, Plain, SessionsConfig};
use crate::secrets::keychain::Item;

const TABLE: Option<&str> = Some("sessions");
/// Keys that an earlier import of the same site may have left, and this one may not set.
const KEYS: [&str; 11] = [
    "base",
    "url",
    "table",
    "user",
    "cache",
    "cache_key_prefix",
    "cache_version",
    "cache_key",
    "path",
    "cookie_name",
    "loginas_key",
];

/// Sets what belongs to the sessions, and returns what their engine is built on. What cannot be taken over becomes a note: the users can be looked at all the same.
pub(super) fn take(
    taken: &mut Taken,
    sessions: &Sessions,
    theirs: Option<&Database>,
    home: &Database,
    address: &Address,
) -> Option<Base> {
    for key in KEYS {
        taken.text(TABLE, key, None);
    }
    let (engine, base) = engine(taken, sessions);
    if let Some(seconds) = u64::try_from(sessions.cookie_age).ok().filter(|s| *s > 0) {
        let age = span(seconds);
        taken.text(TABLE, "cookie_age", Some(&age));
        taken.row("session age", age, "SESSION_COOKIE_AGE");
    }
    if let Some(key) = &sessions.loginas_key {
        taken.text(TABLE, "loginas_key", Some(key));
        taken.row("django-loginas' key", key, "LOGINAS_FROM_USER_SESSION_FLAG");
    }
    if sessions.save_every_request {
        taken.set(TABLE, "saved_every_request", Some(Plain::Truth(true)));
        taken.row(
            "saved on every request",
            "yes",
            "SESSION_SAVE_EVERY_REQUEST",
        );
    }
    match base {
        Some(Base::File) => {
            taken.text(TABLE, "path", Some(&sessions.path));
            taken.text(TABLE, "cookie_name", Some(&sessions.cookie_name));
            taken.row(
                "session files",
                format!("{}/{}...", sessions.path.trim_end_matches('/'), sessions.cookie_name),
                "SESSION_FILE_PATH and SESSION_COOKIE_NAME",
            );
        }
        Some(Base::SignedCookies) => taken.note(
            "Sessions lie in the browsers alone: Curfew cannot see or end them; only a disabled account or a new password does.",
        ),
        _ => {}
    }
    rows(taken, sessions, theirs, home, address);
    if let Some(cached) = &sessions.cache {
        let config = SessionsConfig {
            engine: engine.into(),
            base,
            ..SessionsConfig::default()
        };
        let usual = Engine::of(&config).map_or("", |engine| engine.cache_prefix);
        cache(taken, sessions, cached, usual);
    }
    base
}

/// A duration as the configuration's own examples have it.
fn span(seconds: u64) -> String {
    for (unit, word) in [(86_400, "d"), (3600, "h"), (60, "m")] {
        if seconds.is_multiple_of(unit) {
            return format!("{}{word}", seconds / unit);
        }
    }
    format!("{seconds}s")
}

/// The engine as it is written, and what it is built on.
fn engine(taken: &mut Taken, sessions: &Sessions) -> (String, Option<Base>) {
    let name = &sessions.engine;
    let Some(built_on) = &sessions.built_on else {
        taken.text(TABLE, "engine", Some(name));
        taken.row("session engine", name, "SESSION_ENGINE");
        taken.note(format!(
            "{name} is built on no session engine that Curfew knows; nobody can be signed out of it."
        ));
        return (name.clone(), None);
    };
    let (base, word) = match built_on.rsplit('.').next() {
        Some("cached_db") => (Base::CachedDb, "cached_db"),
        Some("cache") => (Base::Cache, "cache"),
        Some("file") => (Base::File, "file"),
        Some("signed_cookies") => (Base::SignedCookies, "signed_cookies"),
        _ => (Base::Db, "db"),
    };
    // A package's engine does things that its base's name does not tell, so it is that one's name that is written.
    let of_django = built_on.starts_with("django.");
    let written = if of_django { name } else { built_on };
    taken.text(TABLE, "engine", Some(written));
    if name == built_on {
        taken.row("session engine", name, "SESSION_ENGINE");
    } else {
        if of_django {
            taken.text(TABLE, "base", Some(word));
        }
        let value = format!("{name}, built on {built_on}");
        taken.row("session engine", value, "SESSION_ENGINE");
    }
    (written.clone(), Some(base))
}

/// The table, and its database where that is not the users'.
fn rows(
    taken: &mut Taken,
    sessions: &Sessions,
    theirs: Option<&Database>,
    home: &Database,
    address: &Address,
) {
    let (Some(table), Some(theirs)) = (&sessions.table, theirs) else {
        return;
    };
    if theirs.alias != home.alias {
        match database::place(theirs) {
            Ok(place) => {
                taken.notes.extend(place.notes);
                if place.url != address.without_password() {
                    taken.text(TABLE, "url", Some(&place.url));
                    taken.row("sessions' database", &place.url, from(theirs));
                    password(taken, Item::SessionsPassword, theirs);
                }
            }
            Err(why) => taken.note(format!("The sessions' database {why}.")),
        }
    }
    let table = named(table);
    taken.text(TABLE, "table", Some(&table));
    taken.row("session table", table, "the session store's model");
    if let Some(user) = &sessions.user {
        taken.text(TABLE, "user", Some(user));
        taken.row("session's user", user, "the session store's model");
    }
}

fn cache(taken: &mut Taken, sessions: &Sessions, cached: &Cache, usual: &str) {
    let setting = format!("CACHES[{:?}]", cached.alias);
    match cache::place(cached) {
        Ok((url, notes)) => {
            taken.text(TABLE, "cache", Some(&url));
            taken.row("cache", url, &setting);
            taken.notes.extend(notes);
        }
        Err(why) => {
            return taken.note(format!(
                "The cache {:?} {why}; a session that lies there stays in use, and nobody can be signed out for certain.",
                cached.alias
            ));
        }
    }
    taken.password(
        Item::CachePassword,
        cached.password.as_ref(),
        cached.password_ask.as_deref(),
        setting.clone(),
    );
    let prefix = sessions.cache_key_prefix.as_deref().unwrap_or(usual);
    match cache::keys(cached, prefix, usual) {
        Ok(Keys::Usual { prefix, version }) => {
            if !prefix.is_empty() {
                taken.text(TABLE, "cache_key_prefix", Some(&prefix));
            }
            if version != 1 {
                taken.set(TABLE, "cache_version", Some(Plain::Number(version)));
            }
            let form = format!("{prefix}:{version}:{usual}...");
            taken.row("cache keys", form, format!("{setting}, asked for one"));
        }
        Ok(Keys::Own(form)) => {
            taken.text(TABLE, "cache_key", Some(&form));
            taken.row("cache keys", form, format!("{setting}, asked for one"));
        }
        Err(why) => taken.note(format!("A key of the cache {:?} {why}.", cached.alias)),
    }
}

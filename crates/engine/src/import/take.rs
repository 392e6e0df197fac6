//! From a project's answer to a site's settings. Pure.

use std::path::PathBuf;

use jiff::tz::TimeZone;
use secrecy::{ExposeSecret, SecretString};

use super::answer::{Answer, Database, Users};
use super::command::SECRET_KEYS;
use super::taken::{Secret, Taken, keepable};
use super::tenants::Split;
use super::words::Redact;
use super::{database, place, sessions};
use crate::config::{Address, Plain};
use crate::error::{Code, Error, Result};
use crate::secrets::keychain::Item;

/// # Errors
/// `Code::Project` where the project has nothing that Curfew could look at: which part, and why.
pub(super) fn take(mut answer: Answer, manage: PathBuf, python: PathBuf) -> Result<Taken> {
    let problems = Problems::of(&mut answer);
    let own = |how: String| Error::new(Code::Project, format!("{} {how}", manage.display()));
    let missing = |what: &str, parts: &[&str]| {
        let why = parts.iter().find_map(|part| problems.why(part));
        let why = why.unwrap_or_else(|| "it says nothing of them".into());
        own(format!("cannot say where its {what} are: {why}"))
    };
    let no_users = || missing("users", &["users", "users_database"]);
    let no_sessions = || missing("sessions", &["sessions", "sessions_database"]);
    let users = answer.users.take().ok_or_else(no_users)?;
    let home = answer.users_database.take().ok_or_else(no_users)?;
    let theirs = answer.sessions_database.take();
    let asked = answer
        .sessions
        .take()
        .filter(|sessions| sessions.alias.is_none() || theirs.is_some())
        .ok_or_else(no_sessions)?;
    let place =
        database::place(&home).map_err(|why| own(format!("has users whose database {why}")))?;
    let address = Address::parse(&place.url)?;
    if let Some(why) = problems.why("tenants") {
        return Err(own(format!("cannot say which tenants it has: {why}")));
    }

    let mut taken = Taken {
        name: place::name(&manage).unwrap_or_else(|| address.site_name()),
        settings: answer.settings.take(),
        entries: Vec::new(),
        secrets: Vec::new(),
        rows: Vec::new(),
        notes: place.notes,
        django: std::mem::take(&mut answer.django),
        manage,
        python,
        tenants: None,
    };
    taken.text(None, "schema", None);
    taken.text(None, "url", Some(&place.url));
    taken.row("database", &place.url, from(&home));
    password(&mut taken, Item::Password, &home);
    let table = named(&users.table);
    for (key, value) in [
        ("table", &table),
        ("id", &users.id),
        ("username", &users.username),
    ] {
        taken.text(Some("users"), key, Some(value));
    }
    taken.row(
        "user table",
        &table,
        format!("AUTH_USER_MODEL, {}", users.model),
    );
    taken.row("user key", &users.id, "its primary key");
    taken.row("user name", &users.username, "its USERNAME_FIELD");
    if users.home != users.model {
        let from = format!("{} inherits from it", users.model);
        taken.row("names and passwords", &users.home, from);
    }
    backends(&mut taken, &users);
    time_zone(&mut taken, &answer, &home);
    let base = sessions::take(&mut taken, &asked, theirs.as_ref(), &home, &address);
    if let Some(tenants) = &answer.tenants {
        let split = Split::of(tenants, base)?;
        taken.row("tenants", split.count(), "TENANT_MODEL");
        if !split.is_many() {
            taken.text(None, "schema", Some(&split.public));
            taken.row(
                "schema",
                &split.public,
                "the tenants share their users and sessions",
            );
        }
        taken.tenants = Some(split);
    }
    let doubt = match (asked.own_salt, users.own_hash) {
        (true, _) => Some("the session store salts its signatures in its own way"),
        (_, true) => Some("the user model makes its session hashes in its own way"),
        _ => None,
    };
    secret_keys(&mut taken, answer.secret_keys.take(), doubt);
    if let Some(why) = problems.why("secret_keys") {
        taken.note(format!("The SECRET_KEY cannot be taken: {why}."));
    }
    Ok(taken)
}

/// The authentication backends: a session that was made by another one is nobody's to Django.
fn backends(taken: &mut Taken, users: &Users) {
    const TABLE: Option<&str> = Some("users");
    let list = |names: &[String]| (!names.is_empty()).then(|| Plain::List(names.to_vec()));
    taken.set(TABLE, "backends", list(&users.backends));
    let admitting = list(&users.admitting_disabled);
    taken.set(TABLE, "backends_admitting_disabled", admitting);
    taken.row(
        "authentication backends",
        users.backends.join(", "),
        "AUTHENTICATION_BACKENDS",
    );
    if !users.admitting_disabled.is_empty() {
        taken.note(format!(
            "{} may let disabled accounts in, so Curfew counts their sessions.",
            users.admitting_disabled.join(", ")
        ));
    }
}

/// What the project could not be asked, fit for an error.
struct Problems(Vec<(String, String)>);

impl Problems {
    fn of(answer: &mut Answer) -> Self {
        let mut redact = Redact::from_environment();
        let keys = answer.secret_keys.iter().flatten().flatten();
        let databases = [&answer.users_database, &answer.sessions_database];
        let passwords = databases.into_iter().flatten();
        for secret in keys.chain(passwords.filter_map(|database| database.password.as_ref())) {
            redact.know(secret.expose_secret());
        }
        let problems = std::mem::take(&mut answer.problems).into_iter();
        Self(problems.map(|p| (p.part, redact.text(&p.error))).collect())
    }

    fn why(&self, part: &str) -> Option<String> {
        let found = self.0.iter().find(|(of, _)| of == part);
        found.map(|(_, why)| why.trim_end_matches('.').to_owned())
    }
}

/// Where a database's settings stand.
pub(super) fn from(database: &Database) -> String {
    match &database.elsewhere {
        Some(elsewhere) => format!("DATABASES[{:?}], {elsewhere}", database.alias),
        None => format!("DATABASES[{:?}]", database.alias),
    }
}

pub(super) fn password(taken: &mut Taken, item: Item, database: &Database) {
    taken.password(
        item,
        database.password.as_ref(),
        database.password_ask.as_deref(),
        from(database),
    );
}

/// `schema.table`: in a model's `db_table`, quotes that were put around the dot name a schema.
pub(super) fn named(table: &str) -> String {
    table
        .trim_matches(['"', '`'])
        .replace("\".\"", ".")
        .replace("`.`", ".")
}

/// The zone of naive times, where that is not UTC.
fn time_zone(taken: &mut Taken, answer: &Answer, home: &Database) {
    let zone = match (answer.use_tz, home.vendor.as_str()) {
        // There, a moment is a moment.
        (true, "postgresql" | "cockroachdb") => None,
        (true, _) => home.time_zone.clone().filter(|zone| zone != "UTC"),
        (false, _) => home.time_zone.clone().or_else(|| answer.time_zone.clone()),
    };
    let known = |zone: &String| TimeZone::get(zone).is_ok();
    taken.text(
        None,
        "time_zone",
        zone.as_deref().filter(|z| known(&z.to_string())),
    );
    match &zone {
        Some(zone) if known(zone) => {
            taken.row("time zone", zone, "USE_TZ and TIME_ZONE");
        }
        Some(zone) => taken.note(format!(
            "The time zone {zone:?} is not known here; set time_zone yourself."
        )),
        None => {}
    }
}

/// The SECRET_KEY, and what follows it in SECRET_KEY_FALLBACKS.
fn secret_keys(taken: &mut Taken, keys: Option<Vec<Option<SecretString>>>, doubt: Option<&str>) {
    let keys: Vec<SecretString> = keys.into_iter().flatten().flatten().collect();
    let Some(first) = keys.first() else { return };
    if let Some(doubt) = doubt {
        return taken.note(format!(
            "The SECRET_KEY is not taken: {doubt}, and Curfew would take every session for forged."
        ));
    }
    if !keepable(first) {
        return taken
            .note("The SECRET_KEY has blanks at its ends or several lines, and is not taken.");
    }
    let fallbacks: Vec<&SecretString> = keys[1..].iter().filter(|key| keepable(key)).collect();
    if fallbacks.len() + 1 < keys.len() {
        taken.note("Some of SECRET_KEY_FALLBACKS have blanks at their ends or several lines, and are not taken.");
    }
    let value = match fallbacks.len() {
        0 => "known".to_owned(),
        1 => "known, with one fallback".to_owned(),
        n => format!("known, with {n} fallbacks"),
    };
    let lines: Vec<&str> = [first]
        .into_iter()
        .chain(fallbacks)
        .map(SecretString::expose_secret)
        .collect();
    let secret = SecretString::from(lines.join("\n"));
    let row = taken.row("SECRET_KEY", value, "SECRET_KEY and SECRET_KEY_FALLBACKS");
    taken.secrets.push(Secret {
        item: Item::SecretKey,
        value: secret,
        ask: Some(SECRET_KEYS.to_owned()),
        row,
    });
}

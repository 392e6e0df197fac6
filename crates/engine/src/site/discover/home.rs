//! Which schema is the site's. A session names its user by a key alone, so the sessions of one schema and the users of
//! another would be joined to wrong people. Both come from one schema, or a foreign key or the configuration pairs them.

use std::collections::BTreeSet;

use super::sessions::fits;
use super::users::{self, candidates, find_users};
use crate::config::{Engine, SessionsConfig, UsersConfig};
use crate::error::{Code, Error, Result};
use crate::store::catalog::Table;

/// What is looked for in one database.
#[derive(Clone, Copy)]
pub(super) struct Wanted<'a> {
    /// The schema that the operator named.
    pub schema: Option<&'a str>,
    /// `None` if the users are in another database.
    pub users: Option<&'a UsersConfig>,
    /// `None` if the sessions are in another database, or in no table.
    pub sessions: Option<&'a SessionsConfig>,
}

/// The tables of one database, and those among which a site is discovered.
pub(super) struct Home<'a> {
    all: &'a [Table],
    own: Vec<&'a Table>,
}

impl<'a> Home<'a> {
    pub fn all(&self) -> &'a [Table] {
        self.all
    }

    /// The candidates: tables of the site's schema.
    pub fn own(&self) -> &[&'a Table] {
        &self.own
    }

    /// A table by the name that the configuration gives, with its schema or without.
    pub fn named(&self, name: &str) -> Option<&'a Table> {
        let own = self.own.iter().copied().filter(|table| table.name == name);
        // The server itself takes a bare name for the table that the search path leads to.
        own.min_by_key(|table| table.schema.is_some())
            .or_else(|| visible(self.all.iter(), name))
            .or_else(|| self.all.iter().find(|table| table.whole_name() == name))
    }

    /// Whether a name of the configuration means one table, whatever the other name is.
    fn means(&self, name: &str) -> Meaning<'a> {
        let whole = |table: &&Table| table.name != name && table.whole_name() == name;
        let whole = self.all.iter().find(whole);
        if let Some(table) = whole.or_else(|| visible(self.own.iter().copied(), name)) {
            return Meaning::This(table);
        }
        let mut own = self.own.iter().copied().filter(|table| table.name == name);
        match (own.next(), own.next()) {
            (Some(only), None) => Meaning::Only(only),
            _ => Meaning::Unclear,
        }
    }
}

/// What a name of the configuration means.
#[derive(Clone, Copy)]
enum Meaning<'a> {
    /// The table by its whole name, or the one that the search path leads to.
    This(&'a Table),
    /// The only table of that name.
    Only(&'a Table),
    Unclear,
}

/// The table that the search path leads to.
fn visible<'a>(mut tables: impl Iterator<Item = &'a Table>, name: &str) -> Option<&'a Table> {
    tables.find(|table| table.schema.is_none() && table.name == name)
}

/// What one schema has of a site.
struct Place<'a> {
    name: &'a str,
    own: Vec<&'a Table>,
    users: Option<&'a Table>,
    sessions: Option<&'a Table>,
}

impl<'a> Place<'a> {
    /// Its tables, and the user table that they refer to.
    fn home(&self, all: &'a [Table]) -> Home<'a> {
        let mut own = self.own.clone();
        let elsewhere = self.users.filter(|users| users.place != self.name);
        own.extend(elsewhere);
        Home { all, own }
    }
}

/// The site's schema.
///
/// # Errors
/// [`Code::Ambiguous`] if several schemas could be meant, or if nothing pairs the sessions with the users.
pub(super) fn home<'a>(all: &'a [Table], wanted: Wanted<'_>) -> Result<Home<'a>> {
    let names: BTreeSet<&str> = all.iter().map(|table| table.place.as_str()).collect();
    if let Some(schema) = wanted.schema.filter(|schema| !names.contains(schema)) {
        return Err(no_schema(schema, all));
    }
    let named = match wanted.schema {
        Some(schema) => of_place(all, schema, false),
        None => whole(all),
    };
    if names.len() < 2 || configured(&named, wanted) {
        return Ok(named);
    }
    let meant = wanted.schema.is_none() && all.iter().any(|table| table.meant);
    let places: Vec<Place<'_>> = names
        .iter()
        .filter(|name| wanted.schema.is_none_or(|schema| schema == **name))
        .map(|name| place(all, name, meant, wanted))
        .collect();
    let chosen = match (wanted.users, wanted.sessions) {
        (Some(_), Some(_)) => pair(all, &places, wanted)?,
        (Some(_), None) => only(places.iter().filter(|place| place.users.is_some()))?,
        (None, _) => only(places.iter().filter(|place| place.sessions.is_some()))?,
    };
    Ok(match chosen {
        Some(place) => place.home(all),
        // Which half is missing, the search for it says.
        None => named,
    })
}

/// Whether the configuration names the tables that are wanted, and thereby says that they belong together.
fn configured(home: &Home<'_>, wanted: Wanted<'_>) -> bool {
    let meaning = |table: &Option<String>| match table {
        Some(name) => home.means(name),
        None => Meaning::Unclear,
    };
    let users = wanted.users.map(|users| meaning(&users.table));
    let sessions = wanted.sessions.map(|sessions| meaning(&sessions.table));
    match (users, sessions) {
        (Some(Meaning::This(_)), Some(Meaning::This(_))) => true,
        (
            Some(Meaning::This(users) | Meaning::Only(users)),
            Some(Meaning::This(sessions) | Meaning::Only(sessions)),
        ) => users.place == sessions.place,
        (Some(Meaning::Unclear), _) | (_, Some(Meaning::Unclear)) => false,
        _ => true,
    }
}

/// Every table that a site here may have: under a search path that somebody set, those that it leads to.
fn whole(all: &[Table]) -> Home<'_> {
    let meant = all.iter().any(|table| table.meant);
    let own = all.iter().filter(|table| table.meant || !meant);
    Home {
        all,
        own: own.collect(),
    }
}

fn of_place<'a>(all: &'a [Table], name: &str, meant: bool) -> Home<'a> {
    let own = all.iter().filter(|table| table.place == name);
    Home {
        all,
        own: own.filter(|table| table.meant || !meant).collect(),
    }
}

fn place<'a>(all: &'a [Table], name: &'a str, meant: bool, wanted: Wanted<'_>) -> Place<'a> {
    let home = of_place(all, name, meant);
    let users = wanted.users.and_then(|users| match &users.table {
        // A bare name is a table of each schema that has one of that name.
        Some(name) => {
            let is = |table: &&Table| table.name == *name || table.whole_name() == *name;
            let own = home.own.iter().copied().find(is);
            own.or_else(|| {
                all.iter()
                    .find(|table| is(table) && refers(&home.own, table))
            })
        }
        None => match find_users(&home, users) {
            Ok((table, _)) => Some(table),
            // Which one, is asked once the schema is known.
            Err(_) => candidates(&home).first().copied(),
        },
    });
    let sessions = wanted.sessions.and_then(|sessions| {
        let engine = Engine::of(sessions).ok().and_then(|engine| engine.table);
        let mut candidates = home.own.iter().copied().filter(|table| fits(table));
        match (&sessions.table, engine) {
            (Some(table), _) => candidates.find(|t| t.name == *table || t.whole_name() == *table),
            (None, Some(own)) => candidates
                .clone()
                .find(|t| t.name == own)
                .or_else(|| candidates.next()),
            (None, None) => candidates.next(),
        }
    });
    // A session table that refers to its users itself needs no other proof.
    let referred = sessions.and_then(|sessions| referred(all, sessions, users, wanted));
    Place {
        name,
        own: home.own,
        users: users.or(referred),
        sessions,
    }
}

/// Whether the admin's log or a session table among these refers to this user table.
fn refers(own: &[&Table], users: &Table) -> bool {
    own.iter()
        .filter(|table| table.name == "django_admin_log" || fits(table))
        .any(|table| table.references.iter().any(|r| users.is_target(r)))
}

/// The user table that a session table's own foreign key leads to.
fn referred<'a>(
    all: &'a [Table],
    sessions: &Table,
    users: Option<&Table>,
    wanted: Wanted<'_>,
) -> Option<&'a Table> {
    if users.is_some() || wanted.users?.table.is_some() {
        return None;
    }
    let targets: Vec<&Table> = all
        .iter()
        .filter(|table| sessions.references.iter().any(|r| table.is_target(r)))
        .filter(|table| users::fits(table))
        .collect();
    match targets[..] {
        [only] => Some(only),
        _ => None,
    }
}

/// The one schema that has both halves of a site. `None` if a half is nowhere.
fn pair<'a, 'p>(
    all: &[Table],
    places: &'p [Place<'a>],
    wanted: Wanted<'_>,
) -> Result<Option<&'p Place<'a>>> {
    let whole = |place: &&Place<'_>| place.users.is_some() && place.sessions.is_some();
    if let Some(place) = only(places.iter().filter(whole))? {
        return match shared_with(all, place) {
            Some(other) => Err(shared(place.name, &other)),
            None => Ok(Some(place)),
        };
    }
    let mut apart = places.iter().filter_map(|place| place.sessions);
    let mut users = places.iter().filter_map(|place| place.users);
    match (apart.next(), users.next()) {
        (Some(sessions), Some(users)) if is_tenant(all, users) => {
            Err(shared(&sessions.place, &users.place))
        }
        (Some(sessions), Some(users)) => Err(Error::new(
            Code::Ambiguous,
            format!(
                "The sessions are in {} and the users in {}: nothing shows that they belong together. If they do, name both in config.toml, with [site.sessions] table = \"{}\" and [site.users] table = \"{}\".",
                sessions.whole_name(),
                users.whole_name(),
                sessions.whole_name(),
                users.whole_name()
            ),
        )),
        // The schema that was named has users, and its sessions can only be in another one.
        (None, Some(users)) => match (wanted.schema, elsewhere(all, users)) {
            (Some(schema), Some(sessions)) => Err(shared(&sessions.place, schema)),
            _ => Ok(None),
        },
        _ => Ok(None),
    }
}

/// The only one. `None` if there is none.
fn only<'a: 'p, 'p>(places: impl Iterator<Item = &'p Place<'a>>) -> Result<Option<&'p Place<'a>>> {
    let places: Vec<&Place<'_>> = places.collect();
    match places[..] {
        [] => Ok(None),
        [only] => Ok(Some(only)),
        [first, ..] => {
            let names: Vec<&str> = places.iter().map(|place| place.name).collect();
            Err(Error::new(
                Code::Ambiguous,
                format!(
                    "More than one schema holds a site: {}. Name one with --schema {}, or with schema = \"{}\" in config.toml.",
                    names.join(", "),
                    quoted(first.name),
                    first.name
                ),
            ))
        }
    }
}

/// As a shell takes it.
fn quoted(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    match name.chars().all(plain) {
        true => name.to_owned(),
        false => format!("'{}'", name.replace('\'', "'\\''")),
    }
}

/// A session table of another schema.
fn elsewhere<'a>(all: &'a [Table], users: &Table) -> Option<&'a Table> {
    let mut others = all.iter().filter(|table| table.place != users.place);
    others.find(|table| table.name == "django_session" && fits(table))
}

/// A schema with users of its own and no sessions: a tenant, whose sessions are among those of `place`. A copy of the
/// user table alone is no tenant, because nobody migrates it.
fn shared_with(all: &[Table], place: &Place<'_>) -> Option<String> {
    let users = place.users?;
    let mut twins = all.iter().filter(|table| {
        table.name == users.name && table.place != users.place && table.place != place.name
    });
    let tenant = twins.find(|twin| is_tenant(all, twin))?;
    Some(tenant.place.clone())
}

/// Whether the schema of this user table is migrated by Django, and has no sessions.
fn is_tenant(all: &[Table], users: &Table) -> bool {
    let mut own = all.iter().filter(|table| table.place == users.place);
    own.clone().any(|table| table.name == "django_migrations") && !own.any(fits)
}

fn shared(sessions: &str, tenant: &str) -> Error {
    Error::new(
        Code::Ambiguous,
        format!(
            "Schema {tenant} has users of its own, but its sessions are shared with others in schema {sessions}. A shared session does not say which schema's user it means, so Curfew signs nobody out here. Give each schema its own sessions (in django-tenants, list django.contrib.sessions under TENANT_APPS). If {tenant} is another site, name both tables in config.toml, with [site.sessions] table and [site.users] table.",
        ),
    )
}

fn no_schema(schema: &str, all: &[Table]) -> Error {
    let places: BTreeSet<&str> = all
        .iter()
        .filter(|table| fits(table) || users::fits(table))
        .map(|table| table.place.as_str())
        .collect();
    let places: Vec<&str> = places.into_iter().collect();
    let known = match places.is_empty() {
        true => "no schema here holds a Django site".to_owned(),
        false => format!("schemas with a Django site: {}", places.join(", ")),
    };
    Error::new(
        Code::Config,
        format!(
            "There is no schema {schema:?} that this role can see ({known}). Correct --schema, or schema in config.toml."
        ),
    )
}

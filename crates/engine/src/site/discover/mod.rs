//! Which tables and columns are a site's sessions, users, activity and flag. Pure: from a catalog and what
//! the operator configured. Everything found says why; what is ambiguous is asked, naming the candidates.

mod columns;
mod sessions;

pub use sessions::{engine_of, in_use, usual};

use columns::{activity, flag, pick, username};
use sessions::session_table;

use crate::config::{SessionsConfig, UsersConfig};
use crate::error::{Code, Error, Result};
use crate::store::catalog::{Column, Kind, Table};
use crate::store::schema::{Schema, TableName, TimeColumn, UserTable};
use crate::view::Found;

/// The tables and columns, and what to tell people about them.
pub fn discover(
    tables: &[Table],
    users: &UsersConfig,
    sessions: &SessionsConfig,
) -> Result<(Schema, Vec<Found>)> {
    find(tables, None, users, sessions)
}

/// The same, where the sessions lie in a database of their own.
pub fn discover_apart(
    tables: &[Table],
    session_tables: &[Table],
    users: &UsersConfig,
    sessions: &SessionsConfig,
) -> Result<(Schema, Vec<Found>)> {
    find(tables, Some(session_tables), users, sessions)
}

fn find(
    tables: &[Table],
    apart: Option<&[Table]>,
    users: &UsersConfig,
    sessions: &SessionsConfig,
) -> Result<(Schema, Vec<Found>)> {
    let (mut about_users, mut found) = (Vec::new(), Vec::new());
    let user_table = user_table(tables, users, &mut about_users);
    // A database without sessions is the plainer fault of the two, and said first.
    let beside = user_table.as_ref().ok().map(|users| &users.table);
    let session_table = match apart {
        None => session_table(tables, sessions, beside, &mut found)?,
        Some(apart) => session_table(apart, sessions, None, &mut found)?,
    };
    found.extend(about_users);
    Ok((
        Schema {
            sessions: session_table,
            users: user_table?,
        },
        found,
    ))
}

/// Lower case, letters and digits alone: `"Last seen at"` and `lastSeenAt` are the same word.
fn bare(name: &str) -> String {
    name.chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}

fn named<'a>(tables: &'a [Table], name: &str) -> Option<&'a Table> {
    tables
        .iter()
        .find(|t| t.schema.is_none() && t.name == name)
        .or_else(|| tables.iter().find(|t| t.shown() == name))
}

fn table_name(table: &Table) -> TableName {
    TableName {
        schema: table.schema.clone(),
        name: table.name.clone(),
    }
}

fn list(tables: &[&Table]) -> String {
    let mut names: Vec<String> = tables.iter().map(|t| t.shown()).collect();
    names.sort();
    names.join(", ")
}

fn no_table(what: &str, name: &str) -> Error {
    Error::new(
        Code::NotDjango,
        format!(
            "there is no table {name:?} (configured for the {what}); correct [site.{what}] table"
        ),
    )
}

/// The user table itself: configured, else what the admin's log refers to, else by its columns.
fn find_users<'a>(tables: &'a [Table], config: &UsersConfig) -> Result<(&'a Table, String)> {
    if let Some(name) = &config.table {
        let table = named(tables, name).ok_or_else(|| no_table("users", name))?;
        return Ok((table, "configured".into()));
    }
    let log = tables
        .iter()
        .filter(|t| t.name == "django_admin_log")
        .min_by_key(|t| t.schema.is_some());
    if let Some(reference) = log.and_then(|t| t.references.iter().find(|r| r.column == "user_id"))
        && let Some(table) = tables
            .iter()
            .find(|t| t.name == reference.to_table && t.schema == reference.to_schema)
    {
        return Ok((table, "django_admin_log.user_id refers to it".into()));
    }
    let candidates: Vec<&Table> = tables
        .iter()
        .filter(|t| {
            t.column("password").is_some_and(|c| c.kind() == Kind::Text)
                && t.column("last_login")
                    .is_some_and(|c| matches!(c.kind(), Kind::Instant | Kind::NaiveTime))
        })
        .collect();
    match candidates.as_slice() {
        [only] => Ok((only, "the only table with password and last_login".into())),
        [] => Err(Error::new(
            Code::NotDjango,
            "no table here has a user's password and last_login; name the user table under [site.users] table",
        )),
        several => Err(Error::new(
            Code::Ambiguous,
            format!(
                "more than one table could hold the users: {}; name one under [site.users] table",
                list(several)
            ),
        )),
    }
}

fn user_table(tables: &[Table], config: &UsersConfig, found: &mut Vec<Found>) -> Result<UserTable> {
    let (table, because) = find_users(tables, config)?;
    let say = |found: &mut Vec<Found>, what: &str, value: Option<&str>, because: &str| {
        found.push(Found {
            what: what.into(),
            value: value.map(str::to_string),
            because: because.into(),
        });
    };
    say(found, "user table", Some(&table.shown()), &because);

    let (id, because) = pick(table, "id", config.id.as_deref(), || {
        let keys: Vec<&Column> = table.columns.iter().filter(|c| c.primary).collect();
        match keys.as_slice() {
            [only] => Ok(Some((*only, "its primary key"))),
            // A view has none.
            _ => Ok(table.column("id").map(|c| (c, "its name"))),
        }
    })?
    .ok_or_else(|| missing(table, "id", "a primary key"))?;
    say(found, "user key", Some(&id.name), because);

    let (username, because) = pick(table, "username", config.username.as_deref(), || {
        username(table, &id.name)
    })?
    .ok_or_else(|| missing(table, "username", "a unique name"))?;
    say(found, "name column", Some(&username.name), because);

    let activity = pick(
        table,
        "last_activity",
        config.last_activity.as_deref(),
        || activity(table),
    )?;
    match activity {
        Some((column, because)) => say(found, "activity column", Some(&column.name), because),
        None => say(
            found,
            "activity column",
            None,
            "no time column is named like last_activity or last_seen",
        ),
    }
    let flag = pick(table, "flag", config.flag.as_deref(), || flag(table))?;
    match flag {
        Some((column, because)) => say(found, "flag column", Some(&column.name), because),
        None => say(
            found,
            "flag column",
            None,
            "no boolean column is named like isCurrentlyActive or is_online",
        ),
    }

    let text = |name: &str| {
        table
            .columns
            .iter()
            .find(|c| bare(&c.name) == name && c.kind() == Kind::Text)
            .map(|c| c.name.clone())
    };
    let truth = |name: &str| {
        table
            .column(name)
            .filter(|c| c.kind() == Kind::Boolean)
            .map(|c| c.name.clone())
    };
    Ok(UserTable {
        table: table_name(table),
        id: id.name.clone(),
        id_kind: id.kind(),
        username: username.name.clone(),
        email: text("email").or_else(|| text("emailaddress")),
        first_name: text("firstname"),
        last_name: text("lastname"),
        password: text("password"),
        last_login: table.column("last_login").and_then(TimeColumn::of),
        last_activity: activity.and_then(|(c, _)| TimeColumn::of(c)),
        flag: flag.map(|(c, _)| c.name.clone()),
        is_active: truth("is_active"),
        is_staff: truth("is_staff"),
        is_superuser: truth("is_superuser"),
        transactional: table.transactional,
        keyed: table.is_keyed_by(id),
    })
}

fn missing(table: &Table, key: &str, what: &str) -> Error {
    Error::new(
        Code::Ambiguous,
        format!(
            "table {} shows no {what}; name the column under [site.users] {key}",
            table.shown()
        ),
    )
}

#[cfg(test)]
mod tests;

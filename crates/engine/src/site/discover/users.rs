//! The user table and its columns. A model that inherits from another has columns in both tables.

use super::columns::{Picked, activity, flag, optional, pick, username};
use super::home::Home;
use super::{bare, list, no_table, table_name};
use crate::config::UsersConfig;
use crate::error::{Code, Error, Result};
use crate::store::IdForm;
use crate::store::catalog::{Column, Kind, Table};
use crate::store::schema::{Parent, TimeColumn, UserTable};
use crate::view::Found;

/// More levels of inheritance than any site has.
const LEVELS: usize = 8;

/// Whether this table has what Django keeps of every user.
pub(super) fn fits(table: &Table) -> bool {
    has_password(table)
        && table
            .column("last_login")
            .is_some_and(|c| matches!(c.kind(), Kind::Instant | Kind::NaiveTime))
}

fn has_password(table: &Table) -> bool {
    table
        .column("password")
        .is_some_and(|c| c.kind() == Kind::Text)
}

/// The user table itself: configured, else what the admin's log refers to, else by its columns.
pub(super) fn find_users<'a>(home: &Home<'a>, config: &UsersConfig) -> Result<(&'a Table, String)> {
    if let Some(name) = &config.table {
        let table = home.named(name).ok_or_else(|| no_table("users", name))?;
        return Ok((table, "configured".into()));
    }
    let log = home
        .own()
        .iter()
        .filter(|t| t.name == "django_admin_log")
        .min_by_key(|t| t.schema.is_some());
    if let Some(reference) = log.and_then(|t| t.references.iter().find(|r| r.column == "user_id"))
        && let Some(table) = home.all().iter().find(|t| t.is_target(reference))
    {
        return Ok((table, "django_admin_log.user_id refers to it".into()));
    }
    match candidates(home).as_slice() {
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

/// Tables that could hold the users by their columns.
pub(super) fn candidates<'a>(home: &Home<'a>) -> Vec<&'a Table> {
    home.own().iter().copied().filter(|t| fits(t)).collect()
}

/// The table, and those that it inherits the password from.
fn lineage<'a>(table: &'a Table, all: &'a [Table]) -> Vec<&'a Table> {
    let mut line = vec![table];
    while line.len() < LEVELS
        && let Some(last) = line.last().copied()
        && !has_password(last)
        && let Some(parent) = last.parent(all)
    {
        line.push(parent);
    }
    match line.last().is_some_and(|last| has_password(last)) {
        true => line,
        false => vec![table],
    }
}

/// One table with the columns of all of these. The key is the first one's.
fn joined(line: &[&Table]) -> Result<Table> {
    let mut whole = Table::clone(line.first().ok_or_else(|| no_table("users", ""))?);
    for parent in line.get(1..).unwrap_or_default() {
        for column in &parent.columns {
            if whole.column(&column.name).is_some() {
                return Err(Error::new(
                    Code::Ambiguous,
                    format!(
                        "A user's columns are in {} and {}, and both have a column {:?}. Name the table with the passwords under [site.users] table.",
                        whole.shown(),
                        parent.shown(),
                        column.name
                    ),
                ));
            }
            whole.columns.push(Column {
                primary: false,
                ..column.clone()
            });
        }
        whole.transactional &= parent.transactional;
    }
    Ok(whole)
}

fn parents(line: &[&Table]) -> Vec<Parent> {
    let parents = line.iter().skip(1).filter_map(|table| {
        let key = table.columns.iter().find(|column| column.primary)?;
        Some(Parent {
            table: table_name(table),
            key: key.name.clone(),
            columns: table.columns.iter().map(|c| c.name.clone()).collect(),
        })
    });
    parents.collect()
}

pub(super) fn user_table<'a>(
    home: &Home<'a>,
    config: &UsersConfig,
    found: &mut Vec<Found>,
) -> Result<(&'a Table, UserTable)> {
    let (itself, because) = find_users(home, config)?;
    let line = lineage(itself, home.all());
    let whole = joined(&line)?;
    let table = &whole;
    let say = |found: &mut Vec<Found>, what: &str, value: Option<&str>, because: &str| {
        found.push(Found {
            what: what.into(),
            value: value.map(str::to_string),
            because: because.into(),
        });
    };
    let mut shown = vec![table.shown()];
    shown.extend(line.iter().skip(1).map(|parent| parent.shown()));
    say(found, "user table", Some(&shown.join(" and ")), &because);

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

    // USERNAME_FIELD is where the password is.
    let names = line.last().copied().unwrap_or(itself);
    let (username, because) = pick(table, "username", config.username.as_deref(), || {
        let key = names.columns.iter().find(|column| column.primary);
        username(names, key.map_or(id.name.as_str(), |key| key.name.as_str()))
    })?
    .ok_or_else(|| missing(table, "username", "a unique name"))?;
    say(found, "name column", Some(&username.name), because);

    let activity = optional(
        table,
        "last_activity",
        config.last_activity.as_deref(),
        || activity(table),
    )?;
    match &activity {
        Picked::One(column, because) => say(found, "activity column", Some(&column.name), because),
        Picked::Several(names) => say(
            found,
            "activity column",
            None,
            &asked(names, "last_activity"),
        ),
        Picked::None => say(
            found,
            "activity column",
            None,
            "no time column is named like last_activity or last_seen",
        ),
    }
    let flag = optional(table, "flag", config.flag.as_deref(), || flag(table))?;
    match &flag {
        Picked::One(column, because) => say(found, "flag column", Some(&column.name), because),
        Picked::Several(names) => say(found, "flag column", None, &asked(names, "flag")),
        Picked::None => say(
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
    let users = UserTable {
        table: table_name(table),
        parents: parents(&line),
        id: id.name.clone(),
        id_form: IdForm::of(id),
        username: username.name.clone(),
        names: username.compared,
        email: text("email").or_else(|| text("emailaddress")),
        first_name: text("firstname"),
        last_name: text("lastname"),
        password: text("password"),
        last_login: table.column("last_login").and_then(TimeColumn::of),
        last_activity: activity.column().and_then(TimeColumn::of),
        flag: flag.column().map(|c| c.name.clone()),
        is_active: truth("is_active"),
        is_staff: truth("is_staff"),
        is_superuser: truth("is_superuser"),
        transactional: table.transactional,
        keyed: table.is_keyed_by(id),
    };
    Ok((itself, users))
}

/// How the question ends that an ambiguous column puts to the operator, before the key.
pub(in crate::site) const ASKS: &str = "could each be it; name the right one under [site.users]";

/// Why a column that could be several is none.
fn asked(names: &[&str], key: &str) -> String {
    format!("{} {ASKS} {key}", names.join(" and "))
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

//! The session table, its own columns beside Django's three, and what the table says of the session engine.

use super::home::Home;
use super::{bare, list, no_table, table_name};
use crate::config::{Engine, EngineName, SessionsConfig};
use crate::error::{Code, Error, Result};
use crate::store::IdForm;
use crate::store::catalog::{Column, Kind, Table};
use crate::store::schema::{SessionTable, TableName, TimeColumn};
use crate::view::Found;

/// The one of these that only one engine uses.
const DECIDES: &str = "user_sessions.backends.db";

/// Tables that Django and its packages make for sessions, and the plainest engine that uses each.
const USUAL: [(&str, &str); 3] = [
    ("django_session", "django.contrib.sessions.backends.db"),
    ("user_sessions_session", "user_sessions.backends.db"),
    ("qsessions_session", "qsessions.backends.db"),
];

/// Names of the columns in which tables keep what Django's own does not, without case, spaces and underscores.
const IP: [&str; 2] = ["ip", "ipaddress"];
const DEVICE: [&str; 1] = ["useragent"];
const SEEN: [&str; 3] = ["lastactivity", "updatedat", "lastseen"];

/// Whether this table has Django's three columns.
pub(super) fn fits(table: &Table) -> bool {
    table.column("session_key").is_some()
        && table.column("session_data").is_some()
        && table
            .column("expire_date")
            .is_some_and(|c| matches!(c.kind(), Kind::Instant | Kind::NaiveTime))
}

/// The session tables of Django and of known packages that are there. More than one means that one of them is
/// left over, or not in use yet.
pub fn usual<'a>(tables: impl IntoIterator<Item = &'a Table>) -> Vec<SessionTable> {
    tables
        .into_iter()
        .filter(|t| fits(t) && USUAL.iter().any(|(name, _)| *name == t.name))
        .filter_map(|t| columns(t, None))
        .collect()
}

/// The engine that is meant where nothing was configured and several of the usual tables are there: that of the only
/// one in use, else of the only one that a package was installed for.
///
/// # Errors
/// [`Code::Ambiguous`] where that does not decide.
pub fn in_use(usual: &[SessionTable], used: &[TableName]) -> Result<Option<&'static str>> {
    let packages: Vec<&TableName> = usual
        .iter()
        .map(|t| &t.table)
        .filter(|t| t.name != USUAL[0].0)
        .collect();
    let chosen = match (usual, used, packages.as_slice()) {
        ([] | [_], ..) => return Ok(None),
        (_, [only], _) => only,
        (_, [], [only]) => *only,
        (all, several, _) => {
            let mut names: Vec<String> = if several.is_empty() {
                all.iter().map(|t| t.table.shown()).collect()
            } else {
                several.iter().map(TableName::shown).collect()
            };
            names.sort();
            return Err(Error::new(
                Code::Ambiguous,
                format!(
                    "More than one table could hold the sessions: {}. State SESSION_ENGINE with --session-engine, or as engine under [site.sessions].",
                    names.join(", ")
                ),
            ));
        }
    };
    Ok(USUAL
        .iter()
        .find(|(name, _)| *name == chosen.name)
        .map(|(_, engine)| *engine))
}

/// The engine that this table belongs to, where the configured one never uses it: a package's table under Django's
/// own engine, which is the engine of whoever named none.
pub fn engine_of(table: &SessionTable, config: &SessionsConfig) -> Option<&'static str> {
    let plain = USUAL[0].1;
    USUAL
        .iter()
        .find(|(name, _)| *name == table.table.name)
        .map(|(_, engine)| *engine)
        .filter(|engine| {
            config.engine.as_str() == plain && config.base.is_none() && *engine != plain
        })
}

/// The name of an engine that was found by its table. Other engines use the tables of Django and of qsessions too, with
/// a cache that is asked before the table.
pub fn by_table(engine: &str) -> EngineName {
    match engine == DECIDES {
        true => EngineName::shown(engine),
        false => EngineName::assumed(engine),
    }
}

/// The table of the sessions; none where this engine keeps none. `users`: the users' table, where it lies in the
/// same database and can be referred to.
pub(super) fn session_table(
    home: &Home<'_>,
    config: &SessionsConfig,
    users: Option<&Table>,
    found: &mut Vec<Found>,
) -> Result<Option<SessionTable>> {
    let engine = Engine::of(config);
    if engine.as_ref().is_ok_and(|engine| !engine.has_rows()) {
        return Ok(None);
    }
    let (table, because) = match choose(home, config, engine.as_ref().ok()) {
        Ok(chosen) => chosen,
        // Of an engine that is not known, nobody has said that there is a table.
        Err(error) if engine.is_err() && error.code == Code::NotDjango => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut chosen = columns(table, users).ok_or_else(|| no_table("sessions", &table.name))?;
    if let Some(name) = &config.user {
        let column = table.column(name).ok_or_else(|| {
            Error::new(
                Code::Config,
                format!(
                    "table {} has no column {name:?}; correct [site.sessions] user",
                    table.shown()
                ),
            )
        })?;
        chosen.user = Some((column.name.clone(), IdForm::of(column)));
    }
    let mut say = |what: &str, value: String, because: &str| {
        found.push(Found {
            what: what.into(),
            value: Some(value),
            because: because.into(),
        });
    };
    say("session table", table.shown(), &because);
    if let Some((column, _)) = &chosen.user {
        let because = match (&config.user, column.as_str()) {
            (Some(_), _) => "configured",
            (None, "user_id") => "its name",
            (None, _) => "it refers to the user table",
        };
        say("session's user column", column.clone(), because);
    }
    for (what, column) in [
        ("session's address column", &chosen.ip),
        ("session's device column", &chosen.device),
    ] {
        if let Some(column) = column {
            say(what, column.clone(), "its name");
        }
    }
    if let Some(column) = &chosen.seen {
        say(
            "session's time column",
            column.name.clone(),
            "its name and type",
        );
    }
    Ok(Some(chosen))
}

fn choose<'a>(
    home: &Home<'a>,
    config: &SessionsConfig,
    engine: Option<&Engine>,
) -> Result<(&'a Table, String)> {
    if let Some(name) = &config.table {
        let table = home.named(name).ok_or_else(|| no_table("sessions", name))?;
        if !fits(table) {
            return Err(Error::new(
                Code::NotDjango,
                format!(
                    "table {} has no session_key, session_data and expire_date; name the session table under [site.sessions] table",
                    table.shown()
                ),
            ));
        }
        return Ok((table, "configured".into()));
    }
    let candidates: Vec<&Table> = home.own().iter().copied().filter(|t| fits(t)).collect();
    let own = engine.and_then(|engine| engine.table);
    let plain = own == Some(USUAL[0].0);
    let named: Vec<&Table> = candidates
        .iter()
        .copied()
        .filter(|t| own == Some(t.name.as_str()))
        .collect();
    let visible = || named.iter().find(|t| t.schema.is_none());
    let chosen = match named[..] {
        [only] => Some(only),
        _ => visible().copied(),
    };
    match (own, chosen, named.len()) {
        (Some(_), Some(table), _) if plain => {
            return Ok((table, "Django's own name for it".into()));
        }
        (Some(_), Some(table), _) => return Ok((table, "its engine's own name for it".into())),
        (Some(_), None, 2..) => return Err(several(&named)),
        // A package's engine has no other; where Django's is only taken for granted, another table may be meant.
        (Some(own), None, _) if !plain => {
            return Err(Error::new(
                Code::NotDjango,
                format!(
                    "{} keeps its sessions in {own}, and there is no such table that this role can see; check the engine, the database's name and the role's rights",
                    config.engine
                ),
            ));
        }
        _ => {}
    }
    match candidates.as_slice() {
        [only] => Ok((only, "has a session's columns".into())),
        [] => Err(Error::new(
            Code::NotDjango,
            "this database has no django_session table that this role can see; check the database's name and the role's rights",
        )),
        all => Err(several(all)),
    }
}

fn several(tables: &[&Table]) -> Error {
    Error::new(
        Code::Ambiguous,
        format!(
            "more than one table could hold the sessions: {}; name one under [site.sessions] table",
            list(tables)
        ),
    )
}

/// What the table has beside Django's three columns.
fn columns(table: &Table, users: Option<&Table>) -> Option<SessionTable> {
    let called = |names: &[&str]| {
        table
            .columns
            .iter()
            .find(|c| names.contains(&bare(&c.name).as_str()))
    };
    let reference = || {
        let users = users?;
        let refers = |r: &&crate::store::catalog::Reference| users.is_target(r);
        match table.references.iter().filter(refers).collect::<Vec<_>>()[..] {
            // Two of them: one may be who looks on, say.
            [only] => table.column(&only.column),
            _ => None,
        }
    };
    let user: Option<&Column> = table.column("user_id").or_else(reference);
    Some(SessionTable {
        table: table_name(table),
        expires: table.column("expire_date").and_then(TimeColumn::of)?,
        user: user.map(|c| (c.name.clone(), IdForm::of(c))),
        ip: called(&IP).map(|c| c.name.clone()),
        device: called(&DEVICE).map(|c| c.name.clone()),
        seen: SEEN
            .iter()
            .find_map(|name| called(&[name]).and_then(TimeColumn::of)),
        transactional: table.transactional,
        keyed: table
            .column("session_key")
            .is_some_and(|key| table.is_keyed_by(key)),
    })
}

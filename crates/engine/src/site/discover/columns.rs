//! One column of the user table: the configured one, which must be there and fit, or the one whose name and type tell.

use super::bare;
use crate::error::{Code, Error, Result};
use crate::store::catalog::{Column, Kind, Table};

/// Names that sites give to "when was this person last here", without case, spaces and underscores.
const ACTIVITY: [&str; 16] = [
    "lastactivity",
    "lastactivityat",
    "lastactive",
    "lastactiveat",
    "lastseen",
    "lastseenat",
    "lastrequest",
    "lastrequestat",
    "lastaction",
    "lastactionat",
    "lastvisit",
    "lastvisitat",
    "lastaccess",
    "lastaccessat",
    "lastonline",
    "activityat",
];

/// Names for "this person is here now". `is_active` is not one of them: it says who may sign in.
const FLAG: [&str; 12] = [
    "iscurrentlyactive",
    "currentlyactive",
    "isonline",
    "online",
    "isloggedin",
    "loggedin",
    "issignedin",
    "signedin",
    "ispresent",
    "isherenow",
    "isactivenow",
    "activenow",
];

const USERNAME: [&str; 5] = ["username", "email", "emailaddress", "login", "name"];

pub(super) type Picked<'a> = Option<(&'a Column, &'static str)>;

/// The configured column, which must be there; else what `search` finds.
pub(super) fn pick<'a>(
    table: &'a Table,
    key: &str,
    configured: Option<&str>,
    search: impl FnOnce() -> Result<Picked<'a>>,
) -> Result<Picked<'a>> {
    let Some(name) = configured else {
        return search();
    };
    let column = table.column(name).ok_or_else(|| {
        Error::new(
            Code::Config,
            format!(
                "table {} has no column {name:?}; correct [site.users] {key}",
                table.shown()
            ),
        )
    })?;
    let fits = match key {
        "last_activity" => matches!(column.kind(), Kind::Instant | Kind::NaiveTime),
        "flag" => column.kind() == Kind::Boolean,
        _ => true,
    };
    if !fits {
        return Err(Error::new(
            Code::Config,
            format!(
                "column {name:?} of {} is a {}, which {key} cannot be; correct [site.users] {key}",
                table.shown(),
                column.type_name
            ),
        ));
    }
    if key == "flag" && bare(name) == "isactive" {
        return Err(Error::new(
            Code::Config,
            "is_active says who may sign in, not who is here; it cannot be the flag: correct [site.users] flag",
        ));
    }
    Ok(Some((column, "configured")))
}

/// The time column named like "last seen".
pub(super) fn activity(table: &Table) -> Result<Picked<'_>> {
    guess(table, &ACTIVITY, "last_activity", |k| {
        matches!(k, Kind::Instant | Kind::NaiveTime)
    })
}

/// The boolean column named like "is here now".
pub(super) fn flag(table: &Table) -> Result<Picked<'_>> {
    guess(table, &FLAG, "flag", |k| k == Kind::Boolean)
}

/// The one column of that kind whose name is on the list.
fn guess<'a>(
    table: &'a Table,
    names: &[&str],
    key: &str,
    kind: impl Fn(Kind) -> bool,
) -> Result<Picked<'a>> {
    let hits: Vec<&Column> = table
        .columns
        .iter()
        .filter(|c| kind(c.kind()) && names.contains(&bare(&c.name).as_str()))
        .collect();
    match hits.as_slice() {
        [] => Ok(None),
        [only] => Ok(Some((*only, "its name and type"))),
        several => {
            let names: Vec<&str> = several.iter().map(|c| c.name.as_str()).collect();
            Err(Error::new(
                Code::Ambiguous,
                format!(
                    "more than one column of {} could be it: {}; name one under [site.users] {key}",
                    table.shown(),
                    names.join(", ")
                ),
            ))
        }
    }
}

/// `username` where there is one; else the unique text column that people sign in with.
pub(super) fn username<'a>(table: &'a Table, id: &str) -> Result<Picked<'a>> {
    let texts: Vec<&Column> = table
        .columns
        .iter()
        .filter(|c| c.kind() == Kind::Text && c.name != id)
        .collect();
    for name in USERNAME {
        if let Some(column) = texts.iter().find(|c| c.unique && bare(&c.name) == name) {
            return Ok(Some((*column, "its name, and it is unique")));
        }
    }
    if let Some(column) = texts.iter().find(|c| bare(&c.name) == "username") {
        return Ok(Some((*column, "its name")));
    }
    let unique: Vec<&&Column> = texts.iter().filter(|c| c.unique).collect();
    match unique.as_slice() {
        [only] => Ok(Some((**only, "the only unique text column"))),
        [] => Ok(texts
            .iter()
            .find(|c| bare(&c.name) == "email")
            .map(|c| (*c, "its name"))),
        several => {
            let names: Vec<&str> = several.iter().map(|c| c.name.as_str()).collect();
            Err(Error::new(
                Code::Ambiguous,
                format!(
                    "more than one column of {} could be the name: {}; name one under [site.users] username",
                    table.shown(),
                    names.join(", ")
                ),
            ))
        }
    }
}

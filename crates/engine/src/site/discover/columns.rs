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

/// Parts of names of moments that requests do not move. What such a column says of activity is untrue.
const NO_ACTIVITY: [&str; 17] = [
    "login", "logon", "signin", "signedin", "join", "creat", "regist", "signup", "signedup",
    "password", "expir", "delet", "birth", "verif", "confirm", "invit", "activat",
];

/// Names of truths that are a user's rights or standing. A sign-out clears the flag, and would take them away.
const RIGHTS: [&str; 25] = [
    "superuser",
    "staff",
    "admin",
    "manager",
    "moderator",
    "editor",
    "owner",
    "verified",
    "confirmed",
    "approved",
    "validated",
    "blocked",
    "banned",
    "locked",
    "suspended",
    "disabled",
    "enabled",
    "deleted",
    "archived",
    "subscri",
    "newsletter",
    "premium",
    "trusted",
    "permission",
    "accepted",
];

/// Beginnings of names of rights, as words.
const MAY: [&str; 4] = ["can", "may", "has", "allow"];

/// A column that must be there.
pub(super) type Pick<'a> = Option<(&'a Column, &'static str)>;

/// A column that a site may lack.
pub(super) enum Picked<'a> {
    None,
    One(&'a Column, &'static str),
    /// Several could be it. The operator is asked which one it is.
    Several(Vec<&'a str>),
}

impl<'a> Picked<'a> {
    pub fn column(&self) -> Option<&'a Column> {
        match self {
            Self::One(column, _) => Some(column),
            Self::None | Self::Several(_) => None,
        }
    }
}

/// As [`pick`], of a column that a site may lack.
pub(super) fn optional<'a>(
    table: &'a Table,
    key: &str,
    configured: Option<&str>,
    search: impl FnOnce() -> Picked<'a>,
) -> Result<Picked<'a>> {
    let picked = pick(table, key, configured, || Ok(None))?;
    Ok(match picked {
        Some((column, because)) => Picked::One(column, because),
        None => search(),
    })
}

/// The configured column, which must be there; else what `search` finds.
pub(super) fn pick<'a>(
    table: &'a Table,
    key: &str,
    configured: Option<&str>,
    search: impl FnOnce() -> Result<Pick<'a>>,
) -> Result<Pick<'a>> {
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
    refuse_claim(key, name)?;
    Ok(Some((column, "configured")))
}

/// Refuses a configured column whose name says that it is something else.
fn refuse_claim(key: &str, name: &str) -> Result<()> {
    let word = bare(name);
    let why = match key {
        "flag" if word == "isactive" || word == "active" => {
            format!("{name} says who may sign in, not who is here")
        }
        "flag" if is_right(name) => {
            format!("{name} is a right or a standing of the user, which a sign-out would take away")
        }
        "last_activity" if NO_ACTIVITY.iter().any(|part| word.contains(part)) => {
            format!("{name} does not move with a user's requests, so active users would look idle")
        }
        _ => return Ok(()),
    };
    let what = match key {
        "flag" => "the flag",
        _ => "the activity column",
    };
    Err(Error::new(
        Code::Config,
        format!("{why}; it cannot be {what}: correct [site.users] {key}"),
    ))
}

/// Whether a column of this name holds a right. A name on the list of flags does not.
fn is_right(name: &str) -> bool {
    let word = bare(name);
    if FLAG.contains(&word.as_str()) {
        return false;
    }
    RIGHTS.iter().any(|part| word.contains(part))
        || first_word(name).is_some_and(|w| MAY.contains(&w.as_str()))
}

/// `can` of `can_export` and of `canExport`; `None` if the name is one word.
fn first_word(name: &str) -> Option<String> {
    let ends = |(at, c): &(usize, char)| *at > 0 && (!c.is_alphanumeric() || c.is_uppercase());
    let (end, _) = name.char_indices().find(ends)?;
    Some(name.get(..end)?.to_lowercase())
}

/// The time column named like "last seen".
pub(super) fn activity(table: &Table) -> Picked<'_> {
    guess(table, &ACTIVITY, |k| {
        matches!(k, Kind::Instant | Kind::NaiveTime)
    })
}

/// The boolean column named like "is here now".
pub(super) fn flag(table: &Table) -> Picked<'_> {
    guess(table, &FLAG, |k| k == Kind::Boolean)
}

/// The one column of that kind whose name is on the list.
fn guess<'a>(table: &'a Table, names: &[&str], kind: impl Fn(Kind) -> bool) -> Picked<'a> {
    let hits: Vec<&Column> = table
        .columns
        .iter()
        .filter(|c| kind(c.kind()) && names.contains(&bare(&c.name).as_str()))
        .collect();
    match hits.as_slice() {
        [] => Picked::None,
        [only] => Picked::One(only, "its name and type"),
        several => Picked::Several(several.iter().map(|c| c.name.as_str()).collect()),
    }
}

/// `username` where there is one; else the unique text column that people sign in with.
pub(super) fn username<'a>(table: &'a Table, id: &str) -> Result<Pick<'a>> {
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

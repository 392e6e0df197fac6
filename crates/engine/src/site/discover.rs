//! Which tables and columns are a site's sessions, users, activity and flag. Pure: from a catalog and what
//! the operator configured. Everything found says why; what is ambiguous is asked, naming the candidates.

use crate::config::{SessionsConfig, UsersConfig};
use crate::error::{Code, Error, Result};
use crate::store::catalog::{Column, Kind, Table};
use crate::store::schema::{Schema, SessionTable, TableName, TimeColumn, UserTable};
use crate::view::Found;

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

/// The tables and columns, and what to tell people about them.
pub fn discover(
    tables: &[Table],
    users: &UsersConfig,
    sessions: &SessionsConfig,
) -> Result<(Schema, Vec<Found>)> {
    let mut found = Vec::new();
    let session_table = session_table(tables, sessions, &mut found)?;
    let user_table = user_table(tables, users, &mut found)?;
    Ok((
        Schema {
            sessions: session_table,
            users: user_table,
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

fn session_table(
    tables: &[Table],
    config: &SessionsConfig,
    found: &mut Vec<Found>,
) -> Result<SessionTable> {
    let fits = |t: &&Table| {
        t.column("session_key").is_some()
            && t.column("session_data").is_some()
            && t.column("expire_date")
                .is_some_and(|c| matches!(c.kind(), Kind::Instant | Kind::NaiveTime))
    };
    let (table, because) = if let Some(name) = &config.table {
        let table = named(tables, name).ok_or_else(|| no_table("sessions", name))?;
        if !fits(&table) {
            return Err(Error::new(
                Code::NotDjango,
                format!(
                    "table {} has no session_key, session_data and expire_date; name the session table under [site.sessions] table",
                    table.shown()
                ),
            ));
        }
        (table, "configured".to_string())
    } else {
        let candidates: Vec<&Table> = tables.iter().filter(fits).collect();
        let usual = candidates.iter().find(|t| t.name == "django_session");
        match (usual, candidates.as_slice()) {
            (Some(table), _) => (*table, "Django's own name for it".to_string()),
            (None, [only]) => (*only, "has a session's columns".to_string()),
            (None, []) => {
                return Err(Error::new(
                    Code::NotDjango,
                    "this database has no django_session table that this role can see; check the database's name and the role's rights",
                ));
            }
            (None, several) => {
                return Err(Error::new(
                    Code::Ambiguous,
                    format!(
                        "more than one table could hold the sessions: {}; name one under [site.sessions] table",
                        list(several)
                    ),
                ));
            }
        }
    };
    found.push(Found {
        what: "session table".into(),
        value: Some(table.shown()),
        because,
    });
    let naive = table
        .column("expire_date")
        .is_some_and(|c| c.kind() == Kind::NaiveTime);
    Ok(SessionTable {
        table: table_name(table),
        expires: TimeColumn {
            name: "expire_date".into(),
            naive,
        },
    })
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
        || {
            guess(table, &ACTIVITY, "last_activity", |k| {
                matches!(k, Kind::Instant | Kind::NaiveTime)
            })
        },
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
    let flag = pick(table, "flag", config.flag.as_deref(), || {
        guess(table, &FLAG, "flag", |k| k == Kind::Boolean)
    })?;
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
        last_login: table.column("last_login").and_then(time_column),
        last_activity: activity.and_then(|(c, _)| time_column(c)),
        flag: flag.map(|(c, _)| c.name.clone()),
        is_active: truth("is_active"),
        is_staff: truth("is_staff"),
        is_superuser: truth("is_superuser"),
    })
}

fn time_column(column: &Column) -> Option<TimeColumn> {
    match column.kind() {
        Kind::Instant => Some(false),
        Kind::NaiveTime => Some(true),
        _ => None,
    }
    .map(|naive| TimeColumn {
        name: column.name.clone(),
        naive,
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

type Picked<'a> = Option<(&'a Column, &'static str)>;

/// The configured column, which must be there; else what `search` finds.
fn pick<'a>(
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
fn username<'a>(table: &'a Table, id: &str) -> Result<Picked<'a>> {
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::store::catalog::Reference;

    fn column(name: &str, type_name: &str) -> Column {
        Column {
            name: name.into(),
            type_name: type_name.into(),
            primary: name == "id",
            unique: name == "id" || name == "username",
        }
    }

    fn table(name: &str, columns: &[(&str, &str)]) -> Table {
        Table {
            schema: None,
            name: name.into(),
            columns: columns.iter().map(|(n, t)| column(n, t)).collect(),
            references: Vec::new(),
        }
    }

    fn session() -> Table {
        table(
            "django_session",
            &[
                ("session_key", "character varying"),
                ("session_data", "text"),
                ("expire_date", "timestamp with time zone"),
            ],
        )
    }

    fn person(name: &str) -> Table {
        table(
            name,
            &[
                ("id", "bigint"),
                ("username", "character varying"),
                ("password", "character varying"),
                ("last_login", "timestamp with time zone"),
                ("is_active", "boolean"),
                ("isCurrentlyActive", "boolean"),
                ("Last seen at", "timestamp with time zone"),
            ],
        )
    }

    #[test]
    fn names_are_found_whatever_their_case_and_spaces() {
        let (schema, found) = discover(
            &[session(), person("accounts_customuser")],
            &UsersConfig::default(),
            &SessionsConfig::default(),
        )
        .unwrap();
        assert_eq!(schema.users.last_activity.unwrap().name, "Last seen at");
        assert_eq!(schema.users.flag.as_deref(), Some("isCurrentlyActive"));
        assert_eq!(schema.users.is_active.as_deref(), Some("is_active"));
        assert!(found.iter().all(|f| !f.because.is_empty()));
    }

    #[test]
    fn two_user_tables_are_asked_about_unless_the_admin_log_decides() {
        let mut tables = vec![session(), person("staff_user"), person("shop_customer")];
        let error =
            discover(&tables, &UsersConfig::default(), &SessionsConfig::default()).unwrap_err();
        assert_eq!(error.code, Code::Ambiguous);
        assert!(error.message.contains("shop_customer, staff_user"));

        let mut log = table("django_admin_log", &[("user_id", "bigint")]);
        log.references.push(Reference {
            column: "user_id".into(),
            to_schema: None,
            to_table: "staff_user".into(),
        });
        tables.push(log);
        let (schema, _) =
            discover(&tables, &UsersConfig::default(), &SessionsConfig::default()).unwrap();
        assert_eq!(schema.users.table.name, "staff_user");
    }

    #[test]
    fn is_active_is_never_the_flag() {
        let users = UsersConfig {
            flag: Some("is_active".into()),
            ..UsersConfig::default()
        };
        let error = discover(
            &[session(), person("u")],
            &users,
            &SessionsConfig::default(),
        )
        .unwrap_err();
        assert_eq!(error.code, Code::Config);
    }
}

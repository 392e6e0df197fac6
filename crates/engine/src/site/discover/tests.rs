//! Discovery on catalogs made by hand.
#![allow(clippy::unwrap_used)]

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
        transactional: true,
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
    let error = discover(&tables, &UsersConfig::default(), &SessionsConfig::default()).unwrap_err();
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

/// A session table with these columns beside Django's.
fn session_with(name: &str, columns: &[(&str, &str)]) -> Table {
    let mut table = Table {
        name: name.into(),
        ..session()
    };
    table
        .columns
        .extend(columns.iter().map(|(n, t)| column(n, t)));
    table
}

fn with_engine(engine: &str) -> SessionsConfig {
    SessionsConfig {
        engine: engine.into(),
        ..SessionsConfig::default()
    }
}

#[test]
fn a_session_tables_own_columns_are_found() {
    let mut own = session_with(
        "shop_session",
        &[
            ("account_id", "uuid"),
            ("IP address", "inet"),
            ("user_agent", "text"),
            ("updated_at", "timestamp with time zone"),
        ],
    );
    own.references.push(Reference {
        column: "account_id".into(),
        to_schema: None,
        to_table: "accounts_account".into(),
    });
    let tables = [own, person("accounts_account")];
    let (schema, _) =
        discover(&tables, &UsersConfig::default(), &SessionsConfig::default()).unwrap();
    let found = schema.sessions.unwrap();
    assert_eq!(found.user, Some(("account_id".into(), Kind::Uuid)));
    assert_eq!(found.ip.as_deref(), Some("IP address"));
    assert_eq!(found.device.as_deref(), Some("user_agent"));
    assert_eq!(found.seen.unwrap().name, "updated_at");
    // Django's own has none of them.
    let (schema, _) = discover(
        &[session(), person("u")],
        &UsersConfig::default(),
        &SessionsConfig::default(),
    )
    .unwrap();
    let plain = schema.sessions.unwrap();
    assert_eq!(
        (plain.user, plain.ip, plain.device, plain.seen),
        (None, None, None, None)
    );
}

#[test]
fn a_user_column_that_is_named_has_to_be_there() {
    let tables = [session_with("s", &[("who", "bigint")]), person("u")];
    let named = |user: &str| SessionsConfig {
        user: Some(user.into()),
        ..SessionsConfig::default()
    };
    let found = discover(&tables, &UsersConfig::default(), &named("who"));
    let table = found.unwrap().0.sessions.unwrap();
    assert_eq!(table.user, Some(("who".into(), Kind::Integer)));
    let error = discover(&tables, &UsersConfig::default(), &named("whom")).unwrap_err();
    assert_eq!(error.code, Code::Config);
}

#[test]
fn an_engine_has_its_own_table_or_none() {
    let tables = [
        session(),
        session_with("user_sessions_session", &[]),
        session_with("qsessions_session", &[]),
        person("u"),
    ];
    for (engine, table) in [
        (
            "django.contrib.sessions.backends.db",
            Some("django_session"),
        ),
        (
            "django.contrib.sessions.backends.cached_db",
            Some("django_session"),
        ),
        ("user_sessions.backends.db", Some("user_sessions_session")),
        ("qsessions.backends.cached_db", Some("qsessions_session")),
        ("django.contrib.sessions.backends.cache", None),
        ("django.contrib.sessions.backends.file", None),
        ("django.contrib.sessions.backends.signed_cookies", None),
    ] {
        let found = discover(&tables, &UsersConfig::default(), &with_engine(engine));
        let found = found.unwrap().0.sessions.map(|t| t.table.name);
        assert_eq!(found.as_deref(), table, "{engine}");
    }
    // Of an engine that is not known, any of them could be.
    let found = discover(
        &tables,
        &UsersConfig::default(),
        &with_engine("shop.sessions"),
    );
    assert_eq!(found.unwrap_err().code, Code::Ambiguous);
    let found = discover(
        &[person("u")],
        &UsersConfig::default(),
        &with_engine("shop.sessions"),
    );
    assert_eq!(found.unwrap().0.sessions, None);
}

#[test]
fn of_several_usual_tables_the_one_in_use_decides() {
    let tables = [
        session(),
        session_with("user_sessions_session", &[]),
        session_with("shop_session", &[]),
    ];
    let usual = usual(&tables);
    assert_eq!(usual.len(), 2);
    let name = |n: usize| usual[n].table.clone();
    let package = Some("user_sessions.backends.db");
    assert_eq!(in_use(&usual, &[name(1)]).unwrap(), package);
    assert_eq!(
        in_use(&usual, &[name(0)]).unwrap(),
        Some("django.contrib.sessions.backends.db")
    );
    // Nobody is signed in yet: a package is not installed for nothing.
    assert_eq!(in_use(&usual, &[]).unwrap(), package);
    let both = in_use(&usual, &[name(0), name(1)]).unwrap_err();
    assert_eq!(both.code, Code::Ambiguous);
    assert_eq!(in_use(&usual[..1], &[]).unwrap(), None);
}

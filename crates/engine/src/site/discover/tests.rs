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

//! Discovery on catalogs made by hand.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::store::IdForm;
use crate::store::catalog::{Column, Reference};

fn column(name: &str, type_name: &str) -> Column {
    Column {
        name: name.into(),
        type_name: type_name.into(),
        primary: name == "id",
        unique: name == "id" || name == "username",
        ..Column::default()
    }
}

fn table(name: &str, columns: &[(&str, &str)]) -> Table {
    Table {
        schema: None,
        place: "public".into(),
        meant: false,
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
        to_place: "public".into(),
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
        to_place: "public".into(),
        to_table: "accounts_account".into(),
    });
    let tables = [own, person("accounts_account")];
    let (schema, _) =
        discover(&tables, &UsersConfig::default(), &SessionsConfig::default()).unwrap();
    let found = schema.sessions.unwrap();
    assert_eq!(found.user, Some(("account_id".into(), IdForm::Uuid)));
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
    assert_eq!(table.user, Some(("who".into(), IdForm::Integer)));
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
    let usual: Vec<_> = super::usual(&tables);
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

/// The same tables in another schema than the one that the search path leads to.
fn within(place: &str, tables: Vec<Table>) -> Vec<Table> {
    let moved = tables.into_iter().map(|table| Table {
        schema: Some(place.into()),
        place: place.into(),
        references: table
            .references
            .into_iter()
            .map(|r| Reference {
                to_place: place.into(),
                ..r
            })
            .collect(),
        ..table
    });
    moved.collect()
}

fn site() -> Vec<Table> {
    vec![
        session(),
        person("auth_user"),
        table("django_migrations", &[("id", "bigint")]),
    ]
}

fn in_schema(tables: &[Table], schema: Option<&str>) -> Result<(String, String)> {
    named(
        tables,
        schema,
        &UsersConfig::default(),
        &SessionsConfig::default(),
    )
}

fn named(
    tables: &[Table],
    schema: Option<&str>,
    users: &UsersConfig,
    sessions: &SessionsConfig,
) -> Result<(String, String)> {
    let catalog = Catalog {
        tables,
        apart: None,
        schema,
    };
    let (schema, _) = catalog.discover(users, sessions)?;
    Ok((
        schema.sessions.unwrap().table.shown(),
        schema.users.table.shown(),
    ))
}

fn pair(sessions: &str, users: &str) -> (String, String) {
    (sessions.into(), users.into())
}

fn named_bare(tables: &[Table]) -> Result<(String, String)> {
    let users = UsersConfig {
        table: Some("auth_user".into()),
        ..UsersConfig::default()
    };
    let sessions = SessionsConfig {
        table: Some("django_session".into()),
        ..SessionsConfig::default()
    };
    named(tables, None, &users, &sessions)
}

#[test]
fn a_bare_name_means_the_table_that_the_search_path_leads_to() {
    // An archive that sorts first is not the site.
    let mut tables = within("aaa", vec![session()]);
    tables.extend(site());
    assert_eq!(
        named_bare(&tables).unwrap(),
        pair("django_session", "auth_user")
    );
    // Neither is another whole site.
    let mut tables = within("aaa", site());
    tables.extend(site());
    assert_eq!(
        named_bare(&tables).unwrap(),
        pair("django_session", "auth_user")
    );
    // Where the search path leads to none of them, only one schema may have both.
    let mut tables = within("aaa", site());
    tables.extend(within("bbb", site()));
    assert_eq!(named_bare(&tables).unwrap_err().code, Code::Ambiguous);
    let mut tables = within("aaa", vec![session()]);
    tables.extend(within("bbb", site()));
    assert_eq!(
        named_bare(&tables).unwrap(),
        pair("bbb.django_session", "bbb.auth_user")
    );
}

#[test]
fn two_schemas_with_a_site_each_are_asked_about_and_never_mixed() {
    let mut tables = within("acme", site());
    tables.extend(site());
    let error = in_schema(&tables, None).unwrap_err();
    assert_eq!(error.code, Code::Ambiguous);
    assert!(error.message.contains("--schema acme"), "{}", error.message);
    let acme = pair("acme.django_session", "acme.auth_user");
    let public = pair("django_session", "auth_user");
    assert_eq!(in_schema(&tables, Some("acme")).unwrap(), acme);
    assert_eq!(in_schema(&tables, Some("public")).unwrap(), public);
    let error = in_schema(&tables, Some("beta")).unwrap_err();
    assert_eq!(error.code, Code::Config);
    assert!(error.message.contains("acme, public"), "{}", error.message);

    // A search path that somebody set decides.
    let meant = |place: &str| -> Vec<Table> {
        let mark = |table: &Table| Table {
            meant: table.place == place,
            ..table.clone()
        };
        tables.iter().map(mark).collect()
    };
    assert_eq!(in_schema(&meant("acme"), None).unwrap(), acme);
    assert_eq!(in_schema(&meant("public"), None).unwrap(), public);

    // One name decides the other.
    let users = UsersConfig {
        table: Some("acme.auth_user".into()),
        ..UsersConfig::default()
    };
    assert_eq!(
        named(&tables, None, &users, &SessionsConfig::default()).unwrap(),
        acme
    );
}

#[test]
fn a_copy_of_one_half_in_another_schema_does_not_win() {
    for copy in [vec![session()], vec![person("auth_user")]] {
        let mut tables = within("archive", copy);
        tables.extend(site());
        let public = pair("django_session", "auth_user");
        assert_eq!(in_schema(&tables, None).unwrap(), public);
    }
    // Nor on a search path before the site's own schema.
    let mut tables = within("archive", vec![session()]);
    tables.extend(within("shop", site()));
    tables[0].schema = None;
    let shop = pair("shop.django_session", "shop.auth_user");
    assert_eq!(in_schema(&tables, None).unwrap(), shop);
}

#[test]
fn halves_in_two_schemas_belong_together_only_by_both_names_or_a_key() {
    let mut tables = within("a", vec![session()]);
    tables.extend(within("b", vec![person("auth_user")]));
    let error = in_schema(&tables, None).unwrap_err();
    assert_eq!(error.code, Code::Ambiguous);
    let users = UsersConfig {
        table: Some("b.auth_user".into()),
        ..UsersConfig::default()
    };
    let error = named(&tables, None, &users, &SessionsConfig::default()).unwrap_err();
    assert_eq!(error.code, Code::Ambiguous);
    let sessions = SessionsConfig {
        table: Some("a.django_session".into()),
        ..SessionsConfig::default()
    };
    let both = pair("a.django_session", "b.auth_user");
    assert_eq!(named(&tables, None, &users, &sessions).unwrap(), both);

    tables[0].columns.push(column("user_id", "bigint"));
    tables[0].references.push(Reference {
        column: "user_id".into(),
        to_place: "b".into(),
        to_table: "auth_user".into(),
    });
    assert_eq!(in_schema(&tables, None).unwrap(), both);
}

#[test]
fn sessions_that_tenants_share_are_refused_with_the_reason() {
    let tenant = |name: &str| {
        let tables = site().into_iter().filter(|t| t.name != "django_session");
        within(name, tables.collect())
    };
    let mut tables = site();
    tables.extend(tenant("acme"));
    tables.extend(tenant("beta"));
    for schema in [None, Some("public"), Some("acme")] {
        let error = in_schema(&tables, schema).unwrap_err();
        assert_eq!(error.code, Code::Ambiguous);
        assert!(error.message.contains("shared"), "{}", error.message);
    }
}

#[test]
fn a_model_that_inherits_has_its_names_and_rights_in_the_parents_table() {
    let employee = || {
        let mut employee = table(
            "app_employee",
            &[
                ("person_ptr_id", "bigint"),
                ("badge", "character varying"),
                ("last_activity", "timestamp with time zone"),
            ],
        );
        employee.columns[0].primary = true;
        employee.columns[1].unique = true;
        employee.references.push(Reference {
            column: "person_ptr_id".into(),
            to_place: "public".into(),
            to_table: "app_person".into(),
        });
        employee
    };
    let mut log = table("django_admin_log", &[("user_id", "bigint")]);
    log.references.push(Reference {
        column: "user_id".into(),
        to_place: "public".into(),
        to_table: "app_employee".into(),
    });
    let mut parent = person("app_person");
    parent.columns.retain(|c| c.name != "Last seen at");
    let tables = [session(), employee(), parent, log];
    let (schema, _) =
        discover(&tables, &UsersConfig::default(), &SessionsConfig::default()).unwrap();
    let users = schema.users;
    assert_eq!(users.table.name, "app_employee");
    assert_eq!(
        (users.id.as_str(), users.username.as_str()),
        ("person_ptr_id", "username")
    );
    assert_eq!(users.last_activity.as_ref().unwrap().name, "last_activity");
    assert_eq!(users.is_active.as_deref(), Some("is_active"));
    let place = |column: &str| {
        let (table, key) = users.place_of(column);
        (table.name.clone(), key.to_owned())
    };
    assert_eq!(place("is_active"), pair("app_person", "id"));
    assert_eq!(
        place("last_activity"),
        pair("app_employee", "person_ptr_id")
    );
}

#[test]
fn an_optional_column_that_could_be_several_is_asked_about_and_blocks_nothing() {
    let mut user = person("u");
    user.columns
        .push(column("last_activity", "timestamp with time zone"));
    user.columns.push(column("is_online", "boolean"));
    let tables = [session(), user];
    let (schema, found) =
        discover(&tables, &UsersConfig::default(), &SessionsConfig::default()).unwrap();
    assert_eq!(
        (schema.users.last_activity, schema.users.flag),
        (None, None)
    );
    for (what, names) in [
        ("activity column", "Last seen at and last_activity"),
        ("flag column", "isCurrentlyActive and is_online"),
    ] {
        let asked = found.iter().find(|f| f.what == what).unwrap();
        assert!(asked.because.contains(names), "{}", asked.because);
        assert!(asked.because.contains(ASKS), "{}", asked.because);
    }
}

#[test]
fn columns_that_say_something_else_are_refused_as_flag_and_as_activity() {
    let mut user = person("u");
    let rights = [
        "is_superuser",
        "is_staff",
        "isStaff",
        "can_export",
        "mayLogin",
        "has_access",
        "email_verified",
        "is_admin",
    ];
    let fine = ["present", "Is Online", "in_the_building", "cantina"];
    let moments = [
        "date_joined",
        "created_at",
        "password_changed",
        "last_login_at",
        "emailVerifiedAt",
    ];
    for name in rights.iter().chain(&fine) {
        user.columns.push(column(name, "boolean"));
    }
    for name in moments {
        user.columns.push(column(name, "timestamp with time zone"));
    }
    let tables = [session(), user];
    let refused = |users: UsersConfig| {
        let found = discover(&tables, &users, &SessionsConfig::default());
        found.err().map(|error| error.code)
    };
    let flag = |name: &str| UsersConfig {
        flag: Some(name.into()),
        ..UsersConfig::default()
    };
    let activity = |name: &str| UsersConfig {
        last_activity: Some(name.into()),
        ..UsersConfig::default()
    };
    for name in rights.iter().chain(&["is_active"]) {
        assert_eq!(refused(flag(name)), Some(Code::Config), "{name}");
    }
    for name in moments.iter().chain(&["last_login"]) {
        assert_eq!(refused(activity(name)), Some(Code::Config), "{name}");
    }
    for name in fine {
        assert_eq!(refused(flag(name)), None, "{name}");
    }
    assert_eq!(refused(activity("Last seen at")), None);
}

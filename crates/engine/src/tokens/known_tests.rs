//! Token tables found in catalogs made by hand. The packages' own tables are in tests/outside/tokens.rs.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::store::catalog::Reference;

fn table(name: &str, columns: &[(&str, &str)], user: Option<&str>) -> Table {
    Table {
        schema: None,
        place: "public".into(),
        meant: true,
        name: name.into(),
        columns: columns
            .iter()
            .map(|(name, type_name)| Column {
                name: (*name).into(),
                type_name: (*type_name).into(),
                primary: *name == "id",
                unique: *name == "id",
                compared: Default::default(),
            })
            .collect(),
        references: user
            .map(|column| Reference {
                column: column.into(),
                to_place: "public".into(),
                to_table: "auth_user".into(),
            })
            .into_iter()
            .collect(),
        transactional: true,
    }
}

fn users() -> UserTable {
    UserTable::named("auth_user")
}

fn found(tables: &[Table]) -> Vec<(TokenKind, String)> {
    let home = table("auth_user", &[("id", "bigint")], None);
    let all: Vec<Table> = std::iter::once(home)
        .chain(tables.iter().cloned())
        .collect();
    let all = discover(&all, &users());
    all.into_iter().map(|t| (t.kind, t.table.name)).collect()
}

const KEY: (&str, &str) = ("key", "character varying");
const USER: (&str, &str) = ("user_id", "bigint");
const TIME: &str = "timestamp with time zone";

#[test]
fn a_packages_table_is_known_without_foreign_keys() {
    let drf = table("authtoken_token", &[KEY, USER, ("created", TIME)], None);
    assert_eq!(found(&[drf]), [(TokenKind::Drf, "authtoken_token".into())]);
    // Without the list there is no way to revoke.
    let outstanding = table(
        "token_blacklist_outstandingtoken",
        &[
            ("id", "bigint"),
            USER,
            ("expires_at", TIME),
            ("token", "text"),
        ],
        Some("user_id"),
    );
    assert_eq!(
        found(std::slice::from_ref(&outstanding)),
        [(TokenKind::Own, "token_blacklist_outstandingtoken".into())]
    );
    let listed = table(
        "token_blacklist_blacklistedtoken",
        &[
            ("id", "bigint"),
            ("token_id", "bigint"),
            ("blacklisted_at", TIME),
        ],
        None,
    );
    assert_eq!(
        found(&[outstanding, listed]),
        [(
            TokenKind::JwtRefresh,
            "token_blacklist_outstandingtoken".into()
        )]
    );
}

#[test]
fn a_sites_own_table_is_found_by_its_shape() {
    // netbox's.
    let own = table(
        "users_token",
        &[
            ("id", "bigint"),
            KEY,
            ("expires", TIME),
            ("enabled", "boolean"),
            USER,
        ],
        Some("user_id"),
    );
    let home = table("auth_user", &[("id", "bigint")], None);
    let all = discover(&[home, own], &users());
    assert_eq!(all[0].kind, TokenKind::Own);
    assert_eq!(all[0].revoke, Revoke::Unknown);
    assert_eq!(all[0].live.len(), 2, "{:?}", all[0].live);
    for (name, columns) in [
        // Nobody's.
        ("teams_token", vec![KEY, ("team_id", "bigint")]),
        ("django_admin_log", vec![("object_id", "text"), USER]),
        ("otp_totp_totpdevice", vec![KEY, USER]),
        ("fcm_push_token", vec![("token", "text"), USER]),
        ("accounts_emailverificationtoken", vec![KEY, USER]),
        (
            "django_rest_passwordreset_resetpasswordtoken",
            vec![KEY, USER],
        ),
        ("social_auth_usersocialauth_token", vec![KEY, USER]),
        ("shop_order", vec![KEY, USER]),
        ("oauth2_provider_idtoken", vec![("jti", "uuid"), USER]),
    ] {
        let user = columns.contains(&USER).then_some("user_id");
        assert_eq!(found(&[table(name, &columns, user)]), [], "{name}");
    }
}

#[test]
fn a_token_in_the_users_table_counts() {
    let own = table(
        "auth_user",
        &[("id", "bigint"), ("api_key", "character varying")],
        None,
    );
    let all = discover(&[own], &users());
    assert_eq!((all.len(), all[0].kind), (1, TokenKind::Own));
    assert_eq!(all[0].live, [Live::Filled("api_key".into())]);
}

#[test]
fn a_token_in_the_table_of_a_parent_model_counts() {
    let own = table("accounts_employee", &[("person_ptr_id", "bigint")], None);
    let person = table(
        "accounts_person",
        &[("id", "bigint"), ("api_key", "character varying")],
        None,
    );
    let mut users = UserTable::named("accounts_employee");
    users.id = "person_ptr_id".into();
    users.parents.push(crate::store::schema::Parent {
        table: name_of(&person),
        key: "id".into(),
        columns: vec!["id".into(), "api_key".into()],
    });
    let all = discover(&[own, person], &users);
    assert_eq!(all.len(), 1);
    assert_eq!(
        (&*all[0].table.name, &*all[0].user),
        ("accounts_person", "id")
    );
}

#[test]
fn another_schema_is_another_site() {
    let mut drf = table("authtoken_token", &[KEY, USER], Some("user_id"));
    (drf.schema, drf.place) = (Some("acme".into()), "acme".into());
    assert_eq!(found(&[drf]), []);
}

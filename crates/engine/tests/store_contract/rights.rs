//! An account of MySQL's with no more rights than the documentation asks for, and one with less.

use curfew_engine::config::{Address, Env, SessionsConfig, SiteConfig, UsersConfig};
use curfew_engine::site::discover::discover;
use curfew_engine::site::doctor::doctor;
use curfew_engine::store::db::Pool;
use curfew_engine::store::sql::SqlStore;
use curfew_engine::store::{Store, mysql};
use curfew_engine::view::Check;

use crate::common::{Engine, Ground, Looking};

const PASSWORD: &str = "o'clock%";

/// An account of this test's own, and its address.
fn account(ground: &Ground) -> (String, Address) {
    let mut url = ground.db.url();
    let who = url.path().trim_matches('/').replace("store_", "guest_");
    url.set_username(&who).unwrap();
    url.set_password(Some(&PASSWORD.replace('%', "%25")))
        .unwrap();
    (
        format!("'{who}'@'%'"),
        Address::parse(url.as_str()).unwrap(),
    )
}

/// Makes the account, with these rights.
pub(super) async fn guest(ground: &Ground, rights: &[&str]) -> (String, Address) {
    let (who, address) = account(ground);
    let password = PASSWORD.replace('\'', "''");
    let sql = format!("CREATE USER {who} IDENTIFIED BY '{password}'");
    ground.db.execute(&sql).await;
    for right in rights {
        ground.db.execute(&format!("GRANT {right} TO {who}")).await;
    }
    (who, address)
}

/// The doctor's word on rights.
async fn rights(address: Address) -> Check {
    let folder = tempfile::tempdir().unwrap();
    let env = Env {
        config_dir: folder.path().into(),
        state_dir: folder.path().into(),
        site: None,
        session_engine: None,
        secret_key: None,
        secret_key_fallbacks: Vec::new(),
    };
    let checks = doctor(SiteConfig::by_address(address), &env).await;
    let mut checks = checks.into_iter();
    checks.find(|c| c.name == "rights").unwrap()
}

pub(super) async fn store(address: &Address) -> SqlStore {
    let db = mysql::connect(address).await.unwrap().db;
    let Pool::Mysql(pool) = db.pool() else {
        panic!("another pool");
    };
    let tables = mysql::catalog(&pool, &[]).await.unwrap();
    let found = discover(&tables, &UsersConfig::default(), &SessionsConfig::default());
    let schema = found.unwrap().0;
    SqlStore::new(db, schema.users, schema.sessions.unwrap(), false)
}

#[tokio::test]
async fn the_rights_of_the_documentation_are_enough() {
    let ground = Ground::on(Engine::Mysql).await;
    let granted = [
        "SELECT, DELETE ON django_session",
        "SELECT ON accounts_user",
        "UPDATE (\"isCurrentlyActive\") ON accounts_user",
    ];
    let (who, address) = guest(&ground, &granted).await;
    let key = ground.overdue(1, "o1").await;
    let other = ground.overdue(2, "o2").await;
    let store = store(&address).await;
    let mut looking = Looking::new();
    looking.look(&store).await;
    assert_eq!(looking.sessions.len(), 2);
    let batch = ground.batch(vec![(ground.id(1), vec![key.clone()])]);
    let done = store.sweep(batch).await.unwrap();
    assert_eq!((done.deleted, done.marked), (vec![key], vec![ground.id(1)]));
    let deleted = store.delete(std::slice::from_ref(&other)).await.unwrap();
    assert_eq!(deleted, [other]);
    assert!(store.clear_flag(&ground.id(2)).await.unwrap());
    let refused = store.set_enabled(&ground.id(2), false).await.unwrap_err();
    assert!(refused.message.contains("curfew doctor"), "{refused}");

    let rights = rights(address).await;
    assert!(rights.ok, "{rights:?}");
    ground.db.execute(&format!("DROP USER {who}")).await;
}

#[tokio::test]
async fn missing_rights_are_named_as_they_are_granted() {
    let ground = Ground::on(Engine::Mysql).await;
    let granted = ["SELECT ON django_session", "SELECT ON accounts_user"];
    let (who, address) = guest(&ground, &granted).await;
    let rights = rights(address.clone()).await;
    let fix = rights.fix.as_deref().unwrap();
    for grant in [
        "GRANT DELETE ON `django_session` TO 'guest_",
        "GRANT UPDATE (`isCurrentlyActive`) ON `accounts_user` TO 'guest_",
    ] {
        assert!(fix.contains(grant), "{fix}");
    }
    assert!(!rights.ok && !fix.contains("SELECT"), "{fix}");
    // Run as they stand, they are enough.
    for grant in fix.split("; ") {
        ground.db.execute(grant).await;
    }
    let again = self::rights(address).await;
    ground.db.execute(&format!("DROP USER {who}")).await;
    assert!(again.ok, "{again:?}");
}

#[tokio::test]
async fn a_wrong_password_and_a_missing_database_are_said_in_one_line() {
    let ground = Ground::on(Engine::Mysql).await;
    let mut url = ground.db.url();
    url.set_password(Some("hunter2")).unwrap();
    let address = Address::parse(url.as_str()).unwrap();
    let error = mysql::connect(&address).await.err().unwrap();
    assert!(error.message.contains("check user and password"), "{error}");
    assert!(!error.message.contains("hunter2"));
    let mut url = ground.db.url();
    url.set_path("nowhere");
    let address = Address::parse(url.as_str()).unwrap();
    let error = mysql::connect(&address).await.err().unwrap();
    assert!(
        error.message.contains("check the database's name"),
        "{error}"
    );
}

#[tokio::test]
async fn users_in_another_database_of_the_server_are_found() {
    let ground = Ground::on(Engine::Mysql).await;
    let name = ground.db.url().path().trim_matches('/').to_owned();
    let other = name.replace("store_", "people_");
    let key = ground.overdue(1, "o1").await;
    ground.db.execute(&format!("CREATE DATABASE {other}")).await;
    ground
        .db
        .execute(&format!(
            "RENAME TABLE accounts_user TO {other}.accounts_user"
        ))
        .await;
    // Where the admin's log leads, without a word of the configuration.
    let address = Address::parse(ground.db.url().as_str()).unwrap();
    let store = store(&address).await;
    let mut looking = Looking::new();
    looking.look(&store).await;
    assert!(looking.user(&ground.id(1)).flagged);
    let batch = ground.batch(vec![(ground.id(1), vec![key.clone()])]);
    let done = store.sweep(batch).await.unwrap();
    ground.db.execute("DROP TABLE django_admin_log").await;
    ground.db.execute(&format!("DROP DATABASE {other}")).await;
    assert_eq!((done.deleted, done.marked), (vec![key], vec![ground.id(1)]));
}

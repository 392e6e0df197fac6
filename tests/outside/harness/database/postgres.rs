//! PostgreSQL for the tests: databases are copied by the server itself.

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::sync::OnceCell;
use url::Url;

use super::{Database, PASSWORD, ROLE, new_name, setting};

pub fn url() -> Url {
    Url::parse(&setting("CURFEW_TEST_POSTGRES")).unwrap()
}

pub async fn admin(sql: &str) {
    let mut connection = PgConnection::connect(url().as_str()).await.unwrap();
    let safe = AssertSqlSafe(sql.to_owned());
    let done = sqlx::raw_sql(safe).execute(&mut connection).await;
    done.unwrap_or_else(|e| panic!("{sql}: {e}"));
    let _ = connection.close().await;
}

pub async fn create() -> Database {
    static ROLE_MADE: OnceCell<()> = OnceCell::const_new();
    ROLE_MADE.get_or_init(make_role).await;
    let name = new_name();
    admin(&format!("CREATE DATABASE {name}")).await;
    named(name)
}

pub async fn copy(template: &str) -> Database {
    let name = new_name();
    admin(&format!("CREATE DATABASE {name} TEMPLATE {template}")).await;
    named(name)
}

fn named(name: String) -> Database {
    let mut admin = url();
    admin.set_path(&name);
    let options: PgConnectOptions = admin.as_str().parse().unwrap();
    let pool = PgPoolOptions::new()
        .max_connections(8)
        .connect_lazy_with(options);
    Database::Postgres { name, admin, pool }
}

async fn make_role() {
    let password = PASSWORD.as_str();
    admin(&format!(
        "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{ROLE}') \
         THEN CREATE ROLE {ROLE} LOGIN; END IF; END $$"
    ))
    .await;
    admin(&format!("ALTER ROLE {ROLE} PASSWORD '{password}'")).await;
}

//! MariaDB for the tests. It copies no database by itself: a template is kept as the statements that make it.

use std::fmt::Write as _;

use sqlx::mysql::{MySqlConnectOptions, MySqlPoolOptions};
use sqlx::{AssertSqlSafe, Connection, Executor, MySqlConnection, Row};
use tokio::sync::OnceCell;
use url::Url;

use super::{Database, PASSWORD, ROLE, new_name, setting};

pub fn url() -> Url {
    Url::parse(&setting("CURFEW_TEST_MYSQL")).unwrap()
}

pub async fn admin(sql: &str) {
    let mut connection = MySqlConnection::connect(url().as_str()).await.unwrap();
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

/// A database that these statements fill; see [`statements`].
pub async fn copy(statements: &str) -> Database {
    let name = new_name();
    admin(&format!(
        "CREATE DATABASE {name}; USE {name}; SET foreign_key_checks = 0; {statements}"
    ))
    .await;
    named(name)
}

/// What makes a copy of this database, its foreign keys included.
pub async fn statements(name: &str) -> String {
    let mut url = url();
    url.set_path(name);
    let mut connection = MySqlConnection::connect(url.as_str()).await.unwrap();
    let mut statements = String::new();
    let tables = connection.fetch_all("SHOW TABLES").await.unwrap();
    for table in tables {
        let table: String = table.get(0);
        let show = AssertSqlSafe(format!("SHOW CREATE TABLE `{table}`"));
        let shown = connection.fetch_one(sqlx::raw_sql(show)).await.unwrap();
        let create: String = shown.get(1);
        let fill = format!("INSERT INTO `{table}` SELECT * FROM {name}.`{table}`");
        let _ = write!(statements, "{create}; {fill}; ");
    }
    let _ = connection.close().await;
    statements
}

fn named(name: String) -> Database {
    let mut admin = url();
    admin.set_path(&name);
    let options: MySqlConnectOptions = admin.as_str().parse().unwrap();
    let pool = MySqlPoolOptions::new()
        .max_connections(8)
        .after_connect(|connection, _| {
            Box::pin(async move {
                // The tests quote names as the standard has it.
                let quotes = "SET SESSION sql_mode = CONCAT(@@sql_mode, ',ANSI_QUOTES')";
                connection.execute(quotes).await.map(drop)
            })
        })
        .connect_lazy_with(options);
    Database::Mysql { name, admin, pool }
}

async fn make_role() {
    let password = PASSWORD.as_str();
    admin(&format!(
        "CREATE OR REPLACE USER {ROLE} IDENTIFIED BY '{password}'"
    ))
    .await;
}

//! A database of one test's own, dropped at the end, and the store that looks at it.

use std::time::Duration;

use curfew_engine::config::{Address, SessionsConfig, UsersConfig};
use curfew_engine::site::discover::discover;
use curfew_engine::store::sql::SqlStore;
use curfew_engine::store::{postgres, sqlite};
use sqlx::postgres::PgPoolOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool, SqlitePool};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    Sqlite,
    Postgres,
}

#[derive(Clone)]
enum Pool {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

pub struct Database {
    pool: Pool,
    address: String,
    /// Only on a server.
    name: Option<String>,
    _folder: tempfile::TempDir,
}

impl Database {
    pub async fn create(engine: Engine) -> Self {
        let folder = tempfile::tempdir().unwrap();
        match engine {
            Engine::Sqlite => {
                let path = folder.path().join("site.sqlite3");
                let options = SqliteConnectOptions::new()
                    .filename(&path)
                    .create_if_missing(true)
                    // Nothing here has to outlive a power cut.
                    .synchronous(SqliteSynchronous::Off)
                    .busy_timeout(Duration::from_secs(5));
                let pool = SqlitePoolOptions::new().max_connections(4);
                Self {
                    pool: Pool::Sqlite(pool.connect_lazy_with(options)),
                    address: format!("sqlite://{}", path.display()),
                    name: None,
                    _folder: folder,
                }
            }
            Engine::Postgres => {
                let name = format!("store_{:016x}", chance());
                admin(&format!("CREATE DATABASE {name}")).await;
                let address = beside(&name);
                let pool = PgPoolOptions::new().max_connections(6);
                Self {
                    pool: Pool::Postgres(pool.connect_lazy(&address).unwrap()),
                    address,
                    name: Some(name),
                    _folder: folder,
                }
            }
        }
    }

    pub fn engine(&self) -> Engine {
        match self.pool {
            Pool::Sqlite(_) => Engine::Sqlite,
            Pool::Postgres(_) => Engine::Postgres,
        }
    }

    /// Curfew's own way in, with connections of its own.
    pub async fn store(&self) -> SqlStore {
        let address = Address::parse(&self.address).unwrap();
        let (db, tables) = match &self.pool {
            Pool::Sqlite(pool) => {
                let path = self.address.trim_start_matches("sqlite://");
                let db = sqlite::connect(path.as_ref()).await.unwrap();
                (db, sqlite::catalog(pool).await.unwrap())
            }
            Pool::Postgres(pool) => {
                let db = postgres::connect(&address).await.unwrap().db;
                (db, postgres::catalog(pool).await.unwrap())
            }
        };
        let found = discover(&tables, &UsersConfig::default(), &SessionsConfig::default());
        let schema = found.unwrap().0;
        SqlStore::new(db, schema.users, schema.sessions.unwrap(), false)
    }

    /// Runs statements, and says how many rows they changed.
    pub async fn execute(&self, sql: &str) -> u64 {
        let safe = AssertSqlSafe(sql.to_owned());
        match &self.pool {
            Pool::Sqlite(pool) => sqlx::raw_sql(safe)
                .execute(pool)
                .await
                .map(|done| done.rows_affected()),
            Pool::Postgres(pool) => sqlx::raw_sql(safe)
                .execute(pool)
                .await
                .map(|done| done.rows_affected()),
        }
        .unwrap_or_else(|e| panic!("{sql}: {e}"))
    }

    pub async fn int(&self, sql: &str) -> i64 {
        let safe = AssertSqlSafe(sql.to_owned());
        match &self.pool {
            Pool::Sqlite(pool) => sqlx::query_scalar(safe).fetch_one(pool).await.unwrap(),
            Pool::Postgres(pool) => sqlx::query_scalar(safe).fetch_one(pool).await.unwrap(),
        }
    }

    pub async fn texts(&self, sql: &str) -> Vec<String> {
        let safe = AssertSqlSafe(sql.to_owned());
        match &self.pool {
            Pool::Sqlite(pool) => sqlx::query_scalar(safe).fetch_all(pool).await.unwrap(),
            Pool::Postgres(pool) => sqlx::query_scalar(safe).fetch_all(pool).await.unwrap(),
        }
    }

    /// Someone else's transaction: these statements run, and what they hold is held until it is dropped.
    pub async fn holding(&self, sql: &str) -> Box<dyn std::any::Any + Send> {
        let safe = AssertSqlSafe(sql.to_owned());
        match &self.pool {
            Pool::Sqlite(pool) => {
                let mut tx = pool.begin_with("BEGIN IMMEDIATE").await.unwrap();
                sqlx::raw_sql(safe).execute(&mut *tx).await.unwrap();
                Box::new(tx)
            }
            Pool::Postgres(pool) => {
                let mut tx = pool.begin().await.unwrap();
                sqlx::raw_sql(safe).execute(&mut *tx).await.unwrap();
                Box::new(tx)
            }
        }
    }

    /// Runs a statement from where nothing can be awaited, and returns when it is committed. What is held up
    /// for a second fails: whoever holds it up may be waiting for this to return.
    pub fn meanwhile(&self, sql: String) -> impl Fn() + Send + Sync + 'static + use<> {
        let address = self.address.clone();
        move || {
            let (address, sql) = (address.clone(), sql.clone());
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .unwrap();
                runtime.block_on(async {
                    let mut connection = PgConnection::connect(&address).await.unwrap();
                    sqlx::raw_sql("SET lock_timeout = '1s'")
                        .execute(&mut connection)
                        .await
                        .unwrap();
                    let done = sqlx::raw_sql(AssertSqlSafe(sql))
                        .execute(&mut connection)
                        .await
                        .unwrap();
                    assert_eq!(done.rows_affected(), 1);
                    connection.close().await.unwrap();
                });
            })
            .join()
            .unwrap();
        }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let Some(name) = &self.name else {
            return;
        };
        let sql = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
        // A runtime of its own: the test's is on its way out.
        let _ = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(admin(&sql));
        })
        .join();
    }
}

fn admin_address() -> String {
    std::env::var("CURFEW_TEST_POSTGRES").unwrap_or_else(|_| panic!("run cargo xtask test"))
}

/// The address of another database of the same server.
fn beside(name: &str) -> String {
    let mut url = url::Url::parse(&admin_address()).unwrap();
    url.set_path(name);
    url.into()
}

async fn admin(sql: &str) {
    let mut connection = PgConnection::connect(&admin_address()).await.unwrap();
    let done = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
        .execute(&mut connection)
        .await;
    done.unwrap_or_else(|e| panic!("{sql}: {e}"));
    let _ = connection.close().await;
}

/// A number that no other test has.
fn chance() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(std::process::id())
}

//! A database of one test's own, dropped at the end, and the store that looks at it.

use std::sync::Arc;
use std::time::Duration;

use curfew_engine::config::{Address, SessionsConfig, UsersConfig};
use curfew_engine::site::discover::discover;
use curfew_engine::store::db::Db;
use curfew_engine::store::sql::{SqlSessions, SqlStore};
use curfew_engine::store::{Schema, Sessions, mysql, postgres, sqlite};
use jiff::tz::TimeZone;
use sqlx::mysql::MySqlPoolOptions;
use sqlx::postgres::PgPoolOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{
    AssertSqlSafe, Connection, MySql, MySqlConnection, MySqlPool, PgConnection, PgPool, Postgres,
    Sqlite, SqliteConnection, SqlitePool, Transaction,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    Sqlite,
    Postgres,
    Mysql,
}

/// What these tests say to MySQL is in the words of the others.
const PLAIN: &str = "SET SESSION sql_mode = 'ANSI_QUOTES,STRICT_ALL_TABLES', time_zone = '+00:00'";

#[derive(Clone)]
enum Pool {
    Sqlite(SqlitePool),
    Postgres(PgPool),
    Mysql(MySqlPool),
}

pub struct Database {
    pool: Pool,
    address: String,
    /// Only on a server.
    name: Option<String>,
    /// Whose wall clock columns without a zone hold.
    pub zone: TimeZone,
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
                    zone: TimeZone::UTC,
                    _folder: folder,
                }
            }
            Engine::Postgres => {
                let name = format!("store_{:016x}", chance());
                admin(engine, &format!("CREATE DATABASE {name}")).await;
                let address = beside(engine, &name);
                let pool = PgPoolOptions::new().max_connections(6);
                Self {
                    pool: Pool::Postgres(pool.connect_lazy(&address).unwrap()),
                    address,
                    name: Some(name),
                    zone: TimeZone::UTC,
                    _folder: folder,
                }
            }
            Engine::Mysql => {
                let name = format!("store_{:016x}", chance());
                admin(
                    engine,
                    &format!("CREATE DATABASE {name} CHARACTER SET utf8mb4"),
                )
                .await;
                let address = beside(engine, &name);
                let pool =
                    MySqlPoolOptions::new()
                        .max_connections(6)
                        .after_connect(|connection, _| {
                            Box::pin(async move {
                                sqlx::raw_sql(PLAIN).execute(connection).await?;
                                Ok(())
                            })
                        });
                Self {
                    pool: Pool::Mysql(pool.connect_lazy(&address).unwrap()),
                    address,
                    name: Some(name),
                    zone: TimeZone::UTC,
                    _folder: folder,
                }
            }
        }
    }

    pub fn engine(&self) -> Engine {
        match self.pool {
            Pool::Sqlite(_) => Engine::Sqlite,
            Pool::Postgres(_) => Engine::Postgres,
            Pool::Mysql(_) => Engine::Mysql,
        }
    }

    /// The address of a server's database, password and all.
    pub fn url(&self) -> url::Url {
        url::Url::parse(&self.address).unwrap()
    }

    /// Curfew's own way in, with connections of its own.
    pub async fn store(&self) -> SqlStore {
        self.store_with(&UsersConfig::default()).await
    }

    /// The same, with what the configuration says of users.
    pub async fn store_with(&self, users: &UsersConfig) -> SqlStore {
        self.store_at(&self.address, users).await
    }

    /// The same, with the sessions in another place.
    #[allow(dead_code, reason = "a table's own tests have theirs beside the users")]
    pub async fn store_apart(&self, sessions: Arc<dyn Sessions>) -> SqlStore {
        let (db, schema) = self.found(&self.address, &UsersConfig::default()).await;
        SqlStore::apart(db, schema.users, sessions, false)
    }

    pub(super) async fn store_at(&self, address: &str, users: &UsersConfig) -> SqlStore {
        let (db, schema) = self.found(address, users).await;
        SqlStore::new(db, schema.users, schema.sessions.unwrap(), false)
    }

    /// The sessions as they are reached where the users lie in another place.
    #[allow(dead_code, reason = "most tests want both")]
    pub async fn sessions(&self) -> SqlSessions {
        let (db, schema) = self.found(&self.address, &UsersConfig::default()).await;
        SqlSessions::new(db, schema.sessions.unwrap())
    }

    async fn found(&self, address: &str, users: &UsersConfig) -> (Db, Schema) {
        let address = Address::parse(address).unwrap();
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
            Pool::Mysql(pool) => {
                let db = mysql::connect(&address).await.unwrap().db;
                (db, mysql::catalog(pool, &[]).await.unwrap())
            }
        };
        let found = discover(&tables, users, &SessionsConfig::default());
        (db, found.unwrap().0.in_zone(&self.zone))
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
            Pool::Mysql(pool) => sqlx::raw_sql(safe)
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
            Pool::Mysql(pool) => sqlx::query_scalar(safe).fetch_one(pool).await.unwrap(),
        }
    }

    pub async fn texts(&self, sql: &str) -> Vec<String> {
        let safe = AssertSqlSafe(sql.to_owned());
        match &self.pool {
            Pool::Sqlite(pool) => sqlx::query_scalar(safe).fetch_all(pool).await.unwrap(),
            Pool::Postgres(pool) => sqlx::query_scalar(safe).fetch_all(pool).await.unwrap(),
            Pool::Mysql(pool) => sqlx::query_scalar(safe).fetch_all(pool).await.unwrap(),
        }
    }

    /// Someone else's transaction: these statements run, and what they hold is held until it is released.
    pub async fn holding(&self, sql: &str) -> Held {
        let safe = AssertSqlSafe(sql.to_owned());
        match &self.pool {
            Pool::Sqlite(pool) => {
                let mut tx = pool.begin_with("BEGIN IMMEDIATE").await.unwrap();
                sqlx::raw_sql(safe).execute(&mut *tx).await.unwrap();
                Held::Sqlite(tx)
            }
            Pool::Postgres(pool) => {
                let mut tx = pool.begin().await.unwrap();
                sqlx::raw_sql(safe).execute(&mut *tx).await.unwrap();
                Held::Postgres(tx)
            }
            Pool::Mysql(pool) => {
                let mut tx = pool.begin().await.unwrap();
                sqlx::raw_sql(safe).execute(&mut *tx).await.unwrap();
                Held::Mysql(tx)
            }
        }
    }

    /// Runs a statement from where nothing can be awaited, and returns when it is committed. What is held up
    /// for a second fails: whoever holds it up may be waiting for this to return.
    pub fn meanwhile(&self, sql: String) -> impl Fn() + Send + Sync + 'static + use<> {
        let run = self.aside(sql);
        move || assert_eq!(run(), 1)
    }

    /// The same of several statements. Returns how many rows they changed.
    pub fn aside(&self, sql: String) -> impl Fn() -> u64 + Send + Sync + 'static + use<> {
        let (address, engine) = (self.address.clone(), self.engine());
        move || {
            let (address, sql) = (address.clone(), sql.clone());
            let changed = on_a_thread(async move {
                let sql = AssertSqlSafe(sql);
                match engine {
                    Engine::Mysql => {
                        let mut connection = MySqlConnection::connect(&address).await.unwrap();
                        let limit = format!("{PLAIN}, innodb_lock_wait_timeout = 1");
                        sqlx::raw_sql(AssertSqlSafe(limit))
                            .execute(&mut connection)
                            .await
                            .unwrap();
                        let done = sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
                        connection.close().await.unwrap();
                        done.rows_affected()
                    }
                    Engine::Sqlite => {
                        let mut connection = SqliteConnection::connect(&address).await.unwrap();
                        let done = sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
                        connection.close().await.unwrap();
                        done.rows_affected()
                    }
                    Engine::Postgres => {
                        let mut connection = PgConnection::connect(&address).await.unwrap();
                        let limit = "SET lock_timeout = '1s'";
                        sqlx::raw_sql(limit).execute(&mut connection).await.unwrap();
                        let done = sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
                        connection.close().await.unwrap();
                        done.rows_affected()
                    }
                }
            });
            changed.unwrap()
        }
    }
}

/// What somebody else holds.
pub enum Held {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(Transaction<'static, Postgres>),
    Mysql(Transaction<'static, MySql>),
}

impl Held {
    /// What was done stays done.
    pub async fn commit(self) {
        match self {
            Self::Sqlite(tx) => tx.commit().await.unwrap(),
            Self::Postgres(tx) => tx.commit().await.unwrap(),
            Self::Mysql(tx) => tx.commit().await.unwrap(),
        }
    }

    pub async fn release(self) {
        match self {
            Self::Sqlite(tx) => tx.rollback().await.unwrap(),
            Self::Postgres(tx) => tx.rollback().await.unwrap(),
            Self::Mysql(mut tx) => {
                // Tables are held beyond transactions.
                let unlock = sqlx::raw_sql("UNLOCK TABLES");
                unlock.execute(&mut *tx).await.unwrap();
                tx.rollback().await.unwrap();
            }
        }
    }
}

/// On a runtime of its own: this one may be waiting for what is to be done, or on its way out.
fn on_a_thread<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> std::thread::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    std::thread::spawn(move || runtime.block_on(work)).join()
}

impl Drop for Database {
    fn drop(&mut self) {
        let (Some(name), engine) = (&self.name, self.engine()) else {
            return;
        };
        let how = match engine {
            Engine::Postgres => " WITH (FORCE)",
            _ => "",
        };
        let sql = format!("DROP DATABASE IF EXISTS {name}{how}");
        let _ = on_a_thread(async move { admin(engine, &sql).await });
    }
}

fn admin_address(engine: Engine) -> String {
    let name = match engine {
        Engine::Mysql => "CURFEW_TEST_MYSQL",
        _ => "CURFEW_TEST_POSTGRES",
    };
    std::env::var(name).unwrap_or_else(|_| panic!("run cargo xtask test"))
}

/// The address of another database of the same server.
fn beside(engine: Engine, name: &str) -> String {
    let mut url = url::Url::parse(&admin_address(engine)).unwrap();
    url.set_path(name);
    url.into()
}

async fn admin(engine: Engine, sql: &str) {
    let (safe, address) = (AssertSqlSafe(sql.to_owned()), admin_address(engine));
    let done = match engine {
        Engine::Mysql => {
            let mut connection = MySqlConnection::connect(&address).await.unwrap();
            let done = sqlx::raw_sql(safe).execute(&mut connection).await;
            let _ = connection.close().await;
            done.map(|_| ())
        }
        _ => {
            let mut connection = PgConnection::connect(&address).await.unwrap();
            let done = sqlx::raw_sql(safe).execute(&mut connection).await;
            let _ = connection.close().await;
            done.map(|_| ())
        }
    };
    done.unwrap_or_else(|e| panic!("{sql}: {e}"));
}

/// A number that no other test has.
fn chance() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(std::process::id())
}

//! A database of one test's own: a copy of one that Django has migrated, dropped at the end. Curfew gets a
//! role that may do what the README asks for and no more.

mod mysql;
mod postgres;
mod template;

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use sqlx::sqlite::SqlitePoolOptions;
use sqlx::{AssertSqlSafe, MySqlPool, PgPool, SqlitePool};
use url::Url;

pub use template::{Kind, Part};

use super::environment::setting;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Engine {
    Postgres,
    /// MariaDB stands for MySQL.
    Mysql,
    Sqlite,
}

/// The words of the pair that Curfew signs in with. The password is a canary: no output may hold it. It is
/// the same for all who test on these servers at a time, as the role is.
pub const ROLE: &str = "curfew_guest";
pub static PASSWORD: LazyLock<String> = LazyLock::new(|| {
    let server = setting("CURFEW_TEST_POSTGRES");
    format!("canary-{}", super::reading::fingerprint(&server))
});

pub enum Database {
    Postgres {
        name: String,
        admin: Url,
        pool: PgPool,
    },
    Mysql {
        name: String,
        admin: Url,
        pool: MySqlPool,
    },
    Sqlite {
        path: PathBuf,
        pool: SqlitePool,
    },
}

/// The same for whichever pool a database has.
macro_rules! on_pool {
    ($database:expr, $pool:ident => $done:expr) => {
        match $database {
            Database::Postgres { pool: $pool, .. } => $done,
            Database::Mysql { pool: $pool, .. } => $done,
            Database::Sqlite { pool: $pool, .. } => $done,
        }
    };
}

impl Database {
    /// A copy for one test; a file goes into `dir`.
    pub async fn create(kind: Kind, dir: &Path) -> Self {
        let template = kind.template().await;
        let (database, all) = match kind.engine {
            Engine::Sqlite => {
                let path = dir.join(format!("{}.sqlite3", new_name()));
                std::fs::copy(template, &path).unwrap();
                return sqlite(&path);
            }
            Engine::Postgres => {
                let all = "ALL TABLES IN SCHEMA public";
                (postgres::copy(&template).await, all)
            }
            Engine::Mysql => (mysql::copy(&template).await, "*"),
        };
        database.execute(&template::rights(kind, all)).await;
        database
    }

    /// An empty one; a file goes into `dir`.
    pub async fn empty(engine: Engine, dir: &Path) -> Self {
        match engine {
            Engine::Sqlite => sqlite(&dir.join(format!("{}.sqlite3", new_name()))),
            Engine::Postgres => postgres::create().await,
            Engine::Mysql => mysql::create().await,
        }
    }

    /// The variables that tell Django where the database is: `SITE`'s own, or those of `SITE_SESSIONS`.
    pub fn for_django(&self, prefix: &str) -> Vec<(String, String)> {
        let (kind, name, server) = match self {
            Self::Sqlite { path, .. } => ("sqlite", path.display().to_string(), None),
            Self::Postgres { name, admin, .. } => ("postgres", name.clone(), Some(admin)),
            Self::Mysql { name, admin, .. } => ("mysql", name.clone(), Some(admin)),
        };
        let mut settings = vec![("DATABASE", kind.to_owned()), ("DB_NAME", name)];
        if let Some(server) = server {
            settings.extend([
                ("DB_HOST", server.host_str().unwrap().to_owned()),
                ("DB_PORT", server.port().unwrap().to_string()),
                ("DB_USER", server.username().to_owned()),
                ("DB_PASSWORD", server.password().unwrap_or("").to_owned()),
            ]);
        }
        let prefixed = settings.into_iter();
        prefixed
            .map(|(name, value)| (format!("{prefix}_{name}"), value))
            .collect()
    }

    /// The address that Curfew is given.
    pub fn url(&self) -> String {
        match self {
            Self::Sqlite { path, .. } => format!("sqlite://{}", path.display()),
            Self::Postgres { admin, .. } | Self::Mysql { admin, .. } => {
                let mut url = admin.clone();
                url.set_username(ROLE).unwrap();
                url.set_password(Some(&PASSWORD)).unwrap();
                url.into()
            }
        }
    }

    /// The address of the database for whoever owns it.
    pub fn owner_url(&self) -> String {
        match self {
            Self::Sqlite { .. } => self.url(),
            Self::Postgres { name, admin, .. } | Self::Mysql { name, admin, .. } => {
                let mut url = admin.clone();
                url.set_path(name);
                url.into()
            }
        }
    }

    pub async fn execute(&self, sql: &str) -> u64 {
        let safe = AssertSqlSafe(sql.to_owned());
        let done = on_pool!(self, pool => sqlx::raw_sql(safe).execute(pool).await.map(|done| done.rows_affected()));
        done.unwrap_or_else(|e| panic!("{sql}: {e}"))
    }

    /// The first column, as whole numbers.
    pub async fn int(&self, sql: &str) -> i64 {
        let safe = AssertSqlSafe(sql.to_owned());
        on_pool!(self, pool => sqlx::query_scalar(safe).fetch_one(pool).await.unwrap())
    }

    /// The first column of all rows, as text.
    pub async fn texts(&self, sql: &str) -> Vec<String> {
        let safe = AssertSqlSafe(sql.to_owned());
        on_pool!(self, pool => sqlx::query_scalar(safe).fetch_all(pool).await.unwrap())
    }

    /// Lets Curfew's role write this column. A SQLite file knows no rights.
    pub async fn grant_update(&self, column: &str, table: &str) {
        if !matches!(self, Self::Sqlite { .. }) {
            self.execute(&format!("GRANT UPDATE ({column}) ON {table} TO {ROLE}"))
                .await;
        }
    }

    /// Lets Curfew's role read tables that came later. MariaDB's grant covers them.
    pub async fn grant_reading(&self) {
        if matches!(self, Self::Postgres { .. }) {
            self.execute(&format!(
                "GRANT SELECT ON ALL TABLES IN SCHEMA public TO {ROLE}"
            ))
            .await;
        }
    }

    /// Runs this as an administrator would, for Curfew's role. A SQLite file knows no rights.
    pub async fn grant(&self, right: &str, table: &str) {
        if !matches!(self, Self::Sqlite { .. }) {
            self.execute(&format!("GRANT {right} ON {table} TO {ROLE}"))
                .await;
        }
    }

    /// How many session rows there are.
    pub async fn sessions(&self) -> i64 {
        self.int("SELECT count(*) FROM django_session").await
    }

    /// Closes the door: existing connections end and new ones are refused, until it is opened again.
    pub async fn refuse(&self, refuse: bool) {
        let Self::Postgres { name, .. } = self else {
            panic!("only PostgreSQL refuses");
        };
        let open = !refuse;
        postgres::admin(&format!(
            "ALTER DATABASE {name} WITH ALLOW_CONNECTIONS {open}"
        ))
        .await;
        if refuse {
            postgres::admin(&format!(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
            ))
            .await;
        }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let sql = match self {
            Self::Postgres { name, .. } => format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"),
            Self::Mysql { name, .. } => format!("DROP DATABASE IF EXISTS {name}"),
            Self::Sqlite { .. } => return,
        };
        let on_mysql = matches!(self, Self::Mysql { .. });
        // A runtime of its own: the test's is on its way out.
        let _ = std::thread::spawn(move || {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            runtime.block_on(async {
                match on_mysql {
                    true => mysql::admin(&sql).await,
                    false => postgres::admin(&sql).await,
                }
            });
        })
        .join();
    }
}

/// A SQLite file that is there already, or will be.
pub fn sqlite(path: &Path) -> Database {
    let url = format!("sqlite://{}", path.display());
    let options = SqlitePoolOptions::new().max_connections(2);
    Database::Sqlite {
        path: path.to_owned(),
        pool: options.connect_lazy(&url).unwrap(),
    }
}

fn new_name() -> String {
    format!("site_{:016x}", super::site::chance())
}

//! A database of one test's own: a copy of one that Django has migrated, dropped at the end. Curfew gets a
//! role that may do what the README asks for and no more.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::SqlitePoolOptions;
use sqlx::{AssertSqlSafe, PgPool, SqlitePool};
use tokio::sync::{Mutex, OnceCell};
use url::Url;

use super::environment::setting;
use super::site::Django;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Engine {
    Postgres,
    Sqlite,
}

/// The words of the pair that Curfew signs in to PostgreSQL with. The password is a canary: no output may
/// hold it.
pub const ROLE: &str = "curfew_guest";
pub static PASSWORD: LazyLock<String> =
    LazyLock::new(|| format!("canary-{:016x}", super::site::chance()));

pub enum Database {
    Postgres {
        name: String,
        admin: Url,
        pool: PgPool,
    },
    Sqlite {
        path: PathBuf,
        pool: SqlitePool,
    },
}

/// What a template is made for: the version of Django, the engine, the user model.
type Kind = (Django, Engine, &'static str);
static TEMPLATES: LazyLock<Mutex<HashMap<Kind, Arc<OnceCell<String>>>>> =
    LazyLock::new(Mutex::default);
static SCRATCH: LazyLock<tempfile::TempDir> = LazyLock::new(|| tempfile::tempdir().unwrap());

impl Database {
    pub async fn create(django: Django, engine: Engine, users: &'static str, dir: &Path) -> Self {
        let cell = TEMPLATES
            .lock()
            .await
            .entry((django, engine, users))
            .or_default()
            .clone();
        let template = cell
            .get_or_init(|| make_template(django, engine, users))
            .await;
        match engine {
            Engine::Sqlite => {
                let path = dir.join("site.sqlite3");
                std::fs::copy(template, &path).unwrap();
                sqlite(&path)
            }
            Engine::Postgres => {
                let name = format!("site_{:016x}", super::site::chance());
                admin(&format!("CREATE DATABASE {name} TEMPLATE {template}")).await;
                Self::postgres(name)
            }
        }
    }

    fn postgres(name: String) -> Self {
        let mut admin = admin_url();
        admin.set_path(&name);
        let options: PgConnectOptions = admin.as_str().parse().unwrap();
        let pool = PgPoolOptions::new()
            .max_connections(8)
            .connect_lazy_with(options);
        Self::Postgres { name, admin, pool }
    }

    /// The variables that tell Django where the database is.
    pub fn for_django(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Sqlite { path, .. } => vec![
                ("SITE_DATABASE", "sqlite".into()),
                ("SITE_DB_NAME", path.display().to_string()),
            ],
            Self::Postgres { name, admin, .. } => vec![
                ("SITE_DATABASE", "postgres".into()),
                ("SITE_DB_HOST", admin.host_str().unwrap().into()),
                ("SITE_DB_PORT", admin.port().unwrap_or(5432).to_string()),
                ("SITE_DB_USER", admin.username().into()),
                ("SITE_DB_PASSWORD", admin.password().unwrap_or("").into()),
                ("SITE_DB_NAME", name.clone()),
            ],
        }
    }

    /// The address that Curfew is given.
    pub fn url(&self) -> String {
        match self {
            Self::Sqlite { path, .. } => format!("sqlite://{}", path.display()),
            Self::Postgres { admin, .. } => {
                let mut url = admin.clone();
                url.set_username(ROLE).unwrap();
                url.set_password(Some(&PASSWORD)).unwrap();
                url.into()
            }
        }
    }

    pub async fn execute(&self, sql: &str) -> u64 {
        let safe = AssertSqlSafe(sql.to_owned());
        match self {
            Self::Postgres { pool, .. } => sqlx::query(safe)
                .execute(pool)
                .await
                .unwrap()
                .rows_affected(),
            Self::Sqlite { pool, .. } => sqlx::query(safe)
                .execute(pool)
                .await
                .unwrap()
                .rows_affected(),
        }
    }

    /// The first column, as whole numbers.
    pub async fn int(&self, sql: &str) -> i64 {
        let safe = AssertSqlSafe(sql.to_owned());
        match self {
            Self::Postgres { pool, .. } => sqlx::query_scalar(safe).fetch_one(pool).await.unwrap(),
            Self::Sqlite { pool, .. } => sqlx::query_scalar(safe).fetch_one(pool).await.unwrap(),
        }
    }

    /// The first column of all rows, as text.
    pub async fn texts(&self, sql: &str) -> Vec<String> {
        let safe = AssertSqlSafe(sql.to_owned());
        match self {
            Self::Postgres { pool, .. } => sqlx::query_scalar(safe).fetch_all(pool).await.unwrap(),
            Self::Sqlite { pool, .. } => sqlx::query_scalar(safe).fetch_all(pool).await.unwrap(),
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
        admin(&format!(
            "ALTER DATABASE {name} WITH ALLOW_CONNECTIONS {open}"
        ))
        .await;
        if refuse {
            admin(&format!(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
            ))
            .await;
        }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let Self::Postgres { name, .. } = self else {
            return;
        };
        let sql = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
        // A runtime of its own: the test's is on its way out.
        let _ = std::thread::spawn(move || {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            runtime.block_on(admin(&sql));
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

fn admin_url() -> Url {
    Url::parse(&setting("CURFEW_TEST_POSTGRES")).unwrap()
}

async fn admin(sql: &str) {
    use sqlx::{Connection, PgConnection};
    let mut connection = PgConnection::connect(admin_url().as_str()).await.unwrap();
    let safe = AssertSqlSafe(sql.to_owned());
    let done = sqlx::raw_sql(safe).execute(&mut connection).await;
    done.unwrap_or_else(|e| panic!("{sql}: {e}"));
    let _ = connection.close().await;
}

async fn make_template(django: Django, engine: Engine, users: &'static str) -> String {
    let name = format!("template_{:016x}", super::site::chance());
    match engine {
        Engine::Sqlite => {
            let path = SCRATCH.path().join(name);
            django
                .manage(users, &sqlite(&path), &["migrate", "-v0"])
                .await;
            path.display().to_string()
        }
        Engine::Postgres => {
            static ROLE_MADE: OnceCell<()> = OnceCell::const_new();
            ROLE_MADE.get_or_init(make_role).await;
            admin(&format!("CREATE DATABASE {name}")).await;
            let database = Database::postgres(name.clone());
            django.manage(users, &database, &["migrate", "-v0"]).await;
            for grant in rights(users) {
                database.execute(&grant).await;
            }
            // Nobody may be connected to a template while it is copied; it lives as long as the server.
            let Database::Postgres { pool, .. } = &database else {
                unreachable!()
            };
            pool.close().await;
            std::mem::forget(database);
            name
        }
    }
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

/// All that Curfew needs on a site: to read, to delete sessions, to clear the flag.
fn rights(users: &str) -> Vec<String> {
    let mut rights = vec![
        format!("GRANT SELECT ON ALL TABLES IN SCHEMA public TO {ROLE}"),
        format!("GRANT DELETE ON django_session TO {ROLE}"),
    ];
    match users {
        "accounts" => rights.push(format!(
            "GRANT UPDATE (\"isCurrentlyActive\") ON accounts_customuser TO {ROLE}"
        )),
        "people" => rights.push(format!(
            "GRANT UPDATE (\"isOnline\") ON people_person TO {ROLE}"
        )),
        _ => {}
    }
    rights
}

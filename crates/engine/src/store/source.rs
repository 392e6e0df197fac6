//! How a pool of connections is made, and made again; and one connection alone, for what the server says.

use std::time::Duration;

use sqlx::mysql::{MySqlConnectOptions, MySqlPoolOptions};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{Connection, MySqlConnection, PgConnection, SqliteConnection};

use super::db::Pool;
use super::explain::explain;
use super::identity::Identity;
use super::kept::answers;
use super::mysql;
use super::sqlite;
use crate::error::{Code, Error, Result};

/// How long a free connection is waited for.
const ACQUIRE: Duration = Duration::from_secs(3);
/// Connections, at most.
pub(super) const MOST: u32 = 3;

/// Where a site's database is, and how it is spoken to.
pub(super) enum Source {
    Postgres(Box<PgConnectOptions>),
    Mysql(Box<MySqlConnectOptions>),
    Sqlite(Box<SqliteConnectOptions>),
}

impl Source {
    pub fn pool(&self) -> Pool {
        match self {
            Self::Postgres(options) => Pool::Postgres(
                PgPoolOptions::new()
                    .max_connections(MOST)
                    .acquire_timeout(ACQUIRE)
                    .test_before_acquire(false)
                    .before_acquire(answers)
                    .idle_timeout(Duration::from_secs(600))
                    .connect_lazy_with((**options).clone()),
            ),
            Self::Mysql(options) => Pool::Mysql(
                MySqlPoolOptions::new()
                    .max_connections(MOST)
                    .acquire_timeout(ACQUIRE)
                    .test_before_acquire(false)
                    .before_acquire(answers)
                    .idle_timeout(mysql::IDLE)
                    .after_connect(|connection, _| Box::pin(mysql::settle(connection)))
                    .connect_lazy_with((**options).clone()),
            ),
            Self::Sqlite(options) => Pool::Sqlite(
                SqlitePoolOptions::new()
                    .max_connections(MOST)
                    .acquire_timeout(ACQUIRE)
                    .connect_lazy_with((**options).clone()),
            ),
        }
    }

    /// Which file is opened.
    pub fn identity(&self) -> Option<Identity> {
        match self {
            Self::Postgres(_) | Self::Mysql(_) => None,
            Self::Sqlite(options) => Identity::of(options.get_filename()).ok(),
        }
    }

    /// One connection, made and closed, for what the server says.
    pub async fn try_once(&self, limit: Duration) -> Result<()> {
        let (at, attempt) = match self {
            Self::Postgres(options) => {
                let at = format!("{}:{}", options.get_host(), options.get_port());
                let options = (**options).clone();
                let attempt = tokio::spawn(async move {
                    PgConnection::connect_with(&options).await?.close().await
                });
                (at, attempt)
            }
            Self::Mysql(options) => {
                let at = match options.get_socket() {
                    Some(socket) => socket.display().to_string(),
                    None => format!("{}:{}", options.get_host(), options.get_port()),
                };
                let options = (**options).clone();
                let attempt = tokio::spawn(async move {
                    let connection = MySqlConnection::connect_with(&options).await?;
                    connection.close().await
                });
                (at, attempt)
            }
            Self::Sqlite(options) => {
                let at = options.get_filename().display().to_string();
                let options = (**options).clone();
                let attempt = tokio::spawn(async move {
                    sqlite::patiently(sqlite::PATIENCE, || async {
                        let mut connection = SqliteConnection::connect_with(&options).await?;
                        // A file that is no database is only found out when it is read.
                        sqlx::query("SELECT count(*) FROM sqlite_master")
                            .fetch_one(&mut connection)
                            .await?;
                        connection.close().await
                    })
                    .await
                });
                (at, attempt)
            }
        };
        let error = match tokio::time::timeout(limit, attempt).await {
            Ok(Ok(Ok(()))) => return Ok(()),
            Ok(Ok(Err(error))) => explain(&error),
            Ok(Err(_)) | Err(_) => too_slow(limit),
        };
        Err(Error::new(error.code, format!("{at}: {}", error.message)))
    }
}

pub(super) fn too_slow(after: Duration) -> Error {
    Error::new(
        Code::Unreachable,
        format!(
            "the database has not answered for {} s; check the network and the server",
            after.as_secs()
        ),
    )
}

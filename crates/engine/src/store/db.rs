//! One site's database: at most three connections, and work that ends. Every statement has a deadline of its own here and at
//! the server.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sea_query_sqlx::SqlxBinder;
use sqlx::mysql::MySqlConnectOptions;
use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{Connection, MySql, Postgres, SqliteConnection, SqlitePool};

pub use super::explain::explain;
use super::identity::Identity;
use super::lines::{Facts, Line, Lines, Server};
use super::mysql::{Able, Passing};
use super::schema::Dialect;
use super::sqlite;
use super::statement::{Cell, Read, Statement};
use super::tls::Protection;
use super::tx::Tx;
use super::way::{Meter, Way};
use crate::error::{Code, Error, Result};

/// How long SQLite may take for a statement: a little longer than it waits for other writers.
const DEADLINE: Duration = Duration::from_secs(5);
/// Connections to an SQLite file.
const MOST: u32 = 3;
/// How long a free one of them is waited for.
const ACQUIRE: Duration = Duration::from_secs(3);

/// The connections to a database. Statements run on them as on a pool of the driver's.
#[derive(Debug, Clone)]
pub enum Pool {
    Postgres(Lines<Postgres>),
    Mysql(Lines<MySql>),
    Sqlite(SqlitePool),
}

/// Where a site's database is, and its connections.
enum Source {
    Postgres(Lines<Postgres>),
    Mysql(Lines<MySql>),
    Sqlite(Box<SqliteConnectOptions>, Mutex<File>),
}

/// An SQLite file that is open.
struct File {
    pool: SqlitePool,
    /// The file that was opened, so that another one in its place is noticed.
    identity: Option<Identity>,
}

/// Why database work failed.
pub enum Failure {
    /// The driver says so.
    Driver(sqlx::Error),
    /// Something else says so that the work asked.
    Said(Error),
    /// No answer came to a COMMIT: the work may be done, or undone.
    Unsure(Error),
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Self::Driver(error)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Said(error)
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Driver(error) => explain(&error),
            Failure::Said(error) => error,
            Failure::Unsure(error) => unanswered(&error),
        }
    }
}

/// One site's database.
#[derive(Clone)]
pub struct Db {
    source: Arc<Source>,
    /// There and back.
    way: Arc<Way>,
    /// Of MySQL alone.
    able: Able,
}

impl Db {
    /// Connects to PostgreSQL.
    pub async fn postgres(options: PgConnectOptions) -> Result<Self> {
        let place = Place {
            socket: options.get_socket().map(|path| path.display().to_string()),
            host: options.get_host().to_owned(),
            port: options.get_port(),
            database: options.get_database().unwrap_or_default().to_owned(),
            user: options.get_username().to_owned(),
        };
        let lines = place.connect("postgres", options).await?;
        Ok(Self::of(lines.way(), Source::Postgres(lines)))
    }

    /// Connects to MySQL or MariaDB.
    pub async fn mysql(options: MySqlConnectOptions) -> Result<Self> {
        let place = Place {
            socket: options.get_socket().map(|path| path.display().to_string()),
            host: options.get_host().to_owned(),
            port: options.get_port(),
            database: options.get_database().unwrap_or_default().to_owned(),
            user: options.get_username().to_owned(),
        };
        let lines = place.connect("mysql", options).await?;
        let able = Able::of(&lines.facts().version);
        Ok(Self {
            able,
            ..Self::of(lines.way(), Source::Mysql(lines))
        })
    }

    /// Opens an SQLite file once, and makes the pool.
    pub async fn sqlite(options: SqliteConnectOptions) -> Result<Self> {
        try_file(&options).await?;
        let file = File {
            pool: file_pool(&options),
            identity: Identity::of(options.get_filename()).ok(),
        };
        let source = Source::Sqlite(Box::new(options), Mutex::new(file));
        Ok(Self::of(Arc::default(), source))
    }

    fn of(way: Arc<Way>, source: Source) -> Self {
        Self {
            source: Arc::new(source),
            way,
            able: Able::LEAST,
        }
    }

    pub fn dialect(&self) -> Dialect {
        match *self.source {
            Source::Postgres(_) => Dialect::Postgres,
            Source::Mysql(_) => Dialect::Mysql,
            Source::Sqlite(..) => Dialect::Sqlite,
        }
    }

    /// What the server said of itself. SQLite has no server.
    pub fn facts(&self) -> Option<Facts> {
        match &*self.source {
            Source::Postgres(lines) => Some(lines.facts()),
            Source::Mysql(lines) => Some(lines.facts()),
            Source::Sqlite(..) => None,
        }
    }

    /// Keys or ids in one statement: PostgreSQL takes them as one value, others as so many.
    pub fn chunk(&self) -> usize {
        match self.dialect() {
            Dialect::Postgres => 5_000,
            Dialect::Mysql | Dialect::Sqlite => 500,
        }
    }

    /// Whether MySQL leaves out rows that others hold.
    pub(super) fn passes_over(&self) -> bool {
        self.able.passing == Passing::Skip
    }

    /// Whether MySQL's deletions say what they took, and wait for nobody.
    pub(super) fn deletes_at_once(&self) -> bool {
        self.able.deletes_at_once()
    }

    /// The connections, for statements that are no `Statement`.
    pub fn pool(&self) -> Pool {
        match &*self.source {
            Source::Postgres(lines) => Pool::Postgres(lines.clone()),
            Source::Mysql(lines) => Pool::Mysql(lines.clone()),
            Source::Sqlite(options, file) => {
                let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
                let now = Identity::of(options.get_filename()).ok();
                if now.is_some() && file.identity != now {
                    // Restored from a backup, say: the open file is nobody's any more.
                    file.pool = file_pool(options);
                    file.identity = now;
                }
                Pool::Sqlite(file.pool.clone())
            }
        }
    }

    pub(super) fn way(&self) -> Arc<Way> {
        self.way.clone()
    }

    /// A reading begins, whose cost is to be known.
    pub(super) fn meter(&self) -> Meter {
        self.way().meter()
    }

    /// A connection to PostgreSQL for what is more than a statement's rows; none to other databases.
    pub(super) async fn line(&self) -> Result<Option<Line<Postgres>>, sqlx::Error> {
        match &*self.source {
            Source::Postgres(lines) => lines.take().await.map(Some),
            Source::Mysql(_) | Source::Sqlite(..) => Ok(None),
        }
    }

    /// Runs a statement and returns its rows. `shape` says what they hold; empty for none.
    pub async fn rows(&self, query: &impl SqlxBinder, shape: &[Read]) -> Result<Vec<Vec<Cell>>> {
        self.run(Statement::new(self.dialect(), query, shape)).await
    }

    pub(super) async fn run(&self, statement: Statement) -> Result<Vec<Vec<Cell>>> {
        Ok(self
            .attempt(statement)
            .await
            .map_err(|failure| match failure {
                Failure::Unsure(error) => Failure::Said(error),
                other => other,
            })?)
    }

    /// As [`Db::run`], for a statement that changes rows outside a transaction.
    ///
    /// # Errors
    /// [`Code::NotKnown`] if no answer came to the statement: the rows may be changed.
    pub(super) async fn run_change(&self, statement: Statement) -> Result<Vec<Vec<Cell>>> {
        Ok(self.attempt(statement).await?)
    }

    /// Runs a statement. [`Failure::Unsure`]: the statement went out, and no answer came.
    async fn attempt(&self, statement: Statement) -> Result<Vec<Vec<Cell>>, Failure> {
        match &*self.source {
            Source::Postgres(lines) => {
                let line = lines.take().await?;
                line.run_postgres(statement).await.map_err(asked)
            }
            Source::Mysql(lines) => {
                let line = lines.take().await?;
                line.run_mysql(statement).await.map_err(asked)
            }
            Source::Sqlite(options, _) => {
                // A file that is not there says why.
                Identity::of(options.get_filename())?;
                let Pool::Sqlite(pool) = self.pool() else {
                    return Ok(Vec::new());
                };
                let ran = self.finish(async move {
                    let again = || statement.clone().on_sqlite(&pool);
                    sqlite::patiently(sqlite::PATIENCE, again).await
                });
                // What took too long goes on, and may end well.
                ran.await.map_err(|error| match error.code {
                    Code::Unreachable => Failure::Unsure(error),
                    _ => Failure::Said(error),
                })
            }
        }
    }

    /// Begins a transaction that means to write. To be called within [`Db::finish`].
    pub async fn begin(&self) -> Result<Tx, sqlx::Error> {
        Ok(match self.pool() {
            Pool::Postgres(lines) => Tx::on_postgres(lines.take().await?).await?,
            Pool::Mysql(lines) => Tx::on_mysql(lines.take().await?, self.able).await?,
            // A reader that turns writer half way can only fail.
            Pool::Sqlite(pool) => {
                let begin = || pool.begin_with("BEGIN IMMEDIATE");
                Tx::Sqlite(sqlite::patiently(sqlite::TO_BEGIN, begin).await?)
            }
        })
    }

    /// Runs database work to its end on a task of its own, whose locks nothing else holds up. Each of its statements is
    /// bounded by the silence of the server; work on an SQLite file is bounded as a whole.
    pub async fn finish<T: Send + 'static, E: Into<Failure> + Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, E>> + Send + 'static,
    ) -> Result<T> {
        let work = tokio::spawn(work);
        let ended = match self.dialect() {
            Dialect::Sqlite => match tokio::time::timeout(DEADLINE, work).await {
                Ok(ended) => ended,
                Err(_) => return Err(too_slow(DEADLINE)),
            },
            Dialect::Postgres | Dialect::Mysql => work.await,
        };
        match ended {
            Ok(done) => done.map_err(|failure| failure.into().into()),
            Err(_) => Err(Error::new(
                Code::Database,
                "a statement broke off; look again in a moment",
            )),
        }
    }

    pub async fn close(&self) {
        match self.pool() {
            Pool::Postgres(lines) => lines.close().await,
            Pool::Mysql(lines) => lines.close().await,
            Pool::Sqlite(pool) => pool.close().await,
        }
    }
}

/// A connection that was made, and how it is protected.
pub struct Reached {
    pub db: Db,
    pub encrypted: bool,
    pub protection: Protection,
}

impl Reached {
    /// Where the protection does not tell whether the connection is encrypted, the server does.
    pub(super) fn of(db: Db, protection: Protection) -> Self {
        let told = || db.facts().is_some_and(|facts| facts.encrypted);
        let encrypted = protection.is_encrypted().unwrap_or_else(told);
        Self {
            db,
            encrypted,
            protection,
        }
    }
}

impl Line<Postgres> {
    /// Runs a statement, and returns its rows. Behind a pooler the deadlines are set in a transaction around it.
    async fn run_postgres(mut self, statement: Statement) -> Result<Vec<Vec<Cell>>, sqlx::Error> {
        if self.is_pooled() {
            let mut tx = Tx::for_one_on_postgres(self).await?;
            let rows = tx.run(statement).await?;
            tx.commit_driver().await?;
            return Ok(rows);
        }
        let way = self.way();
        let trip = way.trip();
        let connection = self.ask()?;
        let known = connection.cached_statements_size();
        let rows = statement.on_postgres(connection, true).await;
        if connection.cached_statements_size() > known {
            trip.and_again();
        }
        self.ended(&rows);
        rows
    }
}

impl Line<MySql> {
    async fn run_mysql(mut self, statement: Statement) -> Result<Vec<Vec<Cell>>, sqlx::Error> {
        let way = self.way();
        let trip = way.trip();
        let connection = self.ask()?;
        let known = connection.cached_statements_size();
        let rows = statement.on_mysql(connection).await;
        if connection.cached_statements_size() > known {
            trip.and_again();
        }
        self.ended(&rows);
        rows
    }
}

/// Of a statement that went out. The server's own errors are answers.
pub(super) fn asked(error: sqlx::Error) -> Failure {
    match error {
        sqlx::Error::Database(_) => Failure::Driver(error),
        other => Failure::Unsure(explain(&other)),
    }
}

/// A change without an answer, as whoever asked for it hears of it.
pub(super) fn unanswered(error: &Error) -> Error {
    Error::new(
        Code::NotKnown,
        format!("no answer came to the change: {}", error.message),
    )
}

fn file_pool(options: &SqliteConnectOptions) -> SqlitePool {
    SqlitePoolOptions::new()
        .max_connections(MOST)
        .acquire_timeout(ACQUIRE)
        .connect_lazy_with(options.clone())
}

/// Opens a file and closes it, for what SQLite says.
async fn try_file(options: &SqliteConnectOptions) -> Result<()> {
    let own = options.clone();
    let attempt = tokio::spawn(async move {
        sqlite::patiently(sqlite::PATIENCE, || async {
            let mut connection = SqliteConnection::connect_with(&own).await?;
            // A file that is no database is only found out when it is read.
            sqlx::query("SELECT count(*) FROM sqlite_master")
                .fetch_one(&mut connection)
                .await?;
            connection.close().await
        })
        .await
    });
    let error = match tokio::time::timeout(DEADLINE, attempt).await {
        Ok(Ok(Ok(()))) => return Ok(()),
        Ok(Ok(Err(error))) => explain(&error),
        Ok(Err(_)) | Err(_) => too_slow(DEADLINE),
    };
    let at = options.get_filename().display();
    Err(Error::new(error.code, format!("{at}: {}", error.message)))
}

/// Where a server's database is, and who asks.
struct Place {
    socket: Option<String>,
    host: String,
    port: u16,
    database: String,
    user: String,
}

impl Place {
    /// Makes the first connection, which tells whether there is one to be had.
    async fn connect<DB: Server>(self, kind: &str, options: DB::Options) -> Result<Lines<DB>> {
        let Self {
            socket,
            host,
            port,
            database,
            user,
        } = self;
        let at = socket.unwrap_or_else(|| format!("{host}:{port}"));
        let lines = Lines::at(&format!("{kind} {at}/{database} as {user}"), options);
        match lines.take().await {
            Ok(_first) => Ok(lines),
            Err(error) => {
                let error = explain(&error);
                Err(Error::new(error.code, format!("{at}: {}", error.message)))
            }
        }
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

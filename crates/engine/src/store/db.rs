//! One pool of at most three connections, and work that ends: everything asked has a deadline of its own, and
//! nothing is cancelled half way. A pool whose answers do not come is given up for a new one.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sea_query_sqlx::SqlxBinder;
use sqlx::mysql::MySqlConnectOptions;
use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{MySqlPool, PgPool, SqlitePool};

pub use super::explain::explain;
use super::identity::Identity;
use super::kept::{Line, Own, Waiting};
use super::mysql::{self, Able, Passing};
use super::schema::Dialect;
use super::source::{Source, too_slow};
use super::sqlite;
use super::statement::{Cell, Read, Statement};
use super::to_its_end::ToItsEnd;
use super::tx::Tx;
use super::way::{Meter, Way};
use crate::error::{Code, Error, Result};

/// How long a reading may take before the site counts as not answering.
/// With the two to four seconds between looks it has to stay under the ten within which people are told.
const DEADLINE: Duration = Duration::from_secs(5);
/// How long a server that gives no connection is asked for its reason.
const REASON: Duration = Duration::from_secs(2);

/// The driver's own pool.
#[derive(Debug, Clone)]
pub enum Pool {
    Postgres(PgPool),
    Mysql(MySqlPool),
    Sqlite(SqlitePool),
}

struct State {
    pool: Pool,
    own: Arc<Own>,
    /// There and back.
    way: Arc<Way>,
    /// The file that was opened, so that another one in its place is noticed.
    file: Option<Identity>,
    /// Statements of an earlier pool may still run at the server.
    left_behind: bool,
}

/// Why database work failed: the driver says so, or something else that it asked.
pub enum Failure {
    Driver(sqlx::Error),
    Said(Error),
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

/// One site's database.
#[derive(Clone)]
pub struct Db {
    source: Arc<Source>,
    state: Arc<Mutex<State>>,
    /// Of MySQL alone.
    able: Able,
}

impl Db {
    /// Connects to PostgreSQL once, for its answer, and makes the pool.
    pub async fn postgres(options: PgConnectOptions) -> Result<Self> {
        Self::make(Source::Postgres(Box::new(options))).await
    }

    /// Connects to MySQL or MariaDB once, for its answer and its version, and makes the pool.
    pub async fn mysql(options: MySqlConnectOptions) -> Result<Self> {
        let mut db = Self::make(Source::Mysql(Box::new(options))).await?;
        db.able = mysql::able(&db).await?;
        Ok(db)
    }

    /// Opens an SQLite file once, and makes the pool.
    pub async fn sqlite(options: SqliteConnectOptions) -> Result<Self> {
        Self::make(Source::Sqlite(Box::new(options))).await
    }

    async fn make(source: Source) -> Result<Self> {
        source.try_once(DEADLINE).await?;
        let state = State {
            pool: source.pool(),
            own: Arc::default(),
            way: Arc::default(),
            file: source.identity(),
            left_behind: false,
        };
        Ok(Self {
            source: Arc::new(source),
            state: Arc::new(Mutex::new(state)),
            able: Able::LEAST,
        })
    }

    pub fn dialect(&self) -> Dialect {
        match *self.source {
            Source::Postgres(_) => Dialect::Postgres,
            Source::Mysql(_) => Dialect::Mysql,
            Source::Sqlite(_) => Dialect::Sqlite,
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

    /// The pool, with all of its connections; and as long as the other one is there, none is kept out of it.
    pub(super) async fn whole_pool(&self) -> (Pool, Waiting) {
        let (pool, own) = self.with(|state| (state.pool.clone(), state.own.clone()));
        (pool, own.give_back().await)
    }

    /// The pool. One of its connections may still be on its way back to it.
    pub fn pool(&self) -> Pool {
        let (pool, own) = self.with(|state| (state.pool.clone(), state.own.clone()));
        own.let_go();
        pool
    }

    pub(super) fn way(&self) -> Arc<Way> {
        self.with(|state| state.way.clone())
    }

    /// A reading begins, whose cost is to be known.
    pub(super) fn meter(&self) -> Meter {
        self.way().meter()
    }

    /// A connection to PostgreSQL for what is more than a statement's rows; none to other databases. To be called within
    /// [`Db::finish`].
    pub(super) async fn line(&self) -> Result<Option<Line>, sqlx::Error> {
        let (pool, own) = self.with(|state| (state.pool.clone(), state.own.clone()));
        match pool {
            Pool::Postgres(pool) => Line::take(own, pool, &self.way()).await.map(Some),
            Pool::Mysql(_) | Pool::Sqlite(_) => Ok(None),
        }
    }

    fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        work(&mut state)
    }

    /// Runs a statement and returns its rows. `shape` says what they hold; empty for none.
    pub async fn rows(&self, query: &impl SqlxBinder, shape: &[Read]) -> Result<Vec<Vec<Cell>>> {
        self.run(Statement::new(self.dialect(), query, shape)).await
    }

    pub(super) async fn run(&self, statement: Statement) -> Result<Vec<Vec<Cell>>> {
        let (pool, own) = self.ready()?;
        let way = self.way();
        // One statement holds nothing while its answer waits to be taken, so it needs no task of its own.
        self.told(ToItsEnd::of(async move {
            match &pool {
                Pool::Postgres(pool) => {
                    let mut taken = own.postgres.take(pool, &way).await?;
                    let rows = taken
                        .run(&way, async |line| statement.on_postgres(line).await)
                        .await?;
                    own.keep(&own.postgres, taken, pool);
                    Ok(rows)
                }
                Pool::Mysql(pool) => {
                    let mut taken = own.mysql.take(pool, &way).await?;
                    let rows = taken
                        .run(&way, async |line| statement.on_mysql(line).await)
                        .await?;
                    own.keep(&own.mysql, taken, pool);
                    Ok(rows)
                }
                Pool::Sqlite(pool) => {
                    let again = || statement.clone().on_sqlite(pool);
                    sqlite::patiently(sqlite::PATIENCE, again).await
                }
            }
        }))
        .await
    }

    /// Begins a transaction that means to write. To be called within [`Db::finish`].
    pub async fn begin(&self) -> Result<Tx, sqlx::Error> {
        let (pool, _waiting) = self.whole_pool().await;
        Ok(match pool {
            // What went wrong within it has left it open: nobody shall have that connection again.
            Pool::Postgres(pool) => Tx::on_postgres(&pool)
                .await
                .inspect_err(|_| self.give_up())?,
            Pool::Mysql(pool) => Tx::Mysql(pool.begin().await?, self.able),
            // A reader that turns writer half way can only fail.
            Pool::Sqlite(pool) => {
                let begin = || pool.begin_with("BEGIN IMMEDIATE");
                Tx::Sqlite(sqlite::patiently(sqlite::TO_BEGIN, begin).await?)
            }
        })
    }

    /// The pool, once it is known that it still leads to the site.
    fn ready(&self) -> Result<(Pool, Arc<Own>)> {
        if let Source::Sqlite(options) = &*self.source {
            let now = Identity::of(options.get_filename())?;
            return Ok(self.with(|state| {
                if state.file != Some(now) {
                    // Restored from a backup, say: the open file is nobody's any more.
                    state.pool = self.source.pool();
                    state.file = Some(now);
                }
                (state.pool.clone(), state.own.clone())
            }));
        }
        Ok(self.with(|state| {
            if std::mem::take(&mut state.left_behind) {
                match &state.pool {
                    Pool::Postgres(pool) => {
                        tokio::spawn(end_what_was_given_up(pool.clone()));
                    }
                    Pool::Mysql(pool) => {
                        tokio::spawn(mysql::end_left_behind(pool.clone()));
                    }
                    Pool::Sqlite(_) => {}
                }
            }
            (state.pool.clone(), state.own.clone())
        }))
    }

    /// Runs database work to its end on a task of its own, whose locks nothing else holds up, and waits for it no longer
    /// than the deadline. The work itself is never cancelled: a connection dropped in mid-statement cannot be trusted
    /// afterwards.
    pub async fn finish<T: Send + 'static, E: Into<Failure> + Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, E>> + Send + 'static,
    ) -> Result<T> {
        self.told(tokio::spawn(work)).await
    }

    /// Waits for work no longer than the deadline. It goes on by itself, and may break off.
    async fn told<T, E: Into<Failure>, P>(
        &self,
        work: impl Future<Output = Result<Result<T, E>, P>>,
    ) -> Result<T> {
        let done = tokio::time::timeout(DEADLINE, work).await;
        match done.map(|ran| ran.map(|worked| worked.map_err(Into::into))) {
            Ok(Ok(Ok(value))) => Ok(value),
            Ok(Ok(Err(Failure::Said(error)))) => Err(error),
            // The pool keeps trying and says only that time ran out; the server itself says why.
            Ok(Ok(Err(Failure::Driver(sqlx::Error::PoolTimedOut)))) => {
                // Either way these connections lead nowhere.
                self.give_up();
                self.source.try_once(REASON).await?;
                Err(explain(&sqlx::Error::PoolTimedOut))
            }
            Ok(Ok(Err(Failure::Driver(error)))) => Err(explain(&error)),
            Ok(Err(_)) => Err(Error::new(
                Code::Database,
                "a statement broke off; look again in a moment",
            )),
            Err(_) => {
                self.give_up();
                Err(too_slow(DEADLINE))
            }
        }
    }

    /// Leaves the pool to what still runs on it, and takes a new one: its connections may be dead for good.
    fn give_up(&self) {
        self.with(|state| {
            state.pool = self.source.pool();
            state.own = Arc::default();
            // Whoever hangs is under way for long, and on no way of those that come.
            state.way = Arc::new(state.way.anew());
            state.left_behind = true;
        });
    }

    pub async fn close(&self) {
        let (pool, _waiting) = self.whole_pool().await;
        match pool {
            Pool::Postgres(pool) => pool.close().await,
            Pool::Mysql(pool) => pool.close().await,
            Pool::Sqlite(pool) => pool.close().await,
        }
    }
}

/// Ends statements of Curfew's that are older than any deadline: whoever asked has long stopped waiting, and
/// their connections would count against the three.
async fn end_what_was_given_up(pool: PgPool) {
    let ended = sqlx::query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE application_name = 'curfew' AND usename = current_user AND pid <> pg_backend_pid()
           AND state <> 'idle' AND query_start < clock_timestamp() - interval '10 seconds'",
    )
    .execute(&pool)
    .await;
    if let Err(error) = ended {
        tracing::debug!(%error, "what was given up could not be ended");
    }
}

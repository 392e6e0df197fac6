//! The connection of single statements. A pool asks each connection that it gets back whether it lives, so there a
//! statement costs two trips; this one stays out of it from statement to statement, as long as the pool has another to give.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use sqlx::database::HasStatementCache;
use sqlx::pool::{PoolConnection, PoolConnectionMetadata};
use sqlx::{Connection, Database, MySql, PgConnection, PgPool, Pool, Postgres};
use tokio::runtime::Handle;
use tokio::time::Instant;

use super::source::MOST;
use super::way::Way;

/// A connection that was in use so recently is taken to live; any other is asked first.
const TRUSTED: Duration = Duration::from_millis(500);
/// So long after it was taken it goes back to the pool, which knows when a connection has grown old.
const LONGEST: Duration = Duration::from_secs(600);

/// So often the way is measured where it is not known: one answer may have come late.
const AT_FIRST: usize = 3;

/// A connection of a pool's, while a statement runs on it.
pub(super) struct Taken<DB: Database> {
    pub connection: PoolConnection<DB>,
    since: Instant,
}

struct Idle<DB: Database> {
    taken: Taken<DB>,
    used: Instant,
}

/// Where it waits for the next statement.
pub(super) struct Kept<DB: Database>(Mutex<Option<Idle<DB>>>);

impl<DB: Database> Default for Kept<DB> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<DB: Database> Kept<DB> {
    fn swap(&self, idle: Option<Idle<DB>>) -> Option<Idle<DB>> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *kept, idle)
    }

    /// The one that is kept, if it lives; else one of the pool's.
    pub async fn take(&self, pool: &Pool<DB>, way: &Arc<Way>) -> Result<Taken<DB>, sqlx::Error> {
        if let Some(Idle { mut taken, used }) = self.swap(None) {
            if used.elapsed() <= TRUSTED || asked(&mut taken.connection, way).await.is_ok() {
                return Ok(taken);
            }
            drop(taken.connection.detach());
        }
        let mut connection = pool.acquire().await?;
        if !way.is_known() {
            for _ in 0..AT_FIRST {
                asked(&mut connection, way).await?;
            }
        }
        Ok(Taken {
            connection,
            since: Instant::now(),
        })
    }

    /// Keeps it for the next statement. Where somebody may be waiting for it, it goes to the pool.
    fn put(&self, taken: Taken<DB>, pool: &Pool<DB>) {
        let others = pool.size() < MOST || pool.num_idle() > 0;
        if others && taken.since.elapsed() < LONGEST {
            let used = Instant::now();
            drop(self.swap(Some(Idle { taken, used })));
        }
        // A pool that closes waits for all that it has given.
        if pool.is_closed() {
            self.let_go();
        }
    }

    /// The pool has it by the end of this.
    async fn give_back(&self) {
        if let Some(Idle { mut taken, .. }) = self.swap(None) {
            taken.connection.return_to_pool().await;
        }
    }

    fn let_go(&self) {
        drop(self.swap(None));
    }
}

/// Asks a connection whether it lives, which is no work for the server: so the way to it is measured.
async fn asked<DB: Database>(
    connection: &mut PoolConnection<DB>,
    way: &Arc<Way>,
) -> Result<(), sqlx::Error> {
    let (_trip, began) = (way.trip(), Instant::now());
    connection.ping().await?;
    way.measured(began.elapsed());
    Ok(())
}

impl<DB: Database> Drop for Kept<DB> {
    fn drop(&mut self) {
        // On its way to the pool it needs a runtime.
        if let (Some(idle), Err(_)) = (self.swap(None), Handle::try_current()) {
            drop(idle.taken.connection.detach());
        }
    }
}

/// The connection of single statements, of the pool's own kind. SQLite's cost no trip.
#[derive(Default)]
pub(super) struct Own {
    pub postgres: Kept<Postgres>,
    pub mysql: Kept<MySql>,
    /// Who waits for one of the pool's.
    waiting: AtomicUsize,
}

/// As long as this is there, somebody waits.
pub(super) struct Waiting(Arc<Own>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Own {
    /// Keeps a connection after a statement, unless somebody waits for it.
    pub fn keep<DB: Database>(&self, kept: &Kept<DB>, taken: Taken<DB>, pool: &Pool<DB>) {
        if self.waiting.load(Ordering::SeqCst) == 0 {
            kept.put(taken, pool);
        }
    }

    /// The pool has all of its connections by the end of this, and gets each that is used meanwhile, as long as somebody waits.
    pub async fn give_back(self: &Arc<Self>) -> Waiting {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let waiting = Waiting(self.clone());
        self.postgres.give_back().await;
        self.mysql.give_back().await;
        waiting
    }

    /// The pool will soon have all of its connections.
    pub fn let_go(&self) {
        self.postgres.let_go();
        self.mysql.let_go();
    }
}

impl<DB: Database + HasStatementCache> Taken<DB> {
    /// Runs a statement on it, of which it may never have heard before.
    pub async fn run<T>(
        &mut self,
        way: &Arc<Way>,
        statement: impl AsyncFnOnce(&mut DB::Connection) -> Result<T, sqlx::Error>,
    ) -> Result<T, sqlx::Error> {
        let (trip, known) = (way.trip(), self.connection.cached_statements_size());
        let answer = statement(&mut self.connection).await;
        if self.connection.cached_statements_size() > known {
            trip.and_again();
        }
        answer
    }
}

/// A connection on which one thing is asked that is more than a statement's rows. It is closed where it is not kept: only an
/// answer that was taken to its end leaves nothing behind that the next would be mistaken for.
pub(super) struct Line {
    /// Until it is kept.
    taken: Option<Taken<Postgres>>,
    own: Arc<Own>,
    pool: PgPool,
}

impl Line {
    pub async fn take(own: Arc<Own>, pool: PgPool, way: &Arc<Way>) -> Result<Self, sqlx::Error> {
        let taken = Some(own.postgres.take(&pool, way).await?);
        Ok(Self { taken, own, pool })
    }

    pub fn connection(&mut self) -> Option<&mut PgConnection> {
        self.taken.as_mut().map(|taken| &mut *taken.connection)
    }

    /// All of the answer was taken: what is asked next can go this way, too.
    pub fn keep(mut self) {
        if let Some(taken) = self.taken.take() {
            self.own.keep(&self.own.postgres, taken, &self.pool);
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if let Some(taken) = self.taken.take() {
            drop(taken.connection.detach());
        }
    }
}

/// Asks a connection that was idle whether it lives.
pub(super) fn answers<C: Connection + Send>(
    connection: &mut C,
    meta: PoolConnectionMetadata,
) -> BoxFuture<'_, Result<bool, sqlx::Error>> {
    Box::pin(async move {
        if meta.idle_for > TRUSTED {
            connection.ping().await?;
        }
        Ok(true)
    })
}

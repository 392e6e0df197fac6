//! Connections to one server: opened, reused, watched for silence, and ended at the server when they are given up.
//!
//! Every wait has an end. A connection attempt is bounded as a whole, a statement by the silence between two rows. Servers
//! know the bounds as well (`Server::dial` sets them), so a statement ends there even if this process is killed.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt, StreamExt, TryStreamExt};
use sqlx::{Connection, Database, Either, Execute, Executor, MySql, Postgres, SqlStr};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until, timeout};

use super::account::{Account, Keeper, Seat, Turn};
use super::way::Way;

/// How long a server may say nothing in the middle of a statement.
/// With the two to four seconds between looks it has to stay under the ten within which people are told.
pub(super) const SILENCE: Duration = Duration::from_secs(5);
/// How long a caller waits for a connection attempt: eight trips of a second each, and the server's own work.
const CONNECT: Duration = Duration::from_secs(15);
/// How long an attempt goes on when nobody waits for it any more. It counts as an open connection meanwhile.
const ATTEMPT: Duration = Duration::from_secs(45);
/// Servers end a statement of Curfew's after this. One that was given up counts as open until then.
pub(super) const LONGEST: Duration = Duration::from_secs(10);
/// A connection that was in use so recently is taken to live; any other is asked first.
const TRUSTED: Duration = Duration::from_millis(500);
/// How long a connection is kept, whether it is used or not.
const OLDEST: Duration = Duration::from_secs(600);
/// How long a connection may take to say goodbye.
const GOODBYE: Duration = Duration::from_secs(1);

/// What a server said of itself and of a connection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// The server's number for this connection, where one statement can end another by it.
    pub id: Option<u64>,
    pub encrypted: bool,
    /// The server keeps no settings for this connection: a pooler that works by transactions stands between.
    pub pooled: bool,
    pub version: String,
    /// How long the question for these facts took, which is hardly any work.
    pub way: Duration,
}

/// A kind of server that connections are made to.
pub trait Server: Database {
    type Options: Clone + Send + Sync + 'static;

    /// How long a connection may be idle before the server closes it.
    const IDLE: Duration;

    /// Connects, sets the server's deadlines, and asks for the facts.
    fn dial(
        options: Self::Options,
    ) -> BoxFuture<'static, Result<(Self::Connection, Facts), sqlx::Error>>;

    /// Ends another connection of Curfew's by its number, if its statement still runs.
    fn end(connection: &mut Self::Connection, id: u64) -> BoxFuture<'_, Result<(), sqlx::Error>>;
}

/// The connections of one site to one server.
pub struct Lines<DB: Server>(Arc<Inner<DB>>);

struct Inner<DB: Server> {
    options: DB::Options,
    account: Arc<Account>,
    way: Arc<Way>,
    kept: Mutex<Kept<DB>>,
}

struct Kept<DB: Server> {
    idle: Vec<Idle<DB>>,
    facts: Facts,
    /// How often the server fell silent or was left: connections from before are not kept.
    era: u64,
    closed: bool,
}

struct Idle<DB: Server> {
    open: Open<DB>,
    used: Instant,
}

struct Open<DB: Server> {
    connection: DB::Connection,
    seat: Seat,
    since: Instant,
    era: u64,
    facts: Facts,
}

impl<DB: Server> Open<DB> {
    async fn close(self) {
        let _said = timeout(GOODBYE, self.connection.close()).await;
        drop(self.seat);
    }
}

impl<DB: Server> Clone for Lines<DB> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<DB: Server> fmt::Debug for Lines<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lines")
    }
}

impl<DB: Server> Inner<DB> {
    fn kept(&self) -> MutexGuard<'_, Kept<DB>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a connection for the next statement.
    fn put(&self, open: Open<DB>) {
        let mut kept = self.kept();
        if kept.closed || kept.era != open.era {
            drop(kept);
            close_soon(open);
            return;
        }
        let used = Instant::now();
        kept.idle.push(Idle { open, used });
    }

    /// Keeps none of the connections that are open now.
    fn leave(&self) -> Vec<Idle<DB>> {
        let mut kept = self.kept();
        kept.era += 1;
        std::mem::take(&mut kept.idle)
    }
}

fn close_soon<DB: Server>(open: Open<DB>) {
    match Handle::try_current() {
        Ok(runtime) => {
            runtime.spawn(open.close());
        }
        Err(_) => drop(open),
    }
}

impl<DB: Server> Keeper for Inner<DB> {
    fn oldest(&self) -> Option<Instant> {
        self.kept().idle.first().map(|idle| idle.used)
    }

    fn close_oldest(&self) -> Option<BoxFuture<'static, ()>> {
        let mut kept = self.kept();
        let oldest = (!kept.idle.is_empty()).then(|| kept.idle.remove(0));
        oldest.map(|idle| idle.open.close().boxed())
    }
}

impl<DB: Server> Drop for Inner<DB> {
    fn drop(&mut self) {
        for idle in self.leave() {
            close_soon(idle.open);
        }
    }
}

impl<DB: Server> Lines<DB> {
    /// Connects to nothing yet. `address` names server, user and database.
    pub(super) fn at(address: &str, options: DB::Options) -> Self {
        let account = Account::of(address);
        let inner = Arc::new(Inner {
            options,
            account: account.clone(),
            way: Arc::default(),
            kept: Mutex::new(Kept {
                idle: Vec::new(),
                facts: Facts::default(),
                era: 0,
                closed: false,
            }),
        });
        let keeper: Weak<dyn Keeper> = Arc::downgrade(&(inner.clone() as Arc<dyn Keeper>));
        account.join(keeper);
        Self(inner)
    }

    pub(super) fn way(&self) -> Arc<Way> {
        self.0.way.clone()
    }

    /// What the server said when the last connection was made.
    pub fn facts(&self) -> Facts {
        self.0.kept().facts.clone()
    }

    /// A connection: an idle one that answers, or a new one.
    pub(super) async fn take(&self) -> Result<Line<DB>, sqlx::Error> {
        let mut turn = match self.0.account.turn().await {
            Some(turn) => turn,
            None => return Err(sqlx::Error::PoolTimedOut),
        };
        loop {
            let newest = self.0.kept().idle.pop();
            let Some(Idle { open, used }) = newest else {
                break;
            };
            if used.elapsed() > DB::IDLE || open.since.elapsed() > OLDEST {
                open.close().await;
                continue;
            }
            let mut line = Line::of(self.clone(), open, turn);
            if used.elapsed() <= TRUSTED {
                return Ok(line);
            }
            match line.ping().await {
                Ok(()) => return Ok(line),
                Err(error) if is_silent(&error) => return Err(error),
                // The server closed it meanwhile.
                Err(_) => match line.into_turn() {
                    Some(same) => turn = same,
                    None => return Err(sqlx::Error::PoolClosed),
                },
            }
        }
        self.connect(turn).await
    }

    /// On a task of its own: an attempt that is cut off would leave its connection at the server, uncounted.
    async fn connect(&self, turn: Turn) -> Result<Line<DB>, sqlx::Error> {
        let Some(seat) = self.0.account.seat().await else {
            return Err(sqlx::Error::PoolTimedOut);
        };
        let era = self.0.kept().era;
        let (made, connected) = oneshot::channel();
        let lines = self.clone();
        tokio::spawn(async move {
            let dialled = timeout(ATTEMPT, DB::dial(lines.0.options.clone())).await;
            let line = dialled.unwrap_or_else(|_| Err(silent())).map(|dialled| {
                let (connection, facts) = dialled;
                lines.0.way.measured(facts.way);
                lines.0.kept().facts = facts.clone();
                let open = Open {
                    connection,
                    seat,
                    since: Instant::now(),
                    era,
                    facts,
                };
                Line::of(lines, open, turn)
            });
            // If nobody waits, the connection is kept for the next caller.
            let _nobody = made.send(line);
        });
        match timeout(CONNECT, connected).await {
            Ok(Ok(line)) => line,
            Ok(Err(_)) => Err(sqlx::Error::PoolClosed),
            Err(_) => Err(silent()),
        }
    }

    /// Closes what is idle, and keeps nothing from now on.
    pub(super) async fn close(&self) {
        self.0.kept().closed = true;
        for idle in self.0.leave() {
            idle.open.close().await;
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Ready,
    /// A statement is under way.
    Busy,
    /// The connection broke.
    Broken,
}

/// A connection in use. It is kept for others only if its last statement came to its end outside a transaction.
pub struct Line<DB: Server> {
    open: Option<Open<DB>>,
    turn: Option<Turn>,
    lines: Lines<DB>,
    state: State,
    in_transaction: bool,
    asked: Instant,
}

impl<DB: Server> Line<DB> {
    fn of(lines: Lines<DB>, open: Open<DB>, turn: Turn) -> Self {
        Self {
            open: Some(open),
            turn: Some(turn),
            lines,
            state: State::Ready,
            in_transaction: false,
            asked: Instant::now(),
        }
    }

    pub fn way(&self) -> Arc<Way> {
        self.lines.way()
    }

    /// A pooler stands between: settings are to be made within each transaction.
    pub fn is_pooled(&self) -> bool {
        self.open.as_ref().is_some_and(|open| open.facts.pooled)
    }

    /// The connection, for one statement. [`Self::ended`] has to follow.
    pub fn ask(&mut self) -> Result<&mut DB::Connection, sqlx::Error> {
        self.state = State::Busy;
        self.asked = Instant::now();
        let open = self.open.as_mut().ok_or(sqlx::Error::PoolClosed)?;
        Ok(&mut open.connection)
    }

    /// How the statement ended. An error of the server's leaves the connection as it was.
    pub fn ended<T>(&mut self, ended: &Result<T, sqlx::Error>) {
        self.state = match ended {
            Ok(_) | Err(sqlx::Error::Database(_)) => State::Ready,
            Err(error) if is_silent(error) => State::Busy,
            Err(_) => State::Broken,
        };
    }

    /// Whether a transaction is open on it from now on.
    pub fn in_transaction(&mut self, open: bool) {
        self.in_transaction = open;
    }

    /// A question that is no work for the server: it measures the way.
    async fn ping(&mut self) -> Result<(), sqlx::Error> {
        let way = self.way();
        let (_trip, began) = (way.trip(), Instant::now());
        let answered = quietly(self.ask()?.ping()).await;
        self.ended(&answered);
        answered?;
        way.measured(began.elapsed());
        Ok(())
    }

    fn into_turn(mut self) -> Option<Turn> {
        self.turn.take()
    }
}

impl<DB: Server> Drop for Line<DB> {
    fn drop(&mut self) {
        let (Some(open), turn) = (self.open.take(), self.turn.take()) else {
            return;
        };
        match self.state {
            State::Ready if !self.in_transaction => self.lines.0.put(open),
            // The server rolls back when it sees that the connection is closed.
            State::Ready | State::Broken => drop(open),
            State::Busy => {
                let Ok(runtime) = Handle::try_current() else {
                    return;
                };
                for idle in self.lines.0.leave() {
                    drop(idle.open);
                }
                runtime.spawn(give_up(
                    self.lines.clone(),
                    open,
                    turn,
                    self.asked + LONGEST,
                ));
            }
        }
    }
}

/// Closes a connection in the middle of a statement, and ends the statement at the server. Until it has ended, at the
/// latest by the server's own deadline, the connection counts as open.
async fn give_up<DB: Server>(lines: Lines<DB>, open: Open<DB>, turn: Option<Turn>, until: Instant) {
    let Open {
        connection,
        seat,
        facts,
        ..
    } = open;
    drop(connection);
    let ended = async {
        let id = facts.id.filter(|_| !facts.pooled)?;
        let other = lines.0.account.free_seat()?;
        let (mut connection, _) = DB::dial(lines.0.options.clone()).await.ok()?;
        let ended = DB::end(&mut connection, id).await;
        let _said = connection.close().await;
        drop(other);
        ended.ok()
    };
    match timeout(SILENCE, ended).await {
        Ok(Some(())) => {}
        _ => sleep_until(until).await,
    }
    drop((seat, turn));
}

/// The work, as long as the server is not silent for too long.
pub(super) async fn quietly<T>(
    work: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    timeout(SILENCE, work)
        .await
        .unwrap_or_else(|_| Err(silent()))
}

/// Every row of an answer, each of which may take a while.
pub(super) async fn all<T>(
    mut rows: BoxStream<'_, Result<T, sqlx::Error>>,
) -> Result<Vec<T>, sqlx::Error> {
    let mut all = Vec::new();
    while let Some(row) = quietly(rows.try_next()).await? {
        all.push(row);
    }
    Ok(all)
}

fn silent() -> sqlx::Error {
    sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())
}

/// The server, or the network, said nothing for too long.
pub(super) fn is_silent(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Io(error) if error.kind() == std::io::ErrorKind::TimedOut)
}

macro_rules! runs_statements {
    ($($kind:ty),*) => {$(
        /// Runs statements as a pool of the driver's does, but bounded by silence.
        impl<'p> Executor<'p> for &'_ Lines<$kind> {
            type Database = $kind;

            fn fetch_many<'e, 'q: 'e, E>(
                self,
                query: E,
            ) -> BoxStream<
                'e,
                Result<
                    Either<<$kind as Database>::QueryResult, <$kind as Database>::Row>,
                    sqlx::Error,
                >,
            >
            where
                'p: 'e,
                E: 'q + Execute<'q, Self::Database>,
            {
                let lines = self.clone();
                let answer = async move {
                    let mut line = lines.take().await?;
                    let answer = all(line.ask()?.fetch_many(query)).await;
                    line.ended(&answer);
                    answer.map(|all| stream::iter(all.into_iter().map(Ok)))
                };
                stream::once(answer).try_flatten().boxed()
            }

            fn fetch_optional<'e, 'q: 'e, E>(
                self,
                query: E,
            ) -> BoxFuture<'e, Result<Option<<$kind as Database>::Row>, sqlx::Error>>
            where
                'p: 'e,
                E: 'q + Execute<'q, Self::Database>,
            {
                let rows = self.fetch_many(query);
                let row = rows.try_filter_map(|step| async move { Ok(step.right()) });
                async move { Ok(row.try_collect::<Vec<_>>().await?.into_iter().next()) }.boxed()
            }

            fn prepare_with<'e>(
                self,
                sql: SqlStr,
                parameters: &'e [<$kind as Database>::TypeInfo],
            ) -> BoxFuture<'e, Result<<$kind as Database>::Statement, sqlx::Error>>
            where
                'p: 'e,
            {
                let lines = self.clone();
                async move {
                    let mut line = lines.take().await?;
                    let prepared = quietly(line.ask()?.prepare_with(sql, parameters)).await;
                    line.ended(&prepared);
                    prepared
                }
                .boxed()
            }
        }
    )*};
}

runs_statements!(Postgres, MySql);

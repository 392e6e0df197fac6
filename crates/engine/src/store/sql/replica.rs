//! A streaming replica that is looked at in the primary's place, for as long as it has all that the primary had when it
//! was last looked at. Deeds, and the looks that they decide by, never come here.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sea_query::{Expr, Query};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

use super::{At, SqlSessions, SqlStore};
use crate::config::Address;
use crate::error::{Code, Error, Result};
use crate::store::db::Db;
use crate::store::db::Reached;
use crate::store::postgres;
use crate::store::statement::{Cell, Read};
use crate::store::tls::Protection;

/// A replica that failed is let alone for so long.
const APART: Duration = Duration::from_secs(30);
/// How long a first look waits for the replica to have what the primary has.
const PATIENCE: Duration = Duration::from_secs(2);
const STEP: Duration = Duration::from_millis(50);

/// A place in the primary's log: what was written before it is there.
pub(crate) type Position = i64;

pub(super) struct Replica {
    address: Address,
    state: Mutex<State>,
    /// Something was written to the primary by us since it was looked at.
    wrote: AtomicBool,
}

#[derive(Default)]
struct State {
    store: Option<SqlStore>,
    not_before: Option<Instant>,
}

impl Replica {
    pub fn at(address: Address) -> Self {
        Self {
            address,
            state: Mutex::default(),
            wrote: AtomicBool::new(false),
        }
    }

    /// The next look is to see what we wrote.
    pub fn wrote(&self) {
        self.wrote.store(true, Ordering::Release);
    }

    /// Whether the next look is to see what we wrote: told once.
    pub fn take_wrote(&self) -> bool {
        self.wrote.swap(false, Ordering::AcqRel)
    }

    /// The replica of this store, where it has come to `position`; a little of `patience` helps it there.
    pub async fn caught_up(
        &self,
        primary: &SqlStore,
        position: Position,
        patient: bool,
    ) -> Option<SqlStore> {
        let mut state = self.state.lock().await;
        if state.not_before.is_some_and(|then| Instant::now() < then) {
            return None;
        }
        let begun = Instant::now();
        loop {
            let store = match &state.store {
                Some(store) => Ok(store.clone()),
                None => self.connect(primary).await,
            };
            let at = match &store {
                Ok(store) => replayed(&store.db).await,
                Err(error) => Err(error.clone()),
            };
            match (store, at) {
                (Ok(store), Ok(at)) => {
                    state.store = Some(store.clone());
                    if at >= position {
                        return Some(store);
                    }
                }
                (_, Err(error)) | (Err(error), _) => {
                    tracing::warn!(%error, at = self.address.shown(), "the replica is not looked at for a while");
                    state.not_before = Some(Instant::now() + APART);
                    return None;
                }
            }
            if !patient || begun.elapsed() > PATIENCE {
                tracing::debug!(at = self.address.shown(), "the replica is behind");
                return None;
            }
            sleep(STEP).await;
        }
    }

    /// A look at it failed.
    pub async fn rest(&self, error: &Error) {
        tracing::warn!(%error, at = self.address.shown(), "the replica is not looked at for a while");
        self.state.lock().await.not_before = Some(Instant::now() + APART);
    }

    /// The same tables, seen there.
    async fn connect(&self, primary: &SqlStore) -> Result<SqlStore> {
        let db = connect(&self.address, &primary.db).await?.db;
        let sessions = match &primary.sessions {
            At::Beside(rows) => {
                At::Beside(Box::new(SqlSessions::new(db.clone(), rows.table.clone())))
            }
            At::Elsewhere(sessions) => At::Elsewhere(sessions.clone()),
        };
        Ok(SqlStore {
            db,
            sessions,
            replica: None,
            ..primary.clone()
        })
    }
}

/// How far the primary has written. None: it is not one, or of a kind that does not tell.
pub(super) fn written() -> Expr {
    Expr::cust(
        "CASE WHEN NOT pg_is_in_recovery() THEN CAST(pg_current_wal_insert_lsn() - '0/0' AS bigint) END",
    )
}

/// How far a replica has come.
async fn replayed(db: &Db) -> Result<Position> {
    let at =
        "CASE WHEN pg_is_in_recovery() THEN CAST(pg_last_wal_replay_lsn() - '0/0' AS bigint) END";
    let query = Query::select().expr(Expr::cust(at)).to_owned();
    let rows = db.rows(&query, &[Read::Int]).await?;
    match rows.into_iter().flatten().next() {
        Some(Cell::Int(position)) => Ok(position),
        _ => Err(Error::new(
            Code::Config,
            "read_url leads to no streaming replica; name one, or leave it out",
        )),
    }
}

/// What a primary and its replicas have in common: the server's own number, and the database's.
const IN_COMMON: [&str; 2] = [
    "(SELECT system_identifier FROM pg_control_system())",
    "(SELECT CAST(oid AS bigint) FROM pg_database WHERE datname = current_database())",
];

/// None: the role may not ask.
async fn number(db: &Db, asked: &'static str) -> Option<i64> {
    let query = Query::select().expr(Expr::cust(asked)).to_owned();
    let rows = db.rows(&query, &[Read::Int]).await.ok()?;
    match rows.into_iter().flatten().next() {
        Some(Cell::Int(number)) => Some(number),
        _ => None,
    }
}

/// Another site's people are never shown for this one's.
async fn connect(address: &Address, primary: &Db) -> Result<Reached> {
    let reached = postgres::connect(address).await?;
    for asked in IN_COMMON {
        if let (Some(here), Some(there)) = (
            number(primary, asked).await,
            number(&reached.db, asked).await,
        ) && here != there
        {
            let text = format!(
                "{} is not the replica of this database; correct read_url",
                address.shown()
            );
            return Err(Error::new(Code::Config, text));
        }
    }
    Ok(reached)
}

/// Whether a replica of this primary answers there. Returns whether the connection is encrypted, and its protection.
///
/// # Errors
/// Why not, and what to do.
pub(crate) async fn examine(address: &Address, primary: &Db) -> Result<(bool, Protection)> {
    let reached = connect(address, primary).await?;
    let replayed = replayed(&reached.db).await;
    reached.db.close().await;
    replayed.map(|_| (reached.encrypted, reached.protection))
}

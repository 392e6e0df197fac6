//! The account of open connections: this process has at most three at one address of a database, however often a site is
//! opened there. A connection that was given up stays in the account until its statement has ended at the server.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep, timeout};

/// Open connections at one address, at most.
pub(super) const MOST: usize = 3;
/// How long a caller waits for its turn. Every statement ends earlier, so a longer wait means a hanging server.
const TURN: Duration = Duration::from_secs(10);
/// How long a caller waits for an idle connection to close.
const SEAT: Duration = Duration::from_secs(2);

static ACCOUNTS: LazyLock<Mutex<HashMap<String, Weak<Account>>>> = LazyLock::new(Mutex::default);

/// The connections at one address.
pub(super) struct Account {
    /// One permit for each connection that is in use or was given up.
    turns: Arc<Semaphore>,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    /// Connections that are in use, idle or given up.
    count: usize,
    keepers: Vec<Weak<dyn Keeper>>,
}

/// Keeps idle connections of this account.
pub(super) trait Keeper: Send + Sync {
    /// When the connection that is idle for longest was last used.
    fn oldest(&self) -> Option<Instant>;
    /// Closes that connection, and gives back its seat.
    fn close_oldest(&self) -> Option<BoxFuture<'static, ()>>;
}

/// The right to use a connection.
pub(super) struct Turn(
    #[allow(dead_code, reason = "it counts while it lives")] OwnedSemaphorePermit,
);

/// An open connection's place in the account.
pub(super) struct Seat(Arc<Account>);

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.open().count -= 1;
    }
}

impl Account {
    /// The account of this address, which names server, user and database.
    pub fn of(address: &str) -> Arc<Self> {
        let mut accounts = ACCOUNTS.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(account) = accounts.get(address).and_then(Weak::upgrade) {
            return account;
        }
        let account = Arc::new(Self {
            turns: Arc::new(Semaphore::new(MOST)),
            open: Mutex::default(),
        });
        accounts.retain(|_, account| account.strong_count() > 0);
        accounts.insert(address.to_owned(), Arc::downgrade(&account));
        account
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Registers somebody whose idle connections can be closed for others.
    pub fn join(&self, keeper: Weak<dyn Keeper>) {
        let keepers = &mut self.open().keepers;
        keepers.retain(|keeper| keeper.strong_count() > 0);
        keepers.push(keeper);
    }

    /// Waits in line. Returns `None` if all connections stay in use.
    pub async fn turn(&self) -> Option<Turn> {
        let permit = timeout(TURN, self.turns.clone().acquire_owned()).await;
        permit.ok()?.ok().map(Turn)
    }

    /// A place for one more open connection. Closes an idle one where all places are taken.
    pub async fn seat(self: &Arc<Self>) -> Option<Seat> {
        let began = Instant::now();
        loop {
            if let Some(seat) = self.free_seat() {
                return Some(seat);
            }
            if began.elapsed() > SEAT {
                return None;
            }
            match self.oldest().and_then(|keeper| keeper.close_oldest()) {
                Some(closing) => closing.await,
                None => sleep(Duration::from_millis(5)).await,
            }
        }
    }

    /// A place that is free now.
    pub fn free_seat(self: &Arc<Self>) -> Option<Seat> {
        let mut open = self.open();
        (open.count < MOST).then(|| {
            open.count += 1;
            Seat(self.clone())
        })
    }

    fn oldest(&self) -> Option<Arc<dyn Keeper>> {
        let keepers: Vec<_> = self
            .open()
            .keepers
            .iter()
            .filter_map(Weak::upgrade)
            .collect();
        let idle = keepers
            .into_iter()
            .filter_map(|keeper| Some((keeper.oldest()?, keeper)));
        idle.min_by_key(|(used, _)| *used).map(|(_, keeper)| keeper)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_address_has_three_turns_and_three_seats() {
        let account = Account::of("host:1/db as user");
        let again = Account::of("host:1/db as user");
        assert!(Arc::ptr_eq(&account, &again));
        let mut held = Vec::new();
        for _ in 0..MOST {
            held.push((account.turn().await.unwrap(), again.seat().await.unwrap()));
        }
        assert!(again.turn().await.is_none());
        assert!(account.seat().await.is_none());
        held.pop();
        assert!(again.turn().await.is_some());
        assert!(account.seat().await.is_some());
        assert!(!Arc::ptr_eq(&account, &Account::of("host:2/db as user")));
    }
}

//! Someone who looks again and again: a real roster, and a note of what was handed to it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use curfew_engine::roster::Roster;
use curfew_engine::store::sql::SqlStore;
use curfew_engine::store::{
    Helper, KeyRef, Mark, SessionKey, SessionRef, SessionRow, Sink, Store, UserId, UserRow,
};
use jiff::Timestamp;

use super::KEYS;

pub struct Looking {
    pub roster: Roster,
    /// Sessions handed over whole by the last look, in their order.
    pub sessions: Vec<SessionRow>,
    /// Users handed over by the last look.
    pub users: Vec<UserRow>,
    /// How often the last look said that it had listed everything.
    pub listings: u32,
    mark: Mark,
    /// How long each session takes to be taken in.
    slow: Duration,
    /// What happens beside the first session that is taken in.
    pub beside: Option<Box<dyn FnOnce() + Send>>,
    /// What several hands took in beside it, where it has any.
    pub hands: Option<Arc<Mutex<Vec<SessionRow>>>>,
}

struct Hand(Arc<Mutex<Vec<SessionRow>>>);

impl Helper for Hand {
    fn take(&mut self, row: SessionRef<'_>) {
        self.0.lock().unwrap().push(row.to_row());
    }
    fn flush(&mut self) {}
}

impl Looking {
    pub fn new() -> Self {
        Self {
            roster: Roster::new(Some(KEYS.clone())),
            sessions: Vec::new(),
            users: Vec::new(),
            listings: 0,
            mark: Mark::default(),
            slow: Duration::ZERO,
            beside: None,
            hands: None,
        }
    }

    /// A look as cheap as its pace has it.
    pub async fn look(&mut self, store: &SqlStore) -> Timestamp {
        self.sessions.clear();
        self.users.clear();
        self.listings = 0;
        let mut mark = std::mem::take(&mut self.mark);
        let at = store.look(&mut mark, self).await.unwrap();
        self.mark = mark;
        at
    }

    /// A look for which everything is due.
    pub async fn look_whole(&mut self, store: &SqlStore) -> Timestamp {
        self.mark.hurry();
        self.look(store).await
    }

    /// The first look, so slow that the next listing is not due for many seconds.
    pub async fn look_slowly(&mut self, store: &SqlStore) -> Timestamp {
        self.slow = Duration::from_millis(300);
        let at = self.look(store).await;
        self.slow = Duration::ZERO;
        at
    }

    /// The keys handed over by the last look, sorted.
    pub fn keys(&self) -> Vec<SessionKey> {
        super::sorted(self.sessions.iter().map(|row| row.key.clone()))
    }

    /// The last look's row of this person.
    pub fn user(&self, id: &UserId) -> &UserRow {
        let mut rows = self.users.iter().filter(|row| row.id == *id);
        rows.next()
            .unwrap_or_else(|| panic!("no row of {id} was handed over"))
    }
}

impl Sink for Looking {
    fn take(&mut self, row: SessionRef<'_>) {
        std::thread::sleep(self.slow);
        if let Some(beside) = self.beside.take() {
            beside();
        }
        self.sessions.push(row.to_row());
        self.roster.take(row);
    }
    fn helper(&mut self) -> Option<Box<dyn Helper>> {
        let taken = self.hands.clone()?;
        Some(Box::new(Hand(taken)))
    }
    fn listed(&mut self, key: KeyRef<'_>, expires: Timestamp) -> bool {
        self.roster.listed(key, expires)
    }
    fn knows(&mut self, key: KeyRef<'_>) -> bool {
        self.roster.knows(key)
    }
    fn listing_begins(&mut self) {
        self.roster.listing_begins();
    }
    fn unnamed(&mut self) -> Vec<SessionKey> {
        self.roster.unnamed()
    }
    fn listing_done(&mut self) {
        self.listings += 1;
        self.roster.listing_done();
    }
    fn ages(&mut self) -> Vec<i64> {
        self.roster.ages()
    }
    fn user(&mut self, row: UserRow) {
        std::thread::sleep(self.slow);
        self.users.push(row.clone());
        self.roster.user(row);
    }
    fn users_unread(&mut self) -> Vec<UserId> {
        self.roster.users_unread()
    }
    fn users_in_turn(&mut self, from: u32, most: usize) -> (Vec<UserId>, Option<u32>) {
        self.roster.users_in_turn(from, most)
    }
    fn users_missing(&mut self, ids: Vec<UserId>) {
        self.roster.users_missing(ids);
    }
    fn flagged(&mut self, ids: Vec<UserId>) {
        self.roster.flagged(ids);
    }
}

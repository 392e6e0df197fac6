//! Whoever looks: what it was handed, and what it takes to be there, as the roster does.

use std::collections::{BTreeSet, HashMap};

use curfew_engine::store::{
    KeyRef, Mark, SessionKey, SessionRef, SessionRow, Sessions, Sink, Store, UserId, UserRow,
};
use jiff::Timestamp;

#[derive(Default)]
pub struct Seen {
    pub there: HashMap<SessionKey, (SessionRow, u32)>,
    /// Handed over whole by the last look.
    pub handed: Vec<SessionRow>,
    /// Listings that began, and that were whole, in the last look.
    pub begun: u32,
    pub whole: u32,
    pass: u32,
    pub mark: Mark,
}

impl Seen {
    pub async fn look(&mut self, sessions: &dyn Sessions) -> curfew_engine::Result<()> {
        let mut mark = std::mem::take(&mut self.mark);
        (self.begun, self.whole) = (0, 0);
        self.handed.clear();
        let looked = sessions.look(Timestamp::now(), &mut mark, self).await;
        self.mark = mark;
        looked
    }

    /// Looks at rows and copies, and leaves nothing out.
    pub async fn look_whole(&mut self, store: &dyn Store) -> curfew_engine::Result<()> {
        let mut mark = std::mem::take(&mut self.mark);
        mark.hurry();
        (self.begun, self.whole) = (0, 0);
        self.handed.clear();
        let looked = store.look(&mut mark, self).await;
        self.mark = mark;
        looked.map(|_| ())
    }

    /// Looks until a listing that begins now is whole.
    pub async fn look_through(&mut self, sessions: &dyn Sessions) -> Vec<SessionRow> {
        let (mut begun, mut handed) = (0, Vec::new());
        loop {
            self.look(sessions).await.unwrap();
            begun += self.begun;
            handed.append(&mut self.handed);
            if begun > 0 && self.whole > 0 {
                return handed;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }

    pub fn keys(&self) -> BTreeSet<SessionKey> {
        self.there.keys().cloned().collect()
    }
}

impl Sink for Seen {
    fn take(&mut self, row: SessionRef<'_>) {
        self.handed.push(row.to_row());
        self.there
            .insert(row.key.to_key(), (row.to_row(), self.pass));
    }
    fn listed(&mut self, key: KeyRef<'_>, expires: Timestamp) -> bool {
        match self.there.get_mut(&key.to_key()) {
            Some((row, pass)) => {
                *pass = self.pass;
                row.expires != expires
            }
            None => true,
        }
    }
    fn listing_begins(&mut self) {
        self.begun += 1;
        self.pass += 1;
    }
    fn listing_done(&mut self) {
        self.whole += 1;
        self.there.retain(|_, (_, pass)| *pass == self.pass);
    }
    fn knows(&mut self, key: KeyRef<'_>) -> bool {
        self.there.contains_key(&key.to_key())
    }
    fn ages(&mut self) -> Vec<i64> {
        Vec::new()
    }
    fn user(&mut self, _row: UserRow) {}
    fn users_unread(&mut self) -> Vec<UserId> {
        Vec::new()
    }
    fn users_in_turn(&mut self, _from: u32, _most: usize) -> (Vec<UserId>, Option<u32>) {
        (Vec::new(), None)
    }
    fn users_missing(&mut self, _ids: Vec<UserId>) {}
    fn flagged(&mut self, _ids: Vec<UserId>) {}
}

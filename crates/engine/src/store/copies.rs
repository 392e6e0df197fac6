//! `cached_db`: rows in a table, and a copy of each in a cache that the site asks first. A session is gone only
//! when both are; one that lives in the cache alone is a session like any other, for the site lets its holder in.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;

use super::{
    BatchDone, Copies, Mark, SessionKey, SessionRow, Sink, Store, SweepBatch, UserId, UserRow,
};
use crate::error::Result;

/// A store whose sessions have copies.
pub struct WithCopies {
    rows: Arc<dyn Store>,
    copies: Arc<dyn Copies>,
    /// Sessions without a row that the cache still has, as its last listing said.
    alone: Mutex<HashMap<SessionKey, Timestamp>>,
}

impl WithCopies {
    pub fn new(rows: Arc<dyn Store>, copies: Arc<dyn Copies>) -> Self {
        Self {
            rows,
            copies,
            alone: Mutex::default(),
        }
    }

    fn alone(&self) -> HashMap<SessionKey, Timestamp> {
        let alone = self.alone.lock().unwrap_or_else(PoisonError::into_inner);
        alone.clone()
    }

    /// Deletes the copies of what has just been deleted, and returns the keys of those that were there.
    async fn delete_copies(&self, keys: &[SessionKey]) -> Result<Vec<SessionKey>> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let deleted = self.copies.delete(keys).await?;
        let mut alone = self.alone.lock().unwrap_or_else(PoisonError::into_inner);
        for key in keys {
            alone.remove(key);
        }
        Ok(deleted)
    }

    /// What the cache holds without a row, read and handed over.
    async fn look_alone(&self, now: Timestamp, mark: &mut Mark, sink: &mut dyn Sink) -> Result<()> {
        let Some(listed) = self.copies.look(now, mark).await? else {
            return Ok(());
        };
        let known = self.alone();
        let candidates: Vec<SessionKey> = listed
            .iter()
            .map(|(key, _)| key)
            .filter(|key| known.contains_key(*key) || !sink.knows(key))
            .cloned()
            .collect();
        // A row that came after the rows were read is no lonely copy.
        let with_row: BTreeSet<SessionKey> = self
            .rows
            .surviving(&candidates)
            .await?
            .into_iter()
            .collect();
        let lonely: Vec<SessionKey> = candidates
            .into_iter()
            .filter(|key| !with_row.contains(key))
            .collect();
        let mut alone = HashMap::with_capacity(lonely.len());
        for row in self.copies.read(&lonely).await? {
            alone.insert(row.key.clone(), row.expires);
            sink.session(row);
        }
        *self.alone.lock().unwrap_or_else(PoisonError::into_inner) = alone;
        Ok(())
    }
}

/// Names the lonely copies at the end of each listing of rows, which would else count them as gone.
struct Beside<'a> {
    sink: &'a mut dyn Sink,
    alone: HashMap<SessionKey, Timestamp>,
}

impl Sink for Beside<'_> {
    fn session(&mut self, row: SessionRow) {
        self.sink.session(row);
    }
    fn listed(&mut self, key: &SessionKey, expires: Timestamp) -> bool {
        self.sink.listed(key, expires)
    }
    fn listing_begins(&mut self) {
        self.sink.listing_begins();
    }
    fn listing_done(&mut self) {
        for (key, expires) in &self.alone {
            self.sink.listed(key, *expires);
        }
        self.sink.listing_done();
    }
    fn knows(&self, key: &SessionKey) -> bool {
        self.sink.knows(key)
    }
    fn ages(&self) -> Vec<i64> {
        self.sink.ages()
    }
    fn user(&mut self, row: UserRow) {
        self.sink.user(row);
    }
    fn users_wanted(&self, all: bool) -> Vec<UserId> {
        self.sink.users_wanted(all)
    }
    fn users_missing(&mut self, ids: Vec<UserId>) {
        self.sink.users_missing(ids);
    }
    fn flagged(&mut self, ids: BTreeSet<UserId>) {
        self.sink.flagged(ids);
    }
}

#[async_trait]
impl Store for WithCopies {
    async fn now(&self) -> Result<Timestamp> {
        self.rows.now().await
    }

    async fn look(&self, mark: &mut Mark, sink: &mut dyn Sink) -> Result<Timestamp> {
        let alone = self.alone();
        let now = self.rows.look(mark, &mut Beside { sink, alone }).await?;
        self.look_alone(now, mark, sink).await?;
        // Whose session is a lonely copy may not have been read yet.
        for chunk in sink.users_wanted(false).chunks(500) {
            let rows = self.rows.users(chunk).await?;
            let found: BTreeSet<UserId> = rows.iter().map(|row| row.id.clone()).collect();
            sink.users_missing(
                chunk
                    .iter()
                    .filter(|id| !found.contains(id))
                    .cloned()
                    .collect(),
            );
            for row in rows {
                sink.user(row);
            }
        }
        Ok(now)
    }

    async fn users_named(&self, name: &str) -> Result<Vec<UserRow>> {
        self.rows.users_named(name).await
    }

    async fn users(&self, ids: &[UserId]) -> Result<Vec<UserRow>> {
        self.rows.users(ids).await
    }

    async fn surviving(&self, keys: &[SessionKey]) -> Result<Vec<SessionKey>> {
        let mut left = self.rows.surviving(keys).await?;
        for key in self.copies.surviving(keys).await? {
            if !left.contains(&key) {
                left.push(key);
            }
        }
        Ok(left)
    }

    async fn delete(&self, keys: &[SessionKey]) -> Result<Vec<SessionKey>> {
        let mut deleted = Vec::new();
        self.delete_into(keys, &mut deleted).await?;
        Ok(deleted)
    }

    async fn delete_into(&self, keys: &[SessionKey], deleted: &mut Vec<SessionKey>) -> Result<()> {
        // The row first: the other way round a reader puts the copy back from it.
        self.rows.delete_into(keys, deleted).await?;
        for key in self.delete_copies(keys).await? {
            if !deleted.contains(&key) {
                deleted.push(key);
            }
        }
        Ok(())
    }

    async fn clear_flag(&self, id: &UserId) -> Result<bool> {
        self.rows.clear_flag(id).await
    }

    async fn set_enabled(&self, id: &UserId, enabled: bool) -> Result<bool> {
        self.rows.set_enabled(id, enabled).await
    }

    async fn ready(&self) -> Result<()> {
        self.rows.ready().await?;
        self.copies.ready().await
    }

    fn sees_copies(&self) -> bool {
        self.copies.key_form_seen()
    }

    fn whole(&self) -> bool {
        self.rows.whole()
    }

    async fn sweep(&self, batch: SweepBatch) -> Result<BatchDone> {
        let done = self.rows.sweep(batch).await?;
        self.delete_copies(&done.deleted).await?;
        Ok(done)
    }
}

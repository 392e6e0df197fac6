//! `cached_db`: rows in a table, and a copy of each in a cache that the site asks first. A session is gone only
//! when both are; one that lives in the cache alone is a session like any other, for the site lets its holder in.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;

use super::{
    BatchDone, Copies, Helper, KeyRef, Mark, SessionKey, SessionRef, SessionRow, Sink, Store,
    SweepBatch, UserId, UserRow,
};
use crate::error::Result;
use crate::store::Hold;
use crate::store::explain::held_up;
use crate::store::hiding::Hiding;

/// Sessions that a look remembers, to find the form of the cache's keys by.
const SAMPLE: usize = 32;

/// A store whose sessions have copies.
pub struct WithCopies {
    rows: Arc<dyn Store>,
    copies: Arc<dyn Copies>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Sessions without a row that the cache has: their expiry, and the listing that named them last.
    alone: HashMap<SessionKey, (Timestamp, u32)>,
    listing: u32,
    /// Deleted in the table, while the cache did not answer: their copies have to go yet.
    pending: HashSet<SessionKey>,
}

impl WithCopies {
    pub fn new(rows: Arc<dyn Store>, copies: Arc<dyn Copies>) -> Self {
        Self {
            rows,
            copies,
            state: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Deletes the copies of what has just been deleted, and returns the keys of those that were there. Where the
    /// cache does not answer they are remembered.
    async fn delete_copies(&self, keys: &[SessionKey]) -> Result<Vec<SessionKey>> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        // Before it is asked: whoever stops waiting must not lose them either.
        self.state().pending.extend(keys.iter().cloned());
        let deleted = self.copies.delete(keys).await?;
        let mut state = self.state();
        for key in keys {
            state.pending.remove(key);
            state.alone.remove(key);
        }
        Ok(deleted)
    }

    /// Deletes the copies that were left when the cache did not answer.
    async fn catch_up(&self) -> Result<()> {
        let pending: Vec<SessionKey> = self.state().pending.iter().cloned().collect();
        self.delete_copies(&pending).await.map(|_| ())
    }

    /// What the cache holds without a row, read and handed over.
    async fn look_alone(
        &self,
        now: Timestamp,
        mark: &mut Mark,
        known: &[SessionKey],
        sink: &mut dyn Sink,
    ) -> Result<()> {
        let Some(listed) = self.copies.look(now, mark, known).await? else {
            return Ok(());
        };
        let candidates: Vec<(SessionKey, Timestamp)> = {
            let mut state = self.state();
            if listed.begins {
                state.listing = state.listing.wrapping_add(1);
            }
            let mut lonely =
                |key: &SessionKey| state.alone.contains_key(key) || !sink.knows(key.lend());
            let listed = listed.copies.into_iter();
            listed.filter(|(key, _)| lonely(key)).collect()
        };
        let keys: Vec<SessionKey> = candidates.iter().map(|(key, _)| key.clone()).collect();
        // A row that came after the rows were read is no lonely copy.
        let with_row: HashSet<SessionKey> = self.rows.surviving(&keys).await?.into_iter().collect();
        let mut unread = Vec::new();
        {
            let mut state = self.state();
            let listing = state.listing;
            for (key, expires) in candidates {
                if with_row.contains(&key) {
                    state.alone.remove(&key);
                } else if sink.listed(key.lend(), expires) {
                    unread.push(key);
                } else {
                    state.alone.insert(key, (expires, listing));
                }
            }
        }
        let read = self.copies.read(&unread).await?;
        let mut state = self.state();
        let listing = state.listing;
        for row in read {
            state.alone.insert(row.key.clone(), (row.expires, listing));
            sink.session(row);
        }
        if listed.whole {
            state.alone.retain(|_, (_, named)| *named == listing);
        }
        Ok(())
    }

    /// Of a batch's overdue people, those with lonely copies: the copies as they are now, none where one may not go.
    async fn lonely(&self, batch: &SweepBatch) -> Result<Vec<(UserId, Option<Vec<SessionRow>>)>> {
        let mut people = Vec::new();
        for (id, keys) in &batch.overdue {
            let alone: Vec<SessionKey> = {
                let state = self.state();
                let alone = keys.iter().filter(|key| state.alone.contains_key(*key));
                alone.cloned().collect()
            };
            if alone.is_empty() {
                continue;
            }
            let rows = self.copies.read(&alone).await?;
            let may_go = rows.iter().all(|row| (batch.decide)(id, row));
            people.push((id.clone(), may_go.then_some(rows)));
        }
        Ok(people)
    }
}

/// Names the lonely copies at the end of each listing of rows, which would else count them as gone.
struct Beside<'a> {
    sink: &'a mut dyn Sink,
    alone: HashMap<SessionKey, (Timestamp, u32)>,
    /// Some sessions that have a row.
    known: Vec<SessionKey>,
}

impl Beside<'_> {
    fn name_alone(&mut self) {
        for (key, (expires, _)) in &self.alone {
            self.sink.listed(key.lend(), *expires);
        }
    }

    fn note(&mut self, key: KeyRef<'_>) {
        if self.known.len() < SAMPLE {
            self.known.push(key.to_key());
        }
    }
}

impl Sink for Beside<'_> {
    fn take(&mut self, row: SessionRef<'_>) {
        self.note(row.key);
        self.sink.take(row);
    }
    fn helper(&mut self) -> Option<Box<dyn Helper>> {
        match self.known.len() < SAMPLE {
            true => None,
            false => self.sink.helper(),
        }
    }
    fn listed(&mut self, key: KeyRef<'_>, expires: Timestamp) -> bool {
        self.note(key);
        self.sink.listed(key, expires)
    }
    fn saved(
        &mut self,
        found: &[(KeyRef<'_>, Timestamp)],
        within: Option<(Timestamp, Timestamp)>,
    ) -> Vec<usize> {
        for (key, _) in found.iter().take(SAMPLE) {
            self.note(*key);
        }
        self.sink.saved(found, within)
    }
    fn listing_begins(&mut self) {
        self.sink.listing_begins();
    }
    fn unnamed(&mut self) -> Vec<SessionKey> {
        self.name_alone();
        self.sink.unnamed()
    }
    fn listing_done(&mut self) {
        self.name_alone();
        self.sink.listing_done();
    }
    fn knows(&mut self, key: KeyRef<'_>) -> bool {
        self.sink.knows(key)
    }
    fn ages(&mut self) -> Vec<i64> {
        self.sink.ages()
    }
    fn user(&mut self, row: UserRow) {
        self.sink.user(row);
    }
    fn users_unread(&mut self) -> Vec<UserId> {
        self.sink.users_unread()
    }
    fn users_in_turn(&mut self, from: u32, most: usize) -> (Vec<UserId>, Option<u32>) {
        self.sink.users_in_turn(from, most)
    }
    fn users_missing(&mut self, ids: Vec<UserId>) {
        self.sink.users_missing(ids);
    }
    fn flagged(&mut self, ids: Vec<UserId>) {
        self.sink.flagged(ids);
    }
}

#[async_trait]
impl Store for WithCopies {
    async fn now(&self) -> Result<Timestamp> {
        self.rows.now().await
    }

    async fn look(&self, mark: &mut Mark, sink: &mut dyn Sink) -> Result<Timestamp> {
        let mut beside = Beside {
            alone: self.state().alone.clone(),
            sink,
            known: Vec::new(),
        };
        let now = self.rows.look(mark, &mut beside).await?;
        let known = std::mem::take(&mut beside.known);
        self.catch_up().await?;
        self.look_alone(now, mark, &known, sink).await?;
        // Whose session is a lonely copy may not have been read yet.
        for chunk in sink.users_unread().chunks(500) {
            let rows = self.rows.users(chunk).await?;
            let found: BTreeSet<UserId> = rows.iter().map(|row| row.id.clone()).collect();
            sink.users_missing(
                chunk
                    .iter()
                    .filter(|id| !found.contains(*id))
                    .cloned()
                    .collect(),
            );
            for row in rows {
                sink.user(row);
            }
        }
        Ok(now)
    }

    async fn glance(&self, now: Timestamp, last: Timestamp, sink: &mut dyn Sink) -> Result<()> {
        self.rows.glance(now, last, sink).await
    }

    async fn users_named(&self, name: &str) -> Result<Vec<UserRow>> {
        self.rows.users_named(name).await
    }

    async fn users_alike(&self, name: &str) -> Result<Vec<UserRow>> {
        self.rows.users_alike(name).await
    }

    async fn users(&self, ids: &[UserId]) -> Result<Vec<UserRow>> {
        self.rows.users(ids).await
    }

    async fn surviving(&self, keys: &[SessionKey]) -> Result<Vec<SessionKey>> {
        self.catch_up().await?;
        let (rows, copies) = tokio::join!(self.rows.surviving(keys), self.copies.surviving(keys));
        let (mut left, copies) = (rows?, copies?);
        let known: HashSet<SessionKey> = left.iter().cloned().collect();
        left.extend(copies.into_iter().filter(|key| !known.contains(key)));
        Ok(left)
    }

    async fn delete(&self, keys: &[SessionKey]) -> Result<Vec<SessionKey>> {
        let mut deleted = Vec::new();
        self.delete_into(keys, &mut deleted).await?;
        Ok(deleted)
    }

    async fn delete_into(&self, keys: &[SessionKey], deleted: &mut Vec<SessionKey>) -> Result<()> {
        // The row first: the other way round a reader puts the copy back from it.
        let rows = self.rows.delete_into(keys, deleted).await;
        if let Err(error) = &rows
            && !held_up(error)
        {
            return rows;
        }
        let known: HashSet<SessionKey> = deleted.iter().cloned().collect();
        let (gone, mut others): (Vec<_>, Vec<_>) =
            keys.iter().cloned().partition(|key| known.contains(key));
        self.delete_copies(&gone).await?;
        // A row that somebody holds stays, and what is asked first with it: neither is gone.
        let there = HashSet::<SessionKey>::from_iter(self.rows.surviving(&others).await?);
        others.retain(|key| !there.contains(key));
        let lone = self.delete_copies(&others).await?;
        let ended = if lone.is_empty() { rows } else { Ok(()) };
        deleted.extend(lone);
        ended
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

    async fn hides_rows(&self) -> Result<Option<Hiding>> {
        self.rows.hides_rows().await
    }

    async fn keepers(&self) -> Result<Vec<String>> {
        self.rows.keepers().await
    }

    async fn last_to_expire(&self, most: u32) -> Result<Vec<SessionRow>> {
        self.rows.last_to_expire(most).await
    }

    async fn seen_since(&self, since: Timestamp, now: Timestamp, most: u32) -> Result<u32> {
        self.rows.seen_since(since, now, most).await
    }

    fn sees_copies(&self) -> bool {
        self.copies.key_form_seen()
    }

    fn lists_copies(&self) -> bool {
        self.copies.lists()
    }

    fn whole(&self) -> bool {
        self.rows.whole()
    }

    /// Of copies that the site saves, nothing tells but their listing.
    fn looks_by_dates(&self) -> bool {
        false
    }

    fn sweeps_at_once(&self, sessions: usize, people: usize) -> usize {
        self.rows.sweeps_at_once(sessions, people)
    }

    async fn sweep(&self, mut batch: SweepBatch) -> Result<BatchDone> {
        let mut lonely = self.lonely(&batch).await?;
        let mut spared = Vec::new();
        lonely.retain(|(id, rows)| {
            if rows.is_none() {
                batch.overdue.retain(|(overdue, _)| overdue != id);
                spared.push((id.clone(), Hold::SeenAgain));
            }
            rows.is_some()
        });
        let mut done = self.rows.sweep(batch).await?;
        done.spared.extend(spared);
        // The table knows best whether someone was here; only then what has no row goes too.
        for (id, rows) in lonely {
            if done.spared.iter().all(|(spared, _)| *spared != id) {
                let rows = rows.unwrap_or_default();
                let deleted = match self.copies.delete_unchanged(&rows).await {
                    Ok(deleted) => deleted,
                    // What the table did is done; whoever looks again meets the same error.
                    Err(error) => {
                        tracing::warn!(%error, "copies without a row are left");
                        continue;
                    }
                };
                let mut state = self.state();
                for key in &deleted {
                    state.alone.remove(key);
                }
                done.deleted.extend(deleted);
            }
        }
        // The rows are gone, whatever becomes of their copies.
        if let Err(error) = self.delete_copies(&done.deleted).await {
            done.broken.get_or_insert(error);
        }
        Ok(done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::roster::tests::roster;

    #[test]
    fn the_caches_form_is_looked_for_by_what_was_saved_too() {
        let keys: Vec<String> = (0..2 * SAMPLE).map(|n| n.to_string()).collect();
        let found: Vec<_> = keys
            .iter()
            .map(|key| (KeyRef::new(key), Timestamp::UNIX_EPOCH))
            .collect();
        let mut roster = roster();
        let mut beside = Beside {
            sink: &mut roster,
            alone: HashMap::new(),
            known: Vec::new(),
        };
        // Nobody knows them: all are to be read.
        let wanted: Vec<usize> = (0..keys.len()).collect();
        assert_eq!(beside.saved(&found, None), wanted);
        let first = keys.iter().take(SAMPLE);
        let first: Vec<_> = first.map(|key| SessionKey::new(key.clone())).collect();
        assert_eq!(beside.known, first);
    }
}

//! Sessions in memory, 56 bytes each: arrays of them, and a table that finds one by its key.
//! Invariant: the sessions of a person are a chain that begins at the person; one that has gone is taken out of it when
//! the chain is walked the next time.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::hint::black_box;
use std::ops::{Index, IndexMut};

use hashbrown::DefaultHashBuilder;
use zeroize::Zeroize;

use super::key::{Key, PACKED, unpack};
use super::memory::Many;
use super::session::Row;
use super::table::Table;
use crate::store::{Extra, KeyRef, SessionKey};

/// No row, no person.
pub(super) const NONE: u32 = u32::MAX;
/// Rows of one piece of memory: none is ever moved, so that no copy of a key is left behind. It comes to seven large pages.
const PIECE: usize = 1 << 18;

/// All of a site's sessions.
#[derive(Default)]
pub(super) struct Rows {
    pieces: Vec<Many<Row>>,
    /// Rows from here on were never used.
    end: u32,
    /// The first of those that are free again.
    free: Option<u32>,
    table: Table,
    hasher: DefaultHashBuilder,
    /// Keys that are not packed.
    others: HashMap<u32, SessionKey>,
    /// What tables with columns of their own say.
    extras: HashMap<u32, Box<Extra>>,
}

impl Index<u32> for Rows {
    type Output = Row;

    fn index(&self, number: u32) -> &Row {
        let number = number as usize;
        &self.pieces[number / PIECE][number % PIECE]
    }
}

impl IndexMut<u32> for Rows {
    fn index_mut(&mut self, number: u32) -> &mut Row {
        let number = number as usize;
        &mut self.pieces[number / PIECE][number % PIECE]
    }
}

impl Rows {
    pub fn len(&self) -> usize {
        self.table.len()
    }

    pub fn find(&self, key: KeyRef<'_>) -> Option<u32> {
        self.number(&Key::of(key))
    }

    pub fn number(&self, key: &Key) -> Option<u32> {
        let hash = key.hash(&self.hasher);
        self.table.find(hash, |number| self.has(number, key))
    }

    /// As [`Self::number`], of several. All of it lies anywhere in memory: a processor waits for many pieces at once where it
    /// meets them in short steps, and for one after the other where each is followed by all that is done with it. So each is
    /// met before anything is done with it.
    pub fn numbers_of(&self, keys: &[Key]) -> Vec<Option<u32>> {
        let hashes: Vec<u64> = keys.iter().map(|key| key.hash(&self.hasher)).collect();
        self.table.meet(&hashes);
        // By a few bits of its hash: nearly always the one that is looked for.
        let first = |hash: &u64| self.table.find(*hash, |_| true);
        let likely: Vec<Option<u32>> = hashes.iter().map(first).collect();
        let rows = likely.iter().flatten().map(|number| &self[*number]);
        // They lie across two lines of the processor's cache.
        black_box(rows.fold(0, |all, row| all ^ row.saved_at() ^ i64::from(row.pass)));
        let found = keys.iter().zip(likely).map(|(key, likely)| {
            let likely = likely?;
            match self.has(likely, key) {
                true => Some(likely),
                false => self.number(key),
            }
        });
        found.collect()
    }

    fn has(&self, number: u32, key: &Key) -> bool {
        let row = &self[number];
        match key {
            Key::Packed(packed) => !row.is_other() && row.key == *packed,
            Key::Other(key) => row.is_other() && self.others.get(&number) == Some(key),
        }
    }

    pub fn key(&self, number: u32) -> SessionKey {
        match self.others.get(&number) {
            Some(key) => key.clone(),
            None => unpack(&self[number].key),
        }
    }

    pub fn extra(&self, number: u32) -> Option<&Extra> {
        match self[number].has_extra() {
            true => self.extras.get(&number).map(|extra| &**extra),
            false => None,
        }
    }

    pub fn set_extra(&mut self, number: u32, extra: Option<Box<Extra>>) {
        self[number].set_extra(extra.is_some());
        match extra {
            Some(extra) => {
                self.extras.insert(number, extra);
            }
            None => {
                self.extras.remove(&number);
            }
        }
    }

    /// Takes in a session whose key is not here. None: there are more than four thousand million.
    pub fn insert(&mut self, key: Key, row: Row) -> Option<u32> {
        let number = match self.free {
            Some(number) => {
                let next = self[number].next;
                self.free = (next != NONE).then_some(next);
                number
            }
            None => {
                let number = self.end;
                let end = number.checked_add(1).filter(|end| *end != NONE)?;
                if number as usize / PIECE == self.pieces.len() {
                    self.pieces.push(Many::of(PIECE));
                }
                self.end = end;
                number
            }
        };
        let hash = key.hash(&self.hasher);
        self[number] = row;
        match key {
            Key::Packed(packed) => self[number].key = packed,
            Key::Other(key) => {
                self[number].set_other();
                self.others.insert(number, key);
            }
        }
        match self.table.is_full() {
            true => self.widen(),
            false => self.table.insert(hash, number),
        }
        Some(number)
    }

    /// As [`Key::hash`], and no copy of the key is made for it.
    fn hash_of(&self, number: u32) -> u64 {
        let packed = &self[number].key;
        match self.others.get(&number) {
            Some(key) => self.hasher.hash_one(key),
            None => self.hasher.hash_one(packed),
        }
    }

    /// Finds all of them by a larger table.
    fn widen(&mut self) {
        let mut larger = self.table.larger();
        for number in self.numbers() {
            larger.insert(self.hash_of(number), number);
        }
        self.table = larger;
    }

    /// It can no longer be found, and its key is wiped; its place is free once [`Self::release`] says so.
    pub fn forget(&mut self, number: u32) {
        self.table.remove(self.hash_of(number), number);
        self.others.remove(&number);
        self.extras.remove(&number);
        let row = &mut self[number];
        row.key.zeroize();
        row.set_gone();
    }

    /// Gives the place of a row to the next that comes.
    pub fn release(&mut self, number: u32) {
        self[number].next = self.free.unwrap_or(NONE);
        self.free = Some(number);
    }

    /// Every session, in no order.
    pub fn numbers(&self) -> impl Iterator<Item = u32> + '_ {
        (0..self.end).filter(|number| !self[*number].is_gone())
    }
}

impl Drop for Rows {
    fn drop(&mut self) {
        for number in 0..self.end {
            self[number].key.zeroize();
        }
    }
}

const _: () = assert!(size_of::<Row>() == 56 && PACKED == 21);

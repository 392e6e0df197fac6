//! Finds a session's number by the hash of its key. What a search has to see of it lies in one line of a processor's cache,
//! mostly; a table with its marks in one place and its numbers in another takes two, each anywhere in memory.

use std::hint::black_box;

use bytemuck::{Pod, Zeroable};

use super::memory::Many;

/// Numbers in one line of 64 bytes.
const SLOTS: usize = 12;
/// So many on the average, and there have to be twice as many lines.
const FULL: usize = 10;
const FEWEST: usize = 16;
/// Where a line counts those that it had no room for.
const PASSED: usize = SLOTS;

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C, align(64))]
struct Line {
    numbers: [u32; SLOTS],
    /// Of each number's hash some bits, never all of them 0; 0 where there is none. Behind them, how many of those that belong here or
    /// before had to pass by; 255 stands for any more, for good.
    tags: [u8; 16],
}

const ONES: u128 = u128::from_le_bytes([1; 16]);
const HIGHEST: u128 = {
    let mut bytes = [0; 16];
    let mut at = 0;
    while at < SLOTS {
        bytes[at] = 0x80;
        at += 1;
    }
    u128::from_le_bytes(bytes)
};

impl Line {
    /// The slots with this tag, in their order.
    fn slots(&self, tag: u8) -> impl Iterator<Item = usize> + use<> {
        let tags = self.tags;
        let other = u128::from_le_bytes(tags) ^ (ONES * u128::from(tag));
        // The highest bit of each byte that is 0; and of some behind one, which is why each is looked at once more.
        let mut hits = other.wrapping_sub(ONES) & !other & HIGHEST;
        std::iter::from_fn(move || {
            while hits != 0 {
                let slot = (hits.trailing_zeros() / 8) as usize;
                hits &= hits - 1;
                if tags[slot] == tag {
                    return Some(slot);
                }
            }
            None
        })
    }
}

#[derive(Default)]
pub(super) struct Table {
    /// A power of two of them, or none.
    lines: Many<Line>,
    len: usize,
}

impl Table {
    pub fn len(&self) -> usize {
        self.len
    }

    /// No room is left for one more: all of them have to go into a larger one.
    pub fn is_full(&self) -> bool {
        self.len >= self.lines.len() * FULL
    }

    /// Twice as large, and empty.
    pub fn larger(&self) -> Self {
        Self {
            lines: Many::of((self.lines.len() * 2).max(FEWEST)),
            len: 0,
        }
    }

    /// Has at hand what is needed to find these.
    pub fn meet(&self, hashes: &[u64]) {
        let lines = hashes
            .iter()
            .filter_map(|hash| self.lines.get(self.from(*hash).next()?));
        black_box(lines.fold(0, |all, line| all ^ line.tags[0]));
    }

    /// The number of this hash that is the one.
    pub fn find(&self, hash: u64, is: impl FnMut(u32) -> bool) -> Option<u32> {
        let (line, slot) = self.place(hash, is)?;
        Some(self.lines[line].numbers[slot])
    }

    /// Nothing is done where it is full.
    pub fn insert(&mut self, hash: u64, number: u32) {
        if self.is_full() {
            return;
        }
        for at in self.from(hash) {
            let line = &mut self.lines[at];
            if let Some(slot) = line.slots(0).next() {
                (line.numbers[slot], line.tags[slot]) = (number, tag(hash));
                self.len += 1;
                return;
            }
            line.tags[PASSED] = line.tags[PASSED].saturating_add(1);
        }
    }

    pub fn remove(&mut self, hash: u64, number: u32) {
        let Some((found, slot)) = self.place(hash, |other| other == number) else {
            return;
        };
        for at in self.from(hash).take_while(|at| *at != found) {
            let passed = &mut self.lines[at].tags[PASSED];
            *passed -= u8::from(*passed < u8::MAX);
        }
        let line = &mut self.lines[found];
        (line.numbers[slot], line.tags[slot]) = (0, 0);
        self.len -= 1;
    }

    fn place(&self, hash: u64, mut is: impl FnMut(u32) -> bool) -> Option<(usize, usize)> {
        let tag = tag(hash);
        for at in self.from(hash) {
            let line = &self.lines[at];
            if let Some(slot) = line.slots(tag).find(|slot| is(line.numbers[*slot])) {
                return Some((at, slot));
            }
            if line.tags[PASSED] == 0 {
                return None;
            }
        }
        None
    }

    /// The line in which a hash belongs, and those behind it.
    fn from(&self, hash: u64) -> impl Iterator<Item = usize> + use<> {
        let many = self.lines.len();
        let first = hash as usize;
        (0..many).map(move |step| first.wrapping_add(step) & (many - 1))
    }
}

/// Bits that do not say in which line it belongs.
fn tag(hash: u64) -> u8 {
    ((hash >> 56) as u8).max(1)
}

const _: () = assert!(size_of::<Line>() == 64);

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    fn put(table: &mut Table, hash: impl Fn(u32) -> u64, number: u32, all: &HashSet<u32>) {
        if table.is_full() {
            let mut larger = table.larger();
            all.iter()
                .for_each(|other| larger.insert(hash(*other), *other));
            *table = larger;
        }
        table.insert(hash(number), number);
    }

    proptest! {
        /// Few hashes: lines overflow, and tags are alike.
        #[test]
        fn it_has_what_went_in_and_did_not_come_out(
            steps in prop::collection::vec((0_u32..2_000, any::<bool>()), 0..4_000),
            spread in prop::sample::select(vec![1_u64, 7, 40, u64::MAX]),
        ) {
            let hash = |number: u32| {
                let wide = u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                (wide ^ wide >> 32) % spread
            };
            let (mut table, mut all) = (Table::default(), HashSet::new());
            for (number, comes) in steps {
                match (comes, all.contains(&number)) {
                    (true, false) => {
                        put(&mut table, hash, number, &all);
                        all.insert(number);
                    }
                    (false, _) => {
                        table.remove(hash(number), number);
                        all.remove(&number);
                    }
                    (true, true) => {}
                }
                prop_assert_eq!(table.len(), all.len());
            }
            for number in 0..2_000 {
                let found = table.find(hash(number), |other| other == number);
                prop_assert_eq!(found, all.contains(&number).then_some(number));
            }
        }
    }

    #[test]
    fn what_has_gone_leaves_nothing_to_pass_by() {
        let hash = |number: u32| u64::from(number % 3);
        let (mut table, mut all) = (Table::default(), HashSet::new());
        for number in 0..150 {
            put(&mut table, hash, number, &all);
            all.insert(number);
        }
        (0..150).for_each(|number| table.remove(hash(number), number));
        assert!(table.lines.iter().all(|line| line.tags == [0; 16]));
        assert!(table.len() == 0 && table.find(1, |_| true).is_none());
    }
}

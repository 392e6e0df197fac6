//! Memory for a great many small things that are met in any order. In pages of a few KiB a processor has to find out for
//! nearly each of them where its page lies; in large ones, where the system has such, it knows.

use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

use bytemuck::{Pod, cast_slice, cast_slice_mut, zeroed_slice_box};
use memmap2::MmapMut;

/// A large page, as most systems have it: what is smaller needs none.
const LARGE: usize = 2 << 20;

/// A fixed number of things of one kind, all zero at first. They take memory once they are used.
pub(super) struct Many<T>(Place<T>);

enum Place<T> {
    Boxed(Box<[T]>),
    Mapped(MmapMut, PhantomData<T>),
}

impl<T: Pod> Many<T> {
    pub fn of(many: usize) -> Self {
        let mapped = match many.checked_mul(size_of::<T>()) {
            Some(bytes) if bytes >= LARGE => MmapMut::map_anon(bytes).ok(),
            _ => None,
        };
        let Some(map) = mapped else {
            return Self(Place::Boxed(zeroed_slice_box(many)));
        };
        // Where it has no large pages, it does without.
        #[cfg(target_os = "linux")]
        let _ = map.advise(memmap2::Advice::HugePage);
        Self(Place::Mapped(map, PhantomData))
    }
}

impl<T: Pod> Default for Many<T> {
    fn default() -> Self {
        Self::of(0)
    }
}

impl<T: Pod> Deref for Many<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match &self.0 {
            Place::Boxed(all) => all,
            Place::Mapped(map, _) => cast_slice(map),
        }
    }
}

impl<T: Pod> DerefMut for Many<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        match &mut self.0 {
            Place::Boxed(all) => all,
            Place::Mapped(map, _) => cast_slice_mut(map),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_and_many_are_all_there_and_zero() {
        for many in [0, 1, 1_000, LARGE / 8, LARGE / 8 + 1] {
            let mut all = Many::<u64>::of(many);
            assert_eq!(matches!(all.0, Place::Mapped(..)), many * 8 >= LARGE);
            assert!(all.len() == many && all.iter().all(|one| *one == 0));
            if let Some(last) = all.last_mut() {
                *last = 7;
            }
            assert_eq!(all.iter().sum::<u64>(), if many == 0 { 0 } else { 7 });
        }
    }
}

//! Everybody in memory, by number and by id.

use hashbrown::{DefaultHashBuilder, HashTable};
use std::hash::BuildHasher;
use std::hint::black_box;

use super::person::{Person, Touch};

#[derive(Default)]
pub(super) struct People {
    list: Vec<Option<Person>>,
    free: Vec<u32>,
    numbers: HashTable<u32>,
    hasher: DefaultHashBuilder,
    /// Those of whom something was taken in since the last settling.
    touched: Vec<u32>,
    /// Those who may not have been read yet.
    unread: Vec<u32>,
}

impl People {
    /// More than all numbers in use.
    pub fn end(&self) -> u32 {
        u32::try_from(self.list.len()).unwrap_or(u32::MAX)
    }

    pub fn get(&self, number: u32) -> Option<&Person> {
        self.list.get(number as usize)?.as_ref()
    }

    pub fn get_mut(&mut self, number: u32) -> Option<&mut Person> {
        self.list.get_mut(number as usize)?.as_mut()
    }

    /// Has at hand what is known of these, whose places in memory are anywhere.
    pub fn meet(&self, numbers: &[u32]) {
        let people = numbers.iter().filter_map(|number| self.get(*number));
        black_box(people.fold(0, |all, person| all ^ person.met()));
    }

    pub fn find(&self, id: &str) -> Option<u32> {
        let hash = self.hasher.hash_one(id);
        let same = |number: &u32| self.get(*number).is_some_and(|p| p.id_text() == id);
        self.numbers.find(hash, same).copied()
    }

    pub fn known(&self, id: &str) -> Option<&Person> {
        self.get(self.find(id)?)
    }

    /// Whoever has this id, from now on at the latest.
    pub fn enter(&mut self, id: &str) -> u32 {
        if let Some(number) = self.find(id) {
            return number;
        }
        let number = self.free.pop().unwrap_or_else(|| {
            self.list.push(None);
            self.end() - 1
        });
        self.list[number as usize] = Some(Person::new(id));
        let Self {
            list,
            numbers,
            hasher,
            ..
        } = self;
        let hash = hasher.hash_one(id);
        numbers.insert_unique(hash, number, |other| {
            let person = list[*other as usize].as_ref();
            hasher.hash_one(person.map_or("", |person| person.id_text()))
        });
        self.unread.push(number);
        number
    }

    pub fn remove(&mut self, number: u32) {
        let Some(person) = self.list.get_mut(number as usize).and_then(Option::take) else {
            return;
        };
        let hash = self.hasher.hash_one(person.id_text());
        if let Ok(found) = self.numbers.find_entry(hash, |other| *other == number) {
            found.remove();
        }
        self.free.push(number);
    }

    /// Whoever this is has to be judged anew.
    pub fn touch(&mut self, number: u32) {
        self.touch_so(number, Touch::Anything);
    }

    /// As [`Self::touch`], where a session that lets them in was saved at this moment, and no more.
    pub fn touch_by_save(&mut self, number: u32, saved: i64) {
        if let Some(person) = self.touch_so(number, Touch::Save) {
            person.made.saved(saved);
        }
    }

    fn touch_so(&mut self, number: u32, touch: Touch) -> Option<&mut Person> {
        let person = self.list.get_mut(number as usize)?.as_mut()?;
        let before = person.touched;
        person.touched = before.max(touch);
        if before == Touch::Nothing {
            self.touched.push(number);
        }
        Some(person)
    }

    pub fn take_touched(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.touched)
    }

    /// To be read, though the table did not have them when it was asked last.
    pub fn want(&mut self, number: u32) {
        if let Some(person) = self.get_mut(number) {
            person.look_for();
            self.unread.push(number);
        }
    }

    /// Those who have not been read, once they are sorted out.
    pub fn unread(&self) -> &[u32] {
        &self.unread
    }

    /// Leaves those who have been read, and those who have gone, out of the unread.
    pub fn sort_out_unread(&mut self) {
        let mut unread = std::mem::take(&mut self.unread);
        unread.sort_unstable();
        unread.dedup();
        unread.retain(|number| {
            let person = self.get(*number);
            person.is_some_and(|p| !p.is_read() && !p.is_missing())
        });
        self.unread = unread;
    }

    pub fn iter(&self) -> impl Iterator<Item = (u32, &Person)> {
        self.from(0)
    }

    /// Everybody whose number is not lower.
    pub fn from(&self, number: u32) -> impl Iterator<Item = (u32, &Person)> {
        let list = self.list.get(number as usize..).unwrap_or_default();
        (number..).zip(list).filter_map(|(number, person)| {
            let person = person.as_ref()?;
            Some((number, person))
        })
    }
}

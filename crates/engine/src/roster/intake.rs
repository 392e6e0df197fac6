//! How the roster takes in what a look finds, piece by piece. One bad row is one counted row.

use jiff::{SignedDuration, Timestamp};

use super::key::Key;
use super::moved::Moved;
use super::person::Password;
use super::read::Fresh;
use super::rows::NONE;
use super::session::{Row, micros};
use super::{Person, Roster};
use crate::django::session::ExpiryKind;
use crate::store::{Extra, KeyRef, SessionKey, SessionRef, Sink, UserId, UserRow};

/// A cache says how long a value has left, and each asking takes its time: so far apart it is the same moment.
const WAVER: SignedDuration = SignedDuration::from_secs(2);
/// The moment of a save is kept to the second before it.
const SECOND: SignedDuration = SignedDuration::from_secs(1);
/// Sessions that are looked up together: what is known of so many is soon at hand again.
const AT_ONCE: usize = 256;
/// Ages differ by minutes: within so short a span, one date means one age.
const SHORT: SignedDuration = SignedDuration::from_secs(60);

/// From when to when sessions were saved, in microseconds since 1970.
#[derive(Clone, Copy)]
struct Span {
    from: i64,
    to: i64,
}

impl Span {
    fn of((from, to): (Timestamp, Timestamp)) -> Self {
        let from = from.checked_sub(SECOND).unwrap_or(from);
        Self {
            from: micros(Some(from)),
            to: micros(Some(to)),
        }
    }

    /// Whether a session that it would be by its date was saved at this moment.
    fn tells(&self, saved: i64) -> bool {
        let short = i128::from(self.to) - i128::from(self.from) <= SHORT.as_micros();
        short && (self.from..=self.to).contains(&saved)
    }
}

impl Roster {
    /// Takes in a session that was just read.
    pub(crate) fn enter(&mut self, fresh: Fresh) {
        let found = self.rows.number(&fresh.key);
        if let Some(number) = found
            && self.is_still(number, &fresh)
        {
            self.rows[number].confirm();
            self.name(number);
            return;
        }
        self.moved = true;
        let person = match &fresh.user {
            Some(id) => self.people.enter(id.as_str()),
            None => NONE,
        };
        let Fresh {
            key,
            row,
            extra,
            links,
            ..
        } = fresh;
        match found {
            Some(number) if self.rows[number].person == person => {
                self.count(number, false);
                self.saved_again(person, self.rows[number].saved_at(), row.saved_at());
                self.rows[number].renew(&row);
                self.rows.set_extra(number, extra);
                if links.is_some() || self.acting.of(number).is_some() {
                    self.acting.set(number, links, &mut self.people);
                }
                self.name(number);
                self.count(number, true);
                self.people.touch(person);
            }
            found => {
                if let Some(number) = found {
                    self.remove(number);
                }
                if let Some(number) = self.insert(key, row, extra, person)
                    && links.is_some()
                {
                    self.acting.set(number, links, &mut self.people);
                }
            }
        }
    }

    fn insert(
        &mut self,
        key: Key,
        mut row: Row,
        extra: Option<Box<Extra>>,
        person: u32,
    ) -> Option<u32> {
        let next = self.people.get(person).map_or(NONE, |p| p.first);
        (row.person, row.next, row.pass) = (person, next, self.pass);
        let number = self.rows.insert(key, row)?;
        self.named += 1;
        self.rows.set_extra(number, extra);
        if let Some(person) = self.people.get_mut(person) {
            person.first = number;
            person.sessions += 1;
        }
        self.people.touch(person);
        self.count(number, true);
        Some(number)
    }

    fn remove(&mut self, number: u32) {
        self.moved = true;
        self.count(number, false);
        let Row { person, pass, .. } = self.rows[number];
        self.named -= usize::from(pass == self.pass);
        self.rows.forget(number);
        if self.acting.of(number).is_some() {
            self.acting.set(number, None, &mut self.people);
        }
        match self.people.get_mut(person) {
            // The chain is closed when it is walked.
            Some(owner) => {
                owner.sessions -= 1;
                self.people.touch(person);
            }
            None => self.rows.release(number),
        }
    }

    /// The listing that is under way has named it.
    fn name(&mut self, number: u32) {
        let pass = std::mem::replace(&mut self.rows[number].pass, self.pass);
        self.named += usize::from(pass != self.pass);
    }

    fn unnamed_rows(&self) -> Vec<u32> {
        if self.named == self.rows.len() {
            return Vec::new();
        }
        let all = self.rows.numbers();
        all.filter(|number| self.rows[*number].pass != self.pass)
            .collect()
    }

    /// Counts a session in, or out, where it needs no person for that.
    fn count(&mut self, number: u32, comes: bool) {
        let row = &self.rows[number];
        let add = |count: &mut u32| {
            *count = match comes {
                true => count.saturating_add(1),
                false => count.saturating_sub(1),
            }
        };
        if row.unread().is_some() {
            add(&mut self.tally.unreadable_sessions);
        } else if row.person == NONE {
            add(&mut self.tally.anonymous_sessions);
        }
        if row.kind() == ExpiryKind::Fixed {
            add(&mut self.fixed);
        }
        if let Some(age) = row.age() {
            let count = self.ages.entry(age).or_default();
            add(count);
            if *count == 0 {
                self.ages.remove(&age);
            }
        }
    }

    /// Whether a reading says nothing new of this session.
    fn is_still(&self, number: u32, fresh: &Fresh) -> bool {
        let (old, new) = (&self.rows[number], &fresh.row);
        let about = |a: i64, b: i64| match fresh.wavers {
            false => a == b,
            true => i128::from(a.abs_diff(b)) <= WAVER.as_micros(),
        };
        let owner = self.people.get(old.person).map(|person| person.id_text());
        owner == fresh.user.as_ref().map(UserId::as_str)
            && about(old.saved_at(), new.saved_at())
            && about(old.expires_at(), new.expires_at())
            && old.hash == new.hash
            && old.says() == new.says()
            && old.admits() == new.admits()
            && self.rows.extra(number) == fresh.extra.as_deref()
            && self.acting.of(number) == fresh.links.as_deref()
    }

    /// What is kept of a password.
    fn password(&self, row: &UserRow, known: Option<u32>) -> Option<Password> {
        let password = row.password.as_ref()?;
        let stamp = self.reader.stamp(password)?;
        let known = known.and_then(|number| self.people.get(number));
        match known.and_then(|person| person.same_password(stamp)) {
            Some(same) => Some(same),
            None => self.reader.password(password, stamp),
        }
    }

    /// As of the last settling.
    fn lets_in(&self, number: u32) -> bool {
        let row = &self.rows[number];
        let person = self.people.get(row.person);
        let let_in = |(person, now): (&Person, _)| person.refusal(row, now).is_none();
        person.zip(self.now).is_some_and(let_in)
    }

    /// Takes in that it has this date after a save within this span. True where it has to be read again.
    ///
    /// Django gives a session another key where somebody signs in. So one that lets its holder in is not read again at
    /// once where its date says when it was saved; the next listing reads it.
    fn save(&mut self, number: u32, expires: Timestamp, span: Option<Span>, lets_in: bool) -> bool {
        self.name(number);
        let row = self.rows[number];
        let date = micros(Some(expires));
        let moved = row.expires_at() != date;
        let (Some(span), true) = (span, lets_in) else {
            // Where dates are kept to the second, two saves may have the same.
            return moved || expires.subsec_nanosecond() == 0;
        };
        if row.kind() == ExpiryKind::Fixed || !moved {
            return moved || row.kind() == ExpiryKind::Fixed;
        }
        // Within a longer span, it may have been saved at another moment, and with another age.
        let Some(saved) = row.saved_if(date).filter(|saved| span.tells(*saved)) else {
            return true;
        };
        self.moved = true;
        self.saved_again(row.person, row.saved_at(), saved);
        self.rows[number].save_again(saved, date);
        match row.saved_at() <= saved {
            true => self.people.touch_by_save(row.person, saved),
            false => self.people.touch(row.person),
        }
        false
    }

    /// Takes these sessions out at once, without waiting for the next listing.
    pub fn forget(&mut self, keys: &[SessionKey]) {
        for key in keys {
            if let Some(number) = self.rows.find(key.lend()) {
                self.remove(number);
            }
        }
    }

    /// Notes that these people's flag was cleared.
    pub fn unflag(&mut self, ids: &[UserId]) {
        for id in ids {
            if let Some(number) = self.people.find(id.as_str()) {
                self.lower_flag(number);
            }
        }
    }

    fn lower_flag(&mut self, number: u32) {
        let person = self.people.get_mut(number);
        if person.is_some_and(|person| person.set_flag(false)) {
            self.moved = true;
            self.people.touch(number);
        }
    }
}

impl Sink for Roster {
    fn take(&mut self, row: SessionRef<'_>) {
        let fresh = self.reader.read(row);
        self.enter(fresh);
    }

    fn listed(&mut self, key: KeyRef<'_>, expires: Timestamp) -> bool {
        match self.rows.find(key) {
            Some(number) => {
                self.name(number);
                let row = &self.rows[number];
                // A save does not move a date that is fixed, and one may have made it so.
                row.expires_at() != micros(Some(expires))
                    || row.kind() == ExpiryKind::Fixed
                    || row.is_by_date()
            }
            None => true,
        }
    }

    fn saved(
        &mut self,
        found: &[(KeyRef<'_>, Timestamp)],
        within: Option<(Timestamp, Timestamp)>,
    ) -> Vec<usize> {
        let span = within.map(Span::of);
        let mut wanted = Vec::new();
        for (n, some) in found.chunks(AT_ONCE).enumerate() {
            let keys: Vec<Key> = some.iter().map(|(key, _)| Key::of(*key)).collect();
            let numbers = self.rows.numbers_of(&keys);
            Key::wipe(keys);
            let known = numbers.iter().flatten();
            let owners: Vec<u32> = known.map(|number| self.rows[*number].person).collect();
            self.people.meet(&owners);
            let lets_in: Vec<bool> = numbers
                .iter()
                .map(|number| number.is_some_and(|number| self.lets_in(number)))
                .collect();
            for (at, (number, lets_in)) in numbers.into_iter().zip(lets_in).enumerate() {
                if number.is_none_or(|number| self.save(number, some[at].1, span, lets_in)) {
                    wanted.push(n * AT_ONCE + at);
                }
            }
        }
        wanted
    }

    fn knows(&mut self, key: KeyRef<'_>) -> bool {
        self.rows.find(key).is_some()
    }

    fn listing_begins(&mut self) {
        self.pass = self.pass.wrapping_add(1);
        // Nobody may look as if it were named already, by a listing so long ago that its number comes again.
        self.named = 0;
        let pass = self.pass;
        if pass == 0 {
            let numbers: Vec<u32> = self.rows.numbers().collect();
            for number in numbers {
                self.rows[number].pass = u8::MAX;
            }
        }
    }

    fn unnamed(&mut self) -> Vec<SessionKey> {
        let unnamed = self.unnamed_rows().into_iter();
        unnamed.map(|number| self.rows.key(number)).collect()
    }

    fn listing_done(&mut self) {
        for number in self.unnamed_rows() {
            self.remove(number);
        }
    }

    fn ages(&mut self) -> Vec<i64> {
        let mut ages: Vec<(u32, i64)> = self.ages.iter().map(|(age, n)| (*n, *age)).collect();
        ages.sort_unstable_by(|a, b| b.cmp(a));
        ages.into_iter().map(|(_, age)| age).collect()
    }

    fn user(&mut self, row: UserRow) {
        let known = self.people.find(row.id.as_str());
        // Many users' evidence moves; only those with a session or the flag are anybody here.
        if known.is_none() && !row.flagged {
            return;
        }
        let password = self.password(&row, known);
        let number = known.unwrap_or_else(|| self.people.enter(row.id.as_str()));
        let Some(person) = self.people.get_mut(number) else {
            return;
        };
        let moved = Moved::of(person, &row);
        let (new, named) = person.renew(&row, password);
        self.note(number, moved);
        if named && let Some(person) = self.people.get(number) {
            self.names.note(number, person);
        }
        if new {
            self.moved = true;
            self.people.touch(number);
        }
    }

    fn users_in_turn(&mut self, from: u32, most: usize) -> (Vec<UserId>, Option<u32>) {
        let mut these = self.people.from(from);
        let ids: Vec<UserId> = these.by_ref().take(most).map(|(_, p)| p.id()).collect();
        (ids, these.next().map(|(number, _)| number))
    }

    fn users_unread(&mut self) -> Vec<UserId> {
        self.people.sort_out_unread();
        let people = &self.people;
        let unread = people.unread().iter().filter_map(|n| people.get(*n));
        unread.map(Person::id).collect()
    }

    fn users_missing(&mut self, ids: Vec<UserId>) {
        for id in ids {
            let Some(number) = self.people.find(id.as_str()) else {
                continue;
            };
            if self.people.get_mut(number).is_some_and(Person::miss) {
                self.moved = true;
                self.names.forget(number);
                self.people.touch(number);
            }
        }
    }

    fn flagged(&mut self, ids: Vec<UserId>) {
        let mut up = vec![false; self.people.end() as usize];
        for id in ids {
            let number = self.people.enter(id.as_str());
            let read = self.people.get(number).is_some_and(Person::is_read);
            match up.get_mut(number as usize) {
                Some(up) if read => *up = true,
                // What else they are is to be read, and the flag with it.
                _ => self.people.want(number),
            }
        }
        for (number, up) in (0..).zip(up) {
            let person = self.people.get_mut(number).filter(|p| p.is_read());
            if person.is_some_and(|p| p.set_flag(up)) {
                self.moved = true;
                self.people.touch(number);
            }
        }
    }
}

//! How the roster takes in what a look finds, piece by piece. One bad row is one counted row.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::Roster;
use super::person::{Owner, Person, Session};
use crate::django::session::{Decoded, Expiry, Signature, Unreadable};
use crate::store::{Data, SessionKey, SessionRow, Sink, UserId, UserRow};

/// When a session was last saved, by all that tells it: its own timestamp, its file, its table. A cache tells only
/// when it runs out, and that is an age after the last save; but a wrong age would make the active look idle, so only
/// one that the session itself has or that the operator said counts, never one taken for granted.
pub fn last_save(
    row: &SessionRow,
    decoded: Option<&Decoded>,
    cookie_age: Option<Duration>,
) -> Option<Timestamp> {
    let seen = row.extra.as_deref().and_then(|extra| extra.seen);
    let told = decoded
        .and_then(|session| session.last_saved)
        .max(row.saved)
        .max(seen);
    let (Data::Cached(_), Some(session)) = (&row.data, decoded) else {
        return told;
    };
    let age = match session.expiry {
        Expiry::Seconds(seconds) => Some(SignedDuration::from_secs(seconds)),
        Expiry::Default | Expiry::BrowserClose => {
            cookie_age.and_then(|age| SignedDuration::try_from(age).ok())
        }
        Expiry::Fixed(_) => None,
    };
    let reckoned = age
        // What never runs out tells nothing.
        .filter(|_| row.expires < Timestamp::MAX)
        .and_then(|age| row.expires.checked_sub(age).ok());
    told.max(reckoned)
}

/// A cache says how long a value has left, and each asking takes its time: so far apart it is the same moment.
const WAVER: SignedDuration = SignedDuration::from_secs(2);

impl Session {
    /// Whether a reading says nothing new of this session.
    fn is_still(&self, new: &Self, data: &Data) -> bool {
        let about = |a: Timestamp, b: Timestamp| match data {
            Data::Encoded(_) => a == b,
            Data::Cached(_) => a.duration_since(b).abs() <= WAVER,
        };
        self.owner == new.owner
            && match (self.last_saved, new.last_saved) {
                (Some(old), Some(new)) => about(old, new),
                (old, new) => old == new,
            }
            && about(self.expires, new.expires)
            && self.signature == new.signature
            && self.unread == new.unread
            && self.extra == new.extra
    }
}

impl Roster {
    /// Reads one row into a session. Pure but for the decoder's buffers.
    pub fn decode(&mut self, row: &SessionRow) -> Session {
        let decoded = match &row.data {
            Data::Encoded(bytes) => std::str::from_utf8(bytes)
                .map_err(|_| Unreadable::Malformed)
                .and_then(|text| self.decoder.decode(text)),
            Data::Cached(bytes) => self.decoder.cached(bytes),
        };
        let own = row.extra.as_deref();
        let last_saved = last_save(row, decoded.as_ref().ok(), self.cookie_age);
        match decoded {
            Ok(decoded) => Session {
                owner: match decoded.user {
                    Some(user) => Owner::User(UserId::new(user)),
                    None => Owner::Anonymous,
                },
                last_saved,
                expires: row.expires,
                expiry: decoded.expiry,
                signature: decoded.signature,
                auth_hash: self
                    .keys
                    .is_some()
                    .then_some(decoded.auth_hash)
                    .flatten()
                    .map(String::into_boxed_str),
                auth_fits: true,
                extra: row.extra.clone(),
                unread: None,
                pass: self.pass,
            },
            Err(unread) => Session {
                // A table that names the user itself does so for what cannot be read, too.
                owner: own
                    .and_then(|extra| extra.user.clone())
                    .map_or(Owner::Unreadable, Owner::User),
                last_saved,
                expires: row.expires,
                expiry: Expiry::Default,
                signature: Signature::Unchecked,
                auth_hash: None,
                auth_fits: true,
                extra: row.extra.clone(),
                unread: Some(unread),
                pass: self.pass,
            },
        }
    }

    pub(super) fn remove_session(&mut self, key: &SessionKey) {
        let Some(session) = self.sessions.remove(key) else {
            return;
        };
        self.moved = true;
        self.count_age(&session, false);
        if let Owner::User(id) = &session.owner
            && let Some(person) = self.people.get_mut(id)
        {
            person.keys.retain(|k| k != key);
        }
    }

    /// Counts a session's age in, or out.
    fn count_age(&mut self, session: &Session, comes: bool) {
        let Some(age) = session.age() else {
            return;
        };
        let count = self.ages.entry(age).or_default();
        *count = match comes {
            true => count.saturating_add(1),
            false => count.saturating_sub(1),
        };
        if *count == 0 {
            self.ages.remove(&age);
        }
    }

    /// Whether sessions of theirs were made with the password they have now.
    fn check_password(&mut self, id: &UserId) {
        let Some(person) = self.people.get(id) else {
            return;
        };
        for key in person.keys() {
            if let Some(session) = self.sessions.get_mut(key) {
                session.auth_fits = person.fits(session, self.keys.as_ref());
            }
        }
    }
}

impl Sink for Roster {
    fn session(&mut self, row: SessionRow) {
        let mut session = self.decode(&row);
        if let Some(old) = self.sessions.get_mut(&row.key)
            && old.is_still(&session, &row.data)
        {
            old.pass = self.pass;
            return;
        }
        self.remove_session(&row.key);
        self.moved = true;
        if let Owner::User(id) = &session.owner {
            let person = self.people.entry(id.clone()).or_default();
            session.auth_fits = person.fits(&session, self.keys.as_ref());
            person.keys.push(row.key.clone());
            if person.row.is_none() {
                self.unread_people.insert(id.clone());
            }
        }
        self.count_age(&session, true);
        self.sessions.insert(row.key, session);
    }

    fn listed(&mut self, key: &SessionKey, expires: Timestamp) -> bool {
        match self.sessions.get_mut(key) {
            Some(session) => {
                session.pass = self.pass;
                // A save does not move a date that is fixed.
                session.expires != expires || matches!(session.expiry, Expiry::Fixed(_))
            }
            None => true,
        }
    }

    fn knows(&self, key: &SessionKey) -> bool {
        self.sessions.contains_key(key)
    }

    fn listing_begins(&mut self) {
        self.pass = self.pass.wrapping_add(1);
    }

    fn listing_done(&mut self) {
        let gone: Vec<SessionKey> = self
            .sessions
            .iter()
            .filter(|(_, s)| s.pass != self.pass)
            .map(|(k, _)| k.clone())
            .collect();
        self.forget(&gone);
    }

    fn ages(&self) -> Vec<i64> {
        let mut ages: Vec<(u32, i64)> = self.ages.iter().map(|(age, n)| (*n, *age)).collect();
        ages.sort_unstable_by(|a, b| b.cmp(a));
        ages.into_iter().map(|(_, age)| age).collect()
    }

    fn user(&mut self, row: UserRow) {
        let id = row.id.clone();
        let known = self.people.contains_key(&id);
        // Many users' evidence moves; only those with a session or the flag are anybody here.
        if !known && !row.flagged {
            return;
        }
        let person = self.people.entry(id.clone()).or_default();
        let same = person.row.as_ref().is_some_and(|old| {
            old.last_activity == row.last_activity
                && old.last_login == row.last_login
                && old.flagged == row.flagged
                && old.enabled == row.enabled
                && old.username == row.username
                && old.email == row.email
                && old.name == row.name
                && old.staff == row.staff
                && old.superuser == row.superuser
                && same_secret(old, &row)
        });
        if same && !person.missing {
            return;
        }
        person.row = Some(row);
        person.missing = false;
        self.unread_people.remove(&id);
        self.moved = true;
        self.check_password(&id);
    }

    fn users_wanted(&self, all: bool) -> Vec<UserId> {
        if all {
            return self.people.keys().cloned().collect();
        }
        let unread = |id: &&UserId| {
            let person = self.people.get(*id);
            person.is_some_and(|p| p.row.is_none() && !p.missing)
        };
        self.unread_people.iter().filter(unread).cloned().collect()
    }

    fn users_missing(&mut self, ids: Vec<UserId>) {
        for id in ids {
            self.unread_people.remove(&id);
            if let Some(person) = self.people.get_mut(&id) {
                self.moved |= !person.missing;
                *person = Person {
                    missing: true,
                    keys: std::mem::take(&mut person.keys),
                    verdict: person.verdict,
                    ..Person::default()
                };
            }
        }
    }

    fn flagged(&mut self, ids: BTreeSet<UserId>) {
        for (id, person) in &mut self.people {
            if let Some(row) = &mut person.row
                && row.flagged
                && !ids.contains(id)
            {
                row.flagged = false;
                self.moved = true;
            }
        }
    }
}

fn same_secret(a: &UserRow, b: &UserRow) -> bool {
    use secrecy::ExposeSecret;
    match (&a.password, &b.password) {
        (Some(a), Some(b)) => a.expose_secret() == b.expose_secret(),
        (None, None) => true,
        _ => false,
    }
}

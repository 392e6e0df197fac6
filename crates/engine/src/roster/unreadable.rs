//! Sessions whose content tells nothing. Whose they are is known only where their table says it, so they are listed apart,
//! and deleted by key alone.

use jiff::Timestamp;

use super::Roster;
use super::rows::NONE;
use super::session::Row;
use crate::django::session::Unreadable;
use crate::error::{Code, Error, Result};
use crate::store::{Extra, SessionKey, UserId};
use crate::view::{UnreadableKind, UnreadableView, Unreadables};

impl Roster {
    fn unread(&self) -> impl Iterator<Item = (SessionKey, u32)> {
        let all = self.rows.numbers();
        let unread = all.filter(|number| self.rows[*number].unread().is_some());
        // Not even asked, where it is known that there is none.
        let most = self.tally.unreadable_sessions as usize;
        unread
            .take(most)
            .map(|number| (self.rows.key(number), number))
    }

    /// How many sessions can let somebody in at `now` of whom nothing tells who that is. A damaged session lets nobody in.
    pub fn unattributed(&self, now: Timestamp) -> u32 {
        let opaque = |(_, number): &(SessionKey, u32)| {
            let row = &self.rows[*number];
            row.person == NONE && !row.is_damaged() && row.expires() > now
        };
        u32::try_from(self.unread().filter(opaque).count()).unwrap_or(u32::MAX)
    }

    /// All of them counted, and at most `limit` of them named: those that live longest first.
    pub fn unreadable(&self, limit: usize) -> Unreadables {
        let mut all: Vec<(SessionKey, u32)> = self.unread().collect();
        let total = u32::try_from(all.len()).unwrap_or(u32::MAX);
        let expires = |number: u32| self.rows[number].expires_at();
        all.sort_unstable_by(|a, b| (expires(b.1), &a.0).cmp(&(expires(a.1), &b.0)));
        let sessions = all
            .iter()
            .take(limit)
            .map(|(key, number)| view(key, &self.rows[*number], self.rows.extra(*number)))
            .collect();
        Unreadables { total, sessions }
    }

    /// The unreadable session with this fingerprint, or the only one whose fingerprint begins so; and whose it is, where
    /// its table says so.
    pub fn unreadable_by_fingerprint(
        &self,
        fingerprint: &str,
    ) -> Result<(SessionKey, Option<UserId>)> {
        let wanted = fingerprint.trim().to_ascii_lowercase();
        let mut hits = self
            .unread()
            .filter(|(key, _)| wanted.len() >= 4 && key.fingerprint().starts_with(&wanted));
        match (hits.next(), hits.next()) {
            (Some((key, number)), None) => {
                let person = self.people.get(self.rows[number].person);
                Ok((key, person.map(super::Person::id)))
            }
            (None, _) => Err(Error::new(
                Code::NoSession,
                format!(
                    "no unreadable session {wanted:?}; `curfew sessions --unreadable` lists their fingerprints"
                ),
            )),
            (Some(_), Some(_)) => Err(Error::new(
                Code::NoSession,
                format!("several unreadable sessions begin with {wanted:?}; give all 12 digits"),
            )),
        }
    }
}

fn view(key: &SessionKey, session: &Row, extra: Option<&Extra>) -> UnreadableView {
    let unread = session.unread().unwrap_or(Unreadable::Malformed);
    UnreadableView {
        fingerprint: key.fingerprint(),
        last_saved: session.saved(),
        expires: session.expires(),
        kind: match session.is_damaged() {
            true => UnreadableKind::Corrupt,
            false => UnreadableKind::Opaque,
        },
        why: unread.to_string(),
        ip: extra.and_then(|e| e.ip.clone()),
        device: extra.and_then(|e| e.device.clone()),
    }
}

//! Sessions whose content tells nothing. Whose they are is known only where their table says it, so they are listed apart,
//! and deleted by key alone.

use super::Roster;
use super::person::{Owner, Session};
use crate::django::session::Unreadable;
use crate::error::{Code, Error, Result};
use crate::store::{SessionKey, UserId};
use crate::view::{UnreadableKind, UnreadableView, Unreadables};

impl Roster {
    fn unread(&self) -> impl Iterator<Item = (&SessionKey, &Session)> {
        self.sessions
            .iter()
            .filter(|(_, session)| session.unread.is_some())
    }

    /// All of them counted, and at most `limit` of them named: those that live longest first.
    pub fn unreadable(&self, limit: usize) -> Unreadables {
        let mut all: Vec<(&SessionKey, &Session)> = self.unread().collect();
        let total = u32::try_from(all.len()).unwrap_or(u32::MAX);
        all.sort_unstable_by(|a, b| (b.1.expires, a.0).cmp(&(a.1.expires, b.0)));
        let sessions = all
            .into_iter()
            .take(limit)
            .map(|(key, session)| view(key, session))
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
            (Some((key, session)), None) => Ok((
                key.clone(),
                match &session.owner {
                    Owner::User(id) => Some(id.clone()),
                    _ => None,
                },
            )),
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

fn view(key: &SessionKey, session: &Session) -> UnreadableView {
    let unread = session.unread.unwrap_or(Unreadable::Malformed);
    let extra = session.extra.as_deref();
    UnreadableView {
        fingerprint: key.fingerprint(),
        last_saved: session.last_saved,
        expires: session.expires,
        kind: match session.is_damaged() {
            true => UnreadableKind::Corrupt,
            false => UnreadableKind::Opaque,
        },
        why: unread.to_string(),
        ip: extra.and_then(|e| e.ip.clone()),
        device: extra.and_then(|e| e.device.clone()),
    }
}

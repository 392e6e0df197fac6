//! What is asked before sessions are ended.

use std::collections::HashSet;

use jiff::SignedDuration;

use super::How;
use super::ending::LATE;
use crate::config::Engine;
use crate::error::{Code, Error, Result};
use crate::site::Site;
use crate::store::UserId;
use crate::sweep::view_only;
use crate::view::{Deed, UserView};

/// Entries of the journal about one user that are looked through.
const ENTRIES: usize = 200;

impl Site {
    /// Refuses where the site is not to be touched, or where sessions are out of reach. The journal is not asked whether it
    /// can be written: it refuses by itself where it takes no intent, and then nothing is done.
    pub(crate) async fn may_end_sessions(&self) -> Result<()> {
        if !self.armed() {
            return Err(view_only(&self.name()));
        }
        self.need_reach().await
    }

    /// Whether a request under way can bring a deleted session back here. What is not known can.
    pub(crate) fn can_come_back(&self) -> bool {
        Engine::of(&self.config().sessions).map_or(true, |engine| engine.can_come_back())
    }

    /// Whether a session of this user that Curfew deleted can be back, or can still come back. It can for as long as a request
    /// lasts that was under way; and a copy of a session whose key nobody knows any more can be there for a session's age.
    /// A sign-out that was verified settles both.
    pub(super) fn can_still_come_back(&self, id: &UserId) -> bool {
        if !self.can_come_back() {
            return false;
        }
        let age = match self.store.lists_copies() {
            true => LATE,
            false => self.config().sessions.age(),
        };
        let age = SignedDuration::try_from(age).unwrap_or(SignedDuration::MAX);
        let since = self.db_now().and_then(|now| now.checked_sub(age).ok());
        // Without the journal, nobody knows what was deleted before.
        let Ok(about) = self.journal.about(id.as_str(), &self.name(), ENTRIES) else {
            return true;
        };
        let mut done = HashSet::new();
        for entry in about.iter().filter(|entry| entry.deed != Deed::Sweep) {
            if Some(entry.at) <= since {
                break;
            }
            match (entry.verified == Some(true), entry.deed) {
                (true, Deed::Logout) => return false,
                // A closed account is verified although a session can come back, and settles nothing before it.
                (true, _) => {
                    done.insert(&entry.id);
                }
                (false, _) if done.contains(&entry.id) => {}
                (false, _) => return true,
            }
        }
        false
    }

    /// Refuses the operator's own account, unless they have said that it is meant.
    pub(crate) fn need_consent(&self, user: &UserView, how: &How, deed: &str) -> Result<()> {
        let own = self.config().own_username.clone();
        let names = self.schema.users.names;
        let own = own.is_some_and(|own| names.same(&own, &user.username));
        if how.consent || !own {
            return Ok(());
        }
        Err(Error::new(
            Code::OwnAccount,
            format!(
                "{} is your own account on {}; confirm (--yes) to {deed} yourself",
                user.username,
                self.name()
            ),
        ))
    }
}

//! What is asked before sessions are ended.

use super::How;
use crate::config::Engine;
use crate::error::{Code, Error, Result};
use crate::site::Site;
use crate::sweep::view_only;
use crate::view::UserView;

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

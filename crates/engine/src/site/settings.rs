//! A site's settings as they are now: what may be done, when people are idle, what is told.

use crate::config::{Policy, SiteConfig};
use crate::error::Result;
use crate::event::Event;
use crate::site::{Site, hold};
use crate::view::{Doubt, NoticeRules};

impl Site {
    fn configure(&self, change: impl FnOnce(&mut SiteConfig)) {
        let mut config = self
            .config
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        change(&mut config);
    }

    /// The policy as configured, with the operator's own account among the exempt.
    pub fn policy(&self) -> Policy {
        let config = self.config();
        let mut policy = config.policy.clone();
        policy.exempt.own.clone_from(&config.own_username);
        policy.exempt.compared = self.schema.users.names;
        policy
    }

    pub fn notices(&self) -> NoticeRules {
        self.config().notices.clone()
    }

    pub fn armed(&self) -> bool {
        self.config().armed
    }

    /// All sessions lie where Curfew looks, and it has seen them, so that having none means something.
    pub(crate) fn all_visible(&self) -> bool {
        let hidden = self.known_doubts().iter().any(Doubt::hides_users);
        self.barrier.is_none() && self.store.whole() && !hidden
    }

    /// Refuses where a deletion would not reach everything that lets people in: by the engine, or because what
    /// holds the sessions does not answer now.
    pub(crate) async fn need_reach(&self) -> Result<()> {
        match &self.barrier {
            Some(why) => Err(why.clone()),
            None => self.store.ready().await,
        }
    }

    /// Allows changes, or makes the site view-only.
    pub fn set_armed(&self, armed: bool) {
        self.configure(|c| c.armed = armed);
        hold(&self.timer).schedule.stop();
        self.changed();
    }

    /// The window's timer. Off means that nothing is swept unless someone asks.
    pub fn set_automatic(&self, on: bool) {
        self.configure(|c| c.automatic_sweep = on);
        let mut timer = hold(&self.timer);
        match self.db_now().filter(|_| on) {
            Some(now) => timer.schedule.restart(now, self.policy().sweep_every),
            None => timer.schedule.stop(),
        }
        drop(timer);
        self.changed();
    }

    pub fn set_policy(&self, policy: Policy) -> Result<()> {
        policy.check()?;
        let every = policy.sweep_every;
        let restart = self.policy().sweep_every != every;
        self.configure(|c| c.policy = policy);
        self.reckon();
        if restart && let Some(now) = self.db_now() {
            hold(&self.timer).schedule.restart(now, every);
        }
        // States follow the limits at once, not at the next look.
        self.settle();
        self.changed();
        Ok(())
    }

    pub fn set_notices(&self, rules: NoticeRules) {
        self.configure(|c| c.notices = rules);
        self.changed();
    }

    fn changed(&self) {
        self.emit(Event::Settings);
        self.wake.notify_one();
    }
}

//! Everything that a window or a log can hear. Small on purpose: an event says what moved, and whoever
//! shows it asks the engine again. None carries a list of all people.

use serde::{Deserialize, Serialize};
use specta::Type;

use crate::view::{AccountOutcome, Connection, Counts, Health, Outcome, SweepSummary};

/// A person in an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Person {
    pub id: String,
    pub username: String,
    pub idle_seconds: u32,
}

/// What happened on a site.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Type)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Event {
    /// A look at the site ended well; `revision` moves when a row or a state did.
    Looked { revision: u32, counts: Counts },
    /// The line to the database changed: live, stale, offline; or the next try moved.
    Connection { connection: Connection },
    /// These people were active at the last look and are idle now. At most 20 are named.
    WentIdle { people: Vec<Person>, more: u32 },
    /// These people were idle at the last look and no longer are: back, or gone. At most 200 ids.
    CameBack { ids: Vec<String> },
    /// A sweep ended, or was held by a guard.
    Swept { summary: SweepSummary },
    /// A force logout ended; or, with `following`, is gone now and looked at for a minute more, and tells its end
    /// by the same `deed`.
    LoggedOut {
        /// The user's id; empty for a session that cannot be read.
        id: String,
        deed: String,
        username: String,
        sessions: u32,
        outcome: Outcome,
        following: bool,
        detail: String,
    },
    /// An account was switched off or on; `following` as for a logout.
    AccountSwitched {
        id: String,
        deed: String,
        username: String,
        enabled: bool,
        sessions: u32,
        outcome: AccountOutcome,
        following: bool,
        detail: String,
    },
    /// The site's own address answers, or does not.
    Health { health: Health },
    /// A setting moved: armed, policy, automatic sweep, notices.
    Settings,
}

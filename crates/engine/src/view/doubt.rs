//! Why a result is what it is: a code for programs, and one sentence for people.

use serde::{Deserialize, Serialize};
use specta::Type;

/// The reason for an outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "snake_case")]
pub enum ReasonCode {
    /// Every session was deleted, and was gone at the last check.
    SignedOut,
    /// There was no session, and the flag was cleared.
    FlagCleared,
    /// There was no session and no flag.
    NothingToDo,
    /// The sessions cannot be ended from outside.
    NotPossible,
    /// The deletion or a check failed.
    Failed,
    /// No answer came to a deletion, and the database cannot be asked what became of it.
    NotKnown,
    /// Sessions are deleted; a request under way can bring one back.
    CanComeBack,
    /// Sessions came back each time they were deleted.
    CameBack,
    /// A session came back up to a minute after its deletion.
    CameBackLate,
    /// The user signed in again since the sign-out.
    SignedInAgain,
    /// No session of this site was ever seen in its cache.
    CopiesUnseen,
    /// Not every session of this site can be seen.
    NotAllVisible,
    /// Nobody stated SESSION_ENGINE, and the data do not show it.
    EngineUnknown,
    /// Users are active without a usable session: the site keeps its sessions elsewhere.
    SessionsElsewhere,
    /// Django would reject every session that is there.
    AllRejected,
    /// The wall clock that the site's times are written by is not the one that they are read by.
    ZoneDoubtful,
    /// Users are active by an authentication backend that the configuration does not list.
    BackendUnlisted,
    /// Some sessions belong to a user whom Curfew cannot read.
    Unattributed,
    /// The database hides rows from Curfew's role.
    RowsHidden,
    /// The database accepted the deletion and kept the rows.
    DeleteSwallowed,
    /// Whether a doubt holds could not be asked.
    NotChecked,
}

/// One reason why a result is not verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Doubt {
    pub code: ReasonCode,
    /// How many sessions or users the reason is about; 0 where it is not about a number.
    pub count: u32,
    /// One sentence for people.
    pub detail: String,
}

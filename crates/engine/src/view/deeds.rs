//! Sweeps, logouts, and the journal that records them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use specta::Type;

use super::UserView;

/// Why a sweep takes someone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "snake_case")]
pub enum SweepReason {
    Overdue,
    Stale,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Type)]
pub struct SweepUser {
    pub id: String,
    pub username: String,
    pub idle_seconds: Option<u32>,
    pub reason: SweepReason,
    /// Sessions to delete (a preview) or deleted (a sweep).
    pub sessions: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Type)]
pub struct Skipped {
    pub username: String,
    pub why: String,
}

/// What a sweep did, or with `dry_run` what it would do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Type)]
pub struct SweepReport {
    pub site: String,
    pub dry_run: bool,
    /// The database's time at the decision.
    pub at: Timestamp,
    /// Last seen before this moment is overdue.
    pub cutoff: Timestamp,
    pub users: Vec<SweepUser>,
    /// People whose flag this sweep cleared.
    pub users_marked: u32,
    pub sessions_deleted: u32,
    pub skipped: Vec<Skipped>,
    /// Looked again, and everything that was to go is gone. Always true for a dry run of nothing.
    pub verified: bool,
    /// The guard that a real sweep meets, and that only consent (`--force`) passes.
    pub held: Option<String>,
}

/// How a force logout ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    SignedOut,
    NothingToDo,
    Unverified,
    Partial,
    NotPossible,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Type)]
pub struct LogoutReport {
    pub user: UserView,
    pub sessions_deleted: u32,
    pub outcome: Outcome,
    pub verified: bool,
    pub flag_cleared: bool,
    /// One sentence for people: what happened, word by word.
    pub detail: String,
}

/// What an entry of the journal is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "snake_case")]
pub enum Deed {
    Sweep,
    Logout,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Written before the deed.
    Intent,
    /// Written after it.
    Outcome,
}

/// A person in an entry of the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct EntryUser {
    pub id: String,
    pub username: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_seconds: Option<u32>,
    /// Fingerprints of the sessions meant (intent) or deleted (outcome).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sessions: Vec<String>,
}

/// One line of the journal. `hash` covers the line and `prev`, the hash of the line before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Entry {
    pub seq: u32,
    /// The database's time.
    pub at: Timestamp,
    /// Who did it: OS user and host, `mira@ops-laptop`.
    pub operator: String,
    pub site: String,
    pub deed: Deed,
    pub phase: Phase,
    /// The same for an intent and its outcome.
    pub id: String,
    pub users: Vec<EntryUser>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How it ended, in one line. Outcomes only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub users_marked: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sessions_deleted: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified: Option<bool>,
    pub prev: String,
    pub hash: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct JournalView {
    /// Newest first.
    pub entries: Vec<Entry>,
    /// The chain holds from the first line to the last.
    pub intact: bool,
    /// Where it breaks, and how.
    pub fault: Option<String>,
}

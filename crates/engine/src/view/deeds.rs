//! Sweeps, logouts, and the journal that records them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use specta::Type;

use super::{Doubt, ReasonCode, TokensView, UserView, with_tokens};
use crate::error::Code;

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
    /// The same for programs.
    pub code: SkipCode,
}

/// Why a sweep leaves somebody alone who is overdue or bears the flag only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "snake_case")]
pub enum SkipCode {
    /// The policy exempts the user.
    Exempt,
    /// No session of the user can be seen.
    NoSessionSeen,
    /// The sources of evidence contradict one another.
    Conflict,
    /// The user acts as somebody who is not overdue.
    ActsAs,
    /// The user is here as another user only, and leaves with that user's sessions.
    OnlyAsOther,
    /// Somebody who stays acts as this user.
    ActedAs,
    /// The user was seen after the plan.
    SeenAgain,
    /// A session of the user came back after its deletion.
    CameBack,
    /// Somebody is writing the user's row.
    Written,
    /// Another transaction holds a row of the user or of a session.
    RowLocked,
    /// A table is locked.
    TableLocked,
    /// Another process is writing to the SQLite file.
    FileLocked,
    /// The database was too slow.
    Slow,
    /// The database refused the deletion with an error.
    Refused,
    /// The database accepted the deletion and kept the rows.
    DeleteSwallowed,
    /// No answer came, so it is not known whether the user was signed out.
    NotKnown,
    /// The sweep ended before it came to this user.
    NotReached,
    /// Somebody else had signed the user out.
    GoneAlready,
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
    /// Why the sweep is not verified although what it deleted is gone.
    pub doubts: Vec<Doubt>,
    /// The guard that a real sweep meets.
    pub held: Option<String>,
    /// Its code. Consent (`--force`) passes `too_many` alone.
    #[serde(default)]
    pub held_code: Option<Code>,
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
    /// Gone now, and looked at for a minute more: an event with the same `deed` tells how it ended.
    #[serde(default)]
    pub following: bool,
    /// The deed's name in the journal and in events; empty where nothing was done.
    #[serde(default)]
    pub deed: String,
    /// One sentence for people: what happened, word by word.
    pub detail: String,
    /// The user's API tokens: another way in. `None` if one session alone was ended.
    pub tokens: Option<TokensView>,
    /// The same as a code for programs.
    pub reason_code: ReasonCode,
    /// What keeps the result from being verified although all that was seen is gone.
    pub doubts: Vec<Doubt>,
}

impl LogoutReport {
    /// All that is said of it: sessions first, then API tokens.
    pub fn said(&self) -> String {
        with_tokens(&self.detail, self.tokens.as_ref())
    }
}

/// How the switching of an account ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "snake_case")]
pub enum AccountOutcome {
    /// Switched off and seen to be off, with no session left in sight.
    Suspended,
    /// Switched on again, after every session left was ended; `verified` says that they were seen to be gone.
    Allowed,
    NothingToDo,
    /// Switched, and something about it was not seen; the detail says what.
    Unverified,
    /// The account is not as it was to be, or sessions are left.
    Partial,
    NotPossible,
}

/// What became of an account and its sessions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Type)]
pub struct AccountReport {
    pub user: UserView,
    /// Django's `is_active`, as it was last seen.
    pub enabled: bool,
    pub sessions_deleted: u32,
    pub outcome: AccountOutcome,
    pub verified: bool,
    pub flag_cleared: bool,
    /// As for a logout.
    #[serde(default)]
    pub following: bool,
    /// As for a logout.
    #[serde(default)]
    pub deed: String,
    /// One sentence for people: what happened, word by word.
    pub detail: String,
    /// The API tokens of a suspended user. Not every package asks whether the account is enabled.
    pub tokens: Option<TokensView>,
}

/// Why a session cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "snake_case")]
pub enum UnreadableKind {
    /// Damaged, or cut off.
    Corrupt,
    /// Whole as far as can be told, and packed in a way that is not read as data.
    Opaque,
}

/// A session of which only its place and its date can be told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct UnreadableView {
    /// First 12 hex digits of the SHA-256 of the session key.
    pub fingerprint: String,
    pub last_saved: Option<Timestamp>,
    pub expires: Timestamp,
    pub kind: UnreadableKind,
    /// What is wrong with it, in a few words.
    pub why: String,
    /// Where its table has columns for them.
    pub ip: Option<String>,
    pub device: Option<String>,
}

/// The unreadable sessions of a site, those that live longest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Unreadables {
    /// All there are; `sessions` may hold fewer.
    pub total: u32,
    pub sessions: Vec<UnreadableView>,
}

/// What an entry of the journal is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "snake_case")]
pub enum Deed {
    Sweep,
    Logout,
    /// An account switched off, and its sessions ended.
    Suspend,
    /// The sessions left of an account ended, and the account switched on.
    Allow,
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
    /// The same for an intent and its outcome; where a logout was followed, for its first outcome and its last.
    pub id: String,
    pub users: Vec<EntryUser>,
    /// The users are those of this entry: a long list that does not change is written once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub users_as: Option<u32>,
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

//! People and their sessions, and the pages in which they are asked for.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use specta::Type;

use super::{Doubt, Entry, TokensView};
use crate::django::session::{ExpiryKind, Signature};

/// Where a person stands, by the newest evidence and the database's clock.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Type,
)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Active,
    Idle,
    Overdue,
    /// Flagged as here, with no usable session left.
    Stale,
    /// Signed in, with nothing that says when they were last here.
    Unknown,
}

/// What says when someone was last here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, Type)]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    LastActivity,
    LastLogin,
    SessionSave,
    /// A refresh saw one of the others move on, whatever its timestamp says.
    ObservedChange,
}

/// How many people and sessions there are. `signed_in` is `active + idle + overdue + unknown`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Counts {
    pub signed_in: u32,
    pub active: u32,
    pub idle: u32,
    pub overdue: u32,
    pub stale: u32,
    pub unknown: u32,
    /// Usable sessions of signed-in people.
    pub sessions: u32,
    pub anonymous_sessions: u32,
    /// Rows whose content cannot be read. Counted, never fatal.
    pub unreadable_sessions: u32,
    /// Rows that Django itself would not accept: signature, password or account changed since.
    pub rejected_sessions: u32,
}

/// One person, as a row of the table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Type)]
pub struct UserView {
    pub id: String,
    pub username: String,
    pub email: Option<String>,
    /// First and last name, where the site has them.
    pub name: Option<String>,
    pub state: State,
    /// The site's activity column, as it stands there.
    pub last_activity: Option<Timestamp>,
    /// The newest evidence, whichever it is.
    pub last_seen: Option<Timestamp>,
    /// Which evidence decided.
    pub evidence: Option<Evidence>,
    /// Seconds between `last_seen` and the database's now.
    pub idle_seconds: Option<u32>,
    pub sessions: u32,
    pub flagged: bool,
    pub staff: bool,
    pub superuser: bool,
    /// Django's `is_active`: whether the account may sign in.
    pub enabled: bool,
    /// Users who act as this one now, in sessions of this user.
    pub impersonators: Vec<String>,
    /// Users as whom this one acts now.
    pub acts_as: Vec<String>,
    /// Why a sweep leaves this person alone, where the policy says so.
    pub exempt: Option<String>,
    /// What is wrong with the evidence, such as a time in the future.
    pub fault: Option<String>,
}

/// One session of one person.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Type)]
pub struct SessionView {
    /// First 12 hex digits of the SHA-256 of the session key.
    pub fingerprint: String,
    pub last_saved: Option<Timestamp>,
    pub expires: Timestamp,
    pub expiry: ExpiryKind,
    pub readable: bool,
    pub signature: Signature,
    /// From where it was last used, where the site's session table says so.
    pub ip: Option<String>,
    /// The browser and system, in short: "Firefox 132 on Windows".
    pub device: Option<String>,
    /// The User-Agent that this was made of, as the browser sent it.
    pub user_agent: Option<String>,
    /// The session table's own time of its last use.
    pub seen: Option<Timestamp>,
    /// Whether Django would let its holder in, as far as we can tell.
    pub usable: bool,
    /// Why it is not usable.
    pub why: Option<String>,
    /// In an impersonation: the user who acts. Ending the impersonation signs that user in again, without a password.
    pub impersonator: Option<String>,
    /// In an impersonation: the user as whom requests act.
    pub acts_as: Option<String>,
}

/// One source of evidence about one person, for the panel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Type)]
pub struct EvidenceView {
    pub source: Evidence,
    /// The column's own name, or "session save".
    pub label: String,
    pub at: Option<Timestamp>,
    /// Whether this one decided.
    pub decides: bool,
}

/// Everything about one person.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Type)]
pub struct UserDetail {
    pub user: UserView,
    pub evidence: Vec<EvidenceView>,
    pub sessions: Vec<SessionView>,
    /// Live API tokens. `None` if nobody asked.
    pub tokens: Option<TokensView>,
    /// The newest entries of the journal that name this person, newest first.
    pub journal: Vec<Entry>,
}

/// Which people a page holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "snake_case")]
pub enum Filter {
    /// Everyone with a usable session or the flag.
    #[default]
    Everyone,
    SignedIn,
    Active,
    Idle,
    Overdue,
    Stale,
    Unknown,
}

/// The columns that people sort by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "snake_case")]
pub enum Sort {
    State,
    Username,
    Email,
    LastSeen,
    #[default]
    Idle,
    Sessions,
    Role,
    Evidence,
}

impl Sort {
    /// Every one of them.
    pub const ALL: [Self; 8] = [
        Self::State,
        Self::Username,
        Self::Email,
        Self::LastSeen,
        Self::Idle,
        Self::Sessions,
        Self::Role,
        Self::Evidence,
    ];
}

/// The question for a page of rows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(default)]
pub struct Query {
    pub filter: Filter,
    /// Found in username, name, e-mail or id, whatever the case.
    pub search: String,
    pub sort: Sort,
    pub descending: bool,
    pub offset: u32,
    pub limit: u32,
}

/// The answer: rows `offset..offset + rows.len()` of `total`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Type)]
pub struct Page {
    pub revision: u32,
    pub total: u32,
    pub offset: u32,
    pub rows: Vec<UserView>,
}

/// The document of `curfew users`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Type)]
pub struct UsersView {
    pub site: String,
    pub db_time: Option<Timestamp>,
    pub counts: Counts,
    pub users: Vec<UserView>,
    /// Why this may not be everybody who is signed in.
    pub doubts: Vec<Doubt>,
}

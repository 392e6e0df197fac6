//! What the window, the command line and scripts are shown. The JSON of the command line is these types,
//! and the window's bindings are generated from them. No session key is among the fields, ever.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use specta::Type;

use crate::django::session::{ExpiryKind, Signature};
use crate::error::Error;

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
    /// Whether Django would let its holder in, as far as we can tell.
    pub usable: bool,
    /// Why it is not usable.
    pub why: Option<String>,
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

/// One check of `doctor`, which is also one step of connecting to a site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Check {
    pub name: String,
    pub ok: bool,
    pub detail: String,
    /// What to do where it is not ok.
    pub fix: Option<String>,
}

/// How the line to the site's database is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "snake_case")]
pub enum Link {
    Live,
    /// The last look is old, and no failure is known yet.
    Stale,
    Offline,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Type)]
pub struct Connection {
    pub link: Link,
    /// Seconds since the last look that succeeded.
    pub age_seconds: Option<f64>,
    /// How long that look took.
    pub look_ms: Option<u32>,
    /// What is wrong, where something is.
    pub error: Option<Error>,
    /// Seconds until the next try, while offline.
    pub retry_seconds: Option<u32>,
    /// The database's clock minus this machine's.
    pub skew_seconds: Option<f64>,
}

/// What the site's own address answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Type)]
pub struct Health {
    pub ok: bool,
    pub ms: Option<u32>,
    /// Since when it is as it is, by this machine's clock corrected to the database's.
    pub since: Timestamp,
    pub detail: String,
}

/// When people count as idle and are signed out. Durations in seconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Type)]
pub struct PolicyView {
    pub idle_after: u32,
    pub sign_out_after: u32,
    pub sweep_every: u32,
    /// Of those signed in, 0 to 1.
    pub max_share: f64,
    pub exempt_staff: bool,
    pub exempt_superusers: bool,
    pub exempt_usernames: Vec<String>,
}

/// Which notices are shown on the desktop.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Type)]
pub struct NoticeRules {
    /// People who have become idle.
    pub idle: bool,
    /// Idle for at least this long, in seconds.
    pub idle_from: u32,
    pub sweeps: bool,
    pub connection: bool,
}

/// How the inactivity sweep stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Type)]
pub struct SweepStatus {
    pub automatic: bool,
    pub running: bool,
    pub next_in_seconds: Option<u32>,
    pub last: Option<SweepSummary>,
}

/// A sweep in one line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Type)]
pub struct SweepSummary {
    pub at: Timestamp,
    pub people: u32,
    pub sessions: u32,
    pub marked: u32,
    pub skipped: u32,
    pub verified: bool,
    /// The sweep was held by a guard, or failed: why.
    pub held: Option<String>,
}

/// A thing found in the site's database, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Found {
    /// "session table", "user table", "activity column", ...
    pub what: String,
    /// Its name there; none where the site has no such thing.
    pub value: Option<String>,
    /// "django_admin_log.user_id refers to it", "configured", ...
    pub because: String,
}

/// The whole state of a site, but for its people.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Type)]
pub struct SiteView {
    pub name: String,
    /// Without user and password.
    pub address: String,
    /// "postgres" or "sqlite".
    pub database: String,
    pub demo: bool,
    pub session_engine: String,
    pub operator: String,
    /// False: view-only.
    pub armed: bool,
    pub secret_key_known: bool,
    pub db_time: Option<Timestamp>,
    pub revision: u32,
    pub counts: Counts,
    pub connection: Connection,
    pub health: Option<Health>,
    pub sweep: SweepStatus,
    pub policy: PolicyView,
    pub notices: NoticeRules,
    pub found: Vec<Found>,
    /// What the operator should know: clock skew, no activity evidence, ...
    pub warnings: Vec<String>,
}

/// One moment of the last hour.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, Type)]
pub struct Sample {
    /// Seconds since 1970, by the database's clock.
    pub at: f64,
    pub active: u32,
    pub idle: u32,
    pub overdue: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, Type)]
pub struct SweepMark {
    pub at: f64,
    pub people: u32,
}

/// The last hour, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, Type)]
pub struct Timeline {
    pub samples: Vec<Sample>,
    pub sweeps: Vec<SweepMark>,
}

/// The document of `curfew users`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Type)]
pub struct UsersView {
    pub site: String,
    pub db_time: Option<Timestamp>,
    pub counts: Counts,
    pub users: Vec<UserView>,
}

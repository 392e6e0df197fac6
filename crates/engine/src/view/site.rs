//! A site but for its people: its connection, its settings, what was found, the last hour.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use specta::Type;

use super::{Counts, Doubt};
use crate::error::Error;

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
    /// "postgres", "mysql" or "sqlite".
    pub database: String,
    pub demo: bool,
    pub session_engine: String,
    /// Why nobody can be signed out here, whatever is allowed; none where deletions reach what lets people in.
    pub sign_out_refused: Option<String>,
    /// Whether accounts may be switched off and on here.
    pub account_switch: bool,
    /// Tables with API tokens of users.
    pub token_tables: Vec<String>,
    /// A sign-out always revokes API tokens.
    pub revoke_tokens: bool,
    /// The operator's own account on this site.
    pub own_username: Option<String>,
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
    /// Why what is shown of the sessions may not be all.
    pub doubts: Vec<Doubt>,
    /// What the operator should know: the doubts, clock skew, no activity evidence, ...
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

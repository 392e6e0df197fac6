//! What a webhook tells: `{"type", "timestamp", "data"}`. Who sends it says what is in the data.
//! Invariant of every sender: no session key, and nothing that grows with the number of people.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

/// One thing that happened, for a webhook.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Message {
    /// "sweep.finished", "sweep.held", "logout.finished", "account.suspended" or "account.allowed".
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// When it happened.
    pub timestamp: Timestamp,
    pub data: Value,
}

//! An entry before it has its place in the chain: what the one who acts knows.
//! Invariant: people's own words hold no control characters and end at 500 characters.

use jiff::Timestamp;

use super::chain::hex;
use crate::view::{Deed, Entry, EntryUser, Phase};

const REASON_CHARACTERS: usize = 500;

/// All of an entry but its number and its hashes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The database's time.
    pub at: Timestamp,
    /// OS user and host, `mira@ops-laptop`.
    pub operator: String,
    pub site: String,
    pub deed: Deed,
    pub phase: Phase,
    /// From [`new_id`]; the same for an intent and its outcome.
    pub id: String,
    pub users: Vec<EntryUser>,
    /// In the operator's words. Cleaned as it is written.
    pub reason: Option<String>,
    pub outcome: Option<String>,
    pub users_marked: Option<u32>,
    pub sessions_deleted: Option<u32>,
    pub verified: Option<bool>,
}

impl Draft {
    pub(super) fn into_entry(self, seq: u32, prev: String) -> Entry {
        Entry {
            seq,
            at: self.at,
            operator: self.operator,
            site: self.site,
            deed: self.deed,
            phase: self.phase,
            id: self.id,
            users: self.users,
            users_as: None,
            reason: self.reason.as_deref().and_then(clean_reason),
            outcome: self.outcome,
            users_marked: self.users_marked,
            sessions_deleted: self.sessions_deleted,
            verified: self.verified,
            prev,
            hash: String::new(),
        }
    }
}

/// A reason as it is stored: control characters and line breaks become spaces, at most 500 characters, none if blank.
pub fn clean_reason(reason: &str) -> Option<String> {
    let clean: String = reason
        .trim()
        .chars()
        .map(|c| match c {
            '\u{2028}' | '\u{2029}' => ' ',
            c if c.is_control() => ' ',
            c => c,
        })
        .take(REASON_CHARACTERS)
        .collect();
    let clean = clean.trim();
    (!clean.is_empty()).then(|| clean.to_owned())
}

/// A new name for a deed: 16 random hex digits.
///
/// # Errors
/// `Code::Journal` where the system has no random numbers.
pub fn new_id() -> crate::error::Result<String> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(|e| {
        crate::error::Error::new(
            crate::error::Code::Journal,
            format!("the system gives no random numbers: {e}"),
        )
    })?;
    Ok(hex(&bytes))
}

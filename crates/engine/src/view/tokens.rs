//! API tokens of a user, as reports show them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use specta::Type;

/// Live API tokens of a user, and what became of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct TokensView {
    pub found: u32,
    pub revoked: u32,
    /// Live tokens at the last check.
    pub left: u32,
    pub tables: Vec<TokenTableView>,
    /// Tables that could not be read, each with the reason.
    pub unchecked: Vec<String>,
    /// The operator asked for a revocation.
    pub asked: bool,
    /// Nothing is left of what the operator asked for.
    pub complete: bool,
    /// One or two sentences for people. Empty if the user has no tokens.
    pub detail: String,
}

/// Live tokens of a user in one table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct TokenTableView {
    /// `drf`, `knox`, `jwt_refresh`, `oauth_access`, `oauth_refresh`, `oauth_grant`, `oauth_device`, or `own`.
    pub kind: String,
    pub table: String,
    pub found: u32,
    pub revoked: u32,
    pub left: u32,
    /// When the last of them expires.
    pub until: Option<Timestamp>,
    /// Why they were not revoked.
    pub why: Option<String>,
}

/// The sentence about sessions, then the one about tokens.
pub fn with_tokens(detail: &str, tokens: Option<&TokensView>) -> String {
    match tokens.filter(|tokens| !tokens.detail.is_empty()) {
        Some(tokens) => format!("{detail} {}", tokens.detail),
        None => detail.to_owned(),
    }
}

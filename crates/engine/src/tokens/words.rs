//! What a report says of API tokens, in one or two sentences.

use crate::store::tokens::TokenKind;
use crate::view::{TokenTableView, TokensView};

/// The name in JSON.
pub(super) fn kind(kind: TokenKind) -> &'static str {
    match kind {
        TokenKind::Drf => "drf",
        TokenKind::Knox => "knox",
        TokenKind::JwtRefresh => JWT,
        TokenKind::OauthAccess => "oauth_access",
        TokenKind::OauthRefresh => "oauth_refresh",
        TokenKind::OauthGrant => "oauth_grant",
        TokenKind::OauthDevice => "oauth_device",
        TokenKind::Own => "own",
    }
}

/// What to do about rights that are missing.
pub(super) const REMEDY: &str = "grant these rights, then run doctor again";

/// `grant`: what would show every table.
pub(super) fn hidden(grant: &str) -> String {
    format!(
        "tables on which this account has no right are hidden from it, and may hold tokens ({grant} shows them)"
    )
}

/// What `doctor` says if nothing is in the way. `unknown`: tables whose tokens Curfew cannot revoke.
pub(super) fn proven(
    tables: &[String],
    unknown: &[String],
    revokes: bool,
    blind: Option<String>,
) -> String {
    let mut text = match (tables, revokes) {
        ([], _) => "no table with API tokens is in sight".to_owned(),
        (tables, true) => format!("can be counted and revoked in {}", tables.join(", ")),
        (tables, false) => format!("can be counted in {}", tables.join(", ")),
    };
    if !unknown.is_empty() {
        text = format!(
            "can be counted in {}; Curfew cannot revoke those in {}",
            tables.join(", "),
            unknown.join(", ")
        );
    }
    if let Some(blind) = blind {
        text = format!("{text}; {blind}");
    }
    text
}

const JWT: &str = "jwt_refresh";

fn tokens(n: u32) -> String {
    match n {
        1 => "1 API token".into(),
        n => format!("{n} API tokens"),
    }
}

/// Empty if there is nothing to say. `unanswered`: tokens of which nobody knows whether they are revoked.
pub(super) fn say(name: &str, view: &TokensView, unanswered: u32) -> String {
    let mut text = Vec::new();
    if unanswered > 0 {
        text.push(format!(
            "It is not known whether {} of {name} {} revoked: no answer came, and the database cannot be asked again.",
            tokens(unanswered),
            if unanswered == 1 { "was" } else { "were" },
        ));
    } else if view.found > 0 && !view.asked {
        text.push(format!(
            "{name} also has {}, not revoked: {}.",
            tokens(view.found),
            listed(view, |table| table.found)
        ));
    } else if view.found > 0 && view.left == 0 {
        text.push(format!("{} of {name} revoked.", tokens(view.revoked)));
    } else if view.found > 0 {
        let reasons = view.tables.iter().filter_map(|table| {
            let why = table.why.as_deref().filter(|_| table.left > 0)?;
            Some(format!("{}: {why}", table.table))
        });
        let reasons: Vec<String> = reasons.collect();
        text.push(format!(
            "{} of {name} revoked, {} not revoked: {}.",
            tokens(view.revoked),
            view.left,
            listed(view, |table| table.left)
        ));
        if !reasons.is_empty() {
            text.push(format!("{}.", reasons.join("; ")));
        }
    }
    if !view.unchecked.is_empty() {
        text.push(format!(
            "API tokens could not be counted: {}.",
            view.unchecked.join("; ")
        ));
    }
    let jwt = view.tables.iter().find(|table| table.kind == JWT);
    if let Some(table) = jwt {
        if table.left > 0
            && let Some(until) = table.until
        {
            text.push(format!(
                "The JWT refresh tokens work until {}.",
                until.strftime("%Y-%m-%d %H:%M UTC")
            ));
        }
        text.push(
            "A JWT access token that was already issued works until it expires, by default for 5 minutes."
                .into(),
        );
    }
    text.join(" ")
}

/// `authtoken_token 1, knox_authtoken 2`, without empty ones.
fn listed(view: &TokensView, of: fn(&TokenTableView) -> u32) -> String {
    let tables = view.tables.iter().filter(|table| of(table) > 0);
    let parts: Vec<String> = tables
        .map(|table| format!("{} {}", table.table, of(table)))
        .collect();
    parts.join(", ")
}

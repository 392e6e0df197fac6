//! `curfew sessions USER`: one person, the evidence about them, and their sessions.

use anstyle::{AnsiColor, Style};
use curfew_engine::error::Code;
use curfew_engine::view::{EvidenceView, SessionView, TokensView, UserView};
use curfew_engine::{django::session::ExpiryKind, django::session::Signature, site::Site};
use serde::Serialize;

use super::users::{role, state, state_style};
use crate::context::{Context, now};
use crate::failure::{Failure, Status};
use crate::table::{Table, column};
use crate::words::{clean, moment, span};

/// The document of `curfew sessions`.
#[derive(Serialize)]
struct SessionsView {
    user: UserView,
    sessions: Vec<SessionView>,
    evidence: Vec<EvidenceView>,
    tokens: Option<TokensView>,
}

pub async fn run(context: &Context, user: &str) -> Result<Status, Failure> {
    let site = context.look().await?;
    let user = site.lookup(user).await?;
    let mut view = details(&site, user)?;
    view.tokens = site.tokens_of(&view.user.id, &view.user.username).await;
    if context.output.is_json() {
        context.output.document(&view)?;
    } else {
        let now = site.view().db_time.unwrap_or_else(now);
        context.output.text(&text(context, &view, now))?;
        context.notes(&site);
    }
    Ok(Status::Done)
}

/// Someone who is not signed in has no sessions, and is no error.
fn details(site: &Site, user: UserView) -> Result<SessionsView, Failure> {
    match site.user(&user.id) {
        Ok(detail) => Ok(SessionsView {
            user: detail.user,
            sessions: detail.sessions,
            evidence: detail.evidence,
            tokens: None,
        }),
        Err(error) if error.code == Code::NoUser => Ok(SessionsView {
            user,
            sessions: Vec::new(),
            evidence: Vec::new(),
            tokens: None,
        }),
        Err(error) => Err(error.into()),
    }
}

fn text(context: &Context, view: &SessionsView, now: jiff::Timestamp) -> String {
    let zone = &context.zone;
    let user = &view.user;
    let mut about = vec![if view.sessions.is_empty() && !user.flagged {
        "not signed in".to_owned()
    } else {
        let style = state_style(user.state);
        format!("{style}{}{style:#}", state(user.state))
    }];
    match user.last_seen {
        Some(at) => about.push(format!(
            "last seen {} ({} ago)",
            moment(at, now, zone),
            span(u64::try_from(now.duration_since(at).as_secs()).unwrap_or(0))
        )),
        None => about.push("nothing says when they were last here".into()),
    }
    if !role(user).is_empty() {
        about.push(role(user));
    }
    if user.flagged {
        about.push("flagged as here".into());
    }
    for remark in [&user.fault, &user.exempt].into_iter().flatten() {
        about.push(clean(remark).into_owned());
    }
    let bold = Style::new().bold();
    let mut text = format!(
        "{bold}{}{bold:#} (id {}): {}\n",
        clean(&user.username),
        clean(&user.id),
        about.join(", ")
    );
    for evidence in &view.evidence {
        let at = evidence
            .at
            .map_or_else(|| "never".into(), |at| moment(at, now, zone));
        let decides = if evidence.decides { ", decides" } else { "" };
        text.push_str(&format!("  {}: {at}{decides}\n", clean(&evidence.label)));
    }
    if let Some(tokens) = view.tokens.as_ref().filter(|t| !t.detail.is_empty()) {
        text.push_str(&format!("  {}\n", clean(&tokens.detail)));
    }
    if view.sessions.is_empty() {
        text.push_str("No sessions.\n");
        return text;
    }
    // Only some session tables say where from and by what.
    let from = view.sessions.iter().any(|s| s.ip.is_some());
    let by = view.sessions.iter().any(|s| s.device.is_some());
    let acting = view.sessions.iter().any(|s| s.impersonator.is_some());
    let mut columns = vec![
        column("FINGERPRINT"),
        column("LAST SAVED"),
        column("EXPIRES"),
    ];
    if from {
        columns.push(column("ADDRESS"));
    }
    if by {
        columns.push(column("DEVICE").spare(1));
    }
    if acting {
        columns.push(column("IMPERSONATION"));
    }
    columns.extend([
        column("HOW").spare(3),
        column("SIGNATURE").spare(2),
        column("USABLE"),
    ]);
    let mut table = Table::new(columns);
    for session in &view.sessions {
        let style = if session.usable {
            Style::new()
        } else {
            Style::new().dimmed()
        };
        let mut cells = vec![
            session.fingerprint.clone(),
            session
                .last_saved
                .map_or_else(|| "?".into(), |at| moment(at, now, zone)),
            expires(session, now, zone),
        ];
        if from {
            cells.push(session.ip.clone().unwrap_or_default());
        }
        if by {
            cells.push(session.device.clone().unwrap_or_default());
        }
        if acting {
            cells.push(impersonation(session));
        }
        cells.extend([
            expiry(session.expiry).into(),
            signature(session.signature).into(),
            usable(session),
        ]);
        table.row(style, cells);
    }
    text.push('\n');
    text.push_str(&table.render(context.output.width()));
    text
}

/// A file's age never runs out, nor does a date at the end of all time.
fn expires(session: &SessionView, now: jiff::Timestamp, zone: &jiff::tz::TimeZone) -> String {
    if session.expires == jiff::Timestamp::MAX {
        return "never".into();
    }
    moment(session.expires, now, zone)
}

fn expiry(kind: ExpiryKind) -> &'static str {
    match kind {
        ExpiryKind::Age => "by age",
        ExpiryKind::BrowserClose => "with the browser",
        ExpiryKind::Fixed => "at a fixed time",
    }
}

fn signature(signature: Signature) -> &'static str {
    match signature {
        Signature::Verified => "verified",
        Signature::Invalid => "invalid",
        Signature::Unchecked => "not checked",
    }
}

/// `root as ben`; empty for a session that is its user's own.
fn impersonation(session: &SessionView) -> String {
    match (&session.impersonator, &session.acts_as) {
        (Some(who), Some(whom)) => format!("{who} as {whom}"),
        _ => String::new(),
    }
}

fn usable(session: &SessionView) -> String {
    match (session.usable, &session.why, session.readable) {
        (true, _, _) => "yes".into(),
        (false, Some(why), _) => format!("no: {why}"),
        (false, None, false) => "no: unreadable".into(),
        (false, None, true) => "no".into(),
    }
}

/// A mark for "as it should be" and its contrary.
pub fn good(good: bool) -> Style {
    if good {
        AnsiColor::Green.on_default()
    } else {
        AnsiColor::Red.on_default()
    }
}

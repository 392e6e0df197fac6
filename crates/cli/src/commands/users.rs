//! `curfew users`: who is signed in, or flagged as here.

use std::collections::BTreeSet;

use anstyle::{AnsiColor, Style};
use curfew_engine::view::{Counts, Evidence, Filter, Query, ReasonCode, State, UserView};

use crate::args::UsersArgs;
use crate::context::{Context, now};
use crate::failure::{Failure, Status};
use crate::output::quiet;
use crate::table::{Table, column};
use crate::words::{clean, count, moment, span, stamp};

pub async fn run(context: &Context, args: UsersArgs) -> Result<Status, Failure> {
    let site = context.look().await?;
    let doubts = site.doubts("a user").await;
    let query = query(&args);
    if context.output.is_json() {
        context.output.document(&site.users_view(&query))?;
        return Ok(Status::Done);
    }
    let page = site.users(&query);
    let view = site.view();
    let now = view.db_time.unwrap_or_else(now);
    let mut text = String::new();
    if !page.rows.is_empty() {
        let mut table = Table::new(vec![
            column("STATE"),
            column("USERNAME"),
            column("EMAIL").spare(3),
            column("LAST SEEN").spare(1),
            column("IDLE").right(),
            column("SESSIONS").right(),
            column("ROLE").spare(2),
            column("EVIDENCE").spare(4),
        ]);
        for user in &page.rows {
            table.row(
                state_style(user.state),
                vec![
                    state(user.state).into(),
                    user.username.clone(),
                    user.email.clone().unwrap_or_default(),
                    user.last_seen
                        .map(|at| moment(at, now, &context.zone))
                        .unwrap_or_default(),
                    idle(user),
                    user.sessions.to_string(),
                    role(user),
                    note(user),
                ],
            );
        }
        text.push_str(&table.render(context.output.width()));
        text.push('\n');
    }
    for pair in impersonations(&page.rows) {
        text.push_str(&format!("Impersonation: {}.\n", clean(&pair)));
    }
    let shown = u32::try_from(page.rows.len()).unwrap_or(u32::MAX);
    if shown < page.total {
        text.push_str(&format!("{shown} of {} shown. ", page.total));
    } else if shown == 0 && (query.filter != Filter::Everyone || !query.search.is_empty()) {
        text.push_str("Nobody matches. ");
    }
    text.push_str(&summary(&view.counts));
    text.push('\n');
    // Sessions that cannot be read are in the summary already.
    for doubt in doubts.iter().filter(|d| d.code != ReasonCode::Unattributed) {
        text.push_str(&clean(&doubt.detail));
        text.push('\n');
    }
    let clock = view.db_time.map_or_else(String::new, |at| {
        format!(", {} by the database's clock", stamp(at, &context.zone))
    });
    let mode = if view.armed { "" } else { ", view-only" };
    text.push_str(&quiet(&format!("{}{clock}{mode}", view.name)));
    text.push('\n');
    context.output.text(&text)?;
    context.notes(&site);
    Ok(Status::Done)
}

/// `root as ben`, once for each pair among these users.
fn impersonations(users: &[UserView]) -> BTreeSet<String> {
    let mut pairs = BTreeSet::new();
    for user in users {
        let name = &user.username;
        pairs.extend(
            user.impersonators
                .iter()
                .map(|who| format!("{who} as {name}")),
        );
        pairs.extend(user.acts_as.iter().map(|whom| format!("{name} as {whom}")));
    }
    pairs
}

fn query(args: &UsersArgs) -> Query {
    let order = args.sort;
    Query {
        filter: args.state.map_or(Filter::Everyone, Filter::from),
        search: args.search.clone().unwrap_or_default(),
        sort: order.map_or_else(Default::default, |order| order.column),
        descending: args.desc || order.is_some_and(|order| order.descending),
        offset: 0,
        limit: args.limit.unwrap_or(u32::MAX),
    }
}

pub fn state(state: State) -> &'static str {
    match state {
        State::Active => "active",
        State::Idle => "idle",
        State::Overdue => "overdue",
        State::Stale => "stale",
        State::Unknown => "unknown",
    }
}

pub fn state_style(state: State) -> Style {
    match state {
        State::Active => AnsiColor::Green.on_default(),
        State::Idle => AnsiColor::Yellow.on_default(),
        State::Overdue => AnsiColor::Red.on_default(),
        State::Stale | State::Unknown => Style::new().dimmed(),
    }
}

pub fn evidence(evidence: Evidence) -> &'static str {
    match evidence {
        Evidence::LastActivity => "last activity",
        Evidence::LastLogin => "last login",
        Evidence::SessionSave => "session save",
        Evidence::ObservedChange => "observed change",
    }
}

pub fn idle(user: &UserView) -> String {
    user.idle_seconds
        .map_or_else(|| "?".into(), |seconds| span(u64::from(seconds)))
}

pub fn role(user: &UserView) -> String {
    let role = match (user.superuser, user.staff) {
        (true, _) => "superuser",
        (false, true) => "staff",
        (false, false) => "",
    };
    match (user.enabled, role) {
        (true, role) => role.into(),
        (false, "") => "disabled".into(),
        (false, role) => format!("{role}, disabled"),
    }
}

/// What decided, and what is odd about it.
fn note(user: &UserView) -> String {
    let decided = user.evidence.map_or("none", evidence);
    let acts_as = user.acts_as.join(", ");
    let acts_as = (!acts_as.is_empty()).then(|| format!("as {acts_as}"));
    [Some(decided), user.fault.as_deref(), acts_as.as_deref()]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join("; ")
}

fn summary(counts: &Counts) -> String {
    let mut parts = vec![format!(
        "{} signed in: {} active, {} idle, {} overdue",
        counts.signed_in, counts.active, counts.idle, counts.overdue
    )];
    if counts.unknown > 0 {
        parts.push(format!("{} unknown", counts.unknown));
    }
    let mut text = parts.join(", ");
    if counts.stale > 0 {
        text.push_str(&format!("; {} stale", counts.stale));
    }
    text.push_str(&format!(
        ". {}",
        count(counts.sessions, "session", "sessions")
    ));
    for (n, what) in [
        (counts.anonymous_sessions, "anonymous"),
        (counts.unreadable_sessions, "unreadable"),
        (counts.rejected_sessions, "that Django would not accept"),
    ] {
        if n > 0 {
            text.push_str(&format!(", {n} {what}"));
        }
    }
    text.push('.');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_names_only_what_is_there() {
        let mut counts = Counts {
            signed_in: 9,
            active: 5,
            idle: 3,
            overdue: 1,
            sessions: 12,
            ..Counts::default()
        };
        assert_eq!(
            summary(&counts),
            "9 signed in: 5 active, 3 idle, 1 overdue. 12 sessions."
        );
        counts.stale = 2;
        counts.anonymous_sessions = 4;
        counts.unreadable_sessions = 1;
        assert_eq!(
            summary(&counts),
            "9 signed in: 5 active, 3 idle, 1 overdue; 2 stale. 12 sessions, 4 anonymous, 1 unreadable."
        );
    }

    #[test]
    fn both_ways_of_reversing_reverse() {
        let reversed = |line: &str| {
            use clap::Parser;
            let cli = crate::args::Cli::try_parse_from(line.split_whitespace());
            match cli.map(|cli| cli.command) {
                Ok(crate::args::Command::Users(args)) => query(&args).descending,
                other => unreachable!("{other:?}"),
            }
        };
        assert!(!reversed("curfew users --sort email"));
        assert!(reversed("curfew users --sort -email"));
        assert!(reversed("curfew users --sort email --desc"));
        assert!(reversed("curfew users --desc"));
    }
}

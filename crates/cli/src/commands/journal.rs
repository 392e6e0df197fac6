//! `curfew journal`: what was done from here, by whom, and how it ended. Needs no site.

use std::collections::HashSet;

use anstyle::Style;
use curfew_engine::config::Config;
use curfew_engine::error::Code;
use curfew_engine::journal;
use curfew_engine::view::{Deed, Entry, JournalView, Phase};

use super::sessions::good;
use crate::args::JournalArgs;
use crate::context::{Context, now};
use crate::failure::{Failure, Status};
use crate::output::quiet;
use crate::table::{Table, column};
use crate::words::{clean, count, moment};

/// How many deeds people are shown who did not say how many.
const SHOWN: usize = 50;
const BROKEN: &str = "its chain of hashes breaks";

pub fn run(context: &Context, args: &JournalArgs) -> Result<Status, Failure> {
    let mut view = journal::read(&context.env.state_dir, usize::MAX).map_err(|error| Failure {
        // Nothing was refused: there was only something to read.
        status: Status::Failed,
        ..Failure::from(error)
    })?;
    let all = view.entries.len();
    let site = site(context, &view)?;
    if let Some(site) = &site {
        view.entries.retain(|entry| entry.site == *site);
    }
    let limit = args.limit.and_then(|n| usize::try_from(n).ok());
    if context.output.is_json() {
        view.entries.truncate(limit.unwrap_or(usize::MAX));
        context.output.document(&view)?;
    } else if args.verify {
        context.output.text(&verdict(&view, all))?;
    } else if view.entries.is_empty() {
        let of = site.map_or_else(String::new, |site| format!(" of {}", clean(&site)));
        context
            .output
            .text(&format!("The journal has no entries{of} yet.\n"))?;
    } else {
        context
            .output
            .text(&text(context, &view.entries, limit.unwrap_or(SHOWN)))?;
    }
    match &view.fault {
        None if view.intact => {}
        _ if args.verify => context.output.shortfall(
            "the journal was changed by hand or damaged; keep a copy of it and find out why",
        ),
        fault => context.output.remark(&format!(
            "note: the journal is not intact: {}",
            fault.as_deref().unwrap_or(BROKEN)
        )),
    }
    Ok(if args.verify && !view.intact {
        Status::Failed
    } else {
        Status::Done
    })
}

/// The name of the site that was asked for, as the journal has it. A site that is no longer configured
/// still has its entries.
fn site(context: &Context, view: &JournalView) -> Result<Option<String>, Failure> {
    let Some(named) = context.named() else {
        return Ok(None);
    };
    match Config::load(&context.env).and_then(|config| config.pick(Some(named))) {
        Ok(site) => Ok(Some(site.name)),
        Err(error) if error.code == Code::NoSite => {
            if view.entries.iter().any(|entry| entry.site == named) {
                Ok(Some(named.to_owned()))
            } else {
                Err(error.into())
            }
        }
        Err(error) => Err(error.into()),
    }
}

fn verdict(view: &JournalView, all: usize) -> String {
    let style = good(view.intact);
    let entries = count(u32::try_from(all).unwrap_or(u32::MAX), "entry", "entries");
    match &view.fault {
        None if view.intact => format!("{style}intact{style:#}: {entries}\n"),
        fault => format!(
            "{style}not intact{style:#}: {}\n",
            clean(fault.as_deref().unwrap_or(BROKEN))
        ),
    }
}

/// One row a deed: an intent is shown only where its outcome is missing, and of two outcomes, of a logout that was
/// followed, the last.
fn text(context: &Context, entries: &[Entry], limit: usize) -> String {
    let ended: HashSet<&str> = entries
        .iter()
        .filter(|entry| entry.phase == Phase::Outcome)
        .map(|entry| entry.id.as_str())
        .collect();
    let mut told: HashSet<&str> = HashSet::new();
    let deeds: Vec<&Entry> = entries
        .iter()
        .filter(|entry| match entry.phase {
            // The newest come first.
            Phase::Outcome => told.insert(entry.id.as_str()),
            Phase::Intent => !ended.contains(entry.id.as_str()),
        })
        .collect();
    let mut table = Table::new(vec![
        column("TIME"),
        column("SITE").spare(2),
        column("OPERATOR").spare(3),
        column("WHAT"),
        column("WHO"),
        column("SESSIONS").right().spare(4),
        column("OUTCOME").spare(1),
        column("REASON").spare(5),
    ]);
    for entry in deeds.iter().take(limit) {
        table.row(
            Style::new(),
            vec![
                moment(entry.at, now(), &context.zone),
                entry.site.clone(),
                entry.operator.clone(),
                match entry.deed {
                    Deed::Sweep => "sweep".into(),
                    Deed::Logout => "logout".into(),
                    Deed::Suspend => "suspend".into(),
                    Deed::Allow => "allow".into(),
                },
                who(entry),
                entry
                    .sessions_deleted
                    .map_or_else(|| "?".into(), |n| n.to_string()),
                match entry.phase {
                    Phase::Outcome => entry.outcome.clone().unwrap_or_default(),
                    Phase::Intent => "no outcome was recorded".into(),
                },
                entry.reason.clone().unwrap_or_default(),
            ],
        );
    }
    let mut text = table.render(context.output.width());
    if deeds.len() > limit {
        text.push_str(&quiet(&format!(
            "{} older: --limit N shows more",
            deeds.len() - limit
        )));
        text.push('\n');
    }
    text
}

fn who(entry: &Entry) -> String {
    const NAMED: usize = 3;
    let names: Vec<&str> = entry
        .users
        .iter()
        .take(NAMED)
        .map(|user| user.username.as_str())
        .collect();
    match entry.users.len() {
        0 => "nobody".into(),
        n if n > NAMED => format!("{} and {} more", names.join(", "), n - NAMED),
        _ => names.join(", "),
    }
}

//! `curfew journal`: what was done from here, by whom, and how it ended. Needs no site.

use std::cell::RefCell;
use std::collections::HashSet;
use std::path::Path;

use anstyle::Style;
use curfew_engine::config::Config;
use curfew_engine::error::{Code, Error};
use curfew_engine::journal::{self, Heads, Verdict};
use curfew_engine::view::{Deed, Entry, Phase};
use serde::ser::{Serialize, SerializeSeq, SerializeStruct, Serializer};

use super::sessions::good;
use crate::args::JournalArgs;
use crate::context::{Context, now};
use crate::failure::{Failure, Status};
use crate::output::quiet;
use crate::table::{Table, column};
use crate::words::{clean, count, moment};

/// How many deeds people are shown who did not say how many.
const SHOWN: usize = 50;
/// Entries that one deed can have: an intent, an interim outcome, an outcome.
const PER_DEED: usize = 3;

pub fn run(context: &Context, args: &JournalArgs) -> Result<Status, Failure> {
    let dir = context.env.state_dir.as_path();
    let heads = match &args.against {
        Some(file) => Some(Heads::read(file)?),
        None => None,
    };
    let verdict = journal::verify(dir, heads.as_ref()).map_err(unread)?;
    let intact = verdict.fault.is_none();
    let site = site(context, dir)?;
    let limit = args.limit.and_then(|n| usize::try_from(n).ok());
    if context.output.is_json() {
        let document = Document {
            dir,
            site: site.as_deref(),
            limit: limit.unwrap_or(usize::MAX),
            verdict: &verdict,
            failed: RefCell::new(None),
        };
        context.output.stream(&document)?;
        if let Some(error) = document.failed.into_inner() {
            return Err(unread(error));
        }
    } else if args.verify {
        context.output.text(&verdict_text(&verdict))?;
    } else {
        show(context, dir, site.as_deref(), limit.unwrap_or(SHOWN))?;
    }
    match &verdict.fault {
        None => {}
        Some(_) if args.verify => context.output.shortfall(
            "the journal was changed by hand or damaged; keep a copy of it and find out why",
        ),
        Some(fault) => context
            .output
            .remark(&format!("note: the journal is not intact: {fault}")),
    }
    Ok(if args.verify && !intact {
        Status::Failed
    } else {
        Status::Done
    })
}

fn unread(error: Error) -> Failure {
    Failure {
        // Nothing was refused: there was only something to read.
        status: Status::Failed,
        ..Failure::from(error)
    }
}

/// The name of the site that was asked for, as the journal has it. A site that is no longer configured
/// still has its entries.
fn site(context: &Context, dir: &Path) -> Result<Option<String>, Failure> {
    let Some(named) = context.named() else {
        return Ok(None);
    };
    match Config::load(&context.env).and_then(|config| config.pick(Some(named))) {
        Ok(site) => Ok(Some(site.name)),
        Err(error) if error.code == Code::NoSite => {
            let mut known = false;
            journal::newest(dir, |entry| {
                known = entry.site == named;
                !known
            })
            .map_err(unread)?;
            if known {
                Ok(Some(named.to_owned()))
            } else {
                Err(error.into())
            }
        }
        Err(error) => Err(error.into()),
    }
}

/// The document of `curfew journal`. Its entries are read while they are written, so that a journal of any length
/// needs no more memory than its longest line.
struct Document<'a> {
    dir: &'a Path,
    site: Option<&'a str>,
    limit: usize,
    verdict: &'a Verdict,
    /// Why the entries could not be read.
    failed: RefCell<Option<Error>>,
}

impl Serialize for Document<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut document = to.serialize_struct("Journal", 3)?;
        document.serialize_field("entries", &Entries(self))?;
        document.serialize_field("intact", &self.verdict.fault.is_none())?;
        document.serialize_field("fault", &self.verdict.fault)?;
        document.end()
    }
}

struct Entries<'a>(&'a Document<'a>);

impl Serialize for Entries<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let Document {
            dir,
            site,
            limit,
            failed,
            ..
        } = self.0;
        let mut entries = to.serialize_seq(None)?;
        let mut ended = Ok(());
        let mut given = 0;
        let read = journal::newest(dir, |entry| {
            if given == *limit {
                return false;
            }
            if site.is_none_or(|site| entry.site == site) {
                given += 1;
                ended = entries.serialize_element(&entry);
            }
            ended.is_ok() && given < *limit
        });
        ended?;
        if let Err(error) = read {
            *failed.borrow_mut() = Some(error);
        }
        entries.end()
    }
}

fn verdict_text(verdict: &Verdict) -> String {
    let style = good(verdict.fault.is_none());
    let entries = count(
        u32::try_from(verdict.entries).unwrap_or(u32::MAX),
        "entry",
        "entries",
    );
    match &verdict.fault {
        None => format!("{style}intact{style:#}: {entries}\n"),
        Some(fault) => format!("{style}not intact{style:#}: {}\n", clean(fault)),
    }
}

/// The newest deeds for people. Only their entries are kept.
fn show(context: &Context, dir: &Path, site: Option<&str>, limit: usize) -> Result<(), Failure> {
    let most = limit.saturating_mul(PER_DEED);
    let mut entries = Vec::new();
    let mut more = false;
    journal::newest(dir, |entry| {
        if site.is_none_or(|site| entry.site == site) {
            more = entries.len() == most;
            if !more {
                entries.push(entry);
            }
        }
        !more
    })
    .map_err(unread)?;
    let text = if entries.is_empty() && !more {
        let of = site.map_or_else(String::new, |site| format!(" of {}", clean(site)));
        format!("The journal has no entries{of} yet.\n")
    } else {
        text(context, &entries, limit, more)
    };
    context.output.text(&text).map(|_| ())
}

/// One row a deed: an intent is shown only where its outcome is missing, and of two outcomes, of a logout that was
/// followed, the last.
fn text(context: &Context, entries: &[Entry], limit: usize, more: bool) -> String {
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
    if more || deeds.len() > limit {
        text.push_str(&quiet("there are older ones: --limit N shows more"));
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
    if let Some(seq) = entry.users_as {
        return format!("as in entry {seq}");
    }
    match entry.users.len() {
        0 => "nobody".into(),
        n if n > NAMED => format!("{} and {} more", names.join(", "), n - NAMED),
        _ => names.join(", "),
    }
}

//! `curfew sweep`: everyone overdue out, once. With `--every` the headless timer takes over.

use anstyle::Style;
use curfew_engine::config::SiteConfig;
use curfew_engine::error::Error;
use curfew_engine::site::Site;
use curfew_engine::view::{ReasonCode, SweepReason, SweepReport};

use super::{WithJournal, every};
use crate::args::SweepArgs;
use crate::context::Context;
use crate::failure::{Failure, Status};
use crate::output::quiet;
use crate::stop::Stop;
use crate::table::{Table, column};
use crate::words::{clean, count, moment, setting, span};

pub async fn run(context: &Context, args: SweepArgs) -> Result<Status, Failure> {
    let config = config(context, &args).await?;
    if let Some(period) = args.every {
        return every::run(context, config, args, period).await;
    }
    let site = Site::open(config, &context.env).await?;
    let stop = Stop::listen()?;
    let deed = stop.early(&site, once(&site, &args));
    let report = match stop.through(context.output, deed).await? {
        Ok(report) => report,
        Err(error) => {
            // A webhook hears of a sweep that was held, too.
            context.close(&site).await;
            return Err(error.into());
        }
    };
    let journal = site.unrecorded().map(|error| error.message);
    if context.output.is_json() {
        let journal = journal.as_deref();
        context
            .output
            .document(&WithJournal::new(&report, journal))?;
    } else {
        context.output.text(&text(context, &report, args.force))?;
        context.notes(&site);
    }
    shortfalls(context, &report);
    if let Some(journal) = &journal {
        context.output.shortfall(journal);
    }
    context.close(&site).await;
    Ok(match journal {
        Some(_) => Status::Partly,
        None => status(&report),
    })
}

/// Why the sweep is not verified, and what to do, on standard error.
fn shortfalls(context: &Context, report: &SweepReport) {
    if status(report) != Status::Partly {
        return;
    }
    if report.doubts.is_empty() {
        context.output.shortfall(
            "not everything was seen to be gone: look with 'curfew users', then sweep again",
        );
    }
    for doubt in &report.doubts {
        context.output.shortfall(&clean(&doubt.detail));
    }
}

/// A preview or the deed, after a fresh look either way.
pub async fn once(site: &Site, args: &SweepArgs) -> Result<SweepReport, Error> {
    if args.dry_run {
        site.preview().await
    } else {
        site.sweep(args.force).await
    }
}

pub fn status(report: &SweepReport) -> Status {
    if report.dry_run || report.verified {
        Status::Done
    } else {
        Status::Partly
    }
}

/// The site with the durations that were typed in place of its own.
pub async fn config(context: &Context, args: &SweepArgs) -> Result<SiteConfig, Failure> {
    let mut config = context.config().await?;
    if args.activity_grain.is_some() {
        config.activity.activity_grain = args.activity_grain;
    }
    let policy = &mut config.policy;
    if let Some(idle_after) = args.idle_after {
        policy.idle_after = idle_after;
    }
    if let Some(sign_out_after) = args.sign_out_after {
        policy.sign_out_after = sign_out_after;
    }
    if policy.sign_out_after < policy.idle_after {
        return Err(Failure::usage(format!(
            "--sign-out-after {} is shorter than --idle-after {}: people are idle first and signed out later; give both, or a longer --sign-out-after",
            setting(policy.sign_out_after),
            setting(policy.idle_after)
        )));
    }
    policy.check()?;
    Ok(config)
}

/// What a sweep did, or would do, on one line without its time.
pub fn line(report: &SweepReport) -> String {
    let overdue = report
        .users
        .iter()
        .filter(|user| user.reason == SweepReason::Overdue)
        .count();
    let overdue = u32::try_from(overdue).unwrap_or(u32::MAX);
    let stale = u32::try_from(report.users.len()).unwrap_or(u32::MAX) - overdue;
    let (sign_out, clear) = if report.dry_run {
        ("would sign out", "would clear")
    } else {
        ("signed out", "cleared")
    };
    let sessions = if report.dry_run {
        report.users.iter().map(|user| user.sessions).sum()
    } else {
        report.sessions_deleted
    };
    let mut parts = Vec::new();
    if overdue > 0 {
        parts.push(format!(
            "{sign_out} {}, {}",
            count(overdue, "person", "people"),
            count(sessions, "session", "sessions")
        ));
    }
    if stale > 0 {
        parts.push(format!(
            "{clear} {}",
            count(stale, "stale flag", "stale flags")
        ));
    }
    if parts.is_empty() {
        let not_known = report
            .doubts
            .iter()
            .any(|doubt| doubt.code == ReasonCode::NotKnown);
        parts.push(match report.skipped.len() {
            _ if not_known => format!("it is not known who was signed out: {}", skipped(report)),
            0 => "nobody is overdue".into(),
            _ if report.dry_run => format!("would sign out nobody; skipped: {}", skipped(report)),
            _ => format!("signed out nobody; skipped: {}", skipped(report)),
        });
    }
    let verified = match (report.dry_run, report.verified, report.users.is_empty()) {
        (true, ..) | (false, true, true) => "",
        (false, true, false) => ", verified",
        (false, false, _) => ", not verified",
    };
    format!("{}{verified}.", parts.join("; "))
}

/// How many users were skipped, reason by reason.
fn skipped(report: &SweepReport) -> String {
    let mut reasons: Vec<(&str, u32)> = Vec::new();
    for skipped in &report.skipped {
        match reasons.iter_mut().find(|(why, _)| *why == skipped.why) {
            Some((_, count)) => *count += 1,
            None => reasons.push((&skipped.why, 1)),
        }
    }
    let parts = reasons
        .iter()
        .map(|(why, users)| format!("{} ({why})", count(*users, "overdue user", "overdue users")));
    parts.collect::<Vec<_>>().join(", ")
}

fn text(context: &Context, report: &SweepReport, force: bool) -> String {
    let bold = Style::new().bold();
    let mut text = format!(
        "{bold}{}{bold:#} {}\n",
        moment(report.at, report.at, &context.zone),
        line(report)
    );
    text.push_str(&quiet(&format!(
        "{}, last seen before {}",
        report.site,
        moment(report.cutoff, report.at, &context.zone)
    )));
    text.push('\n');
    if !report.users.is_empty() {
        let mut table = Table::new(vec![
            column("USERNAME"),
            column("IDLE").right(),
            column("REASON"),
            column("SESSIONS").right(),
        ]);
        for user in &report.users {
            table.row(
                Style::new(),
                vec![
                    user.username.clone(),
                    user.idle_seconds
                        .map_or_else(|| "?".into(), |seconds| span(u64::from(seconds))),
                    match user.reason {
                        SweepReason::Overdue => "overdue".into(),
                        SweepReason::Stale => "stale".into(),
                    },
                    user.sessions.to_string(),
                ],
            );
        }
        text.push('\n');
        text.push_str(&table.render(context.output.width()));
    }
    if !report.skipped.is_empty() {
        text.push('\n');
        for skipped in &report.skipped {
            text.push_str(&format!(
                "left alone: {}: {}\n",
                clean(&skipped.username),
                clean(&skipped.why)
            ));
        }
    }
    if let Some(held) = report.held.as_ref().filter(|_| !force) {
        text.push_str(&format!(
            "\nA real sweep would stop here: {}\n",
            clean(held)
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn report(dry_run: bool, verified: bool, reasons: &[&str]) -> SweepReport {
        let users: Vec<_> = reasons
            .iter()
            .map(|reason| {
                let sessions = u32::from(*reason == "overdue") * 2;
                serde_json::json!({"id": "1", "username": "ana", "idle_seconds": 2520,
                    "reason": reason, "sessions": sessions})
            })
            .collect();
        serde_json::from_value(serde_json::json!({
            "site": "shop", "dry_run": dry_run, "at": "2026-11-23T13:05:00Z",
            "cutoff": "2026-11-23T12:30:00Z", "users": users, "users_marked": reasons.len(),
            "sessions_deleted": if dry_run { 0 } else { 4 }, "skipped": [],
            "verified": verified, "doubts": [], "held": null
        }))
        .unwrap()
    }

    #[test]
    fn a_sweep_that_is_not_verified_is_not_done() {
        assert_eq!(status(&report(false, true, &["overdue"])) as u8, 0);
        assert_eq!(status(&report(false, false, &["overdue"])) as u8, 4);
        assert_eq!(status(&report(true, false, &["overdue"])) as u8, 0);
    }

    #[test]
    fn a_line_without_anybody_says_who_was_skipped_and_why() {
        let mut report = report(false, true, &[]);
        for (username, why) in [("ana", "exempt: staff"), ("ben", "busy"), ("cem", "busy")] {
            report.skipped.push(curfew_engine::view::Skipped {
                username: username.into(),
                why: why.into(),
                code: curfew_engine::view::SkipCode::Written,
            });
        }
        let rest = "nobody; skipped: 1 overdue user (exempt: staff), 2 overdue users (busy).";
        assert_eq!(line(&report), format!("signed out {rest}"));
        report.dry_run = true;
        assert_eq!(line(&report), format!("would sign out {rest}"));
    }

    #[test]
    fn the_line_says_how_many_of_what() {
        for (dry_run, verified, reasons, words) in [
            (false, true, &[][..], "nobody is overdue."),
            (
                false,
                true,
                &["overdue", "overdue"][..],
                "signed out 2 people, 4 sessions, verified.",
            ),
            (
                false,
                false,
                &["overdue", "stale"][..],
                "signed out 1 person, 4 sessions; cleared 1 stale flag, not verified.",
            ),
            (
                true,
                true,
                &["overdue", "stale", "stale"][..],
                "would sign out 1 person, 2 sessions; would clear 2 stale flags.",
            ),
        ] {
            assert_eq!(line(&report(dry_run, verified, reasons)), words);
        }
    }
}

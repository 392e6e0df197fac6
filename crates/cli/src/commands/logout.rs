//! `curfew logout USER`: one person, or one of their sessions, out now - and looked at again.

use curfew_engine::logout::How;
use curfew_engine::view::{LogoutReport, Outcome};

use super::sessions::good;
use crate::args::LogoutArgs;
use crate::context::Context;
use crate::failure::{Failure, Status};
use crate::stop::Stop;
use crate::words::clean;

pub async fn run(context: &Context, args: LogoutArgs) -> Result<Status, Failure> {
    let site = context.look().await?;
    let user = site.lookup(&args.user).await?;
    let how = How {
        reason: args.reason,
        ..How::default()
    };
    let deed = site.logout(&user.id, args.session.as_deref(), &how);
    let report = Stop::listen()?.through(context.output, deed).await??;
    if context.output.is_json() {
        context.output.document(&report)?;
    } else {
        context.output.text(&text(&report))?;
    }
    if let Some(advice) = advice(&report) {
        context.output.shortfall(&advice);
    }
    site.close().await;
    Ok(status(&report))
}

fn status(report: &LogoutReport) -> Status {
    match report.outcome {
        Outcome::SignedOut | Outcome::NothingToDo => Status::Done,
        Outcome::NotPossible => Status::Refused,
        Outcome::Unverified | Outcome::Partial => Status::Partly,
    }
}

/// The engine's own words.
fn text(report: &LogoutReport) -> String {
    let style = good(status(report) == Status::Done);
    format!("{style}{}{style:#}\n", clean(&report.detail))
}

/// What to do where it did not end well, for standard error.
fn advice(report: &LogoutReport) -> Option<String> {
    let name = &report.user.username;
    match status(report) {
        Status::Partly => Some(format!(
            "{name} may still be signed in: look with 'curfew sessions {name}', then log out again"
        )),
        Status::Refused => Some(format!(
            "{name} is still signed in: only a new password or a disabled account ends these sessions"
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn report(outcome: &str) -> LogoutReport {
        serde_json::from_value(serde_json::json!({
            "user": {
                "id": "3", "username": "ana", "email": null, "name": null, "state": "active",
                "last_activity": null, "last_seen": null, "evidence": null, "idle_seconds": null,
                "sessions": 0, "flagged": false, "staff": false, "superuser": false,
                "enabled": true, "exempt": null, "fault": null
            },
            "sessions_deleted": 2,
            "outcome": outcome,
            "verified": outcome == "signed_out",
            "flag_cleared": false,
            "detail": "2 sessions ended."
        }))
        .unwrap()
    }

    #[test]
    fn each_outcome_has_its_exit_status() {
        for (outcome, expected) in [
            ("signed_out", 0),
            ("nothing_to_do", 0),
            ("unverified", 4),
            ("partial", 4),
            ("not_possible", 3),
        ] {
            let report = report(outcome);
            assert_eq!(status(&report) as u8, expected, "{outcome}");
            assert_eq!(advice(&report).is_some(), expected != 0, "{outcome}");
        }
    }
}

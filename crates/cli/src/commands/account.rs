//! `curfew suspend USER` and `curfew allow USER`: the account switch, and the sessions with it.

use curfew_engine::logout::{Follow, How};
use curfew_engine::view::{AccountOutcome, AccountReport};

use super::WithJournal;
use super::sessions::good;
use crate::args::AccountArgs;
use crate::context::Context;
use crate::failure::{Failure, Status};
use crate::stop::Stop;
use crate::words::clean;

pub async fn run(context: &Context, args: AccountArgs, allow: bool) -> Result<Status, Failure> {
    let site = context.open().await?;
    let user = site.lookup(&args.user).await?;
    let how = How {
        reason: args.reason,
        follow: if args.wait { Follow::Wait } else { Follow::No },
        consent: args.yes,
        tokens: false,
    };
    let stop = Stop::listen()?;
    let report = match allow {
        true => {
            let deed = site.allow_again(&user.id, &how);
            stop.through(context.output, deed).await?
        }
        false => {
            let deed = site.suspend(&user.id, &how);
            stop.through(context.output, deed).await?
        }
    };
    let report = match report {
        Ok(report) => report,
        Err(error) => {
            context.close(&site).await;
            return Err(error.into());
        }
    };
    let journal = site.unrecorded().map(|error| error.message);
    let status = match journal {
        Some(_) => Status::Partly,
        None => status(&report),
    };
    if context.output.is_json() {
        let journal = journal.as_deref();
        context
            .output
            .document(&WithJournal::new(&report, journal))?;
    } else {
        let style = good(status == Status::Done);
        let mut text = format!("{style}{}{style:#}\n", clean(&report.detail));
        if let Some(tokens) = report.tokens.as_ref().filter(|t| !t.detail.is_empty()) {
            text.push_str(&format!("{}\n", clean(&tokens.detail)));
        }
        context.output.text(&text)?;
    }
    if let Some(journal) = &journal {
        context.output.shortfall(journal);
    }
    if let Some(advice) = advice(&report) {
        context.output.shortfall(&advice);
    }
    context.close(&site).await;
    Ok(status)
}

fn status(report: &AccountReport) -> Status {
    match report.outcome {
        AccountOutcome::Suspended | AccountOutcome::Allowed | AccountOutcome::NothingToDo => {
            Status::Done
        }
        AccountOutcome::NotPossible => Status::Refused,
        AccountOutcome::Unverified | AccountOutcome::Partial => Status::Partly,
    }
}

/// What to do where it did not end well, for standard error.
fn advice(report: &AccountReport) -> Option<String> {
    let name = &report.user.username;
    match (status(report), report.enabled) {
        (Status::Partly, true) => Some(format!(
            "{name} may sign in, and an old session may be left: look with 'curfew sessions {name}'"
        )),
        (Status::Partly, false) => Some(format!(
            "{name} is suspended, and sessions may be left: look with 'curfew sessions {name}', then try again"
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn each_outcome_has_its_exit_status() {
        for (outcome, expected) in [
            ("suspended", 0),
            ("allowed", 0),
            ("nothing_to_do", 0),
            ("unverified", 4),
            ("partial", 4),
            ("not_possible", 3),
        ] {
            let user = serde_json::to_value(curfew_engine::logout::nobody("3", "ana")).unwrap();
            let report: AccountReport = serde_json::from_value(serde_json::json!({
                "user": user, "enabled": false, "sessions_deleted": 2, "outcome": outcome,
                "verified": true, "flag_cleared": false, "detail": "Suspended."
            }))
            .unwrap();
            assert_eq!(status(&report) as u8, expected, "{outcome}");
            assert_eq!(advice(&report).is_some(), expected == 4, "{outcome}");
        }
    }
}

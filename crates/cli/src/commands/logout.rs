//! `curfew logout USER`: one person, or one of their sessions, out now - and looked at again.

use curfew_engine::site::Site;
use curfew_engine::view::{LogoutReport, Outcome};

use super::sessions::good;
use crate::args::LogoutArgs;
use crate::context::Context;
use crate::failure::{Failure, Status};
use crate::stop::Stop;
use crate::words::{clean, count};

pub async fn run(context: &Context, args: LogoutArgs) -> Result<Status, Failure> {
    let site = context.look().await?;
    let user = site.lookup(&args.user).await?;
    let session = args
        .session
        .map(|typed| whole_fingerprint(&site, &user.id, typed))
        .transpose()?;
    let deed = site.logout(&user.id, session.as_deref(), args.reason.as_deref());
    let report = Stop::listen()?.through(context.output, deed).await??;
    if context.output.is_json() {
        context.output.document(&report)?;
    } else {
        let left = left(&site, &report.user.id, session.as_deref());
        context.output.text(&text(&report, left))?;
    }
    if let Some(advice) = advice(&report) {
        context.output.shortfall(&advice);
    }
    site.close().await;
    Ok(status(&report))
}

/// The one fingerprint that begins as typed; the engine answers for those that no session has.
fn whole_fingerprint(site: &Site, id: &str, typed: String) -> Result<String, Failure> {
    let sessions = site
        .user(id)
        .map(|detail| detail.sessions)
        .unwrap_or_default();
    let known: Vec<&str> = sessions.iter().map(|s| s.fingerprint.as_str()).collect();
    pick(&known, typed)
}

fn pick(known: &[&str], typed: String) -> Result<String, Failure> {
    let fits: Vec<&str> = known
        .iter()
        .copied()
        .filter(|fingerprint| fingerprint.starts_with(&typed))
        .collect();
    match fits.as_slice() {
        [] => Ok(typed),
        [one] => Ok((*one).to_owned()),
        several => Err(Failure::usage(format!(
            "--session {typed} fits {}; give more digits",
            several.join(" and ")
        ))),
    }
}

fn status(report: &LogoutReport) -> Status {
    match report.outcome {
        Outcome::SignedOut | Outcome::NothingToDo => Status::Done,
        Outcome::NotPossible => Status::Refused,
        Outcome::Unverified | Outcome::Partial => Status::Partly,
    }
}

/// The engine's own words, and what stays: to end one session is not to sign someone out.
fn text(report: &LogoutReport, left: usize) -> String {
    let style = good(status(report) == Status::Done);
    let mut text = format!("{style}{}{style:#}\n", clean(&report.detail));
    if left > 0 {
        let left = u32::try_from(left).unwrap_or(u32::MAX);
        text.push_str(&format!(
            "{} is still signed in with {}.\n",
            clean(&report.user.username),
            count(left, "other session", "other sessions")
        ));
    }
    text
}

/// Usable sessions of someone of whom one session was ended.
fn left(site: &Site, id: &str, session: Option<&str>) -> usize {
    let Some(session) = session else { return 0 };
    site.user(id).map_or(0, |detail| {
        detail
            .sessions
            .iter()
            .filter(|other| other.usable && other.fingerprint != session)
            .count()
    })
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

    #[test]
    fn one_session_ended_is_not_everything_ended() {
        let report = report("signed_out");
        assert!(!text(&report, 0).contains("still"));
        let text = text(&report, 1);
        assert!(
            text.ends_with("ana is still signed in with 1 other session.\n"),
            "{text}"
        );
    }

    #[test]
    fn a_fingerprint_may_be_cut_as_long_as_it_is_one() {
        let known = ["3f9c0a1b2d4e", "3f9c77777777", "aaaa00000000"];
        assert_eq!(pick(&known, "aaaa".into()).unwrap(), "aaaa00000000");
        assert_eq!(pick(&known, "3f9c0".into()).unwrap(), "3f9c0a1b2d4e");
        assert_eq!(pick(&known, "bbbb".into()).unwrap(), "bbbb");
        let failure = pick(&known, "3f9c".into()).unwrap_err();
        assert_eq!(failure.status, Status::Usage);
        assert!(failure.message.contains("3f9c0a1b2d4e and 3f9c77777777"));
    }
}

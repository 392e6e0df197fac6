//! `curfew logout USER...`: people, or one session, out now - and looked at again.

use std::sync::Arc;

use curfew_engine::error::{Code, Error};
use curfew_engine::logout::{Follow, How, nobody};
use curfew_engine::site::Site;
use curfew_engine::view::{Doubt, LogoutReport, Outcome, ReasonCode, TokensView, UserView};
use serde::Serialize;

use super::WithJournal;
use super::sessions::good;
use crate::args::LogoutArgs;
use crate::context::Context;
use crate::failure::{Failure, Status};
use crate::stop::Stop;
use crate::words::clean;

/// The document of one logout; where it was not possible, with the error that says why.
#[derive(Serialize)]
struct Document<'a> {
    user: Option<&'a UserView>,
    #[serde(flatten)]
    report: Rest<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a Error>,
}

/// A report but for its user, who can be nobody.
#[derive(Serialize)]
struct Rest<'a> {
    sessions_deleted: u32,
    outcome: Outcome,
    verified: bool,
    flag_cleared: bool,
    following: bool,
    deed: &'a str,
    detail: &'a str,
    tokens: Option<&'a TokensView>,
    reason_code: ReasonCode,
    doubts: &'a [Doubt],
}

/// The document of several.
#[derive(Serialize)]
struct Several<'a> {
    logouts: Vec<Entry<'a>>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Entry<'a> {
    Ended(Document<'a>),
    Failed { named: &'a str, error: &'a Error },
}

/// How it went for one of those who were named.
struct Ended {
    named: String,
    answer: Result<LogoutReport, Error>,
    /// Why it could not be done, beside a report that says so.
    why: Option<Error>,
}

pub async fn run(context: &Context, args: LogoutArgs) -> Result<Status, Failure> {
    if args.session.is_some() && args.users.len() > 1 {
        return Err(Failure::usage(
            "a session belongs to one person: give one USER with --session",
        ));
    }
    let site = context.open().await?;
    let how = How {
        reason: args.reason.clone(),
        follow: if args.wait { Follow::Wait } else { Follow::No },
        consent: args.yes,
        tokens: args.tokens,
    };
    let deed = carry_out(&site, &args, &how);
    let ended = Stop::listen()?.through(context.output, deed).await?;
    let journal = site.unrecorded().map(|error| error.message);
    if let [one] = ended.as_slice()
        && let Err(error) = &one.answer
    {
        context.close(&site).await;
        return Err(error.clone().into());
    }
    say(context, &ended, args.wait, journal.as_deref())?;
    context.close(&site).await;
    Ok(match journal {
        Some(_) => Status::Partly,
        None => worst(&ended),
    })
}

async fn carry_out(site: &Arc<Site>, args: &LogoutArgs, how: &How) -> Vec<Ended> {
    if let (true, Some(fingerprint)) = (args.unreadable, &args.session) {
        let answer = site.logout_unreadable(fingerprint, how).await;
        let nobody = nobody("", "(unreadable)");
        return vec![ended("(unreadable)", nobody, answer)];
    }
    let mut found: Vec<(&str, Result<UserView, Error>)> = Vec::new();
    for named in &args.users {
        found.push((named, site.lookup(named).await));
    }
    let mut ids: Vec<String> = Vec::new();
    for (_, user) in &found {
        if let Ok(user) = user
            && !ids.contains(&user.id)
        {
            ids.push(user.id.clone());
        }
    }
    let answers = match (&args.session, ids.as_slice()) {
        (Some(fingerprint), [id]) => vec![site.logout(id, Some(fingerprint), how).await],
        _ => site.logout_many(&ids, how).await,
    };
    let mut all = Vec::with_capacity(found.len());
    let mut named_before: Vec<String> = Vec::new();
    for (named, user) in found {
        match user {
            Err(error) => all.push(Ended {
                named: named.to_owned(),
                answer: Err(error),
                why: None,
            }),
            Ok(user) if named_before.contains(&user.id) => {}
            Ok(user) => {
                let at = ids.iter().position(|id| *id == user.id);
                named_before.push(user.id.clone());
                if let Some(answer) = at.and_then(|at| answers.get(at)) {
                    all.push(ended(named, user, answer.clone()));
                }
            }
        }
    }
    all
}

/// That sessions cannot be ended here is an outcome for scripts, and the error says why.
fn ended(named: &str, user: UserView, answer: Result<LogoutReport, Error>) -> Ended {
    let named = named.to_owned();
    match answer {
        Err(error) if error.code == Code::NotPossible => Ended {
            named,
            answer: Ok(LogoutReport {
                user,
                sessions_deleted: 0,
                outcome: Outcome::NotPossible,
                verified: false,
                flag_cleared: false,
                following: false,
                deed: String::new(),
                detail: error.message.clone(),
                tokens: None,
                reason_code: ReasonCode::NotPossible,
                doubts: Vec::new(),
            }),
            why: Some(error),
        },
        answer => Ended {
            named,
            answer,
            why: None,
        },
    }
}

fn say(
    context: &Context,
    ended: &[Ended],
    waited: bool,
    journal: Option<&str>,
) -> Result<(), Failure> {
    if context.output.is_json() {
        let mut entries: Vec<Entry<'_>> = ended.iter().map(entry).collect();
        match (entries.len(), entries.pop()) {
            (1, Some(only)) => context.output.document(&WithJournal::new(&only, journal))?,
            (_, last) => {
                entries.extend(last);
                let several = Several { logouts: entries };
                context
                    .output
                    .document(&WithJournal::new(&several, journal))?
            }
        };
    } else {
        let text: String = ended
            .iter()
            .filter(|one| one.why.is_none())
            .filter_map(|one| one.answer.as_ref().ok())
            .map(text)
            .collect();
        context.output.text(&text)?;
    }
    if let Some(journal) = journal {
        context.output.shortfall(journal);
    }
    for one in ended {
        match (&one.answer, &one.why) {
            (Err(error), _) => context.output.shortfall(&format!("{}: {error}", one.named)),
            (Ok(_), Some(why)) => context.output.shortfall(&why.message),
            (Ok(report), None) => {
                if let Some(advice) = advice(report, waited) {
                    context.output.shortfall(&advice);
                }
            }
        }
    }
    Ok(())
}

fn entry(one: &Ended) -> Entry<'_> {
    match &one.answer {
        Ok(report) => Entry::Ended(Document {
            user: Some(&report.user).filter(|user| !user.id.is_empty()),
            report: Rest {
                sessions_deleted: report.sessions_deleted,
                outcome: report.outcome,
                verified: report.verified,
                flag_cleared: report.flag_cleared,
                following: report.following,
                deed: &report.deed,
                detail: &report.detail,
                tokens: report.tokens.as_ref(),
                reason_code: report.reason_code,
                doubts: &report.doubts,
            },
            error: one.why.as_ref(),
        }),
        Err(error) => Entry::Failed {
            named: &one.named,
            error,
        },
    }
}

/// The status of several: done in part where some were signed out and some were not, else the highest.
fn worst(ended: &[Ended]) -> Status {
    let statuses: Vec<Status> = ended
        .iter()
        .map(|one| match &one.answer {
            Ok(report) => status(report),
            Err(error) => Failure::from(error.clone()).status,
        })
        .collect();
    let done = |status: &Status| *status == Status::Done;
    if statuses.iter().any(done) && !statuses.iter().all(done) {
        return Status::Partly;
    }
    statuses
        .into_iter()
        .max_by_key(|status| *status as u8)
        .unwrap_or(Status::Done)
}

fn status(report: &LogoutReport) -> Status {
    let tokens_left = report
        .tokens
        .as_ref()
        .is_some_and(|tokens| !tokens.complete);
    match report.outcome {
        Outcome::SignedOut | Outcome::NothingToDo if tokens_left => Status::Partly,
        Outcome::SignedOut | Outcome::NothingToDo => Status::Done,
        Outcome::NotPossible => Status::Refused,
        Outcome::Unverified | Outcome::Partial => Status::Partly,
    }
}

/// The engine's own words.
fn text(report: &LogoutReport) -> String {
    let style = good(report.verified);
    let mut text = format!("{style}{}{style:#}\n", clean(&report.detail));
    if let Some(tokens) = report.tokens.as_ref().filter(|t| !t.detail.is_empty()) {
        let style = good(tokens.left == 0 && tokens.unchecked.is_empty());
        text.push_str(&format!("{style}{}{style:#}\n", clean(&tokens.detail)));
    }
    text
}

/// What to do where it did not end well, for standard error.
fn advice(report: &LogoutReport, waited: bool) -> Option<String> {
    let name = &report.user.username;
    if report.verified
        && let Some(tokens) = report.tokens.as_ref().filter(|tokens| tokens.left > 0)
    {
        return Some(match tokens.asked {
            true => format!(
                "{name} still has {} API tokens: revoke them on the site itself",
                tokens.left
            ),
            false => format!("to revoke the API tokens of {name}, log out again with --tokens"),
        });
    }
    match (report.outcome, status(report)) {
        // Each doubt says what to do.
        (Outcome::Unverified, _) if !report.doubts.is_empty() => None,
        (Outcome::Unverified, _) if report.reason_code == ReasonCode::SignedInAgain => {
            Some(format!(
                "{name} may still be signed in: look with 'curfew sessions {name}'; an account that signs in by itself has to be disabled"
            ))
        }
        (Outcome::Unverified, _) if !waited => Some(format!(
            "{name} may still be signed in: log out again with --wait, which looks for a minute"
        )),
        (_, Status::Partly) => Some(format!(
            "{name} may still be signed in: look with 'curfew sessions {name}', then log out again"
        )),
        (_, Status::Refused) => Some(format!(
            "{name} is still signed in: only a new password or a disabled account ends these sessions"
        )),
        _ => None,
    }
}

#[cfg(test)]
#[path = "logout_tests.rs"]
mod tests;

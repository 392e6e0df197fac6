//! Several logouts at once, as the window asks for them. What a logout is, the engine knows.

use std::sync::Arc;

use curfew_engine::error::{Code, Error, Result};
use curfew_engine::logout::{Follow, How, nobody};
use curfew_engine::site::Site;
use curfew_engine::view::{LogoutReport, Outcome, ReasonCode};

/// How a deed of the window is done: it answers after the first look, and an event tells how it ended.
pub fn how(reason: Option<String>, consent: bool, tokens: bool) -> How {
    How {
        reason,
        follow: Follow::Background,
        consent,
        tokens,
    }
}

/// Signs out each of `ids`. Fails only where nobody was signed out; else a failure is a report of its own.
pub async fn each(
    site: Arc<Site>,
    ids: Vec<String>,
    fingerprint: Option<String>,
    how: How,
) -> Result<Vec<LogoutReport>> {
    if fingerprint.is_some() && ids.len() != 1 {
        let text = "a session belongs to one person: name one id with a fingerprint";
        return Err(Error::new(Code::NoSession, text));
    }
    let answers = match &fingerprint {
        Some(fingerprint) => vec![site.logout(&ids[0], Some(fingerprint), &how).await],
        None => site.logout_many(&ids, &how).await,
    };
    let ended: Vec<(String, Result<LogoutReport>)> = ids.into_iter().zip(answers).collect();
    if let Some((_, Err(first))) = ended.first()
        && ended.iter().all(|(_, report)| report.is_err())
    {
        return Err(first.clone());
    }
    let mut reports = Vec::with_capacity(ended.len());
    for (id, report) in ended {
        reports.push(match report {
            Ok(report) => report,
            Err(error) => failed(&site, &id, error).await,
        });
    }
    Ok(reports)
}

/// The report of someone whose logout failed beside others that did not.
async fn failed(site: &Site, id: &str, error: Error) -> LogoutReport {
    let user = site.lookup(&format!("id:{id}")).await;
    LogoutReport {
        user: user.unwrap_or_else(|_| nobody(id, &format!("id:{id}"))),
        sessions_deleted: 0,
        outcome: Outcome::Unverified,
        verified: false,
        flag_cleared: false,
        following: false,
        deed: String::new(),
        detail: error.message,
        tokens: None,
        reason_code: ReasonCode::Failed,
        doubts: Vec::new(),
    }
}

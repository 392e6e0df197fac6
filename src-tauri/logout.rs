//! Several logouts at once, as the window asks for them. What a logout is, the engine knows.

use std::sync::Arc;

use curfew_engine::error::{Code, Error, Result};
use curfew_engine::site::Site;
use curfew_engine::view::{LogoutReport, Outcome, State, UserView};
use futures_util::{StreamExt, stream};

/// A logout takes about three seconds, nearly all of it waiting for the second look, so several run side by side.
const SIDE_BY_SIDE: usize = 16;

/// Signs out each of `ids`. Fails only where nobody was signed out; else a failure is a report of its own.
pub async fn each(
    site: Arc<Site>,
    ids: Vec<String>,
    fingerprint: Option<String>,
    reason: Option<String>,
) -> Result<Vec<LogoutReport>> {
    if fingerprint.is_some() && ids.len() != 1 {
        let text = "a session belongs to one person: name one id with a fingerprint";
        return Err(Error::new(Code::NoSession, text));
    }
    let ended: Vec<(String, Result<LogoutReport>)> = stream::iter(ids)
        .map(|id| {
            let (site, fingerprint, reason) = (&site, fingerprint.as_deref(), reason.as_deref());
            async move {
                let report = site.logout(&id, fingerprint, reason).await;
                (id, report)
            }
        })
        .buffered(SIDE_BY_SIDE)
        .collect()
        .await;
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
        user: user.unwrap_or_else(|_| unknown(id)),
        sessions_deleted: 0,
        outcome: Outcome::Unverified,
        verified: false,
        flag_cleared: false,
        detail: error.message,
    }
}

/// Someone of whom the site tells nothing but the id that the window had.
fn unknown(id: &str) -> UserView {
    UserView {
        id: id.to_owned(),
        username: format!("id:{id}"),
        email: None,
        name: None,
        state: State::Unknown,
        last_activity: None,
        last_seen: None,
        evidence: None,
        idle_seconds: None,
        sessions: 0,
        flagged: false,
        staff: false,
        superuser: false,
        enabled: false,
        exempt: None,
        fault: None,
    }
}

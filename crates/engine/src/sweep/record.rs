//! What a sweep leaves behind in words: its entries in the journal, its one line for events.

use std::collections::HashSet;

use super::Done;
use super::plan::Plan;
use crate::journal::Draft;
use crate::site::Site;
use crate::store::SessionKey;
use crate::view::{Deed, EntryUser, Phase, SweepReason, SweepReport, SweepSummary};

pub(super) fn summary(report: &SweepReport) -> SweepSummary {
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    SweepSummary {
        at: report.at,
        // Who was stale had left already: their flag alone was cleared.
        people: count(
            report
                .users
                .iter()
                .filter(|u| u.reason == SweepReason::Overdue)
                .count(),
        ),
        sessions: report.sessions_deleted,
        marked: report.users_marked,
        skipped: count(report.skipped.len()),
        verified: report.verified,
        held: None,
    }
}

pub(super) fn intent(site: &Site, plan: &Plan, id: &str) -> Draft {
    Draft {
        at: plan.at,
        operator: site.operator.clone(),
        site: site.name(),
        deed: Deed::Sweep,
        phase: Phase::Intent,
        id: id.to_string(),
        users: plan
            .taken
            .iter()
            .map(|t| EntryUser {
                id: t.id.to_string(),
                username: t.username.clone(),
                idle_seconds: t.idle_seconds,
                sessions: t.keys().map(SessionKey::fingerprint).collect(),
            })
            .collect(),
        reason: None,
        outcome: None,
        users_marked: None,
        sessions_deleted: None,
        verified: None,
    }
}

pub(super) fn outcome(
    site: &Site,
    plan: &Plan,
    done: &Done,
    report: &SweepReport,
    id: &str,
) -> Draft {
    let deleted: HashSet<&SessionKey> = done.deleted.iter().collect();
    let acted: HashSet<&str> = report.users.iter().map(|u| u.id.as_str()).collect();
    let text = match (&done.broken, &done.refused) {
        (Some(error), _) => format!("ended early: {}", error.message),
        (None, Some(error)) => format!("done in part: {}", error.message),
        (None, None) if report.verified => "signed out, verified".to_string(),
        (None, None) => "signed out, not verified".to_string(),
    };
    Draft {
        at: site.db_now().unwrap_or(plan.at),
        phase: Phase::Outcome,
        users: plan
            .taken
            .iter()
            .filter(|t| acted.contains(t.id.as_str()) || t.keys().any(|k| deleted.contains(k)))
            .map(|t| EntryUser {
                id: t.id.to_string(),
                username: t.username.clone(),
                idle_seconds: t.idle_seconds,
                sessions: t
                    .keys()
                    .filter(|k| deleted.contains(k))
                    .map(SessionKey::fingerprint)
                    .collect(),
            })
            .collect(),
        outcome: Some(text),
        users_marked: Some(report.users_marked),
        sessions_deleted: Some(report.sessions_deleted),
        verified: Some(report.verified),
        ..intent(site, plan, id)
    }
}

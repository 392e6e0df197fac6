//! What a sweep leaves behind in words: its entries in the journal, its one line for events.

use std::collections::HashSet;

use super::apply::Done;
use super::plan::{Plan, Taken};
use crate::journal::Draft;
use crate::site::Site;
use crate::store::{Hold, SessionKey};
use crate::view::{
    Deed, Doubt, EntryUser, Phase, SkipCode, SweepReason, SweepReport, SweepSummary,
};

/// Which of a plan's sessions went.
pub(super) enum Gone<'a> {
    /// As mostly, and then none is looked up.
    All,
    These(HashSet<&'a SessionKey>),
}

impl<'a> Gone<'a> {
    pub fn of(plan: &Plan, deleted: &'a [SessionKey]) -> Self {
        let these: HashSet<&SessionKey> = deleted.iter().collect();
        let planned: usize = plan.taken.iter().map(|taken| taken.sessions.len()).sum();
        match these.len() == planned {
            true => Self::All,
            false => Self::These(these),
        }
    }

    pub fn has(&self, key: &SessionKey) -> bool {
        match self {
            Self::All => true,
            Self::These(these) => these.contains(key),
        }
    }
}

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

/// The public code of what kept a user here.
pub(super) fn skip_code(hold: Hold) -> SkipCode {
    match hold {
        Hold::Exempt(_) => SkipCode::Exempt,
        Hold::SeenAgain => SkipCode::SeenAgain,
        Hold::CameBack => SkipCode::CameBack,
        Hold::Written => SkipCode::Written,
        Hold::Row => SkipCode::RowLocked,
        Hold::Table => SkipCode::TableLocked,
        Hold::File => SkipCode::FileLocked,
        Hold::Slow => SkipCode::Slow,
        Hold::Refused => SkipCode::Refused,
        Hold::Swallowed => SkipCode::DeleteSwallowed,
        Hold::Unsure => SkipCode::NotKnown,
    }
}

/// The doubt of a sweep that has no answer to its last statement. Its numbers count what is known.
pub(super) fn not_known(done: &Done) -> Option<Doubt> {
    let unsure = done.spared.values().filter(|hold| **hold == Hold::Unsure);
    let users = u32::try_from(unsure.count()).unwrap_or(u32::MAX);
    done.unsure.then(|| Doubt::not_known(users))
}

pub(super) fn intent(site: &Site, plan: &Plan, id: &str) -> Draft {
    let users = plan.taken.iter().map(|t| entry(t, |_| true)).collect();
    draft(site, plan, id, users)
}

/// What every entry of a sweep says.
fn draft(site: &Site, plan: &Plan, id: &str, users: Vec<EntryUser>) -> Draft {
    Draft {
        at: plan.at,
        operator: site.operator.clone(),
        site: site.name(),
        deed: Deed::Sweep,
        phase: Phase::Intent,
        id: id.to_string(),
        users,
        reason: None,
        outcome: None,
        users_marked: None,
        sessions_deleted: None,
        verified: None,
    }
}

/// A person, and some of their sessions.
fn entry(taken: &Taken, which: impl Fn(&SessionKey) -> bool) -> EntryUser {
    EntryUser {
        id: taken.id.to_string(),
        username: taken.username.clone(),
        idle_seconds: taken.idle_seconds,
        sessions: taken
            .keys()
            .filter(|key| which(key))
            .map(SessionKey::fingerprint)
            .collect(),
    }
}

pub(super) fn outcome(
    site: &Site,
    plan: &Plan,
    done: &Done,
    gone: &Gone<'_>,
    report: &SweepReport,
    id: &str,
) -> Draft {
    let acted: HashSet<&str> = report.users.iter().map(|u| u.id.as_str()).collect();
    let text = match (&done.broken, &done.refused) {
        (Some(error), _) if done.unsure => format!(
            "not known: no answer came to the last statement, so it is not known how many sessions were deleted ({} for certain): {}",
            report.sessions_deleted, error.message
        ),
        (Some(error), _) => format!("ended early: {}", error.message),
        (None, Some(error)) => format!("done in part: {}", error.message),
        (None, None) if report.verified => "signed out, verified".to_string(),
        (None, None) => "signed out, not verified".to_string(),
    };
    let gone = |key: &SessionKey| gone.has(key);
    // A number that may be too low is none.
    let known = |count: u32| (!done.unsure).then_some(count);
    let users = plan
        .taken
        .iter()
        .filter(|t| acted.contains(t.id.as_str()) || t.keys().any(gone))
        .map(|t| entry(t, gone))
        .collect();
    Draft {
        at: site.db_now().unwrap_or(plan.at),
        phase: Phase::Outcome,
        outcome: Some(text),
        users_marked: known(report.users_marked),
        sessions_deleted: known(report.sessions_deleted),
        verified: Some(report.verified),
        ..draft(site, plan, id, users)
    }
}

//! Who a sweep would take, why, and who it leaves alone. Pure: from a settled roster and the policy.

use jiff::Timestamp;

use crate::config::Policy;
use crate::error::{Code, Error, Result};
use crate::policy::{Rules, exemption};
use crate::roster::Roster;
use crate::store::{SessionKey, UserId};
use crate::view::{Skipped, State, SweepReason, SweepUser};

/// Below this many people no share is unusual.
const FEW: usize = 20;

/// One person that a sweep takes.
#[derive(Debug, Clone)]
pub struct Taken {
    pub id: UserId,
    pub username: String,
    pub idle_seconds: Option<u32>,
    pub reason: SweepReason,
    pub sessions: Vec<SessionKey>,
    /// Their newest evidence when the plan was made.
    pub seen: Option<Timestamp>,
}

impl Taken {
    pub fn view(&self, sessions: u32) -> SweepUser {
        SweepUser {
            id: self.id.to_string(),
            username: self.username.clone(),
            idle_seconds: self.idle_seconds,
            reason: self.reason,
            sessions,
        }
    }
}

/// A plan, made at the database's time `at`.
#[derive(Debug)]
pub struct Plan {
    pub at: Timestamp,
    pub cutoff: Timestamp,
    pub taken: Vec<Taken>,
    pub skipped: Vec<Skipped>,
    /// What must be consented to first.
    pub held: Option<Error>,
}

/// Makes the plan, longest idle first.
pub fn plan(roster: &Roster, at: Timestamp, rules: &Rules, policy: &Policy) -> Result<Plan> {
    let (verified, refused) = roster.signatures();
    if verified == 0 && refused > 0 {
        return Err(Error::new(
            Code::KeyDoubtful,
            format!(
                "none of {refused} sessions was made with the SECRET_KEY given, so it is probably not this site's; correct it (curfew doctor)"
            ),
        ));
    }
    let mut taken = Vec::new();
    let mut skipped = Vec::new();
    for (id, person) in roster.people() {
        let (Some(verdict), Some(row)) = (person.verdict, &person.row) else {
            continue;
        };
        let reason = match verdict.state {
            State::Overdue => SweepReason::Overdue,
            State::Stale => SweepReason::Stale,
            _ => continue,
        };
        if let Some(why) = exemption(&policy.exempt, &row.username, row.staff, row.superuser) {
            skipped.push(Skipped {
                username: row.username.clone(),
                why: why.into(),
            });
            continue;
        }
        taken.push(Taken {
            id: id.clone(),
            username: row.username.clone(),
            idle_seconds: verdict.idle_seconds,
            reason,
            sessions: person
                .keys()
                .iter()
                .filter(|_| reason == SweepReason::Overdue)
                .cloned()
                .collect(),
            seen: verdict.seen.map(|(at, _)| at),
        });
    }
    taken.sort_by(|a, b| {
        (b.idle_seconds, &a.username, &a.id).cmp(&(a.idle_seconds, &b.username, &b.id))
    });
    skipped.sort_by(|a, b| a.username.cmp(&b.username));
    let leaving = taken
        .iter()
        .filter(|t| t.reason == SweepReason::Overdue)
        .count();
    let signed_in = roster.counts().signed_in;
    let held = (leaving > FEW && leaving as f64 > policy.max_share * f64::from(signed_in)).then(
        || {
            Error::new(
                Code::TooMany,
                format!(
                    "this sweep would sign out {leaving} of {signed_in} people signed in, more than {:.0} %; look at the preview, then consent (--force)",
                    policy.max_share * 100.0
                ),
            )
        },
    );
    Ok(Plan {
        at,
        cutoff: rules.cutoff(at),
        taken,
        skipped,
        held,
    })
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;

//! Who a sweep would take, why, and who it leaves alone. Pure: from a settled roster and the policy.

use jiff::Timestamp;

use crate::config::{Exempt, Policy};
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
    /// Their sessions; of those whose date each save moves, with that date: while it stays, they are what they were.
    pub sessions: Vec<(SessionKey, Option<Timestamp>)>,
    /// Their newest evidence when the plan was made.
    pub seen: Option<Timestamp>,
    /// How many people the plan met before them: as the first look found them, which is about how the table lies.
    met: usize,
}

impl Taken {
    pub fn keys(&self) -> impl Iterator<Item = &SessionKey> {
        self.sessions.iter().map(|(key, _)| key)
    }

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
    /// Whom it leaves alone, whatever they do.
    pub exempt: Exempt,
    /// What must be consented to first.
    pub held: Option<Error>,
}

impl Plan {
    /// Those it takes, in batches of so many. Who lies together goes together: a batch then touches a few of the table's
    /// pages, and not one for each session.
    pub fn batches(&self, size: usize) -> Vec<Vec<&Taken>> {
        let mut all: Vec<&Taken> = self.taken.iter().collect();
        all.sort_by_key(|taken| taken.met);
        all.chunks(size).map(<[&Taken]>::to_vec).collect()
    }
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
    for person in roster.people() {
        let Some(state) = person.state().filter(|_| person.is_read()) else {
            continue;
        };
        let reason = match state {
            State::Overdue => SweepReason::Overdue,
            State::Stale => SweepReason::Stale,
            _ => continue,
        };
        if let Some(why) = exemption(
            &policy.exempt,
            person.username(),
            person.is_staff(),
            person.is_superuser(),
        ) {
            skipped.push(Skipped {
                username: person.username().to_string(),
                why: why.into(),
            });
            continue;
        }
        taken.push(Taken {
            id: person.id(),
            username: person.username().to_string(),
            idle_seconds: person.idle_seconds(at),
            reason,
            sessions: match reason {
                SweepReason::Overdue => roster.leaving(person, rules.cutoff(at)),
                SweepReason::Stale => Vec::new(),
            },
            seen: person.last_seen(),
            met: taken.len(),
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
        exempt: policy.exempt.clone(),
        held,
    })
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;

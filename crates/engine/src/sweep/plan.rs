//! Who a sweep would take, why, and who it leaves alone. Pure: from a settled roster and the policy.

use jiff::{SignedDuration, Timestamp};

use crate::config::{Exempt, Policy};
use crate::error::{Code, Error, Result};
use crate::evidence::{AGREE, both, later_save};
use crate::policy::{Rules, exemption};
use crate::roster::{Person, Roster};
use crate::store::{SessionKey, UserId};
use crate::view::{Counts, Evidence, SkipCode, Skipped, State, SweepReason, SweepUser};

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
    let cutoff = rules.cutoff(at);
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
        // Whoever was seen lately is here without a Django session, by a token for one: the flag is right.
        let seen = person.last_seen();
        let here = seen.is_some_and(|seen| seen >= cutoff);
        if reason == SweepReason::Stale && here {
            continue;
        }
        if let Some(why) = exemption(
            &policy.exempt,
            person.username(),
            person.is_staff(),
            person.is_superuser(),
        ) {
            skipped.push(Skipped {
                username: person.username().to_string(),
                why: why.into(),
                code: SkipCode::Exempt,
            });
            continue;
        }
        let as_others = roster.sessions_as_others(person);
        if reason == SweepReason::Overdue && person.usable() == 0 && as_others > 0 {
            skipped.push(Skipped {
                username: person.username().to_string(),
                why: "is only here as another user, and is swept with that user's sessions".into(),
                code: SkipCode::OnlyAsOther,
            });
            continue;
        }
        if let Some((who, why)) = impersonator_stays(roster, person, at, &policy.exempt) {
            skipped.push(Skipped {
                username: person.username().to_string(),
                why: format!("{who} acts as this user: {why}"),
                code: SkipCode::ActedAs,
            });
            continue;
        }
        // Rows may be hidden here. Such a user may be signed in, and the flag may be right.
        if reason == SweepReason::Overdue && person.usable() == 0 {
            skipped.push(Skipped {
                username: person.username().to_string(),
                why: "no session of this user can be seen".into(),
                code: SkipCode::NoSessionSeen,
            });
            continue;
        }
        if let Some(why) = held_back(person, rules) {
            skipped.push(Skipped {
                username: person.username().to_string(),
                why,
                code: SkipCode::Conflict,
            });
            continue;
        }
        if reason == SweepReason::Overdue
            && let Some(other) = roster.at_work_as(person, at, rules.cutoff(at))
        {
            skipped.push(Skipped {
                username: person.username().to_string(),
                why: format!("acts as {other}, who is not overdue"),
                code: SkipCode::ActsAs,
            });
            continue;
        }
        taken.push(Taken {
            id: person.id(),
            username: person.username().to_string(),
            idle_seconds: person.idle_seconds(at),
            reason,
            sessions: match reason {
                SweepReason::Overdue => roster.leaving(person, cutoff),
                SweepReason::Stale => Vec::new(),
            },
            seen,
            met: taken.len(),
        });
    }
    taken.sort_by(|a, b| {
        (b.idle_seconds, &a.username, &a.id).cmp(&(a.idle_seconds, &b.username, &b.id))
    });
    skipped.sort_by(|a, b| a.username.cmp(&b.username));
    let held = too_many(&taken, &roster.counts(), policy);
    Ok(Plan {
        at,
        cutoff,
        taken,
        skipped,
        exempt: policy.exempt.clone(),
        held,
    })
}

/// The exempt user who is at work in a session of this person, and why that user is exempt.
fn impersonator_stays<'a>(
    roster: &'a Roster,
    person: &Person,
    at: Timestamp,
    exempt: &Exempt,
) -> Option<(&'a str, &'static str)> {
    let all = roster.impersonators_of(person, at).into_iter();
    let mut exempt = all.filter_map(|who| {
        let (staff, superuser) = (who.is_staff(), who.is_superuser());
        let why = exemption(exempt, who.username(), staff, superuser)?;
        Some((who.username(), why))
    });
    exempt.next()
}

/// Why conflicting evidence keeps this user here, with both times.
///
/// A time in the future shows a wrong clock. A save that is newer than the activity column shows a request that the column
/// missed, and so it may have missed more since. Where each request saves its session, the saves miss nothing.
fn held_back(person: &Person, rules: &Rules) -> Option<String> {
    let activity = person.last_activity().map(|at| ("the activity column", at));
    let save = person.last_save().map(|at| ("a session's save", at));
    let login = person.last_login().map(|at| ("last_login", at));
    if let Some(fault) = person.fault() {
        let future = match fault {
            Evidence::LastActivity => activity,
            Evidence::LastLogin => login,
            Evidence::SessionSave | Evidence::ObservedChange => save,
        }?;
        let other = [activity, save, login].into_iter().flatten();
        let other = other
            .filter(|other| *other != future)
            .max_by_key(|(_, at)| *at);
        return Some(match other {
            Some(other) => both(future, other),
            None => format!("held back, because {} is in the future", future.0),
        });
    }
    let (activity, save) = activity.zip(save.filter(|_| later_save(person).is_some()))?;
    let missed = SignedDuration::try_from(rules.grain.saturating_add(AGREE)).ok()?;
    let conflict = !rules.saves_prove && save.1.duration_since(activity.1) > missed;
    conflict.then(|| both(activity, save))
}

/// The guard against unusual sweeps. A cleared flag counts like a sign-out, because the site takes both for a user who left.
fn too_many(taken: &[Taken], counts: &Counts, policy: &Policy) -> Option<Error> {
    let overdue = |t: &&Taken| t.reason == SweepReason::Overdue;
    let leaving = taken.iter().filter(overdue).count();
    let flags = taken.len() - leaving;
    let here = counts.signed_in.saturating_add(counts.stale);
    if taken.len() <= FEW || taken.len() as f64 <= policy.max_share * f64::from(here) {
        return None;
    }
    let signed_in = counts.signed_in;
    let what = match flags {
        0 => format!("sign out {leaving} of {signed_in} people signed in"),
        _ => format!(
            "sign out {leaving} of {signed_in} people signed in and clear the flag of {flags} more, {} of {here}",
            taken.len()
        ),
    };
    Some(Error::new(
        Code::TooMany,
        format!(
            "this sweep would {what}, more than {:.0} %; look at the preview, then consent (--force)",
            policy.max_share * 100.0
        ),
    ))
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;

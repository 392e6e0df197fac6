//! From evidence and the database's now to a state, and why. Pure: no store, no clock of its own.
//! No evidence proves nothing: unknown is not idle, and a time in the future is a fault, not activity.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::config::{Exempt, Policy};
use crate::view::{Evidence, State};

/// How far ahead of the database a site's own clock may run before its times count as faulty.
pub(crate) const AHEAD: SignedDuration = SignedDuration::from_secs(60);

/// What is known of one person.
#[derive(Debug, Clone, Copy, Default)]
pub struct Facts {
    pub last_activity: Option<Timestamp>,
    pub last_login: Option<Timestamp>,
    /// The newest save among their usable sessions.
    pub last_save: Option<Timestamp>,
    /// When a refresh last saw their activity, their last sign-in or a session's save move on.
    pub observed: Option<Timestamp>,
    pub flagged: bool,
    pub usable_sessions: u32,
}

/// What holds for the whole site.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    pub idle_after: Duration,
    pub sign_out_after: Duration,
    /// Each request saves its session, so a last save proves inactivity too.
    pub saves_prove: bool,
    /// The engine's sessions are all visible to Curfew, so that having none means something.
    pub all_visible: bool,
    /// How coarsely the evidence moves: within this span, activity may leave no trace.
    pub grain: Duration,
}

impl Rules {
    pub fn new(policy: &Policy, saves_prove: bool, all_visible: bool) -> Self {
        Self {
            idle_after: policy.idle_after,
            sign_out_after: policy.sign_out_after,
            saves_prove,
            all_visible,
            grain: Duration::ZERO,
        }
    }

    /// The same rules for evidence that moves this coarsely.
    #[must_use]
    pub fn with_grain(self, grain: Duration) -> Self {
        Self { grain, ..self }
    }

    /// How long after their last evidence a user is overdue: the policy's limit, stretched by the grain.
    pub fn limit(&self) -> Duration {
        self.sign_out_after.saturating_add(self.grain)
    }

    /// Whoever was last seen before this is overdue.
    pub fn cutoff(&self, now: Timestamp) -> Timestamp {
        SignedDuration::try_from(self.limit())
            .ok()
            .and_then(|d| now.checked_sub(d).ok())
            .unwrap_or(Timestamp::MIN)
    }
}

/// Where a person stands, and by what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    pub state: State,
    /// The newest evidence that can be trusted, and its source.
    pub seen: Option<(Timestamp, Evidence)>,
    /// Seconds since; none where the state is unknown.
    pub idle_seconds: Option<u32>,
    /// This source tells of the future.
    pub fault: Option<Evidence>,
}

/// Judges one person at the database's `now`. None: neither signed in nor flagged.
pub fn judge(facts: &Facts, now: Timestamp, rules: &Rules) -> Option<Verdict> {
    let signed_in = facts.usable_sessions > 0;
    if !signed_in && !facts.flagged {
        return None;
    }
    let horizon = now.checked_add(AHEAD).unwrap_or(Timestamp::MAX);
    let mut fault = None;
    let mut trusted = |at: Option<Timestamp>, source: Evidence| match at {
        Some(at) if at > horizon => {
            fault = fault.or(Some(source));
            None
        }
        Some(at) => Some((at, source)),
        None => None,
    };
    let activity = trusted(facts.last_activity, Evidence::LastActivity);
    let login = trusted(facts.last_login, Evidence::LastLogin);
    let save = trusted(facts.last_save, Evidence::SessionSave);
    // Of equal times the site's own column is named.
    let seen = [save, login, activity]
        .into_iter()
        .flatten()
        .max_by_key(|(at, _)| *at);
    let seen = observed(facts.observed.filter(|at| *at <= horizon), seen).or(seen);
    let idle = seen.map(|(at, _)| {
        let seconds = now.duration_since(at).as_secs().max(0);
        u32::try_from(seconds).unwrap_or(u32::MAX)
    });

    if !signed_in && rules.all_visible {
        return Some(Verdict {
            state: State::Stale,
            seen,
            idle_seconds: idle,
            fault,
        });
    }
    let proven = activity.is_some() || (rules.saves_prove && save.is_some());
    let (state, idle_seconds) = match (seen, idle) {
        (Some((at, _)), Some(seconds)) => {
            let since = now.duration_since(at);
            let past =
                |limit: Duration| SignedDuration::try_from(limit).is_ok_and(|limit| since > limit);
            let under =
                |limit: Duration| SignedDuration::try_from(limit).is_ok_and(|limit| since < limit);
            if under(rules.idle_after) {
                (State::Active, Some(seconds))
            } else if !proven {
                (State::Unknown, None)
            } else if past(rules.limit()) {
                (State::Overdue, Some(seconds))
            } else {
                (State::Idle, Some(seconds))
            }
        }
        _ => (State::Unknown, None),
    };
    Some(Verdict {
        state,
        seen,
        idle_seconds,
        fault,
    })
}

/// An observed change, where it is newer than what the timestamps say. A timestamp that agrees with the observation to a
/// minute is more exact, because a change is observed only at the next refresh.
fn observed(
    at: Option<Timestamp>,
    stamped: Option<(Timestamp, Evidence)>,
) -> Option<(Timestamp, Evidence)> {
    let at = at?;
    let newer = stamped.is_none_or(|(stamp, _)| at.duration_since(stamp) > AHEAD);
    newer.then_some((at, Evidence::ObservedChange))
}

/// Why a sweep leaves this person alone, where the policy says so.
pub fn exemption(
    exempt: &Exempt,
    username: &str,
    staff: bool,
    superuser: bool,
) -> Option<&'static str> {
    let named = |name: &String| exempt.compared.same(name, username);
    if exempt.own.as_ref().is_some_and(named) {
        Some("your own account")
    } else if exempt.usernames.iter().any(named) {
        Some("exempt by name")
    } else if exempt.superusers && superuser {
        Some("superusers are exempt")
    } else if exempt.staff && staff {
        Some("staff are exempt")
    } else {
        None
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const RULES: Rules = Rules {
        idle_after: Duration::from_secs(300),
        sign_out_after: Duration::from_secs(2100),
        saves_prove: false,
        all_visible: true,
        grain: Duration::ZERO,
    };

    fn now() -> Timestamp {
        "2026-11-23T12:00:00Z".parse().unwrap()
    }

    fn ago(seconds: i64) -> Option<Timestamp> {
        now().checked_sub(SignedDuration::from_secs(seconds)).ok()
    }

    fn here(last_activity: Option<Timestamp>) -> Facts {
        Facts {
            last_activity,
            usable_sessions: 1,
            flagged: true,
            ..Facts::default()
        }
    }

    fn state(facts: Facts) -> State {
        judge(&facts, now(), &RULES).unwrap().state
    }

    #[test]
    fn the_limits_are_exact() {
        assert_eq!(state(here(ago(299))), State::Active);
        assert_eq!(state(here(ago(300))), State::Idle);
        assert_eq!(state(here(ago(2100))), State::Idle);
        assert_eq!(state(here(ago(2101))), State::Overdue);
    }

    #[test]
    fn the_newest_evidence_decides() {
        let mut facts = here(ago(86_400 * 3));
        facts.last_login = ago(20);
        let verdict = judge(&facts, now(), &RULES).unwrap();
        assert_eq!(verdict.state, State::Active);
        assert_eq!(verdict.seen.unwrap().1, Evidence::LastLogin);
        assert_eq!(verdict.idle_seconds, Some(20));
    }

    #[test]
    fn null_is_not_idle_and_a_save_proves_nothing_by_itself() {
        assert_eq!(state(here(None)), State::Unknown);
        let facts = Facts {
            last_save: ago(86_400),
            last_login: ago(90_000),
            ..here(None)
        };
        assert_eq!(state(facts), State::Unknown);
        let saves = Rules {
            saves_prove: true,
            ..RULES
        };
        let verdict = judge(&facts, now(), &saves).unwrap();
        assert_eq!(verdict.state, State::Overdue);
        let recent = Facts {
            last_save: ago(10),
            ..facts
        };
        assert_eq!(state(recent), State::Active);
    }

    #[test]
    fn an_observed_change_is_evidence_whatever_the_timestamp_says() {
        let facts = Facts {
            observed: ago(20),
            ..here(ago(7_200))
        };
        let verdict = judge(&facts, now(), &RULES).unwrap();
        assert_eq!(verdict.state, State::Active);
        assert_eq!(verdict.seen.unwrap().1, Evidence::ObservedChange);
        // A timestamp that agrees names the moment itself.
        let facts = Facts {
            observed: ago(20),
            ..here(ago(75))
        };
        let verdict = judge(&facts, now(), &RULES).unwrap();
        assert_eq!(verdict.idle_seconds, Some(75));
        assert_eq!(verdict.seen.unwrap().1, Evidence::LastActivity);
        // Nobody is proven idle by an observation alone.
        let facts = Facts {
            observed: ago(9_000),
            ..here(None)
        };
        assert_eq!(state(facts), State::Unknown);
    }

    #[test]
    fn a_coarse_grain_stretches_the_limit() {
        let rules = RULES.with_grain(Duration::from_secs(3_600));
        let state = |seconds| judge(&here(ago(seconds)), now(), &rules).unwrap().state;
        assert_eq!(state(5_700), State::Idle);
        assert_eq!(state(5_701), State::Overdue);
        assert_eq!(Some(rules.cutoff(now())), ago(5_700));
    }

    #[test]
    fn the_future_is_a_fault() {
        let verdict = judge(&here(ago(-3600)), now(), &RULES).unwrap();
        assert_eq!(verdict.state, State::Unknown);
        assert_eq!(verdict.fault, Some(Evidence::LastActivity));
        // A site's clock a little ahead is activity all the same.
        assert_eq!(state(here(ago(-5))), State::Active);
    }

    #[test]
    fn stale_needs_the_flag_and_sight_of_all_sessions() {
        let facts = Facts {
            usable_sessions: 0,
            ..here(ago(10))
        };
        assert_eq!(state(facts), State::Stale);
        let blind = Rules {
            all_visible: false,
            ..RULES
        };
        assert_eq!(judge(&facts, now(), &blind).unwrap().state, State::Active);
        let gone = Facts {
            flagged: false,
            ..facts
        };
        assert_eq!(judge(&gone, now(), &RULES), None);
    }
}

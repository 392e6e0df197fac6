//! The pure rules, with numbers in hand. What a real site shows is in tests/outside/idle.rs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::grain::{Said, Steps, prove};
use super::skew::{self, Lag};
use super::survey::Survey;
use super::*;
use crate::roster::tests::{ago, now, roster, rules, seen, session};
use crate::store::{Sink, UserRow};
use jiff::SignedDuration;

const SAID: Said = Said {
    limit: Duration::from_secs(2_100),
    saves: false,
    grain: None,
};

/// A user of a survey: activity, last sign-in and last save, in seconds ago.
type Seen = (i64, i64, i64);

fn survey(users: &[Seen]) -> Survey {
    let mut roster = roster();
    for (n, (activity, login, save)) in users.iter().enumerate() {
        let id = n.to_string();
        roster.session(session(&format!("key {id}"), Some(&id), *save));
        roster.user(UserRow {
            last_login: Some(ago(*login)),
            ..seen(&id, &id, *activity)
        });
    }
    roster.settle(now(), &rules());
    Survey::of(&roster, None)
}

fn grain(said: Said, users: &[Seen], smallest: Option<u64>) -> Result<u64, Code> {
    let steps = Steps {
        smallest: smallest.map(Duration::from_secs),
        ..Steps::default()
    };
    prove(said, &survey(users), steps)
        .map(|grain| grain.as_secs())
        .map_err(|doubt| doubt.code)
}

#[test]
fn a_timestamp_alone_proves_no_grain() {
    // The only save of each is the one of the sign-in.
    assert_eq!(
        grain(SAID, &[(30, 3_630, 3_630), (7_203, 9_000, 9_000)], None),
        Err(Code::Learning)
    );
    assert_eq!(grain(SAID, &[], None), Err(Code::Learning));
}

#[test]
fn saves_that_move_with_the_column_prove_a_fine_grain() {
    let together = (7_203, 90_000, 7_195);
    assert_eq!(grain(SAID, &[together], None), Ok(0));
    // A save of another request, soon after a record that is made every ten minutes.
    let by_chance = (7_203, 90_000, 7_163);
    assert_eq!(grain(SAID, &[by_chance], None), Err(Code::Learning));
    assert_eq!(grain(SAID, &[together, by_chance], None), Ok(0));
    // A request that the column missed.
    let missed = (7_203, 90_000, 300);
    assert_eq!(grain(SAID, &[together, missed], None), Err(Code::Learning));
    let mut many = vec![(45, 90_000, 40); 10];
    many.push(missed);
    assert_eq!(grain(SAID, &many, None), Ok(0));
    many.push(missed);
    assert_eq!(grain(SAID, &many, None), Err(Code::Learning));
    // One agreement among many users may be chance.
    let mut apart = vec![(45, 90_000, 4_000); 20];
    apart.extend([together; 2]);
    assert_eq!(grain(SAID, &apart, None), Err(Code::Learning));
    apart.push(together);
    assert_eq!(grain(SAID, &apart, None), Ok(0));
}

#[test]
fn steps_prove_a_grain_and_a_coarse_one_stretches_the_limit() {
    let nobody = [(30, 3_630, 3_630)];
    assert_eq!(grain(SAID, &nobody, Some(5)), Ok(0));
    assert_eq!(grain(SAID, &nobody, Some(60)), Ok(0));
    assert_eq!(grain(SAID, &nobody, Some(1_800)), Ok(1_800));
    assert_eq!(grain(SAID, &nobody, Some(2_101)), Err(Code::Learning));
}

#[test]
fn many_exact_steps_are_the_grain_whatever_moves_together() {
    let together = [(7_203, 90_000, 7_203); 5];
    let steps = |count| Steps {
        smallest: Some(Duration::from_secs(1_200)),
        exact: Some(Duration::from_secs(1_200)),
        exact_count: count,
    };
    let of = |count| {
        prove(SAID, &survey(&together), steps(count))
            .unwrap()
            .as_secs()
    };
    assert_eq!((of(9), of(10)), (0, 1_200));
}

#[test]
fn truncated_values_are_coarse_at_once() {
    // 12:00 is now: full hours, and a midnight.
    let hours = [(3_600, 90_001, 90_001), (7_200, 90_001, 90_001)];
    assert_eq!(survey(&hours).truncated, Some(Duration::from_secs(3_600)));
    assert_eq!(grain(SAID, &hours, None), Err(Code::CoarseGrain));
    let days = [
        (43_200, 90_001, 90_001),
        (43_200 + 86_400, 200_001, 200_001),
    ];
    assert_eq!(survey(&days).truncated, Some(Duration::from_secs(86_400)));
    let long = Said {
        limit: Duration::from_secs(4 * 3_600),
        ..SAID
    };
    assert_eq!(grain(long, &hours, None), Err(Code::Learning));
    assert_eq!(grain(long, &hours, Some(3_600)), Ok(3_600));
    assert_eq!(grain(long, &hours, Some(60)), Ok(3_600));
    assert_eq!(
        survey(&[(3_600, 9_001, 9_001), (3_601, 9_001, 9_001)]).truncated,
        None
    );
}

#[test]
fn a_statement_is_believed_unless_the_data_contradict_it() {
    let stated = |seconds| Said {
        grain: Some(Duration::from_secs(seconds)),
        ..SAID
    };
    let nobody = [(30, 3_630, 3_630)];
    assert_eq!(grain(stated(60), &nobody, None), Ok(0));
    assert_eq!(grain(stated(900), &nobody, None), Ok(900));
    assert_eq!(grain(stated(3_600), &nobody, None), Err(Code::CoarseGrain));
    let hours = [(3_600, 90_001, 90_001), (7_200, 90_001, 90_001)];
    assert_eq!(grain(stated(60), &hours, None), Err(Code::Contradicted));
    let missed = [(7_203, 90_000, 300); 3];
    assert_eq!(grain(stated(60), &missed, None), Err(Code::Contradicted));
    assert_eq!(grain(stated(60), &missed[..2], None), Ok(0));
}

#[test]
fn saved_every_request_is_believed_where_saves_are_later_than_sign_ins() {
    let claimed = Said {
        saves: true,
        ..SAID
    };
    assert_eq!(
        grain(claimed, &[(30, 3_630, 3_629)], None),
        Err(Code::Contradicted)
    );
    assert_eq!(grain(claimed, &[(30, 3_630, 3_000)], None), Ok(0));
}

fn minutes(minutes: i64) -> SignedDuration {
    SignedDuration::from_mins(minutes)
}

#[test]
fn this_machines_clock_is_only_a_witness() {
    let doubt = |skew: i64, newest: i64| {
        skew::doubt(now(), Some(minutes(skew)), Some(ago(newest * 60)), &[]).is_some()
    };
    // The database is 40 minutes ahead of the records and of this machine.
    assert!(doubt(40, 40));
    assert!(doubt(-40, -40));
    // A quiet site, a laptop a day off, both.
    assert!(!doubt(0, 40));
    assert!(!doubt(1_440, 0));
    assert!(!doubt(-1_440, 0));
    assert!(!doubt(1_440, 120));
    assert!(!doubt(-1_440, 120));
    assert!(skew::doubt(now(), None, None, &[]).is_none());
}

#[test]
fn late_records_are_a_skew_while_they_are_recent_and_not_single() {
    let lag = |minutes_ago: i64, seconds| Lag {
        at: ago(minutes_ago * 60),
        seconds,
    };
    let doubt = |lags: &[Lag]| skew::doubt(now(), None, None, lags).is_some();
    assert!(doubt(&[lag(1, 2_400)]));
    assert!(!doubt(&[lag(61, 2_400)]));
    assert!(!doubt(&[lag(1, 180)]));
    assert!(!doubt(&[lag(1, 2_400), lag(1, 0), lag(1, 0)]));
    let mut lags = Vec::new();
    for n in 0..50 {
        skew::note(&mut lags, lag(1, n));
    }
    assert_eq!(lags.len(), 20);
}

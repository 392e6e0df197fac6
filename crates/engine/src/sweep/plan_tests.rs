//! Plans from rosters fed by hand: who is taken, who is not, and where the plan is held.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use super::*;
use crate::config::Exempt;
use crate::django::secret::SecretKeys;
use crate::django::session::Expiry;
use crate::roster::tests::{
    ago, id, later, now, roster, row, rules, seen, session, session_with, signed_in, user,
};
use crate::store::{Sink, UserRow};

const OVERDUE: i64 = 9_000;

fn planned(roster: &mut Roster, policy: &Policy) -> Plan {
    let rules = Rules::new(policy, false, true);
    roster.settle(now(), &rules);
    plan(roster, now(), &rules, policy).unwrap()
}

fn names(plan: &Plan) -> Vec<&str> {
    plan.taken.iter().map(|t| t.username.as_str()).collect()
}

fn skipped(plan: &Plan) -> Vec<(&str, &str)> {
    let skipped = plan.skipped.iter();
    skipped
        .map(|s| (s.username.as_str(), s.why.as_str()))
        .collect()
}

/// So many overdue people among so many who are signed in.
fn crowd(overdue: u32, signed_in_people: u32) -> Roster {
    let mut roster = roster();
    for n in 0..signed_in_people {
        let idle = if n < overdue { OVERDUE } else { 10 };
        signed_in(&mut roster, user(&n.to_string(), &format!("p{n}")), idle);
    }
    roster
}

#[test]
fn only_the_overdue_and_the_stale_are_taken() {
    let mut roster = roster();
    for (who, idle) in [("1", 10), ("2", 300), ("3", 2_100), ("4", 2_101)] {
        signed_in(&mut roster, user(who, who), idle);
    }
    roster.session(session("of 5", Some("5"), OVERDUE));
    roster.user(user("5", "without evidence"));
    signed_in(&mut roster, seen("6", "in the future", -7_200), OVERDUE);
    roster.user(UserRow {
        flagged: true,
        ..seen("7", "stale", OVERDUE)
    });
    let plan = planned(&mut roster, &Policy::default());
    assert_eq!(names(&plan), ["stale", "4"]);
    assert_eq!(plan.taken[0].reason, SweepReason::Stale);
    assert_eq!(plan.taken[1].reason, SweepReason::Overdue);
    assert_eq!((plan.at, plan.cutoff), (now(), ago(2_100)));
    assert!(plan.skipped.is_empty() && plan.held.is_none());
}

#[test]
fn a_person_is_taken_with_every_session_and_their_newest_evidence() {
    let mut roster = roster();
    roster.session(session("newest", Some("1"), OVERDUE));
    roster.session(session("older", Some("1"), 99_000));
    let mut over = session("over", Some("1"), 99_000);
    over.expires = ago(1);
    roster.session(over);
    roster.user(UserRow {
        last_login: Some(ago(8_000)),
        ..seen("1", "ana", OVERDUE)
    });
    let plan = planned(&mut roster, &Policy::default());
    let ana = &plan.taken[0];
    assert_eq!(ana.sessions.len(), 3);
    assert_eq!(ana.seen, Some(ago(8_000)));
    assert_eq!(ana.idle_seconds, Some(8_000));
    assert_eq!(ana.view(2).sessions, 2);
}

#[test]
fn stale_is_only_who_carries_the_flag_and_has_no_usable_session() {
    let mut roster = roster();
    let flagged = |who: &str, name: &str| UserRow {
        flagged: true,
        ..seen(who, name, OVERDUE)
    };
    roster.user(flagged("1", "no session"));
    let mut over = session("over", Some("2"), OVERDUE);
    over.expires = ago(1);
    roster.session(over);
    roster.user(flagged("2", "expired"));
    let mut over = session("over too", Some("3"), OVERDUE);
    over.expires = ago(1);
    roster.session(over);
    roster.user(seen("3", "expired and not flagged", OVERDUE));
    let mut plan = planned(&mut roster, &Policy::default());
    plan.taken.sort_by(|a, b| a.username.cmp(&b.username));
    assert_eq!(names(&plan), ["expired", "no session"]);
    for taken in &plan.taken {
        assert_eq!(taken.reason, SweepReason::Stale);
        assert!(
            taken.sessions.is_empty(),
            "a flag is cleared, no row is deleted"
        );
    }
    // Where some sessions cannot be seen, having none in sight means nothing.
    let blind = Rules::new(&Policy::default(), false, false);
    roster.settle(now(), &blind);
    let plan = super::plan(&roster, now(), &blind, &Policy::default()).unwrap();
    assert!(plan.taken.iter().all(|t| t.reason != SweepReason::Stale));
}

#[test]
fn the_exempt_are_left_alone_and_named_with_the_reason() {
    let mut roster = roster();
    let staff = UserRow {
        staff: true,
        ..user("1", "ana")
    };
    let superuser = UserRow {
        superuser: true,
        ..user("2", "ben")
    };
    for person in [staff, superuser, user("3", "cem"), user("4", "Cem")] {
        signed_in(&mut roster, person, OVERDUE);
    }
    roster.user(UserRow {
        flagged: true,
        ..seen("5", "stale robot", OVERDUE)
    });
    let exempt = |staff, superusers, names: &[&str]| Policy {
        exempt: Exempt {
            staff,
            superusers,
            usernames: names.iter().map(|n| (*n).to_owned()).collect(),
            compared: Default::default(),
            own: None,
        },
        ..Policy::default()
    };
    let mut taken = |policy: &Policy| {
        let plan = planned(&mut roster, policy);
        let mut all: Vec<String> = names(&plan).into_iter().map(str::to_owned).collect();
        all.sort();
        let skipped = skipped(&plan);
        let skipped = skipped
            .into_iter()
            .map(|(n, w)| (n.to_owned(), w.to_owned()));
        (all, skipped.collect::<Vec<_>>())
    };
    assert_eq!(taken(&exempt(false, false, &[])).0.len(), 5);
    let (left, why) = taken(&exempt(true, false, &[]));
    assert_eq!(left, ["Cem", "ben", "cem", "stale robot"]);
    assert_eq!(why, [("ana".into(), "staff are exempt".into())]);
    let (left, why) = taken(&exempt(false, true, &[]));
    assert_eq!(left, ["Cem", "ana", "cem", "stale robot"]);
    assert_eq!(why, [("ben".into(), "superusers are exempt".into())]);
    // A name is meant as it is written, and shields from all of it: the flag stays too.
    let (left, why) = taken(&exempt(false, false, &["cem", "stale robot", "unknown"]));
    assert_eq!(left, ["Cem", "ana", "ben"]);
    let by_name = "exempt by name".to_owned();
    assert_eq!(
        why,
        [
            ("cem".into(), by_name.clone()),
            ("stale robot".into(), by_name)
        ]
    );
}

#[test]
fn the_exempt_do_not_count_towards_the_guard() {
    let mut roster = crowd(21, 21);
    let policy = Policy {
        exempt: Exempt {
            usernames: vec!["p0".into()],
            ..Exempt::default()
        },
        ..Policy::default()
    };
    let plan = planned(&mut roster, &policy);
    assert_eq!((plan.taken.len(), plan.skipped.len()), (20, 1));
    assert!(plan.held.is_none());
}

#[test]
fn twenty_people_are_few_and_twenty_one_are_asked_about() {
    assert!(
        planned(&mut crowd(20, 20), &Policy::default())
            .held
            .is_none()
    );
    let held = planned(&mut crowd(21, 21), &Policy::default())
        .held
        .unwrap();
    assert_eq!(held.code, Code::TooMany);
    assert!(held.message.contains("21 of 21"), "{held}");
    assert!(held.message.contains("50 %"), "{held}");
}

#[test]
fn half_of_those_signed_in_is_usual_and_more_is_asked_about() {
    let cases = [
        (21, 43, false),
        (21, 42, false),
        (21, 41, true),
        (22, 43, true),
        (30, 60, false),
    ];
    for (overdue, of, held) in cases {
        let plan = planned(&mut crowd(overdue, of), &Policy::default());
        assert_eq!(plan.taken.len(), overdue as usize);
        assert_eq!(plan.held.is_some(), held, "{overdue} of {of}");
    }
    let share = |max_share| Policy {
        max_share,
        ..Policy::default()
    };
    assert!(planned(&mut crowd(21, 21), &share(1.0)).held.is_none());
    assert!(planned(&mut crowd(21, 900), &share(0.0)).held.is_some());
}

#[test]
fn recent_evidence_keeps_a_flag_up() {
    let mut roster = roster();
    let flagged = |who: &str, activity: i64, login: i64| UserRow {
        flagged: true,
        last_login: Some(ago(login)),
        ..seen(who, who, activity)
    };
    roster.user(flagged("by token", 20, OVERDUE));
    roster.user(flagged("idle", 2_100, OVERDUE));
    roster.user(flagged("signed in by token", OVERDUE, 600));
    // Its clock is not the database's, so nobody knows since when.
    roster.user(flagged("in the future", -7_200, OVERDUE));
    roster.user(flagged("gone", 2_101, OVERDUE));
    let plan = planned(&mut roster, &Policy::default());
    assert_eq!(names(&plan), ["gone"]);
    let (who, why) = skipped(&plan)[0];
    assert_eq!((who, plan.skipped.len()), ("in the future", 1));
    assert!(
        why.contains("the activity column says 2026-11-23T14:00:00Z"),
        "{why}"
    );
}

#[test]
fn conflicting_evidence_holds_a_user_back_with_both_times() {
    let mut roster = roster();
    let by_login = |who: UserRow, login: i64| UserRow {
        last_login: Some(ago(login)),
        ..who
    };
    // The column missed the request that saved the session.
    roster.session(session("a", Some("1"), 3_000));
    roster.user(by_login(seen("1", "missed", OVERDUE), 90_000));
    // The save is the sign-in's: the activity is recorded before the view that signs in.
    roster.session(session("b", Some("2"), 8_000));
    roster.user(by_login(seen("2", "signed in", OVERDUE), 8_000));
    roster.session(session("c", Some("3"), OVERDUE - 30));
    roster.user(by_login(seen("3", "together", OVERDUE), 90_000));
    roster.session(session("d", Some("4"), OVERDUE));
    roster.user(by_login(seen("4", "login ahead", OVERDUE), -7_200));
    let plan = planned(&mut roster, &Policy::default());
    let mut taken = names(&plan);
    taken.sort_unstable();
    assert_eq!(taken, ["signed in", "together"]);
    let skipped = skipped(&plan);
    assert_eq!(skipped[0].0, "login ahead");
    assert_eq!(
        skipped[1],
        (
            "missed",
            "held back, because the evidence disagrees: the activity column says 2026-11-23T09:30:00Z, a session's save says 2026-11-23T11:10:00Z"
        )
    );
    // Where each request saves its session, the saves miss nothing.
    let rules = Rules::new(&Policy::default(), true, true);
    roster.settle(now(), &rules);
    let plan = super::plan(&roster, now(), &rules, &Policy::default()).unwrap();
    assert!(names(&plan).contains(&"missed"));
}

#[test]
fn cleared_flags_count_for_the_guard() {
    let flags = |roster: &mut Roster, flags: u32| {
        for n in 100..100 + flags {
            roster.user(UserRow {
                flagged: true,
                ..seen(&n.to_string(), &format!("stale {n}"), OVERDUE)
            });
        }
    };
    // Flags, of so many who are signed in, two of them overdue.
    for (number, of, held) in [
        (60, 10, true),
        (18, 10, false),
        (19, 10, true),
        (30, 40, false),
    ] {
        let mut roster = crowd(2, of);
        flags(&mut roster, number);
        let plan = planned(&mut roster, &Policy::default());
        assert_eq!(plan.taken.len(), number as usize + 2);
        let why = plan.held.map(|error| error.message);
        assert_eq!(why.is_some(), held, "{number} beside {of}: {why:?}");
        assert!(why.is_none_or(|why| why.contains(&format!("flag of {number} more"))));
    }
}

#[test]
fn a_key_that_fits_nothing_refuses_the_plan() {
    let foreign = SecretKeys::new("another site's key".into(), Vec::new());
    let refused =
        |key: &str, who: &str| session_with(key, Some(who), OVERDUE, Expiry::Default, &foreign);
    let mut roster = roster();
    roster.session(refused("a", "1"));
    roster.user(UserRow {
        flagged: true,
        ..seen("1", "ana", OVERDUE)
    });
    let try_it = |roster: &mut Roster| {
        roster.settle(now(), &rules());
        plan(roster, now(), &rules(), &Policy::default())
    };
    // One is enough: without the refusal, ana would count as stale.
    let error = try_it(&mut roster).unwrap_err();
    assert_eq!(error.code, Code::KeyDoubtful);
    assert!(error.message.contains("none of 1 "), "{error}");
    // A visitor's session proves nothing about the key of those signed in.
    roster.session(refused("v", "1"));
    roster.session(row("damaged", "x", later(60)));
    assert!(try_it(&mut roster).is_err());
    // One session that verifies does.
    signed_in(&mut roster, user("2", "ben"), 10);
    let plan = try_it(&mut roster).unwrap();
    assert_eq!(names(&plan), ["ana"]);
    assert!(
        try_it(&mut crowd(0, 0)).is_ok(),
        "an empty site is no reason for doubt"
    );
}

#[test]
fn the_longest_idle_go_first_and_the_order_is_always_the_same() {
    let mut roster = roster();
    for (who, name, idle) in [
        ("1", "dee", 4_000),
        ("2", "ana", 90_000),
        ("3", "cem", 4_000),
        ("4", "ben", 2_200),
        ("5", "cem", 4_000),
    ] {
        signed_in(&mut roster, user(who, name), idle);
    }
    roster.user(UserRow {
        flagged: true,
        ..user("6", "never seen")
    });
    let plan = planned(&mut roster, &Policy::default());
    assert_eq!(
        names(&plan),
        ["ana", "cem", "cem", "dee", "ben", "never seen"]
    );
    assert_eq!((&plan.taken[1].id, &plan.taken[2].id), (&id("3"), &id("5")));
    assert_eq!(plan.taken[5].idle_seconds, None);
}

#[test]
fn the_limit_is_the_policys() {
    let policy = Policy {
        idle_after: Duration::from_secs(1),
        sign_out_after: Duration::from_secs(60),
        ..Policy::default()
    };
    let mut roster = roster();
    signed_in(&mut roster, user("1", "ana"), 60);
    signed_in(&mut roster, user("2", "ben"), 61);
    let plan = planned(&mut roster, &policy);
    assert_eq!(names(&plan), ["ben"]);
    assert_eq!(plan.cutoff, ago(60));
}

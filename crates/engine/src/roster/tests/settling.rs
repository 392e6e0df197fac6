//! Judging everyone at a moment: counts, crossings of the line, and the revision.

use super::*;
use crate::roster::Crossed;
use crate::store::KeyRef;
use crate::view::{Counts, State};

fn names(crossed: &Crossed) -> Vec<(&str, u32)> {
    let people = crossed.went_idle.iter();
    people
        .map(|p| (p.username.as_str(), p.idle_seconds))
        .collect()
}

fn state(roster: &Roster, who: &str) -> Option<State> {
    roster.person(&id(who))?.state()
}

#[test]
fn everyone_is_counted_in_one_place() {
    let mut roster = roster();
    for (who, idle) in [("1", 0), ("2", 299), ("3", 300), ("4", 2_100), ("5", 2_101)] {
        signed_in(&mut roster, user(who, who), idle);
    }
    roster.session(session("second of 1", Some("1"), 900));
    roster.session(session("of 6", Some("6"), 90_000));
    roster.user(user("6", "no evidence"));
    roster.user(UserRow {
        flagged: true,
        ..seen("7", "stale", 60)
    });
    roster.session(session("visitor", None, 30));
    roster.session(row("damaged", "x", later(60)));
    roster.session(session("of 8", Some("8"), 30));
    roster.settle(now(), &rules());
    let counts = Counts {
        signed_in: 6,
        active: 2,
        idle: 2,
        overdue: 1,
        stale: 1,
        unknown: 1,
        sessions: 7,
        anonymous_sessions: 1,
        unreadable_sessions: 1,
        rejected_sessions: 1,
    };
    assert_eq!(roster.counts(), counts);
    assert_eq!(roster.now(), Some(now()));
}

#[test]
fn a_time_that_wavers_is_no_clock_that_went_back() {
    let mut roster = roster();
    signed_in(&mut roster, user("7", "ana"), 0);
    roster.settle(later(300), &rules());
    assert_eq!(state(&roster, "7"), Some(State::Idle));
    roster.settle(later(299), &rules());
    assert_eq!(roster.now(), Some(later(300)));
    assert_eq!(state(&roster, "7"), Some(State::Idle));
    roster.settle(later(298), &rules());
    assert_eq!(roster.now(), Some(later(298)));
    assert_eq!(state(&roster, "7"), Some(State::Active));
}

#[test]
fn someone_goes_idle_at_the_exact_second_and_once() {
    let mut roster = roster();
    signed_in(&mut roster, user("7", "ana"), 0);
    assert!(names(&roster.settle(now(), &rules())).is_empty());
    assert!(names(&roster.settle(later(299), &rules())).is_empty());
    assert_eq!(state(&roster, "7"), Some(State::Active));
    let crossed = roster.settle(later(300), &rules());
    assert_eq!(names(&crossed), [("ana", 300)]);
    assert!(crossed.came_back.is_empty());
    assert!(names(&roster.settle(later(301), &rules())).is_empty());
    // Overdue is idle still: nobody came back.
    let crossed = roster.settle(later(2_101), &rules());
    assert_eq!(state(&roster, "7"), Some(State::Overdue));
    assert!(names(&crossed).is_empty() && crossed.came_back.is_empty());
}

#[test]
fn someone_comes_back_by_acting_and_by_leaving() {
    for idle in [300, 2_101] {
        let mut roster = roster();
        signed_in(&mut roster, user("7", "ana"), idle);
        signed_in(&mut roster, user("8", "ben"), idle);
        roster.settle(now(), &rules());
        roster.user(seen("7", "ana", 1));
        roster.forget(&[SessionKey::new("key of 8")]);
        let mut crossed = roster.settle(now(), &rules());
        crossed.came_back.sort();
        assert_eq!(crossed.came_back, ["7", "8"]);
        assert!(crossed.went_idle.is_empty());
        assert!(roster.settle(now(), &rules()).came_back.is_empty());
    }
}

#[test]
fn whoever_is_first_seen_idle_did_not_go_idle_just_now() {
    let mut roster = roster();
    signed_in(&mut roster, user("7", "ana"), 900);
    assert!(names(&roster.settle(now(), &rules())).is_empty());
}

#[test]
fn other_limits_are_other_states_at_once() {
    let mut roster = roster();
    signed_in(&mut roster, user("7", "ana"), 60);
    roster.settle(now(), &rules());
    let policy = Policy {
        idle_after: std::time::Duration::from_secs(30),
        sign_out_after: std::time::Duration::from_secs(59),
        ..Policy::default()
    };
    let crossed = roster.settle(now(), &Rules::new(&policy, false, true));
    assert!(crossed.revision_moved);
    assert_eq!(state(&roster, "7"), Some(State::Overdue));
}

#[test]
fn the_revision_moves_when_something_moved_and_only_then() {
    let mut roster = roster();
    let same = || UserRow {
        flagged: true,
        email: Some("ana@shop.example".into()),
        ..seen("7", "ana", 10)
    };
    roster.session(session("k", Some("7"), 10));
    roster.user(same());
    roster.session(session("v", None, 10));
    assert!(roster.settle(now(), &rules()).revision_moved);
    assert_eq!(roster.revision(), 1);

    // The same again, at a later second, is nothing new.
    for second in 1..=3 {
        roster.listing_begins();
        roster.session(session("k", Some("7"), 10));
        roster.session(session("v", None, 10));
        roster.user(same());
        roster.flagged(vec![id("7")]);
        assert!(!roster.listed(KeyRef::new("k"), later(COOKIE_AGE - 10)));
        assert!(!roster.listed(KeyRef::new("v"), later(COOKIE_AGE - 10)));
        roster.listing_done();
        roster.user(seen("9", "somebody not here", 0));
        roster.unflag(&[id("9")]);
        roster.forget(&[SessionKey::new("never there")]);
        assert!(!roster.settle(later(second), &rules()).revision_moved);
    }
    assert_eq!(roster.revision(), 1);

    type Change = fn(&mut Roster);
    let changes: [(&str, Change); 11] = [
        ("acted", |r| {
            r.user(UserRow {
                flagged: true,
                ..seen("7", "ana", 9)
            })
        }),
        ("name", |r| {
            r.user(UserRow {
                flagged: true,
                ..seen("7", "anna", 9)
            })
        }),
        ("staff", |r| {
            r.user(UserRow {
                flagged: true,
                staff: true,
                ..seen("7", "anna", 9)
            })
        }),
        ("flag", |r| r.flagged(Vec::new())),
        ("saved", |r| r.session(session("k", Some("7"), 8))),
        ("second session", |r| r.session(session("k2", Some("7"), 8))),
        ("session gone", |r| r.forget(&[SessionKey::new("k2")])),
        ("visitor", |r| r.session(session("v2", None, 8))),
        ("damaged", |r| r.session(row("d", "x", later(60)))),
        ("missing", |r| r.users_missing(vec![id("7")])),
        ("listing", |r| {
            r.listing_begins();
            r.listing_done();
        }),
    ];
    for (number, (what, change)) in (2..).zip(changes) {
        change(&mut roster);
        let moved = roster.settle(later(4), &rules()).revision_moved;
        assert!(moved, "{what}");
        assert_eq!(roster.revision(), number, "{what}");
        assert!(!roster.settle(later(4), &rules()).revision_moved, "{what}");
    }
}

#[test]
fn time_alone_moves_the_revision_when_somebody_crosses_a_line() {
    let mut roster = roster();
    signed_in(&mut roster, user("7", "ana"), 0);
    roster.settle(now(), &rules());
    for (second, revision) in [(299, 1), (300, 2), (2_100, 2), (2_101, 3)] {
        roster.settle(later(second), &rules());
        assert_eq!(roster.revision(), revision, "second {second}");
    }
}

#[test]
fn whoever_moves_all_the_time_leaves_few_alarms_behind() {
    let mut roster = roster();
    for second in 0..20_000 {
        // One acts, and of one only the flag goes up and down.
        roster.user(seen("7", "ana", -second));
        signed_in(&mut roster, user("7", "ana"), 60);
        roster.user(UserRow {
            flagged: second % 2 == 0,
            ..seen("8", "ben", 9_000)
        });
        roster.session(session("of 8", Some("8"), 9_000));
        roster.settle(later(second), &rules());
        let alarms = roster.alarms.len();
        assert!(alarms < 2_000, "{alarms} after {second} s");
    }
    assert_eq!(roster.counts().signed_in, 2);
}

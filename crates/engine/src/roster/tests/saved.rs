//! Saves that are seen by their dates: what is read again, and what is not.

use super::*;
use crate::store::KeyRef;
use crate::view::State;

type Span = Option<(Timestamp, Timestamp)>;

/// Whether it is asked for whole.
fn saved_within(roster: &mut Roster, key: &str, expires: Timestamp, span: Span) -> bool {
    !roster
        .saved(&[(KeyRef::new(key), expires)], span)
        .is_empty()
}

/// Saved within the last ten seconds, or else not by a save of its age.
fn saved(roster: &mut Roster, key: &str, expires: Timestamp) -> bool {
    saved_within(roster, key, expires, Some((ago(10), later(10))))
}

#[test]
fn of_many_at_once_those_come_back_that_are_asked_for() {
    let mut roster = roster();
    for n in 0..1_000 {
        let id = n.to_string();
        signed_in(&mut roster, user(&id, &id), 900);
    }
    roster.settle(now(), &rules());
    let date = later(COOKIE_AGE - 2);
    // Every seventh is not known.
    let keys: Vec<String> = (0..1_000)
        .map(|n| match n % 7 {
            0 => format!("new {n}"),
            _ => format!("key of {n}"),
        })
        .collect();
    let found: Vec<_> = keys.iter().map(|key| (KeyRef::new(key), date)).collect();
    let wanted = roster.saved(&found, Some((ago(10), later(10))));
    assert_eq!(wanted, (0..1_000).step_by(7).collect::<Vec<_>>());
    roster.settle(now(), &rules());
    let seen = |n: u32| roster.person(&id(&n.to_string())).unwrap().last_save();
    assert!((0..1_000).all(|n| seen(n) == Some(ago(if n % 7 == 0 { 900 } else { 2 }))));
}

#[test]
fn a_session_that_has_a_user_is_not_read_again_where_its_date_tells_when_it_was_saved() {
    let mut roster = roster();
    signed_in(&mut roster, user("7", "ana"), 900);
    roster.settle(now(), &rules());
    let key = "key of 7";
    let evidence = |roster: &Roster| roster.person(&id("7")).unwrap().last_save();
    assert!(!saved(&mut roster, key, later(COOKIE_AGE - 900)), "no news");
    assert_eq!(evidence(&roster), Some(ago(900)));
    // A little later in the second, and the age is still the same.
    let expires = later(COOKIE_AGE - 4) + SignedDuration::from_millis(700);
    assert!(!saved(&mut roster, key, expires));
    roster.settle(now(), &rules());
    assert_eq!(
        evidence(&roster),
        Some(ago(4) + SignedDuration::from_millis(700))
    );
    assert_eq!(roster.ages(), [COOKIE_AGE]);
    // It is not known whether it would be the same to whoever reads it: a sweep reads it, and so does a listing.
    let leaving = |roster: &Roster| roster.leaving(roster.person(&id("7")).unwrap(), later(60));
    assert_eq!(leaving(&roster)[0].1, None);
    assert!(roster.listed(KeyRef::new(key), expires));
    // With another age now, longer or shorter, it was saved at no moment that is possible.
    assert!(saved(&mut roster, key, later(2 * COOKIE_AGE)));
    assert!(saved(&mut roster, key, later(600)));
    // After a long pause, it may have been saved with another age a while ago.
    let long = Some((ago(3_600), later(10)));
    assert!(saved_within(&mut roster, key, later(COOKIE_AGE - 2), long));
    assert_eq!(
        evidence(&roster),
        Some(ago(4) + SignedDuration::from_millis(700))
    );
    // Read, it is known.
    let mut read = session(key, Some("7"), 4);
    read.expires = expires;
    roster.session(read);
    assert!(!roster.listed(KeyRef::new(key), expires));
}

#[test]
fn a_session_that_lets_nobody_in_is_read_again() {
    let mut roster = roster();
    signed_in(&mut roster, user("7", "ana"), 60);
    let foreign = SecretKeys::new("another".into(), Vec::new());
    let unsigned = session_with("foreign", Some("7"), 60, Expiry::Default, &foreign);
    roster.session(unsigned);
    roster.session(session("unread", Some("8"), 60));
    roster.settle(now(), &rules());
    for key in ["foreign", "unread"] {
        assert!(saved(&mut roster, key, later(COOKIE_AGE - 2)), "{key}");
    }
    assert!(!saved(&mut roster, "key of 7", later(COOKIE_AGE - 2)));
}

#[test]
fn a_session_is_read_again_where_its_date_does_not_tell_all() {
    let mut roster = roster();
    signed_in(&mut roster, user("7", "ana"), 60);
    roster.session(session("nobody's", None, 60));
    roster.session(row("damaged", "damaged", later(COOKIE_AGE - 60)));
    let expires = later(COOKIE_AGE - 60);
    let fixed = Expiry::Fixed(expires);
    roster.session(session_with("fixed", Some("7"), 60, fixed, &keys()));
    roster.settle(now(), &rules());
    let later = later(COOKIE_AGE - 2);
    for key in ["nobody's", "damaged", "fixed", "new"] {
        assert!(saved(&mut roster, key, later), "{key}");
    }
    // The table has columns of its own, say.
    assert!(saved_within(&mut roster, "key of 7", later, None));
    assert!(!saved(&mut roster, "key of 7", later));
    // Kept to the second, a date may be that of two saves.
    assert!(saved(&mut roster, "nobody's", expires) && saved(&mut roster, "fixed", expires));
    let exact = expires + SignedDuration::from_millis(1);
    let mut row = session("exact", None, 60);
    row.expires = exact;
    roster.session(row);
    assert!(!saved(&mut roster, "exact", exact));
}

#[test]
fn of_two_sessions_of_one_person_the_later_save_counts() {
    let mut roster = roster();
    signed_in(&mut roster, user("7", "ana"), 900);
    roster.session(session("another", Some("7"), 800));
    roster.settle(now(), &rules());
    for found in [
        [("key of 7", 3), ("another", 9)],
        [("key of 7", 2), ("another", 1)],
    ] {
        let found = found.map(|(key, ago)| (KeyRef::new(key), later(COOKIE_AGE - ago)));
        let span = Some((ago(20), later(10)));
        assert_eq!(roster.saved(&found, span), [0; 0]);
        roster.settle(now(), &rules());
    }
    let person = roster.person(&id("7")).unwrap();
    assert_eq!((person.last_save(), person.usable()), (Some(ago(1)), 2));
}

#[test]
fn whoever_saves_all_the_time_is_waited_for_once_and_goes_idle_after_the_last_save() {
    let mut roster = roster();
    signed_in(&mut roster, user("7", "ana"), 0);
    roster.settle(now(), &rules());
    let state = |roster: &Roster| roster.person(&id("7")).unwrap().state();
    for second in 1..=200 {
        let span = Some((later(second - 10), later(second + 10)));
        let date = later(COOKIE_AGE + second);
        assert!(!saved_within(&mut roster, "key of 7", date, span));
        roster.settle(later(second), &rules());
        assert_eq!(roster.alarms.len(), 1, "after {second} s");
    }
    // What they were waited for at first is no line any more.
    for second in [300, 301, 499] {
        assert!(roster.settle(later(second), &rules()).went_idle.is_empty());
        assert_eq!(state(&roster), Some(State::Active));
    }
    let crossed = roster.settle(later(500), &rules());
    assert_eq!(crossed.went_idle.len(), 1);
    assert_eq!(state(&roster), Some(State::Idle));
}

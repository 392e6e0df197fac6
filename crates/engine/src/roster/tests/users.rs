//! Who is kept, who is to be read, and whose flag is up.

use super::*;

#[test]
fn users_who_are_not_here_are_not_kept() {
    let mut roster = roster();
    roster.user(seen("1", "away", 10));
    let flagged = UserRow {
        flagged: true,
        ..seen("2", "flagged", 10)
    };
    roster.user(flagged);
    roster.settle(now(), &rules());
    assert!(roster.person(&id("1")).is_none());
    assert_eq!(roster.counts().stale, 1);
    // Flags that are not among those set now are down.
    roster.flagged(vec![id("1")]);
    roster.settle(now(), &rules());
    assert!(roster.person(&id("2")).is_none());
    assert_eq!(roster.counts(), Default::default());
}

#[test]
fn a_flag_that_is_set_is_seen_by_the_id_alone() {
    let mut roster = roster();
    signed_in(&mut roster, user("7", "ana"), 30);
    roster.settle(now(), &rules());
    roster.flagged(vec![id("7"), id("8")]);
    assert!(roster.person(&id("7")).unwrap().is_flagged());
    // Of whom nothing else is known: to be read.
    assert_eq!(roster.users_unread(), [id("8")]);
    roster.user(UserRow {
        flagged: true,
        ..user("8", "ben")
    });
    roster.settle(now(), &rules());
    assert_eq!(roster.counts().stale, 1);
    roster.flagged(vec![id("8")]);
    roster.settle(now(), &rules());
    assert!(!roster.person(&id("7")).unwrap().is_flagged());
    assert_eq!(roster.counts().stale, 1);
}

#[test]
fn whoever_was_missing_and_has_the_flag_is_read() {
    let mut roster = roster();
    roster.session(session("a", Some("7"), 30));
    roster.users_missing(vec![id("7")]);
    roster.settle(now(), &rules());
    assert!(roster.users_unread().is_empty());
    roster.flagged(vec![id("7")]);
    assert_eq!(roster.users_unread(), [id("7")]);
}

#[test]
fn users_are_wanted_until_they_are_read_or_known_to_be_missing() {
    let mut roster = roster();
    for name in ["1", "2", "3"] {
        roster.session(session(name, Some(name), 5));
    }
    roster.user(seen("1", "ana", 5));
    roster.users_missing(vec![id("3"), id("never asked for")]);
    assert_eq!(roster.users_unread(), [id("2")]);
    let (first, next) = roster.users_in_turn(0, 2);
    let (rest, last) = roster.users_in_turn(next.unwrap(), 2);
    assert_eq!((first.len(), rest.len(), last), (2, 1, None));
    let mut all = [first, rest].concat();
    all.sort();
    assert_eq!(all, [id("1"), id("2"), id("3")]);
    // Whoever turns up after all is there.
    roster.user(seen("3", "cem", 5));
    roster.settle(now(), &rules());
    assert_eq!(roster.counts().active, 2);
}

//! Sessions of impersonators, as the roster keeps them.

use super::*;
use crate::store::Data;
use crate::view::State;

/// A session's dict as a cache keeps it.
fn cached(key: &str, dict: &str) -> SessionRow {
    SessionRow {
        data: Data::Cached(dict.as_bytes().to_vec()),
        ..session(key, None, 0)
    }
}

const HIJACKED: &str = r#"{"_auth_user_id":"2","hijack_history":["1"]}"#;

fn acting() -> Roster {
    let mut roster = Roster::new(None);
    roster.session(cached("acting", HIJACKED));
    roster.session(cached("own", r#"{"_auth_user_id":"2"}"#));
    // A look asks for everybody who is named.
    let mut unread: Vec<String> = roster
        .users_unread()
        .iter()
        .map(|id| id.to_string())
        .collect();
    unread.sort();
    assert_eq!(unread, ["1", "2"]);
    roster.user(seen("1", "root", 9000));
    roster.user(seen("2", "ben", 10));
    roster.settle(now(), &rules());
    roster
}

#[test]
fn the_session_belongs_to_both() {
    let roster = acting();
    assert_eq!(roster.keys_of(&id("1")), [SessionKey::new("acting")]);
    assert_eq!(roster.keys_of(&id("2")).len(), 2);
    // root has no other, and is at work in this one: what the site notes for ben is root's.
    assert_eq!(roster.counts().signed_in, 2);
    assert_eq!(roster.counts().sessions, 2);
    let root = roster.view(&id("1"), &Default::default()).unwrap();
    assert_eq!((root.state, root.sessions), (State::Active, 1));
    assert_eq!(roster.usable_of(&id("1"), now()), 0);
    for person in ["1", "2"] {
        let all = roster.sessions_of(&id(person), now());
        let acting: Vec<_> = all.iter().filter(|s| s.impersonator.is_some()).collect();
        assert_eq!(acting.len(), 1);
        assert_eq!(acting[0].impersonator.as_deref(), Some("root"));
        assert_eq!(acting[0].acts_as.as_deref(), Some("ben"));
    }
    let ben = roster.view(&id("2"), &Default::default()).unwrap();
    assert_eq!(ben.impersonators, ["root"]);
}

#[test]
fn the_impersonator_is_forgotten_with_the_session() {
    let mut roster = acting();
    roster.settle(later(1), &rules());
    assert!(roster.person(&id("1")).is_some(), "the name is needed");
    roster.forget(&[SessionKey::new("acting")]);
    roster.settle(later(2), &rules());
    assert!(roster.person(&id("1")).is_none());
    assert_eq!(roster.keys_of(&id("2")).len(), 1);
}

#[test]
fn the_session_is_the_users_own_again_once_it_is_saved_without() {
    let mut roster = acting();
    roster.session(cached(
        "acting",
        r#"{"_auth_user_id":"2","hijack_history":[]}"#,
    ));
    roster.settle(later(1), &rules());
    assert!(roster.keys_of(&id("1")).is_empty());
    let ben = roster.view(&id("2"), &Default::default()).unwrap();
    assert_eq!(ben.impersonators, Vec::<String>::new());
}

/// django-impersonate: the session stays root's, and the activity column is written for ben.
#[test]
fn an_impersonator_is_at_work_while_the_other_user_is_active() {
    let mut roster = Roster::new(None);
    roster.session(cached(
        "acting",
        r#"{"_auth_user_id":"1","_impersonate":2}"#,
    ));
    roster.user(seen("1", "root", 9000));
    roster.user(seen("2", "ben", 10));
    roster.settle(now(), &rules());
    let root = roster.person(&id("1")).unwrap();
    let at_work = |cutoff: i64| roster.at_work_as(root, now(), ago(cutoff));
    // ben has no session of his own, and so no state.
    assert_eq!(at_work(2100), Some("ben"));
    assert_eq!(at_work(5), None, "ben was not seen since");
    assert_eq!(roster.keys_of(&id("2")), [SessionKey::new("acting")]);
}

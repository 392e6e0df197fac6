//! Sessions that Django would not let in: they are shown with the reason, and sign nobody in.

use secrecy::SecretString;

use super::*;
use crate::django::auth_hash::session_auth_hash;
use crate::django::session::Signature;

/// What the only session of user 7 is refused for; none where it is usable.
fn refusal(roster: &mut Roster) -> Option<String> {
    roster.settle(now(), &rules());
    let sessions = roster.sessions_of(&id("7"), now());
    let [only] = sessions.as_slice() else {
        panic!("{} sessions", sessions.len());
    };
    assert_eq!(only.usable, only.why.is_none());
    let counts = roster.counts();
    let usable = u32::from(only.usable);
    assert_eq!(
        (counts.sessions, counts.rejected_sessions),
        (usable, 1 - usable)
    );
    assert_eq!(counts.signed_in, usable);
    assert_eq!(roster.people().count(), usize::from(only.usable));
    only.why.clone()
}

#[test]
fn a_signature_that_is_not_this_sites_signs_nobody_in() {
    let mut roster = roster();
    let foreign = SecretKeys::new("another site's key".into(), Vec::new());
    roster.session(session_with("k", Some("7"), 5, Expiry::Default, &foreign));
    roster.user(seen("7", "ana", 5));
    let why = refusal(&mut roster);
    assert_eq!(why.as_deref(), Some("its signature is not this site's"));
    assert_eq!(roster.signatures(), (0, 1));
    assert_eq!(
        roster.sessions_of(&id("7"), now())[0].signature,
        Signature::Invalid
    );
}

#[test]
fn a_fallback_key_signs_in_and_without_a_key_signatures_are_unchecked() {
    let old = SecretKeys::new("the key before".into(), Vec::new());
    let both = SecretKeys::new("the key now".into(), vec!["the key before".into()]);
    for (keys, signature) in [
        (Some(both), Signature::Verified),
        (None, Signature::Unchecked),
    ] {
        let mut roster = Roster::new(keys);
        roster.session(session_with("k", Some("7"), 5, Expiry::Default, &old));
        roster.user(seen("7", "ana", 5));
        assert_eq!(refusal(&mut roster), None);
        assert_eq!(roster.sessions_of(&id("7"), now())[0].signature, signature);
    }
}

/// A session that was made with this password.
fn made_with(password: Option<&str>) -> SessionRow {
    let fields = Fields {
        user: Some("7".into()),
        auth_hash: password.map(|p| session_auth_hash(p, keys().first())),
        ..Fields::default()
    };
    row("k", &encode(&fields, &keys(), ago(5)), later(60))
}

fn with_password(password: &str) -> UserRow {
    UserRow {
        password: Some(SecretString::from(password)),
        ..seen("7", "ana", 5)
    }
}

#[test]
fn a_changed_password_ends_a_session_and_the_old_one_revives_it() {
    let mut roster = roster();
    roster.session(made_with(Some(PASSWORD)));
    roster.user(with_password(PASSWORD));
    assert_eq!(refusal(&mut roster), None);
    roster.user(with_password("changed"));
    let why = refusal(&mut roster);
    assert_eq!(why.as_deref(), Some("the password has changed since"));
    roster.user(with_password(PASSWORD));
    assert_eq!(refusal(&mut roster), None);
}

#[test]
fn it_does_not_matter_whether_the_session_or_the_user_is_read_first() {
    for user_first in [true, false] {
        let mut roster = roster();
        roster.session(session("other", Some("7"), 5));
        roster.forget(&[SessionKey::new("other")]);
        if user_first {
            roster.user(with_password("changed"));
            roster.session(made_with(Some(PASSWORD)));
        } else {
            roster.session(made_with(Some(PASSWORD)));
            roster.user(with_password("changed"));
        }
        let why = refusal(&mut roster);
        assert_eq!(
            why.as_deref(),
            Some("the password has changed since"),
            "{user_first}"
        );
    }
}

#[test]
fn a_session_without_a_hash_fits_only_a_user_without_a_password() {
    let mut roster = roster();
    roster.session(made_with(None));
    roster.user(seen("7", "ana", 5));
    assert_eq!(refusal(&mut roster), None);
    roster.user(with_password(PASSWORD));
    assert!(refusal(&mut roster).is_some());
}

#[test]
fn a_disabled_account_is_not_signed_in() {
    let mut roster = roster();
    roster.session(session("k", Some("7"), 5));
    roster.user(UserRow {
        enabled: false,
        ..seen("7", "ana", 5)
    });
    assert_eq!(
        refusal(&mut roster).as_deref(),
        Some("the account is disabled")
    );
    roster.user(seen("7", "ana", 5));
    assert_eq!(refusal(&mut roster), None);
}

#[test]
fn a_user_who_is_not_there_is_not_signed_in() {
    let mut roster = roster();
    roster.session(session("k", Some("7"), 5));
    let why = refusal(&mut roster);
    assert_eq!(why.as_deref(), Some("its user has not been read yet"));
    roster.users_missing(vec![id("7")]);
    let why = refusal(&mut roster);
    assert_eq!(why.as_deref(), Some("its user no longer exists"));
    roster.user(seen("7", "ana", 5));
    assert_eq!(refusal(&mut roster), None);
    roster.users_missing(vec![id("7")]);
    assert!(refusal(&mut roster).is_some());
}

#[test]
fn a_session_ends_at_its_moment_without_another_look() {
    let mut roster = roster();
    let mut short = session("k", Some("7"), 5);
    short.expires = later(10);
    roster.session(short);
    roster.user(UserRow {
        flagged: true,
        ..seen("7", "ana", 5)
    });
    roster.settle(later(9), &rules());
    assert_eq!(roster.counts().active, 1);
    roster.settle(later(10), &rules());
    let counts = roster.counts();
    assert_eq!(
        (counts.active, counts.stale, counts.rejected_sessions),
        (0, 1, 1)
    );
    let sessions = roster.sessions_of(&id("7"), later(10));
    assert_eq!(sessions[0].why.as_deref(), Some("it has expired"));
}

#[test]
fn a_refused_session_is_no_evidence_but_goes_with_its_user() {
    let mut roster = roster();
    roster.session(session("good", Some("7"), 4_000));
    let foreign = SecretKeys::new("another site's key".into(), Vec::new());
    roster.session(session_with("bad", Some("7"), 5, Expiry::Default, &foreign));
    roster.user(seen("7", "ana", 4_000));
    roster.settle(now(), &rules());
    let counts = roster.counts();
    assert_eq!(
        (counts.overdue, counts.sessions, counts.rejected_sessions),
        (1, 1, 1)
    );
    assert_eq!(roster.keys_of(&id("7")).len(), 2);
}

/// Takes the signatures away, and settles.
fn unsigned(roster: &mut Roster) {
    let numbers: Vec<u32> = roster.rows.numbers().collect();
    for number in numbers {
        roster.rows[number].set_signature(Signature::Unchecked);
    }
    roster.settle(now(), &rules());
}

#[test]
fn where_nothing_is_signed_the_auth_hash_shows_whether_the_key_is_this_sites() {
    for (password, want) in [(PASSWORD, (1, 0)), ("another", (0, 1))] {
        let mut roster = roster();
        roster.session(made_with(Some(password)));
        roster.user(with_password(PASSWORD));
        // As a cache has it.
        unsigned(&mut roster);
        assert_eq!(roster.signatures(), want);
    }
    // With nothing to compare nothing is said.
    let mut roster = roster();
    roster.session(made_with(None));
    roster.user(with_password(PASSWORD));
    unsigned(&mut roster);
    assert_eq!(roster.signatures(), (0, 0));
}

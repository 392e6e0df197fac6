//! Taking in sessions and users piece by piece.

use std::time::Duration;

use super::*;
use crate::django::session::{Decoded, Form, Signature};
use crate::roster::last_save;
use crate::store::{Data, Extra, KeyRef};

/// Whose session it is; none where it is nobody's.
fn owner(roster: &Roster, key: &str) -> Option<UserId> {
    let number = roster.rows.find(KeyRef::new(key)).unwrap();
    let person = roster.people.get(roster.rows[number].person);
    person.map(|person| person.id())
}

#[test]
fn no_user_yet_is_not_final_but_this_user_is_taken_in() {
    // Sign-in saves the new key empty first, and with the user a moment later.
    let mut roster = roster();
    roster.session(session("k", None, 2));
    roster.settle(now(), &rules());
    assert_eq!(roster.counts().anonymous_sessions, 1);
    assert_eq!(owner(&roster, "k"), None);
    roster.session(session("k", Some("7"), 1));
    roster.user(seen("7", "ana", 1));
    roster.settle(now(), &rules());
    assert_eq!(owner(&roster, "k"), Some(id("7")));
    let counts = roster.counts();
    assert_eq!(
        (counts.anonymous_sessions, counts.active, counts.sessions),
        (0, 1, 1)
    );
    assert_eq!(roster.keys_of(&id("7")), [SessionKey::new("k")]);
}

#[test]
fn a_key_that_loses_its_user_is_no_longer_theirs() {
    let mut roster = roster();
    signed_in(&mut roster, user("7", "ana"), 30);
    roster.session(session("key of 7", None, 1));
    roster.settle(now(), &rules());
    assert!(roster.keys_of(&id("7")).is_empty());
    assert_eq!(roster.counts().signed_in, 0);
    assert!(
        roster.person(&id("7")).is_none(),
        "nobody's row is kept for nothing"
    );
}

#[test]
fn what_a_listing_does_not_name_is_gone() {
    let mut roster = roster();
    roster.listing_begins();
    for key in ["a", "b", "c"] {
        roster.session(session(key, Some("7"), 60));
    }
    roster.user(seen("7", "ana", 60));
    roster.listing_done();
    // Found by its date between two listings, and gone before the second.
    roster.session(session("gone again", Some("7"), 1));
    let expires = later(COOKIE_AGE - 60);
    roster.listing_begins();
    assert!(!roster.listed(KeyRef::new("a"), expires));
    roster.session(session("d", Some("7"), 1));
    roster.listing_done();
    let mut left = roster.keys_of(&id("7"));
    left.sort();
    assert_eq!(left, [SessionKey::new("a"), SessionKey::new("d")]);
    // Each listing stands for itself: having been named once does not last.
    roster.listing_begins();
    roster.listing_done();
    assert!(roster.keys_of(&id("7")).is_empty());
}

#[test]
fn a_listing_that_breaks_off_takes_nobody_out_and_vouches_for_nobody() {
    let mut roster = roster();
    let expires = later(COOKIE_AGE - 60);
    roster.listing_begins();
    for key in ["a", "b"] {
        roster.session(session(key, Some("7"), 60));
    }
    roster.listing_done();
    // The database went away after the first row.
    roster.listing_begins();
    roster.listed(KeyRef::new("a"), expires);
    assert_eq!(roster.keys_of(&id("7")).len(), 2);
    roster.listing_begins();
    roster.listed(KeyRef::new("b"), expires);
    roster.listing_done();
    assert_eq!(roster.keys_of(&id("7")), [SessionKey::new("b")]);
}

#[test]
fn a_listing_asks_for_what_is_new_moved_or_fixed() {
    let mut roster = roster();
    let expires = later(COOKIE_AGE - 60);
    roster.session(session("a", Some("7"), 60));
    let fixed = Expiry::Fixed(expires);
    roster.session(session_with("f", Some("7"), 60, fixed, &keys()));
    let mut asks = |key: &str, at| roster.listed(KeyRef::new(key), at);
    assert!(!asks("a", expires), "as it was");
    assert!(asks("a", later(COOKIE_AGE)), "saved again");
    assert!(asks("a", ago(1)), "moved back");
    assert!(asks("f", expires), "a save moves no fixed date");
    assert!(asks("n", expires), "never seen");
}

#[test]
fn ages_are_named_by_how_many_sessions_have_them() {
    let mut roster = roster();
    assert!(roster.ages().is_empty());
    for (key, saved) in [("a", 10), ("b", 20), ("c", 900)] {
        roster.session(session(key, None, saved));
    }
    let mut short = session_with("d", None, 40, Expiry::Seconds(600), &keys());
    short.expires = later(560);
    roster.session(short);
    let mut fixed = session_with("f", None, 40, Expiry::Fixed(later(99)), &keys());
    fixed.expires = later(99);
    roster.session(fixed);
    roster.session(row("x", "damaged", later(50)));
    assert_eq!(roster.ages(), [COOKIE_AGE, 600]);
}

#[test]
fn rows_that_cannot_be_read_are_counted_and_end_nothing() {
    let mut roster = roster();
    let bad: [&[u8]; 6] = [
        b"",
        b"damaged",
        b"a:b",
        b"\xff\xfe",
        b":::::",
        b".eJw:1abc:sig",
    ];
    for (number, data) in bad.into_iter().enumerate() {
        let key = SessionKey::new(format!("bad {number}"));
        roster.session(SessionRow::encoded(key, data.into(), later(60)));
    }
    signed_in(&mut roster, user("7", "ana"), 30);
    roster.settle(now(), &rules());
    let counts = roster.counts();
    assert_eq!((counts.unreadable_sessions, counts.sessions), (6, 1));
    assert_eq!(roster.signatures(), (1, 0));
}

#[test]
fn what_was_deleted_here_is_forgotten_at_once() {
    let mut roster = roster();
    let flagged = UserRow {
        flagged: true,
        ..user("7", "ana")
    };
    signed_in(&mut roster, flagged, 30);
    roster.session(session("second", Some("7"), 30));
    roster.forget(&[SessionKey::new("key of 7"), SessionKey::new("never there")]);
    assert_eq!(roster.keys_of(&id("7")), [SessionKey::new("second")]);
    roster.forget(&[SessionKey::new("second")]);
    roster.settle(now(), &rules());
    assert_eq!(roster.counts().stale, 1);
    roster.unflag(&[id("7"), id("nobody")]);
    roster.settle(now(), &rules());
    assert!(roster.person(&id("7")).is_none());
}

#[test]
fn a_session_is_found_by_its_fingerprint_among_its_persons_own() {
    let mut roster = roster();
    // Two keys whose fingerprints begin alike; among a few hundred there are some.
    let mut seen = std::collections::HashMap::new();
    let (one, two) = (0..)
        .find_map(|n| {
            let key = SessionKey::new(format!("key {n}"));
            let head = key.fingerprint()[..4].to_owned();
            seen.insert(head, key.clone()).map(|old| (old, key))
        })
        .unwrap();
    for key in [&one, &two] {
        roster.session(session(key.expose(), Some("7"), 5));
    }
    roster.session(session("other", Some("8"), 5));
    let find = |text: &str| roster.key_by_fingerprint(&id("7"), text);
    let print = one.fingerprint();
    assert_eq!(find(&print).unwrap(), one);
    assert_eq!(find(&format!(" {} ", print.to_uppercase())).unwrap(), one);
    assert_eq!(find(&two.fingerprint()[..11]).unwrap(), two);
    for (text, words) in [
        (&print[..4], "2 sessions of this user begin"),
        (&print[..3], "no session"),
        ("", "no session"),
        ("zzzzzz", "no session"),
        (&SessionKey::new("other").fingerprint(), "no session"),
    ] {
        let error = find(text).unwrap_err();
        assert_eq!(error.code, crate::Code::NoSession);
        assert!(error.message.contains(words), "{text}: {error}");
    }
}

/// A cache's value that runs out then, with this expiry.
fn cached(expires: Timestamp, expiry: Expiry) -> (SessionRow, Decoded) {
    let row = SessionRow {
        data: Data::Cached(b"{}".to_vec()),
        ..row("k", "", expires)
    };
    let decoded = Decoded {
        backend: None,
        user: Some("7".into()),
        auth_hash: None,
        last_saved: None,
        expiry,
        signature: Signature::Unchecked,
        form: Form::Cached,
        impersonation: None,
    };
    (row, decoded)
}

#[test]
fn a_cached_sessions_last_save_is_an_age_before_it_runs_out() {
    let age = Some(Duration::from_secs(3_600));
    let expires = later(1_800);
    let save = |expires, expiry, age| {
        let (row, decoded) = cached(expires, expiry);
        last_save(row.lend(), Some(&decoded), age)
    };
    assert_eq!(save(expires, Expiry::Default, age), Some(ago(1_800)));
    assert_eq!(save(expires, Expiry::BrowserClose, age), Some(ago(1_800)));
    assert_eq!(save(expires, Expiry::Seconds(2_000), None), Some(ago(200)));
    // An age that nobody said proves nothing, nor does a date that saves do not move, nor one that never comes.
    assert_eq!(save(expires, Expiry::Default, None), None);
    assert_eq!(save(expires, Expiry::Fixed(expires), age), None);
    assert_eq!(save(Timestamp::MAX, Expiry::Default, age), None);
    let (row, _) = cached(expires, Expiry::Default);
    assert_eq!(last_save(row.lend(), None, age), None, "unreadable");
}

#[test]
fn a_files_and_a_tables_time_count_as_saves() {
    let mut row = session("k", Some("7"), 60);
    row.saved = Some(ago(40));
    assert_eq!(last_save(row.lend(), None, None), Some(ago(40)));
    row.extra = Some(Box::new(Extra {
        seen: Some(ago(20)),
        ..Extra::default()
    }));
    let mut roster = roster();
    roster.session(row);
    let number = roster.rows.find(KeyRef::new("k")).unwrap();
    assert_eq!(roster.rows[number].saved(), Some(ago(20)));
}

#[test]
fn a_cached_value_that_wavers_is_no_news() {
    let mut roster = roster();
    let (row, _) = cached(later(60), Expiry::Default);
    roster.session(row.clone());
    roster.settle(now(), &rules());
    let revision = roster.revision();
    for (expires, news) in [(later(61), false), (later(59), false), (later(70), true)] {
        let row = SessionRow {
            expires,
            ..row.clone()
        };
        roster.session(row);
        roster.settle(now(), &rules());
        assert_eq!(roster.revision() != revision, news);
    }
}

#[test]
fn a_content_that_only_curfew_cannot_read_lets_its_user_in() {
    // No text at all, and so damaged to Django too; or a pickle, say, with the user in a column beside.
    for (data, usable) in [("\u{1}", 0), (OPAQUE, 1)] {
        let mut roster = roster();
        let mut row = row("k", data, later(60));
        row.extra = Some(Box::new(Extra {
            user: Some(id("7")),
            ..Extra::default()
        }));
        roster.session(row);
        roster.user(UserRow {
            password: Some(PASSWORD.to_owned().into()),
            ..seen("7", "ana", 5)
        });
        roster.settle(now(), &rules());
        let counts = roster.counts();
        assert_eq!(
            (counts.signed_in, counts.unreadable_sessions),
            (usable, 1),
            "{data}"
        );
        assert_eq!(roster.keys_of(&id("7")).len(), 1, "and can be deleted");
        assert!(!roster.sessions_of(&id("7"), now())[0].readable);
    }
}

/// Signed text whose content is something else than a session's.
const OPAQUE: &str = "WzEsMl0:1vN0aQ:bm90aGluZyB0aGF0IGlzIGNoZWNrZWQgaGVyZQ";

#[test]
fn a_date_is_a_saves_only_where_many_sessions_have_its_age() {
    let dated = |roster: &mut Roster| {
        roster.settle(now(), &rules());
        let person = roster.person(&id("7")).unwrap();
        let leaving = roster.leaving(person, ago(2_100)).into_iter();
        leaving.filter(|(_, date)| date.is_some()).count()
    };
    let mut usual = roster();
    for n in 0..10 {
        assert_eq!(usual.rows.len(), n);
        usual.session(session(&format!("k{n}"), Some("7"), 4_000));
        usual.user(seen("7", "ana", 4_000));
        assert_eq!(dated(&mut usual), if n == 9 { 10 } else { 0 }, "{n}");
    }
    assert!(usual.dates_tell(1));
    // Saved since the cutoff, fixed, and of an age that none of the others has.
    usual.session(session("recent", Some("7"), 60));
    let fixed = Expiry::Fixed(later(99));
    usual.session(session_with("fixed", Some("7"), 4_000, fixed, &keys()));
    let mut odd = session("odd", Some("7"), 4_000);
    odd.expires = later(50_000);
    usual.session(odd);
    assert_eq!(dated(&mut usual), 10);
    assert!(!usual.dates_tell(9), "one is fixed");
    usual.forget(&[SessionKey::new("fixed")]);
    assert!(usual.dates_tell(9) && !usual.dates_tell(1));

    // Each of them ends at the same moment, whenever it was saved: no save moves it.
    let mut midnight = roster();
    for n in 0..40 {
        let mut row = session(&format!("k{n}"), Some("7"), 4_000 + 10 * n);
        row.expires = later(3_600);
        midnight.session(row);
    }
    midnight.user(seen("7", "ana", 4_000));
    assert_eq!(dated(&mut midnight), 0);
}

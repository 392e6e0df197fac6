//! A roster that is told what changes is the one that is told everything at once.

use std::collections::BTreeMap;

use super::*;
use crate::config::Exempt;
use crate::django::session::{Signature, decode};
use crate::store::{Data, KeyRef};
use crate::view::{Filter, Page, Query, Sort};

/// What there is: sessions by key, users by id.
#[derive(Default)]
struct Site {
    sessions: BTreeMap<String, SessionRow>,
    users: BTreeMap<String, UserRow>,
}

impl Site {
    /// Of someone who knew nothing before.
    fn told_at_once(&self, at: Timestamp) -> Roster {
        let mut roster = roster();
        for row in self.sessions.values() {
            roster.session(row.clone());
        }
        for row in self.users.values() {
            roster.user(row.clone());
        }
        let unknown = roster.users_unread();
        roster.users_missing(unknown);
        roster.settle(at, &rules());
        roster
    }
}

const NAMES: [&str; 6] = ["ana", "Ana", "王小明", "ليلى", "zoë", "Straße"];
const KEYS: u32 = 24;
const SECOND: SignedDuration = SignedDuration::from_secs(1);

fn key(number: u32) -> String {
    match number % 3 {
        0 => format!("key {number}"),
        _ => format!("{number:a>32}"),
    }
}

fn someone(dice: &mut fastrand::Rng, id: u32, at: Timestamp) -> UserRow {
    let before = |dice: &mut fastrand::Rng| {
        let seconds = dice.i64(-90..4_000);
        dice.bool().then(|| at - SignedDuration::from_secs(seconds))
    };
    let name = NAMES[dice.usize(..NAMES.len())];
    UserRow {
        email: dice.bool().then(|| format!("{name}@Shop.example")),
        name: dice.bool().then(|| format!("{name} {}", dice.u8(..3))),
        last_activity: before(dice),
        last_login: before(dice),
        flagged: dice.bool(),
        staff: dice.bool(),
        enabled: dice.u8(..5) > 0,
        password: Some(
            if dice.bool() { PASSWORD } else { "another" }
                .to_owned()
                .into(),
        ),
        ..user(&id.to_string(), &format!("{name}{}", dice.u8(..3)))
    }
}

/// A session of somebody's or of nobody, now and then damaged, expired, or of another key.
fn any_session(dice: &mut fastrand::Rng, key: &str, at: Timestamp) -> SessionRow {
    let who = dice.u32(..9);
    let saved = at - SignedDuration::from_secs(dice.i64(0..3_000));
    let hash = crate::django::auth_hash::session_auth_hash(PASSWORD, keys().first());
    let fields = Fields {
        user: (who > 1).then(|| who.to_string()),
        auth_hash: Some(hash),
        ..Fields::default()
    };
    let foreign = SecretKeys::new("another".into(), Vec::new());
    let keys = if dice.u8(..6) == 0 { foreign } else { keys() };
    let data = match dice.u8(..9) {
        0 => "damaged".to_owned(),
        _ => encode(&fields, &keys, saved),
    };
    let expires = at + SignedDuration::from_secs(dice.i64(1..2_000));
    row(key, &data, expires)
}

/// As Django would save it again at this moment, and how much later it ends then. None: it cannot be read.
fn saved_again(row: &SessionRow, at: Timestamp) -> Option<(String, SignedDuration)> {
    let text = std::str::from_utf8(row.data.bytes()).ok()?;
    let decoded = decode(text, Some(&keys())).ok()?;
    let ours = decoded.signature == Signature::Verified;
    let saved = decoded.last_saved?;
    let at = Timestamp::from_second(at.as_second()).ok()?;
    let fields = Fields {
        user: decoded.user,
        auth_hash: decoded.auth_hash,
        ..Fields::default()
    };
    ours.then(|| (encode(&fields, &keys(), at), at.duration_since(saved)))
}

fn pages(roster: &mut Roster) -> Vec<Page> {
    let searches = ["", "ana", "SHOP", "小", "é", "ß", "3", "no such"];
    let mut pages = Vec::new();
    for (sort, search) in Sort::ALL.into_iter().zip(searches) {
        for (filter, descending) in [(Filter::Everyone, false), (Filter::SignedIn, true)] {
            let query = Query {
                filter,
                search: search.into(),
                sort,
                descending,
                offset: 0,
                limit: 100,
            };
            let page = roster.page(&query, &Exempt::default());
            pages.push(Page {
                revision: 0,
                ..page
            });
        }
    }
    pages
}

fn compare(roster: &mut Roster, site: &Site, at: Timestamp, step: &str) {
    let mut other = site.told_at_once(at);
    assert_eq!(roster.counts(), other.counts(), "{step}");
    assert_eq!(roster.signatures(), other.signatures(), "{step}");
    assert_eq!(roster.ages(), other.ages(), "{step}");
    assert_eq!(pages(roster), pages(&mut other), "{step}");
    assert_eq!(roster.rows.len(), site.sessions.len(), "{step}");
    for id in 0..12_u32 {
        let id = id.to_string();
        let id = UserId::new(id);
        let sorted = |mut keys: Vec<SessionKey>| {
            keys.sort();
            keys
        };
        assert_eq!(
            sorted(roster.keys_of(&id)),
            sorted(other.keys_of(&id)),
            "{step}: {id}"
        );
        assert_eq!(
            roster.usable_of(&id, at),
            other.usable_of(&id, at),
            "{step}: {id}"
        );
        let person = |roster: &Roster| {
            let person = roster.person(&id)?;
            Some((
                person.idle_seconds(at),
                person.last_save(),
                person.is_flagged(),
            ))
        };
        assert_eq!(person(roster), person(&other), "{step}: {id}");
    }
    let (ours, theirs) = (roster.unreadable(50), other.unreadable(50));
    assert_eq!(ours, theirs, "{step}");
}

#[test]
fn what_was_followed_is_what_is_there() {
    for seed in 0..40 {
        let mut dice = fastrand::Rng::with_seed(seed);
        let (mut roster, mut site) = (roster(), Site::default());
        let mut at = now();
        for step in 0..60 {
            for _ in 0..dice.usize(1..5) {
                match dice.u8(..8) {
                    0..3 => {
                        let key = key(dice.u32(..KEYS));
                        let row = any_session(&mut dice, &key, at);
                        roster.session(row.clone());
                        site.sessions.insert(key, row);
                    }
                    3 => {
                        let key = key(dice.u32(..KEYS));
                        roster.forget(&[SessionKey::new(key.clone())]);
                        site.sessions.remove(&key);
                    }
                    4 => {
                        let id = dice.u32(..11);
                        let row = someone(&mut dice, id, at);
                        site.users.insert(id.to_string(), row);
                    }
                    // A save that moves the date, named by it alone.
                    5 => {
                        let key = key(dice.u32(..KEYS));
                        let Some(row) = site.sessions.get_mut(&key) else {
                            continue;
                        };
                        let Some((data, later)) = saved_again(row, at) else {
                            continue;
                        };
                        row.data = Data::Encoded(data.into_bytes());
                        row.expires += later;
                        let span = Some((at - SECOND, at + SECOND));
                        let lent = KeyRef::new(&key);
                        if !roster.saved(&[(lent, row.expires)], span).is_empty() {
                            roster.session(row.clone());
                        }
                    }
                    6 => {
                        let id = dice.u32(..11).to_string();
                        site.users.remove(&id);
                    }
                    // A listing: what it does not name has gone.
                    _ => {
                        let gone = key(dice.u32(..KEYS));
                        site.sessions.remove(&gone);
                        roster.listing_begins();
                        for (key, row) in &site.sessions {
                            roster.listed(KeyRef::new(key), row.expires);
                        }
                        roster.listing_done();
                    }
                }
            }
            at += SignedDuration::from_millis(dice.i64(0..400_000));
            for row in site.users.values() {
                roster.user(row.clone());
            }
            let missing = |id: &UserId| !site.users.contains_key(id.as_str());
            let gone = roster
                .users_in_turn(0, 99)
                .0
                .into_iter()
                .filter(missing)
                .collect();
            roster.users_missing(gone);
            roster.unobserve();
            roster.settle(at, &rules());
            compare(&mut roster, &site, at, &format!("seed {seed}, step {step}"));
        }
    }
}

#[test]
fn a_listing_of_which_only_parts_were_heard_names_nobody_for_good() {
    // As many as there are numbers for listings, and some more.
    let mut roster = roster();
    roster.session(session("a", Some("7"), 60));
    roster.session(session("b", Some("7"), 60));
    for _ in 0..600 {
        roster.listing_begins();
        roster.listed(KeyRef::new("a"), later(COOKIE_AGE - 60));
    }
    roster.listing_done();
    assert_eq!(roster.keys_of(&id("7")), [SessionKey::new("a")]);
}

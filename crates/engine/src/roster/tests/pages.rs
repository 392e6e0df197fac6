//! Pages in the order that the asker wants, of the people that the asker wants.

use std::collections::HashSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::*;
use crate::config::Exempt;
use crate::view::{Evidence, Filter, Page, Query, Sort, State};

fn page(roster: &mut Roster, query: &Query) -> Page {
    roster.page(query, &Exempt::default())
}

fn names(page: &Page) -> Vec<&str> {
    page.rows.iter().map(|row| row.username.as_str()).collect()
}

fn all() -> Query {
    Query {
        limit: 100,
        ..Query::default()
    }
}

/// Six people who differ in everything that one can sort by.
fn six() -> Roster {
    let mut roster = Roster::new(None);
    let legacy = STANDARD.encode("0:{\"_auth_user_id\":\"6\"}");
    let people = [
        UserRow {
            email: Some("z@shop.example".into()),
            staff: true,
            ..seen("1", "Ana", 10)
        },
        UserRow {
            email: Some("A@shop.example".into()),
            name: Some("Benedikt Ödön".into()),
            ..seen("2", "ben", 400)
        },
        UserRow {
            superuser: true,
            ..seen("3", "Cem", 3_000)
        },
        UserRow {
            last_login: Some(ago(600)),
            ..seen("4", "dee", 700)
        },
        UserRow {
            email: Some("m@shop.example".into()),
            flagged: true,
            ..seen("5", "Eve", 5_000)
        },
        // A session from before Django 3.1, which says nothing of its last save.
        user("6", "fay"),
    ];
    for (person, sessions) in people.into_iter().zip([1, 3, 2, 1, 0, 1]) {
        let id = person.id.as_str().to_owned();
        for n in 0..sessions {
            let key = format!("{id}-{n}");
            roster.session(match id.as_str() {
                "6" => row(&key, &legacy, later(900)),
                _ => session(&key, Some(&id), 90_000),
            });
        }
        roster.user(person);
    }
    roster.settle(now(), &rules());
    roster
}

#[test]
fn every_column_sorts_both_ways_and_what_is_not_known_stands_last() {
    let mut roster = six();
    let orders: [(Sort, [&str; 6], [&str; 6]); 8] = [
        (
            Sort::State,
            ["Ana", "ben", "dee", "Cem", "Eve", "fay"],
            ["fay", "Eve", "Cem", "ben", "dee", "Ana"],
        ),
        (
            Sort::Username,
            ["Ana", "ben", "Cem", "dee", "Eve", "fay"],
            ["fay", "Eve", "dee", "Cem", "ben", "Ana"],
        ),
        (
            Sort::Email,
            ["ben", "Eve", "Ana", "Cem", "dee", "fay"],
            ["Ana", "Eve", "ben", "Cem", "dee", "fay"],
        ),
        (
            Sort::LastSeen,
            ["Eve", "Cem", "dee", "ben", "Ana", "fay"],
            ["Ana", "ben", "dee", "Cem", "Eve", "fay"],
        ),
        (
            Sort::Idle,
            ["Ana", "ben", "dee", "Cem", "Eve", "fay"],
            ["Eve", "Cem", "dee", "ben", "Ana", "fay"],
        ),
        (
            Sort::Sessions,
            ["Eve", "Ana", "dee", "fay", "Cem", "ben"],
            ["ben", "Cem", "Ana", "dee", "fay", "Eve"],
        ),
        (
            Sort::Role,
            ["ben", "dee", "Eve", "fay", "Ana", "Cem"],
            ["Cem", "Ana", "ben", "dee", "Eve", "fay"],
        ),
        (
            Sort::Evidence,
            ["Ana", "ben", "Cem", "Eve", "dee", "fay"],
            ["dee", "Ana", "ben", "Cem", "Eve", "fay"],
        ),
    ];
    for (sort, up, down) in orders {
        for (descending, expected) in [(false, up), (true, down)] {
            let query = Query {
                sort,
                descending,
                ..all()
            };
            let page = page(&mut roster, &query);
            assert_eq!(names(&page), expected, "{sort:?}, descending: {descending}");
            assert_eq!(page.total, 6);
        }
    }
}

#[test]
fn filters_show_the_counters_people() {
    let mut roster = six();
    let cases: [(Filter, &[&str]); 7] = [
        (
            Filter::Everyone,
            &["Ana", "Cem", "Eve", "ben", "dee", "fay"],
        ),
        (Filter::SignedIn, &["Ana", "Cem", "ben", "dee", "fay"]),
        (Filter::Active, &["Ana"]),
        (Filter::Idle, &["ben", "dee"]),
        (Filter::Overdue, &["Cem"]),
        (Filter::Stale, &["Eve"]),
        (Filter::Unknown, &["fay"]),
    ];
    let counts = roster.counts();
    assert_eq!(counts.signed_in, 5);
    for (filter, expected) in cases {
        let query = Query { filter, ..all() };
        let page = page(&mut roster, &query);
        let mut found = names(&page);
        found.sort_unstable();
        assert_eq!(found, expected, "{filter:?}");
        assert_eq!(page.total as usize, expected.len());
    }
}

#[test]
fn a_search_looks_in_name_username_email_and_whole_id_whatever_the_case() {
    let mut roster = six();
    let cases: [(&str, &[&str]); 9] = [
        ("AN", &["Ana"]),
        ("  eve ", &["Eve"]),
        ("öDÖn", &["ben"]),
        ("benedikt ö", &["ben"]),
        ("A@SHOP", &["ben"]),
        ("shop.example", &["Ana", "Eve", "ben"]),
        ("3", &["Cem"]),
        ("nobody", &[]),
        ("%", &[]),
    ];
    for (search, expected) in cases {
        let query = Query {
            search: search.into(),
            ..all()
        };
        let page = page(&mut roster, &query);
        let mut found = names(&page);
        found.sort_unstable();
        assert_eq!(found, expected, "{search:?}");
    }
    let both = Query {
        search: "e".into(),
        filter: Filter::Overdue,
        ..all()
    };
    assert_eq!(names(&page(&mut roster, &both)), ["Cem"]);
}

#[test]
fn a_page_is_a_window_on_the_whole_order() {
    let mut roster = six();
    let order = Query {
        sort: Sort::Username,
        ..all()
    };
    let cases: [(u32, u32, &[&str]); 6] = [
        (0, 2, &["Ana", "ben"]),
        (2, 2, &["Cem", "dee"]),
        (5, 2, &["fay"]),
        (6, 2, &[]),
        (u32::MAX, u32::MAX, &[]),
        (0, 0, &[]),
    ];
    for (offset, limit, expected) in cases {
        let query = Query {
            offset,
            limit,
            ..order.clone()
        };
        let page = page(&mut roster, &query);
        assert_eq!(names(&page), expected, "{limit} from {offset}");
        assert_eq!((page.total, page.offset), (6, offset));
        assert_eq!(page.revision, roster.revision());
    }
}

#[test]
fn an_order_is_made_once_for_a_question_and_a_revision() {
    let mut roster = six();
    let order = Query {
        sort: Sort::Username,
        ..all()
    };
    assert_eq!(names(&page(&mut roster, &order))[0], "Ana");
    // Taken in, and not settled yet: people who scroll see no row jump.
    roster.user(UserRow {
        staff: true,
        ..seen("1", "Zoe", 10)
    });
    let page_before = page(&mut roster, &order);
    assert_eq!(
        names(&page_before)[0],
        "Zoe",
        "the row is as it is now, in its old place"
    );
    assert_eq!(page_before.revision, 1);
    let other = Query {
        sort: Sort::Username,
        descending: true,
        ..all()
    };
    assert_eq!(names(&page(&mut roster, &other))[0], "Zoe");
    roster.settle(now(), &rules());
    let page_after = page(&mut roster, &order);
    assert_eq!(names(&page_after)[0], "ben");
    assert_eq!(page_after.revision, 2);
}

#[test]
fn people_who_left_since_the_order_was_made_leave_no_hole() {
    let mut roster = six();
    page(&mut roster, &all());
    let keys = roster.keys_of(&id("1"));
    roster.forget(&keys);
    roster.settle(now(), &rules());
    let page = page(&mut roster, &all());
    assert_eq!((page.total, page.rows.len()), (5, 5));
}

#[test]
fn a_row_says_who_why_and_what_is_wrong() {
    let mut roster = six();
    roster.user(UserRow {
        staff: true,
        flagged: true,
        last_login: Some(ago(900)),
        ..seen("1", "Ana", -7_200)
    });
    roster.unobserve();
    roster.settle(now(), &rules());
    let exempt = Exempt {
        staff: true,
        ..Exempt::default()
    };
    let row = roster.view(&id("1"), &exempt).unwrap();
    assert_eq!(
        row.state,
        State::Unknown,
        "a time in the future proves nothing"
    );
    assert_eq!(row.last_seen, Some(ago(900)));
    assert_eq!(row.evidence, Some(Evidence::LastLogin));
    assert_eq!(row.last_activity, Some(later(7_200)));
    assert_eq!(
        row.fault.as_deref(),
        Some("the activity column is in the future")
    );
    assert_eq!(row.exempt.as_deref(), Some("staff are exempt"));
    assert!(row.flagged && row.staff && row.enabled && !row.superuser);
    let sources = roster.evidence_of(&id("1"), Some("Last seen at"));
    let labels: Vec<_> = sources
        .iter()
        .map(|s| (s.label.as_str(), s.decides))
        .collect();
    assert_eq!(
        labels,
        [
            ("Last seen at", false),
            ("session save", false),
            ("last_login", true)
        ]
    );
    assert_eq!(roster.named("ben"), [id("2")]);
    assert!(roster.named("Ben").is_empty());
}

#[test]
fn sessions_stand_newest_save_first() {
    let mut roster = six();
    roster.session(session("new", Some("2"), 5));
    roster.session(session("old", Some("2"), 99_999));
    let sessions = roster.sessions_of(&id("2"), now());
    let saved: Vec<_> = sessions.iter().map(|s| s.last_saved).collect();
    assert_eq!(saved.first(), Some(&Some(ago(5))));
    assert_eq!(saved.last(), Some(&Some(ago(99_999))));
    assert!(saved.is_sorted_by(|a, b| a >= b));
    assert_eq!(
        sessions[0].fingerprint,
        SessionKey::new("new").fingerprint()
    );
}

#[test]
fn a_hundred_thousand_people_are_paged_without_a_gap_or_a_repeat() {
    let mut roster = Roster::new(None);
    for n in 0..100_000_u32 {
        let who = n.to_string();
        let data = STANDARD.encode(format!("0:{{\"_auth_user_id\":\"{n}\"}}"));
        let key = SessionKey::new(format!("key of {n}"));
        roster.session(SessionRow::encoded(key, data.into(), later(900)));
        roster.user(seen(
            &who,
            &format!("person {:05}", n.wrapping_mul(7_919) % 100_000),
            i64::from(n % 5_000),
        ));
    }
    roster.settle(now(), &rules());
    assert_eq!(roster.counts().signed_in, 100_000);
    let mut met = HashSet::new();
    let mut before: Option<i64> = None;
    for offset in (0..100_000).step_by(2_500) {
        let query = Query {
            sort: Sort::LastSeen,
            offset,
            limit: 2_500,
            ..Query::default()
        };
        let page = page(&mut roster, &query);
        assert_eq!((page.total, page.rows.len()), (100_000, 2_500));
        for row in page.rows {
            let seen = row.last_seen.unwrap().as_second();
            assert!(before.is_none_or(|before| before <= seen), "out of order");
            before = Some(seen);
            met.insert(row.id);
        }
    }
    assert_eq!(met.len(), 100_000);
}

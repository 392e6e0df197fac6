//! Notices from events and times that the test holds.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use crate::error::{Code, Error};
use crate::view::Counts;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).unwrap()
}

fn rules(idle_from: u32) -> NoticeRules {
    NoticeRules {
        idle: true,
        idle_from,
        sweeps: true,
        connection: true,
    }
}

fn person(username: &str, idle_seconds: u32) -> Person {
    Person {
        id: format!("id-{username}"),
        username: username.into(),
        idle_seconds,
    }
}

fn idle(people: &[(&str, u32)], more: u32) -> Event {
    Event::WentIdle {
        people: people.iter().map(|(name, s)| person(name, *s)).collect(),
        more,
    }
}

fn back(names: &[&str]) -> Event {
    Event::CameBack {
        ids: names.iter().map(|name| format!("id-{name}")).collect(),
    }
}

fn looked() -> Event {
    Event::Looked {
        revision: 1,
        counts: Counts::default(),
    }
}

/// Without the marks that isolate names.
fn bare(text: &str) -> String {
    text.replace(['\u{2068}', '\u{2069}'], "")
}

#[track_caller]
fn says(notice: Option<Notice>, title: &str, body: &str) -> Notice {
    let notice = notice.expect("no notice");
    assert_eq!(bare(&notice.title), title);
    assert_eq!(bare(&notice.body), body);
    notice
}

#[test]
fn people_who_went_idle_together_are_one_notice() {
    let mut notices = Notices::new(rules(300));
    let event = idle(&[("bob", 540), ("ana", 720), ("c.diaz", 420)], 0);
    let notice = notices.take(&event, at(0));
    let notice = says(
        notice,
        "3 people are idle",
        "ana 12 min, bob 9 min, c.diaz 7 min",
    );
    assert_eq!(notice.kind, NoticeKind::Idle);
    assert_eq!(notice.people[0], person("ana", 720));
    assert_eq!(notice.people.len(), 3);
    assert_eq!(notices.due(at(600)), None, "told once");
}

#[test]
fn many_are_counted_and_the_longest_idle_named() {
    let mut notices = Notices::new(rules(300));
    let event = idle(
        &[
            ("e", 301),
            ("ana", 720),
            ("bob", 540),
            ("d", 302),
            ("c.diaz", 420),
        ],
        2,
    );
    says(
        notices.take(&event, at(0)),
        "7 people are idle",
        "ana 12 min, bob 9 min, c.diaz 7 min and 4 more",
    );
    let names: Vec<String> = (0..50).map(|n| format!("user{n}")).collect();
    let crowd: Vec<(&str, u32)> = names.iter().map(|n| (n.as_str(), 400)).collect();
    assert_eq!(notices.take(&idle(&crowd, 0), at(1)), None);
    let notice = notices.due(at(61)).unwrap();
    assert_eq!(notice.title, "50 people are idle");
    assert_eq!(notice.people.len(), 20);
}

#[test]
fn one_person_is_named_in_the_title() {
    let mut notices = Notices::new(rules(300));
    let notice = notices.take(&idle(&[("ana", 4_060)], 0), at(0));
    let notice = says(notice, "ana is idle", "Last seen 1 h 07 ago.");
    assert_eq!(notice.people, [person("ana", 4_060)]);
}

#[test]
fn within_a_minute_they_are_gathered() {
    let mut notices = Notices::new(rules(300));
    assert!(notices.take(&idle(&[("ana", 300)], 0), at(0)).is_some());
    assert_eq!(notices.take(&idle(&[("bob", 300)], 0), at(2)), None);
    assert_eq!(notices.take(&idle(&[("cho", 300)], 0), at(40)), None);
    assert_eq!(notices.due(at(59)), None);
    says(
        notices.due(at(60)),
        "2 people are idle",
        "bob 5 min, cho 5 min",
    );
    assert_eq!(notices.due(at(61)), None);
    assert_eq!(notices.take(&idle(&[("dee", 300)], 0), at(119)), None);
    assert!(notices.due(at(120)).is_some());
}

#[test]
fn people_are_told_of_once_idle_for_as_long_as_was_asked() {
    let mut notices = Notices::new(rules(600));
    let event = idle(&[("ana", 300), ("bob", 302), ("cho", 301)], 0);
    assert_eq!(notices.take(&event, at(0)), None);
    assert_eq!(notices.due(at(297)), None);
    assert_eq!(notices.take(&back(&["bob"]), at(297)), None);
    says(
        notices.due(at(300)),
        "2 people are idle",
        "cho 10 min, ana 10 min",
    );

    // Back, idle again: told of again.
    notices.take(&back(&["ana"]), at(400));
    assert_eq!(notices.take(&idle(&[("ana", 300)], 0), at(800)), None);
    assert_eq!(notices.due(at(1_099)), None);
    says(
        notices.due(at(1_100)),
        "ana is idle",
        "Last seen 10 min ago.",
    );
}

#[test]
fn who_came_back_before_the_notice_is_not_in_it() {
    let mut notices = Notices::new(rules(300));
    notices.take(&idle(&[("ana", 300)], 0), at(0));
    notices.take(&idle(&[("bob", 300)], 3), at(10));
    // Two whom no event named came back, and one whom a notice named already.
    notices.take(&back(&["bob", "x", "y", "ana"]), at(20));
    says(
        notices.due(at(60)),
        "1 person is idle",
        "Last seen 5 min ago, or longer.",
    );
    assert_eq!(notices.due(at(200)), None);
}

#[test]
fn nothing_is_said_of_idle_people_on_old_knowledge() {
    let mut notices = Notices::new(rules(600));
    notices.take(&looked(), at(0));
    notices.take(&idle(&[("ana", 300), ("bob", 300)], 0), at(0));
    // The machine slept for hours. Whoever came back meanwhile is known only after the next look.
    assert_eq!(notices.due(at(20_000)), None);
    notices.take(&looked(), at(20_001));
    notices.take(&back(&["bob"]), at(20_001));
    says(
        notices.due(at(20_002)),
        "ana is idle",
        "Last seen 5 h 38 ago.",
    );
}

#[test]
fn a_clock_set_back_silences_nothing() {
    let mut notices = Notices::new(rules(300));
    assert!(notices.take(&idle(&[("ana", 300)], 0), at(0)).is_some());
    assert!(
        notices
            .take(&idle(&[("bob", 300)], 0), at(-9_000))
            .is_some()
    );
}

#[test]
fn what_the_rules_leave_out_is_not_told() {
    let mut notices = Notices::new(NoticeRules {
        idle: false,
        idle_from: 0,
        sweeps: false,
        connection: false,
    });
    assert_eq!(notices.take(&idle(&[("ana", 900)], 5), at(0)), None);
    assert_eq!(notices.take(&swept(4, 7, 4, true), at(1)), None);
    assert_eq!(notices.take(&held("why"), at(1)), None);
    notices.take(&link(Link::Offline, None), at(2));
    assert_eq!(notices.due(at(100)), None);
    assert_eq!(notices.take(&link(Link::Live, None), at(200)), None);
    // Switched on later, the past stays past.
    notices.set_rules(rules(0));
    assert_eq!(notices.due(at(300)), None);
    assert!(notices.take(&idle(&[("bob", 900)], 0), at(301)).is_some());
}

#[test]
fn names_cannot_disturb_the_text() {
    let evil = "\u{202e}ana\u{2066}\n<b>\u{7}&\u{2028}";
    let mut notices = Notices::new(rules(300));
    let notice = notices.take(&idle(&[(evil, 300)], 0), at(0)).unwrap();
    assert_eq!(
        notice.title,
        "\u{2068}<U+202E>ana<U+2066><U+000A><b><U+0007>&…\u{2069} is idle"
    );

    let long = "ع".repeat(60);
    let mut notices = Notices::new(rules(300));
    let event = idle(&[(&long, 420), ("bob", 360), ("\u{200f}", 300)], 0);
    let notice = notices.take(&event, at(0)).unwrap();
    let cut = "ع".repeat(39);
    assert_eq!(
        notice.body,
        format!(
            "\u{2068}{cut}…\u{2069} 7 min, \u{2068}bob\u{2069} 6 min, \u{2068}<U+200F>\u{2069} 5 min"
        )
    );
    assert_eq!(notice.people[0].username, long, "as the site has it");
}

fn swept(people: u32, sessions: u32, marked: u32, verified: bool) -> Event {
    Event::Swept {
        summary: SweepSummary {
            at: at(0),
            people,
            sessions,
            marked,
            skipped: 2,
            verified,
            held: None,
        },
    }
}

fn held(why: &str) -> Event {
    Event::Swept {
        summary: SweepSummary {
            at: at(0),
            people: 0,
            sessions: 0,
            marked: 0,
            skipped: 0,
            verified: false,
            held: Some(why.into()),
        },
    }
}

#[test]
fn a_sweep_is_told_in_one_sentence() {
    let mut notices = Notices::new(rules(300));
    for (event, body) in [
        (
            swept(4, 7, 4, true),
            "Signed out 4 people, 7 sessions, verified.",
        ),
        (
            swept(1, 1, 0, true),
            "Signed out 1 person, 1 session, verified.",
        ),
        (
            swept(3, 0, 3, true),
            "Cleared the flag of 3 people, verified.",
        ),
        (
            swept(4, 7, 4, false),
            "Not verified: signed out 4 people, 7 sessions.",
        ),
        (swept(0, 0, 0, false), "Not verified: could not look again."),
    ] {
        let notice = says(notices.take(&event, at(0)), "Inactivity sweep", body);
        assert_eq!(notice.kind, NoticeKind::Sweep);
    }
    assert_eq!(notices.take(&swept(0, 0, 0, true), at(0)), None);
}

#[test]
fn a_held_sweep_says_why_and_not_every_five_minutes() {
    let mut notices = Notices::new(rules(300));
    let why = "it would sign out 30 of 40 people";
    let body = "Sweep held: it would sign out 30 of 40 people.";
    let notice = says(notices.take(&held(why), at(0)), "Inactivity sweep", body);
    assert_eq!(notice.kind, NoticeKind::SweepHeld);
    assert_eq!(notices.take(&held(why), at(300)), None);
    assert!(notices.take(&held("another reason"), at(600)).is_some());
    assert!(notices.take(&held(why), at(900)).is_some());
    assert_eq!(notices.take(&held(why), at(1_200)), None);
    assert!(notices.take(&held(why), at(4_600)).is_some());
    // A sweep went well in between: the next hold is news.
    notices.take(&swept(1, 1, 1, true), at(4_700));
    assert!(notices.take(&held(why), at(4_800)).is_some());
}

fn link(link: Link, error: Option<&str>) -> Event {
    Event::Connection {
        connection: Connection {
            link,
            age_seconds: None,
            look_ms: None,
            error: error.map(|e| Error::new(Code::Unreachable, e)),
            retry_seconds: None,
            skew_seconds: None,
        },
    }
}

#[test]
fn a_site_that_is_lost_and_back_is_told_once_each() {
    let mut notices = Notices::new(rules(300));
    assert_eq!(notices.take(&link(Link::Live, None), at(0)), None);
    let lost = link(
        Link::Offline,
        Some("db.internal:5432 refuses the connection"),
    );
    assert_eq!(notices.take(&lost, at(10)), None);
    assert_eq!(notices.due(at(13)), None);
    let notice = says(
        notices.due(at(14)),
        "Site lost",
        "db.internal:5432 refuses the connection.",
    );
    assert_eq!(notice.kind, NoticeKind::Lost);
    assert_eq!(notices.take(&lost, at(16)), None);
    assert_eq!(notices.due(at(100)), None);
    let notice = says(
        notices.take(&link(Link::Live, None), at(200)),
        "Site back",
        "The site answers again, after 3 min.",
    );
    assert_eq!(notice.kind, NoticeKind::Back);
    assert_eq!(notices.take(&link(Link::Live, None), at(202)), None);
}

#[test]
fn one_failed_look_is_no_notice_and_idle_people_wait_for_the_site() {
    let mut notices = Notices::new(rules(600));
    notices.take(&idle(&[("ana", 590)], 0), at(0));
    notices.take(&link(Link::Offline, None), at(5));
    assert_eq!(notices.take(&link(Link::Live, None), at(7)), None);
    assert!(
        notices
            .due(at(11))
            .is_some_and(|n| n.kind == NoticeKind::Idle)
    );

    notices.take(&idle(&[("bob", 590)], 0), at(100));
    notices.take(&link(Link::Offline, None), at(101));
    says(
        notices.due(at(105)),
        "Site lost",
        "Its database does not answer.",
    );
    assert_eq!(
        notices.due(at(200)),
        None,
        "whether bob is idle is not known"
    );
    assert!(notices.take(&link(Link::Live, None), at(300)).is_some());
    assert!(
        notices
            .due(at(301))
            .is_some_and(|n| n.kind == NoticeKind::Idle)
    );
}

#[test]
fn something_waits_until_it_is_told_or_over() {
    let mut notices = Notices::new(rules(600));
    let mut after = |event: Event, second: i64| {
        assert!(notices.take(&event, at(second)).is_none());
        let waited = notices.waits();
        let told = notices.due(at(second + 25)).is_some();
        (waited, told, notices.waits())
    };
    assert_eq!(after(looked(), 0), (false, false, false));
    // Idle, but not for as long as somebody wants to hear of.
    assert_eq!(after(idle(&[("ana", 300)], 2), 1), (true, false, true));
    assert_eq!(after(looked(), 400), (true, true, false));
    assert_eq!(after(idle(&[("ben", 300)], 0), 500), (true, false, true));
    assert_eq!(after(back(&["ben"]), 501), (false, false, false));
    assert_eq!(after(link(Link::Offline, None), 502), (true, true, false));
}

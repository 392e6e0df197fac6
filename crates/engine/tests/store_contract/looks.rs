//! Looks: everything at first, afterwards what changed, and never what is over.

use curfew_engine::Policy;
use curfew_engine::django::session::Expiry;
use curfew_engine::policy::Rules;
use curfew_engine::store::{SessionKey, Store};
use curfew_engine::view::State;
use jiff::{SignedDuration, Timestamp};

use crate::common::{COOKIE_AGE, Engine, Ground, Looking, Person, sorted};

on_each_store! {
    the_first_look_hands_over_every_usable_session_and_its_user
    more_sessions_than_one_step_are_handed_over_once
    an_unchanged_site_gives_nothing_new
    a_saved_session_is_found_by_its_date_range_alone
    a_new_session_and_its_user_are_found_in_the_same_look
    keys_of_any_text_are_found_by_their_date_range
    a_deleted_session_is_gone_at_the_next_listing
    a_session_found_by_range_and_then_deleted_is_gone_at_the_next_listing
    a_save_that_moves_no_date_is_found_by_the_listing
    a_date_that_moved_to_an_unknown_age_is_found_by_the_listing
    expired_rows_are_not_handed_over
    a_short_age_does_not_bring_expired_rows_back
    people_whose_evidence_moved_are_found
    a_flag_that_others_set_and_clear_is_found_at_every_look
    a_user_that_was_deleted_is_found_missing
    the_clock_is_the_databases_and_goes_on
}

fn rules() -> Rules {
    Rules::new(&Policy::default(), false, true)
}

async fn the_first_look_hands_over_every_usable_session_and_its_user(engine: Engine) {
    let ground = Ground::on(engine).await;
    let here = Person {
        activity: Some(ground.ago(61)),
        login: Some(ground.ago(3_600)),
        flag: true,
    };
    ground.person(1, "ana", here).await;
    ground.set(1, "email", "'ana@shop.example'").await;
    ground.set(1, "first_name", "'Ana'").await;
    ground.set(1, "is_staff", "true").await;
    let gone = Person {
        flag: true,
        ..Person::default()
    };
    ground.person(2, "ben", gone).await;
    ground.set(2, "is_active", "false").await;
    ground.person(3, "cem", Person::default()).await;
    let one = ground.session("a1", Some(1), ground.ago(61)).await;
    let two = ground.session("a2", Some(1), ground.ago(900)).await;
    let visitor = ground.session("v1", None, ground.ago(30)).await;

    let mut looking = Looking::new();
    let at = looking.look(&ground.store).await;
    assert!(at >= ground.ago(1) && at < ground.now + SignedDuration::from_secs(60));
    assert_eq!(looking.keys(), sorted([one.clone(), two, visitor]));
    assert_eq!(looking.listings, 1);
    let row = looking.sessions.iter().find(|row| row.key == one).unwrap();
    let written = ground.data(Some(1), ground.ago(61), Expiry::Default);
    assert_eq!(row.data.bytes(), written.as_bytes());
    assert_eq!(
        row.expires,
        ground.ago(61) + SignedDuration::from_secs(COOKIE_AGE)
    );

    let ana = looking.user(&ground.id(1));
    assert_eq!(
        (ana.username.as_str(), ana.name.as_deref()),
        ("ana", Some("Ana"))
    );
    assert_eq!(ana.email.as_deref(), Some("ana@shop.example"));
    assert_eq!(ana.last_activity, Some(ground.ago(61)));
    assert_eq!(ana.last_login, Some(ground.ago(3_600)));
    assert!(ana.flagged && ana.staff && !ana.superuser && ana.enabled);
    assert!(
        ana.password.is_none(),
        "read without a key to check it with"
    );
    let ben = looking.user(&ground.id(2));
    assert!(ben.flagged && !ben.enabled && ben.email.is_none() && ben.last_activity.is_none());
    looking.roster.settle(at, &rules());
    assert!(
        looking.roster.person(&ground.id(3)).is_none(),
        "somebody who is not here was taken in"
    );
}

/// A number of rows at once, with keys that fall into several steps.
async fn crowd(ground: &Ground, size: usize, user: Option<u32>) -> Vec<SessionKey> {
    let saved = ground.ago(60);
    let data = ground.data(user, saved, Expiry::Default);
    let keys: Vec<String> = (0..size)
        .map(|n| format!("{:08x}{n}", (n as u32).wrapping_mul(2_654_435_761)))
        .collect();
    let expires = saved + SignedDuration::from_secs(COOKIE_AGE);
    ground.rows(&keys, &data, expires).await
}

async fn more_sessions_than_one_step_are_handed_over_once(engine: Engine) {
    let ground = Ground::on(engine).await;
    ground.person(1, "ana", Person::default()).await;
    let keys = crowd(&ground, 4_321, Some(1)).await;
    let mut looking = Looking::new();
    looking.look(&ground.store).await;
    assert_eq!(looking.keys(), sorted(keys.clone()));
    let gone = [keys[7].clone(), keys[2_000].clone(), keys[4_320].clone()];
    assert_eq!(ground.store.delete(&gone).await.unwrap().len(), 3);
    looking.look_whole(&ground.store).await;
    let left = looking.roster.keys_of(&ground.id(1));
    assert_eq!(left.len(), 4_318);
    assert!(gone.iter().all(|key| !left.contains(key)));
}

async fn an_unchanged_site_gives_nothing_new(engine: Engine) {
    let ground = Ground::on(engine).await;
    ground.overdue(1, "a1").await;
    ground.session("v1", None, ground.ago(300)).await;
    ground.row("b1", "no session", ground.ago(-500)).await;
    let mut looking = Looking::new();
    let at = looking.look(&ground.store).await;
    looking.roster.settle(at, &rules());
    let revision = looking.roster.revision();
    for _ in 0..2 {
        looking.look_whole(&ground.store).await;
        assert_eq!(looking.listings, 1);
        assert!(looking.keys().is_empty(), "{:?}", looking.keys());
        assert!(!looking.roster.settle(at, &rules()).revision_moved);
    }
    assert_eq!(looking.roster.revision(), revision);
    assert_eq!(looking.roster.counts().sessions, 1);
}

async fn a_saved_session_is_found_by_its_date_range_alone(engine: Engine) {
    let ground = Ground::on(engine).await;
    ground.person(1, "ana", Person::default()).await;
    let ana = ground.session("a1", Some(1), ground.ago(900)).await;
    let short = SignedDuration::from_secs(1_800);
    let data = |saved| ground.data(Some(1), saved, Expiry::Seconds(1_800));
    let other = ground
        .row("a2", &data(ground.ago(700)), ground.ago(700) + short)
        .await;
    let mut looking = Looking::new();
    looking.look_slowly(&ground.store).await;

    // Saved now, at both of the ages that sessions here have; and a third row at an age never seen.
    let now = Timestamp::now();
    ground.save("a1", Some(1), now).await;
    let saved = ground.saving("a2", &data(now), now + short);
    assert_eq!(ground.db.execute(&saved).await, 1);
    let odd = now + SignedDuration::from_secs(77_777);
    let odd = ground.row("a3", &data(now), odd).await;
    looking.look(&ground.store).await;
    assert_eq!(looking.listings, 0, "the listing was not to be due");
    assert_eq!(looking.keys(), sorted([ana, other]));
    looking.look_whole(&ground.store).await;
    assert!(looking.keys().contains(&odd));
}

async fn a_new_session_and_its_user_are_found_in_the_same_look(engine: Engine) {
    let ground = Ground::on(engine).await;
    ground.person(1, "ana", Person::default()).await;
    ground.person(2, "ben", Person::default()).await;
    ground.session("a1", Some(1), ground.ago(900)).await;
    let mut looking = Looking::new();
    looking.look_slowly(&ground.store).await;
    let key = ground.session("b1", Some(2), Timestamp::now()).await;
    looking.look(&ground.store).await;
    assert_eq!(looking.listings, 0, "the listing was not to be due");
    assert_eq!(looking.keys(), [key]);
    // Ana's turn has not come; ben is new, and read at once.
    let names: Vec<&str> = looking.users.iter().map(|u| u.username.as_str()).collect();
    assert_eq!(names, ["ben"]);
}

async fn a_deleted_session_is_gone_at_the_next_listing(engine: Engine) {
    let ground = Ground::on(engine).await;
    ground.person(1, "ana", Person::default()).await;
    let stays = ground.session("a1", Some(1), ground.ago(900)).await;
    ground.session("a2", Some(1), ground.ago(5)).await;
    ground.session("v1", None, ground.ago(900)).await;
    let mut looking = Looking::new();
    looking.look(&ground.store).await;
    ground
        .db
        .execute("DELETE FROM django_session WHERE session_key IN ('a2', 'v1')")
        .await;
    let at = looking.look_whole(&ground.store).await;
    looking.roster.settle(at, &rules());
    assert_eq!(looking.roster.keys_of(&ground.id(1)), [stays]);
    assert_eq!(looking.roster.counts().anonymous_sessions, 0);
}

async fn keys_of_any_text_are_found_by_their_date_range(engine: Engine) {
    let ground = Ground::on(engine).await;
    ground.person(1, "ana", Person::default()).await;
    ground.session("a1", Some(1), ground.ago(900)).await;
    let mut looking = Looking::new();
    looking.look_slowly(&ground.store).await;
    for key in ["\"a\", \"b\"]", r"a\b\u0041", "a\tb\u{1}", "\u{1f511} 钥匙"] {
        ground.session(key, Some(1), Timestamp::now()).await;
    }
    looking.look(&ground.store).await;
    assert_eq!(looking.listings, 0, "the listing was not to be due");
    // As the table has them: MySQL takes a backslash for more than one.
    let there = ground.keys().await.into_iter().map(SessionKey::new);
    let found = looking.roster.keys_of(&ground.id(1));
    assert_eq!((found.len(), sorted(found)), (5, sorted(there)));
}

async fn a_session_found_by_range_and_then_deleted_is_gone_at_the_next_listing(engine: Engine) {
    let ground = Ground::on(engine).await;
    ground.person(1, "ana", Person::default()).await;
    ground.session("a1", Some(1), ground.ago(900)).await;
    let mut looking = Looking::new();
    looking.look_slowly(&ground.store).await;
    ground.session("a2", Some(1), Timestamp::now()).await;
    looking.look(&ground.store).await;
    assert_eq!(looking.listings, 0, "the listing was not to be due");
    assert_eq!(looking.roster.keys_of(&ground.id(1)).len(), 2);
    ground
        .db
        .execute("DELETE FROM django_session WHERE session_key = 'a2'")
        .await;
    looking.look_whole(&ground.store).await;
    assert_eq!(looking.listings, 1);
    assert_eq!(
        looking.roster.keys_of(&ground.id(1)),
        [SessionKey::new("a1")]
    );
}

async fn a_save_that_moves_no_date_is_found_by_the_listing(engine: Engine) {
    let ground = Ground::on(engine).await;
    ground.person(1, "ana", Person::default()).await;
    let end = ground.ago(-7_200);
    let data = |saved| ground.data(Some(1), saved, Expiry::Fixed(end));
    let key = ground.row("f1", &data(ground.ago(900)), end).await;
    let mut looking = Looking::new();
    looking.look(&ground.store).await;
    let saved = ground.saving("f1", &data(ground.ago(10)), end);
    assert_eq!(ground.db.execute(&saved).await, 1);
    let at = looking.look_whole(&ground.store).await;
    assert_eq!(looking.keys(), [key]);
    let sessions = looking.roster.sessions_of(&ground.id(1), at);
    let whole_second = ground.ago(10).as_second();
    assert_eq!(sessions[0].last_saved.unwrap().as_second(), whole_second);
}

async fn a_date_that_moved_to_an_unknown_age_is_found_by_the_listing(engine: Engine) {
    let ground = Ground::on(engine).await;
    ground.person(1, "ana", Person::default()).await;
    let key = ground.session("a1", Some(1), ground.ago(900)).await;
    let mut looking = Looking::new();
    looking.look(&ground.store).await;
    let saved = ground.ago(60);
    let data = ground.data(Some(1), saved, Expiry::Seconds(5_000));
    let expires = saved + SignedDuration::from_secs(5_000);
    assert_eq!(
        ground
            .db
            .execute(&ground.saving("a1", &data, expires))
            .await,
        1
    );
    let at = looking.look_whole(&ground.store).await;
    assert_eq!(looking.keys(), [key]);
    let sessions = looking.roster.sessions_of(&ground.id(1), at);
    assert_eq!(sessions[0].expires, expires);
}

async fn expired_rows_are_not_handed_over(engine: Engine) {
    let ground = Ground::on(engine).await;
    let over = |key: &'static str, seconds| {
        let data = ground.data(Some(1), ground.ago(9_000), Expiry::Default);
        let (ground, at) = (&ground, ground.ago(seconds));
        async move { ground.row(key, &data, at).await }
    };
    ground.person(1, "ana", Person::default()).await;
    over("x1", 1).await;
    over("x2", 86_400).await;
    let soon = over("x3", -3_600).await;
    let mut looking = Looking::new();
    looking.look(&ground.store).await;
    assert_eq!(looking.keys(), [soon]);
    over("x4", 2).await;
    // What was usable a moment ago and is not any more.
    let expire = format!(
        "UPDATE django_session SET expire_date = {}",
        ground.at(ground.ago(1))
    );
    ground.db.execute(&expire).await;
    looking.look_whole(&ground.store).await;
    assert!(looking.keys().is_empty());
    assert!(looking.roster.keys_of(&ground.id(1)).is_empty());
}

async fn a_short_age_does_not_bring_expired_rows_back(engine: Engine) {
    let ground = Ground::on(engine).await;
    ground.person(1, "ana", Person::default()).await;
    // A site whose sessions live for eight seconds: one was just saved, one is over.
    let data = |saved| ground.data(Some(1), saved, Expiry::Seconds(8));
    let (now, old) = (Timestamp::now(), ground.ago(9));
    let age = SignedDuration::from_secs(8);
    let alive = ground.row("s1", &data(now), now + age).await;
    ground.row("s2", &data(old), old + age).await;
    let mut looking = Looking::new();
    looking.look(&ground.store).await;
    assert_eq!(looking.keys(), std::slice::from_ref(&alive));
    looking.look_whole(&ground.store).await;
    assert_eq!(looking.roster.keys_of(&ground.id(1)), [alive]);
}

async fn people_whose_evidence_moved_are_found(engine: Engine) {
    let ground = Ground::on(engine).await;
    let long_ago = Person {
        activity: Some(ground.ago(9_000)),
        login: Some(ground.ago(9_000)),
        flag: false,
    };
    for (number, name) in [(1, "ana"), (2, "ben"), (3, "cem")] {
        ground.person(number, name, long_ago).await;
        ground
            .session(&format!("{name}1"), Some(number), ground.ago(9_000))
            .await;
    }
    let mut looking = Looking::new();
    let at = looking.look(&ground.store).await;
    looking.roster.settle(at, &rules());
    assert_eq!(looking.roster.counts().overdue, 3);
    let now = Timestamp::now().round(jiff::Unit::Microsecond).unwrap();
    ground.activity(1, now).await;
    ground.set(2, "last_login", &ground.at(now)).await;
    let at = looking.look_whole(&ground.store).await;
    assert_eq!(looking.user(&ground.id(1)).last_activity, Some(now));
    assert_eq!(looking.user(&ground.id(2)).last_login, Some(now));
    looking.roster.settle(at, &rules());
    let counts = looking.roster.counts();
    assert_eq!((counts.active, counts.overdue), (2, 1));
}

async fn a_flag_that_others_set_and_clear_is_found_at_every_look(engine: Engine) {
    let ground = Ground::on(engine).await;
    let unseen = Person {
        activity: Some(ground.ago(9_000)),
        ..Person::default()
    };
    ground.person(1, "ana", unseen).await;
    ground.person(2, "ben", unseen).await;
    ground.session("b1", Some(2), ground.ago(60)).await;
    let mut looking = Looking::new();
    looking.look_slowly(&ground.store).await;
    let state = |looking: &mut Looking, at| {
        looking.roster.settle(at, &rules());
        let person = looking.roster.person(&ground.id(1));
        person.and_then(|p| p.state())
    };
    assert_eq!(state(&mut looking, ground.now), None);
    let flag = ground.shape.names.flag;
    ground.set(1, flag, "true").await;
    let at = looking.look(&ground.store).await;
    assert_eq!(looking.listings, 0, "the listing was not to be due");
    assert_eq!(state(&mut looking, at), Some(State::Stale));
    ground.set(1, flag, "false").await;
    let at = looking.look(&ground.store).await;
    assert_eq!(looking.listings, 0, "the listing was not to be due");
    assert_eq!(state(&mut looking, at), None);
}

async fn a_user_that_was_deleted_is_found_missing(engine: Engine) {
    let ground = Ground::on(engine).await;
    ground.overdue(1, "a1").await;
    let mut looking = Looking::new();
    let at = looking.look(&ground.store).await;
    looking.roster.settle(at, &rules());
    assert_eq!(looking.roster.counts().signed_in, 1);
    ground.db.execute("DELETE FROM accounts_user").await;
    let at = looking.look_whole(&ground.store).await;
    looking.roster.settle(at, &rules());
    assert!(looking.roster.person(&ground.id(1)).unwrap().is_missing());
    let counts = looking.roster.counts();
    assert_eq!((counts.signed_in, counts.rejected_sessions), (0, 1));
}

async fn the_clock_is_the_databases_and_goes_on(engine: Engine) {
    let ground = Ground::on(engine).await;
    let before = ground.store.now().await.unwrap();
    let looked = Looking::new().look(&ground.store).await;
    let after = ground.store.now().await.unwrap();
    assert!(
        before <= looked && looked <= after,
        "{before} {looked} {after}"
    );
    assert!(after > before, "it stands still");
    // The servers of these tests run on this machine.
    assert!(after.duration_since(Timestamp::now()).abs() < SignedDuration::from_secs(5));
}

//! Sessions that a plan names with their dates: while the date stays, a session is what it was, and is not read again.

use std::sync::Arc;

use curfew_engine::store::{Hold, SessionKey, Store, SweepBatch, UserRow};
use jiff::{SignedDuration, Timestamp};

use crate::common::{COOKIE_AGE, Engine, Ground, Shape, may_go, sorted};

on_each_store! {
    what_has_its_date_goes
    whose_date_moved_keeps_all_of_their_sessions
    a_date_that_moved_back_spares_too
    a_date_that_no_save_moves_is_read_beside_the_others
    more_sessions_than_one_statement_takes_go_by_their_dates
    one_date_of_many_that_moved_keeps_all_of_its_person
    dates_of_centuries_to_come_go_like_others
    somebody_made_exempt_since_the_plan_is_spared
    what_a_table_says_of_its_use_counts_though_the_date_stays
}

/// The date of a session that was saved then.
fn date(saved: Timestamp) -> Timestamp {
    saved + SignedDuration::from_secs(COOKIE_AGE)
}

/// Ana (1) with `a1` and `a2`, ben (2) with `b1`, and the dates of all three.
async fn three(ground: &Ground) -> SweepBatch {
    let one = ground.overdue(1, "a1").await;
    let more = ground.session("a2", Some(1), ground.ago(80_000)).await;
    let two = ground.overdue(2, "b1").await;
    let mut batch = ground.batch(vec![
        (ground.id(1), vec![one.clone(), more.clone()]),
        (ground.id(2), vec![two.clone()]),
    ]);
    batch.dates = [
        (one, date(ground.ago(7_201))),
        (more, date(ground.ago(80_000))),
        (two, date(ground.ago(7_202))),
    ]
    .into();
    batch
}

async fn what_has_its_date_goes(engine: Engine) {
    for naive in [false, true] {
        let shape = Shape {
            naive,
            ..Shape::default()
        };
        let ground = Ground::shaped(engine, shape).await;
        ground.session("v1", None, ground.ago(80_000)).await;
        let batch = three(&ground).await;
        let done = ground.store.sweep(batch.clone()).await.unwrap();
        let keys = ["a1", "a2", "b1"].map(SessionKey::new);
        assert_eq!(sorted(done.deleted), keys);
        assert_eq!(sorted(done.marked), [ground.id(1), ground.id(2)]);
        assert!(done.spared.is_empty());
        assert_eq!(ground.keys().await, ["v1"]);
        let again = ground.store.sweep(batch).await.unwrap();
        assert!(again.deleted.is_empty() && again.marked.is_empty());
    }
}

async fn whose_date_moved_keeps_all_of_their_sessions(engine: Engine) {
    let ground = Ground::on(engine).await;
    let batch = three(&ground).await;
    // A device of hers saved its session, and nothing else tells that she is here.
    ground.save("a2", Some(1), ground.ago(1)).await;
    let done = ground.store.sweep(batch).await.unwrap();
    assert_eq!(done.deleted, [SessionKey::new("b1")]);
    assert_eq!(done.marked, [ground.id(2)]);
    assert_eq!(done.spared.len(), 1);
    assert_eq!(done.spared[0].0, ground.id(1));
    assert_eq!(ground.keys().await, ["a1", "a2"]);
}

/// A save that gives it a shorter life.
async fn a_date_that_moved_back_spares_too(engine: Engine) {
    let ground = Ground::on(engine).await;
    let batch = three(&ground).await;
    assert_eq!(shortened(&ground).await, 1);
    let done = ground.store.sweep(batch).await.unwrap();
    assert_eq!(done.deleted, [SessionKey::new("b1")]);
    assert_eq!(done.spared.len(), 1);
    assert_eq!(ground.keys().await, ["a1", "a2"]);
}

async fn shortened(ground: &Ground) -> u64 {
    let data = ground.data(Some(1), ground.ago(1), Default::default());
    let saving = ground.saving("a2", &data, ground.ago(-60));
    ground.db.execute(&saving).await
}

/// Nothing brings back what such a table let go.
#[tokio::test]
async fn a_table_that_knows_no_transactions_loses_nothing_whose_date_moved() {
    for kind in ["MyISAM", "Aria"] {
        let ground = Ground::on(Engine::Mysql).await;
        let other = format!("ALTER TABLE django_session ENGINE = {kind}");
        ground.db.execute(&other).await;
        let batch = three(&ground).await;
        assert_eq!(shortened(&ground).await, 1);
        let done = ground.db.store().await.sweep(batch).await.unwrap();
        assert_eq!(done.deleted, [SessionKey::new("b1")], "{kind}");
        assert_eq!(done.spared.len(), 1);
        assert_eq!(ground.keys().await, ["a1", "a2"]);
    }
}

async fn a_date_that_no_save_moves_is_read_beside_the_others(engine: Engine) {
    let ground = Ground::on(engine).await;
    let mut batch = three(&ground).await;
    // Without a date in the plan the content decides, and it was saved a moment ago.
    batch.dates.remove(&SessionKey::new("a2"));
    ground.save("a2", Some(1), ground.ago(1)).await;
    let done = ground.store.sweep(batch.clone()).await.unwrap();
    assert_eq!(done.deleted, [SessionKey::new("b1")]);
    ground.save("a2", Some(1), ground.ago(9_000)).await;
    let done = ground.store.sweep(batch).await.unwrap();
    assert_eq!(sorted(done.deleted), ["a1", "a2"].map(SessionKey::new));
    assert!(ground.keys().await.is_empty());
}

async fn more_sessions_than_one_statement_takes_go_by_their_dates(engine: Engine) {
    let ground = Ground::on(engine).await;
    ground.overdue(1, "first").await;
    let saved = ground.ago(8_000);
    let data = ground.data(Some(1), saved, Default::default());
    let keys: Vec<String> = (0..5_111).map(|n| format!("k{n:04}")).collect();
    let keys = ground.rows(&keys, &data, date(saved)).await;
    let mut batch = ground.batch(vec![(ground.id(1), keys.clone())]);
    batch.dates = keys.into_iter().map(|key| (key, date(saved))).collect();
    let done = ground.store.sweep(batch).await.unwrap();
    assert_eq!(done.deleted.len(), 5_111);
    assert_eq!(ground.keys().await, ["first"]);
}

/// What one statement took before another did not is taken back.
async fn one_date_of_many_that_moved_keeps_all_of_its_person(engine: Engine) {
    let ground = Ground::on(engine).await;
    let mut batch = three(&ground).await;
    let data = ground.data(Some(1), ground.ago(8_000), Default::default());
    let more: Vec<String> = (0..700).map(|n| format!("k{n:03}")).collect();
    let expires = date(ground.ago(8_000));
    for key in ground.rows(&more, &data, expires).await {
        batch.dates.insert(key.clone(), expires);
        batch.overdue[0].1.push(key);
    }
    ground.save("k699", Some(1), ground.ago(1)).await;
    let done = ground.store.sweep(batch).await.unwrap();
    assert_eq!(done.deleted, [SessionKey::new("b1")]);
    assert_eq!(done.spared.len(), 1);
    assert_eq!(ground.keys().await.len(), 702);
}

async fn dates_of_centuries_to_come_go_like_others(engine: Engine) {
    for naive in [false, true] {
        let shape = Shape {
            naive,
            ..Shape::default()
        };
        let ground = Ground::shaped(engine, shape).await;
        let mut batch = three(&ground).await;
        // A double holds the microseconds of the one, and not of the other.
        let data = ground.data(Some(1), ground.ago(7_201), Default::default());
        for (key, at) in [
            ("a1", "2254-06-01T00:00:00.123457Z"),
            ("a2", "3000-01-01T00:00:00.123457Z"),
        ] {
            let at = at.parse().unwrap();
            let save = ground.saving(key, &data, at);
            assert_eq!(ground.db.execute(&save).await, 1);
            batch.dates.insert(SessionKey::new(key), at);
        }
        let done = ground.store.sweep(batch).await.unwrap();
        let keys = ["a1", "a2", "b1"].map(SessionKey::new);
        assert_eq!(sorted(done.deleted), keys);
        assert!(done.spared.is_empty());
    }
}

async fn somebody_made_exempt_since_the_plan_is_spared(engine: Engine) {
    let ground = Ground::on(engine).await;
    let mut batch = three(&ground).await;
    batch.stale = vec![(ground.id(3), None)];
    let flagged = crate::common::Person {
        flag: true,
        ..Default::default()
    };
    ground.person(3, "cem", flagged).await;
    batch.exempts = Arc::new(|row: &UserRow| {
        matches!(row.username.as_str(), "person1" | "cem").then_some("exempt by name")
    });
    let done = ground.store.sweep(batch).await.unwrap();
    assert_eq!(done.deleted, [SessionKey::new("b1")]);
    assert_eq!(done.marked, [ground.id(2)]);
    let spared = sorted(done.spared.iter().map(|(id, why)| (id.clone(), *why)));
    let why = Hold::Exempt("exempt by name");
    assert_eq!(spared, [(ground.id(1), why), (ground.id(3), why)]);
    assert_eq!(ground.keys().await, ["a1", "a2"]);
}

async fn what_a_table_says_of_its_use_counts_though_the_date_stays(engine: Engine) {
    let ground = Ground::on(engine).await;
    let time = match engine {
        Engine::Postgres => "timestamptz",
        _ => "datetime(6)",
    };
    let column = format!("ALTER TABLE django_session ADD COLUMN last_activity {time} NULL");
    ground.db.execute(&column).await;
    let mut batch = three(&ground).await;
    let (cutoff, used) = (batch.cutoff, ground.at(ground.ago(1)));
    let touch =
        format!("UPDATE django_session SET last_activity = {used} WHERE session_key = 'a2'");
    assert_eq!(ground.db.execute(&touch).await, 1);
    batch.decide = Arc::new(move |id, row| {
        let seen = row.extra.as_ref().and_then(|extra| extra.seen);
        may_go(cutoff, id, row) && seen.is_none_or(|at| at <= cutoff)
    });
    let done = ground.db.store().await.sweep(batch).await.unwrap();
    assert_eq!(done.deleted, [SessionKey::new("b1")]);
    assert_eq!(done.spared.len(), 1);
    assert_eq!(ground.keys().await, ["a1", "a2"]);
}

/// As Django made it on MySQL before 1.8: two saves within a second leave the same date there.
#[tokio::test]
async fn a_date_without_fractions_of_a_second_tells_nothing_and_the_content_is_read() {
    for (engine, coarse) in [
        (Engine::Mysql, "MODIFY expire_date datetime NOT NULL"),
        (Engine::Postgres, "ALTER expire_date TYPE timestamptz(0)"),
    ] {
        let ground = Ground::on(engine).await;
        let saved = Timestamp::from_second(ground.ago(8_000).as_second()).unwrap();
        let mut batch = three(&ground).await;
        ground.save("a2", Some(1), saved).await;
        batch.dates = [(SessionKey::new("a2"), date(saved))].into();
        let coarse = format!("ALTER TABLE django_session {coarse}");
        ground.db.execute(&coarse).await;
        let data = ground.data(Some(1), ground.ago(1), Default::default());
        let again = ground.saving("a2", &data, date(saved));
        assert_eq!(ground.db.execute(&again).await, 1);
        let done = ground.db.store().await.sweep(batch).await.unwrap();
        assert_eq!(done.deleted, [SessionKey::new("b1")], "{engine:?}");
        assert_eq!(done.spared.len(), 1);
        assert_eq!(ground.keys().await, ["a1", "a2"]);
    }
}

#[tokio::test]
async fn a_session_that_another_holds_spares_its_person_and_nobody_else() {
    let ground = Ground::on(Engine::Mysql).await;
    let batch = three(&ground).await;
    let saved = ground.data(Some(1), ground.ago(1), Default::default());
    let save = ground.saving("a2", &saved, date(ground.ago(1)));
    let held = ground.db.holding(&save).await;
    // Who waits for it loses the whole batch.
    let done = ground.store.sweep(batch).await.unwrap();
    assert_eq!(done.deleted, [SessionKey::new("b1")]);
    assert_eq!(done.spared.len(), 1);
    held.commit().await;
    assert_eq!(ground.keys().await, ["a1", "a2"]);
}

/// As MySQL has it: what others hold is passed over, and a deletion says nothing of what it took.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_server_whose_deletions_say_nothing_dates_are_read_while_sessions_are_held() {
    let ground = Ground::on(Engine::Mysql).await;
    let store = ground
        .db
        .misheard_store("MariaDB", "MySQL-8", "ssl-mode=disabled");
    let store = store.await;
    let batch = three(&ground).await;
    let hold = "SELECT 1 FROM django_session WHERE session_key = 'a2' FOR UPDATE";
    let held = ground.db.holding(hold).await;
    let done = store.sweep(batch.clone()).await.unwrap();
    assert_eq!(done.deleted, [SessionKey::new("b1")]);
    assert_eq!(done.marked, [ground.id(2)]);
    held.release().await;
    let (saved, before) = (ground.ago(1), ground.ago(80_000));
    ground.save("a2", Some(1), saved).await;
    let done = store.sweep(batch.clone()).await.unwrap();
    assert!(done.deleted.is_empty() && done.marked.is_empty());
    assert_eq!(done.spared.len(), 1);
    assert_eq!(ground.keys().await, ["a1", "a2"]);
    ground.save("a2", Some(1), before).await;
    let done = store.sweep(batch).await.unwrap();
    assert_eq!(
        (done.deleted.len(), done.marked.contains(&ground.id(1))),
        (2, true)
    );
}

/// Where what others hold cannot be passed over, a deletion fails at once for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_server_that_passes_over_nothing_dates_tell_while_nobody_holds_a_session() {
    let ground = Ground::on(Engine::Mysql).await;
    let store = ground.db.posing_store("10.4").await;
    let batch = three(&ground).await;
    let hold = "SELECT 1 FROM django_session WHERE session_key = 'a2' FOR UPDATE";
    let held = ground.db.holding(hold).await;
    let done = store.sweep(batch.clone()).await.unwrap();
    assert_eq!(done.spared.len(), 1);
    assert_eq!((done.deleted.len(), done.marked.len()), (1, 1));
    held.release().await;
    let done = store.sweep(batch).await.unwrap();
    assert_eq!((done.deleted.len(), done.marked.len()), (2, 1));
}

/// A transaction that failed for one user's row leaves the rows of the others before they are tried again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_fails_holds_nobody_any_more() {
    // PostgreSQL waits for 100 ms each time.
    for (engine, pose, rounds) in [
        (Engine::Mysql, Some("10.4"), 20),
        (Engine::Postgres, None, 5),
    ] {
        let mut ground = Ground::on(engine).await;
        if let Some(version) = pose {
            ground.store = ground.db.posing_store(version).await;
        }
        let theirs = ground.overdue(1, "a1").await;
        let mut others = Vec::new();
        for number in 2..=41 {
            let key = ground.overdue(number, &format!("b{number}")).await;
            others.push((ground.id(number), vec![key]));
        }
        let hold = "SELECT 1 FROM django_session WHERE session_key = 'a1' FOR UPDATE";
        let held = ground.db.holding(hold).await;
        let mut done = Vec::new();
        for one in others.into_iter().take(rounds) {
            let both = vec![(ground.id(1), vec![theirs.clone()]), one];
            let both = ground.store.sweep(ground.batch(both)).await.unwrap();
            done.push((both.spared.len(), both.deleted.len()));
        }
        held.release().await;
        assert_eq!(done, vec![(1, 1); rounds], "{engine:?}");
    }
}

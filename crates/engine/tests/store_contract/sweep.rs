//! A batch of a sweep: those still as the plan saw them go, and nobody else, whatever the plan says.

use std::sync::Arc;

use base64::Engine as _;
use curfew_engine::store::{BatchDone, SessionKey, Store, UserId};
use jiff::SignedDuration;

use crate::common::{COOKIE_AGE, Engine, Ground, Person, may_go, sorted};

on_each_store! {
    the_overdue_lose_their_sessions_and_their_flag
    who_was_active_after_the_plan_is_spared
    who_signed_in_after_the_plan_is_spared
    whose_session_was_saved_after_the_plan_is_spared
    nobodys_activity_is_no_proof_unless_saves_prove
    one_who_came_back_holds_nobody_else_back
    the_cutoff_itself_is_past_and_a_microsecond_later_is_not
    a_session_of_somebody_else_is_never_deleted
    who_was_signed_out_by_others_loses_only_the_flag
    the_stale_lose_their_flag_unless_they_were_seen_since
    a_session_from_before_django_3_1_is_deleted_whole
    a_person_with_more_sessions_than_one_statement_takes_loses_all
    two_sweeps_at_once_report_each_deed_once
    rows_that_hang_on_a_session_go_as_the_site_has_it_and_are_not_counted
    a_foreign_key_that_forbids_the_deletion_undoes_the_whole_batch
}

fn spared(done: &BatchDone) -> Vec<UserId> {
    sorted(done.spared.iter().map(|(id, _)| id.clone()))
}

/// Sweeps ana (1) with `o1` and ben (2) with `o2`, both overdue but for what `change` does. Ben always goes.
async fn one_spared(engine: Engine, change: impl AsyncFnOnce(&Ground)) {
    let ground = Ground::on(engine).await;
    let one = ground.overdue(1, "o1").await;
    let two = ground.overdue(2, "o2").await;
    change(&ground).await;
    let batch = ground.batch(vec![
        (ground.id(1), vec![one]),
        (ground.id(2), vec![two.clone()]),
    ]);
    let done = ground.store.sweep(batch).await.unwrap();
    assert_eq!(done.deleted, [two]);
    assert_eq!(done.marked, [ground.id(2)]);
    assert_eq!(spared(&done), [ground.id(1)]);
    assert!(ground.flagged(1).await && !ground.flagged(2).await);
    assert_eq!(ground.keys().await, ["o1"]);
}

async fn the_overdue_lose_their_sessions_and_their_flag(engine: Engine) {
    let ground = Ground::on(engine).await;
    let one = ground.overdue(1, "o1").await;
    let more = ground.session("o2", Some(1), ground.ago(80_000)).await;
    let two = ground.overdue(2, "o3").await;
    ground.overdue(3, "o4").await;
    ground.session("v1", None, ground.ago(80_000)).await;
    let batch = ground.batch(vec![
        (ground.id(1), vec![one.clone(), more.clone()]),
        (ground.id(2), vec![two.clone()]),
    ]);
    let done = ground.store.sweep(batch.clone()).await.unwrap();
    assert_eq!(sorted(done.deleted), [one, more, two]);
    assert_eq!(sorted(done.marked), [ground.id(1), ground.id(2)]);
    assert!(done.spared.is_empty());
    assert_eq!(ground.keys().await, ["o4", "v1"]);
    assert!(ground.flagged(3).await);
    // Again, there is nothing left to do, and nothing is said to be done.
    let done = ground.store.sweep(batch).await.unwrap();
    assert!(done.deleted.is_empty() && done.marked.is_empty());
}

async fn who_was_active_after_the_plan_is_spared(engine: Engine) {
    one_spared(engine, async |ground: &Ground| {
        ground.activity(1, ground.ago(2)).await;
    })
    .await;
}

async fn who_signed_in_after_the_plan_is_spared(engine: Engine) {
    one_spared(engine, async |ground: &Ground| {
        ground.set(1, "last_login", &ground.at(ground.ago(2))).await;
    })
    .await;
}

async fn whose_session_was_saved_after_the_plan_is_spared(engine: Engine) {
    one_spared(engine, async |ground: &Ground| {
        ground.save("o1", Some(1), ground.ago(2)).await;
    })
    .await;
}

async fn nobodys_activity_is_no_proof_unless_saves_prove(engine: Engine) {
    one_spared(engine, async |ground: &Ground| {
        ground.set(1, "last_activity", "NULL").await;
    })
    .await;
    let ground = Ground::on(engine).await;
    let one = ground.overdue(1, "o1").await;
    ground.set(1, "last_activity", "NULL").await;
    let mut batch = ground.batch(vec![(ground.id(1), vec![one.clone()])]);
    batch.saves_prove = true;
    assert_eq!(ground.store.sweep(batch).await.unwrap().deleted, [one]);
}

async fn one_who_came_back_holds_nobody_else_back(engine: Engine) {
    let ground = Ground::on(engine).await;
    let mut people = Vec::new();
    for number in 1..=50 {
        let key = ground.overdue(number, &format!("o{number:02}")).await;
        people.push((ground.id(number), vec![key]));
    }
    ground.activity(7, ground.ago(1)).await;
    ground.save("o31", Some(31), ground.ago(1)).await;
    let done = ground.store.sweep(ground.batch(people)).await.unwrap();
    assert_eq!((done.deleted.len(), done.marked.len()), (48, 48));
    assert_eq!(spared(&done), [ground.id(31), ground.id(7)]);
    assert_eq!(ground.keys().await, ["o07", "o31"]);
}

async fn the_cutoff_itself_is_past_and_a_microsecond_later_is_not(engine: Engine) {
    one_spared(engine, async |ground: &Ground| {
        let moment = ground.cutoff();
        ground.activity(2, moment).await;
        ground.set(2, "last_login", &ground.at(moment)).await;
        ground
            .activity(1, moment + SignedDuration::from_micros(1))
            .await;
    })
    .await;
}

async fn a_session_of_somebody_else_is_never_deleted(engine: Engine) {
    let ground = Ground::on(engine).await;
    let one = ground.overdue(1, "o1").await;
    let two = ground.overdue(2, "o2").await;
    let visitor = ground.session("v1", None, ground.ago(9_000)).await;
    // A plan that is wrong about two of three.
    let batch = ground.batch(vec![(ground.id(1), vec![one, two, visitor])]);
    let done = ground.store.sweep(batch).await.unwrap();
    assert!(done.deleted.is_empty() && done.marked.is_empty());
    assert_eq!(spared(&done), [ground.id(1)]);
    assert_eq!(ground.keys().await, ["o1", "o2", "v1"]);
    assert!(ground.flagged(1).await && ground.flagged(2).await);
}

async fn who_was_signed_out_by_others_loses_only_the_flag(engine: Engine) {
    let ground = Ground::on(engine).await;
    let one = ground.overdue(1, "o1").await;
    let two = ground.overdue(2, "o2").await;
    ground.db.execute("DELETE FROM django_session").await;
    ground.set(2, ground.shape.names.flag, "false").await;
    let batch = ground.batch(vec![(ground.id(1), vec![one]), (ground.id(2), vec![two])]);
    let done = ground.store.sweep(batch).await.unwrap();
    assert!(done.deleted.is_empty());
    assert_eq!(
        done.marked,
        [ground.id(1)],
        "the other's flag was down already"
    );
}

async fn the_stale_lose_their_flag_unless_they_were_seen_since(engine: Engine) {
    let ground = Ground::on(engine).await;
    let seen = ground.ago(9_000);
    let person = |activity, login| Person {
        activity,
        login,
        flag: true,
    };
    let people = [
        (1, person(Some(seen), None), Some(seen)),
        (2, person(Some(seen), Some(ground.ago(90_000))), Some(seen)),
        (3, person(None, None), None),
        (4, person(Some(ground.ago(30)), None), Some(seen)),
        (5, person(Some(seen), Some(ground.ago(30))), Some(seen)),
        // Somebody never seen before was seen at last.
        (6, person(None, Some(seen)), None),
    ];
    let mut batch = ground.batch(Vec::new());
    for (number, person, seen) in people {
        ground.person(number, &format!("p{number}"), person).await;
        batch.stale.push((ground.id(number), seen));
    }
    let done = ground.store.sweep(batch).await.unwrap();
    let ids = |numbers: [u32; 3]| numbers.map(|n| ground.id(n)).to_vec();
    assert_eq!(sorted(done.marked.clone()), ids([1, 2, 3]));
    assert_eq!(spared(&done), ids([4, 5, 6]));
    for number in 1..=6 {
        assert_eq!(ground.flagged(number).await, number > 3, "person {number}");
    }
}

/// A row as Django 3.0 wrote it; nothing of these tests checks its digest.
fn legacy(user: u32, more: &str) -> String {
    let digest = "5".repeat(40);
    let json = format!(r#"{{"_auth_user_id":"{user}","x":"{more}"}}"#);
    base64::engine::general_purpose::STANDARD.encode(format!("{digest}:{json}"))
}

async fn a_session_from_before_django_3_1_is_deleted_whole(engine: Engine) {
    let ground = Ground::on(engine).await;
    ground.overdue(1, "o1").await;
    ground.overdue(2, "o2").await;
    let expires = ground.ago(-COOKIE_AGE);
    let long = "y".repeat(9_000);
    let one = ground.row("l1", &legacy(1, &long), expires).await;
    let two = ground.row("l2", &legacy(2, &long), expires).await;
    let mut batch = ground.batch(vec![
        (ground.id(1), vec![one.clone()]),
        (ground.id(2), vec![two]),
    ]);
    // Between the plan and the batch the second became the first's: it holds another user now.
    let other = ground.saving("l2", &legacy(1, &long), expires);
    assert_eq!(ground.db.execute(&other).await, 1);
    let cutoff = ground.cutoff();
    batch.decide = Arc::new(move |id, row| may_go(cutoff, id, row));
    let done = ground.store.sweep(batch).await.unwrap();
    assert_eq!(done.deleted, [one]);
    assert_eq!(spared(&done), [ground.id(2)]);
    assert_eq!(ground.keys().await, ["l2", "o1", "o2"]);
}

async fn a_person_with_more_sessions_than_one_statement_takes_loses_all(engine: Engine) {
    let ground = Ground::on(engine).await;
    ground.overdue(1, "first").await;
    let data = ground.data(Some(1), ground.ago(8_000), Default::default());
    let keys: Vec<String> = (0..1_111).map(|n| format!("k{n:04}")).collect();
    let mut keys = ground.rows(&keys, &data, ground.ago(-900)).await;
    keys.push(SessionKey::new("first"));
    let batch = ground.batch(vec![(ground.id(1), keys)]);
    let done = ground.store.sweep(batch).await.unwrap();
    assert_eq!(done.deleted.len(), 1_112);
    assert_eq!(done.marked, [ground.id(1)]);
    assert!(ground.keys().await.is_empty());
}

async fn two_sweeps_at_once_report_each_deed_once(engine: Engine) {
    let ground = Ground::on(engine).await;
    let other = ground.db.store().await;
    let mut people = Vec::new();
    for number in 1..=40 {
        let key = ground.overdue(number, &format!("o{number:02}")).await;
        people.push((ground.id(number), vec![key]));
    }
    let batch = ground.batch(people);
    let (one, two) = tokio::join!(
        tokio::spawn({
            let (store, batch) = (ground.store.clone(), batch.clone());
            async move { store.sweep(batch).await.unwrap() }
        }),
        tokio::spawn(async move { other.sweep(batch).await.unwrap() }),
    );
    let (one, two) = (one.unwrap(), two.unwrap());
    let deleted = one.deleted.iter().chain(&two.deleted).cloned();
    let all: Vec<SessionKey> = (1..=40)
        .map(|n| SessionKey::new(format!("o{n:02}")))
        .collect();
    assert_eq!(sorted(deleted), all);
    let marked = one.marked.iter().chain(&two.marked).cloned();
    assert_eq!(sorted(marked), sorted((1..=40).map(|n| ground.id(n))));
    assert!(ground.keys().await.is_empty());
}

async fn rows_that_hang_on_a_session_go_as_the_site_has_it_and_are_not_counted(engine: Engine) {
    let ground = Ground::on(engine).await;
    let one = ground.overdue(1, "o1").await;
    ground.overdue(2, "o2").await;
    let tables = "
        CREATE TABLE cart (id integer PRIMARY KEY, session_id varchar(40),
            FOREIGN KEY (session_id) REFERENCES django_session (session_key) ON DELETE CASCADE);
        CREATE TABLE visit (id integer PRIMARY KEY, session_id varchar(40) NULL,
            FOREIGN KEY (session_id) REFERENCES django_session (session_key) ON DELETE SET NULL);
        CREATE TABLE letter (id integer PRIMARY KEY, user_id bigint,
            FOREIGN KEY (user_id) REFERENCES accounts_user (id) ON DELETE CASCADE);
        INSERT INTO cart VALUES (1, 'o1'), (2, 'o1'), (3, 'o2');
        INSERT INTO visit VALUES (1, 'o1');
        INSERT INTO letter VALUES (1, 1);
        INSERT INTO django_admin_log VALUES (1, 1);";
    ground.db.execute(tables).await;
    let batch = ground.batch(vec![(ground.id(1), vec![one.clone()])]);
    let done = ground.store.sweep(batch).await.unwrap();
    assert_eq!(done.deleted, [one]);
    assert_eq!(done.marked, [ground.id(1)]);
    for (table, left) in [
        ("cart", 1),
        ("visit", 1),
        ("letter", 1),
        ("django_admin_log", 1),
    ] {
        let count = format!("SELECT count(*) FROM {table}");
        assert_eq!(ground.db.int(&count).await, left, "{table}");
    }
}

async fn a_foreign_key_that_forbids_the_deletion_undoes_the_whole_batch(engine: Engine) {
    let ground = Ground::on(engine).await;
    let one = ground.overdue(1, "o1").await;
    let two = ground.overdue(2, "o2").await;
    // A table called after a lock is none. As Django makes a ForeignKey to the session: checked when the transaction commits, by MySQL at once.
    let deferred = match engine {
        Engine::Mysql => "",
        _ => "DEFERRABLE INITIALLY DEFERRED",
    };
    let tables = format!(
        "CREATE TABLE blocklist (id integer PRIMARY KEY, session_id varchar(40) NOT NULL,
            FOREIGN KEY (session_id) REFERENCES django_session (session_key) {deferred});
         INSERT INTO blocklist VALUES (1, 'o1');"
    );
    ground.db.execute(&tables).await;
    let batch = ground.batch(vec![
        (ground.id(1), vec![one]),
        (ground.id(2), vec![two.clone()]),
    ]);
    let error = ground.store.sweep(batch).await.unwrap_err();
    assert!(
        error.message.to_lowercase().contains("foreign key"),
        "{error}"
    );
    assert_eq!(ground.keys().await, ["o1", "o2"]);
    assert!(ground.flagged(1).await && ground.flagged(2).await);
    // And nothing is left behind on the connection: the other can be swept.
    let batch = ground.batch(vec![(ground.id(2), vec![two.clone()])]);
    assert_eq!(ground.store.sweep(batch).await.unwrap().deleted, [two]);
}

//! Someone else at work in the same moment. The site goes first: Curfew waits for nobody's lock, and what moves
//! between its statements is left alone.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use curfew_engine::django::session::Expiry;
use curfew_engine::error::Code;
use curfew_engine::store::{BatchDone, Hold, SessionKey, Store, SweepBatch};
use futures_util::FutureExt;
use jiff::{SignedDuration, Timestamp};

use crate::common::{COOKIE_AGE, Engine, Ground, Shape, may_go, sorted};

on_each_store! { servers:
    who_is_being_written_right_now_is_spared_and_nobody_waits
    a_stale_person_who_is_being_written_right_now_is_spared
    somebody_else_who_is_being_written_keeps_nobody_here
    a_table_that_is_being_altered_puts_the_batch_off
    a_save_between_judgement_and_deletion_spares
    a_legacy_row_that_changes_after_its_digest_is_spared
    who_comes_back_between_judgement_and_deletion_is_spared_without_a_row_lock
    who_comes_back_after_their_dates_were_compared_is_spared_without_a_row_lock
    who_signs_out_between_judgement_and_deletion_is_not_reported
    what_others_hold_is_deleted_once_they_let_go_and_never_claimed_before
    a_session_that_somebody_holds_keeps_its_holder_alone
}

/// A batch of two overdue people, ana with `o1` and ben with `o2`.
async fn two(ground: &Ground) -> SweepBatch {
    let one = ground.overdue(1, "o1").await;
    let two = ground.overdue(2, "o2").await;
    ground.batch(vec![(ground.id(1), vec![one]), (ground.id(2), vec![two])])
}

/// Sweeps, and holds it to its second.
async fn soon(ground: &Ground, batch: SweepBatch) -> BatchDone {
    within(Duration::from_millis(1_500), ground, batch).await
}

async fn within(limit: Duration, ground: &Ground, batch: SweepBatch) -> BatchDone {
    let began = Instant::now();
    let done = ground.store.sweep(batch).await.unwrap();
    let took = began.elapsed();
    assert!(took < limit, "it took {took:?}");
    done
}

async fn who_is_being_written_right_now_is_spared_and_nobody_waits(engine: Engine) {
    let ground = Ground::on(engine).await;
    let batch = two(&ground).await;
    let held = "SELECT 1 FROM accounts_user WHERE id = 1 FOR UPDATE";
    let held = ground.db.holding(held).await;
    let done = soon(&ground, batch).await;
    assert_eq!(done.marked, [ground.id(2)]);
    assert_eq!(done.spared.len(), 1);
    assert_eq!(done.spared[0].0, ground.id(1));
    held.release().await;
    assert_eq!(ground.keys().await, ["o1"]);
    assert!(ground.flagged(1).await);
}

/// Where activity is indexed, that is how a server finds out who was seen since: by the rows of those who are here.
async fn somebody_else_who_is_being_written_keeps_nobody_here(engine: Engine) {
    for by_dates in [true, false] {
        let shape = Shape {
            login: false,
            ..Shape::default()
        };
        let ground = Ground::shaped(engine, shape).await;
        let mut people = Vec::new();
        for number in 1..=400 {
            let key = ground.overdue(number, &format!("o{number:02}")).await;
            let saved = ground.ago(7_200 + i64::from(number));
            people.push((ground.id(number), key, ground.expires(saved)));
        }
        people.truncate(50);
        ground.activity(400, ground.ago(1)).await;
        let index = "CREATE INDEX seen ON accounts_user (last_activity)";
        ground.db.execute(index).await;
        let of = people.iter().cloned();
        let mut batch = ground.batch(of.map(|(id, key, _)| (id, vec![key])).collect());
        let dates = people.into_iter().filter(|_| by_dates);
        batch.dates = dates.map(|(_, key, at)| (key, at)).collect();
        let here = ground.setting(400, "last_activity", &ground.at(ground.now));
        let held = ground.db.holding(&here).await;
        let done = soon(&ground, batch).await;
        assert_eq!(done.spared, [], "by dates: {by_dates}");
        assert_eq!((done.deleted.len(), done.marked.len()), (50, 50));
        held.release().await;
    }
}

async fn a_stale_person_who_is_being_written_right_now_is_spared(engine: Engine) {
    let ground = Ground::on(engine).await;
    let mut batch = two(&ground).await;
    let seen = Some(ground.ago(60));
    batch.stale = batch.overdue.drain(..).map(|(id, _)| (id, seen)).collect();
    let write = ground.setting(1, "last_activity", "now()");
    let held = ground.db.holding(&write).await;
    let done = soon(&ground, batch).await;
    assert_eq!(done.marked, [ground.id(2)]);
    assert_eq!(done.spared[0].0, ground.id(1));
    held.release().await;
    assert!(ground.flagged(1).await);
}

/// On each server: a lock on one session keeps its holder, who is named with the reason, and nobody else of the batch.
async fn a_session_that_somebody_holds_keeps_its_holder_alone(engine: Engine) {
    for by_dates in [true, false] {
        let ground = Ground::on(engine).await;
        let mut people = Vec::new();
        for number in 1..=50 {
            let key = ground.overdue(number, &format!("o{number:02}")).await;
            let saved = ground.ago(7_200 + i64::from(number));
            people.push((ground.id(number), key, ground.expires(saved)));
        }
        let of = people.iter().cloned();
        let mut batch = ground.batch(of.map(|(id, key, _)| (id, vec![key])).collect());
        let dates = people.into_iter().filter(|_| by_dates);
        batch.dates = dates.map(|(_, key, at)| (key, at)).collect();
        let held = "SELECT 1 FROM django_session WHERE session_key = 'o07' FOR UPDATE";
        let held = ground.db.holding(held).await;
        let done = ground.store.sweep(batch.clone()).await.unwrap();
        assert_eq!(
            done.spared,
            [(ground.id(7), Hold::Row)],
            "by dates: {by_dates}"
        );
        assert_eq!((done.deleted.len(), done.marked.len()), (49, 49));
        held.release().await;
        assert_eq!(ground.keys().await, ["o07"]);
        assert!(ground.flagged(7).await);
    }
}

#[tokio::test]
async fn a_session_that_is_being_saved_right_now_spares_its_holder_on_mysql() {
    let ground = Ground::on(Engine::Mysql).await;
    let batch = two(&ground).await;
    let data = ground.data(Some(1), Timestamp::now(), Expiry::Default);
    let save = ground.saving("o1", &data, ground.ago(-COOKIE_AGE));
    let held = ground.db.holding(&save).await;
    let done = soon(&ground, batch).await;
    assert_eq!(done.deleted, [SessionKey::new("o2")]);
    assert_eq!(done.marked, [ground.id(2)]);
    assert_eq!(done.spared[0].0, ground.id(1));
    held.release().await;
    assert_eq!(ground.keys().await, ["o1"]);
    assert!(ground.flagged(1).await);
}

async fn what_others_hold_is_deleted_once_they_let_go_and_never_claimed_before(engine: Engine) {
    let ground = Ground::on(engine).await;
    let mut keys = Vec::new();
    for number in 1..=20 {
        keys.push(ground.overdue(number, &format!("o{number:02}")).await);
    }
    let hold = "SELECT 1 FROM django_session WHERE session_key > 'o09' FOR UPDATE";
    let held = ground.db.holding(hold).await;
    let deleted = ground.store.delete(&keys).await.unwrap();
    // However many are held.
    assert_eq!(sorted(deleted), keys[..9]);
    let refused = ground.store.delete(&keys).await.unwrap_err();
    assert!(refused.code == Code::Held);
    let flag = "SELECT 1 FROM accounts_user WHERE id = 1 FOR UPDATE";
    let flag = ground.db.holding(flag).await;
    let refused = ground.store.clear_flag(&ground.id(1)).await.unwrap_err();
    assert!(refused.code == Code::Held);
    assert!(ground.flagged(1).await);
    let (store, all) = (ground.store.clone(), keys.clone());
    let deletion = tokio::spawn(async move { store.delete(&all).await.unwrap() });
    held.release().await;
    flag.release().await;
    assert_eq!(sorted(deletion.await.unwrap()), keys[9..]);
    assert!(ground.store.clear_flag(&ground.id(1)).await.unwrap());
}

/// One fails at once where somebody holds a row, and the other after a second, the least that it can be told to wait.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_locked_rows_cannot_be_left_out_their_holder_stays() {
    for (version, waits) in [("10.4", 0), ("10.2", 1_000)] {
        // Once with everybody, and once with the holder alone.
        let limit = Duration::from_millis(1_500 + 2 * waits);
        let mut ground = Ground::on(Engine::Mysql).await;
        ground.store = ground.db.posing_store(version).await;
        let batch = two(&ground).await;
        for held in [
            "SELECT 1 FROM accounts_user WHERE id = 1 FOR UPDATE",
            "SELECT 1 FROM django_session WHERE session_key = 'o1' FOR UPDATE",
        ] {
            let held = ground.db.holding(held).await;
            let done = within(limit, &ground, batch.clone()).await;
            assert_eq!(done.spared, [(ground.id(1), Hold::Row)], "{version}");
            assert_eq!((done.deleted.len(), done.marked.len()), (1, 1));
            held.release().await;
            ground.session("o2", Some(2), ground.ago(7_202)).await;
            let flag = ground.setting(2, "isCurrentlyActive", "true");
            ground.db.execute(&flag).await;
        }
        let done = soon(&ground, batch).await;
        assert_eq!((done.deleted.len(), done.marked.len()), (2, 2));
    }
}

/// Deletions wait for nobody there, and ask again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_others_hold_is_deleted_once_they_let_go_where_it_cannot_be_left_out() {
    let mut ground = Ground::on(Engine::Mysql).await;
    ground.store = ground.db.posing_store("10.4").await;
    let batch = two(&ground).await;
    let keys: Vec<SessionKey> = batch.overdue.into_iter().flat_map(|o| o.1).collect();
    let hold = "SELECT 1 FROM django_session WHERE session_key = 'o1' FOR UPDATE";
    let held = ground.db.holding(hold).await;
    let refused = ground.store.delete(&keys).await.unwrap_err();
    assert!(refused.code == Code::Held);
    let store = ground.store.clone();
    let all = keys.clone();
    let deletion = tokio::spawn(async move { store.delete(&all).await.unwrap() });
    held.release().await;
    assert_eq!(deletion.await.unwrap(), keys);
}

async fn a_table_that_is_being_altered_puts_the_batch_off(engine: Engine) {
    for (table, dated) in [
        ("accounts_user", 0),
        ("django_session", 0),
        ("django_session", 1),
        ("django_session", 2),
    ] {
        let ground = Ground::on(engine).await;
        let mut batch = two(&ground).await;
        let dates = [("o1", 7_201), ("o2", 7_202)].into_iter().take(dated);
        let dates = dates.map(|(key, ago)| (SessionKey::new(key), ground.expires(ground.ago(ago))));
        batch.dates = dates.collect();
        let lock = match engine {
            Engine::Mysql => format!("LOCK TABLES {table} WRITE"),
            _ => format!("LOCK TABLE {table}"),
        };
        let held = ground.db.holding(&lock).await;
        let person = async {
            tokio::time::sleep(Duration::from_millis(500)).await;
            let free = "SELECT id FROM accounts_user WHERE id = 1 FOR UPDATE NOWAIT";
            let free = AssertUnwindSafe(ground.db.int(free)).catch_unwind();
            table == "accounts_user" || free.await.is_ok()
        };
        let sweep = async {
            let began = Instant::now();
            let done = ground.store.sweep(batch.clone()).await.unwrap();
            (done, began.elapsed())
        };
        let ((done, took), free) = tokio::join!(sweep, person);
        held.release().await;
        assert!(took < Duration::from_millis(1_500), "it took {took:?}");
        // Whoever waits for the table holds nobody meanwhile.
        assert!(free, "{table}, {dated} by their dates");
        assert!(done.deleted.is_empty() && done.marked.is_empty());
        let table = Hold::Table;
        assert_eq!(done.spared, [(ground.id(1), table), (ground.id(2), table)]);
        // Put off, not given up.
        assert_eq!(soon(&ground, batch).await.deleted.len(), 2);
    }
}

#[tokio::test]
async fn a_file_that_another_writes_puts_the_batch_off() {
    let ground = Ground::on(Engine::Sqlite).await;
    let batch = two(&ground).await;
    let held = ground.db.holding("SELECT 1").await;
    let done = ground.store.sweep(batch.clone()).await.unwrap();
    assert!(done.deleted.is_empty() && done.marked.is_empty());
    let file = Hold::File;
    assert_eq!(done.spared, [(ground.id(1), file), (ground.id(2), file)]);
    held.release().await;
    assert_eq!(ground.store.sweep(batch).await.unwrap().deleted.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_others_write_for_seconds_is_waited_for_by_a_deletion() {
    let ground = Ground::on(Engine::Sqlite).await;
    let keys = two(&ground).await.overdue.remove(0).1;
    let held = ground.db.holding("SELECT 1").await;
    let store = ground.store.clone();
    let deletion = tokio::spawn(async move { store.delete(&keys).await.unwrap() });
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    assert!(!deletion.is_finished());
    held.release().await;
    assert_eq!(deletion.await.unwrap(), [SessionKey::new("o1")]);
}

/// Runs a statement of someone else's after the sessions of `batch` were judged and before they are deleted.
fn between(ground: &Ground, batch: &mut SweepBatch, sql: String) {
    let (meanwhile, once) = (ground.db.meanwhile(sql), std::sync::Once::new());
    let cutoff = batch.cutoff;
    batch.decide = Arc::new(move |id, row| {
        let verdict = may_go(cutoff, id, row);
        once.call_once(&meanwhile);
        verdict
    });
}

async fn a_save_between_judgement_and_deletion_spares(engine: Engine) {
    let ground = Ground::on(engine).await;
    let mut batch = two(&ground).await;
    let now = Timestamp::now();
    let data = ground.data(Some(1), now, Expiry::Default);
    let expires = now + SignedDuration::from_secs(COOKIE_AGE);
    let save = ground.saving("o1", &data, expires);
    between(&ground, &mut batch, save);
    let done = soon(&ground, batch).await;
    assert_eq!(done.marked, [ground.id(2)]);
    assert_eq!(done.spared.len(), 1);
    assert_eq!(ground.keys().await, ["o1"]);
    assert!(ground.flagged(1).await);
}

async fn a_legacy_row_that_changes_after_its_digest_is_spared(engine: Engine) {
    use base64::Engine as _;
    let ground = Ground::on(engine).await;
    ground.overdue(1, "o1").await;
    // Two rows that differ in their last characters alone: the beginning is no version of them.
    let row = |end: &str| {
        let text = format!(r#"{}:{{"_auth_user_id":"1","x":"{end}"}}"#, "5".repeat(40));
        base64::engine::general_purpose::STANDARD.encode(text)
    };
    let expires = ground.ago(-COOKIE_AGE);
    let key = ground.row("l1", &row("before"), expires).await;
    let mut batch = ground.batch(vec![(ground.id(1), vec![key])]);
    let save = ground.saving("l1", &row("behind"), expires);
    between(&ground, &mut batch, save);
    let done = soon(&ground, batch).await;
    assert!(done.deleted.is_empty() && done.marked.is_empty());
    assert_eq!(done.spared.len(), 1);
    assert!(ground.flagged(1).await);
}

/// Without a flag to clear there is nothing to lock people's rows for, so the deletion itself has to see who is back.
async fn without_a_flag(engine: Engine) -> Ground {
    let shape = Shape {
        flag: false,
        ..Shape::default()
    };
    Ground::shaped(engine, shape).await
}

async fn who_comes_back_between_judgement_and_deletion_is_spared_without_a_row_lock(
    engine: Engine,
) {
    let ground = without_a_flag(engine).await;
    let mut batch = two(&ground).await;
    let back = ground.setting(1, "last_activity", "now()");
    between(&ground, &mut batch, back);
    let done = soon(&ground, batch).await;
    assert!(done.spared.iter().any(|(id, _)| *id == ground.id(1)));
    assert!(ground.keys().await.contains(&"o1".to_owned()));
}

async fn who_comes_back_after_their_dates_were_compared_is_spared_without_a_row_lock(
    engine: Engine,
) {
    let ground = without_a_flag(engine).await;
    let mut batch = two(&ground).await;
    // Ana's session goes by its date, and ben's, which is read after all dates were compared, by what it holds.
    let saved = ground.ago(7_201) + SignedDuration::from_secs(COOKIE_AGE);
    batch.dates = [(SessionKey::new("o1"), saved)].into();
    let back = ground.setting(1, "last_activity", "now()");
    between(&ground, &mut batch, back);
    let done = soon(&ground, batch.clone()).await;
    assert!(done.spared.iter().any(|(id, _)| *id == ground.id(1)));
    assert!(ground.keys().await.contains(&"o1".to_owned()));
    // It was her coming back that kept it, and no wrong date.
    let away = ground.setting(1, "last_activity", &ground.at(ground.ago(7_200)));
    ground.db.execute(&away).await;
    let done = soon(&ground, batch).await;
    assert!(done.deleted.contains(&SessionKey::new("o1")));
}

// On MySQL, whose only lock on a row is whole, they wait for the batch to end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_refer_to_a_person_are_not_held_up_by_the_batch() {
    let ground = Ground::on(Engine::Postgres).await;
    let mut batch = two(&ground).await;
    let log = "INSERT INTO django_admin_log VALUES (1, 1)".to_owned();
    between(&ground, &mut batch, log);
    let done = soon(&ground, batch).await;
    assert_eq!((done.deleted.len(), done.marked.len()), (2, 2));
    assert_eq!(
        ground.db.int("SELECT count(*) FROM django_admin_log").await,
        1
    );
}

async fn who_signs_out_between_judgement_and_deletion_is_not_reported(engine: Engine) {
    let ground = Ground::on(engine).await;
    let mut batch = two(&ground).await;
    let out = "DELETE FROM django_session WHERE session_key = 'o1'".to_owned();
    between(&ground, &mut batch, out);
    let done = soon(&ground, batch).await;
    assert_eq!(done.deleted.len(), 1);
    assert!(!done.marked.contains(&ground.id(1)));
    assert!(ground.keys().await.is_empty());
}

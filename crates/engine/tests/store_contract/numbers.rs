//! SQLite's tables, which are read by the numbers of their rows at first.

use std::sync::Arc;

use curfew_engine::django::session::Expiry;
use curfew_engine::store::SessionKey;
use jiff::SignedDuration;

use crate::common::{COOKIE_AGE, Engine, Ground, Looking, Person, sorted};

const TABLE: &str = "session_key varchar(40) NOT NULL PRIMARY KEY, session_data text NOT NULL, \
     expire_date datetime NOT NULL";

/// Ana's sessions, in a table that is made like this.
async fn with_table(table: &str, sessions: usize) -> (Ground, Vec<SessionKey>) {
    let mut ground = Ground::on(Engine::Sqlite).await;
    ground.person(1, "ana", Person::default()).await;
    let anew = format!("DROP TABLE django_session; CREATE TABLE django_session {table}");
    ground.db.execute(&anew).await;
    ground.store = ground.db.store().await;
    let saved = ground.ago(60);
    let data = ground.data(Some(1), saved, Expiry::Default);
    let expires = ground.at(saved + SignedDuration::from_secs(COOKIE_AGE));
    let key = "printf('%08x', (n * 2654435761) % 4294967296)";
    let fill = format!(
        "WITH RECURSIVE counted(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counted WHERE n < {sessions}) \
         INSERT INTO django_session (session_key, session_data, expire_date) \
         SELECT {key}, '{data}', {expires} FROM counted"
    );
    ground.db.execute(&fill).await;
    let keys = ground.keys().await;
    assert_eq!(keys.len(), sessions);
    (ground, keys.into_iter().map(SessionKey::new).collect())
}

async fn met_once(table: &str) {
    let (ground, keys) = with_table(table, 4_321).await;
    let mut looking = Looking::new();
    looking.look(&ground.store).await;
    assert_eq!(looking.keys(), sorted(keys.clone()), "{table}");
    let taken = Arc::default();
    let mut looking = Looking::new();
    looking.hands = Some(Arc::clone(&taken));
    looking.look(&ground.store).await;
    let taken = taken.lock().unwrap();
    let by_hands = taken.iter().map(|row| row.key.clone());
    assert_eq!(sorted(by_hands), sorted(keys), "{table}, several hands");
    assert_eq!(looking.sessions.len(), 0);
}

#[tokio::test]
async fn every_session_is_met_once_where_rows_have_numbers_and_where_not() {
    met_once(&format!("({TABLE})")).await;
    met_once(&format!("({TABLE}) WITHOUT ROWID")).await;
    // A column of that name hides the numbers.
    met_once(&format!("({TABLE}, _ROWID_ integer NOT NULL DEFAULT 7)")).await;
}

#[tokio::test]
async fn rows_are_met_in_the_order_of_their_numbers_and_gaps_are_passed_over() {
    let (ground, _) = with_table(&format!("({TABLE})"), 3_000).await;
    let gap = "DELETE FROM django_session WHERE _rowid_ BETWEEN 100 AND 2499";
    ground.db.execute(gap).await;
    let mut looking = Looking::new();
    looking.look(&ground.store).await;
    let by_number = "SELECT session_key FROM django_session ORDER BY _rowid_";
    let want: Vec<SessionKey> = ground
        .db
        .texts(by_number)
        .await
        .into_iter()
        .map(SessionKey::new)
        .collect();
    let met: Vec<SessionKey> = looking.sessions.iter().map(|row| row.key.clone()).collect();
    assert_eq!(met, want);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_left_out_where_the_table_is_made_anew_meanwhile() {
    let (ground, _) = with_table(&format!("({TABLE})"), 12_000).await;
    let gap = "DELETE FROM django_session WHERE _rowid_ <= 4000";
    ground.db.execute(gap).await;
    // As Django's migrations do it: rows are numbered from one again.
    let columns = "session_key, session_data, expire_date";
    let migration = format!(
        "BEGIN IMMEDIATE; CREATE TABLE new__django_session ({TABLE}); \
         INSERT INTO new__django_session ({columns}) SELECT {columns} FROM django_session; \
         DROP TABLE django_session; ALTER TABLE new__django_session RENAME TO django_session; COMMIT"
    );
    let mut looking = Looking::new();
    let migrate = ground.db.aside(migration);
    looking.beside = Some(Box::new(move || assert!(migrate() > 0)));
    looking.look(&ground.store).await;
    assert_eq!(
        ground
            .db
            .int("SELECT max(_rowid_) FROM django_session")
            .await,
        8_000
    );
    assert_eq!(looking.roster.keys_of(&ground.id(1)).len(), 8_000);
}

//! What keeps a user here is told apart: somebody's lock on a row, a lock on the table, a process that writes to the file, and
//! a trigger that swallows deletions. Each has words and a code of its own, and none is told as done.

use std::time::Duration;

use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection, Executor, MySqlConnection, PgConnection, SqliteConnection};

use crate::harness::{Curfew, Django, Engine, Site, overdue};

/// A connection of somebody else's, and what it holds.
pub enum Lock {
    Postgres(PgConnection),
    Mysql(MySqlConnection),
    Sqlite(SqliteConnection),
}

impl Lock {
    async fn connect(site: &Site) -> Self {
        let url = site.db.owner_url();
        match url.split(':').next().unwrap() {
            "mysql" => Self::Mysql(MySqlConnection::connect(&url).await.unwrap()),
            "sqlite" => Self::Sqlite(SqliteConnection::connect(&url).await.unwrap()),
            _ => Self::Postgres(PgConnection::connect(&url).await.unwrap()),
        }
    }

    async fn run(&mut self, sql: &str) {
        let sql = AssertSqlSafe(sql.to_owned());
        let ran = match self {
            Self::Postgres(connection) => connection.execute(sqlx::raw_sql(sql)).await.map(drop),
            Self::Mysql(connection) => connection.execute(sqlx::raw_sql(sql)).await.map(drop),
            Self::Sqlite(connection) => connection.execute(sqlx::raw_sql(sql)).await.map(drop),
        };
        ran.unwrap();
    }

    /// Locks tables against readers and writers.
    pub async fn tables(site: &Site, tables: &[&str]) -> Self {
        let mut lock = Self::connect(site).await;
        let sql = match &lock {
            Self::Mysql(_) => format!("LOCK TABLES {} WRITE", tables.join(" WRITE, ")),
            _ => format!(
                "BEGIN; LOCK TABLE {} IN ACCESS EXCLUSIVE MODE",
                tables.join(", ")
            ),
        };
        lock.run(&sql).await;
        lock
    }

    /// Locks the table of sessions against writers.
    async fn writers(site: &Site) -> Self {
        let mut lock = Self::connect(site).await;
        lock.run(match &lock {
            Self::Mysql(_) => "LOCK TABLES django_session READ",
            Self::Postgres(_) => "BEGIN; LOCK TABLE django_session IN SHARE MODE",
            Self::Sqlite(_) => "BEGIN IMMEDIATE",
        })
        .await;
        lock
    }

    /// Locks one session.
    async fn row(site: &Site, key: &str) -> Self {
        let mut lock = Self::connect(site).await;
        lock.run(&format!(
            "BEGIN; SELECT 1 FROM django_session WHERE session_key = '{key}' FOR UPDATE"
        ))
        .await;
        lock
    }

    pub async fn release(mut self) {
        self.run(match &self {
            Self::Mysql(_) => "ROLLBACK; UNLOCK TABLES",
            Self::Postgres(_) | Self::Sqlite(_) => "ROLLBACK",
        })
        .await;
    }
}

/// A sweep and a sign-out, both held up by this. Nothing is told as done.
async fn held(curfew: &Curfew, code: &str, words: &str) {
    let ran = curfew.json(&["sweep"]).await;
    assert_eq!(ran.status, 4, "{code}: {ran:#?}");
    let report = ran.document();
    assert_eq!(report["verified"], false, "{report:#}");
    assert_eq!(report["sessions_deleted"], 0, "{report:#}");
    let skipped = &report["skipped"][0];
    assert_eq!(skipped["username"], "cem", "{report:#}");
    assert_eq!(skipped["code"], code, "{report:#}");
    assert!(says(skipped, words), "{words}: {report:#}");
    let ran = curfew.json(&["logout", "cem"]).await;
    assert_eq!(ran.status, 1, "{code}: {ran:#?}");
    let (error, message) = ran.error();
    assert_eq!(error, "held", "{message}");
    assert!(message.contains(words), "{words}: {message}");
}

fn says(skipped: &Value, words: &str) -> bool {
    skipped["why"].as_str().unwrap().contains(words)
}

/// Suspends cem on a site whose database keeps the rows.
async fn suspended_in_part(site: &Site) {
    site.grant_account_switch().await;
    let curfew = site.configured(
        "[[site]]\nname = \"shop\"\nurl = \"{url}\"\narmed = true\naccount_switch = true\n{sessions}",
    );
    let ran = curfew.site("shop").json(&["suspend", "cem"]).await;
    assert_eq!(ran.status, 4, "{ran:#?}");
    let report = ran.document();
    assert_eq!(report["outcome"], "partial", "{report:#}");
    let detail = report["detail"].as_str().unwrap();
    assert!(detail.contains("keeps_sessions"), "{detail}");
}

async fn on(engine: Engine) -> (Site, String) {
    let site = Site::on(Django::V52, engine).start().await;
    let key = site.seed(&[overdue("cem")]).await.key("cem");
    (site, key)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_is_told_by_its_kind_on_postgres() {
    let (site, key) = on(Engine::Postgres).await;
    let curfew = site.curfew();
    let row = Lock::row(&site, &key).await;
    // Somebody waits for the row already: the server does not tell the next one which row it is.
    let mut waiter = Lock::connect(&site).await;
    let delete = format!("BEGIN; DELETE FROM django_session WHERE session_key = '{key}'");
    let waiting = tokio::spawn(async move {
        waiter.run(&delete).await;
        waiter.release().await;
    });
    let waits = "SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'";
    crate::harness::until("somebody waits", Duration::from_secs(10), || async {
        site.db.int(waits).await == 1
    })
    .await;
    held(&curfew, "row_locked", "one of their rows").await;
    row.release().await;
    waiting.await.unwrap();
    let table = Lock::writers(&site).await;
    held(&curfew, "table_locked", "the table is locked").await;
    table.release().await;
    let trigger = "CREATE FUNCTION keep_it() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
        CREATE TRIGGER keeps_sessions BEFORE DELETE ON django_session FOR EACH ROW EXECUTE FUNCTION keep_it()";
    site.db.execute(trigger).await;
    swallowed(&curfew).await;
    suspended_in_part(&site).await;
}

/// The sweep names what keeps the rows; see `verified::a_trigger_that_swallows_deletions_is_named` for a sign-out.
async fn swallowed(curfew: &Curfew) {
    let ran = curfew.json(&["sweep"]).await;
    assert_eq!(ran.status, 4, "{ran:#?}");
    let report = ran.document();
    let skipped = &report["skipped"][0];
    assert_eq!(skipped["code"], "delete_swallowed", "{report:#}");
    assert_eq!(report["doubts"][0]["code"], "delete_swallowed");
    let detail = report["doubts"][0]["detail"].as_str().unwrap();
    assert!(detail.contains("keeps_sessions"), "{detail}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_is_told_by_its_kind_on_mariadb() {
    let (site, key) = on(Engine::Mysql).await;
    let curfew = site.curfew();
    let row = Lock::row(&site, &key).await;
    held(&curfew, "row_locked", "one of their rows").await;
    row.release().await;
    let table = Lock::writers(&site).await;
    held(&curfew, "table_locked", "the table is locked").await;
    table.release().await;
    // A trigger cannot swallow a deletion here. Its error is told in its own words.
    let trigger = "CREATE TRIGGER keeps_sessions BEFORE DELETE ON django_session FOR EACH ROW
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'sessions are kept'";
    site.db.execute(trigger).await;
    for args in [&["sweep"][..], &["logout", "cem"]] {
        let ran = curfew.json(args).await;
        assert_eq!(ran.status, 1, "{ran:#?}");
        let (code, message) = ran.error();
        assert_eq!(code, "database", "{message}");
        assert!(message.contains("sessions are kept"), "{message}");
    }
    assert_eq!(site.db.sessions().await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_is_told_by_its_kind_on_sqlite() {
    let (site, _) = on(Engine::Sqlite).await;
    let curfew = site.curfew();
    let writer = Lock::writers(&site).await;
    held(&curfew, "file_locked", "another process is writing").await;
    writer.release().await;
    let trigger = "CREATE TRIGGER keeps_sessions BEFORE DELETE ON django_session
        BEGIN SELECT RAISE(IGNORE); END";
    site.db.execute(trigger).await;
    swallowed(&curfew).await;
    suspended_in_part(&site).await;
}

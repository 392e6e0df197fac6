//! A database with faults, and the commands of Curfew that meet it.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use sqlx::{Connection, PgConnection};

use crate::harness::{Site, overdue, setting};

const COUNT: &str = "SELECT count(*) FROM pg_stat_activity
    WHERE application_name = 'curfew' AND datname = current_database()";

/// While somebody alters tables, a timer and commands that are run again and again cost the site three of its connections at
/// the most. What they asked ends at the server although they are killed.
#[tokio::test]
async fn a_locked_table_costs_a_site_three_connections_at_the_most() {
    let site = Site::start().await;
    site.seed(&[overdue("cem")]).await;
    let name = site
        .db
        .texts("SELECT current_database()::text")
        .await
        .remove(0);
    let mut address = url::Url::parse(&setting("CURFEW_TEST_POSTGRES")).unwrap();
    address.set_path(&name);
    let mut timer = site.curfew().spawn(&["--json", "sweep", "--every", "1s"]);
    timer.line(Duration::from_secs(10)).await;
    let mut alter = PgConnection::connect(address.as_str()).await.unwrap();
    let mut alter = alter.begin().await.unwrap();
    sqlx::raw_sql("LOCK TABLE django_session, accounts_customuser IN ACCESS EXCLUSIVE MODE")
        .execute(&mut *alter)
        .await
        .unwrap();
    let until = Instant::now() + Duration::from_secs(5);
    let mut most = 0;
    while Instant::now() < until {
        most = most.max(site.db.int(COUNT).await);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!((1..=3).contains(&most), "{most} connections of the timer");
    timer.signal(Signal::KILL);
    timer.end(Duration::from_secs(5)).await;
    for _ in 0..2 {
        let ran = site.curfew().json(&["users"]).await;
        assert_eq!(ran.status, 1, "{ran:?}");
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(
        site.db.int(COUNT).await,
        0,
        "connections outlive their commands"
    );
    alter.rollback().await.unwrap();
}

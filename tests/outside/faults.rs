//! A database with faults, and the commands of Curfew that meet it.

#[path = "faults/held.rs"]
mod held;
#[path = "faults/lost.rs"]
mod lost;
#[path = "faults/slow.rs"]
mod slow;

use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::harness::{Django, Engine, Site, overdue};
use held::Lock;

/// While somebody alters tables, a timer and commands that are run again and again cost the site three of its connections at
/// the most. What they asked ends at the server although they are killed.
async fn three_connections_at_the_most(engine: Engine) {
    let site = Site::on(Django::V52, engine).start().await;
    site.seed(&[overdue("cem")]).await;
    let count = match engine {
        Engine::Mysql => {
            "SELECT count(*) FROM information_schema.PROCESSLIST
             WHERE USER = 'curfew_guest' AND DB = DATABASE()"
        }
        _ => {
            "SELECT count(*) FROM pg_stat_activity
             WHERE application_name = 'curfew' AND datname = current_database()"
        }
    };
    let mut timer = site.curfew().spawn(&["--json", "sweep", "--every", "1s"]);
    timer.line(Duration::from_secs(10)).await;
    let lock = Lock::tables(&site, &["django_session", "accounts_customuser"]).await;
    let most = async |until: Instant| {
        let mut most = 0;
        while Instant::now() < until {
            most = most.max(site.db.int(count).await);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        most
    };
    let of_timer = most(Instant::now() + Duration::from_secs(5)).await;
    assert!(
        (1..=3).contains(&of_timer),
        "{of_timer} connections of the timer"
    );
    timer.signal(Signal::KILL);
    timer.end(Duration::from_secs(5)).await;

    // As from cron, twice as often as every five seconds. Some are killed, and some come to their end.
    let until = Instant::now() + Duration::from_secs(9);
    let commands = async {
        let mut round = 0;
        while Instant::now() < until {
            let next = Instant::now() + Duration::from_millis(2_500);
            match round % 2 {
                0 => {
                    let users = site.curfew().spawn(&["users"]);
                    tokio::time::sleep(Duration::from_millis(700)).await;
                    users.signal(Signal::KILL);
                    users.end(Duration::from_secs(5)).await;
                }
                _ => {
                    let ran = site.curfew().json(&["users"]).await;
                    assert_eq!(ran.status, 1, "{ran:?}");
                    assert_eq!(ran.error().0, "held", "{ran:?}");
                }
            }
            tokio::time::sleep_until(next.into()).await;
            round += 1;
        }
    };
    let (of_commands, ()) = tokio::join!(most(until), commands);
    assert!(
        (1..=3).contains(&of_commands),
        "{of_commands} connections of commands"
    );
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    let left = site.db.int(count).await;
    assert_eq!(left, 0, "connections outlive their commands");
    lock.release().await;
    site.curfew().done(&["users"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_locked_table_costs_a_site_three_connections_on_postgres() {
    three_connections_at_the_most(Engine::Postgres).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_locked_table_costs_a_site_three_connections_on_mariadb() {
    three_connections_at_the_most(Engine::Mysql).await;
}

//! `--wait`: where a request under way can bring a session back, Curfew looks for a minute before it says
//! "signed out". A few cells, on sites of their own and all at once: it is a minute of waiting and not of work.

use super::cell::Turn;
use super::runs::Runs;
use super::{Cell, cells};
use crate::harness::{Cache, SessionEngine, active};

const WAITING: &[(&str, &Cell)] = &[
    (
        "cache_in_redis_on_postgres",
        &cells::cache_in_redis_on_postgres,
    ),
    (
        "cached_db_in_memcached_on_sqlite",
        &cells::cached_db_in_memcached_on_sqlite,
    ),
    (
        "cached_db_in_redis_on_mysql",
        &cells::cached_db_in_redis_on_mysql,
    ),
    (
        "user_sessions_on_postgres",
        &cells::user_sessions_on_postgres,
    ),
];

macro_rules! on_the_waiting_cells {
    ($($case:ident)*) => {
        $(mod $case {
            use super::{Runs, WAITING};

            static RUNS: Runs = Runs::new(WAITING, |cell| {
                Box::pin(async { super::$case(cell.site_of_its_own().await).await })
            });

            #[test]
            fn cache_in_redis_on_postgres() {
                RUNS.wait_for("cache_in_redis_on_postgres");
            }

            #[test]
            fn cached_db_in_memcached_on_sqlite() {
                RUNS.wait_for("cached_db_in_memcached_on_sqlite");
            }

            #[test]
            fn cached_db_in_redis_on_mysql() {
                RUNS.wait_for("cached_db_in_redis_on_mysql");
            }

            #[test]
            fn user_sessions_on_postgres() {
                RUNS.wait_for("user_sessions_on_postgres");
            }
        })*
    };
}

on_the_waiting_cells! {
    a_logout_that_waits_has_seen_it
}

/// One request comes through while it waits: its session is seen again, and ended again.
async fn a_logout_that_waits_has_seen_it(turn: Turn) {
    let site = &turn.site;
    site.seed(&[active("ana").no_session(), active("ben").no_session()])
        .await;
    // Somebody's session shows each Curfew the form of the cache's keys.
    site.sign_in("ben").await;
    let mut browser = site.sign_in("ana").await;
    let under_way = match turn.cell.has_copies() {
        true => {
            site.forget_cached(browser.key()).await;
            site.stalled(&browser, "upload").await
        }
        false => site.slow(&browser, "upload").await,
    };
    let curfew = site.curfew();
    // Of two sign-outs, the one that waits comes second: no session is there, and one can still come back.
    let first = curfew.json(&["logout", "ana"]).await;
    assert_eq!(
        first.document()["reason_code"],
        "can_come_back",
        "{first:#?}"
    );
    let again = curfew.json(&["logout", "ana"]).await;
    assert_eq!(
        again.document()["reason_code"],
        "can_come_back",
        "{again:#?}"
    );
    let logout = tokio::spawn(async move { curfew.json(&["logout", "ana", "--wait"]).await });
    // Gone for the first look, and there again for the second.
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    under_way.go().await;

    let ran = logout.await.unwrap();
    let report = ran.document();
    // Without rows, nothing brings back what is gone; memcached cannot name what came back.
    let (outcome, verified) = match (turn.cell.engine, turn.cell.cache) {
        (SessionEngine::Cache, _) => ("nothing_to_do", true),
        (_, Some(Cache::Memcached)) => ("unverified", false),
        _ => ("signed_out", true),
    };
    assert_eq!(report["outcome"], outcome, "{report:#}");
    assert_eq!(report["verified"], verified, "{report:#}");
    assert_eq!(ran.status, if verified { 0 } else { 4 }, "{ran:#?}");
    if verified {
        assert_eq!(browser.whoami().await, None);
    }
}

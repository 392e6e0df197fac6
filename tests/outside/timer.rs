//! `curfew sweep --every`: the timer for servers, with nobody watching.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use crate::harness::{Django, Engine, Running, Site, active, names, overdue};

const SOON: Duration = Duration::from_secs(10);

async fn next(running: &mut Running) -> Value {
    let line = running.line(SOON).await;
    serde_json::from_str(&line).unwrap_or_else(|e| panic!("one document a line ({e}): {line}"))
}

#[tokio::test]
async fn each_sweep_of_the_timer_is_one_line() {
    for engine in [Engine::Postgres, Engine::Sqlite] {
        let site = Site::on(Django::V52, engine).start().await;
        site.seed(&[active("ana"), overdue("cem")]).await;
        let mut running = site.curfew().spawn(&["--json", "sweep", "--every", "1s"]);
        assert_eq!(
            names(&next(&mut running).await),
            ["cem"],
            "the first is at once"
        );
        assert_eq!(names(&next(&mut running).await), [""; 0]);
        site.seed(&[overdue("dee")]).await;
        let mut swept = next(&mut running).await;
        for _ in 0..3 {
            if names(&swept).is_empty() {
                swept = next(&mut running).await;
            }
        }
        assert_eq!(names(&swept), ["dee"]);
        assert_eq!(swept["verified"], true);
        running.signal(Signal::TERM);
        let (status, words) = running.end(SOON).await;
        assert_eq!(status, Some(0), "{words}");
    }
}

#[tokio::test]
async fn the_timer_outlives_a_database_that_goes_away() {
    let site = Site::start().await;
    site.seed(&[active("ana")]).await;
    let mut running = site.curfew().spawn(&["--json", "sweep", "--every", "1s"]);
    assert_eq!(names(&next(&mut running).await), [""; 0]);
    site.db.refuse(true).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    site.db.refuse(false).await;
    site.seed(&[overdue("cem")]).await;
    let mut lines = 0;
    loop {
        let line = tokio::time::timeout(Duration::from_secs(60), next(&mut running));
        let document = line.await.expect("it sweeps again");
        lines += 1;
        if document["users"].is_array() && names(&document) == ["cem"] {
            break;
        }
        assert!(lines < 20, "{document:#}");
    }
    running.signal(Signal::TERM);
    assert_eq!(running.end(SOON).await.0, Some(0));
}

#[tokio::test]
async fn a_timer_on_a_view_only_site_is_refused() {
    let site = Site::start().await;
    site.seed(&[overdue("cem")]).await;
    let curfew = site.configured("[[site]]\nname = \"shop\"\nurl = \"{url}\"\narmed = false\n");
    let running = curfew.spawn(&["--json", "sweep", "--every", "1s"]);
    let (status, words) = running.end(SOON).await;
    assert_eq!(status, Some(3), "{words}");
    assert_eq!(site.db.sessions().await, 1);
}

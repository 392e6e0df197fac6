//! `curfew demo`, as somebody uses it who has just installed Curfew.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use crate::harness::{Curfew, Django, SOON, sqlite, until};

#[tokio::test]
async fn a_demo_site_is_one_that_real_django_reads() {
    let home = tempfile::tempdir().unwrap();
    let curfew = Curfew::new(home.path());
    let path = home.path().join("demo.sqlite3");
    let file = path.to_str().unwrap();
    let mut running = curfew.spawn(&["--json", "demo", "--users", "30", "--path", file]);
    let made: Value = serde_json::from_str(&running.line(SOON).await).unwrap();
    assert_eq!(made["users"], 30);
    let here = curfew.clone().site(made["url"].as_str().unwrap());

    // Alive: somebody has moved within the three seconds.
    let first = here.done(&["users"]).await;
    assert!(
        first["counts"]["signed_in"].as_u64().unwrap() > 5,
        "{first:#}"
    );
    // On a busy machine an overdue user may have come back before the first answer.
    until("each state is there", SOON, || async {
        let counts = here.done(&["users"]).await["counts"].clone();
        ["active", "idle", "overdue"]
            .iter()
            .all(|state| counts[state] != 0)
    })
    .await;
    until("somebody moves", Duration::from_secs(3), || async {
        let seen = |document: &Value| -> Vec<Value> {
            let users = document["users"].as_array().unwrap();
            users.iter().map(|u| u["last_seen"].clone()).collect()
        };
        seen(&here.done(&["users"]).await) != seen(&first)
    })
    .await;

    running.signal(Signal::TERM);
    let (status, words) = running.end(SOON).await;
    assert_eq!(status, Some(0), "{words}");

    // Real Django, with the demo's own key, reads each row and finds as many people in them.
    let counts = here.done(&["users"]).await["counts"].clone();
    let key = std::fs::read_to_string(home.path().join("demo.sqlite3.secret")).unwrap();
    for django in [Django::V42, Django::V52] {
        let read = django
            .manage_with("auth", &sqlite(&path), key.trim(), &["whose_sessions"])
            .await;
        let read: Vec<Option<String>> = serde_json::from_str(&read).unwrap();
        let signed_in = read.iter().flatten().count();
        let named =
            counts["sessions"].as_u64().unwrap() + counts["rejected_sessions"].as_u64().unwrap();
        assert!(
            signed_in as u64 >= named,
            "{django:?}: {signed_in} of {counts}"
        );
        assert!(signed_in > 5, "{django:?}: {read:?}");
    }
}

#[tokio::test]
async fn a_demo_never_overwrites_what_is_no_demo() {
    let home = tempfile::tempdir().unwrap();
    let curfew = Curfew::new(home.path());
    let path = home.path().join("mine.sqlite3");
    for content in ["somebody's own file", "SQLite format 3\0 but not really"] {
        std::fs::write(&path, content).unwrap();
        let ran = curfew
            .json(&["demo", "--path", path.to_str().unwrap()])
            .await;
        assert_eq!(ran.status, 1, "{ran:#?}");
        assert!(ran.error().1.contains("mine.sqlite3"));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), content);
    }
}

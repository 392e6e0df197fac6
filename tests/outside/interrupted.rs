//! Curfew ended in the middle: by a signal, by a kill, by a full disk. What was done stays told.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, Signal, prlimit};
use serde_json::Value;

use crate::harness::{Curfew, Site, overdue, until};

const LONG: Duration = Duration::from_secs(60);

/// Deletions of sessions wait until [`open_gate`].
async fn close_gate(site: &Site) {
    for sql in [
        "CREATE TABLE IF NOT EXISTS gate (open int)",
        "CREATE OR REPLACE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS \
         $$ BEGIN WHILE NOT EXISTS (SELECT FROM gate) LOOP PERFORM pg_sleep(0.02); END LOOP; RETURN OLD; END $$",
        "CREATE TRIGGER wait BEFORE DELETE ON django_session FOR EACH ROW EXECUTE FUNCTION wait()",
    ] {
        site.db.execute(sql).await;
    }
}

async fn open_gate(site: &Site) {
    site.db.execute("INSERT INTO gate VALUES (1)").await;
}

/// Waits until a batch has begun: the server holds its deletion at the gate.
async fn batch_at_the_gate(site: &Site) {
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'";
    until("a batch waits at the gate", LONG, || async {
        site.db.int(sql).await > 0
    })
    .await;
}

async fn remove_gate(site: &Site) {
    site.db.execute("DROP TRIGGER wait ON django_session").await;
    site.db.execute("DELETE FROM gate").await;
}

/// The files of actions under way.
fn running(state: &Path) -> Vec<PathBuf> {
    let Ok(folder) = fs::read_dir(state.join("running")) else {
        return Vec::new();
    };
    folder
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "deed"))
        .collect()
}

async fn under_way(state: &Path) {
    until("the action is under way", LONG, || {
        let there = !running(state).is_empty();
        async move { there }
    })
    .await;
}

async fn entries(curfew: &Curfew) -> Vec<Value> {
    let journal = curfew.done(&["journal"]).await;
    assert_eq!(journal["intact"], true, "{journal:#}");
    journal["entries"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_hang_up_ends_a_sweep_after_its_batches_under_way() {
    let site = Site::start().await;
    let names: Vec<String> = (0..400).map(|n| format!("user{n:03}")).collect();
    let people: Vec<_> = names.iter().map(|name| overdue(name)).collect();
    site.seed(&people).await;
    close_gate(&site).await;
    let curfew = site.curfew();
    let mut sweep = curfew.spawn(&["sweep", "--force"]);
    batch_at_the_gate(&site).await;
    sweep.signal(Signal::HUP);
    // The signal is heard before a batch can end.
    let heard = sweep.remark(LONG).await;
    assert!(heard.contains("finishing what has begun"), "{heard}");
    open_gate(&site).await;
    let (status, words) = sweep.end(LONG).await;
    assert_eq!(status, Some(4), "{words}");
    let left = site.db.sessions().await;
    assert!(left > 0, "batches that had not begun were left alone");
    assert!(left < 400, "those under way came to their end");
    let entries = entries(&curfew).await;
    assert_eq!(entries.len(), 2);
    assert_eq!(entries[0]["phase"], "outcome");
    assert_eq!(entries[0]["sessions_deleted"], 400 - left);
    assert!(running(&curfew.state_dir()).is_empty());
}

#[tokio::test]
async fn what_a_killed_curfew_left_open_is_settled_by_the_next() {
    let site = Site::start().await;
    site.seed(&[overdue("cem"), overdue("dee")]).await;
    close_gate(&site).await;
    let curfew = site.curfew();
    let state = curfew.state_dir();
    let sweep = curfew.spawn(&["--json", "sweep"]);
    under_way(&state).await;
    // Another Curfew leaves alone what a live process does.
    let preview = curfew.json(&["logout", "nobody-of-this-name"]).await;
    assert_eq!(preview.status, 1);
    assert_eq!(entries(&curfew).await.len(), 1);
    sweep.signal(Signal::KILL);
    sweep.end(LONG).await;
    assert_eq!(running(&state).len(), 1, "the kill left its file");
    open_gate(&site).await;
    remove_gate(&site).await;
    // What the killed one began may still end at the server: either way it is told as it is found.
    site.db
        .execute("DELETE FROM django_session WHERE session_key IN (SELECT session_key FROM django_session LIMIT 1)")
        .await;
    curfew.done(&["sweep"]).await;
    let entries = entries(&curfew).await;
    let first = entries.last().unwrap();
    let settled: Vec<&Value> = entries
        .iter()
        .filter(|entry| entry["id"] == first["id"] && entry["phase"] == "outcome")
        .collect();
    let [settled] = settled.as_slice() else {
        panic!("{entries:#?}");
    };
    let outcome = settled["outcome"].as_str().unwrap();
    assert!(outcome.starts_with("settled later"), "{outcome}");
    let gone: usize = settled["users"]
        .as_array()
        .unwrap()
        .iter()
        .map(|user| user["sessions"].as_array().map_or(0, Vec::len))
        .sum();
    assert!(
        gone >= 1 && outcome.contains(&format!("{gone} of 2")),
        "{outcome}"
    );
    assert!(running(&state).is_empty());
    assert_eq!(site.db.sessions().await, 0);
}

#[tokio::test]
async fn a_disk_that_fills_after_the_intent_is_no_refusal() {
    let site = Site::start().await;
    site.seed(&[overdue("cem")]).await;
    close_gate(&site).await;
    let curfew = site.curfew();
    let state = curfew.state_dir();
    // No file may grow any more, once the intent is written: as if the reserve had been used up.
    let sweep = curfew.spawn(&["--json", "sweep"]);
    under_way(&state).await;
    until("the intent is written", LONG, || {
        let text = fs::read_to_string(state.join("journal.jsonl")).unwrap_or_default();
        async move { text.ends_with('\n') }
    })
    .await;
    let nothing = Rlimit {
        current: Some(1),
        maximum: Some(1),
    };
    prlimit(Some(sweep.pid()), Resource::Fsize, nothing).unwrap();
    open_gate(&site).await;
    let mut sweep = sweep;
    let report: Value = serde_json::from_str(&sweep.line(LONG).await).unwrap();
    let (status, words) = sweep.end(LONG).await;
    assert_eq!(status, Some(4), "{words}");
    assert_eq!(report["sessions_deleted"], 1, "{report:#}");
    assert_eq!(report["verified"], true);
    assert!(report["journal_incomplete"].is_string(), "{report:#}");
    assert_eq!(site.db.sessions().await, 0);
    remove_gate(&site).await;
    // The next run finds what is missing, and writes it.
    assert_eq!(entries(&curfew).await.len(), 1);
    curfew.done(&["sweep"]).await;
    let entries = entries(&curfew).await;
    assert_eq!(entries.len(), 2, "{entries:#?}");
    assert_eq!(entries[0]["id"], entries[1]["id"]);
    assert_eq!(entries[0]["verified"], true, "{}", entries[0]);
}

/// A disk of its own. `None` if this machine does not let tests mount one.
struct Disk(PathBuf);

impl Disk {
    fn of(path: &Path, size: &str) -> Option<Self> {
        fs::create_dir_all(path).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={size}"), "none"]);
        let mounted = mount.arg(path).stderr(std::process::Stdio::null()).status();
        mounted
            .is_ok_and(|status| status.success())
            .then(|| Self(path.to_owned()))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[tokio::test]
async fn space_for_the_outcome_is_reserved_with_the_intent() {
    let site = Site::start().await;
    let curfew = site.curfew();
    let state = curfew.state_dir();
    let Some(_disk) = Disk::of(&state, "96k") else {
        // A limit on the size of files, in the test above, is all that can be had here.
        return;
    };
    // So many that the outcome does not fit into what is left of the journal's last page.
    let people: Vec<_> = (0..40).map(|n| overdue(&format!("user{n}"))).collect();
    site.seed(&people).await;
    close_gate(&site).await;
    let sweep = curfew.spawn(&["--json", "sweep", "--force"]);
    under_way(&state).await;
    until("the intent is written", LONG, || {
        let text = fs::read_to_string(state.join("journal.jsonl")).unwrap_or_default();
        async move { text.ends_with('\n') }
    })
    .await;
    // Somebody else takes the rest of the disk, to the last byte.
    let mut filled = 0;
    while fs::write(state.join(format!("other{filled}")), vec![1; 4096]).is_ok() {
        filled += 1;
        assert!(filled < 100, "the disk does not fill");
    }
    open_gate(&site).await;
    let (status, words) = sweep.end(LONG).await;
    assert_eq!(status, Some(0), "{words}");
    let written = entries(&curfew).await;
    assert_eq!(written.len(), 2, "{written:#?}");
    assert_eq!(written[0]["verified"], true);
    // With the disk full from the start, nothing is done.
    while fs::write(state.join(format!("more{filled}")), vec![1; 4096]).is_ok() {
        filled += 1;
    }
    site.seed(&[overdue("dee")]).await;
    let ran = curfew.json(&["sweep"]).await;
    assert_eq!(ran.status, 3, "{ran:#?}");
    assert_eq!(ran.error().0, "journal");
    assert_eq!(site.db.sessions().await, 1);
}

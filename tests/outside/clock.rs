//! The database's clock decides: with the laptop's a day off in either direction, the decisions are the same.

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::harness::{Curfew, Person, SOON, Site, active, idle, overdue, person, setting, until};

const OFF: [&str; 3] = ["+0", "-1d", "+1d"];

fn people() -> Vec<Person> {
    vec![
        active("ana"),
        idle("ben"),
        overdue("cem").session(9000),
        overdue("dee").no_session(),
        person("eve").flag().session(9000),
        overdue("fay").login(20),
        // A day and a bit: nothing but the wrong clock would take or spare these two otherwise.
        person("gus")
            .activity(86_000)
            .login(90_000)
            .flag()
            .session(86_002),
        person("hal")
            .activity(1900)
            .login(90_000)
            .flag()
            .session(1902),
    ]
}

fn wrong(curfew: Curfew, off: &str) -> Curfew {
    curfew
        .env("LD_PRELOAD", &setting("CURFEW_TEST_LIBFAKETIME"))
        .env("FAKETIME", off)
        // Timers keep their pace; only the time of day is wrong.
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .env("DONT_FAKE_MONOTONIC", "1")
}

/// What was decided, without the moments at which it was.
fn decisions(document: &Value, list: &str) -> Value {
    let mut document = document.clone();
    for key in ["at", "cutoff", "db_time"] {
        document.as_object_mut().unwrap().remove(key);
    }
    for person in document[list].as_array_mut().unwrap() {
        let seconds = person["idle_seconds"].as_u64();
        // To the minute: the runs are moments apart.
        person["idle_seconds"] = json!(seconds.map(|s| (s + 30) / 60));
        for key in ["last_seen", "last_activity"] {
            person.as_object_mut().unwrap().remove(key);
        }
    }
    document
}

#[tokio::test]
async fn a_laptop_a_day_off_decides_the_same() {
    let site = Site::start().await;
    site.seed(&people()).await;
    let mut seen = Vec::new();
    for off in OFF {
        let curfew = wrong(site.curfew(), off);
        let users = curfew.done(&["users", "--sort", "username"]).await;
        let preview = curfew.done(&["sweep", "--dry-run"]).await;
        let time = users["db_time"].as_str().unwrap().to_owned();
        seen.push((
            decisions(&users, "users"),
            decisions(&preview, "users"),
            time,
        ));
    }
    assert_eq!(
        seen[0].1["users"].as_array().unwrap().len(),
        3,
        "{:#}",
        seen[0].1
    );
    for (off, run) in OFF.iter().zip(&seen) {
        assert_eq!(run.0, seen[0].0, "people, {off}");
        assert_eq!(run.1, seen[0].1, "preview, {off}");
        // The time shown is the database's, so the same day and hour, or the next hour.
        assert_eq!(run.2[..10], seen[0].2[..10], "{off}");
    }
}

#[tokio::test]
async fn a_sweep_from_a_laptop_a_day_off_takes_the_same_people() {
    let mut reports = Vec::new();
    for off in OFF {
        let site = Site::start().await;
        site.seed(&people()).await;
        let report = wrong(site.curfew(), off).done(&["sweep"]).await;
        assert_eq!(
            site.flagged().await,
            ["ana", "ben", "eve", "fay", "hal"],
            "{off}"
        );
        assert_eq!(site.db.sessions().await, 5, "{off}");
        let mut report = decisions(&report, "users");
        for person in report["users"].as_array_mut().unwrap() {
            person.as_object_mut().unwrap().remove("id");
        }
        report.as_object_mut().unwrap().remove("site");
        reports.push(report);
    }
    assert_eq!(reports[0]["sessions_deleted"], 3);
    assert_eq!(reports[1], reports[0]);
    assert_eq!(reports[2], reports[0]);
}

#[tokio::test]
async fn the_doctor_shows_a_skewed_clock() {
    let site = Site::start().await;
    let clock = |document: &Value| {
        let checks = document["checks"].as_array().unwrap().clone();
        let found = checks
            .into_iter()
            .find(|c| c["name"].as_str().unwrap().to_lowercase().contains("clock"));
        found.unwrap_or_else(|| panic!("no check of the clock: {document:#}"))
    };
    let right = site.curfew().json(&["doctor"]).await.document();
    assert_eq!(clock(&right)["ok"], true);
    let ran = wrong(site.curfew(), "-1d").json(&["doctor"]).await;
    let check = clock(&ran.document());
    // It proves, too, that the library does turn the clock: otherwise the tests above would show nothing.
    let detail = check["detail"].as_str().unwrap();
    assert!(
        detail.contains("day") || detail.contains("24") || detail.contains("86"),
        "{check:#}"
    );
}

#[tokio::test]
async fn a_clock_a_day_off_during_one_sweep_delays_no_other() {
    let site = Site::start().await;
    site.seed(&[active("ana"), overdue("cem")]).await;
    for sql in [
        "CREATE TABLE gate (open int)",
        "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS \
         $$ BEGIN WHILE NOT EXISTS (SELECT FROM gate) LOOP PERFORM pg_sleep(0.02); END LOOP; RETURN OLD; END $$",
        "CREATE TRIGGER wait BEFORE DELETE ON django_session FOR EACH ROW EXECUTE FUNCTION wait()",
    ] {
        site.db.execute(sql).await;
    }
    let off = site.folder("clock");
    std::fs::write(&off, "+0").unwrap();
    let curfew = site
        .curfew()
        .env("LD_PRELOAD", &setting("CURFEW_TEST_LIBFAKETIME"))
        .env("FAKETIME_TIMESTAMP_FILE", &off)
        .env("FAKETIME_NO_CACHE", "1")
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .env("DONT_FAKE_MONOTONIC", "1");
    let mut running = curfew.spawn(&["--json", "sweep", "--every", "2s"]);
    let state = curfew.state_dir().join("journal.jsonl");
    until("the sweep is under way", SOON, || {
        let there = std::fs::read_to_string(&state).is_ok_and(|text| text.contains("intent"));
        async move { there }
    })
    .await;
    // A day ahead while it sweeps, and right again afterwards.
    std::fs::write(&off, "+1d").unwrap();
    site.db.execute("INSERT INTO gate VALUES (1)").await;
    let first: Value = serde_json::from_str(&running.line(SOON).await).unwrap();
    assert_eq!(first["sessions_deleted"], 1, "{first:#}");
    std::fs::write(&off, "+0").unwrap();
    for _ in 0..2 {
        let next: Value = serde_json::from_str(&running.line(SOON).await).unwrap();
        assert_eq!(next["sessions_deleted"], 0, "{next:#}");
    }
    running.signal(Signal::TERM);
    assert_eq!(running.end(SOON).await.0, Some(0));
}

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

/// The lines of standard error until one of them says this.
async fn until_said(running: &mut Running, words: &str) -> Vec<String> {
    let mut said = Vec::new();
    loop {
        let line = running.remark(Duration::from_secs(60)).await;
        let found = line.contains(words);
        said.push(line);
        if found {
            return said;
        }
        assert!(said.len() < 20, "{words:?} is not in {said:#?}");
    }
}

/// The documents until one of a sweep that signed these out.
async fn until_swept(running: &mut Running, who: &[&str]) {
    for _ in 0..60 {
        let document = next(running).await;
        if document["users"].is_array() && names(&document) == who {
            return;
        }
    }
    panic!("{who:?} are not swept");
}

#[tokio::test]
async fn the_timer_outlives_what_heals_and_tells_each_trouble_once() {
    let site = Site::start().await;
    site.seed(&[active("ana"), overdue("cem")]).await;
    // From the start: no journal can be written, and the activity column is not there yet.
    let file = site.folder("state-file");
    std::fs::write(&file, "in the way").unwrap();
    let column = "ALTER TABLE accounts_customuser RENAME COLUMN last_activity TO ";
    site.db.execute(&format!("{column} away")).await;
    site.db
        .execute("ALTER TABLE accounts_customuser RENAME COLUMN away TO before_away")
        .await;
    let curfew = site.curfew().env("CURFEW_STATE_DIR", &file);
    let mut running = curfew.spawn(&["--json", "sweep", "--every", "1s"]);
    assert_eq!(next(&mut running).await["error"]["code"], "no_evidence");
    site.db
        .execute("ALTER TABLE accounts_customuser RENAME COLUMN before_away TO last_activity")
        .await;
    let mut code = next(&mut running).await["error"]["code"].clone();
    for _ in 0..60 {
        if code == "journal" {
            break;
        }
        code = next(&mut running).await["error"]["code"].clone();
    }
    assert_eq!(code, "journal");
    assert_eq!(site.db.sessions().await, 2);
    std::fs::remove_file(&file).unwrap();
    until_swept(&mut running, &["cem"]).await;
    let said = until_said(&mut running, "is swept again").await;
    assert_eq!(said.len(), 3, "each trouble once, and its end: {said:#?}");

    // A migration takes the flag away for a moment, and the timer is left with it neither missing nor forgotten.
    let flag = "ALTER TABLE accounts_customuser RENAME COLUMN";
    let now = "\"isCurrentlyActive\"";
    site.db.execute(&format!("{flag} {now} TO gone")).await;
    until_said(&mut running, "").await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    site.db.execute(&format!("{flag} gone TO {now}")).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    site.seed(&[overdue("dee"), overdue("eve").no_session()])
        .await;
    let mut swept: Vec<String> = Vec::new();
    for _ in 0..60 {
        let document = next(&mut running).await;
        if document["users"].is_array() {
            swept.extend(names(&document).iter().map(|name| (*name).to_string()));
        }
        if swept.contains(&"eve".to_string()) {
            break;
        }
    }
    assert!(swept.contains(&"dee".to_string()), "{swept:?}");
    assert!(
        swept.contains(&"eve".to_string()),
        "her flag is cleared: {swept:?}"
    );
    assert_eq!(site.flagged().await, ["ana"]);
    running.signal(Signal::TERM);
    assert_eq!(running.end(SOON).await.0, Some(0));
}

#[tokio::test]
async fn the_configuration_stops_a_running_timer_and_starts_it_again() {
    let site = Site::start().await;
    site.seed(&[active("ana")]).await;
    let text =
        |armed: bool| format!("[[site]]\nname = \"shop\"\nurl = \"{{url}}\"\narmed = {armed}\n");
    let curfew = site.configured(&text(true));
    let mut running = curfew.spawn(&["sweep", "--every", "1s"]);
    let line = running.line(SOON).await;
    assert!(line.contains("nobody is overdue"), "{line}");
    site.configured(&text(false));
    until_said(&mut running, "view-only").await;
    site.seed(&[overdue("cem")]).await;
    // Each tick says how many are overdue, and why nobody was signed out.
    loop {
        let line = running.line(SOON).await;
        if line.contains("1 user is overdue") {
            assert!(line.contains("view-only"), "{line}");
            break;
        }
    }
    assert_eq!(site.db.sessions().await, 2);
    // A file that cannot be read is no permission either.
    let config = curfew.variable("CURFEW_CONFIG_DIR").unwrap();
    std::fs::write(format!("{config}/config.toml"), "[[site]]\nname =").unwrap();
    until_said(&mut running, "config.toml").await;
    assert_eq!(site.db.sessions().await, 2);
    site.configured(&text(true));
    until_said(&mut running, "is swept again").await;
    assert_eq!(site.db.sessions().await, 1);
    running.signal(Signal::TERM);
    assert_eq!(running.end(SOON).await.0, Some(0));
}

#[tokio::test]
async fn a_service_manager_hears_that_the_timer_is_ready_and_alive() {
    let site = Site::start().await;
    site.seed(&[overdue("cem")]).await;
    let path = site.folder("notify.socket");
    let socket = tokio::net::UnixDatagram::bind(&path).unwrap();
    let curfew = site
        .curfew()
        .env("NOTIFY_SOCKET", &path)
        .env("WATCHDOG_USEC", "1000000");
    let running = curfew.spawn(&["sweep", "--every", "1s"]);
    let mut heard = String::new();
    let expected = [
        "READY=1",
        "WATCHDOG=1",
        "STATUS=signed out 1 person",
        "STOPPING=1",
    ];
    let mut stopping = false;
    while !expected.iter().all(|word| heard.contains(word)) {
        let mut message = [0; 4096];
        let size = tokio::time::timeout(SOON, socket.recv(&mut message)).await;
        let size = size.unwrap_or_else(|_| panic!("only this was heard: {heard}"));
        heard.push_str(std::str::from_utf8(&message[..size.unwrap()]).unwrap());
        let told = expected[..3].iter().all(|word| heard.contains(word));
        let beats = heard.matches("WATCHDOG=1").count();
        if told && beats > 2 && !stopping {
            stopping = true;
            running.signal(Signal::TERM);
        }
    }
    assert_eq!(running.end(SOON).await.0, Some(0));
}

#[tokio::test]
async fn a_cache_that_starts_after_the_timer_is_waited_for() {
    let site = Site::start().await;
    site.seed(&[active("ana"), overdue("cem")]).await;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    drop(listener);
    let curfew = site.configured(&format!(
        "[[site]]\nname = \"shop\"\nurl = \"{{url}}\"\narmed = true\n[site.sessions]\n\
         engine = \"django.contrib.sessions.backends.cached_db\"\ncache = \"redis://127.0.0.1:{port}/0\"\n"
    ));
    let mut running = curfew.spawn(&["--json", "sweep", "--every", "1s"]);
    let first = next(&mut running).await;
    assert!(first["error"].is_object(), "{first:#}");
    assert_eq!(site.db.sessions().await, 2);
    let _cache = tokio::process::Command::new("redis-server")
        .args(["--bind", "127.0.0.1", "--port", &port, "--save", ""])
        .args(["--dir", &site.folder("")])
        .stdout(std::process::Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    until_swept(&mut running, &["cem"]).await;
    let said = until_said(&mut running, "is swept again").await;
    assert_eq!(said.len(), 2, "the trouble once, and its end: {said:#?}");
    running.signal(Signal::TERM);
    assert_eq!(running.end(SOON).await.0, Some(0));
}

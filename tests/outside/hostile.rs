//! Paths that lead to no file, and names that hide something or drive a terminal.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::harness::{Curfew, Ran, Site, active, overdue};

/// Much longer than a refusal takes, and much shorter than a FIFO waits.
const AT_ONCE: Duration = Duration::from_secs(20);

async fn at_once(curfew: &Curfew, args: &[&str]) -> Ran {
    let ran = tokio::time::timeout(AT_ONCE, curfew.json(args)).await;
    ran.unwrap_or_else(|_| panic!("{args:?} waits"))
}

fn fifo(path: &Path) {
    let made = Command::new("mkfifo").arg(path).status();
    assert!(made.unwrap().success());
}

#[tokio::test]
async fn a_fifo_a_device_and_a_folder_are_refused_at_once() {
    let home = tempfile::tempdir().unwrap();
    let pipe = home.path().join("pipe");
    fifo(&pipe);
    let plain = home.path().join("plain.sqlite3");
    std::fs::write(&plain, "").unwrap();
    fifo(&home.path().join("plain.sqlite3-journal"));
    let sqlite = |path: &Path| format!("sqlite://{}", path.display());
    let certificate = format!(
        "postgres://u@127.0.0.1:9/shop?sslmode=require&sslrootcert={}",
        pipe.display()
    );
    for (site, word) in [
        (sqlite(&pipe), "FIFO"),
        (sqlite(home.path()), "folder"),
        (sqlite(Path::new("/dev/zero")), "device"),
        (sqlite(&plain), "plain.sqlite3-journal"),
        (certificate, "FIFO"),
    ] {
        let curfew = Curfew::new(home.path()).site(&site);
        for args in [&["users"][..], &["sweep"], &["doctor"]] {
            let ran = at_once(&curfew, args).await;
            assert_eq!(ran.status, 1, "{site}: {ran:#?}");
            assert!(ran.stdout.contains(word), "{site}: {ran:#?}");
        }
    }

    let config = home.path().join("config");
    std::fs::create_dir(&config).unwrap();
    let file = config.join("config.toml");
    fifo(&file);
    let curfew = Curfew::new(home.path());
    let (_, message) = at_once(&curfew, &["users"]).await.error();
    assert!(message.contains("config.toml") && message.contains("FIFO"));
    std::fs::remove_file(&file).unwrap();
    std::fs::create_dir(&file).unwrap();
    let (_, message) = at_once(&curfew, &["site", "list"]).await.error();
    assert!(message.contains("config.toml") && message.contains("folder"));
}

#[tokio::test]
async fn what_a_name_hides_is_shown() {
    let site = Site::start().await;
    let tricky = "cem\u{202e}nimda\u{200b}\u{e0041}\u{1b}[31m";
    let shown = "cem<U+202E>nimda<U+200B><U+E0041><U+001B>[31m";
    site.seed(&[active("ana"), overdue(tricky)]).await;
    let curfew = site.curfew();
    for args in [
        &["users"][..],
        &["sessions", tricky],
        &["sweep", "--dry-run"],
        &["logout", tricky],
        &["journal"],
    ] {
        let ran = curfew.run(args).await;
        assert_eq!(ran.status, 0, "{args:?}: {ran:#?}");
        assert!(ran.stdout.contains(shown), "{args:?}: {ran:#?}");
        let hidden = ['\u{202e}', '\u{200b}', '\u{e0041}', '\u{1b}'];
        assert!(!ran.stdout.contains(hidden), "{args:?}: {ran:#?}");
    }
    // Nobody of this name: it comes back in the error.
    let ran = curfew.run(&["logout", "a\u{202e}b"]).await;
    assert!(
        ran.stderr.contains("a<U+202E>b") || ran.stderr.contains("\\u{202e}"),
        "{ran:#?}"
    );
    assert!(!ran.stderr.contains('\u{202e}'), "{ran:#?}");
}

//! A search for canaries: no session key, database password or SECRET_KEY in anything that Curfew says or
//! leaves behind.

use std::fs;
use std::path::Path;

use crate::harness::{Curfew, Django, Engine, Site, active, fingerprint, overdue};

/// Every file below a folder, with its text.
pub fn files(folder: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let Ok(entries) = fs::read_dir(folder) else {
        return found;
    };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            let text = fs::read(&path).unwrap_or_default();
            let text = String::from_utf8_lossy(&text).into_owned();
            found.push((path.display().to_string(), text));
        }
    }
    found
}

/// Fails where one of the canaries, or the half of one, is in the text.
pub fn none_of(canaries: &[String], place: &str, text: &str) {
    for canary in canaries {
        let half = &canary[..canary.len() / 2];
        // The password's first half is the same word in each test, so that one counts whole.
        let seen = if half.contains("canary") {
            canary
        } else {
            half
        };
        assert!(!text.contains(seen), "{place} holds the canary {canary}");
    }
}

#[tokio::test]
async fn no_secret_is_in_any_output_log_journal_or_state() {
    for engine in [Engine::Postgres, Engine::Sqlite] {
        let site = Site::on(Django::V52, engine).start().await;
        let seeded = site
            .seed(&[
                active("ana").session(40),
                overdue("cem"),
                overdue("dee"),
                overdue("eve").no_session(),
            ])
            .await;
        let browser = site.sign_in("ana").await;
        site.db
            .execute(
                "INSERT INTO django_session SELECT 'brokenbrokenbrokenbrokenbroken00', \
                 'x' || session_data, expire_date FROM django_session LIMIT 1",
            )
            .await;
        let mut canaries = vec![
            site.secret_key.clone(),
            browser.key().to_owned(),
            "brokenbrokenbrokenbrokenbroken00".to_owned(),
            crate::harness::password(),
        ];
        for name in ["ana", "cem", "dee"] {
            canaries.extend(seeded.keys(name));
        }

        let curfew = site
            .curfew()
            .env("CURFEW_SECRET_KEY", &site.secret_key)
            .env("CURFEW_LOG", "trace")
            .env("RUST_LOG", "trace")
            .env("RUST_BACKTRACE", "1");
        let mark = fingerprint(browser.key());
        let all: [&[&str]; 16] = [
            &["users"],
            &["--json", "users"],
            &["sessions", "ana"],
            &["--json", "sessions", "ana"],
            &["doctor"],
            &["--json", "doctor"],
            &["sweep", "--dry-run"],
            &["--json", "sweep", "--dry-run"],
            &["logout", "ana", "--session", &mark],
            &["--json", "logout", "ana", "--reason", "why not"],
            &["--json", "sweep"],
            &["sweep"],
            &["logout", "nobody"],
            &["sessions", browser.key()],
            &["journal"],
            &["--json", "journal", "--verify"],
        ];
        for args in all {
            let ran = curfew.run(args).await;
            assert!((0..=4).contains(&ran.status), "{args:?}: {ran:#?}");
            // A word that was typed may come back in the answer to it; there, only the rest is searched.
            let typed = args.iter().any(|arg| canaries.iter().any(|c| c == arg));
            if !typed {
                none_of(&canaries, &format!("{args:?}, output"), &ran.stdout);
                none_of(&canaries, &format!("{args:?}, errors"), &ran.stderr);
            }
        }
        let left = files(&curfew.state_dir());
        assert!(
            left.iter().any(|(_, text)| text.contains("why not")),
            "the journal is among them"
        );
        for (file, text) in left {
            none_of(&canaries, &file, &text);
        }
        for (file, text) in files(Path::new(&site.folder("home"))) {
            none_of(&canaries, &file, &text);
        }
    }
}

#[tokio::test]
async fn no_secret_is_in_the_words_about_a_site_that_cannot_be_reached() {
    let site = Site::start().await;
    let canary = "pass-canary-77";
    let url = site.db.url();
    let password = crate::harness::password();
    let wrong = url.replace(&password, canary);
    let there = reqwest::Url::parse(&url).unwrap();
    let (host, port) = (there.host_str().unwrap(), there.port().unwrap());
    let closed = wrong.replace(&format!("{host}:{port}"), "127.0.0.1:9");
    let nowhere = wrong.replace(&format!("{host}:{port}"), "no-such-host.invalid:5432");
    let absent = wrong.replace(there.path(), "/no_such_database");
    for bad in [&wrong, &closed, &nowhere, &absent] {
        let curfew: Curfew = site
            .curfew()
            .site(bad)
            .env("CURFEW_LOG", "trace")
            .never_says(canary);
        for args in [&["users"][..], &["doctor"], &["sweep"]] {
            let ran = curfew.json(args).await;
            assert_eq!(ran.status, 1, "{args:?} {ran:#?}");
        }
        let error = curfew
            .env("CURFEW_LOG", "off")
            .json(&["users"])
            .await
            .error();
        assert!(
            ["denied", "unreachable"].contains(&error.0.as_str()),
            "{error:?}"
        );
    }
}

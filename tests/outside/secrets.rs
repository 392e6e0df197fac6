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

/// Addresses, DSNs and connection strings, each with a secret in it, as people take them from elsewhere.
fn typed_as_a_site(secret: &str) -> Vec<String> {
    [
        "postgres://u@127.0.0.1:9/shop?password=SECRET",
        "postgres://u@127.0.0.1:9/shop?sslpassword=SECRET",
        "postgres://u:x/SECRET@127.0.0.1:9/shop",
        "postgres://u:12?SECRET@127.0.0.1:9/shop",
        "postgres://u:SECRET@[127.0.0.1/shop",
        "postgres:u:SECRET@127.0.0.1/shop",
        "mysql://u@127.0.0.1:9/shop?password=SECRET",
        "u:SECRET@tcp(127.0.0.1:9)/shop",
        "host=127.0.0.1 port=9 user=u password=SECRET dbname=shop",
        "Server=127.0.0.1;Uid=u;Pwd=SECRET;Database=shop",
        "jdbc:postgresql://127.0.0.1:9/shop?user=u&password=SECRET",
        "127.0.0.1:9:shop:u:SECRET",
        "redis://:SECRET@127.0.0.1:9/0",
        "https://u:SECRET@hooks.example/x",
        "sqlite:///none/such.sqlite3?secret=SECRET",
    ]
    .iter()
    .map(|text| text.replace("SECRET", secret))
    .collect()
}

#[tokio::test]
async fn no_secret_typed_as_a_site_is_repeated() {
    let home = tempfile::tempdir().unwrap();
    let canary = "dsncanary77";
    let curfew = Curfew::new(home.path())
        .env("CURFEW_LOG", "trace")
        .env("RUST_LOG", "trace")
        .never_says(canary);
    for typed in typed_as_a_site(canary) {
        let by_variable = curfew.clone().site(&typed);
        let runs = [
            by_variable.json(&["users"]).await,
            by_variable.json(&["doctor"]).await,
            curfew.json(&["--site", &typed, "doctor"]).await,
            curfew.run(&["site", "remove", &typed]).await,
            // In a wrong place.
            curfew.run(&[&typed]).await,
            curfew.json(&["users", &typed]).await,
        ];
        for ran in runs {
            assert!([1, 2].contains(&ran.status), "{ran:#?}");
        }
    }
    for (file, text) in files(home.path()) {
        assert!(!text.contains(canary), "{file} holds the canary");
    }
}

#[tokio::test]
async fn no_secret_of_a_configuration_is_repeated_and_an_open_file_is_reported() {
    use std::os::unix::fs::PermissionsExt;

    let site = Site::on(Django::V52, Engine::Sqlite).start().await;
    let canary = "dsncanary78";
    let head = "[[site]]\nname = \"shop\"\nurl = \"{url}\"\n";
    let cache = "[site.sessions]\nengine = \"django.contrib.sessions.backends.cached_db\"\n";
    for toml in [
        format!("[[site]]\nname = \"shop\"\nurl = \"host=127.0.0.1 password={canary}\"\n"),
        format!(
            "[[site]]\nname = \"shop\"\nurl = \"postgres://u@127.0.0.1:9/x?password={canary}\"\n"
        ),
        format!("{head}{cache}cache = \"redis://127.0.0.1:9/0?password={canary}\"\n"),
        format!("{head}{cache}cache = \"redis://:{canary}@127.0.0.1:9/0\"\n"),
        format!(
            "{head}{cache}cache = \"redis+sentinel://127.0.0.1:9/s/0?sentinel_password={canary}\"\n"
        ),
        format!("{head}webhook = \"https://u:{canary}@127.0.0.1:9/\"\n"),
        format!(
            "{head}[site.webhook]\nurl = \"http://u:{canary}@127.0.0.1:9/\"\nsecret = \"whsec_YWJj\"\n"
        ),
        format!("{head}[site.webhook]\nurl = \"{canary}\"\nsecret = \"whsec_{canary}\"\n"),
        format!("{head}health_url = \"{canary}\"\n"),
    ] {
        let curfew = site
            .configured(&toml)
            .env("CURFEW_LOG", "trace")
            .never_says(canary);
        for args in [&["users"][..], &["doctor"], &["site", "list"]] {
            curfew.json(args).await;
        }
    }

    let secret =
        format!("{head}[site.webhook]\nurl = \"http://127.0.0.1:9/\"\nsecret = \"whsec_YWJj\"\n");
    let curfew = site.configured(&secret);
    let file = site.folder("config/config.toml");
    for (mode, may) in [(0o600, true), (0o640, true), (0o644, false), (0o602, false)] {
        std::fs::set_permissions(&file, PermissionsExt::from_mode(mode)).unwrap();
        let ran = curfew.json(&["doctor"]).await;
        let document = ran.document();
        let checks = document["checks"].as_array().unwrap();
        let check = checks.iter().find(|c| c["name"] == "configuration file");
        assert_eq!(check.unwrap()["ok"], may, "{mode:o}: {document:#}");
        // The webhook of this site does not answer, and `doctor` says so whatever the file's mode is.
        assert_eq!(ran.status, 1, "{document:#}");
    }
}

//! What the command line says to people and scripts who got something wrong, and about itself.

use serde_json::Value;

use crate::harness::{Curfew, Site, active};

/// The status and code of a call that cannot be done; its words are one clear line in both forms.
async fn refused(curfew: &Curfew, args: &[&str]) -> (i32, String, String) {
    let ran = curfew.json(args).await;
    let (code, message) = ran.error();
    let plain = curfew.run(args).await;
    assert_eq!(plain.status, ran.status, "{args:?}");
    assert_eq!(plain.stdout, "", "{args:?}: errors are not answers");
    assert_eq!(
        plain.stderr.trim().lines().count(),
        1,
        "{args:?}: {plain:#?}"
    );
    (ran.status, code, message)
}

fn nowhere() -> (tempfile::TempDir, Curfew) {
    let home = tempfile::tempdir().unwrap();
    let curfew = Curfew::new(home.path());
    (home, curfew)
}

#[tokio::test]
async fn wrong_usage_ends_with_status_2() {
    let (_home, curfew) = nowhere();
    for args in [
        &["frobnicate"][..],
        &["users", "--no-such-option"],
        &["users", "--state", "asleep"],
        &["users", "--limit", "0"],
        &["users", "--limit", "many"],
        &["users", "--sort", "shoe_size"],
        &["logout"],
        &["sweep", "--every", "soon"],
        &["sweep", "--sign-out-after", "5"],
        &["sweep", "--sign-out-after", "-5m"],
        &["sweep", "--sign-out-after", "0s"],
        &["--site", "shop", "users"],
        &["users"],
        &["--site", "ftp://host/db", "users"],
        &["--site", "postgres://", "users"],
        &["--site", "", "users"],
    ] {
        let (status, code, message) = refused(&curfew, args).await;
        assert_eq!(status, 2, "{args:?}: {code}: {message}");
    }
}

#[tokio::test]
async fn limits_that_contradict_each_other_are_wrong_usage() {
    let site = Site::start().await;
    let args = ["sweep", "--idle-after", "2h", "--sign-out-after", "1h"];
    assert_eq!(refused(&site.curfew(), &args).await.0, 2);
}

#[tokio::test]
async fn a_sqlite_file_that_does_not_exist_is_an_error_and_never_a_new_file() {
    let (home, curfew) = nowhere();
    let path = home.path().join("typo.sqlite3");
    let url = format!("sqlite://{}", path.display());
    for args in [
        &["users"][..],
        &["sweep"],
        &["sweep", "--dry-run"],
        &["logout", "ana"],
        &["sessions", "ana"],
    ] {
        let (status, _, message) = refused(&curfew.clone().site(&url), args).await;
        assert_eq!(status, 1, "{args:?}: {message}");
        assert!(message.contains("typo.sqlite3"), "{message}");
        assert!(!path.exists(), "{args:?} made a file");
    }
    let doctor = curfew.clone().site(&url).json(&["doctor"]).await;
    assert_eq!(doctor.status, 1, "{doctor:#?}");
    assert!(!path.exists(), "doctor made a file");

    for (name, content) in [
        ("empty.sqlite3", ""),
        ("text.sqlite3", "this is not a database at all"),
    ] {
        let path = home.path().join(name);
        std::fs::write(&path, content).unwrap();
        let url = format!("sqlite://{}", path.display());
        let (status, code, message) = refused(&curfew.clone().site(&url), &["users"]).await;
        assert_eq!(status, 1, "{code}: {message}");
        assert_eq!(
            std::fs::read_to_string(&path).unwrap(),
            content,
            "{name} is as it was"
        );
    }
}

#[tokio::test]
async fn who_or_what_does_not_exist_is_said_by_name() {
    let site = Site::start().await;
    site.seed(&[active("ana")]).await;
    let curfew = site.curfew();
    for (args, code, word) in [
        (&["logout", "bob"][..], "no_user", "bob"),
        (&["sessions", "bob"], "no_user", "bob"),
        (&["logout", "id:999"], "no_user", "999"),
        (&["logout", "id:not-a-number"], "no_user", "not-a-number"),
        (
            &["logout", "ana", "--session", "000000000000"],
            "no_session",
            "000000000000",
        ),
    ] {
        let (status, found, message) = refused(&curfew, args).await;
        assert_eq!((status, found.as_str()), (1, code), "{args:?}: {message}");
        assert!(message.contains(word), "{args:?}: {message}");
    }
    assert_eq!(site.db.sessions().await, 1);
}

#[tokio::test]
async fn a_configuration_with_a_mistake_names_the_place() {
    let site = Site::start().await;
    for (toml, word) in [
        ("[[site]\nname = 1", "config.toml"),
        ("[[site]]\nname = \"shop\"\n", "url"),
        (
            "[[site]]\nname = \"shop\"\nurl = \"{url}\"\n[site.policy]\nidle_after = \"soon\"\n",
            "line 5",
        ),
        (
            "[[site]]\nname = \"shop\"\nurl = \"{url}\"\n[site.policy]\nidel_after = \"5m\"\n",
            "idel_after",
        ),
        (
            "[[site]]\nname = \"shop\"\nurl = \"{url}\"\n[site.policy]\nmax_share = 7\n",
            "max_share",
        ),
    ] {
        let curfew = site.configured(toml);
        let (status, code, message) = refused(&curfew, &["users"]).await;
        assert_eq!((status, code.as_str()), (2, "config"), "{toml}: {message}");
        assert!(message.contains(word), "{toml}: {message}");
    }
}

#[tokio::test]
async fn sites_are_named_by_option_variable_or_alone() {
    let (one, two) = (Site::start().await, Site::start().await);
    one.seed(&[active("ana")]).await;
    two.seed(&[active("ben")]).await;
    let config = format!(
        "[[site]]\nname = \"one\"\nurl = \"{{url}}\"\n[[site]]\nname = \"two\"\nurl = \"{}\"\n",
        two.db.url()
    );
    let curfew = one.configured(&config);
    let (status, code, message) = refused(&curfew, &["users"]).await;
    assert_eq!((status, code.as_str()), (2, "no_site"));
    assert!(
        message.contains("one") && message.contains("two"),
        "it names them: {message}"
    );

    let named = |document: Value| crate::harness::names(&document).remove(0);
    assert_eq!(named(curfew.done(&["--site", "one", "users"]).await), "ana");
    assert_eq!(
        named(curfew.clone().site("two").done(&["users"]).await),
        "ben"
    );
    let both = curfew.clone().site("two");
    assert_eq!(named(both.done(&["--site", "one", "users"]).await), "ana");
    assert_eq!(
        named(curfew.done(&["--site", &two.db.url(), "users"]).await),
        "ben"
    );
}

#[tokio::test]
async fn the_doctor_looks_at_each_step() {
    let site = Site::start().await;
    site.seed(&[active("ana")]).await;
    let document = site.curfew().done(&["doctor"]).await;
    let checks = document["checks"].as_array().unwrap();
    assert!(checks.len() >= 5, "{document:#}");
    for check in checks {
        assert!(
            check["name"].is_string() && check["detail"].is_string(),
            "{check}"
        );
        assert!(
            check["fix"].is_string() || check["fix"].is_null(),
            "{check}"
        );
    }
    let text = document.to_string();
    for word in ["django_session", "accounts_customuser", "last_activity"] {
        assert!(text.contains(word), "{word} is not in {document:#}");
    }

    // A role that may look and not touch: the doctor sees it, and says what to grant.
    site.db
        .execute("REVOKE DELETE ON django_session FROM curfew_guest")
        .await;
    let ran = site.curfew().json(&["doctor"]).await;
    let document = ran.document();
    let bad = document["checks"]
        .as_array()
        .unwrap()
        .iter()
        .find(|c| c["ok"] == false);
    let bad = bad.unwrap_or_else(|| panic!("{document:#}"));
    let fix = bad["fix"].as_str().unwrap();
    assert!(fix.to_uppercase().contains("GRANT"), "{bad:#}");
    assert_eq!(
        ran.status, 1,
        "a check that fails is a status that scripts see"
    );
}

#[tokio::test]
async fn completions_and_manual_pages_cover_each_command() {
    let (_home, curfew) = nowhere();
    for shell in ["bash", "zsh", "fish"] {
        let ran = curfew.run(&["completions", shell]).await;
        assert_eq!(ran.status, 0, "{ran:#?}");
        for command in ["users", "sweep", "--sign-out-after"] {
            let word = command.trim_start_matches('-');
            assert!(ran.stdout.contains(word), "{shell}: {command}");
        }
    }
    let page = curfew.run(&["man"]).await;
    assert_eq!(page.status, 0);
    assert!(page.stdout.contains(".TH"), "it is roff");
    for command in [
        "users", "sessions", "logout", "sweep", "journal", "doctor", "demo",
    ] {
        assert!(page.stdout.contains(command), "{command}");
        let help = curfew.run(&[command, "--help"]).await;
        assert_eq!(help.status, 0);
        assert!(
            help.stdout.contains("Usage:") && help.stderr.is_empty(),
            "{command}"
        );
    }
    assert!(
        curfew
            .run(&["--version"])
            .await
            .stdout
            .starts_with("curfew ")
    );
}

#[tokio::test]
async fn a_table_for_people_has_no_colours_when_it_is_no_terminal() {
    let site = Site::start().await;
    site.seed(&[active("ana")]).await;
    for args in [
        &["users"][..],
        &["sessions", "ana"],
        &["doctor"],
        &["sweep"],
        &["journal"],
    ] {
        let ran = site.curfew().run(args).await;
        assert_eq!(ran.status, 0, "{args:?}: {ran:#?}");
        assert!(!ran.stdout.is_empty(), "{args:?}");
        assert!(!ran.stdout.contains('\u{1b}'), "{args:?}: {}", ran.stdout);
    }
}

//! The first start, and connecting to a site.

use std::path::Path;
use std::time::Duration;

use crate::harness::{SOON, Site, Window, active, overdue, password, until};
use crate::secrets::{files, none_of};

#[tokio::test]
async fn with_no_site_configured_a_demo_is_alive_within_three_seconds() {
    let site = Site::for_window().await;
    let window = Window::configured(&site, "").live().await;
    until("rows", Duration::from_secs(3), || async {
        window.rows().await.len() > 5
    })
    .await;
    assert!(
        window.words().await.contains("Demo"),
        "it is marked as a demo"
    );
    let seen =
        "return [...document.querySelectorAll('[data-username]')].map(e => e.innerText).join()";
    let first = window.run(seen, Vec::new()).await;
    until("somebody moves", Duration::from_secs(3), || async {
        window.run(seen, Vec::new()).await != first
    })
    .await;
}

#[tokio::test]
async fn a_site_is_tested_step_by_step_and_then_opened_view_only() {
    let site = Site::for_window().await;
    site.seed(&[active("ana"), overdue("cem")]).await;
    super::add_acme(&site).await;
    let before = site.checksums().await;
    let opening = Window::configured(&site, "").env("CURFEW_SESSION_ENGINE", "");
    let window = opening.live().await;
    connect(&window, &site.db.url()).await;

    // Two schemas hold a site: the failed step names the remedy, and its field is there.
    window.until_words("--schema", SOON).await;
    let schema = window.find("textbox", "Schema").await;
    schema.send_keys("public").await.unwrap();
    let engine = window.by_css("option[value=db]").await;
    engine.unwrap().click().await.unwrap();
    window.click("button", "Test").await;

    let steps =
        "return document.querySelector('[aria-label=\"Steps of the test\"]')?.innerText ?? ''";
    until("the steps are there", SOON, || async {
        let words = window.run(steps, Vec::new()).await;
        let words = words.as_str().unwrap().to_owned();
        words.contains("django_session") && words.contains("last_activity")
    })
    .await;
    window.click("button", "Connect, view-only").await;
    window.until_state("cem", Some("overdue"), SOON).await;
    let allowed = window.find("switch", "Allow changes").await;
    assert_eq!(
        allowed.attr("aria-checked").await.unwrap().as_deref(),
        Some("false")
    );
    assert_eq!(site.checksums().await, before);

    // It is configured now, and the password is in no file.
    let config = std::fs::read_to_string(site.folder("config/config.toml")).unwrap();
    assert!(
        config.contains("armed = false") && config.contains("postgres://"),
        "{config}"
    );
    for stated in [
        "schema = \"public\"",
        "engine = \"django.contrib.sessions.backends.db\"",
    ] {
        assert!(config.contains(stated), "{config}");
    }
    for folder in ["config", "state"] {
        for (file, text) in files(Path::new(&site.folder(folder))) {
            none_of(&[password()], &file, &text);
        }
    }
}

#[tokio::test]
async fn a_site_is_taken_from_its_django_project_and_opened_view_only() {
    let site = Site::for_window().await;
    site.seed(&[active("ana"), overdue("cem")]).await;
    let before = site.checksums().await;
    let window = Window::configured(&site, "").beside(&site).live().await;
    window.open_connect().await;
    window.click("tab", "From a Django project").await;
    let manage = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/django/site/manage.py");
    for (field, text) in [
        ("The project's manage.py", manage),
        ("Python of the project, optional", &site.python()),
    ] {
        let field = window.find("textbox", field).await;
        field.send_keys(text).await.unwrap();
    }
    window.click("button", "Ask the project").await;
    // What it took is shown before anything is saved.
    window.until_words("accounts_customuser", SOON).await;
    let config = || std::fs::read_to_string(site.folder("config/config.toml")).unwrap_or_default();
    assert!(!config().contains("[[site]]"), "{}", config());
    window.click("button", "Add site").await;
    window.until_state("cem", Some("overdue"), SOON).await;
    let allowed = window.find("switch", "Allow changes").await;
    let checked = allowed.attr("aria-checked").await.unwrap();
    assert_eq!(checked.as_deref(), Some("false"));
    assert_eq!(site.checksums().await, before);
    assert!(config().contains("armed = false"), "{}", config());
    for folder in ["config", "state"] {
        for (file, text) in files(Path::new(&site.folder(folder))) {
            none_of(std::slice::from_ref(&site.secret_key), &file, &text);
        }
    }
}

/// Opens the page for a new site, pastes the address and has it tested.
async fn connect(window: &Window, address: &str) {
    window.open_connect().await;
    let field = window.find("textbox", "Address of the database").await;
    field.send_keys(address).await.unwrap();
    window.click("button", "Test").await;
}

#[tokio::test]
async fn a_site_that_cannot_be_reached_says_which_step_fails_and_what_to_do() {
    let site = Site::for_window().await;
    let window = Window::configured(&site, "").live().await;
    let wrong = site.db.url().replace(&password(), "not-the-password");
    connect(&window, &wrong).await;
    let steps = "return [...document.querySelectorAll('[aria-label=\"Steps of the test\"] li')]
        .filter(li => li.querySelector('[aria-label=\"Not done\"]')).map(li => li.innerText)";
    until("the failing step is named", SOON, || async {
        let failing: Vec<String> =
            serde_json::from_value(window.run(steps, Vec::new()).await).unwrap();
        failing.iter().any(|step| step.len() > 40)
    })
    .await;
    let config = std::fs::read_to_string(site.folder("config/config.toml")).unwrap_or_default();
    assert!(
        !config.contains("[[site]]"),
        "a test saves nothing: {config}"
    );
}

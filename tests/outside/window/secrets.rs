//! No session key, password or SECRET_KEY is in the window's page, its log, or what it leaves on the disk.

use std::path::Path;

use crate::harness::{SOON, Site, Window, active, overdue, until};
use crate::secrets::{files, none_of};

#[tokio::test]
async fn no_secret_is_in_the_page_the_log_or_the_files_of_the_window() {
    let site = Site::for_window().await;
    let seeded = site
        .seed(&[active("ana").session(60), overdue("cem")])
        .await;
    let browser = site.sign_in("ana").await;
    let mut canaries = vec![
        site.secret_key.clone(),
        crate::harness::password(),
        browser.key().to_owned(),
    ];
    canaries.extend(seeded.keys("ana"));
    canaries.extend(seeded.keys("cem"));
    let window = Window::on(&site)
        .env("RUST_LOG", "trace")
        .env("CURFEW_SECRET_KEY", &site.secret_key)
        .live()
        .await;
    window.switch("Allow changes", true).await;
    window.until_state("cem", Some("overdue"), SOON).await;
    let row = window.by_css("[data-username=ana] [role=gridcell]").await;
    row.unwrap().click().await.unwrap();
    until("the panel shows the sessions", SOON, || async {
        let script = "return document.querySelectorAll('[data-fingerprint]').length";
        window.run(script, Vec::new()).await == 3
    })
    .await;
    none_of(&canaries, "the page", &window.source().await);
    window.click("button", "Log out cem").await;
    window.answer("Log out").await;
    window.until_words("signed out, verified", SOON).await;
    none_of(&canaries, "the page after a logout", &window.source().await);
    window.press("\u{e00c}").await;
    for view in ["Journal", "Settings", "Sweeps"] {
        window.click("button", view).await;
        tokio::time::sleep(std::time::Duration::from_millis(400)).await;
        none_of(&canaries, view, &window.source().await);
    }
    window.click("button", "People").await;
    site.db.refuse(true).await;
    window.until_link("offline", SOON).await;
    none_of(&canaries, "the page offline", &window.source().await);

    let log = window.log();
    assert!(
        log.contains("DEBUG"),
        "RUST_LOG=trace logs something: {log}"
    );
    none_of(&canaries, "the log", &log);
    for folder in ["state", "config"] {
        for (file, text) in files(Path::new(&site.folder(folder))) {
            none_of(&canaries, &file, &text);
        }
    }
    for (file, text) in files(window.home()) {
        none_of(&canaries, &file, &text);
    }
}

//! The sweep in the window: previewed, by hand, and by its timer.

use std::time::Duration;

use crate::harness::{SOON, Site, Window, active, idle, overdue, until};

/// Short times, so that a test sees the timer fire.
const QUICK: &str = "[[site]]\nname = \"shop\"\nurl = \"{url}\"\narmed = false\n[site.policy]\n\
                     idle_after = \"5m\"\nsign_out_after = \"35m\"\nsweep_every = \"6s\"\n";

#[tokio::test]
async fn the_timer_sweeps_once_changes_are_allowed_and_it_is_switched_on() {
    let site = Site::for_window().await;
    let seeded = site
        .seed(&[
            active("ana"),
            idle("ben"),
            overdue("cem"),
            overdue("dee").no_session(),
        ])
        .await;
    let window = Window::configured(&site, QUICK).live().await;
    window.until_state("cem", Some("overdue"), SOON).await;
    let before = site.checksums().await;
    // A round of the timer goes by, and nothing: it is view-only, and not switched on.
    tokio::time::sleep(Duration::from_secs(8)).await;
    assert_eq!(site.checksums().await, before);

    window.switch("Allow changes", true).await;
    window.switch("Automatic sweep", true).await;
    until("the next sweep is told", SOON, || async {
        let next = window.text("next-sweep").await.unwrap_or_default();
        next.chars().any(|c| c.is_ascii_digit())
    })
    .await;
    until("the timer has fired", SOON, || async {
        site.db.sessions().await == 2
    })
    .await;
    window
        .until_words(
            "signed out 1 person, 1 session, verified",
            Duration::from_secs(6),
        )
        .await;
    assert_eq!(site.names(&seeded.keys("cem")).await, [None]);
    assert_eq!(site.flagged().await, ["ana", "ben"]);
    window.until_state("cem", None, SOON).await;

    // It goes on by itself.
    site.seed(&[overdue("eve")]).await;
    until("the timer has fired again", SOON, || async {
        site.db.sessions().await == 2
    })
    .await;
    window.switch("Automatic sweep", false).await;
    site.seed(&[overdue("fay")]).await;
    tokio::time::sleep(Duration::from_secs(8)).await;
    assert_eq!(site.db.sessions().await, 3, "switched off is off");
}

#[tokio::test]
async fn a_preview_names_who_and_sweep_now_does_it() {
    let site = Site::for_window().await;
    let seeded = site
        .seed(&[
            active("ana"),
            overdue("cem").session(9000),
            overdue("dee").no_session(),
        ])
        .await;
    let window = Window::on(&site).live().await;
    window.until_state("cem", Some("overdue"), SOON).await;
    window.click("button", "Preview sweep").await;
    let dialog = window.find_in("dialog", None, None).await;
    until("the preview is there", SOON, || async {
        let words = dialog.text().await.unwrap_or_default();
        words.contains("cem") && words.contains("dee") && !words.contains("ana")
    })
    .await;
    assert_eq!(site.db.sessions().await, 3, "a preview touches nothing");
    let close = window
        .find_in("button", Some("Close"), Some("[role=dialog]"))
        .await;
    close.click().await.unwrap();

    window.switch("Allow changes", true).await;
    window.click("button", "Sweep now").await;
    until("it has swept", SOON, || async {
        // A sweep from a button may ask first; the button in the dialog says its size.
        let script =
            "const b = document.querySelector('[role=dialog] button.danger:not([disabled])');
                      if (b) b.click(); return null";
        window.run(script, Vec::new()).await;
        site.db.sessions().await == 1
    })
    .await;
    assert_eq!(site.names(&seeded.keys("cem")).await, [None, None]);
    until("the flags are cleared", SOON, || async {
        site.flagged().await == ["ana"]
    })
    .await;
}

#[tokio::test]
async fn a_flag_that_a_migration_took_away_is_found_again() {
    let site = Site::for_window().await;
    site.seed(&[active("ana"), overdue("dee").no_session()])
        .await;
    let window = Window::configured(&site, QUICK).live().await;
    window.until_state("dee", Some("stale"), SOON).await;
    let flag = "ALTER TABLE accounts_customuser RENAME COLUMN";
    let name = "\"isCurrentlyActive\"";
    site.db.execute(&format!("{flag} {name} TO gone")).await;
    let stale = |number: u32| {
        let window = &window;
        until(
            "the number of stale users",
            Duration::from_secs(30),
            move || async move { window.count("stale").await == Some(number) },
        )
    };
    stale(0).await;
    site.db.execute(&format!("{flag} gone TO {name}")).await;
    stale(1).await;
}

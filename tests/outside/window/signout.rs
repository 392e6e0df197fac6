//! Logout in the window, by mouse and by keyboard alone; Django says what came of it.

use crate::harness::{
    Django, Engine, SOON, Site, Window, active, fingerprint, idle, overdue, until,
};

const DOWN: &str = "\u{e015}";
const DELETE: &str = "\u{e017}";
const ENTER: &str = "\u{e007}";
const ESCAPE: &str = "\u{e00c}";
const TAB: &str = "\u{e004}";

#[tokio::test]
async fn a_logout_through_the_dialog_makes_its_browser_anonymous() {
    for engine in [Engine::Postgres, Engine::Sqlite] {
        let site = Site::on(Django::V52, engine).for_window().await;
        site.seed(&[active("ana"), active("ben")]).await;
        let mut browser = site.sign_in("ana").await;
        let mut other = site.sign_in("ben").await;
        let window = Window::on(&site).live().await;
        window.switch("Allow changes", true).await;
        window.until_state("ana", Some("active"), SOON).await;

        window.click("button", "Log out ana").await;
        window.answer("Cancel").await;
        until("the dialog is gone", SOON, || async {
            window.look("alertdialog", None, None).await.is_none()
        })
        .await;
        assert_eq!(
            browser.whoami().await.as_deref(),
            Some("ana"),
            "asked, and not done"
        );

        window.click("button", "Log out ana").await;
        let dialog = window.find_in("alertdialog", None, None).await;
        let words = dialog.text().await.unwrap();
        assert!(
            words.contains("ana") && words.contains("2 sessions"),
            "{words}"
        );
        window.answer("Log out").await;
        window.until_words("signed out, verified", SOON).await;

        assert_eq!(browser.whoami().await, None);
        assert_eq!(other.whoami().await.as_deref(), Some("ben"));
        assert_eq!(site.flagged().await, ["ben"]);
        window.until_state("ana", None, SOON).await;
        let journal = site.curfew().done(&["journal"]).await;
        assert_eq!(journal["entries"][0]["users"][0]["username"], "ana");

        // Within a minute she is back: what the dialog said is no longer so.
        window.answer("Close").await;
        site.sign_in("ana").await;
        window.until_words("signed in again", SOON).await;
    }
}

#[tokio::test]
async fn the_keyboard_alone_suffices() {
    let site = Site::for_window().await;
    let seeded = site
        .seed(&[active("ana"), idle("ben"), overdue("cem")])
        .await;
    let window = Window::on(&site).live().await;
    window.until_state("cem", Some("overdue"), SOON).await;
    // Changes are allowed from the keyboard too.
    tab_to(
        &window,
        "[role=switch][aria-label='Allow changes'], [role=switch]",
    )
    .await;
    window.press(" ").await;
    tab_to(&window, "[role=grid] [data-username]").await;
    // Down the rows to ben, wherever the order has him.
    for _ in 0..6 {
        if focused(&window).await.as_deref() == Some("ben") {
            break;
        }
        window.press(DOWN).await;
    }
    if focused(&window).await.as_deref() != Some("ben") {
        window.press("\u{e011}").await; // Home
    }
    assert_eq!(focused(&window).await.as_deref(), Some("ben"));

    window.press(ENTER).await;
    until("the panel is open", SOON, || async {
        let panel = window.look("complementary", Some("User ben"), None).await;
        panel.is_some()
            || window
                .look("dialog", Some("User ben"), None)
                .await
                .is_some()
    })
    .await;
    window.press(ESCAPE).await;
    until("the panel is closed", SOON, || async {
        window
            .look("complementary", Some("User ben"), None)
            .await
            .is_none()
    })
    .await;

    window.press(DELETE).await;
    window.find_in("alertdialog", None, None).await;
    window.press("gone home").await;
    window.press(ENTER).await;
    window.until_words("signed out, verified", SOON).await;
    window.press(ESCAPE).await;
    until("the dialog is closed", SOON, || async {
        window.look("alertdialog", None, None).await.is_none()
    })
    .await;

    assert_eq!(site.names(&seeded.keys("ben")).await, [None]);
    assert_eq!(site.flagged().await, ["ana", "cem"]);
    let journal = site.curfew().done(&["journal"]).await;
    assert_eq!(journal["entries"][1]["reason"], "gone home");
}

/// Whose row has the focus.
async fn focused(window: &Window) -> Option<String> {
    let script =
        "return document.activeElement?.closest('[data-username]')?.dataset.username ?? null";
    let name = window.run(script, Vec::new()).await;
    name.as_str().map(str::to_owned)
}

/// Presses Tab until the focus is on what this selector means.
async fn tab_to(window: &Window, css: &str) {
    let script = "return document.activeElement?.matches(arguments[0]) ?? false";
    for _ in 0..60 {
        if window.run(script, vec![css.into()]).await == true {
            return;
        }
        window.press(TAB).await;
    }
    panic!("Tab does not lead to {css}");
}

#[tokio::test]
async fn one_session_of_several_is_ended_from_the_panel() {
    let site = Site::for_window().await;
    site.seed(&[active("ana").no_session()]).await;
    let mut laptop = site.sign_in("ana").await;
    let mut phone = site.sign_in("ana").await;
    let window = Window::on(&site).live().await;
    window.switch("Allow changes", true).await;
    window.until_state("ana", Some("active"), SOON).await;

    let row = window.by_css("[data-username=ana] [role=gridcell]").await;
    row.unwrap().click().await.unwrap();
    let mark = fingerprint(laptop.key());
    until("the panel shows both sessions", SOON, || async {
        let script = "return document.querySelectorAll('[data-fingerprint]').length";
        window.run(script, Vec::new()).await == 2
    })
    .await;
    window
        .click("button", &format!("Log out session {mark}"))
        .await;
    window.answer("Log out").await;
    window.until_words("signed out, verified", SOON).await;

    assert_eq!(laptop.whoami().await, None);
    assert_eq!(phone.whoami().await.as_deref(), Some("ana"));
    window.until_state("ana", Some("active"), SOON).await;
}

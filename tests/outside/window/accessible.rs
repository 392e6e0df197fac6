//! axe-core finds nothing on any view, in light and in dark.

use serde_json::Value;

use crate::harness::{Opening, SOON, Site, Window, active, idle, overdue};

const AXE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/ui/node_modules/axe-core/axe.min.js"
);

/// Fails with each violation: which rule, which element.
async fn nothing_found(window: &Window, view: &str) {
    let check = "const done = arguments[0];
        axe.run(document, {resultTypes: ['violations']}).then(
            (r) => done(r.violations.flatMap(v => v.nodes.map(n => `${v.id}: ${n.html} ${n.failureSummary}`))),
            (e) => done([String(e)]))";
    let found = window.run_async(check, Vec::new()).await;
    let found: Vec<String> = serde_json::from_value(found).unwrap();
    assert!(found.is_empty(), "{view}: {found:#?}");
}

async fn each_view(opening: Opening, dark: bool) {
    let window = opening.live().await;
    let scheme = window.run(
        "return matchMedia('(prefers-color-scheme: dark)').matches",
        Vec::new(),
    );
    assert_eq!(scheme.await, Value::Bool(dark), "the theme of the desktop");
    let axe =
        std::fs::read_to_string(AXE).unwrap_or_else(|_| panic!("no {AXE}: run cargo xtask test"));
    window.run(&format!("{axe}; return null"), Vec::new()).await;
    window.until_state("cem", Some("overdue"), SOON).await;
    nothing_found(&window, "people").await;

    let row = window.by_css("[data-username=ana] [role=gridcell]").await;
    row.unwrap().click().await.unwrap();
    window
        .find_in("complementary", Some("User ana"), None)
        .await;
    nothing_found(&window, "a user's panel").await;

    window.switch("Allow changes", true).await;
    window.click("button", "Log out ana").await;
    window.find_in("alertdialog", None, None).await;
    nothing_found(&window, "the dialog before a logout").await;
    window.answer("Cancel").await;

    window.click("button", "Preview sweep").await;
    window.until_words("cem", SOON).await;
    window.find_in("dialog", None, None).await;
    nothing_found(&window, "the preview of a sweep").await;
    let close = window
        .find_in("button", Some("Close"), Some("[role=dialog]"))
        .await;
    close.click().await.unwrap();

    for view in ["Journal", "Settings", "Sweeps"] {
        window.click("button", view).await;
        tokio::time::sleep(std::time::Duration::from_millis(400)).await;
        nothing_found(&window, view).await;
    }
    window.open_connect().await;
    nothing_found(&window, "connecting a site").await;
}

async fn site() -> Site {
    let site = Site::for_window().await;
    site.seed(&[
        active("ana").staff().session(30),
        idle("ben").superuser(),
        overdue("cem").with("first_name", "מרים"),
        overdue("dee").no_session(),
    ])
    .await;
    site.curfew()
        .done(&["logout", "ben", "--reason", "left"])
        .await;
    site
}

#[tokio::test]
async fn axe_finds_nothing_on_any_view_in_light() {
    let site = site().await;
    each_view(Window::on(&site), false).await;
}

#[tokio::test]
async fn axe_finds_nothing_on_any_view_in_dark() {
    let site = site().await;
    each_view(Window::on(&site).dark(), true).await;
}

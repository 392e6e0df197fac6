//! A logout where a request under way can bring a session back: the window follows it to the last look.

use std::time::Duration;

use crate::harness::{Cache, Django, Engine, SOON, SessionEngine, Site, Window, active};

/// The last look comes a minute after the deed.
const TO_THE_END: Duration = Duration::from_secs(100);

#[tokio::test]
async fn a_logout_is_called_done_only_after_the_last_look() {
    let site = Site::on(Django::V52, Engine::Postgres)
        .sessions(SessionEngine::CachedDb)
        .cache(Cache::Redis)
        .for_window()
        .await;
    site.seed(&[active("ana").no_session(), active("ben")])
        .await;
    let mut browser = site.sign_in("ana").await;
    let window = Window::configured(
        &site,
        "[[site]]\nname = \"shop\"\nurl = \"{url}\"\narmed = true\n{sessions}",
    )
    .live()
    .await;
    window.until_state("ana", Some("active"), SOON).await;

    window.click("button", "Log out ana").await;
    window.answer("Log out").await;
    window
        .until_words("gone now, looking again for a minute", SOON)
        .await;
    let words = window.words().await;
    assert!(!words.contains("signed out, verified"), "{words}");
    assert_eq!(browser.whoami().await, None);

    // It goes on where the dialog is closed, and tells its end there.
    window.answer("Close").await;
    window.until_words("Looking again for a minute", SOON).await;
    window.until_words("signed out, verified", TO_THE_END).await;
    assert_eq!(browser.whoami().await, None);
    let journal = site.curfew().done(&["journal"]).await;
    assert_eq!(journal["entries"][0]["verified"], true);
}

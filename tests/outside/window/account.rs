//! Suspend and Allow again in the window; Django says what came of them.

use crate::harness::{Django, Engine, SOON, Site, Window, active, until};

const ENTER: &str = "\u{e007}";

#[tokio::test]
async fn a_suspended_person_is_out_is_found_again_by_name_and_comes_back_without_the_old_cookie() {
    let site = Site::on(Django::V52, Engine::Postgres).for_window().await;
    site.grant_account_switch().await;
    site.seed(&[active("ana").no_session(), active("ben")])
        .await;
    let mut browser = site.sign_in("ana").await;
    let window = Window::configured(
        &site,
        "[[site]]\nname = \"shop\"\nurl = \"{url}\"\narmed = true\naccount_switch = true\n",
    )
    .live()
    .await;
    window.until_state("ana", Some("active"), SOON).await;

    let row = window.by_css("[data-username=ana] [role=gridcell]").await;
    row.unwrap().click().await.unwrap();
    window.click("button", "Suspend…").await;
    let dialog = window.find_in("alertdialog", None, None).await;
    let words = dialog.text().await.unwrap();
    assert!(
        words.contains("is_active = false") && words.contains("1 now"),
        "{words}"
    );
    assert_eq!(browser.whoami().await.as_deref(), Some("ana"), "only asked");
    window.answer("Suspend").await;
    window.until_words("suspended, verified", SOON).await;
    assert_eq!(browser.whoami().await, None);
    window.answer("Close").await;
    window.until_state("ana", None, SOON).await;

    // Gone from the table, and found by the exact name.
    window.press("/").await;
    window.press("ana").await;
    window.find("button", "Not signed in: look up ana").await;
    window.press(ENTER).await;
    window.press(ENTER).await;
    until("her panel says that she is suspended", SOON, || async {
        let panel = window.look("complementary", Some("User ana"), None).await;
        match panel {
            Some(panel) => panel.text().await.unwrap_or_default().contains("Suspended"),
            None => false,
        }
    })
    .await;
    window.click("button", "Allow again…").await;
    window.answer("Allow again").await;
    window.until_words("allowed again, verified", SOON).await;
    assert_eq!(browser.whoami().await, None, "the old cookie stays dead");
    let mut again = site.sign_in("ana").await;
    assert_eq!(again.whoami().await.as_deref(), Some("ana"));
}

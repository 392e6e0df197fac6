//! Notices: with a real dunst, with a daemon that hangs, with none, and with no bus at all.

use std::time::Duration;

use crate::harness::{Notices, SOON, Site, Window, overdue, person, until};

/// People are idle five seconds after they were here.
const IDLE_SOON: &str = "[[site]]\nname = \"shop\"\nurl = \"{url}\"\narmed = true\n[site.policy]\n\
                         idle_after = \"5s\"\nsign_out_after = \"1h\"\n[site.notify]\nidle_from = \"1s\"\n";
const WHILE: Duration = Duration::from_secs(20);

/// These people were here just now, and do nothing from now on.
async fn here(site: &Site, names: &[&str]) {
    let list = names
        .iter()
        .map(|name| format!("'{}'", name.replace('\'', "''")));
    let list = list.collect::<Vec<_>>().join(", ");
    let now =
        format!("UPDATE accounts_customuser SET last_activity = now() WHERE username IN ({list})");
    let set = site.db.execute(&now).await;
    assert_eq!(set, u64::try_from(names.len()).unwrap());
}

async fn three_people(notices: Notices) -> (Site, Window) {
    let site = Site::for_window().await;
    let gone = |name: &str| person(name).activity(1000).login(5000).flag().session(1002);
    site.seed(&[gone("ana"), gone("ben"), gone("<b>cem</b> & co")])
        .await;
    let window = Window::configured(&site, IDLE_SOON)
        .notices(notices)
        .live()
        .await;
    window.until_state("ana", Some("idle"), SOON).await;
    (site, window)
}

async fn shown(window: &Window, count: &str, within: Duration) {
    until("dunst shows a notice", within, || async {
        window.desktop.dunstctl(&["count", "displayed"]).1.trim() == count
    })
    .await;
}

#[tokio::test]
async fn people_who_have_become_idle_are_told_of_in_one_notice() {
    let (site, window) = three_people(Notices::Dunst).await;
    here(&site, &["ana", "ben", "<b>cem</b> & co"]).await;
    window.until_state("ana", Some("active"), SOON).await;
    shown(&window, "1", WHILE).await;
    // One a minute: who goes idle next waits.
    here(&site, &["ana"]).await;
    window.until_state("ana", Some("active"), SOON).await;
    window.until_state("ana", Some("idle"), WHILE).await;
    tokio::time::sleep(Duration::from_secs(2)).await;

    let notices = window.desktop.notices();
    assert_eq!(notices.len(), 1, "{notices:#?}");
    let words = format!("{} {}", notices[0].title, notices[0].body);
    assert!(words.contains('3') && words.contains("idle"), "{words}");
    for name in ["ana", "ben", "&lt;b&gt;cem&lt;/b&gt; &amp; co"] {
        assert!(words.contains(name), "{name}, escaped, is not in: {words}");
    }
}

#[tokio::test]
async fn the_action_log_out_of_a_notice_signs_that_person_out() {
    let (site, window) = three_people(Notices::Dunst).await;
    let mut browser = site.sign_in("ana").await;
    window.until_state("ana", Some("active"), SOON).await;
    shown(&window, "1", WHILE).await;
    window.desktop.choose_action("Log out");
    until("ana is signed out", SOON, || async {
        let name = site.names(&[browser.key().to_owned()]).await;
        name == [None]
    })
    .await;
    assert_eq!(browser.whoami().await, None);
    window.until_state("ana", None, SOON).await;
    let journal = site.curfew().no_site().done(&["journal"]).await;
    assert_eq!(journal["entries"][0]["deed"], "logout");
    assert_eq!(journal["entries"][0]["users"][0]["username"], "ana");
    window.until_state("ben", Some("idle"), SOON).await;
}

#[tokio::test]
async fn the_action_show_of_a_notice_opens_that_person() {
    let (site, window) = three_people(Notices::Dunst).await;
    here(&site, &["ben"]).await;
    shown(&window, "1", WHILE).await;
    window.desktop.choose_action("Show");
    window
        .find_in("complementary", Some("User ben"), None)
        .await;
}

#[tokio::test]
async fn a_lost_site_and_its_return_are_told_of() {
    let (site, window) = three_people(Notices::Dunst).await;
    site.db.refuse(true).await;
    window.until_link("offline", SOON).await;
    shown(&window, "1", WHILE).await;
    site.db.refuse(false).await;
    window.until_link("live", Duration::from_secs(40)).await;
    until("the return is told of", WHILE, || async {
        window.desktop.notices().len() >= 2
    })
    .await;
    let titles: Vec<String> = window
        .desktop
        .notices()
        .into_iter()
        .map(|n| n.title)
        .collect();
    assert_eq!(titles, ["Site lost", "Site back"]);
}

/// Without a daemon that takes it, the notice is in the window, and the window stays live meanwhile.
async fn in_the_window_instead(notices: Notices) {
    let (site, window) = three_people(notices).await;
    here(&site, &["ana", "ben"]).await;
    window.until_state("ana", Some("active"), SOON).await;
    until("the notice is in the window", WHILE, || async {
        let script = "return document.querySelector('[aria-label=Notices]')?.innerText ?? ''";
        let words = window.run(script, Vec::new()).await;
        let words = words.as_str().unwrap();
        words.contains("ana") && words.contains("ben") && words.contains("idle")
    })
    .await;
    // Nothing waits for a daemon, which may take the bus's 25 s to be given up: what happens on the site is on the screen
    // long before.
    site.sign_in("ben").await;
    window.until_state("ben", Some("active"), SOON).await;
    window.switch("Automatic sweep", true).await;
    site.seed(&[overdue("gone")]).await;
    window.click("button", "Sweep now").await;
    until("it sweeps", SOON, || async {
        let script =
            "const b = document.querySelector('[role=dialog] button.danger:not([disabled])');
                      if (b) b.click(); return null";
        window.run(script, Vec::new()).await;
        !site.flagged().await.contains(&"gone".to_owned())
    })
    .await;
}

#[tokio::test]
async fn with_no_daemon_the_notice_is_in_the_window() {
    in_the_window_instead(Notices::Nobody).await;
}

#[tokio::test]
async fn with_a_daemon_that_hangs_the_notice_is_in_the_window() {
    in_the_window_instead(Notices::Hanging).await;
}

#[tokio::test]
async fn with_no_bus_the_notice_is_in_the_window() {
    in_the_window_instead(Notices::NoBus).await;
}

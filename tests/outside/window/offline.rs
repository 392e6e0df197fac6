//! A site that cannot be reached is said to be so within ten seconds, and comes back by itself.

use std::time::Duration;

use crate::harness::{Notices, Proxy, SOON, Site, Window, active, overdue, person, until};

const PROMISED: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_database_that_refuses_is_offline_within_ten_seconds_and_back_by_itself() {
    let site = Site::for_window().await;
    site.seed(&[active("ana"), person("ben")]).await;
    let window = Window::on(&site).live().await;
    window.until_state("ana", Some("active"), SOON).await;

    site.db.refuse(true).await;
    window.until_link("offline", PROMISED).await;
    // What is old stays in sight, and one line says what is wrong.
    assert!(window.state_of("ana").await.is_some());
    let alert = "return document.querySelector('[role=alert]')?.innerText ?? ''";
    let words = window.run(alert, Vec::new()).await;
    assert!(words.as_str().unwrap().len() > 20, "{words}");

    site.db.refuse(false).await;
    window.until_link("live", Duration::from_secs(40)).await;
    site.sign_in("ben").await;
    window.until_state("ben", Some("active"), SOON).await;
}

#[tokio::test]
async fn a_network_that_swallows_everything_is_offline_within_ten_seconds() {
    let site = Site::for_window().await;
    site.seed(&[active("ana")]).await;
    let proxy = Proxy::before(&site.db.url()).await;
    let window = Window::on_address(&site, proxy.url())
        .notices(Notices::Nobody)
        .live()
        .await;
    window.until_state("ana", Some("active"), SOON).await;
    // At more than one moment between two looks.
    for moment in [0, 700, 1400] {
        tokio::time::sleep(Duration::from_millis(moment)).await;
        // Connections stay open, and not a byte comes through.
        proxy.hold(true);
        window.until_link("offline", PROMISED).await;
        proxy.hold(false);
        window.until_link("live", Duration::from_secs(40)).await;
    }
}

#[tokio::test]
async fn nothing_is_touched_while_the_site_is_offline_and_one_sweep_follows() {
    let site = Site::for_window().await;
    site.seed(&[active("ana")]).await;
    let quick = "[[site]]\nname = \"shop\"\nurl = \"{url}\"\narmed = true\n[site.policy]\n\
                 sweep_every = \"3s\"\n";
    let window = Window::configured(&site, quick).live().await;
    window.switch("Allow changes", true).await;
    window.switch("Automatic sweep", true).await;
    site.db.refuse(true).await;
    window.until_link("offline", PROMISED).await;
    site.db.refuse(false).await;
    site.seed(&[overdue("cem")]).await;
    window.until_link("live", Duration::from_secs(40)).await;
    until("the timer goes on", SOON, || async {
        site.db.sessions().await == 1
    })
    .await;
    assert_eq!(site.flagged().await, ["ana"]);
}

#[tokio::test]
async fn the_sites_own_address_is_said_to_answer_or_not() {
    let site = Site::for_window().await;
    site.seed(&[active("ana")]).await;
    for (address, words) in [
        (site.address(), "Site answers"),
        ("http://127.0.0.1:9", "Site does not answer since"),
    ] {
        let config = format!(
            "[[site]]\nname = \"shop\"\nurl = \"{{url}}\"\nhealth_url = \"{address}/whoami\"\n"
        );
        let window = Window::configured(&site, &config).live().await;
        window.until_words(words, SOON).await;
    }
}

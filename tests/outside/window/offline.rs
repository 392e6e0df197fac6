//! A site that cannot be reached is said to be so within ten seconds, and comes back by itself.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

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
    let window = Window::configured(&site, &asking(site.address()))
        .live()
        .await;
    // A site that only starts may let the first look wait for the whole of its 5 s.
    window.until_words("Site answers", 2 * SOON).await;
    drop(window);
    let window = Window::configured(&site, &asking("http://127.0.0.1:9"))
        .live()
        .await;
    window.until_words("Site does not answer since", SOON).await;
}

#[tokio::test]
async fn one_request_that_the_site_drops_does_not_stand_for_half_a_minute() {
    let site = Site::for_window().await;
    site.seed(&[active("ana")]).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let window = Window::configured(&site, &asking(&address)).live().await;
    drop(listener.accept().await.unwrap());
    window.until_words("Site does not answer since", SOON).await;
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 4096]).await;
            let answer = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n";
            let _ = stream.write_all(answer).await;
        }
    });
    window.until_words("Site answers", SOON).await;
}

fn asking(address: &str) -> String {
    format!("[[site]]\nname = \"shop\"\nurl = \"{{url}}\"\nhealth_url = \"{address}/whoami\"\n")
}

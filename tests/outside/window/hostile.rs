//! The window stays on its own page, and names hide nothing in it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

use crate::harness::{SOON, Site, Window, active, until};

#[tokio::test]
async fn the_window_leads_nowhere_else_and_names_hide_nothing() {
    let site = Site::for_window().await;
    let tricky = "cem\u{202e}nimda\u{200b}";
    site.seed(&[active("ana"), active(tricky)]).await;
    let window = Window::on(&site).live().await;

    // Whoever is led away asks here. WebKit may open a connection ahead of its question, and then asks nothing.
    let elsewhere = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", elsewhere.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = elsewhere.accept().await {
            let heard = Arc::clone(&heard);
            tokio::spawn(async move {
                let mut words = [0; 512];
                if let Ok(length @ 1..) = connection.read(&mut words).await {
                    let words = String::from_utf8_lossy(&words[..length]).into_owned();
                    heard.lock().unwrap().push(words);
                }
            });
        }
    });
    let own = window.run("return location.href", Vec::new()).await;
    for attempt in [
        "location.href = arguments[0]",
        "location.replace(arguments[0])",
        "return window.open(arguments[0]) === null ? null : 'opened'",
        "const a = document.createElement('a'); a.href = arguments[0]; document.body.append(a); a.click(); a.remove()",
        "const a = document.createElement('a'); a.href = arguments[0]; a.target = '_blank'; document.body.append(a); a.click(); a.remove()",
        "const f = document.createElement('form'); f.action = arguments[0]; document.body.append(f); f.submit(); f.remove()",
        "const f = document.createElement('iframe'); f.src = arguments[0]; document.body.append(f)",
        "const i = new Image(); i.src = arguments[0]",
        "fetch(arguments[0]).catch(() => {})",
        "location.href = 'data:text/html,away'",
        "location.href = 'file:///etc/hostname'",
    ] {
        let said = window.run(attempt, vec![json!(url)]).await;
        assert_ne!(said, json!("opened"), "{attempt}");
        tokio::time::sleep(Duration::from_millis(150)).await;
        let at = window.run("return location.href", Vec::new()).await;
        assert_eq!(at, own, "{attempt}");
        assert!(asked.lock().unwrap().is_empty(), "{attempt}: {asked:?}");
    }

    let shown = "cem<U+202E>nimda<U+200B>";
    let row = "return [...document.querySelectorAll('[data-username]')].find(r => r.dataset.username === arguments[0])?.textContent ?? null";
    until("the row shows the name", SOON, || async {
        let found = window.run(row, vec![json!(tricky)]).await;
        let text = found.as_str().unwrap_or_default();
        text.contains(shown) && !text.contains('\u{202e}')
    })
    .await;
}

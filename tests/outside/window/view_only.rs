//! A window that was not allowed to change anything changes nothing, whatever is pressed.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Django, Engine, SOON, Site, Window, active, overdue};

/// Calls a command of the window past its buttons; what it answers, or how it refuses.
async fn invoke(window: &Window, command: &str, arguments: Value) -> Value {
    let script = "const [command, args, done] = arguments;
        window.__TAURI_INTERNALS__.invoke(command, args).then(
            (answer) => done({answer}), (error) => done({error}))";
    window
        .run_async(script, vec![json!(command), arguments])
        .await
}

#[tokio::test]
async fn view_only_holds() {
    for engine in [Engine::Postgres, Engine::Sqlite] {
        let site = Site::on(Django::V52, engine).for_window().await;
        let seeded = site
            .seed(&[active("ana"), overdue("cem"), overdue("dee").no_session()])
            .await;
        let before = site.checksums().await;
        // By its address, a site starts view-only in the window.
        let window = Window::on(&site).live().await;
        window.until_state("cem", Some("overdue"), SOON).await;
        let switch = window.find("switch", "Allow changes").await;
        assert_eq!(
            switch.attr("aria-checked").await.unwrap().as_deref(),
            Some("false")
        );

        for button in ["Log out cem", "Sweep now"] {
            let element = window.find("button", button).await;
            assert!(
                !element.is_enabled().await.unwrap(),
                "{button} can be pressed"
            );
            let _ = element.click().await;
        }
        let row = window.by_css("[data-username=cem] [role=gridcell]").await;
        row.unwrap().click().await.unwrap();
        window.press("\u{e017}\u{e007}").await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert!(
            window.look("alertdialog", None, None).await.is_none(),
            "it asks nothing"
        );

        // Nor is it the buttons that hold it: the engine refuses the commands themselves.
        let id = seeded.id("cem");
        for (command, arguments) in [
            (
                "logout",
                json!({"ids": [id], "fingerprint": null, "reason": null, "consent": true, "tokens": false}),
            ),
            ("sweep", json!({"force": false})),
            ("sweep", json!({"force": true})),
        ] {
            let answer = invoke(&window, command, arguments).await;
            assert_eq!(
                answer["error"]["code"], "view_only",
                "{command}: {answer:#}"
            );
        }
        assert_eq!(site.checksums().await, before, "{engine:?}");
        assert!(site.names(&seeded.keys("cem")).await[0].is_some());
    }
}

#[tokio::test]
async fn what_was_allowed_can_be_forbidden_again() {
    let site = Site::for_window().await;
    site.seed(&[overdue("cem")]).await;
    let window = Window::on(&site).live().await;
    window.switch("Allow changes", true).await;
    window.switch("Allow changes", false).await;
    let answer = invoke(&window, "sweep", json!({"force": true})).await;
    assert_eq!(answer["error"]["code"], "view_only", "{answer:#}");
    assert_eq!(site.db.sessions().await, 1);
}

//! Rows, counters, search, and how soon a change in the database shows.

use std::time::Duration;

use serde_json::json;

use crate::harness::{Django, Engine, SOON, Site, Window, active, idle, overdue, person, until};

/// A change in the site's database is on the screen this soon.
const AT_ONCE: Duration = Duration::from_secs(3);

#[tokio::test]
async fn people_are_on_the_screen_with_their_states_and_counts() {
    for engine in [Engine::Postgres, Engine::Sqlite] {
        let site = Site::on(Django::V52, engine).for_window().await;
        site.seed(&[
            active("ana").session(50),
            idle("ben"),
            overdue("cem"),
            overdue("dee").no_session(),
            person("eve").login(900_000).session(900_000),
        ])
        .await;
        let mut window = Window::on(&site);
        if engine == Engine::Postgres {
            super::add_acme(&site).await;
            window = window.argument("--schema").argument("public");
        }
        let window = window.live().await;
        for (name, state) in [
            ("ana", "active"),
            ("ben", "idle"),
            ("cem", "overdue"),
            ("dee", "stale"),
            ("eve", "unknown"),
        ] {
            window.until_state(name, Some(state), SOON).await;
        }
        for (counter, number) in [
            ("signed-in", 4),
            ("active", 1),
            ("idle", 1),
            ("overdue", 1),
            ("stale", 1),
            ("sessions", 5),
        ] {
            assert_eq!(window.count(counter).await, Some(number), "{counter}");
        }
        window.find("grid", "Users").await;
    }
}

/// As the system does where a window is behind others, which no driver can ask it for.
async fn hide(window: &Window, hidden: bool) {
    let script = "const [hidden] = arguments;
        Object.defineProperty(document, 'hidden', {configurable: true, get: () => hidden});
        document.dispatchEvent(new Event('visibilitychange'))";
    window.run(script, vec![json!(hidden)]).await;
}

#[tokio::test]
async fn a_hidden_window_asks_for_no_rows_and_has_them_once_it_is_seen() {
    let site = Site::for_window().await;
    let seeded = site.seed(&[overdue("cem"), person("fay")]).await;
    let window = Window::on(&site).live().await;
    window.until_state("cem", Some("overdue"), SOON).await;
    hide(&window, true).await;
    site.browser(&seeded.key("cem")).whoami().await;
    site.sign_in("fay").await;
    tokio::time::sleep(AT_ONCE).await;
    assert_eq!(window.rows().await, [("cem".into(), "overdue".into())]);
    hide(&window, false).await;
    window.until_state("cem", Some("active"), AT_ONCE).await;
    window.until_state("fay", Some("active"), AT_ONCE).await;
}

#[tokio::test]
async fn a_change_in_the_database_shows_within_three_seconds() {
    for engine in [Engine::Postgres, Engine::Sqlite] {
        let site = Site::on(Django::V52, engine).for_window().await;
        let seeded = site.seed(&[overdue("cem"), person("fay")]).await;
        let window = Window::on(&site).live().await;
        window.until_state("cem", Some("overdue"), SOON).await;

        site.browser(&seeded.key("cem")).whoami().await;
        window.until_state("cem", Some("active"), AT_ONCE).await;
        let mut browser = site.sign_in("fay").await;
        window.until_state("fay", Some("active"), AT_ONCE).await;
        until("the counter follows", AT_ONCE, || async {
            window.count("active").await == Some(2)
        })
        .await;
        browser.get("logout").await;
        // Down as here by that last request, and out.
        window.until_state("fay", Some("stale"), AT_ONCE).await;
        site.db.execute("DELETE FROM django_session").await;
        window.until_state("cem", Some("stale"), AT_ONCE).await;
    }
}

#[tokio::test]
async fn the_search_narrows_the_rows() {
    let site = Site::for_window().await;
    site.seed(&[active("ana"), idle("ben"), overdue("benita"), active("Ζωή")])
        .await;
    let window = Window::on(&site).live().await;
    window.until_state("ana", Some("active"), SOON).await;
    window.find("searchbox", "Search users").await;
    // The key that leads there.
    window.press("/").await;
    until("the search has the focus", SOON, || async {
        let script = "return document.activeElement?.matches('input[type=search]') ?? false";
        window.run(script, Vec::new()).await == true
    })
    .await;
    window.press("ben").await;
    until("two rows are left", SOON, || async {
        let mut names: Vec<_> = window.rows().await.into_iter().map(|row| row.0).collect();
        names.sort();
        names == ["ben", "benita"]
    })
    .await;
    assert_eq!(
        window.count("signed-in").await,
        Some(4),
        "the counters are the site's"
    );
    window.press("zzz").await;
    until("no row is left", SOON, || async {
        window.rows().await.is_empty()
    })
    .await;
}

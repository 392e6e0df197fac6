//! Where the window's page may lead: nowhere but to itself. A link, a script or a redirect to another place is refused.
//! New windows are refused too, because no handler makes one.

use tauri::plugin::TauriPlugin;
use tauri::{Url, Wry};

/// Asks about each navigation of each webview.
pub fn plugin() -> TauriPlugin<Wry> {
    tauri::plugin::Builder::new("navigation")
        .on_navigation(|_webview, url| {
            let own = is_own(url);
            if !own {
                // The address may hold what a page was to carry away.
                tracing::warn!(
                    scheme = url.scheme(),
                    "the window was to leave its own page; refused"
                );
            }
            own
        })
        .build()
}

/// The page that Tauri serves: `tauri://localhost`, and `http://tauri.localhost` on Windows.
fn is_own(url: &Url) -> bool {
    match url.scheme() {
        "tauri" => url.host_str() == Some("localhost"),
        "http" | "https" => {
            cfg!(windows) && url.host_str() == Some("tauri.localhost") && url.port().is_none()
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_the_own_page_is_gone_to() {
        for own in ["tauri://localhost", "tauri://localhost/index.html#people"] {
            assert!(is_own(&own.parse().unwrap()), "{own}");
        }
        for other in [
            "https://example.org/",
            "http://localhost/",
            "http://127.0.0.1:1/",
            "http://tauri.localhost.example.org/",
            "tauri://example.org/",
            "tauri://localhost@example.org/",
            "file:///etc/passwd",
            "data:text/html,x",
            "javascript:alert(1)",
            "about:blank",
            "blob:tauri://localhost/1",
        ] {
            assert!(!is_own(&other.parse().unwrap()), "{other}");
        }
    }
}

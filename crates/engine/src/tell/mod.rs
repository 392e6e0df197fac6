//! Telling others, and asking the site's own address, over HTTP: the webhook and the health look.
//! What is worth telling is decided elsewhere. Invariant: nothing here makes a sweep or a logout wait.

pub mod health;
#[cfg(test)]
mod test_server;
pub mod webhook;

use std::time::Duration;

use reqwest::{Client, redirect};
use url::Url;

use crate::error::{Code, Error, Result};

/// A client that follows no redirect and gives up in time.
fn client(limit: Duration) -> Result<Client> {
    // An error means that this process has a provider already, and that one serves as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .redirect(redirect::Policy::none())
        .connect_timeout(limit)
        .timeout(limit)
        .user_agent(concat!("curfew/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|e| {
            Error::new(
                Code::Config,
                format!("HTTP requests cannot be made: {}", why(&e)),
            )
        })
}

/// Reads an address of the configuration; `what` names it there. The address itself is never in the error.
fn address(text: &str, what: &str) -> Result<Url> {
    let wrong = |how: &str| {
        Error::new(
            Code::Config,
            format!("{what} {how}; write it as https://host/path"),
        )
    };
    let url = Url::parse(text.trim()).map_err(|_| wrong("is not an address"))?;
    match (url.scheme(), url.has_host()) {
        ("http" | "https", true) => Ok(url),
        _ => Err(wrong("is not an http or https address")),
    }
}

/// An address as logs may show it: who is asked, and nothing of user, path and query, in which secrets stand.
fn place(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{}://{host}:{port}", url.scheme()),
        None => format!("{}://{host}", url.scheme()),
    }
}

/// Why a request had no answer, in the shortest words, without its address.
fn why(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".into();
    }
    let mut cause: &dyn std::error::Error = error;
    let mut last = None;
    while let Some(next) = cause.source() {
        if let Some(io) = next.downcast_ref::<std::io::Error>() {
            match io.kind() {
                std::io::ErrorKind::ConnectionRefused => return "connection refused".into(),
                std::io::ErrorKind::ConnectionReset => return "connection reset".into(),
                std::io::ErrorKind::TimedOut => return "no answer in time".into(),
                std::io::ErrorKind::HostUnreachable => return "host unreachable".into(),
                std::io::ErrorKind::NetworkUnreachable => return "network unreachable".into(),
                _ => {}
            }
        }
        let text = next.to_string();
        // The resolver's own words differ between systems.
        if text.starts_with("dns error") || text.contains("failed to lookup address") {
            return "no such host".into();
        }
        last = Some(text);
        cause = next;
    }
    match last {
        Some(text) => text.split_whitespace().collect::<Vec<_>>().join(" "),
        None if error.is_connect() => "no connection".into(),
        None => "the request failed".into(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn an_address_is_shown_without_what_may_be_secret() {
        let url = address("https://ana:pw@hooks.example:8443/s3cret?token=x#y", "it").unwrap();
        assert_eq!(place(&url), "https://hooks.example:8443");
        assert_eq!(
            place(&address("http://[::1]/", "it").unwrap()),
            "http://[::1]"
        );
    }

    #[test]
    fn an_address_that_is_none_is_refused_and_not_repeated() {
        for text in ["", "pw@host", "ftp://pw@host/", "file:///pw", "https:///"] {
            let error = address(text, "health_url").unwrap_err();
            assert_eq!(error.code, Code::Config);
            assert!(error.message.starts_with("health_url is not an"));
            assert!(!error.message.contains("pw"), "{}", error.message);
        }
    }
}

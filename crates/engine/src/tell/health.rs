//! The health look: what the site's own address answers, and since when. Every 30 s, and every 5 s while it does not
//! answer, by whoever holds a [`Probe`].
//! Invariant: `since` is the moment of the last change between answering and not answering.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use reqwest::Client;
use url::Url;

use super::{address, client, why};
use crate::error::Result;
use crate::view::Health;

/// How often to look while the site answers.
pub const EVERY: Duration = Duration::from_secs(30);

/// How long after a look that saw no answer comes the next: one slow answer shall not stand as "does not answer" for
/// half a minute.
pub const AGAIN: Duration = Duration::from_secs(5);

const LIMIT: Duration = Duration::from_secs(5);

/// What one look saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// Any status below 500: a sign-in page, a redirect or "not found" is an answer too.
    Answers { status: u16, ms: u32 },
    /// "HTTP 503", "connection refused", "no answer in 5 s".
    Silent { detail: String },
}

/// Looks at one address.
#[derive(Debug, Clone)]
pub struct Probe {
    client: Client,
    url: Url,
}

impl Probe {
    /// # Errors
    /// `Code::Config` where `health_url` is no http or https address.
    pub fn new(health_url: &str) -> Result<Self> {
        Ok(Self {
            url: address(health_url, "health_url")?,
            client: client(LIMIT)?,
        })
    }

    /// One look: a GET that follows no redirect, at most 5 s.
    pub async fn look(&self) -> Seen {
        let started = Instant::now();
        match self.client.get(self.url.clone()).send().await {
            Ok(response) => match response.status().as_u16() {
                status @ ..500 => Seen::Answers {
                    status,
                    ms: u32::try_from(started.elapsed().as_millis()).unwrap_or(u32::MAX),
                },
                status => Seen::Silent {
                    detail: format!("HTTP {status}"),
                },
            },
            Err(e) if e.is_timeout() => Seen::Silent {
                detail: format!("no answer in {} s", LIMIT.as_secs()),
            },
            Err(e) => Seen::Silent { detail: why(&e) },
        }
    }
}

/// How the site's address stands, from look to look.
#[derive(Debug, Clone, Default)]
pub struct HealthState {
    /// Whether it answers, and since when that is so.
    since: Option<(bool, Timestamp)>,
}

impl HealthState {
    /// Takes what a look saw; gives how the address stands now.
    pub fn take(&mut self, seen: Seen, at: Timestamp) -> Health {
        let (ok, ms, detail) = match seen {
            Seen::Answers { status, ms } => (true, Some(ms), format!("HTTP {status}")),
            Seen::Silent { detail } => (false, None, detail),
        };
        let since = match self.since {
            Some((last, since)) if last == ok => since,
            _ => at,
        };
        self.since = Some((ok, since));
        Health {
            ok,
            ms,
            since,
            detail,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::tell::test_server::Server;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn answers(ms: u32) -> Seen {
        Seen::Answers { status: 200, ms }
    }

    fn silent(detail: &str) -> Seen {
        Seen::Silent {
            detail: detail.into(),
        }
    }

    #[test]
    fn since_is_the_last_change_between_answering_and_not() {
        let mut state = HealthState::default();
        let first = state.take(answers(84), at(100));
        assert_eq!((first.ok, first.ms, first.since), (true, Some(84), at(100)));
        assert_eq!(state.take(answers(90), at(160)).since, at(100));

        let lost = state.take(silent("HTTP 503"), at(190));
        assert_eq!((lost.ok, lost.ms, lost.since), (false, None, at(190)));
        assert_eq!(lost.detail, "HTTP 503");
        let still = state.take(silent("connection refused"), at(220));
        assert_eq!(still.since, at(190));
        assert_eq!(still.detail, "connection refused");

        let back = state.take(answers(90), at(280));
        assert_eq!((back.ok, back.since), (true, at(280)));
    }

    async fn look(url: &str) -> Seen {
        Probe::new(url).unwrap().look().await
    }

    #[tokio::test]
    async fn anything_but_a_servers_failure_is_an_answer() {
        for (answer, status) in [
            ("200 OK", 200),
            ("302 Found\r\nLocation: /login", 302),
            ("401 Who", 401),
            ("403 No", 403),
            ("404 Where", 404),
        ] {
            let server = Server::answering(&[answer]).await;
            let seen = look(&server.url("/health")).await;
            let Seen::Answers { status: got, ms } = seen else {
                panic!("{answer}: {seen:?}");
            };
            assert_eq!(got, status);
            assert!(ms < 5_000);
            let asked = server.asked();
            assert_eq!(asked.len(), 1, "a redirect is not followed");
            assert_eq!(asked[0].line, "GET /health HTTP/1.1");
        }
        for answer in ["500 Oh", "503 Busy"] {
            let server = Server::answering(&[answer]).await;
            let detail = format!("HTTP {}", &answer[..3]);
            assert_eq!(look(&server.url("/")).await, silent(&detail));
        }
    }

    #[tokio::test]
    async fn no_answer_says_why() {
        let refused = look("http://127.0.0.1:9/").await;
        assert_eq!(refused, silent("connection refused"));
        let nowhere = look("http://no-such-host.invalid/").await;
        assert_eq!(nowhere, silent("no such host"));
        let server = Server::answering(&[""]).await;
        let started = Instant::now();
        assert_eq!(look(&server.url("/")).await, silent("no answer in 5 s"));
        assert!(started.elapsed() < Duration::from_secs(7));
    }
}

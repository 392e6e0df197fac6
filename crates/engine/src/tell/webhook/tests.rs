//! The webhook against a real HTTP server on this machine.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use crate::tell::test_server::{Asked, Server};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const NOW: i64 = 1_772_373_900;

/// A day's schedule in a second.
fn quick() -> Schedule {
    Schedule {
        first: Duration::from_millis(20),
        longest: Duration::from_millis(100),
        tries: 4,
        age: Duration::from_secs(60),
    }
}

fn start(url: &str) -> Webhook {
    let clock: Clock = Arc::new(|| Timestamp::from_second(NOW).unwrap());
    Webhook::start_with(url, &SecretString::from(SECRET), clock, quick(), None).unwrap()
}

fn message() -> Message {
    Message {
        kind: "sweep.finished",
        timestamp: Timestamp::from_second(NOW).unwrap(),
        data: serde_json::json!({"site": "shop é", "people": 2}),
    }
}

async fn settle() {
    tokio::time::sleep(Duration::from_millis(400)).await;
}

/// Checks a request as its receiver would.
fn verify(asked: &Asked) {
    let header = |name: &str| asked.headers[name].as_str();
    assert_eq!(header("content-type"), "application/json");
    assert_eq!(header("webhook-timestamp"), NOW.to_string());
    let keys = Keys::read(&SecretString::from(SECRET)).unwrap();
    let signature = keys.sign(header("webhook-id"), NOW, &asked.body).unwrap();
    assert_eq!(header("webhook-signature"), signature);
}

#[tokio::test]
async fn a_message_is_signed_and_sent_again_until_it_is_taken() {
    let server = Server::answering(&["503 Busy", "429 Slow down", "204 Taken"]).await;
    let webhook = start(&server.url("/hook?token=x"));
    webhook.offer(message());
    let asked = server.until_asked(3).await;
    for asked in &asked {
        assert_eq!(asked.line, "POST /hook?token=x HTTP/1.1");
        assert_eq!(
            asked.body,
            r#"{"type":"sweep.finished","timestamp":"2026-03-01T14:05:00Z","data":{"people":2,"site":"shop é"}}"#
        );
        assert_eq!(asked.headers["webhook-id"], {
            server.asked()[0].headers["webhook-id"].clone()
        });
        verify(asked);
    }
    settle().await;
    assert_eq!(server.asked().len(), 3, "taken, so not sent again");
    assert_eq!(webhook.dropped(), 0);
    webhook.offer(message());
    let asked = server.until_asked(4).await;
    assert_ne!(
        asked[3].headers["webhook-id"],
        asked[0].headers["webhook-id"]
    );
    webhook.stop(Duration::from_secs(5), false).await;
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let other = Server::answering(&["200 OK"]).await;
    for status in ["302 Found", "307 Temporary Redirect"] {
        let answer = format!("{status}\r\nLocation: {}", other.url("/"));
        let server = Server::answering(&[&answer]).await;
        let webhook = start(&server.url("/"));
        webhook.offer(message());
        server.until_asked(1).await;
        settle().await;
        assert_eq!(server.asked().len(), 1, "nor sent again");
        assert_eq!(webhook.dropped(), 1);
    }
    assert_eq!(other.asked().len(), 0);
}

#[tokio::test]
async fn a_receiver_that_is_gone_is_sent_nothing_more() {
    let server = Server::answering(&["410 Gone"]).await;
    let webhook = start(&server.url("/"));
    webhook.offer(message());
    server.until_asked(1).await;
    settle().await;
    webhook.offer(message());
    settle().await;
    assert_eq!(server.asked().len(), 1);
    webhook.stop(Duration::from_secs(1), false).await;
}

#[tokio::test]
async fn a_message_that_nobody_takes_is_dropped_after_its_tries() {
    let server = Server::answering(&["500 No"]).await;
    let webhook = start(&server.url("/"));
    webhook.offer(message());
    server.until_asked(4).await;
    settle().await;
    assert_eq!(server.asked().len(), 4);
    assert_eq!(webhook.dropped(), 1);

    // The same where nothing listens.
    let webhook = start("http://127.0.0.1:9/");
    webhook.offer(message());
    for _ in 0..500 {
        tokio::time::sleep(Duration::from_millis(10)).await;
        if webhook.dropped() == 1 {
            return;
        }
    }
    panic!("not dropped");
}

#[tokio::test]
async fn a_message_that_failed_holds_up_no_other() {
    let server = Server::answering(&["503 Busy\r\nRetry-After: 30", "200 OK"]).await;
    let webhook = start(&server.url("/"));
    webhook.offer(message());
    server.until_asked(1).await;
    webhook.offer(message());
    let asked = server.until_asked(2).await;
    assert_ne!(
        asked[0].headers["webhook-id"],
        asked[1].headers["webhook-id"]
    );
    settle().await;
    assert_eq!(
        server.asked().len(),
        2,
        "the first waits as it was asked to"
    );
}

#[tokio::test]
async fn a_receiver_that_never_answers_makes_nobody_wait() {
    let server = Server::answering(&[""]).await;
    let webhook = start(&server.url("/"));
    webhook.offer(message());
    server.until_asked(1).await;
    let started = Instant::now();
    for _ in 0..1_000 {
        webhook.offer(message());
    }
    assert!(started.elapsed() < Duration::from_secs(2));
    assert_eq!(webhook.dropped(), 1_000 - QUEUE as u64);
    webhook.stop(Duration::from_millis(200), false).await;
    assert!(
        started.elapsed() < Duration::from_secs(4),
        "stop keeps its deadline"
    );
}

#[tokio::test]
async fn stopping_sends_what_was_never_tried() {
    let server = Server::answering(&["200 OK"]).await;
    let webhook = start(&server.url("/"));
    for _ in 0..5 {
        webhook.offer(message());
    }
    webhook.stop(Duration::from_secs(5), false).await;
    assert_eq!(server.asked().len(), 5);
    webhook.offer(message());
    webhook.stop(Duration::from_secs(5), false).await;
    assert_eq!(server.asked().len(), 5, "stopped is stopped");
}

#[tokio::test]
async fn nothing_secret_is_printed() {
    let webhook = start("http://ana:hunter2@127.0.0.1:9/pa5s?t0ken");
    let text = format!("{webhook:?}");
    for secret in ["hunter2", "pa5s", "t0ken", "MfKQ"] {
        assert!(!text.contains(secret), "{text}");
    }
    let secret = SecretString::from(SECRET);
    let error = Webhook::start("hunter2", secret, Timestamp::now).unwrap_err();
    assert_eq!(error.code, Code::Config);
    assert!(!error.message.contains("hunter2"));
}

fn start_kept(url: &str, dir: &std::path::Path, schedule: Schedule) -> Webhook {
    let clock: Clock = Arc::new(|| Timestamp::from_second(NOW).unwrap());
    let spool = Some(Spool::new(dir, "shop"));
    let mut webhook =
        Webhook::start_with(url, &SecretString::from(SECRET), clock, schedule, spool).unwrap();
    webhook.head = Some(Arc::new(|| Some((7, "ab".repeat(32)))));
    webhook
}

fn kept(dir: &std::path::Path) -> usize {
    std::fs::read_dir(dir.join("webhooks")).map_or(0, Iterator::count)
}

#[tokio::test]
async fn an_undelivered_message_is_sent_by_the_next_run_and_eight_times_in_all() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::answering(&["503 Busy"]).await;
    let slow = Schedule {
        first: Duration::from_secs(60),
        longest: Duration::from_secs(60),
        age: Duration::from_secs(86_400),
        tries: 8,
    };
    let run = |offers: bool| {
        let webhook = start_kept(&server.url("/?token=secret"), dir.path(), slow);
        webhook.send_kept();
        if offers {
            webhook.offer(message());
        }
        async move { webhook.stop(Duration::from_secs(5), true).await }
    };
    assert_eq!(run(true).await, 1);
    assert_eq!((server.asked().len(), kept(dir.path())), (1, 1));
    // The file holds what goes into the body, and no address or secret.
    let file = std::fs::read_dir(dir.path().join("webhooks"))
        .unwrap()
        .next();
    let text = std::fs::read_to_string(file.unwrap().unwrap().path()).unwrap();
    assert!(!text.contains("token") && !text.contains("whsec"), "{text}");
    for tries in 2..=7 {
        assert_eq!(run(false).await, 1, "{tries}");
        assert_eq!(server.asked().len(), tries);
    }
    // The eighth try is the last one.
    assert_eq!(run(false).await, 0);
    assert_eq!((server.asked().len(), kept(dir.path())), (8, 0));
    assert_eq!(run(false).await, 0);
    let asked = server.asked();
    assert_eq!(asked.len(), 8);
    for one in &asked {
        assert_eq!(one.headers["webhook-id"], asked[0].headers["webhook-id"]);
        assert_eq!(one.body, asked[0].body);
    }
    let body: serde_json::Value = serde_json::from_str(&asked[0].body).unwrap();
    assert_eq!(body["data"]["journal"]["seq"], 7);
}

#[tokio::test]
async fn a_kept_message_is_delivered_once_however_many_processes_run() {
    let dir = tempfile::tempdir().unwrap();
    let busy = Server::answering(&["503 Busy"]).await;
    let slow = Schedule {
        first: Duration::from_secs(60),
        longest: Duration::from_secs(60),
        age: Duration::from_secs(86_400),
        tries: 8,
    };
    let first = start_kept(&busy.url("/"), dir.path(), slow);
    first.offer(message());
    busy.until_asked(1).await;
    // Kept while its process still runs, and left to it.
    let server = Server::answering(&["200 OK"]).await;
    let second = start_kept(&server.url("/"), dir.path(), slow);
    second.send_kept();
    assert_eq!(second.stop(Duration::from_secs(1), true).await, 0);
    assert_eq!(server.asked().len(), 0);
    assert_eq!(first.stop(Duration::from_millis(100), false).await, 1);
    let third = start_kept(&server.url("/"), dir.path(), slow);
    third.send_kept();
    assert_eq!(third.stop(Duration::from_secs(5), true).await, 0);
    assert_eq!((server.asked().len(), kept(dir.path())), (1, 0));
}

#[tokio::test]
async fn a_stop_keeps_what_a_silent_receiver_was_being_sent() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::answering(&[""]).await;
    let webhook = start_kept(&server.url("/"), dir.path(), Schedule::default());
    webhook.offer(message());
    server.until_asked(1).await;
    webhook.offer(message());
    assert_eq!(webhook.stop(Duration::from_millis(300), true).await, 2);
    assert_eq!(kept(dir.path()), 2);
}

//! Webhook messages of one-shot commands, to a receiver that does not answer at first.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::harness::{Site, active, overdue, until};

/// A receiver that is busy until it is told otherwise, and counts what it takes.
struct Receiver {
    port: u16,
    taken: Arc<AtomicUsize>,
    asked: Arc<AtomicUsize>,
    open: Arc<AtomicUsize>,
    kinds: Arc<Mutex<Vec<String>>>,
}

impl Receiver {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let receiver = Self {
            port: listener.local_addr().unwrap().port(),
            taken: Arc::default(),
            asked: Arc::default(),
            open: Arc::default(),
            kinds: Arc::default(),
        };
        let kinds = receiver.kinds.clone();
        let (taken, asked, open) = (
            receiver.taken.clone(),
            receiver.asked.clone(),
            receiver.open.clone(),
        );
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = Vec::new();
                let mut block = [0; 4096];
                // The body ends with the braces of the message and its data.
                while !request.ends_with(b"}}") {
                    match stream.read(&mut block).await {
                        Ok(read @ 1..) => request.extend_from_slice(&block[..read]),
                        _ => break,
                    }
                }
                asked.fetch_add(1, Ordering::SeqCst);
                let status = match open.load(Ordering::SeqCst) {
                    0 => "503 Service Unavailable",
                    _ => {
                        kinds.lock().unwrap().push(kind(&request));
                        taken.fetch_add(1, Ordering::SeqCst);
                        "204 No Content"
                    }
                };
                let answer =
                    format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        receiver
    }
}

/// The `type` of the message in a request.
fn kind(request: &[u8]) -> String {
    let body = request.iter().position(|byte| *byte == b'{').unwrap();
    let message: serde_json::Value = serde_json::from_slice(&request[body..]).unwrap();
    message["type"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_hold_is_told_when_it_begins_and_when_it_ends() {
    let site = Site::start().await;
    let receiver = Receiver::start().await;
    receiver.open.store(1, Ordering::SeqCst);
    let config = format!(
        "[[site]]\nname = \"shop\"\nurl = \"{{url}}\"\narmed = true\n[site.policy]\nmax_share = 0.4\n\
         [site.webhook]\nurl = \"http://127.0.0.1:{}/\"\n\
         secret = \"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\"\n",
        receiver.port
    );
    let mut people: Vec<_> = (0..22).map(|n| overdue(&format!("gone{n:02}"))).collect();
    people.push(active("ana"));
    site.seed(&people).await;
    let curfew = site.configured(&config);
    let mut timer = curfew.spawn(&["--json", "sweep", "--every", "1s"]);
    let long = Duration::from_secs(60);
    for _ in 0..3 {
        let line: serde_json::Value = serde_json::from_str(&timer.line(long).await).unwrap();
        assert_eq!(line["error"]["code"], "too_many", "{line:#}");
    }
    // The users sign out by themselves, so the next sweep has nobody to ask about.
    site.db
        .execute("DELETE FROM django_session WHERE session_key <> (SELECT session_key FROM django_session ORDER BY expire_date DESC LIMIT 1)")
        .await;
    site.db
        .execute("UPDATE accounts_customuser SET \"isCurrentlyActive\" = false")
        .await;
    let kinds = || receiver.kinds.lock().unwrap().clone();
    until("the end of the hold is told", long, || async {
        kinds().len() > 1
    })
    .await;
    timer.line(long).await;
    timer.signal(rustix::process::Signal::TERM);
    timer.end(long).await;
    assert_eq!(kinds(), ["sweep.held", "sweep.finished"]);
}

#[tokio::test]
async fn what_a_command_could_not_deliver_the_next_one_does() {
    let site = Site::start().await;
    let receiver = Receiver::start().await;
    let config = format!(
        "[[site]]\nname = \"shop\"\nurl = \"{{url}}\"\narmed = true\n[site.webhook]\n\
         url = \"http://127.0.0.1:{}/hook?token=canary-token\"\nsecret = \"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\"\n",
        receiver.port
    );
    let curfew = site
        .configured(&config)
        .never_says("canary-token")
        .never_says("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    site.seed(&[overdue("cem")]).await;
    let ran = curfew.json(&["sweep"]).await;
    // What was done is done, and the answer is on standard output; that nobody heard of it is told beside it.
    assert_eq!(ran.status, 0, "{ran:#?}");
    assert_eq!(ran.document()["sessions_deleted"], 1);
    assert!(ran.stderr.contains("1 message for the webhook"), "{ran:#?}");
    assert!(
        receiver.asked.load(Ordering::SeqCst) >= 2,
        "tried again within the time"
    );
    let folder = curfew.state_dir().join("webhooks");
    let files: Vec<_> = std::fs::read_dir(&folder).unwrap().collect();
    assert_eq!(files.len(), 1);
    let text = std::fs::read_to_string(files[0].as_ref().unwrap().path()).unwrap();
    assert!(
        !text.contains("canary-token") && !text.contains("whsec"),
        "{text}"
    );

    receiver.open.store(1, Ordering::SeqCst);
    site.seed(&[overdue("dee")]).await;
    let ran = curfew.json(&["sweep"]).await;
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""));
    assert_eq!(
        receiver.taken.load(Ordering::SeqCst),
        2,
        "the kept one and the new one"
    );
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
}

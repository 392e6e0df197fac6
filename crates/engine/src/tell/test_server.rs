//! A small HTTP server for tests: answers as it was told to, request after request, and keeps what it was asked.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub line: String,
    /// Names in lower case.
    pub headers: HashMap<String, String>,
    pub body: String,
}

pub(super) struct Server {
    port: u16,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    /// Answers with these status lines and headers ("503 Busy\r\nRetry-After: 1"), the last of them again and again.
    /// An empty one takes the request and never answers.
    pub(super) async fn answering(answers: &[&str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&asked);
        let answers: Vec<String> = answers.iter().map(|a| (*a).to_owned()).collect();
        tokio::spawn(async move {
            for n in 0.. {
                let (stream, _) = listener.accept().await.unwrap();
                let answer = answers[n.min(answers.len() - 1)].clone();
                tokio::spawn(answer_one(stream, answer, Arc::clone(&seen)));
            }
        });
        Self { port, asked }
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    pub(super) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// Waits until so many requests have come.
    pub(super) async fn until_asked(&self, times: usize) -> Vec<Asked> {
        for _ in 0..1_000 {
            let asked = self.asked();
            if asked.len() >= times {
                return asked;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("asked {} times, not {times}", self.asked().len());
    }
}

async fn answer_one(mut stream: TcpStream, answer: String, seen: Arc<Mutex<Vec<Asked>>>) {
    let mut text = Vec::new();
    let mut block = [0; 4096];
    let asked = loop {
        let read = stream.read(&mut block).await.unwrap_or(0);
        if read == 0 {
            return;
        }
        text.extend_from_slice(&block[..read]);
        if let Some(asked) = parse(&text) {
            break asked;
        }
    };
    seen.lock().unwrap().push(asked);
    if answer.is_empty() {
        std::future::pending::<()>().await;
    }
    let answer = format!("HTTP/1.1 {answer}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    stream.write_all(answer.as_bytes()).await.unwrap();
}

/// The request, once all of it is there.
fn parse(text: &[u8]) -> Option<Asked> {
    let text = std::str::from_utf8(text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut lines = head.lines();
    let line = lines.next().unwrap().to_owned();
    let headers: HashMap<String, String> = lines
        .filter_map(|l| l.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let length = headers
        .get("content-length")
        .map_or(0, |n| n.parse().unwrap());
    (body.len() >= length).then(|| Asked {
        line,
        headers,
        body: body.to_owned(),
    })
}

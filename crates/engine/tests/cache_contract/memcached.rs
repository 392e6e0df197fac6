//! Copies in memcached: by key, on every server.

use std::process::{Child, Command};
use std::time::Duration;

use curfew_engine::Code;
use curfew_engine::config::{CacheAddress, Engine, SessionsConfig};
use curfew_engine::store::{Mark, SessionKey, cache};
use jiff::Timestamp;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::ground::{CACHE, CACHED_DB, own_prefix, session, shared};
use crate::servers::free_port;

fn config(address: &str) -> (SessionsConfig, Engine) {
    let config = SessionsConfig {
        engine: CACHED_DB.into(),
        cache: Some(CacheAddress::parse(address).unwrap()),
        cache_key_prefix: own_prefix(),
        ..SessionsConfig::default()
    };
    let engine = Engine::of(&config).unwrap();
    (config, engine)
}

/// A server of one test alone.
struct Server(Child, u16);

impl Server {
    async fn start() -> Self {
        let port = free_port();
        let this = Self(serve(port), port);
        this.answering().await;
        this
    }

    fn stop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }

    async fn answering(&self) {
        for _ in 0..200 {
            if TcpStream::connect(("127.0.0.1", self.1)).await.is_ok() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("memcached does not answer");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

fn serve(port: u16) -> Child {
    Command::new("memcached")
        .args(["-u", "nobody", "-l", "127.0.0.1", "-p", &port.to_string()])
        .spawn()
        .expect("memcached is not installed")
}

async fn set(place: &str, config: &SessionsConfig, session: &str, value: &[u8]) {
    let mut stream = BufReader::new(TcpStream::connect(place).await.unwrap());
    let key = format!(
        "{}:1:django.contrib.sessions.cached_db{session}",
        config.cache_key_prefix
    );
    let head = format!("set {key} 0 1000 {}\r\n", value.len());
    let words = [head.as_bytes(), value, b"\r\n"].concat();
    stream.write_all(&words).await.unwrap();
    let mut line = String::new();
    stream.read_line(&mut line).await.unwrap();
    assert_eq!(line, "STORED\r\n");
}

fn keys(numbers: std::ops::Range<u32>) -> Vec<SessionKey> {
    numbers.map(|n| SessionKey::new(session(n))).collect()
}

#[tokio::test]
async fn copies_are_found_and_deleted_on_every_server() {
    let first = shared("CURFEW_TEST_MEMCACHED");
    let first = first.trim_start_matches("memcached://").to_string();
    let second = Server::start().await;
    let second_at = format!("127.0.0.1:{}", second.1);
    let (config, engine) = config(&format!("memcached://{first},{second_at}"));
    let copies = cache::copies(&config, &engine).await.unwrap();
    assert!(!copies.key_form_seen());
    assert!(copies.surviving(&keys(0..600)).await.unwrap().is_empty());
    // One server has one, the other has others; a value may read like an answer.
    set(&first, &config, &session(1), b"END\r\nVALUE x 0 3\r\n").await;
    set(&second_at, &config, &session(2), &vec![b'x'; 900_000]).await;
    set(&second_at, &config, &session(500), b"").await;
    let known = copies
        .look(Timestamp::now(), &mut Mark::default(), &keys(0..10))
        .await;
    assert!(known.unwrap().is_none());
    assert!(copies.key_form_seen());
    copies.ready().await.unwrap();
    let there = [1, 2, 500].map(|n| SessionKey::new(session(n)));
    assert_eq!(copies.surviving(&keys(0..600)).await.unwrap(), there);
    assert_eq!(copies.delete(&keys(0..600)).await.unwrap(), there);
    assert!(copies.delete(&keys(0..600)).await.unwrap().is_empty());
    assert!(copies.surviving(&keys(0..600)).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_session_key_is_no_command() {
    let server = Server::start().await;
    let place = format!("127.0.0.1:{}", server.1);
    let (config, engine) = config(&format!("memcached://{place}"));
    let copies = cache::copies(&config, &engine).await.unwrap();
    set(&place, &config, &session(1), b"value").await;
    let odd = [
        SessionKey::new("x\r\nflush_all"),
        SessionKey::new("x y"),
        SessionKey::new("x".repeat(300)),
        SessionKey::new(session(1)),
    ];
    assert_eq!(copies.surviving(&odd).await.unwrap(), odd[3..]);
    assert_eq!(copies.delete(&odd).await.unwrap(), odd[3..]);
}

#[tokio::test]
async fn down_and_up_again() {
    let mut server = Server::start().await;
    let (config, engine) = config(&format!("memcached://127.0.0.1:{}", server.1));
    let copies = cache::copies(&config, &engine).await.unwrap();
    server.stop();
    let error = copies.ready().await.unwrap_err();
    assert_eq!(error.code, Code::NotPossible);
    assert!(error.message.contains("memcached://127.0.0.1"), "{error}");
    assert_eq!(
        copies.delete(&keys(0..2)).await.unwrap_err().code,
        Code::Unreachable
    );
    server.0 = serve(server.1);
    server.answering().await;
    copies.ready().await.unwrap();
    assert!(copies.delete(&keys(0..2)).await.unwrap().is_empty());
}

#[tokio::test]
async fn what_answers_oddly_is_no_memcached() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.write_all(&[b'x'; 100_000]).await;
        }
    });
    let (config, engine) = config(&format!("memcached://127.0.0.1:{port}"));
    let error = cache::copies(&config, &engine).await.err().unwrap();
    assert_eq!(error.code, Code::Unreachable);
}

#[tokio::test]
async fn sessions_in_memcached_alone_cannot_be_ended() {
    let (mut config, _) = config(&shared("CURFEW_TEST_MEMCACHED"));
    config.engine = CACHE.into();
    let engine = Engine::of(&config).unwrap();
    let error = cache::sessions(&config, &engine).await.err().unwrap();
    assert_eq!(error.code, Code::NotPossible);
    config.cache = None;
    let error = cache::sessions(&config, &engine).await.err().unwrap();
    assert_eq!(error.code, Code::NotPossible);
    assert!(error.message.contains("[site.sessions] cache"), "{error}");
}

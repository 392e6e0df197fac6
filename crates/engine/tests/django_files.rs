//! File sessions that a real Django writes, reads and saves, and Curfew beside it in the same folder: the Django that
//! CURFEW_TEST_PYTHON_42 and _52 name. `cargo xtask test` sets both.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use curfew_engine::config::SessionsConfig;
use curfew_engine::django::session::decode;
use curfew_engine::store::{FileSessions, SessionKey, SessionRow, Sessions};
use jiff::Timestamp;
use serde_json::{Value, json};

struct Django {
    child: Child,
    wishes: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Django {
    fn begin(python: &str, folder: &std::path::Path) -> Self {
        let python = std::env::var_os(python).unwrap_or_else(|| {
            panic!("{python} is not set: run these tests with `cargo xtask test`")
        });
        let script = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/fixtures/file_sessions.py"
        );
        let mut child = Command::new(python)
            .arg(script)
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            wishes: child.stdin.take().unwrap(),
            answers: BufReader::new(child.stdout.take().unwrap()),
            child,
        }
    }

    fn wish(&mut self, wish: Value) {
        writeln!(self.wishes, "{wish}").unwrap();
    }

    fn answer(&mut self) -> Value {
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }

    fn ask(&mut self, wish: Value) -> Value {
        self.wish(wish);
        self.answer()
    }

    fn create(&mut self, expiry: Value, age: u32) -> String {
        let key = self.ask(json!({"do": "create", "expiry": expiry, "age": age}));
        key.as_str().unwrap().to_owned()
    }

    fn user(&mut self, key: &str) -> Value {
        self.ask(json!({"do": "user", "key": key}))
    }
}

impl Drop for Django {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Ground {
    django: Django,
    sessions: FileSessions,
    folder: tempfile::TempDir,
}

impl Ground {
    fn with(python: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = SessionsConfig {
            path: Some(folder.path().to_owned()),
            cookie_age: Some(std::time::Duration::from_secs(1000)),
            ..SessionsConfig::default()
        };
        Self {
            django: Django::begin(python, folder.path()),
            sessions: FileSessions::new(&config).unwrap(),
            folder,
        }
    }

    async fn read(&self, key: &str) -> Option<SessionRow> {
        let rows = self.sessions.read(&[SessionKey::new(key)]).await.unwrap();
        rows.into_iter().next()
    }

    fn files(&self) -> usize {
        std::fs::read_dir(self.folder.path()).unwrap().count()
    }
}

/// Whoever Django lets in has not run out, and whoever has run out Django does not let in.
async fn sessions_run_out_when_django_says(python: &str) {
    let mut ground = Ground::with(python);
    for (expiry, age) in [
        (json!("default"), 500),
        (json!("default"), 1500),
        (json!(60), 10_000),
        (json!(-1), 0),
        (json!(0), 500),
        (json!(0), 1500),
        (Value::Null, 500),
        (json!({"in": 500}), 10_000),
        (json!({"in": -5}), 0),
    ] {
        let key = ground.django.create(expiry.clone(), age);
        let row = ground.read(&key).await.unwrap();
        let text = std::str::from_utf8(row.data.bytes()).unwrap();
        assert_eq!(decode(text, None).unwrap().user.as_deref(), Some("7"));
        let here = ground.django.user(&key) == json!("7");
        assert_eq!(row.expires > Timestamp::now(), here, "{expiry} {age}");
    }
}

async fn a_deleted_file_is_a_session_that_django_ends(python: &str) {
    let mut ground = Ground::with(python);
    let (gone, stays) = (
        ground.django.create(json!("default"), 0),
        ground.django.create(json!("default"), 0),
    );
    let key = SessionKey::new(gone.as_str());
    let deleted = ground.sessions.delete(std::slice::from_ref(&key)).await;
    assert_eq!(deleted.unwrap(), [key]);
    assert_eq!(ground.django.user(&gone), Value::Null);
    assert_eq!(ground.django.user(&stays), json!("7"));
}

/// Requests that save, against deletions of what was read before them: who has saved is signed in afterwards.
async fn who_saves_in_the_same_moment_stays(python: &str) {
    let mut ground = Ground::with(python);
    let (mut saved, mut ended) = (0, 0);
    for round in 0..200_u64 {
        let key = ground.django.create(json!("default"), 60);
        let row = ground.read(&key).await.unwrap();
        ground.django.wish(json!({"do": "save", "key": key}));
        // All along the request.
        tokio::time::sleep(std::time::Duration::from_micros(round * 5)).await;
        let deleted = ground.sessions.delete_unchanged(&[row]).await.unwrap();
        let answer = ground.django.answer();
        // A request that finds its file and then not, within its own load, makes a new session of what it read.
        let now = answer["saved"].as_str().unwrap_or(&key).to_owned();
        if answer["saved"].is_string() {
            saved += 1;
            assert_eq!(ground.django.user(&now), json!("7"), "round {round}");
            assert_eq!(ground.files(), 1, "round {round}: something stayed");
        } else {
            ended += 1;
            assert_eq!(deleted.len(), 1, "round {round}: {answer}");
        }
        let both = [key, now].map(SessionKey::new);
        ground.sessions.delete(&both).await.unwrap();
        assert_eq!(ground.files(), 0, "round {round}: something stayed");
    }
    assert!(saved + ended == 200 && saved > 0);
}

macro_rules! with_each_django {
    ($($name:ident)*) => {
        with_each_django!(@ django_4_2 "CURFEW_TEST_PYTHON_42" $($name)*);
        with_each_django!(@ django_5_2 "CURFEW_TEST_PYTHON_52" $($name)*);
    };
    (@ $module:ident $python:literal $($name:ident)*) => {
        mod $module {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name($python).await;
            })*
        }
    };
}

with_each_django! {
    sessions_run_out_when_django_says
    a_deleted_file_is_a_session_that_django_ends
    who_saves_in_the_same_moment_stays
}

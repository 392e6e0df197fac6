//! What `encode` writes, read by a real Django: the one that CURFEW_TEST_PYTHON_42 and _52 name.
//! `cargo xtask test` sets both.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::Write;
use std::process::{Command, Stdio};

use curfew_engine::django::auth_hash::session_auth_hash;
use curfew_engine::django::secret::SecretKeys;
use curfew_engine::django::session::{Expiry, Fields, encode};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

const BACKEND: &str = "django.contrib.auth.backends.ModelBackend";

struct Case {
    fields: Fields,
    key: String,
    password: String,
    saved: Timestamp,
}

/// A grid over what can differ: user, expiry, content that compresses and content that does not.
fn cases() -> Vec<Case> {
    let texts = [
        "",
        "x",
        "Ünïcödé 名字 😀 \u{7f}\u{2028}\"\\\n\t\u{8}\u{c}\u{1}",
        "spam and eggs and spam ",
    ];
    let mut cases = Vec::new();
    for number in 0..240_i64 {
        let at = number as usize;
        let key = format!("key {} é", number % 3);
        let password = format!("pbkdf2_sha256${number}$é");
        let saved = Timestamp::from_second(1_767_323_045 + number * 86_400).unwrap();
        let mut extra = Map::new();
        if !at.is_multiple_of(3) {
            let text = texts[at / 3 % 4].repeat(at % 17);
            extra.insert(
                format!("k{}", texts[at % 4]),
                json!([text, number, -number, null, true, {}, 0.5]),
            );
        }
        let user = (!at.is_multiple_of(7)).then(|| format!("{number}"));
        cases.push(Case {
            fields: Fields {
                backend: user.as_ref().map(|_| BACKEND.to_owned()),
                auth_hash: user.as_ref().map(|_| session_auth_hash(&password, &key)),
                user,
                expiry: match at % 5 {
                    0 => Expiry::Default,
                    1 => Expiry::Seconds(number - 100),
                    2 => Expiry::BrowserClose,
                    3 => Expiry::Fixed(saved),
                    _ => Expiry::Fixed(saved + jiff::SignedDuration::from_micros(7 * number)),
                },
                extra,
            },
            key,
            password,
            saved,
        });
    }
    cases
}

fn read_by(python: &str, cases: &[Case]) -> Vec<Value> {
    let python = std::env::var_os(python)
        .unwrap_or_else(|| panic!("{python} is not set: run these tests with `cargo xtask test`"));
    let script = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fixtures/read_sessions.py"
    );
    let mut django = Command::new(python)
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = django.stdin.take().unwrap();
    let mut lines = String::new();
    for case in cases {
        let keys = SecretKeys::new(case.key.clone(), vec![]);
        let data = encode(&case.fields, &keys, case.saved);
        let row = json!({"session_data": data, "secret_key": case.key, "password": case.password});
        lines.push_str(&format!("{row}\n"));
    }
    let writer = std::thread::spawn(move || stdin.write_all(lines.as_bytes()));
    let output = django.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success(), "{}", output.status);
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn what_is_encoded_is_read_by(python: &str) {
    let cases = cases();
    let answers = read_by(python, &cases);
    assert_eq!(answers.len(), cases.len());
    for (at, (case, answer)) in cases.iter().zip(&answers).enumerate() {
        let Case { fields, saved, .. } = case;
        let content = answer["content"].as_object().unwrap();
        let text = |key: &str| content.get(key).and_then(Value::as_str).map(str::to_owned);
        assert_eq!(text("_auth_user_id"), fields.user, "case {at}");
        assert_eq!(text("_auth_user_backend"), fields.backend, "case {at}");
        assert_eq!(text("_auth_user_hash"), fields.auth_hash, "case {at}");
        if fields.auth_hash.is_some() {
            assert_eq!(
                answer["auth_hash"].as_str(),
                fields.auth_hash.as_deref(),
                "case {at}"
            );
        }
        let expiry = content.get("_session_expiry");
        match fields.expiry {
            Expiry::Default => assert_eq!(expiry, None, "case {at}"),
            Expiry::Seconds(seconds) => assert_eq!(expiry, Some(&json!(seconds)), "case {at}"),
            Expiry::BrowserClose => assert_eq!(answer["browser_close"], true, "case {at}"),
            Expiry::Fixed(moment) => {
                let read: Timestamp = expiry.and_then(Value::as_str).unwrap().parse().unwrap();
                assert_eq!(read, moment, "case {at}");
            }
        }
        let rest: Map<_, _> = content
            .clone()
            .into_iter()
            .filter(|(key, _)| !key.starts_with("_auth") && key != "_session_expiry")
            .collect();
        assert_eq!(rest, fields.extra, "case {at}");
        assert_eq!(answer["saved"], saved.as_second(), "case {at}");
        assert_eq!(answer["same_json"], true, "case {at}");
        // Two zlibs differ by a few bytes, and so can the choice to use them at all.
        let length = answer["length"].as_i64().unwrap();
        let own_length = answer["own_length"].as_i64().unwrap();
        assert!(
            (length - own_length).abs() <= 12,
            "case {at}: {length} for {own_length}"
        );
    }
}

#[test]
fn what_is_encoded_is_read_by_django_4_2() {
    what_is_encoded_is_read_by("CURFEW_TEST_PYTHON_42");
}

#[test]
fn what_is_encoded_is_read_by_django_5_2() {
    what_is_encoded_is_read_by("CURFEW_TEST_PYTHON_52");
}

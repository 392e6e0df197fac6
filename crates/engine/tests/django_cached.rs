//! Sessions as real caches hold them (see fixtures/write_cached.py), read as Django reads them from there.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;

use base64::Engine as _;
use curfew_engine::django::session::{Decoder, Expiry, Form, Signature};
use serde::Deserialize;

const FILES: [(&str, &str); 3] = [
    ("4.2", include_str!("fixtures/cached-4.2.jsonl")),
    ("5.2", include_str!("fixtures/cached-5.2.jsonl")),
    ("6.1", include_str!("fixtures/cached-6.1.jsonl")),
];

#[derive(Deserialize)]
struct Value {
    name: String,
    django: String,
    by: String,
    serializer: String,
    compressor: String,
    protocol: Option<u8>,
    value: String,
    user: Option<String>,
    auth_hash: Option<String>,
    expiry: ExpiryRead,
}

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum ExpiryRead {
    Default,
    Seconds { seconds: i64 },
    BrowserClose,
    Fixed { at: jiff::Timestamp },
}

impl From<&ExpiryRead> for Expiry {
    fn from(read: &ExpiryRead) -> Self {
        match read {
            ExpiryRead::Default => Self::Default,
            ExpiryRead::Seconds { seconds } => Self::Seconds(*seconds),
            ExpiryRead::BrowserClose => Self::BrowserClose,
            ExpiryRead::Fixed { at } => Self::Fixed(*at),
        }
    }
}

impl Value {
    fn bytes(&self) -> Vec<u8> {
        base64::engine::general_purpose::STANDARD
            .decode(&self.value)
            .unwrap()
    }

    fn what(&self) -> String {
        let protocol = self.protocol.map(|number| format!(" protocol {number}"));
        format!(
            "{} in {}{}, {} ({}, Django {})",
            self.name,
            self.serializer,
            protocol.unwrap_or_default(),
            self.compressor,
            self.by,
            self.django
        )
    }
}

fn values() -> Vec<Value> {
    let mut values = Vec::new();
    for (version, text) in FILES {
        for line in text.lines() {
            let value: Value = serde_json::from_str(line).expect(version);
            assert!(value.django.starts_with(version), "{}", value.django);
            values.push(value);
        }
    }
    values
}

#[test]
fn each_value_reads_as_its_cache_reads_it() {
    let mut decoder = Decoder::new(None);
    for value in values() {
        let what = value.what();
        let decoded = decoder.cached(&value.bytes()).expect(&what);
        assert_eq!(decoded.user, value.user, "{what}");
        assert_eq!(decoded.auth_hash, value.auth_hash, "{what}");
        assert_eq!(decoded.expiry, (&value.expiry).into(), "{what}");
        assert_eq!(decoded.form, Form::Cached, "{what}");
        assert_eq!(decoded.signature, Signature::Unchecked, "{what}");
        assert_eq!(decoded.last_saved, None, "{what}");
    }
}

#[test]
fn each_serializer_comes_in_each_compressor() {
    for (version, compressors) in [("4.2", 5), ("5.2", 6), ("6.1", 6)] {
        let pairs: BTreeSet<(String, String)> = values()
            .into_iter()
            .filter(|value| {
                value.django.starts_with(version) && value.by.starts_with("django-redis")
            })
            .map(|value| (value.serializer, value.compressor))
            .collect();
        assert_eq!(pairs.len(), 3 * compressors, "{version}");
    }
}

/// Half a session is none: a user from it could be another session's.
#[test]
fn a_value_cut_short_is_never_read() {
    let mut decoder = Decoder::new(None);
    for value in values().iter().filter(|value| value.name == "signed in") {
        let bytes = value.bytes();
        // One byte of a pickle is an empty dict of msgpack; and checksums stand behind the whole content.
        for cut in 2..bytes.len() - 12 {
            let read = decoder.cached(&bytes[..cut]);
            assert!(read.is_err(), "{} cut at {cut}", value.what());
        }
    }
}

/// 24 MiB of spaces between a user and the dict's end, by Python's lzma at its highest preset, with its largest window.
#[test]
fn a_bomb_of_xz_is_scanned_and_not_held() {
    let bomb = include_bytes!("fixtures/bomb.xz");
    let user = Decoder::new(None).cached(bomb).unwrap().user;
    assert!(user.is_some());
}

/// Whatever it is damaged with, a value is read or refused; a changed byte may well be another session's.
#[test]
fn a_damaged_value_is_read_or_refused() {
    let mut decoder = Decoder::new(None);
    for value in values().iter().filter(|value| value.name == "signed in") {
        let mut bytes = value.bytes();
        for at in 0..bytes.len() {
            for change in [0x01, 0x20, 0x80, 0xff] {
                bytes[at] ^= change;
                let _ = decoder.cached(&bytes);
                bytes[at] ^= change;
            }
        }
    }
}

#![allow(clippy::unwrap_used)]

use std::io::Write;

use base64::engine::general_purpose;
use flate2::Compression;
use flate2::write::ZlibEncoder;

use super::super::{Expiry, Fields, encode};
use super::*;

const SAVED: &str = "2026-01-02T03:04:05Z";

fn keys() -> SecretKeys {
    SecretKeys::new("the key".into(), vec![])
}

fn somebody() -> Fields {
    Fields {
        user: Some("7".into()),
        auth_hash: Some("h".into()),
        ..Fields::default()
    }
}

fn row(fields: &Fields) -> String {
    encode(fields, &keys(), SAVED.parse().unwrap())
}

fn compressed(bytes: &[u8]) -> String {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    let payload = general_purpose::URL_SAFE_NO_PAD.encode(encoder.finish().unwrap());
    format!(".{payload}:1r2xAK:signature")
}

#[test]
fn a_row_under_each_kind_of_key() {
    let row = row(&somebody());
    let with = |first: &str, more: &[&str]| {
        let more = more.iter().map(|key| key.to_string()).collect();
        decode(&row, Some(&SecretKeys::new(first.into(), more)))
            .unwrap()
            .signature
    };
    assert_eq!(with("the key", &[]), Signature::Verified);
    assert_eq!(with("newer", &["the key"]), Signature::Verified);
    assert_eq!(with("newer", &["older"]), Signature::Invalid);
    assert_eq!(decode(&row, None).unwrap().signature, Signature::Unchecked);
}

#[test]
fn any_changed_character_of_a_row_is_noticed() {
    let row = row(&somebody());
    for at in 0..row.len() {
        let other = if &row[at..=at] == "A" { "B" } else { "A" };
        let changed = format!("{}{other}{}", &row[..at], &row[at + 1..]);
        if let Ok(decoded) = decode(&changed, Some(&keys())) {
            assert_eq!(decoded.signature, Signature::Invalid, "character {at}");
        }
    }
}

#[test]
fn one_decoder_does_not_mix_rows() {
    let mut big = somebody();
    big.extra.insert("x".into(), "long ".repeat(5_000).into());
    big.expiry = Expiry::BrowserClose;
    let rows = [
        row(&big),
        row(&Fields::default()),
        "%%".into(),
        row(&somebody()),
    ];
    let mut decoder = Decoder::new(Some(&keys()));
    for _ in 0..2 {
        for row in &rows {
            assert_eq!(decoder.decode(row), decode(row, Some(&keys())));
        }
    }
    assert_eq!(decoder.decode(&rows[1]).unwrap().user, None);
}

#[test]
fn no_more_than_one_mebibyte_is_held_and_what_is_larger_is_scanned() {
    let json = |size: usize| format!(r#"{{"x":"{}"}}"#, "x".repeat(size - 8)).into_bytes();
    let mut decoder = Decoder::new(None);
    assert_eq!(json(MAX_INFLATED).len(), MAX_INFLATED);
    assert!(decoder.decode(&compressed(&json(MAX_INFLATED))).is_ok());
    let over = compressed(&json(MAX_INFLATED + 1));
    assert_eq!(decoder.decode(&over).unwrap().user, None);
    let owned = format!(
        r#"{{"_auth_user_id":"7","x":"{}"}}"#,
        "x".repeat(2 * MAX_INFLATED)
    );
    let owned = decoder.decode(&compressed(owned.as_bytes())).unwrap();
    assert_eq!(owned.user.as_deref(), Some("7"));
    let bomb = compressed(&vec![b' '; 16 << 20]);
    assert_eq!(decoder.decode(&bomb), Err(Unreadable::Opaque));
    let bomb = compressed(&[b"{\"x\":\"".to_vec(), vec![b' '; 80 << 20]].concat());
    assert_eq!(decoder.decode(&bomb), Err(Unreadable::TooLarge));
    assert!(
        decoder.inflated.capacity() <= MAX_INFLATED + 1,
        "{}",
        decoder.inflated.capacity()
    );
}

#[test]
fn a_stream_cut_short_is_not_half_a_session() {
    let mut fields = somebody();
    fields.extra.insert("x".into(), "abc".repeat(100).into());
    let row = row(&fields);
    let (payload, rest) = row.split_once(':').unwrap();
    assert!(payload.starts_with('.'));
    for cut in 1..payload.len() - 1 {
        let cut_row = format!("{}:{rest}", &payload[..cut]);
        assert!(decode(&cut_row, None).is_err(), "cut at {cut}");
    }
}

#[test]
fn each_kind_of_bad_row_has_its_name() {
    let legacy = |bytes: &[u8]| general_purpose::STANDARD.encode(bytes);
    let deep = general_purpose::URL_SAFE_NO_PAD.encode("[".repeat(50_000));
    for (row, error) in [
        (String::new(), Unreadable::Empty),
        ("  \n".into(), Unreadable::Empty),
        ("e30:sig".into(), Unreadable::Malformed),
        (legacy(b"no colon here"), Unreadable::Malformed),
        ("e+0:1r2xAK:s".into(), Unreadable::NotBase64),
        ("é".into(), Unreadable::NotBase64),
        (".e30:1r2xAK:s".into(), Unreadable::NotInflatable),
        ("e30:1r2xAK!:s".into(), Unreadable::BadTimestamp),
        ("e30::s".into(), Unreadable::BadTimestamp),
        (format!("{deep}:1r2xAK:s"), Unreadable::TooDeep),
        (legacy(b"digest:\x80\x04}q\x00"), Unreadable::Opaque),
        ("gASVAgAAAAAAAABdlC4:1r2xAK:s".into(), Unreadable::Opaque),
    ] {
        assert_eq!(decode(&row, None), Err(error), "{:.40}", row);
        assert_eq!(decode(&row, Some(&keys())), Err(error), "{:.40}", row);
    }
}

#[test]
fn a_pickle_is_read_in_both_forms() {
    let dict = b"\x80\x04}\x94\x8c\x0d_auth_user_id\x94\x8c\x017\x94s.";
    let signed = general_purpose::URL_SAFE_NO_PAD.encode(dict) + ":1r2xAK:s";
    let legacy = general_purpose::STANDARD.encode([&b"digest:"[..], dict].concat());
    for row in [signed, legacy, compressed(dict)] {
        let decoded = decode(&row, Some(&keys())).unwrap();
        assert_eq!(decoded.user.as_deref(), Some("7"), "{row}");
        assert_eq!(decoded.signature, Signature::Invalid, "{row}");
    }
}

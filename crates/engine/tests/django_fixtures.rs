//! Rows that real Django wrote (see fixtures/write_sessions.py), read as that Django reads them.
//! What Django refuses is made here, from the same rows.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use curfew_engine::django::auth_hash;
use curfew_engine::django::secret::SecretKeys;
use curfew_engine::django::session::{Decoder, Expiry, Form, Signature, decode};
use serde::Deserialize;

const FILES: [(&str, &str); 5] = [
    ("2.2", include_str!("fixtures/sessions-2.2.jsonl")),
    ("3.2", include_str!("fixtures/sessions-3.2.jsonl")),
    ("4.2", include_str!("fixtures/sessions-4.2.jsonl")),
    ("5.2", include_str!("fixtures/sessions-5.2.jsonl")),
    ("6.1", include_str!("fixtures/sessions-6.1.jsonl")),
];

#[derive(Deserialize)]
struct Row {
    name: String,
    django: String,
    session_data: String,
    secret_key: String,
    fallbacks: Vec<String>,
    form: String,
    last_saved: Option<i64>,
    user: Option<String>,
    auth_hash: Option<String>,
    password: String,
    expiry: ExpiryRead,
    unreadable: Option<String>,
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

impl Row {
    fn keys(&self) -> SecretKeys {
        SecretKeys::new(self.secret_key.clone(), self.fallbacks.clone())
    }

    fn what(&self) -> String {
        format!("{} ({})", self.name, self.django)
    }
}

fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for (version, text) in FILES {
        let before = rows.len();
        for line in text.lines() {
            let row: Row = serde_json::from_str(line).expect(version);
            assert!(
                row.django.starts_with(version),
                "{} in {version}",
                row.django
            );
            rows.push(row);
        }
        assert!(rows.len() >= before + 16, "rows of Django {version}");
    }
    rows
}

#[test]
fn each_row_reads_as_django_reads_it() {
    for row in rows() {
        let what = row.what();
        let decoded = decode(&row.session_data, Some(&row.keys()));
        if let Some(kind) = &row.unreadable {
            let error = decoded.expect_err(&what).to_string();
            assert!(error.contains(kind.as_str()), "{what}: {error}");
            continue;
        }
        let decoded = decoded.expect(&what);
        assert_eq!(decoded.user, row.user, "{what}");
        assert_eq!(decoded.auth_hash, row.auth_hash, "{what}");
        assert_eq!(decoded.expiry, (&row.expiry).into(), "{what}");
        assert_eq!(
            decoded.last_saved.map(|at| at.as_second()),
            row.last_saved,
            "{what}"
        );
        assert_eq!(decoded.signature, Signature::Verified, "{what}");
        let form = if row.form == "signed" {
            Form::Signed
        } else {
            Form::Legacy
        };
        assert_eq!(decoded.form, form, "{what}");
    }
}

/// A row says its user in the same words whether it is JSON or a pickle, and whichever pickle it is.
#[test]
fn each_version_that_can_pickle_wrote_each_protocol() {
    for version in ["2.2", "3.2", "4.2"] {
        let rows = rows();
        let pickles = rows
            .iter()
            .filter(|row| row.django.starts_with(version) && row.name.starts_with("pickle"));
        let (readable, opaque): (Vec<_>, Vec<_>) =
            pickles.partition(|row| row.unreadable.is_none());
        assert!(readable.len() >= 35, "{version}: {}", readable.len());
        assert_eq!(opaque.len(), 2, "{version}");
    }
}

#[test]
fn without_keys_the_same_is_read_and_called_unchecked() {
    let mut decoder = Decoder::new(None);
    for row in rows().iter().filter(|row| row.unreadable.is_none()) {
        let mut expected = decode(&row.session_data, Some(&row.keys())).unwrap();
        expected.signature = Signature::Unchecked;
        assert_eq!(
            decoder.decode(&row.session_data),
            Ok(expected),
            "{}",
            row.what()
        );
    }
}

#[test]
fn another_key_verifies_none_of_them() {
    let mut decoder = Decoder::new(Some(&SecretKeys::new(
        "another".into(),
        vec!["more".into()],
    )));
    for row in rows().iter().filter(|row| row.unreadable.is_none()) {
        let decoded = decoder.decode(&row.session_data).unwrap();
        assert_eq!(decoded.signature, Signature::Invalid, "{}", row.what());
    }
}

#[test]
fn a_fallback_is_needed_where_django_needs_it() {
    let rows = rows();
    let rotated: Vec<_> = rows
        .iter()
        .filter(|row| !row.fallbacks.is_empty())
        .collect();
    assert_eq!(rotated.len(), 3, "4.2, 5.2 and 6.1 each wrote one");
    for row in rotated {
        let first_alone = SecretKeys::new(row.secret_key.clone(), vec![]);
        let decoded = decode(&row.session_data, Some(&first_alone)).unwrap();
        assert_eq!(decoded.signature, Signature::Invalid, "{}", row.what());
        let hash = decoded.auth_hash.unwrap();
        assert!(!auth_hash::matches(&row.password, &hash, &first_alone));
        assert!(auth_hash::matches(&row.password, &hash, &row.keys()));
    }
}

#[test]
fn the_auth_hash_holds_for_the_password_and_for_no_other() {
    let (mut sha256, mut sha1) = (0, 0);
    for row in rows() {
        let Some(stored) = &row.auth_hash else {
            continue;
        };
        match stored.len() {
            64 => sha256 += 1,
            _ => sha1 += 1,
        }
        let keys = row.keys();
        assert!(
            auth_hash::matches(&row.password, stored, &keys),
            "{}",
            row.what()
        );
        assert!(
            !auth_hash::matches("!changed", stored, &keys),
            "{}",
            row.what()
        );
        assert!(
            !auth_hash::matches(&row.password, &stored[1..], &keys),
            "{}",
            row.what()
        );
        assert!(
            !auth_hash::matches(&row.password, "", &keys),
            "{}",
            row.what()
        );
    }
    assert!(
        sha256 > 20 && sha1 > 20,
        "{sha256} and {sha1}: both forms are among the rows"
    );
}

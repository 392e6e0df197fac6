//! What holds for any row: nothing panics, what is written is read, a version tells saves apart.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use curfew_engine::django::secret::SecretKeys;
use curfew_engine::django::session::{
    Decoder, Expiry, Fields, Form, Signature, VERSION_CHARS, decode, encode, version_of,
};
use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::Value;

fn keys() -> SecretKeys {
    SecretKeys::new("a key".into(), vec!["an older one".into()])
}

fn moment() -> impl Strategy<Value = Timestamp> {
    (0_i64..=253_402_207_200, 0_i64..1_000_000)
        .prop_map(|(seconds, micros)| Timestamp::new(seconds, (micros * 1_000) as i32).unwrap())
}

fn expiry() -> impl Strategy<Value = Expiry> {
    prop_oneof![
        Just(Expiry::Default),
        Just(Expiry::BrowserClose),
        any::<i64>()
            .prop_filter("0 is the browser's", |n| *n != 0)
            .prop_map(Expiry::Seconds),
        moment().prop_map(Expiry::Fixed),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".*".prop_map(Value::from),
        "(ab){0,900}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(".*", inner, 0..5)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

prop_compose! {
    fn fields()(
        user in prop::option::of(".+"),
        backend in prop::option::of("[a-z.A-Z]{1,60}"),
        auth_hash in prop::option::of("[0-9a-f]{64}"),
        expiry in expiry(),
        extra in prop::collection::btree_map("[^_].*", value(), 0..5),
    ) -> Fields {
        Fields { user, backend, auth_hash, expiry, extra: extra.into_iter().collect() }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn what_is_encoded_is_decoded(fields in fields(), saved_at in moment()) {
        let row = encode(&fields, &keys(), saved_at);
        prop_assert!(row.is_ascii());
        let decoded = decode(&row, Some(&keys())).unwrap();
        prop_assert_eq!(decoded.user, fields.user);
        prop_assert_eq!(decoded.auth_hash, fields.auth_hash);
        prop_assert_eq!(decoded.expiry, fields.expiry);
        prop_assert_eq!(decoded.last_saved.unwrap().as_second(), saved_at.as_second());
        prop_assert_eq!(decoded.signature, Signature::Verified);
        prop_assert_eq!(decoded.form, Form::Signed);
    }

    #[test]
    fn no_text_panics(text in any::<String>()) {
        let _ = decode(&text, Some(&keys()));
        let _ = version_of(&text);
    }

    /// Bytes in the place of the JSON, so that the reader behind base64 meets them.
    #[test]
    fn no_payload_panics(bytes in prop::collection::vec(any::<u8>(), 0..300), dot in any::<bool>()) {
        use base64::Engine as _;
        let mut decoder = Decoder::new(Some(&keys()));
        let payload = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(&bytes);
        let dot = if dot { "." } else { "" };
        let _ = decoder.decode(&format!("{dot}{payload}:1vbVSP:x"));
        let digested = [b"00:", bytes.as_slice()].concat();
        let _ = decoder.decode(&base64::engine::general_purpose::STANDARD.encode(digested));
    }

    #[test]
    fn nearly_json_panics_neither(text in r#"[\[\]{}":,\\0-9a-zNaInfiity _u.eE+-]{0,80}"#) {
        use base64::Engine as _;
        let payload = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
        let _ = decode(&format!("{payload}:1vbVSP:x"), None);
    }

    /// A changed or shortened row is an error or says that it does not verify.
    #[test]
    fn a_damaged_row_never_verifies(
        fields in fields(),
        at in any::<prop::sample::Index>(),
        put in "[ -~]",
        cut in any::<bool>(),
    ) {
        let row = encode(&fields, &keys(), Timestamp::UNIX_EPOCH);
        let at = at.index(row.len());
        let damaged = if cut {
            row[..at].to_owned()
        } else {
            format!("{}{put}{}", &row[..at], &row[at + 1..])
        };
        prop_assume!(damaged.trim_end() != row);
        if let Ok(decoded) = decode(&damaged, Some(&keys())) {
            prop_assert_eq!(decoded.signature, Signature::Invalid);
        }
    }

    #[test]
    fn each_save_has_its_own_version(fields in fields(), second in 1_i64..4_000_000_000) {
        let saved = |second| encode(&fields, &keys(), Timestamp::from_second(second).unwrap());
        let (one, next) = (saved(second), saved(second + 1));
        prop_assert_ne!(version_of(&one), version_of(&next));
        prop_assert!(version_of(&one).chars().count() <= VERSION_CHARS);
        prop_assert!(one.ends_with(version_of(&one)));
    }
}

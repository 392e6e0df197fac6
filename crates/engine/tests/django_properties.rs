//! What holds for any row: nothing panics, what is written is read, a version tells saves apart.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use curfew_engine::django;
use curfew_engine::django::secret::SecretKeys;
use curfew_engine::django::session::{
    Decoder, Expiry, Fields, Form, Signature, VERSION_CHARS, decode, encode, version_of,
};
use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::Value;

/// What the fuzz targets ask of random bytes, asked here of bytes that make sense.
#[path = "../../../fuzz/src/targets.rs"]
mod targets;

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

    /// One dict in JSON, in msgpack and in a pickle says the same, in rows and in caches.
    #[test]
    fn each_serializer_says_the_same(
        user in value(),
        auth_hash in value(),
        expiry in value(),
        extra in prop::collection::btree_map(".*", value(), 0..5),
    ) {
        let mut dict: serde_json::Map<_, _> = extra.into_iter().collect();
        dict.insert("_auth_user_id".into(), user);
        dict.insert("_auth_user_hash".into(), auth_hash);
        dict.insert("_session_expiry".into(), expiry);
        let json = serde_json::to_vec(&dict).unwrap();
        for target in targets::NAMES {
            targets::run(target, &json);
        }
    }

    /// Opcodes and short arguments in any order, behind a session that has begun.
    #[test]
    fn no_pickle_panics(opcodes in prop::collection::vec(opcode(), 0..60)) {
        let pickle = [b"\x80\x04}\x94".as_slice(), &opcodes.concat(), b"."].concat();
        targets::run("pickle", &pickle);
    }

    #[test]
    fn no_cached_value_panics(
        magic in prop::sample::select(vec![
            &b"\x80\x05"[..], b"\x1f\x8b\x08", b"\xfd7zXZ\0", b"\x04\x22\x4d\x18",
            b"\x28\xb5\x2f\xfd", b"\x78\x9c", b"\xde\0\x02", b"\x82", b"{", b"",
        ]),
        rest in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let _ = Decoder::new(None).cached(&[magic, &rest].concat());
    }
}

fn opcode() -> impl Strategy<Value = Vec<u8>> {
    let whole: Vec<&[u8]> = vec![
        b"(",
        b"0",
        b"1",
        b"2",
        b"N",
        b"\x88",
        b")",
        b"]",
        b"}",
        b"\x8f",
        b"t",
        b"l",
        b"d",
        b"a",
        b"e",
        b"s",
        b"u",
        b"\x85",
        b"\x86",
        b"\x87",
        b"R",
        b"b",
        b"o",
        b"\x81",
        b"\x92",
        b"\x90",
        b"\x91",
        b"\x93",
        b"\x94",
        b"K\x07",
        b"M\x01\x02",
        b"I12\n",
        b"L9L\n",
        b"F1.5\n",
        b"\x8c\x0d_auth_user_id",
        b"V_auth_user_id\n",
        b"\x8c\x0f_session_expiry",
        b"cdatetime\ndatetime\n",
        b"cdatetime\ntimedelta\n",
        b"cdatetime\ntimezone\n",
        b"C\x0a\x07\xef\x02\x03\x04\x05\x06\x00\x1b\x62",
        b"cshop\nCart\n",
        b"ishop\nCart\n",
    ];
    prop_oneof![
        8 => prop::sample::select(whole).prop_map(<[u8]>::to_vec),
        1 => (0_u8..6).prop_map(|place| vec![b'h', place]),
        1 => (0_u8..6).prop_map(|place| vec![b'q', place]),
        1 => prop::collection::vec(any::<u8>(), 1..4),
    ]
}

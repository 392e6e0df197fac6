//! What each package leaves in a session, in JSON, msgpack and pickle. The bytes of the pickles are Python's own.
#![allow(clippy::unwrap_used)]

use super::super::{large, payload};
use super::*;

fn json(text: &str) -> Impersonation {
    let read = payload::read(&mut text.as_bytes().to_vec(), Names::default()).unwrap();
    assert_eq!(read.user.as_deref(), Some("2"), "{text}");
    read.impersonation.map(|one| *one).unwrap_or_default()
}

fn returns_to(ids: &[&str]) -> Impersonation {
    Impersonation {
        returns_to: ids.iter().map(|id| (*id).to_owned()).collect(),
        acts_as: None,
    }
}

#[test]
fn each_package_is_recognised() {
    let uuid = "0f8fad5b-d9cb-469f-a165-70867728950e";
    for (text, want) in [
        (r#"{"_auth_user_id":"2","hijack_history":["1"]}"#.to_owned(), returns_to(&["1"])),
        (r#"{"hijack_history":["1","7"],"_auth_user_id":"2"}"#.to_owned(), returns_to(&["1", "7"])),
        (r#"{"_auth_user_id":"2","hijack_history":[1]}"#.to_owned(), returns_to(&["1"])),
        (
            r#"{"_auth_user_id":"2","exit_users_pk":[["1","django.contrib.auth.backends.ModelBackend"],["7","b"]]}"#.to_owned(),
            returns_to(&["1", "7"]),
        ),
        (
            format!(r#"{{"_auth_user_id":"2","loginas_from_user":"{uuid}:1vQx3c:{}"}}"#, "s".repeat(43)),
            returns_to(&[uuid]),
        ),
        (
            r#"{"_auth_user_id":"2","_impersonate":5,"_impersonate_start":1.5}"#.to_owned(),
            Impersonation { returns_to: Vec::new(), acts_as: Some("5".into()) },
        ),
    ] {
        assert_eq!(json(&text), want, "{text}");
    }
}

#[test]
fn values_of_other_forms_are_nobody() {
    for text in [
        r#"{"_auth_user_id":"2"}"#,
        r#"{"_auth_user_id":"2","hijack_history":[]}"#,
        r#"{"_auth_user_id":"2","hijack_history":null}"#,
        r#"{"_auth_user_id":"2","hijack_history":{"a":["1"]}}"#,
        r#"{"_auth_user_id":"2","hijack_history":[{"a":1},[],[[1]],true,1.5]}"#,
        r#"{"_auth_user_id":"2","loginas_from_user":"ana"}"#,
        r#"{"_auth_user_id":"2","loginas_from_user":"a:b:c"}"#,
        r#"{"_auth_user_id":"2","loginas_from_user":{"name":"\ud800"}}"#,
        r#"{"_auth_user_id":"2","_impersonate":""}"#,
        r#"{"_auth_user_id":"2","prefs":{"hijack_history":["1"],"_impersonate":5}}"#,
    ] {
        assert_eq!(json(text), Impersonation::default(), "{text}");
    }
}

#[test]
fn a_long_list_is_cut() {
    let many: Vec<String> = (0..1000).map(|id| format!("\"{id}\"")).collect();
    let text = format!(
        r#"{{"_auth_user_id":"2","hijack_history":[{}]}}"#,
        many.join(",")
    );
    assert_eq!(json(&text).returns_to.len(), MOST);
}

/// `pickle.dumps({"_auth_user_id": "2", "cart": [1, [2]], "hijack_history": ["1", "7"], "exit_users_pk": [("8", "backend"),
/// ("9", "backend")], "loginas_from_user": "5:1vQx3c:" + "s" * 43, "_impersonate": 6}, protocol)`, protocols 0 to 5.
#[test]
fn pickles_say_the_same() {
    for hex in [
        "286470300a565f617574685f757365725f69640a70310a56320a70320a7356636172740a70330a286c70340a49310a61286c70350a49320a6161735668696a61636b5f686973746f72790a70360a286c70370a56310a70380a6156370a70390a617356657869745f75736572735f706b0a7031300a286c7031310a2856380a7031320a566261636b656e640a7031330a747031340a612856390a7031350a6731330a747031360a6173566c6f67696e61735f66726f6d5f757365720a7031370a56353a3176517833633a737373737373737373737373737373737373737373737373737373737373737373737373737373737373730a7031380a73565f696d706572736f6e6174650a7031390a49360a732e",
        "7d710028580d0000005f617574685f757365725f69647101580100000032710258040000006361727471035d7104284b015d71054b026165580e00000068696a61636b5f686973746f727971065d7107285801000000317108580100000037710965580d000000657869745f75736572735f706b710a5d710b2828580100000038710c58070000006261636b656e64710d74710e28580100000039710f680d7471106558110000006c6f67696e61735f66726f6d5f7573657271115834000000353a3176517833633a737373737373737373737373737373737373737373737373737373737373737373737373737373737373737112580c0000005f696d706572736f6e61746571134b06752e",
        "80027d710028580d0000005f617574685f757365725f69647101580100000032710258040000006361727471035d7104284b015d71054b026165580e00000068696a61636b5f686973746f727971065d7107285801000000317108580100000037710965580d000000657869745f75736572735f706b710a5d710b28580100000038710c58070000006261636b656e64710d86710e580100000039710f680d8671106558110000006c6f67696e61735f66726f6d5f7573657271115834000000353a3176517833633a737373737373737373737373737373737373737373737373737373737373737373737373737373737373737112580c0000005f696d706572736f6e61746571134b06752e",
        "80037d710028580d0000005f617574685f757365725f69647101580100000032710258040000006361727471035d7104284b015d71054b026165580e00000068696a61636b5f686973746f727971065d7107285801000000317108580100000037710965580d000000657869745f75736572735f706b710a5d710b28580100000038710c58070000006261636b656e64710d86710e580100000039710f680d8671106558110000006c6f67696e61735f66726f6d5f7573657271115834000000353a3176517833633a737373737373737373737373737373737373737373737373737373737373737373737373737373737373737112580c0000005f696d706572736f6e61746571134b06752e",
        "800495d0000000000000007d94288c0d5f617574685f757365725f6964948c0132948c0463617274945d94284b015d944b0261658c0e68696a61636b5f686973746f7279945d94288c0131948c013794658c0d657869745f75736572735f706b945d94288c0138948c076261636b656e649486948c013994680d8694658c116c6f67696e61735f66726f6d5f75736572948c34353a3176517833633a73737373737373737373737373737373737373737373737373737373737373737373737373737373737373948c0c5f696d706572736f6e617465944b06752e",
        "800595d0000000000000007d94288c0d5f617574685f757365725f6964948c0132948c0463617274945d94284b015d944b0261658c0e68696a61636b5f686973746f7279945d94288c0131948c013794658c0d657869745f75736572735f706b945d94288c0138948c076261636b656e649486948c013994680d8694658c116c6f67696e61735f66726f6d5f75736572948c34353a3176517833633a73737373737373737373737373737373737373737373737373737373737373737373737373737373737373948c0c5f696d706572736f6e617465944b06752e",
    ] {
        let digits: Vec<u32> = hex
            .chars()
            .map(|digit| digit.to_digit(16).unwrap())
            .collect();
        let mut bytes: Vec<u8> = digits
            .chunks(2)
            .map(|pair| (pair[0] * 16 + pair[1]) as u8)
            .collect();
        let read = payload::read(&mut bytes, Names::default()).unwrap();
        assert_eq!(read.user.as_deref(), Some("2"));
        let want = Impersonation {
            returns_to: ["1", "7", "8", "9", "5"].map(str::to_owned).into(),
            acts_as: Some("6".into()),
        };
        assert_eq!(read.impersonation.as_deref(), Some(&want), "{hex}");
    }
}

#[test]
fn a_renamed_key_is_read_in_each_serializer_and_size() {
    use crate::django::pickle;

    let names = Names {
        loginas: Some("acted_by"),
    };
    let signed = format!("7:1abcde:{}", "s".repeat(43));
    for filler in [10, 2 << 20] {
        let dict = serde_json::json!({"acted_by": signed, "x": "y".repeat(filler)});
        let json = serde_json::to_vec(&dict).unwrap();
        let msgpack = rmp_serde::to_vec(&dict).unwrap();
        let text = |text: &str| {
            let length = u32::try_from(text.len()).unwrap().to_le_bytes();
            [&b"X"[..], &length, text.as_bytes()].concat()
        };
        let pairs = [
            text("acted_by"),
            text(&signed),
            text("x"),
            text(&"y".repeat(filler)),
        ];
        let pickle = [&b"\x80\x05}("[..], &pairs.concat(), b"u."].concat();
        let large = [&json, &msgpack, &pickle].map(|bytes| large::read(bytes.as_slice(), names));
        let whole = [
            payload::read(&mut json.clone(), names),
            payload::read_msgpack(&msgpack, names),
            pickle::read(&pickle, names),
        ];
        for read in large.into_iter().chain(whole) {
            assert_eq!(read.unwrap().impersonation.unwrap().returns_to, ["7"]);
        }
    }
}

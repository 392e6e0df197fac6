#![allow(clippy::unwrap_used)]

use super::*;

fn read_text(json: &str) -> Result<Payload, Unreadable> {
    read(&mut json.as_bytes().to_vec(), Names::default())
}

fn expiry_of(value: &str) -> Expiry {
    read_text(&format!(r#"{{"_session_expiry":{value}}}"#))
        .unwrap()
        .expiry
}

#[test]
fn an_empty_dict_is_an_anonymous_session() {
    assert_eq!(read_text("{}"), Ok(Payload::default()));
}

#[test]
fn other_keys_are_passed_over_whatever_they_hold() {
    let json = r#"{"cart":[{"_auth_user_id":"9"},1.5e400,123456789012345678901234567890],
        "_auth_user_id":"7","\ud800":"\udc00","note":"NaN \" } Infinity"}"#;
    assert_eq!(read_text(json).unwrap().user.as_deref(), Some("7"));
}

#[test]
fn numbers_that_only_python_writes() {
    let json = r#"{"a":NaN,"b":[Infinity,-Infinity],"_auth_user_id":"7","c":NaN}"#;
    assert_eq!(read_text(json).unwrap().user.as_deref(), Some("7"));
    assert_eq!(read_text(r#"{"a":Nan}"#), Err(Unreadable::Opaque));
}

#[test]
fn a_user_is_text_or_a_whole_number() {
    for (value, user) in [
        (r#""42""#, Some("42")),
        ("42", Some("42")),
        ("18446744073709551615", Some("18446744073709551615")),
        ("null", None),
        (r#""""#, None),
        ("[1]", None),
        (r#"{"a":{}}"#, None),
    ] {
        let read = read_text(&format!(r#"{{"_auth_user_id":{value},"x":1}}"#)).unwrap();
        assert_eq!(read.user.as_deref(), user, "{value}");
    }
}

#[test]
fn the_last_of_two_counts() {
    let json = r#"{"_auth_user_id":"1","_auth_user_id":"2"}"#;
    assert_eq!(read_text(json).unwrap().user.as_deref(), Some("2"));
}

#[test]
fn every_value_of_set_expiry() {
    let fixed = |text: &str| Expiry::Fixed(text.parse().unwrap());
    assert_eq!(expiry_of("300"), Expiry::Seconds(300));
    assert_eq!(expiry_of("-1"), Expiry::Seconds(-1));
    assert_eq!(expiry_of("0"), Expiry::BrowserClose);
    assert_eq!(expiry_of("0.0"), Expiry::BrowserClose);
    assert_eq!(expiry_of("0.5"), Expiry::Seconds(1));
    assert_eq!(expiry_of("false"), Expiry::BrowserClose);
    assert_eq!(expiry_of("null"), Expiry::Default);
    assert_eq!(expiry_of(r#""""#), Expiry::Default);
    assert_eq!(expiry_of(r#""soon""#), Expiry::Default);
    assert_eq!(
        expiry_of(r#""2031-02-03T04:05:06.789012+00:00""#),
        fixed("2031-02-03T04:05:06.789012Z")
    );
    assert_eq!(
        expiry_of(r#""2031-02-03T04:05:06+05:30""#),
        fixed("2031-02-02T22:35:06Z")
    );
    assert_eq!(
        expiry_of(r#""2031-02-03T04:05:06-00:01:15""#),
        fixed("2031-02-03T04:06:21Z")
    );
    assert_eq!(
        expiry_of(r#""2031-02-03T04:05:06""#),
        fixed("2031-02-03T04:05:06Z")
    );
    for never in [
        "9999-12-31T23:59:59.999999",
        "9999-12-31T23:59:59.999999+00:00",
    ] {
        assert_eq!(
            expiry_of(&format!("{never:?}")),
            Expiry::Fixed(Timestamp::MAX),
            "{never}"
        );
    }
}

#[test]
fn depth_is_an_error_and_not_an_overflow() {
    let nested = |depth: usize| {
        format!(
            r#"{{"x":{}{},"_auth_user_id":"1"}}"#,
            "[".repeat(depth),
            "]".repeat(depth)
        )
    };
    assert_eq!(read_text(&nested(500)).unwrap().user.as_deref(), Some("1"));
    assert_eq!(read_text(&nested(100_000)), Err(Unreadable::TooDeep));
    let under_a_key = format!(
        r#"{{"_auth_user_id":{}{}}}"#,
        "[".repeat(500),
        "]".repeat(500)
    );
    assert_eq!(read_text(&under_a_key).unwrap().user, None);
}

#[test]
fn what_is_no_dict_is_opaque() {
    for json in [
        "",
        "[]",
        "null",
        "3",
        "\"x\"",
        "{",
        "{}x",
        "\u{80}\u{4}}",
        "{\"a\"}",
        "{\"\\",
    ] {
        assert_eq!(read_text(json), Err(Unreadable::Opaque), "{json:?}");
    }
}

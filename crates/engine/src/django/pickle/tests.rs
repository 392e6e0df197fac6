#![allow(clippy::unwrap_used)]

use super::super::session::Expiry;
use super::*;

fn read(pickle: &[u8]) -> Result<Payload, Unreadable> {
    super::read(pickle, Names::default())
}

fn user(pickle: &[u8]) -> Result<Option<String>, Unreadable> {
    read(pickle).map(|payload| payload.user)
}

/// A dict with one thing beside the user: `value`, a run of opcodes that leaves one object.
fn beside(value: &[u8]) -> Vec<u8> {
    [
        &b"\x80\x05}\x94(\x8c\x01x\x94"[..],
        value,
        b"\x8c\x0d_auth_user_id\x94\x8c\x017\x94u.",
    ]
    .concat()
}

fn with_user(value: &[u8]) -> Vec<u8> {
    [&b"\x80\x05}\x94\x8c\x0d_auth_user_id\x94"[..], value, b"s."].concat()
}

fn with_expiry(value: &[u8]) -> Expiry {
    read(
        &[
            &b"\x80\x05}\x94\x8c\x0f_session_expiry\x94"[..],
            value,
            b"s.",
        ]
        .concat(),
    )
    .unwrap()
    .expiry
}

#[test]
fn each_protocol_s_spelling_of_a_dict() {
    for pickle in [
        &b"(dp0\nV_auth_user_id\np1\nV7\np2\ns."[..],
        b"(dp0\nS'_auth_user_id'\np1\nS'7'\np2\ns.",
        b"(V_auth_user_id\nV7\nd.",
        b"}q\0X\x0d\0\0\0_auth_user_idq\x01X\x01\0\0\x007q\x02s.",
        b"\x80\x02}q\x01U\x0d_auth_user_idq\x02U\x017s.",
        b"\x80\x02}q\x01U\x0d_auth_user_idq\x02K\x07s.",
        b"\x80\x04\x95\x18\0\0\0\0\0\0\0}\x94\x8c\x0d_auth_user_id\x94\x8c\x017\x94s.",
        b"V\\u005fauth_user_id\n0}V\\u005fauth_user_id\nL7L\ns.",
        b"}q\0V_auth_user_id\nI7\ns. and what follows is no part of it",
    ] {
        assert_eq!(
            user(pickle),
            Ok(Some("7".into())),
            "{}",
            pickle.escape_ascii()
        );
    }
}

#[test]
fn a_user_is_text_or_a_whole_number() {
    for (value, expected) in [
        (&b"K*"[..], Some("42")),
        (b"J\xff\xff\xff\xff", Some("-1")),
        (b"M\x39\x30", Some("12345")),
        (
            b"\x8a\x09\xff\xff\xff\xff\xff\xff\xff\xff\0",
            Some("18446744073709551615"),
        ),
        (b"\x8a\x08\0\0\0\0\0\0\0\x80", Some("-9223372036854775808")),
        (b"\x8a\0", Some("0")),
        (b"C\x0242", Some("42")),
        (b"\x8c\x02\xc3\xa9", Some("é")),
        (b"V\xe9\\u00e9\\\\\n", Some("éé\\\\")),
        (b"N", None),
        (b"\x8c\0", None),
        (b"]", None),
        (b"}", None),
        (b")", None),
    ] {
        let expected = expected.map(str::to_owned);
        assert_eq!(
            user(&with_user(value)),
            Ok(expected),
            "{}",
            value.escape_ascii()
        );
    }
}

#[test]
fn the_last_of_two_counts() {
    let twice = b"\x80\x05}(\x8c\x0d_auth_user_id\x94\x8c\x011h\0\x8c\x012u.";
    assert_eq!(user(twice), Ok(Some("2".into())));
    // Once more, after the batch.
    let again = b"\x80\x05}(\x8c\x0d_auth_user_id\x94\x8c\x011uh\0\x8c\x013s.";
    assert_eq!(user(again), Ok(Some("3".into())));
}

#[test]
fn a_foreign_object_hides_only_itself() {
    for value in [
        &b"cdecimal\nDecimal\n\x8c\x041.50\x85R"[..],
        b"\x8c\x04uuid\x8c\x04UUID\x93)\x81}\x8c\x03intK\x01sb",
        b"\x8c\x04shop\x8c\x04Cart\x93)}\x92NN\x86b",
        b"\x8c\x0bcollections\x8c\x0bOrderedDict\x93)R\x8c\x01aK\x01s",
        b"\x8c\x0bcollections\x8c\x05deque\x93)R(K\x01K\x02e",
        b"(K\x01ishop\nCart\n",
        b"(cshop\nCart\nK\x01o",
        b"\x82\x07",
        b"\x8f(K\x01K\x02\x90",
        b"(K\x01\x91",
        b"\x96\x01\0\0\0\0\0\0\0x",
        b"]\x94(K\x01}\x8c\x0d_auth_user_idK\x09se",
        b"G\x3f\xf8\0\0\0\0\0\0",
        b"F1e400\n",
        b"\x88\x89\x86",
    ] {
        assert_eq!(
            user(&beside(value)),
            Ok(Some("7".into())),
            "{}",
            value.escape_ascii()
        );
    }
}

#[test]
fn under_a_key_of_ours_a_foreign_object_hides_the_session() {
    for value in [
        &b"\x8c\x04uuid\x8c\x04UUID\x93)\x81}\x8c\x03intK\x01sb"[..],
        b"\x8a\x11\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01",
        b"\x8c\x02\xed\xa0",
    ] {
        assert_eq!(
            user(&with_user(value)),
            Err(Unreadable::Opaque),
            "{}",
            value.escape_ascii()
        );
    }
}

#[test]
fn what_can_reach_the_session_s_dict_makes_it_opaque() {
    for pickle in [
        // Handed to a call by way of the memo, or twice on the stack.
        &b"\x80\x05}\x94cbuiltins\nsetattr\nh\0\x85R0."[..],
        b"\x80\x05}\x94\x8c\x01xh\0s.",
        b"\x80\x05}\x942\x85\x850.",
        // Given a state, or made by a call.
        b"\x80\x05}}b.",
        b"\x80\x05cshop\nSession\n)R.",
        // Not the outermost.
        b"\x80\x05}\x85.",
        b"\x80\x05K\x01}.",
        b"\x80\x05]}a.",
        b"\x80\x05}0}\x8c\x0d_auth_user_idK\x07s.",
    ] {
        assert_eq!(
            user(pickle),
            Err(Unreadable::Opaque),
            "{}",
            pickle.escape_ascii()
        );
    }
}

#[test]
fn what_python_refuses_is_opaque() {
    for pickle in [
        &b""[..],
        b".",
        b"}",
        b"\x80\x06}.",
        b"\x80",
        b"\x95\x08\0\0\0\0\0\0\0}.",
        b"}(K\x01u.",
        b"}u.",
        b"}h\0.",
        b"}]K\x01s.",
        b"K\x01K\x02K\x03s.",
        b"}(s.",
        b"}(N0.",
        b"}\x8c\x01aP1\n.",
        b"}\x97.",
        b"}\x8c\xff.",
        b"}X\xff\xff\xff\xff.",
        b"}T\xff\xff\xff\xff.",
        b"}\x8d\xff\xff\xff\xff\xff\xff\xff\xff.",
        b"}K\x01K\x02R.",
        b"}p-1\n.",
        b"}Vnot ended",
        b"}Ix\n.",
        b"}\xff.",
    ] {
        assert_eq!(
            user(pickle),
            Err(Unreadable::Opaque),
            "{}",
            pickle.escape_ascii()
        );
    }
}

#[test]
fn a_datetime_is_a_fixed_date() {
    // 2031-02-03 04:05:06.007010
    const STATE: &[u8] = b"cdatetime\ndatetime\nC\x0a\x07\xef\x02\x03\x04\x05\x06\x00\x1b\x62";
    let fixed = |text: &str| Expiry::Fixed(text.parse().unwrap());
    for (zone, at) in [
        (&b"\x85R"[..], "2031-02-03T04:05:06.007010Z"),
        (b"cdatetime\ntimezone\ncdatetime\ntimedelta\nK\0K\0K\0\x87R\x85R\x86R", "2031-02-03T04:05:06.007010Z"),
        (b"cdatetime\ntimezone\ncdatetime\ntimedelta\nK\0M\x58\x4dK\0\x87R\x85R\x86R", "2031-02-02T22:35:06.007010Z"),
        (b"cpytz\n_UTC\n)R\x86R", "2031-02-03T04:05:06.007010Z"),
        (b"cpytz\n_p\n(\x8c\x0dEurope/BerlinM\x10\x0eK\0\x8c\x03CETtR\x86R", "2031-02-03T03:05:06.007010Z"),
        (b"czoneinfo\nZoneInfo._unpickle\n\x8c\x0dEurope/BerlinK\x01\x86R\x86R", "2031-02-03T03:05:06.007010Z"),
        (b"cbuiltins\ngetattr\nczoneinfo\nZoneInfo\n\x8c\x09_unpickle\x86R\x8c\x03UTCK\x01\x86R\x86R", "2031-02-03T04:05:06.007010Z"),
    ] {
        let value = [STATE, zone].concat();
        assert_eq!(with_expiry(&value), fixed(at), "{}", zone.escape_ascii());
    }
    // As protocol 2 has it: the bytes in Latin-1.
    let old = b"cdatetime\ndatetime\nc_codecs\nencode\nX\x0b\0\0\0\x07\xc3\xaf\x02\x03\x04\x05\x06\x00\x1b\x62X\x06\0\0\0latin1\x86R\x85R";
    assert_eq!(with_expiry(old), fixed("2031-02-03T04:05:06.007010Z"));
    let never = b"cdatetime\ndatetime\nC\x0a\x27\x0f\x0c\x1f\x17\x3b\x3b\x0f\x42\x3f\x85R";
    assert_eq!(with_expiry(never), Expiry::Fixed(jiff::Timestamp::MAX));
    assert_eq!(with_expiry(b"K\0"), Expiry::BrowserClose);
    assert_eq!(with_expiry(b"M\x2c\x01"), Expiry::Seconds(300));
    assert_eq!(with_expiry(b"N"), Expiry::Default);
}

#[test]
fn a_date_that_is_none_or_in_an_unknown_zone_is_opaque() {
    for value in [
        &b"cdatetime\ndatetime\nC\x0a\x07\xef\x0e\x03\x04\x05\x06\x00\x1b\x62\x85R"[..],
        b"cdatetime\ndatetime\nC\x09\x07\xef\x0e\x03\x04\x05\x06\x00\x1b\x85R",
        b"cdatetime\ndatetime\nC\x0a\x07\xef\x02\x03\x04\x05\x06\x00\x1b\x62cshop\nZone\n)R\x86R",
        b"cdatetime\ndatetime\nC\x0a\x07\xef\x02\x03\x04\x05\x06\x00\x1b\x62\x85R)R",
        b"cpendulum\ndatetime\n)R",
    ] {
        let pickle = [
            &b"\x80\x05}\x94\x8c\x0f_session_expiry\x94"[..],
            value,
            b"s.",
        ]
        .concat();
        assert_eq!(
            read(&pickle),
            Err(Unreadable::Opaque),
            "{}",
            value.escape_ascii()
        );
    }
}

#[test]
fn limits_are_errors_and_not_memory() {
    let many = |unit: &[u8], times: usize, end: &[u8]| {
        [&b"\x80\x05}\x94\x8c\x01x"[..], &unit.repeat(times), end].concat()
    };
    assert_eq!(read(&many(b"(", 900_000, b"")), Err(Unreadable::TooDeep));
    assert_eq!(read(&many(b"N", 900_000, b"")), Err(Unreadable::TooDeep));
    assert_eq!(
        read(&many(b"N\x940", 300_000, b"")),
        Err(Unreadable::Opaque)
    );
    assert_eq!(user(&many(b"Nr\xff\xff\xff\x7f", 1, b"s.")), Ok(None));
    assert_eq!(
        read(&many(b"N", 3 * MAX_BYTES, b"")),
        Err(Unreadable::TooLarge)
    );
    // A list in a list in a list: as deep as one likes, since nothing here nests.
    let deep = many(&[b']'; 60_000], 1, &[&[b'a'; 59_999][..], b"s."].concat());
    assert_eq!(user(&deep), Ok(None));
    // Each tuple holds the one before twice: two to the power of fifty thousand values, were they made.
    let laughs = many(
        b"",
        0,
        &[&b"N\x94"[..], &b"2\x86".repeat(50_000), b"s."].concat(),
    );
    assert_eq!(user(&laughs), Ok(None));
}

/// Each of these is larger than what is held.
#[test]
fn a_large_pickle_tells_its_user_and_whom_it_names() {
    let items = |unit: &[u8]| [&b"]\x94("[..], &unit.repeat(MAX_BYTES), b"e"].concat();
    let long = [&b"X\0\0\x20\0"[..], &vec![b'y'; 2 << 20], b"\x94"].concat();
    let dict = [
        &b"}\x94("[..],
        &b"\x8c\x01k]\x94(K\x01K\x02e".repeat(150_000),
        b"u",
    ]
    .concat();
    let tuple = [&b"("[..], &b"K\x01K\x02".repeat(MAX_BYTES / 3), b"t\x94"].concat();
    // Its lines are longer than what is held.
    let old = [&b"V"[..], &vec![b'z'; 2 << 20], b"\np9\n"].concat();
    for value in [
        items(b"\x8c\x01a\x94"),
        items(b"K\x01"),
        long,
        dict,
        tuple,
        old,
    ] {
        let pickle = [
            &b"\x80\x05\x95\0\0\0\0\0\0\0\0}\x94(\x8c\x01x\x94"[..],
            &value,
            b"\x8c\x0ehijack_history\x94]\x94(\x8c\x011\x94K\x02e",
            b"\x8c\x0d_auth_user_id\x94\x8c\x017\x94u.",
        ]
        .concat();
        let begin = value[..12].escape_ascii();
        let read = read(&pickle);
        let read = read.unwrap_or_else(|why| panic!("{begin}: {why}"));
        assert_eq!(read.user.as_deref(), Some("7"), "{begin}");
        assert_eq!(
            read.impersonation.unwrap().returns_to,
            ["1", "2"],
            "{begin}"
        );
    }
}

proptest::proptest! {
    #[test]
    fn a_short_pickle_means_the_same_once_condensed(bytes: Vec<u8>) {
        let pickle = beside(&bytes);
        let _told = read_large(pickle.as_slice(), Names::default());
        for value in [&b"]\x94(K\x01K\x02e"[..], b"\x8c\x01a\x94h\x02\x86", b"c\ndatetime\n)R"] {
            let pickle = beside(value);
            assert_eq!(read_large(pickle.as_slice(), Names::default()), read(&pickle));
        }
    }
}

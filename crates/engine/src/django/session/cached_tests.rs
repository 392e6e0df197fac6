#![allow(clippy::unwrap_used)]

use super::*;

#[test]
fn what_is_no_session_has_its_name() {
    for (value, error) in [
        (&b""[..], Unreadable::Empty),
        (b"42", Unreadable::Malformed),
        (b"-1", Unreadable::Malformed),
        (b"\x0b\x02\x80brotli or so\x03", Unreadable::Opaque),
        (b"\x78\x9c", Unreadable::NotInflatable),
        (b"\x1f\x8b", Unreadable::NotInflatable),
        (b"\xfd7zXZ\0", Unreadable::NotInflatable),
        (b"\x04\x22\x4d\x18", Unreadable::NotInflatable),
        (b"\x28\xb5\x2f\xfd", Unreadable::NotInflatable),
        (b"\x80\x05K\x07.", Unreadable::Opaque),
        (b"\x81\xa1a", Unreadable::Opaque),
        (b"\x80\xc0", Unreadable::Opaque),
    ] {
        assert_eq!(Decoder::new(None).cached(value), Err(error), "{value:x?}");
    }
}

#[test]
fn an_empty_dict_in_each_serializer() {
    for value in [
        &b"{}"[..],
        b"\x80",
        b"\xde\0\0",
        b"\x80\x05}\x94.",
        b"}q\0.",
    ] {
        let decoded = Decoder::new(None).cached(value).unwrap();
        assert_eq!(decoded.user, None, "{value:x?}");
        assert_eq!(decoded.form, Form::Cached);
        assert_eq!(decoded.signature, Signature::Unchecked);
        assert_eq!(decoded.last_saved, None);
    }
}

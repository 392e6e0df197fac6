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

/// Each compressor can make a mebibyte of spaces from next to nothing; none makes more here.
#[test]
fn unpacking_stops_at_one_mebibyte() {
    use std::io::Write;
    let json = |size: usize| {
        let user = br#"{"_auth_user_id":"7""#;
        [&user[..], &vec![b' '; size - user.len() - 1], b"}"].concat()
    };
    type Pack = fn(&[u8]) -> Vec<u8>;
    let packs: [(&str, Pack); 5] = [
        ("zlib", |bytes| {
            let mut to = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
            to.write_all(bytes).unwrap();
            to.finish().unwrap()
        }),
        ("gzip", |bytes| {
            let mut to = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
            to.write_all(bytes).unwrap();
            to.finish().unwrap()
        }),
        ("lz4", |bytes| {
            let mut to = lz4_flex::frame::FrameEncoder::new(Vec::new());
            to.write_all(bytes).unwrap();
            to.finish().unwrap()
        }),
        ("zstd", |bytes| {
            let fastest = ruzstd::encoding::CompressionLevel::Fastest;
            ruzstd::encoding::compress_to_vec(bytes, fastest)
        }),
        ("identity", <[u8]>::to_vec),
    ];
    for (name, pack) in packs {
        let mut decoder = Decoder::new(None);
        let whole = decoder.cached(&pack(&json(MAX_INFLATED)));
        assert_eq!(whole.unwrap().user.as_deref(), Some("7"), "{name}");
        for size in [MAX_INFLATED + 1, 3 << 20] {
            let over = decoder.cached(&pack(&json(size)));
            assert_eq!(over.unwrap().user.as_deref(), Some("7"), "{name} of {size}");
            // A vector that is read into grows by doubling.
            assert!(
                decoder.inflated.capacity() <= 2 * MAX_INFLATED + 2,
                "{name}"
            );
        }
    }
}

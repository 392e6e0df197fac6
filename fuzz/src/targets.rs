//! What has to hold for any bytes, one function a target. None may panic, whatever it is given.
//! Also a module of the engine's test that replays `cases/`: `django` is whatever stands beside this.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::Value;

use super::django::auth_hash;
use super::django::secret::SecretKeys;
use super::django::session::{
    Decoded, Decoder, Expiry, Fields, Form, Signature, Unreadable, VERSION_CHARS, encode,
    version_of,
};

pub const NAMES: [&str; 4] = ["session_data", "pickle", "msgpack", "signing"];

/// By a name out of [`NAMES`].
pub fn run(name: &str, bytes: &[u8]) {
    match name {
        "session_data" => session_data(bytes),
        "pickle" => pickle(bytes),
        "msgpack" => msgpack(bytes),
        "signing" => signing(bytes),
        other => panic!("no target is called {other}"),
    }
}

fn nobodys_keys() -> SecretKeys {
    SecretKeys::new("no row here was signed with this".into(), vec![])
}

/// A row or a cache's value as it stands there: the form, base64, inflating, JSON.
pub fn session_data(bytes: &[u8]) {
    let mut decoder = Decoder::new(Some(&nobodys_keys()));
    let _ = decoder.cached(bytes);
    let Ok(row) = std::str::from_utf8(bytes) else {
        return;
    };
    let version = version_of(row);
    assert!(version.chars().count() <= VERSION_CHARS);
    assert!(row.starts_with(version) || row.ends_with(version));

    let with_keys = decoder.decode(row);
    let without = Decoder::new(None).decode(row);
    assert_eq!(said(&with_keys), said(&without));
    if let Ok(decoded) = with_keys {
        assert_eq!(decoded.signature, Signature::Invalid, "nobody has the key");
        assert_eq!(decoded.form, Form::of(row));
        assert_eq!(decoded.last_saved.is_some(), decoded.form == Form::Signed);
    }
    same_in_every_place(bytes);
}

/// A pickle; and a dict, which is written as one.
pub fn pickle(bytes: &[u8]) {
    same_in_every_place(bytes);
    if bytes.first() == Some(&0x80) && bytes.len() > 1 {
        let read = Decoder::new(None).cached(bytes);
        if read.is_ok() {
            let more = Decoder::new(None).cached(&[bytes, b"\xff."].concat());
            assert_eq!(read, more, "what follows a pickle is no part of it");
        }
    }
    let (json, dict) = dict(bytes);
    let mut pickled = vec![0x80, 4];
    write_pickle(&dict, &mut pickled);
    pickled.push(b'.');
    agree(&json, &pickled);
}

/// A dict in msgpack; and a dict, which is written in it.
pub fn msgpack(bytes: &[u8]) {
    let mut decoder = Decoder::new(None);
    let _ = decoder.cached(bytes);
    // As a map of some entries.
    let _ = decoder.cached(&[&[0x80 | bytes.len().clamp(1, 15) as u8], bytes].concat());
    let (json, dict) = dict(bytes);
    let packed = rmp_serde::to_vec(&dict).expect("JSON fits into msgpack");
    agree(&json, &packed);
    for end in [
        &packed[..packed.len() - 1],
        &[&packed[..], b"\xc0"].concat(),
    ] {
        // Of the empty dict and something more, a pickle may begin.
        if packed.len() > 1 {
            assert!(
                decoder.cached(end).is_err(),
                "neither less nor more is a dict"
            );
        }
    }
}

/// Keys, a session, and a place in its row to damage.
pub fn signing(bytes: &[u8]) {
    let mut parts = bytes
        .split(|byte| *byte == 0xff)
        .map(String::from_utf8_lossy);
    let mut part = || parts.next().unwrap_or_default().into_owned();
    let (key, other, user, password, note, damage) =
        (part(), part(), part(), part(), part(), part());
    let keys = SecretKeys::new(key.clone(), vec![]);
    let only = |key: &str| SecretKeys::new(key.to_owned(), vec![]);

    let hash = auth_hash::session_auth_hash(&password, &key);
    assert!(auth_hash::matches(&password, &hash, &keys));
    assert!(!auth_hash::matches(&format!("{password}!"), &hash, &keys));
    if other != key {
        assert!(!auth_hash::matches(&password, &hash, &only(&other)));
    }

    let number = i64::try_from(note.len()).unwrap_or_default() * 1_000_003;
    let saved = jiff::Timestamp::from_second(number).unwrap_or_default();
    let mut fields = Fields {
        user: Some(user.clone()).filter(|user| !user.is_empty()),
        auth_hash: Some(hash),
        expiry: [
            Expiry::Default,
            Expiry::Seconds(-number - 1),
            Expiry::Fixed(saved),
        ][note.len() % 3],
        ..Fields::default()
    };
    fields.extra.insert("note".into(), note.into());
    let row = encode(&fields, &keys, saved);

    let decoded = Decoder::new(Some(&keys)).decode(&row).expect("our own row");
    assert_eq!(decoded.signature, Signature::Verified);
    assert_eq!(decoded.user, fields.user);
    assert_eq!(decoded.auth_hash, fields.auth_hash);
    assert_eq!(decoded.expiry, fields.expiry);
    assert_eq!(decoded.last_saved, Some(saved));

    let under = |keys: &SecretKeys, row: &str| {
        let read = Decoder::new(Some(keys)).decode(row);
        read.map_or(Signature::Invalid, |decoded| decoded.signature)
    };
    let rotated = SecretKeys::new(other.clone(), vec![key.clone()]);
    assert_eq!(under(&rotated, &row), Signature::Verified);
    if other != key {
        assert_eq!(under(&only(&other), &row), Signature::Invalid);
    }
    let mut damaged = row.clone();
    let mut damage = damage.chars();
    let at = damage.next().map_or(0, |char| char as usize) % row.len();
    damaged.replace_range(at..=at, damage.as_str());
    if damaged.trim_end() != row {
        assert_eq!(under(&keys, &damaged), Signature::Invalid, "{at}");
    }
}

/// What a row says, without what depends on the keys.
fn said(read: &Result<Decoded, Unreadable>) -> Result<Decoded, Unreadable> {
    let mut decoded = read.clone()?;
    decoded.signature = Signature::Unchecked;
    Ok(decoded)
}

type Said = Result<(Option<String>, Option<String>, Expiry), Unreadable>;

fn content(read: Result<Decoded, Unreadable>) -> Said {
    read.map(|decoded| (decoded.user, decoded.auth_hash, decoded.expiry))
}

/// Two spellings of one dict, from a cache, say the same.
fn agree(one: &[u8], other: &[u8]) {
    let read = |bytes| content(Decoder::new(None).cached(bytes));
    assert_eq!(read(one), read(other));
}

/// One payload says the same in a signed row, in one from before Django 3.1, and, compressed or not, in a cache.
fn same_in_every_place(payload: &[u8]) {
    let mut decoder = Decoder::new(None);
    let text = URL_SAFE_NO_PAD.encode(payload);
    let signed = content(decoder.decode(&format!("{text}:1vbVSP:x")));
    let legacy = STANDARD.encode([b"x:", payload].concat());
    assert_eq!(signed, content(decoder.decode(&legacy)));
    let packed = deflated(payload);
    let inflated = decoder.decode(&format!(".{}:1vbVSP:x", URL_SAFE_NO_PAD.encode(&packed)));
    assert_eq!(signed, content(inflated));
    if signed.is_ok() {
        assert_eq!(signed, content(decoder.cached(&packed)));
        assert_eq!(signed, content(decoder.cached(payload)));
    }
}

fn deflated(payload: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let level = flate2::Compression::fast();
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), level);
    encoder.write_all(payload).expect("into memory");
    encoder.finish().expect("into memory")
}

/// A dict as JSON of our own and as a value: the one that the bytes are in JSON, else one made up out of them.
fn dict(bytes: &[u8]) -> (Vec<u8>, Value) {
    let value = serde_json::from_slice(bytes).unwrap_or_default();
    let mut value = match value {
        Value::Object(_) => value,
        _ => invented(&mut &*bytes, 8),
    };
    round(&mut value);
    (serde_json::to_vec(&value).expect("into memory"), value)
}

/// JSON's floats are read to within their last bit or so, which no session cares for: only eighths are left.
fn round(value: &mut Value) {
    match value {
        Value::Number(number) if number.is_f64() => {
            let float = number.as_f64().unwrap_or_default();
            *value = ((float.clamp(-1e9, 1e9) * 8.0).round() / 8.0).into();
        }
        Value::Array(items) => items.iter_mut().for_each(round),
        Value::Object(entries) => entries.values_mut().for_each(round),
        _ => {}
    }
}

/// Each of our keys, and one more, with whatever the next bytes stand for.
fn invented(bytes: &mut &[u8], depth: u8) -> Value {
    const KEYS: [&str; 4] = [
        "_auth_user_id",
        "_auth_user_hash",
        "_session_expiry",
        "cart",
    ];
    let entries = KEYS.map(|key| (key.to_owned(), value(bytes, depth)));
    Value::Object(entries.into_iter().collect())
}

fn value(bytes: &mut &[u8], depth: u8) -> Value {
    let Some((&kind, rest)) = bytes.split_first() else {
        return Value::Null;
    };
    *bytes = rest;
    let size = usize::from(kind >> 3);
    let mut taken = |length: usize| {
        let (taken, rest) = bytes.split_at(length.min(bytes.len()));
        *bytes = rest;
        taken
    };
    let mut wide = [0; 8];
    match kind & 7 {
        0 => Value::Bool(size > 0),
        1 => i8::try_from(size)
            .unwrap_or_default()
            .wrapping_sub(16)
            .into(),
        2 | 3 => {
            let taken = taken(8);
            wide[..taken.len()].copy_from_slice(taken);
            match kind & 7 {
                2 => i64::from_le_bytes(wide).into(),
                _ => u64::from_le_bytes(wide).into(),
            }
        }
        4 => {
            let taken = taken(8);
            wide[..taken.len()].copy_from_slice(taken);
            f64::from_le_bytes(wide).into()
        }
        5 => String::from_utf8_lossy(taken(size)).into(),
        6 if depth > 0 => (0..size.min(bytes.len()))
            .map(|_| value(bytes, depth - 1))
            .collect(),
        7 if depth > 0 => invented(bytes, depth - 1),
        _ => Value::Null,
    }
}

fn write_pickle(value: &Value, to: &mut Vec<u8>) {
    match value {
        Value::Null => to.push(b'N'),
        Value::Bool(yes) => to.push(if *yes { 0x88 } else { 0x89 }),
        Value::Number(number) => {
            if let Some(whole) = number.as_i128() {
                // As short as Python writes it.
                let bytes = whole.to_le_bytes();
                let fits = |length: &usize| matches!(whole >> (8 * length - 1), 0 | -1);
                let length = (1..16).find(fits).unwrap_or(16);
                to.extend([0x8a, length as u8]);
                to.extend(&bytes[..length]);
            } else {
                to.push(b'G');
                to.extend(number.as_f64().unwrap_or_default().to_be_bytes());
            }
        }
        Value::String(text) => {
            to.push(b'X');
            to.extend(u32::try_from(text.len()).unwrap_or_default().to_le_bytes());
            to.extend(text.as_bytes());
        }
        Value::Array(items) => {
            to.extend(b"](");
            items.iter().for_each(|item| write_pickle(item, to));
            to.push(b'e');
        }
        Value::Object(entries) => {
            to.extend(b"}(");
            for (key, value) in entries {
                write_pickle(&Value::String(key.clone()), to);
                write_pickle(value, to);
            }
            to.push(b'u');
        }
    }
}

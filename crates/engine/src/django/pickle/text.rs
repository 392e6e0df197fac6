//! Python's text of protocol 0: a line in which some characters stand escaped, and the rest is Latin-1.
//! Invariant: what is looked at again and again is short.

use std::borrow::Cow;

use super::value::Value;

/// Longer than any of the three keys, were every character of it escaped.
const LONGEST: usize = 100;

/// A text that may be one of our keys, or a name that is known; empty where it cannot.
pub(super) fn short(value: Value<'_>) -> Cow<'_, [u8]> {
    match value {
        Value::Text(text) => Cow::Borrowed(text),
        Value::Escaped(raw) if raw.len() <= LONGEST => {
            Cow::Owned(unescaped(raw).unwrap_or_default().into_bytes())
        }
        _ => Cow::Borrowed(&[]),
    }
}

/// A text that stands in the input just as it reads.
pub(super) fn plain(value: Value<'_>) -> Option<&[u8]> {
    match value {
        Value::Text(text) => Some(text),
        Value::Escaped(raw) if raw.is_ascii() && !raw.contains(&b'\\') => Some(raw),
        _ => None,
    }
}

/// Python's `raw_unicode_escape`; none for halves of surrogate pairs and broken escapes.
pub(super) fn unescaped(raw: &[u8]) -> Option<String> {
    let mut text = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((&byte, after)) = rest.split_first() {
        let digits = match (byte, after.first()) {
            (b'\\', Some(b'u')) => 4,
            (b'\\', Some(b'U')) => 8,
            _ => {
                text.push(char::from(byte));
                rest = after;
                // A backslash that is followed by another one stands for itself, and so does that.
                if byte == b'\\' && after.first() == Some(&b'\\') {
                    text.push('\\');
                    rest = &after[1..];
                }
                continue;
            }
        };
        let hex = std::str::from_utf8(after.get(1..=digits)?).ok()?;
        if !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        text.push(char::from_u32(u32::from_str_radix(hex, 16).ok()?)?);
        rest = &after[1 + digits..];
    }
    Some(text)
}

/// The inside of a text that is written as Python shows it. With escapes inside it is none of our keys,
/// and no user's either.
pub(super) fn quoted(line: &[u8]) -> Option<Value<'_>> {
    let line = line.trim_ascii_end();
    let inside = match line {
        [b'"', inside @ .., b'"'] | [b'\'', inside @ .., b'\''] => inside,
        _ => return None,
    };
    Some(if inside.contains(&b'\\') {
        Value::Opaque
    } else {
        Value::Text(inside)
    })
}

//! Seconds since 1970 in base 62, the form of the timestamp in a signed session.
//! Digits are `0-9A-Za-z` in this order.
//! Invariant: `decode` takes only what fits a `Timestamp`.

use jiff::Timestamp;

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

pub(super) fn decode(text: &[u8]) -> Option<Timestamp> {
    if text.is_empty() {
        return None;
    }
    let mut seconds = 0_i64;
    for byte in text {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'A'..=b'Z' => byte - b'A' + 10,
            b'a'..=b'z' => byte - b'a' + 36,
            _ => return None,
        };
        seconds = seconds.checked_mul(62)?.checked_add(i64::from(digit))?;
    }
    Timestamp::from_second(seconds).ok()
}

/// Whole seconds; what lies under a second is dropped, as Django drops it.
pub(super) fn encode(at: Timestamp) -> String {
    let seconds = at.as_second();
    let mut rest = seconds.unsigned_abs();
    let mut reversed = Vec::with_capacity(8);
    loop {
        // The remainder is below 62, so the index always exists.
        reversed.push(DIGITS[(rest % 62) as usize]);
        rest /= 62;
        if rest == 0 {
            break;
        }
    }
    if seconds < 0 {
        reversed.push(b'-');
    }
    reversed
        .iter()
        .rev()
        .map(|byte| char::from(*byte))
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn known_values() {
        for (seconds, text) in [(0, "0"), (61, "z"), (62, "10"), (1_767_323_045, "1vbVSP")] {
            let at = Timestamp::from_second(seconds).unwrap();
            assert_eq!(encode(at), text);
            assert_eq!(decode(text.as_bytes()), Some(at));
        }
    }

    #[test]
    fn refuses_what_is_no_moment() {
        for text in ["", "-1", "!", "1 2", "zzzzzzzzzzzz", "AzL8n0Y58m7zz"] {
            assert_eq!(decode(text.as_bytes()), None, "{text:?}");
        }
    }
}

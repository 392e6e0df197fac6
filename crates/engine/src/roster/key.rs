//! A session's key in 21 bytes. Django makes keys of 32 digits and small letters; any other is kept as it is.
//!
//! Keys have to be at hand: a logout deletes by them, and to read them again it would have to open every session of the
//! site, for the table does not say whose they are. So they stay in memory, packed, and are wiped when they go.

use hashbrown::DefaultHashBuilder;
use std::hash::BuildHasher;

use zeroize::Zeroize;

use crate::store::{KeyRef, SessionKey};

pub(super) const PACKED: usize = 21;

/// Digits in one machine word: 36 to the twelfth is just under 2 to the 63rd.
const WORD: usize = 12;
const WORD_RANGE: u128 = 36_u128.pow(WORD as u32);
const LENGTH: usize = 32;
const DIGITS: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";

/// A key's characters as numbers, and 255 for what no key of Django's holds.
const VALUES: [u8; 256] = {
    let mut values = [u8::MAX; 256];
    let mut at = 0;
    while at < DIGITS.len() {
        values[DIGITS[at] as usize] = at as u8;
        at += 1;
    }
    values
};

/// A key, packed where it has Django's form.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Key {
    Packed([u8; PACKED]),
    Other(SessionKey),
}

impl Key {
    pub fn of(key: KeyRef<'_>) -> Self {
        match pack(key.expose()) {
            Some(packed) => Self::Packed(packed),
            None => Self::Other(key.to_key()),
        }
    }

    /// Leaves none of them behind.
    pub fn wipe(mut keys: Vec<Self>) {
        for key in &mut keys {
            if let Self::Packed(packed) = key {
                packed.zeroize();
            }
        }
    }

    pub fn hash(&self, hasher: &DefaultHashBuilder) -> u64 {
        match self {
            Self::Packed(packed) => hasher.hash_one(packed),
            Self::Other(key) => hasher.hash_one(key),
        }
    }
}

/// 36 to the 32nd is less than 2 to the 168th.
pub(super) fn pack(key: &str) -> Option<[u8; PACKED]> {
    let text: &[u8; LENGTH] = key.as_bytes().try_into().ok()?;
    let mut worst = 0;
    let mut number = |part: &[u8]| {
        part.iter().fold(0_u64, |number, byte| {
            let value = VALUES[usize::from(*byte)];
            worst |= value;
            number.wrapping_mul(36).wrapping_add(u64::from(value))
        })
    };
    let (first, second, last) = (
        number(&text[..WORD]),
        number(&text[WORD..2 * WORD]),
        number(&text[2 * WORD..]),
    );
    // No value has both of these bits but the one that stands for none.
    if worst & 0xc0 != 0 {
        return None;
    }
    // 125 bits, and above them what the last number has beyond its forty.
    let words = u128::from(first) * WORD_RANGE + u128::from(second);
    let low = words | (u128::from(last >> 40) << 125);
    let mut packed = [0; PACKED];
    packed[..16].copy_from_slice(&low.to_le_bytes());
    packed[16..].copy_from_slice(&last.to_le_bytes()[..5]);
    Some(packed)
}

pub(super) fn unpack(packed: &[u8; PACKED]) -> SessionKey {
    let (mut low, mut high) = ([0; 16], [0; 8]);
    low.copy_from_slice(&packed[..16]);
    high[..5].copy_from_slice(&packed[16..]);
    let low = u128::from_le_bytes(low);
    let last = u64::from_le_bytes(high) | (((low >> 125) as u64) << 40);
    let low = low & ((1 << 125) - 1);
    let words = [
        ((low / WORD_RANGE) as u64, WORD),
        ((low % WORD_RANGE) as u64, WORD),
        (last, LENGTH - 2 * WORD),
    ];
    let mut text = String::with_capacity(LENGTH);
    for (mut number, digits) in words {
        let mut word = [0; WORD];
        for slot in word[..digits].iter_mut().rev() {
            *slot = DIGITS[(number % 36) as usize];
            number /= 36;
        }
        text.extend(word[..digits].iter().map(|byte| char::from(*byte)));
    }
    SessionKey::new(text)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_key_of_djangos_comes_out_as_it_went_in(key in "[a-z0-9]{32}") {
            prop_assert_eq!(unpack(&pack(&key).unwrap()), SessionKey::new(key));
        }

        #[test]
        fn two_keys_are_never_packed_alike(a in "[a-z0-9]{32}", b in "[a-z0-9]{32}") {
            prop_assert_eq!(a == b, pack(&a) == pack(&b));
        }
    }

    #[test]
    fn the_ends_of_the_range_fit() {
        for letter in ["a", "9"] {
            let key = letter.repeat(32);
            assert_eq!(unpack(&pack(&key).unwrap()), SessionKey::new(key));
        }
    }

    #[test]
    fn any_other_form_is_kept_as_it_is() {
        let long = "a".repeat(33);
        let capital = "A".repeat(32);
        let wide = "é".repeat(16);
        for key in ["", "short", &long, &capital, &wide, &"-".repeat(32)] {
            assert!(pack(key).is_none(), "{key}");
            let other = Key::Other(SessionKey::new(key.to_owned()));
            assert!(Key::of(KeyRef::new(key)) == other);
        }
    }
}

//! Django's salted HMAC, in its SHA-256 form and in the SHA-1 form from before 3.1.
//! Which text is signed with which salt is the caller's knowledge.
//! Invariant: signatures are compared in constant time.

use hmac::digest::Key;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// An HMAC keyed once, to be cloned for each message.
#[derive(Clone)]
pub(super) struct Salted<M>(M);

pub(super) type Salted256 = Salted<Hmac<Sha256>>;
pub(super) type Salted1 = Salted<Hmac<Sha1>>;

impl Salted256 {
    pub(super) fn new(salt: &str, secret: &str) -> Self {
        Self(keyed(
            &Sha256::new()
                .chain_update(salt)
                .chain_update(secret)
                .finalize(),
        ))
    }
}

impl Salted1 {
    pub(super) fn new(salt: &str, secret: &str) -> Self {
        Self(keyed(
            &Sha1::new()
                .chain_update(salt)
                .chain_update(secret)
                .finalize(),
        ))
    }
}

impl<M: Mac + Clone> Salted<M> {
    pub(super) fn of(&self, message: &[u8]) -> hmac::digest::Output<M> {
        self.0.clone().chain_update(message).finalize().into_bytes()
    }
}

/// HMAC fills a key that is shorter than its block with zeros, and so does this.
fn keyed<M: KeyInit>(derived: &[u8]) -> M {
    let mut block = Key::<M>::default();
    for (slot, byte) in block.iter_mut().zip(derived) {
        *slot = *byte;
    }
    M::new(&block)
}

pub(super) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|nibble| char::from(DIGITS[usize::from(nibble)]))
        .collect()
}

pub(super) fn same(left: &[u8], right: &[u8]) -> bool {
    left.ct_eq(right).into()
}

//! From a cache's value to what its session says: Django's own Redis cache, and django-redis with each of its
//! serializers and compressors, told apart by their first bytes. memcached's clients pickle as well.
//! Not told apart: brotli and whatever else has no magic number (django-redis ships none), and a site's own
//! serializers. They are [`Unreadable::Opaque`].
//! Invariant: nothing here is signed: who can write into the cache can say anything in it.

use super::impersonation::Names;
use super::large;
use super::payload::{self, Payload};
use super::unpack::Packing;
use super::{Decoded, Decoder, Form, MAX_INFLATED, Signature, Unreadable};

impl Decoder {
    /// Reads the bytes that a cache holds under a session's key.
    ///
    /// What is no session but some other cached thing, as a number, is [`Unreadable::Malformed`] or
    /// [`Unreadable::Opaque`]. Values of more than [`MAX_INFLATED`] are scanned in pieces.
    pub fn cached(&mut self, value: &[u8]) -> Result<Decoded, Unreadable> {
        if value.is_empty() {
            return Err(Unreadable::Empty);
        }
        let names = Names {
            loginas: self.loginas.as_deref(),
        };
        let read = match Packing::of(value) {
            Some(packing) => match packing.unpack(&mut self.inflate, value, &mut self.inflated) {
                Ok(dict) => dict_of(dict, names),
                Err(Unreadable::TooLarge) => large::read(packing.reader(value)?, names),
                Err(why) => Err(why),
            },
            None if value.len() > MAX_INFLATED => large::read(value, names),
            None => {
                self.bytes.clear();
                self.bytes.extend_from_slice(value);
                dict_of(&mut self.bytes, names)
            }
        };
        let Payload {
            user,
            backend,
            auth_hash,
            expiry,
            impersonation,
        } = read?;
        Ok(Decoded {
            user,
            backend,
            auth_hash,
            last_saved: None,
            expiry,
            signature: Signature::Unchecked,
            form: Form::Cached,
            impersonation,
        })
    }
}

fn dict_of(bytes: &mut [u8], names: Names<'_>) -> Result<Payload, Unreadable> {
    match bytes {
        [] => Err(Unreadable::NotInflatable),
        // The empty dict in msgpack. With anything behind it, 0x80 begins a pickle: Python reads no msgpack that
        // has bytes left over.
        [0x80] | [0x81..=0x8f | 0xde | 0xdf, ..] => payload::read_msgpack(bytes, names),
        // Redis counts with these, and Django stores its integers so.
        [b'0'..=b'9' | b'-', ..] => Err(Unreadable::Malformed),
        _ => payload::read(bytes, names),
    }
}

#[cfg(test)]
#[path = "cached_tests.rs"]
mod tests;

//! From a row's text to what it says, in both of Django's forms. A cache's value is read in `cached`.
//! The dict's keys are read in `payload`; keys and their derivation in `signing`.
//! Invariant: what is held inflated ends at 1 MiB, and buffers never outgrow that or the row itself. What is larger is
//! scanned in pieces, next door in `large`.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use libdeflater::Decompressor;

use super::super::base62;
use super::super::secret::SecretKeys;
use super::super::signing::{Salted1, Salted256, hex, same};
use super::impersonation::Names;
use super::large;
use super::payload::{self, Payload};
use super::unpack::{Packing, inflate};
use super::{Decoded, Form, LEGACY_SALT, SIGNED_SALT, Signature, Unreadable};

/// The most of a compressed session that is held, in bytes.
pub const MAX_INFLATED: usize = 1 << 20;

/// Python's decoder takes padding or its absence, and spare bits in the last digit.
const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);

/// One way for what is exactly as it should be, one for what is nearly so.
type Alphabet = (base64_simd::Base64, GeneralPurpose);
const URL_SAFE: Alphabet = (
    base64_simd::URL_SAFE_NO_PAD,
    GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT),
);
const STANDARD: Alphabet = (
    base64_simd::STANDARD,
    GeneralPurpose::new(&alphabet::STANDARD, LENIENT),
);
const SIGNATURE: GeneralPurpose = base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Reads many rows with the same keys and the same buffers.
pub struct Decoder {
    /// One pair for each key of the site; `None` where the keys are not known.
    keys: Option<Vec<(Salted256, Salted1)>>,
    /// See [`Self::with_loginas_key`].
    pub(super) loginas: Option<String>,
    pub(super) bytes: Vec<u8>,
    pub(super) inflated: Vec<u8>,
    pub(super) inflate: Decompressor,
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Decoder([redacted])")
    }
}

/// Reads one row; for many, keep a [`Decoder`].
pub fn decode(data: &str, keys: Option<&SecretKeys>) -> Result<Decoded, Unreadable> {
    Decoder::new(keys).decode(data)
}

impl Decoder {
    /// Without keys every readable row comes back as [`Signature::Unchecked`].
    pub fn new(keys: Option<&SecretKeys>) -> Self {
        let pair = |key| {
            (
                Salted256::new(SIGNED_SALT, key),
                Salted1::new(LEGACY_SALT, key),
            )
        };
        Self {
            keys: keys.map(|keys| keys.all().map(pair).collect()),
            loginas: None,
            bytes: Vec::new(),
            inflated: Vec::new(),
            inflate: Decompressor::new(),
        }
    }

    /// Of a site that keeps django-loginas' user under this key of its sessions.
    pub fn with_loginas_key(self, loginas: Option<String>) -> Self {
        Self { loginas, ..self }
    }

    /// Reads the text of one row. A row that does not verify is still read, and says so.
    pub fn decode(&mut self, data: &str) -> Result<Decoded, Unreadable> {
        let data = data.trim_end();
        if data.is_empty() {
            return Err(Unreadable::Empty);
        }
        match Form::of(data) {
            Form::Signed => self.signed(data),
            Form::Legacy | Form::Cached => self.legacy(data),
        }
    }

    fn signed(&mut self, data: &str) -> Result<Decoded, Unreadable> {
        let (value, signature) = data.rsplit_once(':').ok_or(Unreadable::Malformed)?;
        let (payload, timestamp) = value.rsplit_once(':').ok_or(Unreadable::Malformed)?;
        let last_saved = base62::decode(timestamp.as_bytes()).ok_or(Unreadable::BadTimestamp)?;
        let names = Names {
            loginas: self.loginas.as_deref(),
        };
        let read = match payload.strip_prefix('.') {
            Some(compressed) => {
                unbase64(URL_SAFE, compressed, &mut self.bytes)?;
                match inflate(&mut self.inflate, &self.bytes, &mut self.inflated) {
                    Ok(json) => payload::read(json, names),
                    Err(Unreadable::TooLarge) => {
                        large::read(Packing::Zlib.reader(&self.bytes)?, names)
                    }
                    Err(why) => Err(why),
                }
            }
            None => {
                unbase64(URL_SAFE, payload, &mut self.bytes)?;
                payload::read(&mut self.bytes, names)
            }
        };
        let Payload {
            user,
            backend,
            auth_hash,
            expiry,
            impersonation,
        } = read?;
        let genuine = self.keys.as_ref().map(|keys| {
            keys.iter().any(|(key, _)| {
                let mut text = [0; 43];
                SIGNATURE
                    .encode_slice(key.of(value.as_bytes()), &mut text)
                    .is_ok()
                    && same(&text, signature.as_bytes())
            })
        });
        Ok(Decoded {
            user,
            backend,
            auth_hash,
            last_saved: Some(last_saved),
            expiry,
            signature: verdict(genuine),
            form: Form::Signed,
            impersonation,
        })
    }

    fn legacy(&mut self, data: &str) -> Result<Decoded, Unreadable> {
        let names = Names {
            loginas: self.loginas.as_deref(),
        };
        unbase64(STANDARD, data, &mut self.bytes)?;
        let colon = self.bytes.iter().position(|byte| *byte == b':');
        let (digest, rest) = self.bytes.split_at_mut(colon.ok_or(Unreadable::Malformed)?);
        let json = &mut rest[1..];
        // Before reading: reading tames the bytes that the digest was made over.
        let genuine = self.keys.as_ref().map(|keys| {
            keys.iter()
                .any(|(_, key)| same(hex(&key.of(json)).as_bytes(), digest))
        });
        let Payload {
            user,
            backend,
            auth_hash,
            expiry,
            impersonation,
        } = payload::read(json, names)?;
        Ok(Decoded {
            user,
            backend,
            auth_hash,
            last_saved: None,
            expiry,
            signature: verdict(genuine),
            form: Form::Legacy,
            impersonation,
        })
    }
}

fn verdict(genuine: Option<bool>) -> Signature {
    match genuine {
        None => Signature::Unchecked,
        Some(true) => Signature::Verified,
        Some(false) => Signature::Invalid,
    }
}

/// What Django itself writes is read the fast way; whatever else Python takes, by the lenient one.
fn unbase64((fast, lenient): Alphabet, text: &str, into: &mut Vec<u8>) -> Result<(), Unreadable> {
    into.clear();
    if fast.decode_append(text.as_bytes(), into).is_ok() {
        return Ok(());
    }
    into.clear();
    lenient
        .decode_vec(text, into)
        .map_err(|_| Unreadable::NotBase64)
}

#[cfg(test)]
#[path = "decode_tests.rs"]
mod tests;

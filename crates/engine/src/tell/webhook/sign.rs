//! Signatures as the Standard Webhooks specification says: `v1,` and the HMAC-SHA256 of id, time and body.
//! Symmetric keys alone. Invariant: a key is never printed.

use base64::Engine;
use base64::alphabet::STANDARD as ALPHABET;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use sha2::Sha256;

use crate::error::{Code, Error, Result};

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &ALPHABET,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// One key or, while keys are being changed, several.
#[derive(Debug)]
pub(super) struct Keys(Vec<SecretSlice<u8>>);

impl Keys {
    /// Reads `whsec_` and base64; several are separated by spaces.
    pub(super) fn read(secret: &SecretString) -> Result<Self> {
        let wrong = || {
            Error::new(
                Code::Config,
                "the webhook's secret is not of the form whsec_ and base64; take it from the receiver as it stands there",
            )
        };
        let mut keys = Vec::new();
        for secret in secret.expose_secret().split_whitespace() {
            let encoded = secret.strip_prefix("whsec_").unwrap_or(secret);
            let key = BASE64.decode(encoded).map_err(|_| wrong())?;
            if key.is_empty() {
                return Err(wrong());
            }
            keys.push(SecretSlice::from(key));
        }
        match keys.is_empty() {
            true => Err(wrong()),
            false => Ok(Self(keys)),
        }
    }

    /// The value of `webhook-signature`: one signature a key, separated by spaces.
    pub(super) fn sign(&self, id: &str, seconds: i64, body: &str) -> Result<String> {
        let mut signatures = Vec::with_capacity(self.0.len());
        for key in &self.0 {
            let mut mac = Hmac::<Sha256>::new_from_slice(key.expose_secret())
                .map_err(|_| Error::new(Code::Config, "the webhook's secret cannot sign"))?;
            mac.update(format!("{id}.{seconds}.").as_bytes());
            mac.update(body.as_bytes());
            let signature = BASE64.encode(mac.finalize().into_bytes());
            signatures.push(format!("v1,{signature}"));
        }
        Ok(signatures.join(" "))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn keys(secret: &str) -> Result<Keys> {
        Keys::read(&SecretString::from(secret))
    }

    /// The specification's own example, and what its reference library answers to it.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const SIGNED: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    fn sign(secret: &str) -> String {
        let id = "msg_p5jXN8AQM9LWM0D4loKWxJek";
        keys(secret)
            .unwrap()
            .sign(id, 1_614_265_330, r#"{"test": 2432232314}"#)
            .unwrap()
    }

    #[test]
    fn signs_as_the_specification_says() {
        assert_eq!(sign(SECRET), SIGNED);
        assert_eq!(sign("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), SIGNED);
    }

    #[test]
    fn several_keys_sign_each() {
        let other = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
        let both = sign(&format!("{other} {SECRET}"));
        assert_eq!(both, format!("{} {SIGNED}", sign(other)));
        assert_ne!(sign(other), SIGNED);
    }

    #[test]
    fn what_is_no_key_is_refused_and_not_repeated() {
        for secret in ["", " ", "whsec_", "whsec_n0t*base64", "whsk_abcd"] {
            let error = keys(secret).unwrap_err();
            assert_eq!(error.code, Code::Config);
            assert!(!error.message.contains("n0t"));
        }
        assert!(!format!("{:?}", keys(SECRET).unwrap()).contains("MfKQ"));
    }
}

//! Writing a session as Django 3.1 and later does: for the demo site and for tests.
//! Curfew never writes a session into a site that is not its own demo.
//! Invariant: real Django, given the same key, reads back the same fields.

use std::cell::RefCell;
use std::io::{self, Write};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use libdeflater::{CompressionLvl, Compressor};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use serde_json::ser::Formatter;
use serde_json::{Map, Value};

use super::super::base62;
use super::super::secret::SecretKeys;
use super::super::signing::Salted256;
use super::{Expiry, SIGNED_SALT};

/// What goes into a session. All of it empty is a session that was only just created.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fields {
    /// `_auth_user_id`; none for an anonymous visitor.
    pub user: Option<String>,
    /// `_auth_user_backend`, a dotted name. Django signs nobody in without it.
    pub backend: Option<String>,
    /// `_auth_user_hash`, from [`super::super::auth_hash::session_auth_hash`].
    pub auth_hash: Option<String>,
    pub expiry: Expiry,
    /// Whatever else the site keeps there.
    pub extra: Map<String, Value>,
}

/// The text for `session_data`, saved at `saved_at` (to the second) under the site's first key.
pub fn encode(fields: &Fields, keys: &SecretKeys, saved_at: Timestamp) -> String {
    let json = json(fields);
    let compressed = compress(&json);
    // Django's own condition: compression has to save more than the dot that marks it.
    let mut text = match compressed {
        Some(smaller) if smaller.len() + 1 < json.len() => {
            format!(".{}", URL_SAFE_NO_PAD.encode(smaller))
        }
        _ => URL_SAFE_NO_PAD.encode(&json),
    };
    text.push(':');
    text.push_str(&base62::encode(saved_at));
    let signature = Salted256::new(SIGNED_SALT, keys.first()).of(text.as_bytes());
    text.push(':');
    URL_SAFE_NO_PAD.encode_string(signature, &mut text);
    text
}

thread_local! {
    /// Its tables are large, and made once.
    static COMPRESSOR: RefCell<Compressor> = RefCell::new(Compressor::new(CompressionLvl::default()));
}

fn compress(json: &[u8]) -> Option<Vec<u8>> {
    COMPRESSOR.with_borrow_mut(|compressor| {
        let mut bytes = vec![0; compressor.zlib_compress_bound(json.len())];
        let length = compressor.zlib_compress(json, &mut bytes).ok()?;
        bytes.truncate(length);
        Some(bytes)
    })
}

fn json(fields: &Fields) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(256);
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, AsciiOnly);
    match fields.serialize(&mut serializer) {
        Ok(()) => bytes,
        // A map with text keys written into memory has nothing to fail on.
        Err(_) => b"{}".to_vec(),
    }
}

impl Serialize for Fields {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (key, value) in [
            ("_auth_user_id", &self.user),
            ("_auth_user_backend", &self.backend),
            ("_auth_user_hash", &self.auth_hash),
        ] {
            if let Some(value) = value {
                map.serialize_entry(key, value)?;
            }
        }
        match self.expiry {
            Expiry::Default => {}
            Expiry::Seconds(seconds) => map.serialize_entry("_session_expiry", &seconds)?,
            Expiry::BrowserClose => map.serialize_entry("_session_expiry", &0)?,
            Expiry::Fixed(at) => map.serialize_entry("_session_expiry", &isoformat(at))?,
        }
        for (key, value) in &self.extra {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

/// `datetime.isoformat()` of an aware datetime in UTC: microseconds only where there are some.
fn isoformat(at: Timestamp) -> String {
    let at = at.to_zoned(TimeZone::UTC);
    let format = match at.subsec_nanosecond() / 1_000 {
        0 => "%Y-%m-%dT%H:%M:%S+00:00",
        _ => "%Y-%m-%dT%H:%M:%S.%6f+00:00",
    };
    at.strftime(format).to_string()
}

/// `json.dumps` with its default of ASCII alone.
struct AsciiOnly;

impl Formatter for AsciiOnly {
    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let plain = |char: char| (' '..='~').contains(&char);
        for run in fragment.split_inclusive(|char| !plain(char)) {
            let mut chars = run.chars();
            match chars.next_back() {
                Some(last) if !plain(last) => {
                    writer.write_all(chars.as_str().as_bytes())?;
                    for unit in last.encode_utf16(&mut [0; 2]) {
                        write!(writer, "\\u{unit:04x}")?;
                    }
                }
                _ => writer.write_all(run.as_bytes())?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn text_is_ascii_as_python_writes_it() {
        let mut fields = Fields {
            user: Some("7".into()),
            ..Fields::default()
        };
        fields
            .extra
            .insert("n".into(), "a\"é\u{7f}\n\u{1f600}\u{1}z".into());
        assert_eq!(
            String::from_utf8(json(&fields)).unwrap(),
            r#"{"_auth_user_id":"7","n":"a\"\u00e9\u007f\n\ud83d\ude00\u0001z"}"#
        );
    }

    #[test]
    fn moments_are_written_as_isoformat() {
        let written = |text: &str| isoformat(text.parse().unwrap());
        assert_eq!(written("2031-02-03T04:05:06Z"), "2031-02-03T04:05:06+00:00");
        assert_eq!(
            written("2031-02-03T04:05:06.0000009Z"),
            "2031-02-03T04:05:06+00:00"
        );
        assert_eq!(
            written("2031-02-03T04:05:06.00701Z"),
            "2031-02-03T04:05:06.007010+00:00"
        );
    }
}

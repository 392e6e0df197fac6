//! The two names everything hangs on: a session's key, which is a live credential, and a user's id.

use std::borrow::Borrow;
use std::fmt;

use sha2::{Digest, Sha256};
use zeroize::Zeroize;

/// A session key: whoever has it is that user. It has no Display, no Serialize, a redacted Debug, and is wiped when it
/// is let go.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionKey(Box<str>);

/// A session key lent for a moment: out of a row just read, say.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyRef<'a>(&'a str);

impl<'a> KeyRef<'a> {
    pub fn new(key: &'a str) -> Self {
        Self(key)
    }

    pub fn to_key(self) -> SessionKey {
        SessionKey::new(self.0)
    }

    pub(crate) fn expose(self) -> &'a str {
        self.0
    }
}

impl fmt::Debug for KeyRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_key().fmt(f)
    }
}

impl Drop for SessionKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl SessionKey {
    pub fn new(key: impl Into<Box<str>>) -> Self {
        Self(key.into())
    }

    /// For statements alone.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    pub fn lend(&self) -> KeyRef<'_> {
        KeyRef(&self.0)
    }

    /// The first 12 hex digits of its SHA-256: what is shown in its place.
    pub fn fingerprint(&self) -> String {
        let digest = Sha256::digest(self.0.as_bytes());
        let first = digest.iter().take(6);
        let number = first.fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        format!("{number:012x}")
    }
}

impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionKey({}…)", self.fingerprint())
    }
}

/// A user's primary key in the form that Django writes into a session: decimal, hyphenated UUID, or text.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserId(Box<str>);

impl UserId {
    pub fn new(id: impl Into<Box<str>>) -> Self {
        let id = id.into();
        // Kept as 36 characters of text, a UUID is the same in upper case.
        if Self::is_uuid_text(&id)
            && let Some(id) = Self::from_uuid_text(&id)
        {
            return id;
        }
        Self(id)
    }

    /// A UUID however the database spells it: 32 or 36 characters, any case.
    pub fn from_uuid_text(text: &str) -> Option<Self> {
        sqlx::types::Uuid::try_parse(text)
            .ok()
            .map(|u| Self(u.hyphenated().to_string().into()))
    }

    /// Whether it is a UUID in 36 characters, of any case.
    pub(crate) fn is_uuid_text(text: &str) -> bool {
        text.len() == 36 && sqlx::types::Uuid::try_parse(text).is_ok()
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for UserId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_a_fingerprint_not_the_key() {
        let key = SessionKey::new("abcdefghijklmnopqrstuvwxyz012345");
        let shown = format!("{key:?}");
        assert!(!shown.contains("abcdef"));
        assert!(shown.contains(&key.fingerprint()));
        assert_eq!(key.fingerprint().len(), 12);
        // By sha256sum; the second begins with a zero.
        assert_eq!(SessionKey::new("abc").fingerprint(), "ba7816bf8f01");
        assert_eq!(SessionKey::new("k2").fingerprint(), "015f7e6bc5ae");
    }

    #[test]
    fn a_uuid_is_hyphenated_however_it_is_stored() {
        let want = UserId::new("0f8fad5b-d9cb-469f-a165-70867728950e");
        for text in [
            "0f8fad5bd9cb469fa16570867728950e",
            "0F8FAD5B-D9CB-469F-A165-70867728950E",
        ] {
            assert_eq!(UserId::from_uuid_text(text), Some(want.clone()));
        }
        assert_eq!(UserId::from_uuid_text("12"), None);
        assert_eq!(
            UserId::new("0F8FAD5B-D9CB-469F-A165-70867728950E"),
            want,
            "as text"
        );
        // Any other text is what it is.
        let other = "0F8FAD5B-D9CB-469F-A165-7086772895ZZ";
        assert_eq!(UserId::new(other).as_str(), other);
    }
}

//! A site's SECRET_KEY and its SECRET_KEY_FALLBACKS.
//! Where they come from (environment, keychain, a command) is not known here.
//! Invariant: they print as redacted, cannot be serialised, and are wiped when dropped.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};

/// The keys a site signs with: it writes with `first` and still accepts the `fallbacks`.
#[derive(Clone)]
pub struct SecretKeys {
    first: SecretString,
    fallbacks: Vec<SecretString>,
}

impl SecretKeys {
    pub fn new(first: String, fallbacks: Vec<String>) -> Self {
        Self {
            first: first.into(),
            fallbacks: fallbacks.into_iter().map(SecretString::from).collect(),
        }
    }

    /// The key that new signatures are made with.
    pub(crate) fn first(&self) -> &str {
        self.first.expose_secret()
    }

    /// Every accepted key, the current one first.
    pub(super) fn all(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.first)
            .chain(&self.fallbacks)
            .map(ExposeSecret::expose_secret)
    }
}

impl fmt::Debug for SecretKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKeys([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_neither_key() {
        let keys = SecretKeys::new("canary-one".into(), vec!["canary-two".into()]);
        let shown = format!("{keys:?} {keys:#?}");
        assert!(!shown.contains("canary"), "{shown}");
    }
}

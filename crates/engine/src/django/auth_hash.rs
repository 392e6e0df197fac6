//! `_auth_user_hash`: the tie between a session and the password it was opened with.
//! Reading the password column and the session is done elsewhere.
//! Invariant: comparison is in constant time, and an empty stored hash matches nothing.

use super::secret::SecretKeys;
use super::signing::{Salted1, Salted256, hex, same};

const SALT: &str = "django.contrib.auth.models.AbstractBaseUser.get_session_auth_hash";

/// What Django 3.1 and later keeps in the session of a user whose password column holds
/// `password` (the encoded hash, not the password itself): 64 hex digits.
pub fn session_auth_hash(password: &str, key: &str) -> String {
    hex(&Salted256::new(SALT, key).of(password.as_bytes()))
}

/// Whether a session's hash still belongs to the password column's text.
///
/// Tries every key of the site, and where `stored_hash` has its 40 digits also the SHA-1 form
/// that Django up to 3.0 wrote and 3.1 to 3.2 still accept.
pub fn matches(password: &str, stored_hash: &str, keys: &SecretKeys) -> bool {
    keys.all().any(|key| match stored_hash.len() {
        64 => same(
            session_auth_hash(password, key).as_bytes(),
            stored_hash.as_bytes(),
        ),
        40 => {
            let hash = hex(&Salted1::new(SALT, key).of(password.as_bytes()));
            same(hash.as_bytes(), stored_hash.as_bytes())
        }
        _ => false,
    })
}

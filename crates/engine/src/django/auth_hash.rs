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

/// The first 16 digits of an auth hash as a number; what is none begins like no hash there is.
pub fn start(hash: &str) -> u64 {
    let digits = hash.get(..16).filter(|_| matches!(hash.len(), 40 | 64));
    let small = digits.filter(|d| d.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')));
    let number = small.and_then(|digits| u64::from_str_radix(digits, 16).ok());
    number.unwrap_or(u64::MAX)
}

/// The same keys for many passwords.
pub struct Checker(Vec<(Salted256, Salted1)>);

impl Checker {
    pub fn new(keys: &SecretKeys) -> Self {
        let pair = |key| (Salted256::new(SALT, key), Salted1::new(SALT, key));
        Self(keys.all().map(pair).collect())
    }

    /// What hashes made with this password begin with, two for each key: see [`matches()`] and [`start`].
    pub fn starts(&self, password: &str) -> Vec<u64> {
        let first = |bytes: &[u8]| {
            let bytes = bytes.first_chunk::<8>().copied().unwrap_or_default();
            u64::from_be_bytes(bytes)
        };
        self.0
            .iter()
            .flat_map(|(new, old)| {
                [
                    first(&new.of(password.as_bytes())),
                    first(&old.of(password.as_bytes())),
                ]
            })
            .collect()
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_begins_as_said_where_it_matches_and_nowhere_else() {
        let keys = SecretKeys::new("the key now".into(), vec!["the key before".into()]);
        let checker = Checker::new(&keys);
        let old = |password: &str, key: &str| hex(&Salted1::new(SALT, key).of(password.as_bytes()));
        let mut hashes = vec![
            String::new(),
            "0".repeat(64),
            "x".repeat(64),
            "é".repeat(32),
        ];
        for password in ["one", "two"] {
            for key in ["the key now", "the key before", "another"] {
                hashes.push(session_auth_hash(password, key));
                hashes.push(old(password, key));
            }
        }
        hashes.push(session_auth_hash("one", "the key now").to_uppercase());
        hashes.push(session_auth_hash("one", "the key now")[..40].to_owned());
        for password in ["one", "two", "three"] {
            let starts = checker.starts(password);
            for hash in &hashes {
                // Forty digits of the long form begin as it does; nobody writes them.
                let cut =
                    hash.len() == 40 && session_auth_hash(password, keys.first()).starts_with(hash);
                let fits = starts.contains(&start(hash)) && !cut;
                assert_eq!(fits, matches(password, hash, &keys), "{password} {hash}");
            }
        }
    }
}

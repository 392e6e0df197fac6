//! The demo site's SECRET_KEY, and the other random text of a site: session keys, passwords.
//! The key lies in a file beside the site and not in it, so that the tables stay Django's own.
//! Invariant: on Unix the file is its owner's alone, from the moment it exists.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};

use crate::django::secret::SecretKeys;
use crate::error::{Code, Error, Result};

/// The characters of the keys that `startproject` makes.
const KEY_CHARS: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789!@#$%^&*(-_=+)";
const SESSION_CHARS: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789";
const PASSWORD_CHARS: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

/// The SECRET_KEY of the demo site at `path`, from the file `<path>.secret`.
pub fn secret_key(path: &Path) -> Result<SecretString> {
    let file = beside(path);
    match crate::regular::read_to_string(&file) {
        Ok(text) if !text.trim().is_empty() => Ok(text.trim().into()),
        Ok(_) => Err(unusable(&file, &"it is empty")),
        Err(error) => Err(unusable(&file, &error)),
    }
}

pub(super) fn make_or_keep(path: &Path) -> Result<SecretKeys> {
    let file = beside(path);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(&file) {
        Ok(mut new) => {
            let key = random_text(50, KEY_CHARS)?;
            new.write_all(format!("{key}\n").as_bytes())
                .map_err(|error| unusable(&file, &error))?;
            Ok(SecretKeys::new(key, vec![]))
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => keys(path),
        Err(error) => Err(unusable(&file, &error)),
    }
}

pub(super) fn keys(path: &Path) -> Result<SecretKeys> {
    let key = secret_key(path)?;
    Ok(SecretKeys::new(key.expose_secret().to_owned(), vec![]))
}

pub(super) fn session_key() -> Result<String> {
    random_text(32, SESSION_CHARS)
}

/// What Django keeps for someone who cannot sign in with a password; `!` marks it.
pub(super) fn unusable_password() -> Result<String> {
    Ok(format!("!{}", random_text(40, PASSWORD_CHARS)?))
}

fn beside(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".secret");
    name.into()
}

/// Each character equally likely: bytes past the last whole multiple are thrown away.
fn random_text(length: usize, from: &[u8]) -> Result<String> {
    let fair = 256 - 256 % from.len();
    let mut text = String::with_capacity(length);
    let mut bytes = [0; 64];
    while text.len() < length {
        getrandom::fill(&mut bytes).map_err(|error| {
            Error::new(
                Code::File,
                format!("the system gives no random bytes: {error}"),
            )
        })?;
        let missing = length - text.len();
        let drawn = bytes.iter().map(|byte| usize::from(*byte));
        let chars = drawn
            .filter(|drawn| *drawn < fair)
            .map(|drawn| char::from(from[drawn % from.len()]));
        text.extend(chars.take(missing));
    }
    Ok(text)
}

fn unusable(file: &Path, why: &dyn std::fmt::Display) -> Error {
    let file = file.display();
    Error::new(
        Code::File,
        format!("the demo site's key {file} cannot be used: {why}"),
    )
}

//! The system's keychain: on Linux the Secret Service of the desktop, asked over D-Bus. Elsewhere none yet.
//! Servers have none, and that is no error of theirs. Invariant: no call takes longer than 5 s.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use secrecy::SecretString;
use tokio::sync::oneshot;

use crate::error::Code;

const SERVICE: &str = "curfew";
const LIMIT: Duration = Duration::from_secs(5);

/// Calls that never came back, at most.
const MOST_HANGING: u32 = 4;
static UNDER_WAY: AtomicU32 = AtomicU32::new(0);

/// What is kept for a site.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Item {
    Password,
    /// The SECRET_KEY, then one fallback a line.
    SecretKey,
    /// Of the sessions' own database, where that is not the users'.
    SessionsPassword,
    CachePassword,
}

impl Item {
    /// All that can be kept for a site.
    pub const ALL: [Self; 4] = [
        Self::Password,
        Self::SecretKey,
        Self::SessionsPassword,
        Self::CachePassword,
    ];
}

impl std::fmt::Display for Item {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Password => "password",
            Self::SecretKey => "secret_key",
            Self::SessionsPassword => "sessions_password",
            Self::CachePassword => "cache_password",
        })
    }
}

/// Why the keychain did not do as asked. One line each, and no secret in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There is none here, or it cannot be reached.
    #[error("there is no keychain here: {0}. Use password_command and secret_key_command instead")]
    Absent(String),
    /// It is locked, and was not unlocked.
    #[error("the keychain is locked; unlock it and try again")]
    Locked,
    /// It may be waiting for somebody to unlock it.
    #[error("the keychain did not answer within 5 s; unlock it if it asks for that, and try again")]
    Silent,
    #[error("the keychain failed: {0}")]
    Failed(String),
}

impl From<Error> for crate::error::Error {
    fn from(error: Error) -> Self {
        Self::new(Code::Config, error.to_string())
    }
}

/// What is kept for a site. None where nothing is.
pub async fn get(site: &str, item: Item) -> Result<Option<SecretString>, Error> {
    let account = account(site, item);
    aside(move || system::get(&account)).await
}

/// Keeps a secret for a site, in place of an older one.
pub async fn set(site: &str, item: Item, secret: SecretString) -> Result<(), Error> {
    let account = account(site, item);
    aside(move || system::set(&account, &secret)).await
}

/// Forgets what is kept for a site. That nothing was kept is fine too.
pub async fn delete(site: &str, item: Item) -> Result<(), Error> {
    let account = account(site, item);
    aside(move || system::delete(&account)).await
}

fn account(site: &str, item: Item) -> String {
    format!("{site}/{item}")
}

/// Runs a call on a thread of its own. A keychain that hangs keeps the thread, and nobody else.
async fn aside<T: Send + 'static>(
    call: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    if UNDER_WAY.load(Ordering::Relaxed) >= MOST_HANGING {
        return Err(Error::Silent);
    }
    let (done, result) = oneshot::channel();
    UNDER_WAY.fetch_add(1, Ordering::Relaxed);
    let thread = std::thread::Builder::new()
        .name("keychain".into())
        .spawn(move || {
            let _ = done.send(call());
            UNDER_WAY.fetch_sub(1, Ordering::Relaxed);
        });
    if let Err(e) = thread {
        UNDER_WAY.fetch_sub(1, Ordering::Relaxed);
        return Err(Error::Failed(e.to_string()));
    }
    match tokio::time::timeout(LIMIT, result).await {
        Ok(Ok(result)) => result,
        Ok(Err(_)) => Err(Error::Failed("its thread broke off".into())),
        Err(_) => Err(Error::Silent),
    }
}

#[cfg(target_os = "linux")]
mod system {
    use keyring_core::Entry;
    use keyring_core::Error as Ring;
    use keyring_core::api::CredentialStoreApi;
    use secrecy::{ExposeSecret, SecretString};
    use zbus_secret_service_keyring_store::Store;

    use super::{Error, SERVICE};

    fn entry(account: &str) -> Result<Entry, Error> {
        let store = Store::new().map_err(|e| Error::Absent(line(&e)))?;
        store.build(SERVICE, account, None).map_err(|e| failed(&e))
    }

    pub(super) fn get(account: &str) -> Result<Option<SecretString>, Error> {
        match entry(account)?.get_password() {
            Ok(secret) => Ok(Some(SecretString::from(secret))),
            Err(Ring::NoEntry) => Ok(None),
            Err(e) => Err(failed(&e)),
        }
    }

    pub(super) fn set(account: &str, secret: &SecretString) -> Result<(), Error> {
        entry(account)?
            .set_password(secret.expose_secret())
            .map_err(|e| failed(&e))
    }

    pub(super) fn delete(account: &str) -> Result<(), Error> {
        match entry(account)?.delete_credential() {
            Ok(()) | Err(Ring::NoEntry) => Ok(()),
            Err(e) => Err(failed(&e)),
        }
    }

    fn failed(error: &Ring) -> Error {
        match error {
            Ring::NoStorageAccess(_) => Error::Locked,
            Ring::Ambiguous(_) => Error::Failed("it holds several entries of this name".into()),
            error => Error::Failed(line(error)),
        }
    }

    /// The store's own words, in one line. They hold no secret: what was read is in no message of this library.
    fn line(error: &Ring) -> String {
        let text = error.to_string();
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use secrecy::SecretString;

    use super::Error;

    fn none<T>() -> Result<T, Error> {
        Err(Error::Absent("this system's is not supported yet".into()))
    }

    pub(super) fn get(_: &str) -> Result<Option<SecretString>, Error> {
        none()
    }

    pub(super) fn set(_: &str, _: &SecretString) -> Result<(), Error> {
        none()
    }

    pub(super) fn delete(_: &str) -> Result<(), Error> {
        none()
    }
}

//! Where the database's password, the SECRET_KEY and a webhook's secret come from: given, a command, the keychain.
//! In this order; the first that has one decides. Invariant: no secret, and nothing a command prints, is in an error.

mod command;
pub mod keychain;
#[cfg(test)]
mod tests;

use secrecy::SecretString;

use crate::config::{Backend, SiteConfig, WebhookConfig};
use crate::error::{Code, Error, Result};
pub(crate) use command::split;
use keychain::Item;

/// Finds the password and the SECRET_KEY of a site, and puts them into its configuration. What is found nowhere stays
/// out of it: a database may ask for no password, and a SECRET_KEY is not needed to look.
///
/// # Errors
/// `Code::Config` where a command fails. A keychain that fails is logged, and counts as having nothing.
pub async fn complete(config: &mut SiteConfig) -> Result<()> {
    let mut keychain = Keychain::of(config);
    if let Some(password) = password(config, &mut keychain).await? {
        config.address = config.address.with_password(&password);
    }
    if config.secret_key.is_none() {
        if let Some(command) = &config.secret_key_command {
            let (key, fallbacks) = command::run_lines("secret_key_command", command).await?;
            config.secret_key = Some(key);
            config.secret_key_fallbacks = fallbacks;
        } else {
            config.secret_key = keychain.get(&config.name, Item::SecretKey).await;
        }
    }
    Ok(())
}

/// The database's password, where the address has none and the database is one that asks.
///
/// # Errors
/// `Code::Config` where `password_command` fails.
pub async fn resolve_password(config: &SiteConfig) -> Result<Option<SecretString>> {
    password(config, &mut Keychain::of(config)).await
}

async fn password(config: &SiteConfig, keychain: &mut Keychain) -> Result<Option<SecretString>> {
    if config.address.has_password() || matches!(config.address.backend(), Backend::Sqlite(_)) {
        return Ok(None);
    }
    match &config.password_command {
        Some(command) => command::run("password_command", command).await.map(Some),
        None => Ok(keychain.get(&config.name, Item::Password).await),
    }
}

/// What a webhook signs with.
///
/// # Errors
/// `Code::Config` where there is none: a message that nobody can verify is not sent.
pub async fn webhook_secret(config: &WebhookConfig) -> Result<SecretString> {
    match (&config.secret, &config.secret_command) {
        (Some(secret), _) => Ok(secret.clone()),
        (None, Some(command)) => command::run("the webhook's secret_command", command).await,
        (None, None) => Err(Error::new(
            Code::Config,
            "the webhook has no secret to sign with; set secret or secret_command under [site.webhook]",
        )),
    }
}

/// The keychain, as long as it is worth asking.
struct Keychain {
    ask: bool,
}

impl Keychain {
    /// Nothing was ever kept for a site that is in no configuration.
    fn of(config: &SiteConfig) -> Self {
        Self {
            ask: !config.by_url && !config.demo,
        }
    }

    /// A failure is logged, and the last that is asked of it: a keychain that hangs costs its 5 s once.
    async fn get(&mut self, site: &str, item: Item) -> Option<SecretString> {
        if !self.ask {
            return None;
        }
        match keychain::get(site, item).await {
            Ok(found) => found,
            Err(error) => {
                self.ask = false;
                match error {
                    keychain::Error::Absent(_) => tracing::debug!(%error, "no {item}"),
                    error => tracing::warn!(%error, "no {item}"),
                }
                None
            }
        }
    }
}

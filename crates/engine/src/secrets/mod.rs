//! Where a site's passwords, its SECRET_KEY and a webhook's secret come from: given, a command, the keychain.
//! In this order; the first that has one decides. Invariant: no secret, and nothing a command prints, is in an error.

mod command;
pub mod keychain;
pub mod redact;
#[cfg(test)]
mod tests;

use secrecy::{ExposeSecret, SecretString};

use crate::config::{Address, Backend, CacheKind, SiteConfig, WebhookConfig};
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
    // A streaming replica has the roles of its primary, passwords and all.
    if let Some(replica) = config.read_address.as_ref().filter(|a| asks(a))
        && let Some(password) = config.address.password()
    {
        config.read_address = Some(replica.with_password(&password));
    }
    complete_sessions(config, &mut keychain).await?;
    if config.secret_key.is_none() {
        if let Some(command) = &config.secret_key_command {
            let (key, fallbacks) = command::run_lines("secret_key_command", command).await?;
            config.secret_key = Some(key);
            config.secret_key_fallbacks = fallbacks;
        } else {
            let kept = keychain.get(&config.name, Item::SecretKey).await;
            // The key, then one fallback a line, as a command prints them.
            if let Some((key, fallbacks)) = kept.and_then(|kept| split(kept.expose_secret())) {
                config.secret_key = Some(key);
                config.secret_key_fallbacks = fallbacks;
            }
        }
    }
    Ok(())
}

/// The passwords of the sessions' own database and of the cache, where the site has them.
async fn complete_sessions(config: &mut SiteConfig, keychain: &mut Keychain) -> Result<()> {
    let name = &config.name;
    let sessions = &mut config.sessions;
    if let Some(address) = sessions.url.as_ref().filter(|a| asks(a)) {
        let password = match &sessions.password_command {
            Some(command) => Some(command::run("the sessions' password_command", command).await?),
            // Two databases of one server are signed in to with one password.
            None if address.same_login(&config.address) => config.address.password(),
            None => keychain.get(name, Item::SessionsPassword).await,
        };
        if let Some(password) = password {
            sessions.url = Some(address.with_password(&password));
        }
    }
    if let Some(cache) = sessions.cache.as_ref().filter(|c| !c.has_password()) {
        let password = match &sessions.cache_password_command {
            Some(command) => Some(command::run("cache_password_command", command).await?),
            None if *cache.kind() == CacheKind::Memcached => None,
            None => keychain.get(name, Item::CachePassword).await,
        };
        if let Some(password) = password {
            sessions.cache = Some(cache.with_password(&password));
        }
    }
    Ok(())
}

/// Whether a database's password is still to be found.
fn asks(address: &Address) -> bool {
    !address.has_password() && !matches!(address.backend(), Backend::Sqlite(_))
}

/// The database's password, where the address has none and the database is one that asks.
///
/// # Errors
/// `Code::Config` where `password_command` fails.
pub async fn resolve_password(config: &SiteConfig) -> Result<Option<SecretString>> {
    password(config, &mut Keychain::of(config)).await
}

async fn password(config: &SiteConfig, keychain: &mut Keychain) -> Result<Option<SecretString>> {
    if !asks(&config.address) {
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

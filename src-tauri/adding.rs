//! A site that the window has just been told of: tested, saved, its secrets put into the keychain. No secret is
//! written to a file, and none is in what is said about it.

use curfew_engine::config::{Address, Config, Env, SiteConfig, Stated};
use curfew_engine::error::{Code, Error, Result};
use curfew_engine::secrets::keychain::{self, Item};

/// A site that only the window knows of so far: view-only, whatever an address means at a terminal.
pub fn by_address(
    url: &str,
    secret_key: Option<String>,
    stated: &Stated,
    env: &Env,
) -> Result<SiteConfig> {
    let mut site = SiteConfig::by_address(Address::parse(url)?);
    site.armed = false;
    if let Some(given) = &env.session_engine {
        given.apply(&mut site.sessions.engine);
    }
    stated.apply(&mut site);
    if let Some(key) = secret_key.filter(|key| !key.is_empty()) {
        site.secret_key = Some(key.into());
    }
    Ok(site)
}

/// Gives the site its name in the configuration. No name: that of its database. One that is taken is refused.
pub fn name(site: &mut SiteConfig, name: &str, env: &Env) -> Result<()> {
    let name = name.trim();
    if !name.is_empty() {
        site.name = name.to_owned();
    }
    site.by_url = false;
    if Config::load(env)?.sites.iter().any(|s| s.name == site.name) {
        let text = format!(
            "a site named {:?} is configured already; give this one another name",
            site.name
        );
        return Err(Error::new(Code::Config, text));
    }
    Ok(())
}

/// Saves the site, and its password and SECRET_KEY in the keychain. What the keychain did not take is returned,
/// as one sentence for people: the site is saved all the same.
pub async fn save(site: &SiteConfig, env: &Env) -> Result<Option<String>> {
    Config::load(env)?.save_site(site)?;
    let secrets = [
        ("password", Item::Password, site.address.password()),
        ("SECRET_KEY", Item::SecretKey, site.secret_key.clone()),
    ];
    for (name, item, secret) in secrets {
        let Some(secret) = secret else { continue };
        if let Err(error) = keychain::set(&site.name, item, secret).await {
            return Ok(Some(format!(
                "The {name} of {} is known until Curfew is closed, and not kept: {error}",
                site.name
            )));
        }
    }
    Ok(None)
}

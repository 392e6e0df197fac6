//! What was taken becomes a configured site: secrets into the keychain, or where there is none a command that asks
//! the project again; the rest into `config.toml`. A new site is view-only.

use secrecy::ExposeSecret;

use super::Row;
use super::command::Asking;
use super::taken::{Taken, command_key};
use crate::config::{Address, Config, Entry, Env, Plain};
use crate::error::{Code, Error, Result};
use crate::secrets::keychain::{self, Item};
use crate::site::Site;

/// A site that was saved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saved {
    pub name: String,
    /// The configuration that it stands in now.
    pub path: std::path::PathBuf,
    /// What was taken, and of each secret where it is kept.
    pub rows: Vec<Row>,
    /// What could not be taken over or kept: whole sentences.
    pub notes: Vec<String>,
}

/// Refuses a name that is no name, or that is taken.
///
/// # Errors
/// `Code::Config`.
pub fn check_name(name: &str, env: &Env, replace: bool) -> Result<()> {
    let bad = |text: String| Err(Error::new(Code::Config, text));
    if name.trim().is_empty() || name != name.trim() || name.chars().any(char::is_control) {
        return bad("a site needs a name, without blanks around it".into());
    }
    if Address::looks_like(name) || name.contains('@') {
        return bad("a site's name may not look like an address; give it a plain word".into());
    }
    let config = Config::load(env)?;
    if !replace && config.sites.iter().any(|site| site.name == name) {
        return bad(format!(
            "a site named {name:?} is configured already in {}; give this one another name, or replace that one (--replace)",
            config.path.display()
        ));
    }
    Ok(())
}

/// Saves a site. With `replace`, one of that name takes over what was taken here, and keeps the rest of its settings.
///
/// # Errors
/// `Code::Config` for a name that is refused, `Code::File` where the configuration cannot be written; then the
/// keychain is as it was, but for a site that was to be replaced.
pub async fn save(taken: &Taken, env: &Env, replace: bool) -> Result<Saved> {
    check_name(&taken.name, env, replace)?;
    let mut config = Config::load(env)?;
    let known = config.sites.iter().any(|site| site.name == taken.name);
    let mut saved = Saved {
        name: taken.name.clone(),
        path: config.path.clone(),
        rows: taken.rows.clone(),
        notes: taken.notes.clone(),
    };
    let mut entries = taken.entries.clone();
    entries.push(entry((None, "armed"), Some(Plain::Truth(false))));
    let mut kept = Vec::new();
    for item in Item::ALL {
        let command = match keep(taken, item, &mut saved).await {
            Kept::Keychain => {
                kept.push(item);
                None
            }
            Kept::Command(command) => Some(Plain::Text(command)),
            Kept::Not => None,
        };
        entries.push(entry(command_key(item), command));
    }
    if let Err(error) = config.put_site(&taken.name, &entries) {
        if !known {
            for item in kept {
                let _ = keychain::delete(&taken.name, item).await;
            }
        }
        return Err(error);
    }
    Ok(saved)
}

fn entry((table, key): (Option<&'static str>, &'static str), value: Option<Plain>) -> Entry {
    Entry { table, key, value }
}

enum Kept {
    Keychain,
    Command(String),
    Not,
}

/// Finds a place for a secret, and says which.
async fn keep(taken: &Taken, item: Item, saved: &mut Saved) -> Kept {
    let Some(secret) = taken.secrets.iter().find(|secret| secret.item == item) else {
        return Kept::Not;
    };
    let value = secret.value.expose_secret().to_owned();
    let (place, kept) = match keychain::set(&taken.name, item, value.into()).await {
        Ok(()) => ("in the keychain", Kept::Keychain),
        Err(error) => {
            let asking = Asking {
                manage: &taken.manage,
                python: &taken.python,
                settings: taken.settings.as_deref(),
            };
            let command = secret.ask.as_deref().and_then(|ask| asking.command(ask));
            match command {
                Some(command) => {
                    if !matches!(error, keychain::Error::Absent(_)) {
                        saved.notes.push(format!(
                            "The {} is not in the keychain: {error}.",
                            secret.what()
                        ));
                    }
                    ("asked of the project each time", Kept::Command(command))
                }
                None => {
                    let (_, key) = command_key(item);
                    saved.notes.push(format!(
                        "The {} could not be kept ({error}); set {key} to a command that prints it.",
                        secret.what()
                    ));
                    ("not kept", Kept::Not)
                }
            }
        }
    };
    if let Some(row) = saved.rows.get_mut(secret.row) {
        row.value = format!("{}; {place}", row.value);
    }
    kept
}

/// Opens a saved site and looks at it once, as every later command does: how many people are signed in.
///
/// # Errors
/// Why it does not open. The site stays saved.
pub async fn try_out(name: &str, env: &Env) -> Result<u32> {
    let config = Config::load(env)?.pick(Some(name))?;
    let site = Site::open(config, env).await?;
    let looked = site.look().await;
    let signed_in = site.view().counts.signed_in;
    site.close().await;
    looked.map(|_| signed_in)
}

/// Takes a site out of the configuration, and its secrets out of the keychain.
///
/// # Errors
/// `Code::NoSite` where there is none of that name.
pub async fn remove(name: &str, env: &Env) -> Result<()> {
    Config::load(env)?.remove_site(name)?;
    for item in Item::ALL {
        // A machine without a keychain has nothing to forget.
        let _ = keychain::delete(name, item).await;
    }
    Ok(())
}

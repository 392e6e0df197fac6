//! `config.toml`: read with one clear line where it is wrong, written so that people's comments stay.

use std::io::Write;
use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;
use secrecy::SecretString;
use serde::Deserialize;
use toml_edit::{ArrayOfTables, DocumentMut, Item, Table, value};

use super::{
    Address, Env, Policy, SessionsConfig, SiteConfig, UsersConfig, WebhookConfig, default_notices,
    duration,
};
use crate::error::{Code, Error, Result};

/// The configured sites, and the file they stand in.
#[derive(Debug, Clone)]
pub struct Config {
    pub path: PathBuf,
    pub sites: Vec<SiteConfig>,
    env_site: Option<String>,
    env_secret_key: Option<SecretString>,
    env_fallbacks: Vec<SecretString>,
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct RawFile {
    site: Vec<RawSite>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSite {
    name: String,
    url: String,
    #[serde(default)]
    armed: bool,
    #[serde(default)]
    automatic_sweep: bool,
    time_zone: Option<String>,
    #[serde(default)]
    account_switch: bool,
    own_username: Option<String>,
    password_command: Option<String>,
    secret_key_command: Option<String>,
    health_url: Option<String>,
    #[serde(default)]
    webhook: Option<RawWebhook>,
    #[serde(default)]
    users: UsersConfig,
    #[serde(default)]
    sessions: SessionsConfig,
    #[serde(default)]
    policy: Policy,
    #[serde(default)]
    notify: RawNotify,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawWebhook {
    url: String,
    secret: Option<SecretString>,
    secret_command: Option<String>,
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RawNotify {
    idle: bool,
    #[serde(deserialize_with = "duration")]
    idle_from: std::time::Duration,
    sweeps: bool,
    connection: bool,
}

impl Default for RawNotify {
    fn default() -> Self {
        let rules = default_notices();
        Self {
            idle: rules.idle,
            idle_from: std::time::Duration::from_secs(u64::from(rules.idle_from)),
            sweeps: rules.sweeps,
            connection: rules.connection,
        }
    }
}

impl Config {
    /// Reads the configuration. No file means no configured sites.
    pub fn load(env: &Env) -> Result<Self> {
        let path = env.config_dir.join("config.toml");
        let sites = match std::fs::read_to_string(&path) {
            Ok(text) => parse(&text, &path)?,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(e) => {
                return Err(Error::new(
                    Code::File,
                    format!("cannot read {}: {e}", path.display()),
                ));
            }
        };
        Ok(Self {
            path,
            sites,
            env_site: env.site.clone(),
            env_secret_key: env.secret_key.clone(),
            env_fallbacks: env.secret_key_fallbacks.clone(),
        })
    }

    /// The site that is meant: the name or address given, else `CURFEW_SITE`, else the only one configured.
    pub fn pick(&self, named: Option<&str>) -> Result<SiteConfig> {
        let named = named.or(self.env_site.as_deref());
        let mut site = match named {
            Some(text) if Address::looks_like(text) => {
                SiteConfig::by_address(Address::parse(text)?)
            }
            // An address that lost its scheme would be repeated as a name, password and all.
            Some(text) if text.contains('@') && self.sites.iter().all(|s| s.name != text) => {
                return Err(Error::new(
                    Code::NoSite,
                    "the site is no configured name and no address; write postgres://user@host:port/db or sqlite:///absolute/path.sqlite3",
                ));
            }
            Some(name) => self
                .sites
                .iter()
                .find(|s| s.name == name)
                .cloned()
                .ok_or_else(|| {
                    Error::new(
                        Code::NoSite,
                        format!(
                            "no site named {name:?} in {}; {}",
                            self.path.display(),
                            self.names()
                        ),
                    )
                })?,
            None => match self.sites.as_slice() {
                [only] => only.clone(),
                [] => {
                    return Err(Error::new(
                        Code::NoSite,
                        format!(
                            "no site named; give --site URL, set CURFEW_SITE, or add a [[site]] to {}",
                            self.path.display()
                        ),
                    ));
                }
                _ => {
                    return Err(Error::new(
                        Code::NoSite,
                        format!(
                            "more than one site is configured; give --site NAME; {}",
                            self.names()
                        ),
                    ));
                }
            },
        };
        if let Some(key) = &self.env_secret_key {
            site.secret_key = Some(key.clone());
            site.secret_key_fallbacks = self.env_fallbacks.clone();
        }
        Ok(site)
    }

    fn names(&self) -> String {
        if self.sites.is_empty() {
            return "none is configured there".into();
        }
        let names: Vec<_> = self.sites.iter().map(|s| s.name.as_str()).collect();
        format!("configured: {}", names.join(", "))
    }

    /// Writes a site's settings back, in place, or appends it. A password in its address is left out:
    /// it belongs in the keychain or comes from `password_command`.
    pub fn save_site(&mut self, site: &SiteConfig) -> Result<()> {
        self.change(|tables| {
            let table = match place(tables, &site.name) {
                Some(index) => tables.get_mut(index),
                None => {
                    let mut table = Table::new();
                    table["name"] = value(site.name.as_str());
                    table["url"] = value(site.address.without_password());
                    tables.push(table);
                    tables.iter_mut().last()
                }
            };
            if let Some(table) = table {
                fill(table, site);
            }
        })?;
        match self.sites.iter_mut().find(|s| s.name == site.name) {
            Some(old) => *old = site.clone(),
            None => self.sites.push(site.clone()),
        }
        Ok(())
    }

    /// Changes the file's list of sites as it stands on the disk now, and gives what it says then.
    ///
    /// # Errors
    /// `Code::File` where it cannot be read or written; `Code::Config` where it would make no sense, and then
    /// nothing is written.
    pub(super) fn change(
        &self,
        change: impl FnOnce(&mut ArrayOfTables),
    ) -> Result<Vec<SiteConfig>> {
        let failed = |what: &str, e: &dyn std::fmt::Display| {
            Error::new(
                Code::File,
                format!("cannot {what} {}: {e}", self.path.display()),
            )
        };
        let text = match std::fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(e) => return Err(failed("read", &e)),
        };
        let mut document: DocumentMut = text.parse().map_err(|e| failed("read", &e))?;
        let tables = document
            .entry("site")
            .or_insert(Item::ArrayOfTables(ArrayOfTables::new()))
            .as_array_of_tables_mut()
            .ok_or_else(|| failed("change", &"`site` is no list of tables there"))?;
        change(tables);
        let text = document.to_string();
        let sites = parse(&text, &self.path)?;
        if let Some(dir) = self.path.parent() {
            std::fs::create_dir_all(dir).map_err(|e| failed("make the folder of", &e))?;
        }
        replace(&self.path, &text).map_err(|e| failed("write", &e))?;
        Ok(sites)
    }
}

/// Where in the list the site of this name stands.
pub(super) fn place(tables: &ArrayOfTables, name: &str) -> Option<usize> {
    tables
        .iter()
        .position(|t| t.get("name").and_then(Item::as_str) == Some(name))
}

/// Puts a text in a file's place at once. A webhook's secret may stand in it: the file keeps who may read it, and a
/// new one is its owner's alone. A link stays a link.
fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    let target = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    let temporary = target.with_extension("toml.new");
    // What a broken attempt left behind may be readable by anyone.
    match std::fs::remove_file(&temporary) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&temporary)?;
    file.write_all(text.as_bytes())?;
    if let Ok(before) = std::fs::metadata(&target) {
        file.set_permissions(before.permissions())?;
    }
    file.sync_all()?;
    std::fs::rename(&temporary, &target)
}

/// What the window can change; the rest of the table stays as people wrote it.
fn fill(table: &mut Table, site: &SiteConfig) {
    let span = |d: std::time::Duration| value(humantime::format_duration(d).to_string());
    table["armed"] = value(site.armed);
    table["automatic_sweep"] = value(site.automatic_sweep);
    let policy = subtable(table, "policy");
    policy["idle_after"] = span(site.policy.idle_after);
    policy["sign_out_after"] = span(site.policy.sign_out_after);
    policy["sweep_every"] = span(site.policy.sweep_every);
    policy["max_share"] = value(site.policy.max_share);
    let mut exempt = toml_edit::InlineTable::new();
    exempt.insert("staff", site.policy.exempt.staff.into());
    exempt.insert("superusers", site.policy.exempt.superusers.into());
    let names: toml_edit::Array = site
        .policy
        .exempt
        .usernames
        .iter()
        .map(String::as_str)
        .collect();
    exempt.insert("usernames", names.into());
    policy["exempt"] = value(exempt);
    let notify = subtable(table, "notify");
    notify["idle"] = value(site.notices.idle);
    notify["idle_from"] = span(std::time::Duration::from_secs(u64::from(
        site.notices.idle_from,
    )));
    notify["sweeps"] = value(site.notices.sweeps);
    notify["connection"] = value(site.notices.connection);
}

pub(super) fn subtable<'a>(table: &'a mut Table, name: &str) -> &'a mut Item {
    let item = table
        .entry(name)
        .or_insert_with(|| Item::Table(Table::new()));
    if !item.is_table_like() {
        *item = Item::Table(Table::new());
    }
    item
}

fn parse(text: &str, path: &Path) -> Result<Vec<SiteConfig>> {
    let raw: RawFile = toml_edit::de::from_str(text).map_err(|e| {
        let line = e
            .span()
            .map(|s| text[..s.start.min(text.len())].lines().count().max(1))
            .map(|n| format!(" line {n}"))
            .unwrap_or_default();
        Error::new(
            Code::Config,
            format!("{}{line}: {}", path.display(), e.message()),
        )
    })?;
    let mut sites: Vec<SiteConfig> = Vec::with_capacity(raw.site.len());
    for raw in raw.site {
        let name = raw.name.clone();
        let site = site(raw).map_err(|e| {
            Error::new(
                e.code,
                format!("{}: site {name:?}: {}", path.display(), e.message),
            )
        })?;
        if sites.iter().any(|s| s.name == site.name) {
            return Err(Error::new(
                Code::Config,
                format!("{}: two sites are named {name:?}", path.display()),
            ));
        }
        sites.push(site);
    }
    Ok(sites)
}

fn site(raw: RawSite) -> Result<SiteConfig> {
    raw.policy.check()?;
    if let Some(form) = &raw.sessions.cache_key
        && !form.contains("{key}")
        && !form.contains("{session_key}")
    {
        return Err(Error::new(
            Code::Config,
            "cache_key has no {key} in it; write what KEY_FUNCTION makes, with {prefix}, {version} and {key}",
        ));
    }
    Ok(SiteConfig {
        name: raw.name,
        address: Address::parse(&raw.url)?,
        armed: raw.armed,
        by_url: false,
        demo: false,
        automatic_sweep: raw.automatic_sweep,
        time_zone: raw.time_zone.as_deref().map(time_zone).transpose()?,
        account_switch: raw.account_switch,
        own_username: raw.own_username,
        password_command: raw.password_command,
        secret_key_command: raw.secret_key_command,
        secret_key: None,
        secret_key_fallbacks: Vec::new(),
        health_url: raw.health_url,
        webhook: raw.webhook.map(|w| WebhookConfig {
            url: w.url,
            secret: w.secret,
            secret_command: w.secret_command,
        }),
        users: raw.users,
        sessions: raw.sessions,
        policy: raw.policy,
        notices: crate::view::NoticeRules {
            idle: raw.notify.idle,
            idle_from: u32::try_from(raw.notify.idle_from.as_secs()).unwrap_or(u32::MAX),
            sweeps: raw.notify.sweeps,
            connection: raw.notify.connection,
        },
    })
}

fn time_zone(name: &str) -> Result<TimeZone> {
    TimeZone::get(name).map_err(|_| {
        Error::new(
            Code::Config,
            format!(
                "time_zone {name:?} is no time zone; write it as TIME_ZONE has it, Europe/Berlin"
            ),
        )
    })
}

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn a_saved_configuration_keeps_its_comments_its_readers_and_its_link() {
        let folder = tempfile::tempdir().unwrap();
        let (real, linked) = (
            folder.path().join("real"),
            folder.path().join("config.toml"),
        );
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        std::fs::write(
            &real,
            "# ours\n[[site]]\nname = \"shop\" # the shop\nurl = \"sqlite:///srv/shop.sqlite3\"\n",
        )
        .unwrap();
        std::fs::set_permissions(&real, PermissionsExt::from_mode(0o640)).unwrap();
        symlink(&real, &linked).unwrap();
        let env = Env {
            config_dir: folder.path().to_path_buf(),
            state_dir: folder.path().to_path_buf(),
            site: None,
            secret_key: None,
            secret_key_fallbacks: Vec::new(),
        };
        let mut config = Config::load(&env).unwrap();
        let mut site = config.pick(Some("shop")).unwrap();
        site.automatic_sweep = true;
        config.save_site(&site).unwrap();
        let text = std::fs::read_to_string(&real).unwrap();
        assert!(
            text.contains("# ours") && text.contains("# the shop"),
            "{text}"
        );
        assert!(Config::load(&env).unwrap().sites[0].automatic_sweep);
        assert_eq!(mode(&real), 0o640);
        assert!(linked.is_symlink());

        std::fs::remove_file(&linked).unwrap();
        config.save_site(&site).unwrap();
        assert_eq!(mode(&linked), 0o600);
    }
}

//! `config.toml`: read with one clear line where it is wrong.

use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;
use secrecy::SecretString;
use serde::Deserialize;

use super::{
    ActivityConfig, Address, Backend, Env, GivenEngine, Policy, SessionsConfig, SiteConfig,
    UsersConfig, WebhookConfig, default_notices, duration,
};
use crate::error::{Code, Error, Result};
use crate::regular;

/// The configured sites, and the file they stand in.
#[derive(Debug, Clone)]
pub struct Config {
    pub path: PathBuf,
    pub sites: Vec<SiteConfig>,
    env_site: Option<String>,
    env_session_engine: Option<GivenEngine>,
    env_secret_key: Option<SecretString>,
    env_fallbacks: Vec<SecretString>,
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawFile {
    site: Vec<RawSite>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSite {
    name: String,
    url: String,
    read_url: Option<String>,
    schema: Option<String>,
    #[serde(default)]
    armed: bool,
    #[serde(default)]
    automatic_sweep: bool,
    time_zone: Option<String>,
    #[serde(default)]
    account_switch: bool,
    #[serde(default)]
    revoke_tokens: bool,
    own_username: Option<String>,
    password_command: Option<String>,
    secret_key_command: Option<String>,
    health_url: Option<String>,
    #[serde(default)]
    webhook: Option<RawWebhook>,
    journal_heads: Option<PathBuf>,
    system_log: Option<PathBuf>,
    #[serde(default)]
    users: UsersConfig,
    #[serde(default)]
    sessions: SessionsConfig,
    #[serde(default)]
    activity: ActivityConfig,
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
        let sites = match regular::read_to_string(&path) {
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
            env_session_engine: env.session_engine.clone(),
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
            Some(name) => match self.sites.iter().find(|s| s.name == name) {
                Some(site) => site.clone(),
                None => return Err(self.unknown(name)),
            },
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
        if let Some(given) = &self.env_session_engine {
            given.apply(&mut site.sessions.engine);
        }
        if let Some(key) = &self.env_secret_key {
            site.secret_key = Some(key.clone());
            site.secret_key_fallbacks = self.env_fallbacks.clone();
        }
        Ok(site)
    }

    /// No site is named so. A text that may hold a password is not repeated.
    pub(super) fn unknown(&self, name: &str) -> Error {
        let text = if Address::is_plain_name(name) {
            format!(
                "no site named {name:?} in {}; {}",
                self.path.display(),
                self.names()
            )
        } else {
            "the site is no configured name and no address; write postgres://user@host:port/db, mysql://user@host:port/db or sqlite:///absolute/path.sqlite3".into()
        };
        Error::new(Code::NoSite, text)
    }

    fn names(&self) -> String {
        if self.sites.is_empty() {
            return "none is configured there".into();
        }
        let names: Vec<_> = self.sites.iter().map(|s| s.name.as_str()).collect();
        format!("configured: {}", names.join(", "))
    }
}

pub(super) fn parse(text: &str, path: &Path) -> Result<Vec<SiteConfig>> {
    let raw: RawFile = toml_edit::de::from_str(text).map_err(|e| {
        let what = super::mistake::explain(text, e.span().map(|span| span.start), e.message());
        Error::new(Code::Config, format!("{}: {what}", path.display()))
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

/// An error of the file's reader without the value that it repeats, which may be a secret in the wrong place.
pub(super) fn without_values(message: &str) -> String {
    for kind in ["invalid type: string ", "invalid value: string "] {
        if let Some((before, after)) = message.split_once(kind)
            && let Some((_, expected)) = after.rsplit_once("\", expected ")
        {
            return format!("{before}{kind}***, expected {expected}");
        }
    }
    if let Some((before, after)) = message.split_once("unknown variant `")
        && let Some((_, expected)) = after.rsplit_once("`, expected one of ")
    {
        return format!("{before}unknown variant ***, expected one of {expected}");
    }
    message.to_owned()
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
    let address = Address::parse(&raw.url)?;
    let read_address = raw.read_url.as_deref().map(Address::parse).transpose()?;
    if let Some(replica) = &read_address
        && [&address, replica].map(Address::backend) != [&Backend::Postgres; 2]
    {
        return Err(Error::new(
            Code::Config,
            "read_url is for a streaming replica of PostgreSQL, beside a url of PostgreSQL; leave it out",
        ));
    }
    Ok(SiteConfig {
        name: raw.name,
        address,
        read_address,
        schema: raw.schema,
        armed: raw.armed,
        by_url: false,
        demo: false,
        automatic_sweep: raw.automatic_sweep,
        time_zone: raw.time_zone.as_deref().map(time_zone).transpose()?,
        account_switch: raw.account_switch,
        revoke_tokens: raw.revoke_tokens,
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
        journal_heads: raw.journal_heads,
        system_log: super::log::socket(raw.system_log),
        users: raw.users,
        sessions: raw.sessions,
        activity: raw.activity,
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

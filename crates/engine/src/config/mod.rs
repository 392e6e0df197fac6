//! Which sites there are and how each is looked at: `config.toml`, the environment, an address on the command line.
//! Secrets stay in redacting types; nothing here opens a connection.

mod address;
mod cache;
mod engine;
mod engine_name;
mod env;
mod exposed;
mod file;
mod log;
mod mistake;
mod search_path;
mod sites;
mod stated;
mod write;

use std::path::PathBuf;
use std::time::Duration;

use jiff::tz::TimeZone;
use secrecy::SecretString;
use serde::Deserialize;

pub use address::{Address, Backend};
pub use cache::{CacheAddress, CacheKind};
pub use engine::{Base, Engine};
pub use engine_name::{EngineName, GivenEngine};
pub use env::Env;
pub use file::Config;
pub(crate) use sites::{Entry, Plain};
pub use stated::Stated;

use crate::django::backends::Backends;
use crate::error::{Code, Error, Result};
use crate::store::Compared;
use crate::view::{NoticeRules, PolicyView};

/// One site, as configured or named by address.
#[derive(Debug, Clone)]
pub struct SiteConfig {
    pub name: String,
    pub address: Address,
    /// A streaming replica of the same PostgreSQL, for looks that decide nothing.
    pub read_address: Option<Address>,
    /// The schema that the site's tables are in, if the operator named one.
    pub schema: Option<String>,
    /// False: look, never touch.
    pub armed: bool,
    /// Named by address alone, not in the configuration.
    pub by_url: bool,
    pub demo: bool,
    /// Whether the window's timer sweeps.
    pub automatic_sweep: bool,
    /// Where naive times are this zone's wall clock (USE_TZ off); none where they are UTC.
    pub time_zone: Option<TimeZone>,
    /// The operator lets Curfew write `is_active`.
    pub account_switch: bool,
    /// A sign-out of a user also revokes the user's API tokens.
    pub revoke_tokens: bool,
    /// The operator's own account on this site: warned of before a logout, spared by sweeps.
    pub own_username: Option<String>,
    pub password_command: Option<String>,
    pub secret_key_command: Option<String>,
    /// Known already: from the environment, a command or the keychain.
    pub secret_key: Option<SecretString>,
    pub secret_key_fallbacks: Vec<SecretString>,
    pub health_url: Option<String>,
    pub webhook: Option<WebhookConfig>,
    /// A file that the journal's heads are appended to, best on another machine.
    pub journal_heads: Option<PathBuf>,
    /// The system log's socket, which takes the journal's heads. `None` if they are not logged.
    pub system_log: Option<PathBuf>,
    pub users: UsersConfig,
    pub sessions: SessionsConfig,
    pub activity: ActivityConfig,
    pub policy: Policy,
    pub notices: NoticeRules,
}

/// Its Debug shows no address: a token may stand in one.
#[derive(Clone)]
pub struct WebhookConfig {
    pub url: String,
    pub secret: Option<SecretString>,
    pub secret_command: Option<String>,
}

impl std::fmt::Debug for WebhookConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WebhookConfig")
    }
}

/// Names in the user table. What is left out is discovered.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UsersConfig {
    pub table: Option<String>,
    pub id: Option<String>,
    pub username: Option<String>,
    pub last_activity: Option<String>,
    pub flag: Option<String>,
    /// AUTHENTICATION_BACKENDS. Empty if nobody has said it.
    pub backends: Vec<String>,
    /// Those of them that admit users whose `is_active` is false.
    pub backends_admitting_disabled: Vec<String>,
}

impl UsersConfig {
    pub(crate) fn accepted(&self) -> Backends {
        Backends {
            listed: self.backends.clone(),
            admitting_disabled: self.backends_admitting_disabled.clone(),
        }
    }
}

/// Where sessions live and what their saves mean.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SessionsConfig {
    /// Django's own dotted name, and how it is known.
    pub engine: EngineName,
    /// What an engine of the site's own is built on.
    pub base: Option<Base>,
    /// The sessions' database, where it is not the users'.
    #[serde(deserialize_with = "optional_address")]
    pub url: Option<Address>,
    /// Prints the password of that database.
    pub password_command: Option<String>,
    pub table: Option<String>,
    /// The session table's own user column.
    pub user: Option<String>,
    /// A session's last save is evidence of inactivity too.
    pub saved_every_request: bool,
    /// SESSION_COOKIE_AGE; none where nobody has said it, and Django's own default is taken.
    #[serde(deserialize_with = "optional_duration")]
    pub cookie_age: Option<Duration>,
    pub cache: Option<CacheAddress>,
    pub cache_password_command: Option<String>,
    pub cache_key_prefix: String,
    pub cache_version: u32,
    /// A site's own KEY_FUNCTION, with `{prefix}`, `{version}` and `{key}` for its arguments. `{session_key}` in
    /// place of `{key}` has nothing of the engine's before it: for a store with a `cache_key_prefix` of its own.
    pub cache_key: Option<String>,
    /// SESSION_FILE_PATH of the file engine.
    pub path: Option<PathBuf>,
    /// SESSION_COOKIE_NAME: the file engine's files begin with it.
    pub cookie_name: String,
    /// django-loginas' LOGINAS_FROM_USER_SESSION_FLAG, if the site changed it.
    pub loginas_key: Option<String>,
}

/// How the site records activity.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ActivityConfig {
    /// The operator states how often the activity column is written for a user who is working.
    #[serde(deserialize_with = "optional_duration")]
    pub activity_grain: Option<Duration>,
}

/// SESSION_COOKIE_AGE where the site does not say otherwise.
const COOKIE_AGE: Duration = Duration::from_secs(1_209_600);

impl SessionsConfig {
    /// Whether the engine is stated, or shown by the site's data. Otherwise no result can be verified. `copies`: a configured
    /// cache has shown a copy of a row.
    pub fn engine_known(&self, copies: bool) -> bool {
        self.engine.is_known(copies) || self.base.is_some()
    }

    /// SESSION_COOKIE_AGE, said or taken for granted.
    pub fn age(&self) -> Duration {
        self.cookie_age.unwrap_or(COOKIE_AGE)
    }
}

impl Default for SessionsConfig {
    fn default() -> Self {
        Self {
            engine: EngineName::default(),
            base: None,
            url: None,
            password_command: None,
            table: None,
            user: None,
            saved_every_request: false,
            cookie_age: None,
            cache: None,
            cache_password_command: None,
            cache_key_prefix: String::new(),
            cache_version: 1,
            cache_key: None,
            path: None,
            cookie_name: "sessionid".into(),
            loginas_key: None,
        }
    }
}

/// Who is never swept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Exempt {
    pub staff: bool,
    pub superusers: bool,
    pub usernames: Vec<String>,
    /// The operator's own username on this site: `own_username`, put in where the policy is asked for.
    #[serde(skip)]
    pub own: Option<String>,
    /// How the site's database compares usernames, put in where the policy is asked for.
    #[serde(skip)]
    pub compared: Compared,
}

/// When people count as idle, and when they are signed out.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    #[serde(deserialize_with = "duration")]
    pub idle_after: Duration,
    #[serde(deserialize_with = "duration")]
    pub sign_out_after: Duration,
    #[serde(deserialize_with = "duration")]
    pub sweep_every: Duration,
    /// Of those signed in, 0 to 1; beyond it, and beyond 20 people, a sweep asks first.
    pub max_share: f64,
    pub exempt: Exempt,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            idle_after: Duration::from_secs(5 * 60),
            sign_out_after: Duration::from_secs(35 * 60),
            sweep_every: Duration::from_secs(5 * 60),
            max_share: 0.5,
            exempt: Exempt::default(),
        }
    }
}

impl Policy {
    /// Refuses what cannot be meant: zero durations, a sign-out before idleness, a share beyond 1.
    pub fn check(&self) -> Result<()> {
        let say = |text: String| Err(Error::new(Code::Config, text));
        for (name, value) in [
            ("idle_after", self.idle_after),
            ("sign_out_after", self.sign_out_after),
            ("sweep_every", self.sweep_every),
        ] {
            if value < Duration::from_secs(1) {
                return say(format!(
                    "{name} is shorter than a second; write it as 90s, 5m, 2h or 14d"
                ));
            }
            if value > Duration::from_secs(3650 * 86_400) {
                return say(format!("{name} is longer than ten years"));
            }
        }
        if self.sign_out_after < self.idle_after {
            return say(format!(
                "sign_out_after ({}) is shorter than idle_after ({}); people are idle first and signed out later",
                humantime::format_duration(self.sign_out_after),
                humantime::format_duration(self.idle_after)
            ));
        }
        if !(0.0..=1.0).contains(&self.max_share) {
            return say(format!(
                "max_share is {}; it is a share between 0 and 1",
                self.max_share
            ));
        }
        Ok(())
    }

    pub fn view(&self) -> PolicyView {
        let seconds = |d: Duration| u32::try_from(d.as_secs()).unwrap_or(u32::MAX);
        PolicyView {
            idle_after: seconds(self.idle_after),
            sign_out_after: seconds(self.sign_out_after),
            sweep_every: seconds(self.sweep_every),
            max_share: self.max_share,
            exempt_staff: self.exempt.staff,
            exempt_superusers: self.exempt.superusers,
            exempt_usernames: self.exempt.usernames.clone(),
        }
    }
}

impl From<PolicyView> for Policy {
    fn from(view: PolicyView) -> Self {
        let seconds = |s: u32| Duration::from_secs(u64::from(s));
        Self {
            idle_after: seconds(view.idle_after),
            sign_out_after: seconds(view.sign_out_after),
            sweep_every: seconds(view.sweep_every),
            max_share: view.max_share,
            exempt: Exempt {
                staff: view.exempt_staff,
                superusers: view.exempt_superusers,
                usernames: view.exempt_usernames,
                compared: Compared::default(),
                own: None,
            },
        }
    }
}

impl SiteConfig {
    /// A site that only an address is known of: discovery and the defaults, and armed, for to type it is the consent.
    pub fn by_address(address: Address) -> Self {
        Self {
            name: address.site_name(),
            address,
            read_address: None,
            schema: None,
            armed: true,
            by_url: true,
            demo: false,
            automatic_sweep: false,
            time_zone: None,
            account_switch: false,
            revoke_tokens: false,
            own_username: None,
            password_command: None,
            secret_key_command: None,
            secret_key: None,
            secret_key_fallbacks: Vec::new(),
            health_url: None,
            webhook: None,
            journal_heads: None,
            system_log: log::socket(None),
            users: UsersConfig::default(),
            sessions: SessionsConfig::default(),
            activity: ActivityConfig::default(),
            policy: Policy::default(),
            notices: default_notices(),
        }
    }
}

impl SiteConfig {
    /// The site in this schema. Known by its address alone, it gets a name of its own, because the journal keeps sites
    /// apart by their names.
    pub fn in_schema(&mut self, schema: &str) {
        if self.by_url && self.schema.as_deref() != Some(schema) {
            self.name = format!("{}.{schema}", self.name);
        }
        self.schema = Some(schema.to_owned());
    }
}

/// What is told on the desktop unless the configuration says otherwise.
pub fn default_notices() -> NoticeRules {
    NoticeRules {
        idle: true,
        idle_from: 300,
        sweeps: true,
        connection: true,
    }
}

/// `90s`, `5m`, `2h`, `14d`.
pub(crate) fn duration<'de, D: serde::Deserializer<'de>>(de: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(de)?;
    humantime::parse_duration(&text).map_err(|_| serde::de::Error::custom("not a duration"))
}

fn optional_duration<'de, D: serde::Deserializer<'de>>(
    de: D,
) -> Result<Option<Duration>, D::Error> {
    duration(de).map(Some)
}

fn optional_address<'de, D: serde::Deserializer<'de>>(de: D) -> Result<Option<Address>, D::Error> {
    Address::parse(&String::deserialize(de)?)
        .map(Some)
        .map_err(|e| serde::de::Error::custom(e.message))
}

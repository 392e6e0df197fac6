//! What a project answers, as `ask.py` words it. Nothing of it is printed: passwords and keys stand in it.

use std::collections::BTreeMap;

use secrecy::SecretString;
use serde::Deserialize;

#[derive(Deserialize)]
pub(super) struct Answer {
    pub django: String,
    /// The settings' module; none where the project has them in no module.
    pub settings: Option<String>,
    pub use_tz: bool,
    pub time_zone: Option<String>,
    /// SECRET_KEY, then its fallbacks.
    pub secret_keys: Option<Vec<Option<SecretString>>>,
    pub users: Option<Users>,
    pub sessions: Option<Sessions>,
    /// `None` if the project is none of django-tenants.
    #[serde(default)]
    pub tenants: Option<Tenants>,
    pub users_database: Option<Database>,
    pub sessions_database: Option<Database>,
    /// What could not be asked.
    pub problems: Vec<Problem>,
}

#[derive(Deserialize)]
pub(super) struct Problem {
    pub part: String,
    pub error: String,
}

#[derive(Deserialize)]
pub(super) struct Users {
    pub model: String,
    /// The model whose table has the names: the user model, or the one it inherits from.
    pub home: String,
    pub table: String,
    pub id: String,
    pub username: String,
    /// The model makes session hashes in its own way.
    pub own_hash: bool,
    /// AUTHENTICATION_BACKENDS.
    #[serde(default)]
    pub backends: Vec<String>,
    /// Those of them that admit disabled accounts, or may do so.
    #[serde(default)]
    pub admitting_disabled: Vec<String>,
}

#[derive(Deserialize)]
pub(super) struct Tenants {
    /// The schema that all tenants share.
    pub public: String,
    /// Those of the tenants.
    pub schemas: Vec<String>,
    /// Each tenant has users of its own.
    pub users_apart: bool,
    /// Each tenant has a session table of its own.
    pub sessions_apart: bool,
    /// Each tenant has keys of its own in the sessions' cache.
    pub cache_apart: bool,
}

#[derive(Deserialize)]
pub(super) struct Sessions {
    pub engine: String,
    /// The first engine among its ancestors that Curfew knows.
    pub built_on: Option<String>,
    pub cookie_age: i64,
    pub cookie_name: String,
    #[serde(default)]
    pub loginas_key: Option<String>,
    pub save_every_request: bool,
    pub path: String,
    /// Signatures are salted in a way of the site's own.
    pub own_salt: bool,
    #[serde(default)]
    pub alias: Option<String>,
    #[serde(default)]
    pub table: Option<String>,
    #[serde(default)]
    pub user: Option<String>,
    /// What the store puts before a session key.
    #[serde(default)]
    pub cache_key_prefix: Option<String>,
    #[serde(default)]
    pub cache: Option<Cache>,
}

#[derive(Deserialize)]
pub(super) struct Database {
    pub alias: String,
    pub vendor: String,
    pub host: Option<String>,
    pub port: Option<String>,
    pub user: Option<String>,
    pub password: Option<SecretString>,
    /// A Python expression that gives the password; none where it is in a file.
    pub password_ask: Option<String>,
    pub name: Option<String>,
    /// MySQL's `unix_socket`.
    pub socket: Option<String>,
    /// Where a socket is that a client takes without being told.
    pub sockets: Vec<String>,
    /// The file or service that filled in what the settings leave out.
    pub elsewhere: Option<String>,
    /// What was not read yet of OPTIONS.
    pub options: BTreeMap<String, serde_json::Value>,
    /// The zone that naive times of this database are in.
    pub time_zone: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Cache {
    pub alias: String,
    pub backend: Option<String>,
    pub key_prefix: String,
    pub version: String,
    /// The session key that was asked with.
    pub probe: String,
    /// What the cache makes of it.
    pub key: String,
    /// None: a cache that lies in no server.
    #[serde(default)]
    pub kind: Option<Kind>,
    #[serde(default)]
    pub hosts: Vec<String>,
    /// memcached with a user and password.
    #[serde(default)]
    pub login: bool,
    #[serde(default)]
    pub tls: bool,
    #[serde(default)]
    pub socket: Option<String>,
    #[serde(default)]
    pub db: Option<String>,
    #[serde(default)]
    pub service: Option<String>,
    #[serde(default)]
    pub username: Option<String>,
    #[serde(default)]
    pub password: Option<SecretString>,
    #[serde(default)]
    pub password_ask: Option<String>,
    /// TLS without verification.
    #[serde(default, rename = "unsafe")]
    pub unverified: bool,
    /// Certificates of its own.
    #[serde(default)]
    pub certificates: bool,
    #[serde(default)]
    pub sentinel_password: bool,
    #[serde(default)]
    pub shards: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    Redis,
    Cluster,
    Sentinel,
    Memcached,
}

//! A cache's address as the driver wants it: where, as whom, with which certificates.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use percent_encoding::percent_decode_str;
use redis::cluster::ClusterClient;
use redis::sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType};
use redis::{
    Client, ClientTlsConfig, ConnectionAddr, ConnectionInfo, IntoConnectionInfo,
    RedisConnectionInfo, TlsCertificates, TlsMode,
};

use crate::config::{CacheAddress, CacheKind};
use crate::error::{Code, Error, Result};
use crate::regular;

const PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;

/// An address in its parts. It holds the password, so it has no Debug.
pub struct Parts {
    pub tls: bool,
    hosts: Vec<(String, u16)>,
    socket: Option<PathBuf>,
    user: Option<String>,
    password: Option<String>,
    service: Option<String>,
    db: i64,
    sentinel_user: Option<String>,
    sentinel_password: Option<String>,
    certificates: TlsCertificates,
    shown: String,
}

impl Parts {
    pub fn of(address: &CacheAddress) -> Result<Self> {
        let shown = address.shown().to_string();
        let bad =
            |why: &str| Error::new(Code::Config, format!("the cache's address {shown} {why}"));
        let (scheme, rest) = address
            .expose()
            .split_once("://")
            .ok_or_else(|| bad("has no scheme"))?;
        let rest = rest.split('#').next().unwrap_or_default();
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let mut asked: BTreeMap<String, String> = url::form_urlencoded::parse(query.as_bytes())
            .into_owned()
            .collect();
        if asked.contains_key("password") || asked.contains_key("pass") {
            return Err(bad(
                "has its password behind the question mark; write it before the @",
            ));
        }
        let (credentials, place) = rest.rsplit_once('@').unwrap_or(("", rest));
        let decode = |text: &str| -> Result<Option<String>> {
            let text = percent_decode_str(text).decode_utf8();
            let text = text.map_err(|_| bad("is not UTF-8"))?;
            Ok(Some(text.into_owned()).filter(|t| !t.is_empty()))
        };
        let (user, password) = credentials.split_once(':').unwrap_or((credentials, ""));
        let (user, password) = (decode(user)?, decode(password)?);
        let number = |text: &str| {
            text.parse::<i64>()
                .map_err(|_| bad("names no database by its number"))
        };
        let db = asked.remove("db").map(|db| number(&db)).transpose()?;
        let mut parts = Self {
            tls: scheme.starts_with("rediss"),
            hosts: Vec::new(),
            socket: None,
            user,
            password,
            service: None,
            db: db.unwrap_or(0),
            sentinel_user: asked.remove("sentinel_user"),
            sentinel_password: asked.remove("sentinel_password"),
            certificates: TlsCertificates {
                client_tls: None,
                root_cert: asked
                    .remove("ssl_ca_certs")
                    .map(|path| file(&path))
                    .transpose()?,
            },
            shown: shown.clone(),
        };
        if let (Some(cert), Some(key)) = (asked.remove("ssl_certfile"), asked.remove("ssl_keyfile"))
        {
            parts.certificates.client_tls = Some(ClientTlsConfig {
                client_cert: file(&cert)?,
                client_key: file(&key)?,
            });
        }
        if matches!(scheme, "unix" | "redis+unix") {
            let path = decode(place)?.ok_or_else(|| bad("names no socket"))?;
            parts.socket = Some(PathBuf::from(path));
            return Ok(parts);
        }
        let (hosts, path) = place.split_once('/').unwrap_or((place, ""));
        let path = path.trim_matches('/');
        let sentinels = *address.kind() == CacheKind::RedisSentinel;
        let usual = if sentinels { SENTINEL_PORT } else { PORT };
        for host in hosts.split(',').filter(|host| !host.is_empty()) {
            parts
                .hosts
                .push(host_and_port(host, usual).ok_or_else(|| bad("has a port that is none"))?);
        }
        if parts.hosts.is_empty() {
            return Err(bad("names no host"));
        }
        let database = if sentinels {
            let (service, database) = path.split_once('/').unwrap_or((path, ""));
            parts.service = decode(service)?;
            if parts.service.is_none() {
                return Err(bad(
                    "names no service; write redis+sentinel://host:port/service/db",
                ));
            }
            database
        } else {
            path
        };
        if !database.is_empty() {
            parts.db = number(database)?;
        }
        Ok(parts)
    }

    fn login(&self) -> RedisConnectionInfo {
        let mut login = RedisConnectionInfo::default().set_db(self.db);
        if let Some(user) = &self.user {
            login = login.set_username(user);
        }
        if let Some(password) = &self.password {
            login = login.set_password(password);
        }
        login
    }

    fn place(&self, host: &str, port: u16) -> ConnectionAddr {
        let host = host.to_string();
        if self.tls {
            ConnectionAddr::TcpTls {
                host,
                port,
                insecure: false,
                tls_params: None,
            }
        } else {
            ConnectionAddr::Tcp(host, port)
        }
    }

    fn info(&self, place: ConnectionAddr) -> Result<ConnectionInfo> {
        let info = place.into_connection_info().map_err(|e| self.wrong(&e))?;
        Ok(info.set_redis_settings(self.login()))
    }

    /// One server at this place, with this address's user, database and certificates.
    pub fn server(&self, host: &str, port: u16) -> Result<Client> {
        self.client(self.place(host, port))
    }

    /// The one server that the address names.
    pub fn single(&self) -> Result<Client> {
        match (&self.socket, self.hosts.as_slice()) {
            (Some(path), _) => self.client(ConnectionAddr::Unix(path.clone())),
            (None, [(host, port)]) => self.server(host, *port),
            _ => Err(Error::new(
                Code::Config,
                format!(
                    "the cache's address {} names several servers; of a cluster write redis+cluster://",
                    self.shown
                ),
            )),
        }
    }

    fn client(&self, place: ConnectionAddr) -> Result<Client> {
        let info = self.info(place)?;
        if self.tls {
            Client::build_with_tls(info, self.certificates.clone())
        } else {
            Client::open(info)
        }
        .map_err(|e| self.wrong(&e))
    }

    pub fn cluster(&self) -> Result<ClusterClient> {
        let nodes = self
            .hosts
            .iter()
            .map(|(host, port)| self.info(self.place(host, *port)))
            .collect::<Result<Vec<_>>>()?;
        let mut builder = ClusterClient::builder(nodes)
            .retries(3)
            .connection_timeout(super::link::CONNECT)
            .response_timeout(super::link::DEADLINE);
        if self.tls {
            builder = builder
                .tls(TlsMode::Secure)
                .certs(self.certificates.clone());
        }
        builder.build().map_err(|e| self.wrong(&e))
    }

    pub fn sentinels(&self) -> Result<SentinelClient> {
        let places = self
            .hosts
            .iter()
            .map(|(host, port)| self.place(host, *port));
        let service = self.service.as_deref().unwrap_or_default();
        let mut builder = SentinelClientBuilder::new(places, service, SentinelServerType::Master)
            .map_err(|e| self.wrong(&e))?
            .set_client_to_redis_db(self.db);
        if let Some(user) = &self.user {
            builder = builder.set_client_to_redis_username(user);
        }
        if let Some(password) = &self.password {
            builder = builder.set_client_to_redis_password(password);
        }
        if let Some(user) = &self.sentinel_user {
            builder = builder.set_client_to_sentinel_username(user);
        }
        if let Some(password) = &self.sentinel_password {
            builder = builder.set_client_to_sentinel_password(password);
        }
        if self.tls {
            builder = builder
                .set_client_to_redis_tls_mode(TlsMode::Secure)
                .set_client_to_redis_certificates(self.certificates.clone())
                .set_client_to_sentinel_tls_mode(TlsMode::Secure)
                .set_client_to_sentinel_certificates(self.certificates.clone());
        }
        builder.build().map_err(|e| self.wrong(&e))
    }

    fn wrong(&self, error: &redis::RedisError) -> Error {
        super::explain::explain(error, &self.shown)
    }
}

fn file(path: &str) -> Result<Vec<u8>> {
    regular::read(Path::new(path)).map_err(|e| {
        Error::new(
            Code::File,
            format!("the certificate {path} cannot be read ({e}); name a PEM file"),
        )
    })
}

/// `host`, `host:port`, `[v6]:port`.
fn host_and_port(text: &str, usual: u16) -> Option<(String, u16)> {
    if let Some(rest) = text.strip_prefix('[') {
        let (host, port) = rest.split_once(']')?;
        let port = match port.strip_prefix(':') {
            Some(port) => port.parse().ok()?,
            None => usual,
        };
        return Some((host.to_string(), port));
    }
    match text.split_once(':') {
        Some((host, port)) => Some((host.to_string(), port.parse().ok()?)),
        None => Some((text.to_string(), usual)),
    }
}

//! Servers of every kind, those that are shared and those of one test alone, and a prefix of each test's own in them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use curfew_engine::config::{CacheAddress, Engine, SessionsConfig};
use curfew_engine::store::{Copies, SessionKey, Sessions, cache};
use jiff::{SignedDuration, Timestamp};
use redis::aio::MultiplexedConnection;
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::{Cmd, Value, cmd};

use crate::servers::{Server, answering, free_port, patient, sentinel, with_tls};

/// Runs each of these on every kind of Redis, as tests of their own.
#[macro_export]
macro_rules! on_each_redis {
    ($($name:ident)*) => {
        on_each_redis!(@ plain Plain $($name)*);
        on_each_redis!(@ cluster Cluster $($name)*);
        on_each_redis!(@ sentinel Sentinel $($name)*);
        on_each_redis!(@ socket Socket $($name)*);
        on_each_redis!(@ tls Tls $($name)*);
        on_each_redis!(@ few_rights FewRights $($name)*);
        on_each_redis!(@ old Old $($name)*);
    };
    (@ $module:ident $kind:ident $($name:ident)*) => {
        mod $module {
            use $crate::ground::Kind;
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(Kind::$kind).await;
            })*
        }
    };
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Plain,
    Cluster,
    Sentinel,
    Socket,
    Tls,
    /// A user of an ACL who may do what Curfew needs, with the site's keys, and no script.
    FewRights,
    /// As Redis 3 was: no UNLINK, no PEXPIRETIME.
    Old,
}

/// The site's own connection.
#[derive(Clone)]
pub enum Line {
    One(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl Line {
    pub async fn ask(&mut self, command: &Cmd) -> Value {
        match self {
            Self::One(line) => command.query_async(line).await.unwrap(),
            Self::Cluster(line) => command.query_async(line).await.unwrap(),
        }
    }
}

/// A site's cache, and the servers that were started for it.
pub struct Ground {
    pub config: SessionsConfig,
    pub line: Line,
    pub servers: Vec<Server>,
    pub now: Timestamp,
}

pub const CACHE: &str = "django.contrib.sessions.backends.cache";
pub const CACHED_DB: &str = "django.contrib.sessions.backends.cached_db";

impl Ground {
    pub async fn on(kind: Kind) -> Self {
        let prefix = own_prefix();
        let mut servers = Vec::new();
        let (address, line) = match kind {
            Kind::Plain => {
                let address = shared("CURFEW_TEST_REDIS");
                let client = redis::Client::open(address.as_str()).unwrap();
                let line = client
                    .get_multiplexed_async_connection_with_config(&patient())
                    .await
                    .unwrap();
                (address, Line::One(line))
            }
            Kind::Cluster => {
                let address = shared("CURFEW_TEST_REDIS_CLUSTER");
                let nodes = address.trim_start_matches("redis+cluster://").split(',');
                let nodes: Vec<String> = nodes.map(|node| format!("redis://{node}")).collect();
                let client = ClusterClient::builder(nodes)
                    .response_timeout(Duration::from_secs(20))
                    .build()
                    .unwrap();
                let line = client.get_async_connection().await.unwrap();
                (address, Line::Cluster(line))
            }
            Kind::Sentinel => {
                servers.push(Server::start(&[]));
                let port = servers[0].port;
                let line = answering(port).await;
                let watched = format!("sentinel monitor shop 127.0.0.1 {port} 1\n");
                servers.push(sentinel(&watched).await);
                let address = format!("redis+sentinel://127.0.0.1:{}/shop/0", servers[1].port);
                (address, Line::One(line))
            }
            Kind::Socket => {
                let folder = tempfile::tempdir().unwrap();
                let socket = folder.path().join("redis.sock").display().to_string();
                let arguments = ["--unixsocket", socket.as_str()];
                servers.push(Server::in_folder(folder, free_port(), &arguments));
                let line = answering(servers[0].port).await;
                (format!("redis+unix://{socket}?db=0"), Line::One(line))
            }
            Kind::Tls => {
                let (server, authority) = with_tls();
                let port = server.1;
                let line = answering(server.0.port).await;
                servers.push(server.0);
                let address = format!("rediss://localhost:{port}/0?ssl_ca_certs={authority}");
                (address, Line::One(line))
            }
            Kind::FewRights => {
                servers.push(Server::start(&[]));
                let mut line = Line::One(answering(servers[0].port).await);
                let mut rights = cmd("ACL");
                rights
                    .arg("SETUSER")
                    .arg("curfew")
                    .arg("on")
                    .arg(">p@ss:w/rd");
                // A pattern, as in SCAN.
                let own = prefix
                    .replace('[', "\\[")
                    .replace(']', "\\]")
                    .replace('*', "\\*");
                rights.arg(format!("~{own}:*"));
                for right in [
                    "+scan",
                    "+get",
                    "+strlen",
                    "+exists",
                    "+pexpiretime",
                    "+pttl",
                    "+time",
                    "+unlink",
                    "+del",
                    "+watch",
                    "+multi",
                    "+exec",
                    "+ping",
                    "+select",
                ] {
                    rights.arg(right);
                }
                line.ask(&rights).await;
                let address = format!(
                    "redis://curfew:p%40ss%3Aw%2Frd@127.0.0.1:{}/0",
                    servers[0].port
                );
                (address, line)
            }
            Kind::Old => {
                servers.push(Server::start(&[
                    "--rename-command",
                    "UNLINK",
                    "",
                    "--rename-command",
                    "PEXPIRETIME",
                    "",
                ]));
                let line = answering(servers[0].port).await;
                (
                    format!("redis://127.0.0.1:{}/0", servers[0].port),
                    Line::One(line),
                )
            }
        };
        let config = SessionsConfig {
            engine: CACHE.into(),
            cache: Some(CacheAddress::parse(&address).unwrap()),
            cache_key_prefix: prefix,
            ..SessionsConfig::default()
        };
        Self {
            config,
            line,
            servers,
            now: Timestamp::now().round(jiff::Unit::Millisecond).unwrap(),
        }
    }

    /// A plain server of this test alone.
    pub async fn alone() -> Self {
        let server = Server::start(&[]);
        let line = Line::One(answering(server.port).await);
        let address = format!("redis://:some-s3cret@127.0.0.1:{}/0", server.port);
        let config = SessionsConfig {
            engine: CACHE.into(),
            // No password is asked for by a server that has none, so none is said.
            cache: Some(CacheAddress::parse(&address.replace(":some-s3cret@", "")).unwrap()),
            ..SessionsConfig::default()
        };
        Self {
            config,
            line,
            servers: vec![server],
            now: Timestamp::now().round(jiff::Unit::Millisecond).unwrap(),
        }
    }

    pub fn engine(&self) -> Engine {
        Engine::of(&self.config).unwrap()
    }

    pub async fn sessions(&self) -> Arc<dyn Sessions> {
        cache::sessions(&self.config, &self.engine()).await.unwrap()
    }

    pub async fn copies(&mut self) -> Arc<dyn Copies> {
        self.config.engine = CACHED_DB.into();
        cache::copies(&self.config, &self.engine()).await.unwrap()
    }

    pub fn later(&self, seconds: i64) -> Timestamp {
        self.now + SignedDuration::from_secs(seconds)
    }

    /// The key as Django asks for it.
    pub fn key(&self, session: &str) -> String {
        format!(
            "{}:{}:{}{session}",
            self.config.cache_key_prefix,
            self.config.cache_version,
            self.engine().cache_prefix
        )
    }

    pub async fn put(&mut self, session: &str, value: &[u8], expires: Timestamp) -> SessionKey {
        let key = self.key(session);
        self.put_at(&key, value, Some(expires)).await;
        SessionKey::new(session)
    }

    pub async fn put_at(&mut self, key: &str, value: &[u8], expires: Option<Timestamp>) {
        let mut set = cmd("SET");
        set.arg(key).arg(value);
        if let Some(expires) = expires {
            set.arg("PXAT").arg(expires.as_millisecond());
        }
        self.line.ask(&set).await;
    }

    pub async fn take(&mut self, session: &str) {
        let mut del = cmd("DEL");
        del.arg(self.key(session));
        self.line.ask(&del).await;
    }

    /// How often a server of the test's own was asked so since its counts began anew.
    pub async fn asked(&mut self, word: &str) -> u64 {
        let answer = self.line.ask(cmd("INFO").arg("commandstats")).await;
        let text: String = redis::from_redis_value(answer).unwrap();
        let calls = format!("cmdstat_{word}:calls=");
        let line = text.lines().find_map(|line| line.strip_prefix(&calls));
        line.map_or(0, |rest| rest.split(',').next().unwrap().parse().unwrap())
    }

    pub async fn there(&mut self, session: &str) -> bool {
        let mut exists = cmd("EXISTS");
        exists.arg(self.key(session));
        self.line.ask(&exists).await == Value::Int(1)
    }
}

/// A key like Django's.
pub fn session(n: u32) -> String {
    format!("abcdefghijklmnopqrstuvwx{n:08}")
}

pub fn own_prefix() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let next = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("curfew[test]*{}-{next}", std::process::id())
}

pub fn shared(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set; run cargo xtask test"))
}

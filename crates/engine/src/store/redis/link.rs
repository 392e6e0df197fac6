//! The connection to a Redis, a Cluster or whatever Sentinels name as primary: made again when it is lost, one
//! deadline on everything asked. A connection that was dropped while idle fails once, so each asking has two tries.

use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::{Route, RoutingInfo, SingleNodeRoutingInfo, Slot, SlotAddr};
use redis::sentinel::SentinelClient;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ErrorKind, Pipeline, RedisError, RedisResult,
    ServerErrorKind, Value,
};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::address::Parts;
use super::explain::{explain, too_slow};
use super::spread::Owners;
use crate::config::{CacheAddress, CacheKind};
use crate::error::Result;
use crate::store::way::Way;

/// How long anything asked may take, both tries together.
pub const DEADLINE: Duration = Duration::from_secs(5);
/// How long a server may take to accept a connection.
pub const CONNECT: Duration = Duration::from_secs(3);

/// A command, and the key whose owner it is for.
pub struct Ask {
    pub key: Vec<u8>,
    pub command: Cmd,
}

impl Ask {
    pub fn new(word: &str, key: &[u8]) -> Self {
        let mut command = redis::cmd(word);
        command.arg(key);
        Self::of(key, command)
    }

    pub fn of(key: &[u8], command: Cmd) -> Self {
        Self {
            key: key.to_vec(),
            command,
        }
    }
}

/// What one command of several was answered with: its own error is no failure of the others.
pub type Reply = RedisResult<Value>;

enum Source {
    One(Box<Client>),
    Cluster(Box<ClusterClient>),
    Sentinels(Box<Mutex<SentinelClient>>),
}

#[derive(Clone)]
enum Line {
    One(MultiplexedConnection),
    Cluster(ClusterConnection),
}

/// One of the servers that keys are spread over, named by a slot it owns; none where there is but one.
pub type Node = Option<u16>;

/// Which servers hold the keys, so that it is noticed when that changes under a scan.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Map {
    pub nodes: Vec<Node>,
    /// Each primary with its slots.
    owners: Vec<super::slots::Owner>,
    /// A new connection may lead to another server.
    connected: u64,
}

pub struct Link {
    source: Source,
    parts: Parts,
    shown: String,
    line: Mutex<Option<Line>>,
    connected: AtomicU64,
    pub owners: StdMutex<Option<Arc<Owners>>>,
    /// There and back.
    pub way: Arc<Way>,
}

impl Link {
    pub fn new(address: &CacheAddress) -> Result<Self> {
        // Refused where the program has chosen one already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let parts = Parts::of(address)?;
        let source = match address.kind() {
            CacheKind::RedisCluster => Source::Cluster(Box::new(parts.cluster()?)),
            CacheKind::RedisSentinel => Source::Sentinels(Box::new(Mutex::new(parts.sentinels()?))),
            CacheKind::Redis | CacheKind::Memcached => Source::One(Box::new(parts.single()?)),
        };
        Ok(Self {
            source,
            parts,
            shown: address.shown().to_string(),
            line: Mutex::default(),
            connected: AtomicU64::new(0),
            owners: StdMutex::default(),
            way: Arc::default(),
        })
    }

    pub fn shown(&self) -> &str {
        &self.shown
    }

    pub fn is_cluster(&self) -> bool {
        matches!(self.source, Source::Cluster(_))
    }

    /// Asks all of these, each of its key's owner, and returns the answers in their order.
    ///
    /// # Errors
    /// Where no answers came at all.
    pub async fn many(&self, asked: Vec<Ask>) -> Result<Vec<Reply>> {
        if asked.is_empty() {
            return Ok(Vec::new());
        }
        let asked = &asked;
        self.attempt(|line| async move {
            let replies = match line {
                Line::One(mut line) => {
                    let mut pipeline = Pipeline::with_capacity(asked.len());
                    for ask in asked {
                        pipeline.add_command(ask.command.clone());
                    }
                    pipeline.ignore_errors().query_async(&mut line).await?
                }
                Line::Cluster(line) => self.spread(line, asked).await?,
            };
            match replies
                .iter()
                .find_map(|r| r.as_ref().err().filter(|e| lost(e)))
            {
                Some(error) => Err(error.clone()),
                None => Ok(replies),
            }
        })
        .await
    }

    /// Asks one server, whatever keys the command names.
    pub async fn on(&self, node: Node, command: Cmd) -> Result<Value> {
        let command = &command;
        self.attempt(|line| async move {
            match (line, node) {
                (Line::One(mut line), _) => command.query_async(&mut line).await,
                (Line::Cluster(mut line), node) => {
                    let to = match node {
                        Some(slot) => {
                            SingleNodeRoutingInfo::SpecificNode(Route::new(slot, SlotAddr::Master))
                        }
                        None => SingleNodeRoutingInfo::RandomPrimary,
                    };
                    line.route_command(command.clone(), RoutingInfo::SingleNode(to))
                        .await
                }
            }
        })
        .await
    }

    /// Measures the way.
    pub async fn measure(&self) -> Result<()> {
        let began = Instant::now();
        self.on(None, redis::cmd("PING")).await?;
        self.way.measured(began.elapsed());
        Ok(())
    }

    /// The clocks, in milliseconds since 1970, of the servers that own these keys.
    pub async fn clocks(&self, keys: &[Vec<u8>]) -> Result<Vec<i64>> {
        let time = redis::cmd("TIME");
        if !self.is_cluster() {
            let now = milliseconds(&self.on(None, time).await?);
            return Ok(vec![now; keys.len()]);
        }
        let mut clocks = Vec::with_capacity(keys.len());
        for key in keys {
            let slot = Slot::for_key(key);
            let to = RoutingInfo::SingleNode(SingleNodeRoutingInfo::SpecificNode(
                Route::with_slot(slot, SlotAddr::Master),
            ));
            let (time, to) = (&time, &to);
            let value = self
                .attempt(|line| async move {
                    match line {
                        Line::One(mut line) => time.query_async(&mut line).await,
                        Line::Cluster(mut line) => {
                            line.route_command(time.clone(), to.clone()).await
                        }
                    }
                })
                .await?;
            clocks.push(milliseconds(&value));
        }
        Ok(clocks)
    }

    /// Which servers there are, now.
    pub async fn map(&self) -> Result<Map> {
        if !self.is_cluster() {
            // So that the connection counted is the one that is used next.
            self.on(None, redis::cmd("PING")).await?;
            return Ok(Map {
                nodes: vec![None],
                owners: Vec::new(),
                connected: self.connected.load(Ordering::SeqCst),
            });
        }
        let mut command = redis::cmd("CLUSTER");
        command.arg("SLOTS");
        let owners = super::slots::owners(&self.on(None, command).await?);
        let nodes = owners
            .iter()
            .filter_map(|(_, slots)| slots.first().map(|(first, _)| Some(*first)))
            .collect();
        Ok(Map {
            nodes,
            owners,
            connected: self.connected.load(Ordering::SeqCst),
        })
    }

    /// A connection of its own to the owner of a key: what WATCH sees belongs to its connection.
    pub async fn apart(&self, key: &[u8]) -> Result<MultiplexedConnection> {
        let client = match &self.source {
            Source::One(client) => (**client).clone(),
            Source::Sentinels(sentinels) => {
                let asked = async { sentinels.lock().await.async_get_client().await };
                tokio::time::timeout(DEADLINE, asked)
                    .await
                    .map_err(|_| self.slow())?
                    .map_err(|e| explain(&e, &self.shown))?
            }
            Source::Cluster(_) => {
                let mut command = redis::cmd("CLUSTER");
                command.arg("KEYSLOT").arg(key);
                let slot = match self.on(None, command).await? {
                    Value::Int(slot) => u16::try_from(slot).unwrap_or_default(),
                    _ => 0,
                };
                let mut command = redis::cmd("CLUSTER");
                command.arg("SLOTS");
                let slots = self.on(None, command).await?;
                let (host, port) = super::slots::address(&slots, slot)
                    .ok_or_else(|| super::explain::not_whole(&self.shown))?;
                self.parts.server(&host, port)?
            }
        };
        tokio::time::timeout(
            DEADLINE,
            client.get_multiplexed_async_connection_with_config(&ways()),
        )
        .await
        .map_err(|_| self.slow())?
        .map_err(|e| explain(&e, &self.shown))
    }

    fn slow(&self) -> crate::error::Error {
        too_slow(&self.shown, DEADLINE.as_secs())
    }

    async fn attempt<T, F>(&self, work: impl Fn(Line) -> F) -> Result<T>
    where
        F: Future<Output = RedisResult<T>>,
    {
        let asked = async {
            let first = match self.line().await {
                Ok(line) => work(line).await,
                Err(error) => Err(error),
            };
            match first {
                Err(error) if lost(&error) => {
                    self.drop_line().await;
                    work(self.line().await?).await
                }
                other => other,
            }
        };
        let _trip = self.way.trip();
        match tokio::time::timeout(DEADLINE, asked).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => {
                if lost(&error) {
                    self.drop_line().await;
                }
                Err(explain(&error, &self.shown))
            }
            Err(_) => {
                // Its answers would belong to whoever asks next.
                self.drop_line().await;
                Err(self.slow())
            }
        }
    }

    async fn line(&self) -> RedisResult<Line> {
        let mut line = self.line.lock().await;
        if let Some(line) = &*line {
            return Ok(line.clone());
        }
        let made = match &self.source {
            Source::One(client) => Line::One(
                client
                    .get_multiplexed_async_connection_with_config(&ways())
                    .await?,
            ),
            Source::Cluster(client) => Line::Cluster(client.get_async_connection().await?),
            Source::Sentinels(sentinels) => {
                let client = sentinels.lock().await.async_get_client().await?;
                Line::One(
                    client
                        .get_multiplexed_async_connection_with_config(&ways())
                        .await?,
                )
            }
        };
        self.connected.fetch_add(1, Ordering::SeqCst);
        *line = Some(made.clone());
        Ok(made)
    }

    async fn drop_line(&self) {
        *self.line.lock().await = None;
        *self.owners.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

fn ways() -> AsyncConnectionConfig {
    AsyncConnectionConfig::new()
        .set_connection_timeout(Some(CONNECT))
        .set_response_timeout(None)
}

/// Whether another connection may do better: this one is gone, or leads to a server that is no primary any more.
fn lost(error: &RedisError) -> bool {
    error.is_io_error()
        || error.is_connection_dropped()
        || matches!(
            error.kind(),
            ErrorKind::ClusterConnectionNotFound
                | ErrorKind::Server(ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown)
        )
}

/// TIME answers with seconds and microseconds.
fn milliseconds(time: &Value) -> i64 {
    let Value::Array(parts) = time else {
        return 0;
    };
    let number = |at: usize| {
        parts
            .get(at)
            .and_then(|part| redis::from_redis_value_ref::<i64>(part).ok())
            .unwrap_or(0)
    };
    number(0) * 1000 + number(1) / 1000
}

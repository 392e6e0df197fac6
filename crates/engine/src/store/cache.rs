//! A site's cache, opened as its configuration names it.

use std::sync::Arc;

use super::memcached::Memcached;
use super::redis::RedisSessions;
use super::{Copies, Sessions};
use crate::config::{CacheAddress, CacheKind, Engine, SessionsConfig};
use crate::error::{Code, Error, Result};

/// The sessions of an engine that keeps them in a cache alone. Connects once, for the cache's answer.
///
/// # Errors
/// [`Code::NotPossible`] where no cache is configured, or where it cannot name its sessions; else what the cache said.
pub async fn sessions(config: &SessionsConfig, engine: &Engine) -> Result<Arc<dyn Sessions>> {
    let address = address(config)?;
    match address.kind() {
        CacheKind::Memcached => Err(Error::new(
            Code::NotPossible,
            format!(
                "the cache at {} is a memcached, which cannot name its sessions; Curfew can neither show nor end them",
                address.shown()
            ),
        )),
        _ => Ok(Arc::new(
            RedisSessions::connect(address, config, engine).await?,
        )),
    }
}

/// The copies that `cached_db` keeps of its rows. Connects once, for the cache's answer.
///
/// # Errors
/// [`Code::NotPossible`] where no cache is configured; else what the cache said.
pub async fn copies(config: &SessionsConfig, engine: &Engine) -> Result<Arc<dyn Copies>> {
    let address = address(config)?;
    Ok(match address.kind() {
        CacheKind::Memcached => Arc::new(Memcached::connect(address, config, engine).await?),
        _ => Arc::new(RedisSessions::connect(address, config, engine).await?),
    })
}

fn address(config: &SessionsConfig) -> Result<&CacheAddress> {
    config.cache.as_ref().ok_or_else(|| {
        Error::new(
            Code::NotPossible,
            format!(
                "{} keeps sessions in a cache that is not configured; name the cache under [site.sessions] cache",
                config.engine
            ),
        )
    })
}

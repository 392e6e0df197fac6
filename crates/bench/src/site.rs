//! The site under measure, opened by the engine as any other.

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use curfew_engine::Site as Engine;
use curfew_engine::config::{Address, CacheAddress, Env, SiteConfig};

use crate::population::SECRET_KEY;

/// Where the site is; with a cache its session engine is `cached_db`, without one `db`.
#[derive(Clone, Copy)]
pub struct Site<'a> {
    pub database: &'a str,
    pub cache: Option<&'a str>,
}

impl Site<'_> {
    pub fn engine_name(&self) -> &'static str {
        match self.cache {
            Some(_) => "cached_db",
            None => "db",
        }
    }

    /// Opened, and not looked at yet.
    pub async fn open(&self, state: &Path) -> Result<Arc<Engine>> {
        let mut config = SiteConfig::by_address(Address::parse(self.database)?);
        config.sessions.engine = format!("django.contrib.sessions.backends.{}", self.engine_name());
        config.sessions.cache = self.cache.map(CacheAddress::parse).transpose()?;
        config.secret_key = Some(SECRET_KEY.to_string().into());
        let env = Env {
            config_dir: state.to_path_buf(),
            state_dir: state.to_path_buf(),
            site: None,
            secret_key: None,
            secret_key_fallbacks: Vec::new(),
        };
        Ok(Engine::open(config, &env).await?)
    }
}

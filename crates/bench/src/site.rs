//! The site under measure, opened by the engine as any other.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use curfew_engine::Site as Engine;
use curfew_engine::config::{Address, CacheAddress, Env, SiteConfig};

use crate::population::{COOKIE_AGE, SECRET_KEY};

/// Where the site's sessions are, with the cache's address where there is one.
#[derive(Clone, Copy)]
pub enum Sessions<'a> {
    Db,
    /// The same rows, and saves that insert a deleted one again. A logout then reports after its look at once, as on the
    /// engines with a cache; on `db` itself it waits for the second look.
    DbAtOnce,
    CachedDb(&'a str),
    Cache(&'a str),
}

#[derive(Clone, Copy)]
pub struct Site<'a> {
    pub database: &'a str,
    pub sessions: Sessions<'a>,
}

impl Site<'_> {
    pub fn engine_name(&self) -> &'static str {
        match self.sessions {
            Sessions::Db | Sessions::DbAtOnce => "db",
            Sessions::CachedDb(_) => "cached_db",
            Sessions::Cache(_) => "cache",
        }
    }

    /// Opened, and not looked at yet.
    pub async fn open(&self, state: &Path) -> Result<Arc<Engine>> {
        let mut config = SiteConfig::by_address(Address::parse(self.database)?);
        config.sessions.engine =
            format!("django.contrib.sessions.backends.{}", self.engine_name()).into();
        if let Sessions::DbAtOnce = self.sessions {
            config.sessions.engine = "user_sessions.backends.db".into();
            config.sessions.table = Some("django_session".into());
        }
        if let Sessions::CachedDb(cache) | Sessions::Cache(cache) = self.sessions {
            config.sessions.cache = Some(CacheAddress::parse(cache)?);
        }
        if let Sessions::Cache(_) = self.sessions {
            // Said, so that a key's expiry tells when it was saved.
            config.sessions.cookie_age = Some(Duration::from_secs(COOKIE_AGE.unsigned_abs()));
        }
        // Few of its sessions are saved, so it would have to be learned.
        config.activity.activity_grain = Some(Duration::from_secs(60));
        config.secret_key = Some(SECRET_KEY.to_string().into());
        let env = Env {
            config_dir: state.to_path_buf(),
            state_dir: state.to_path_buf(),
            site: None,
            session_engine: None,
            secret_key: None,
            secret_key_fallbacks: Vec::new(),
        };
        Ok(Engine::open(config, &env).await?)
    }

    /// The site as logouts are measured on it.
    pub fn reporting_at_once(self) -> Self {
        let sessions = match self.sessions {
            Sessions::Db => Sessions::DbAtOnce,
            other => other,
        };
        Self { sessions, ..self }
    }
}

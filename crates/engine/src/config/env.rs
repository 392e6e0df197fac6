//! What the process's environment says: where configuration and state lie, which site, which SECRET_KEY.

use std::path::PathBuf;

use etcetera::BaseStrategy;
use secrecy::SecretString;

use super::GivenEngine;
use crate::error::{Code, Error, Result};

#[derive(Debug, Clone)]
pub struct Env {
    /// Holds `config.toml`.
    pub config_dir: PathBuf,
    /// Holds the journal.
    pub state_dir: PathBuf,
    /// `CURFEW_SITE`.
    pub site: Option<String>,
    /// `--session-engine` or `CURFEW_SESSION_ENGINE`.
    pub session_engine: Option<GivenEngine>,
    /// `CURFEW_SECRET_KEY`.
    pub secret_key: Option<SecretString>,
    /// Further lines of it: SECRET_KEY_FALLBACKS.
    pub secret_key_fallbacks: Vec<SecretString>,
}

impl Env {
    /// The same environment, with the value of `--session-engine` where one was given.
    pub fn with_session_engine(mut self, engine: Option<String>) -> Self {
        if let Some(engine) = engine {
            self.session_engine = Some(GivenEngine::Option(engine));
        }
        self
    }

    pub fn from_process() -> Result<Self> {
        let dir = |name: &str| {
            std::env::var_os(name)
                .filter(|v| !v.is_empty())
                .map(PathBuf::from)
        };
        let text = |name: &str| std::env::var(name).ok().filter(|v| !v.is_empty());
        let base = etcetera::choose_base_strategy();
        let platform =
            |pick: fn(&dyn_strategy::Base) -> PathBuf, variable: &str| match base.as_ref() {
                Ok(base) => Ok(pick(base).join("curfew")),
                Err(_) => Err(Error::new(
                    Code::Config,
                    format!("there is no home directory to keep files in; set {variable}"),
                )),
            };
        let (secret_key, secret_key_fallbacks) = text("CURFEW_SECRET_KEY")
            .and_then(|text| crate::secrets::split(&text))
            .map_or((None, Vec::new()), |(key, rest)| (Some(key), rest));
        Ok(Self {
            config_dir: match dir("CURFEW_CONFIG_DIR") {
                Some(dir) => dir,
                None => platform(|b| b.config_dir(), "CURFEW_CONFIG_DIR")?,
            },
            state_dir: match dir("CURFEW_STATE_DIR") {
                Some(dir) => dir,
                None => platform(
                    |b| b.state_dir().unwrap_or_else(|| b.data_dir()),
                    "CURFEW_STATE_DIR",
                )?,
            },
            site: text("CURFEW_SITE"),
            session_engine: text("CURFEW_SESSION_ENGINE").map(GivenEngine::Variable),
            secret_key,
            secret_key_fallbacks,
        })
    }
}

/// The strategy type of this platform, named once.
mod dyn_strategy {
    #[cfg(windows)]
    pub type Base = etcetera::base_strategy::Windows;
    #[cfg(not(windows))]
    pub type Base = etcetera::base_strategy::Xdg;
}

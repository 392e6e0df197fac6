//! The site's cache, by its address: as the sessions themselves, or as the copies of `cached_db`.

use std::sync::Arc;

use super::{Copies, Sessions};
use crate::config::{Engine, SessionsConfig};
use crate::error::{Code, Error, Result};

/// Sessions that live in the cache alone.
pub async fn sessions(config: &SessionsConfig, _engine: &Engine) -> Result<Arc<dyn Sessions>> {
    Err(not_yet(config))
}

/// The copies of sessions whose rows lie in a table.
pub async fn copies(config: &SessionsConfig, _engine: &Engine) -> Result<Arc<dyn Copies>> {
    Err(not_yet(config))
}

fn not_yet(config: &SessionsConfig) -> Error {
    Error::new(
        Code::NotPossible,
        format!(
            "{} keeps sessions in a cache, which this version of Curfew cannot reach",
            config.engine
        ),
    )
}

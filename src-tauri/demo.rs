//! The demo site as the window opens it: its file under the state directory, and the people in it kept moving.
//! What a demo site is, the engine knows.

use std::path::PathBuf;

use curfew_engine::config::{Address, Backend, Env, SiteConfig};
use curfew_engine::demo;
use curfew_engine::error::{Code, Error, Result};
use jiff::Timestamp;
use tokio_util::sync::{CancellationToken, DropGuard};

/// The demo site's name in the list of sites.
pub const NAME: &str = "demo";

/// The demo site, view-only as every new site. Nothing is written yet.
pub fn config(env: &Env) -> Result<SiteConfig> {
    let path = std::path::absolute(env.state_dir.join("demo").join("site.sqlite3"))
        .map_err(|error| Error::new(Code::File, format!("no place for the demo site: {error}")))?;
    let text = path
        .to_string_lossy()
        .replace('%', "%25")
        .replace('?', "%3F")
        .replace('#', "%23");
    let mut site = SiteConfig::by_address(Address::parse(&format!("sqlite://{text}"))?);
    site.name = NAME.to_owned();
    site.demo = true;
    site.armed = false;
    Ok(site)
}

/// The people of the demo site. Dropped, they stop.
pub struct People {
    _stop: DropGuard,
}

impl People {
    /// Fills the site anew, tells `site` its SECRET_KEY, and sets the people moving.
    pub async fn start(site: &mut SiteConfig) -> Result<Self> {
        let Backend::Sqlite(path) = site.address.backend() else {
            return Err(Error::new(Code::Config, "a demo site is a SQLite file"));
        };
        let path: PathBuf = path.clone();
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|error| {
                let text = format!("cannot make {}: {error}", folder.display());
                Error::new(Code::File, text)
            })?;
        }
        let now = Timestamp::now();
        demo::create(&path, demo::DEFAULT_USERS, now).await?;
        site.secret_key = Some(demo::secret_key(&path)?);
        let stop = CancellationToken::new();
        let token = stop.clone();
        let seed = now.as_second().unsigned_abs();
        tokio::spawn(async move {
            if let Err(error) = demo::live(&path, seed, token).await {
                tracing::warn!(%error, "the people of the demo site stand still");
            }
        });
        Ok(Self {
            _stop: stop.drop_guard(),
        })
    }
}

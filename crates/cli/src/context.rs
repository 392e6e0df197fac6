//! What every command starts from: the process's environment, the site that was named, the output.

use std::io::IsTerminal;
use std::sync::Arc;

use curfew_engine::config::{Backend, Config, Env, SiteConfig, Stated};
use curfew_engine::demo;
use curfew_engine::site::Site;
use jiff::{Timestamp, tz::TimeZone};

use crate::failure::Failure;
use crate::output::Output;

pub struct Context {
    pub env: Env,
    pub output: Output,
    /// Where people read the clock.
    pub zone: TimeZone,
    named: Option<String>,
    /// As `--schema` names them. Only `site add` takes several.
    pub schemas: Vec<String>,
}

impl Context {
    pub fn new(
        named: Option<String>,
        schemas: Vec<String>,
        session_engine: Option<String>,
        output: Output,
    ) -> Result<Self, Failure> {
        Ok(Self {
            env: Env::from_process()?.with_session_engine(session_engine),
            output,
            zone: TimeZone::system(),
            named,
            schemas,
        })
    }

    /// The site's configuration. Typing an address is the consent to act on it; a configured site is as its
    /// configuration says.
    pub async fn config(&self) -> Result<SiteConfig, Failure> {
        let config = Config::load(&self.env)?;
        self.refuse_bare_credentials(&config)?;
        let mut site = config.pick(self.named.as_deref())?;
        if site.by_url {
            site.armed = true;
        }
        let schema = match self.schemas.as_slice() {
            [] => None,
            [schema] => Some(schema.clone()),
            _ => {
                return Err(Failure::usage(
                    "Give --schema once. Only 'site add' takes several.",
                ));
            }
        };
        // The session engine is in the environment, for commands that pick their sites themselves.
        let stated = Stated {
            schema,
            session_engine: None,
        };
        stated.apply(&mut site);
        if let Backend::Sqlite(path) = site.address.backend().clone()
            && demo::is_demo(&path).await
        {
            site.demo = true;
            // Beside the demo site lies its key. Without it, all works but for the signatures.
            site.secret_key = site.secret_key.or_else(|| demo::secret_key(&path).ok());
        }
        Ok(site)
    }

    /// An address without its `postgres://` would be taken for a name and repeated, password and all.
    fn refuse_bare_credentials(&self, config: &Config) -> Result<(), Failure> {
        match self.named() {
            Some(named)
                if named.contains('@')
                    && !named.contains("://")
                    && !config.sites.iter().any(|site| site.name == named) =>
            {
                Err(Failure::usage(
                    "--site is no configured name and no address; write postgres://user@host:port/db or sqlite:///absolute/path.sqlite3",
                ))
            }
            _ => Ok(()),
        }
    }

    /// The site that `--site` or `CURFEW_SITE` names, if either does.
    pub fn named(&self) -> Option<&str> {
        self.named.as_deref().or(self.env.site.as_deref())
    }

    /// Connected, without a look: for deeds, which look for themselves and have guards that come first.
    pub async fn open(&self) -> Result<Arc<Site>, Failure> {
        Ok(Site::open(self.config().await?, &self.env).await?)
    }

    /// Connected, with a look at the people taken.
    pub async fn look(&self) -> Result<Arc<Site>, Failure> {
        let site = self.open().await?;
        site.look().await?;
        Ok(site)
    }

    /// Closes a site after a one-shot command, and reports messages that a later run will send.
    pub async fn close(&self, site: &Site) {
        if let Some(fault) = site.heads_fault() {
            self.output
                .aside(&format!("{}\n", crate::words::clean(&fault)));
        }
        if let Some(kept) = site.close_patiently().await {
            self.output
                .aside(&format!("{}\n", crate::words::clean(&kept)));
        }
    }

    /// What people should know of the site, after the answer. Only where somebody looks: a sweep by cron
    /// that went well says nothing on standard error.
    pub fn notes(&self, site: &Site) {
        if !std::io::stderr().is_terminal() {
            return;
        }
        for warning in site.view().warnings {
            self.output.remark(&format!("note: {warning}"));
        }
    }
}

/// This machine's clock: to say "yesterday" with, never to decide.
pub fn now() -> Timestamp {
    Timestamp::now()
}

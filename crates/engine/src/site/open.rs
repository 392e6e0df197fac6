//! From a configuration to an open site: connect, discover, and make ready. Looks at no people yet.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, RwLock};

use jiff::Timestamp;
use secrecy::ExposeSecret;
use tokio::sync::broadcast;

use super::wiring::{explore, wire};
use super::{EVENTS, History, Line, Site, Timer, hold};
use crate::config::{Backend, Config, Env, SiteConfig};
use crate::django::secret::SecretKeys;
use crate::error::{Code, Error, Result};
use crate::journal::Journal;
use crate::roster::Roster;
use crate::secrets;
use crate::store::catalog::Table;
use crate::store::db::{Db, Pool};
use crate::store::tls::Protection;
use crate::store::tokens::Tokens;
use crate::store::{Mark, mysql, postgres, sqlite};
use crate::tell::webhook::{Spool, Webhook};

/// A database that was reached.
pub(super) struct Reached {
    pub db: Db,
    /// Whether it is encrypted, and how it is protected; none for a file.
    pub line: Option<(bool, Protection)>,
}

pub(super) async fn reach(config: &SiteConfig) -> Result<Reached> {
    match config.address.backend() {
        Backend::Postgres => {
            let reached = postgres::connect(&config.address).await?;
            Ok(Reached {
                db: reached.db,
                line: Some((reached.encrypted, reached.protection)),
            })
        }
        Backend::Mysql => {
            let reached = mysql::connect(&config.address).await?;
            Ok(Reached {
                db: reached.db,
                line: Some((reached.encrypted, reached.protection)),
            })
        }
        Backend::Sqlite(path) => Ok(Reached {
            db: sqlite::connect(path).await?,
            line: None,
        }),
    }
}

/// What the database says of its tables. MySQL's other databases are asked where the configuration names them.
pub(super) async fn catalog(db: &Db, config: &SiteConfig) -> Result<Vec<Table>> {
    match db.pool() {
        Pool::Postgres(pool) => {
            let mut tables = postgres::catalog(&pool).await?;
            if let Some(path) = config.address.search_path() {
                by_path(&mut tables, &path)?;
            }
            Ok(tables)
        }
        Pool::Mysql(pool) => {
            let named = [&config.users.table, &config.sessions.table];
            let named = named.into_iter().flatten();
            let neighbours: Vec<&str> = named
                .filter_map(|table| Some(table.split_once('.')?.0))
                .chain(config.schema.as_deref())
                .collect();
            mysql::catalog(&pool, &neighbours).await
        }
        Pool::Sqlite(pool) => sqlite::catalog(&pool).await,
    }
}

/// Names tables by the address's own search path, whatever the connection's is.
fn by_path(tables: &mut [Table], path: &[String]) -> Result<()> {
    let mut meant: HashMap<String, usize> = HashMap::new();
    let place = |table: &Table| path.iter().position(|schema| *schema == table.place);
    for table in tables.iter() {
        if let Some(place) = place(table) {
            let first = meant.entry(table.name.clone()).or_insert(place);
            *first = place.min(*first);
        }
    }
    for table in tables.iter_mut() {
        table.meant = place(table).is_some_and(|place| meant.get(&table.name) == Some(&place));
        table.schema = Some(table.place.clone());
    }
    match meant.is_empty() {
        true => Err(Error::new(
            Code::Config,
            format!(
                "The address's search path ({}) leads to no table that this role can see. Correct it, or grant the role USAGE on the schema.",
                path.join(", ")
            ),
        )),
        false => Ok(()),
    }
}

impl Site {
    /// Connects and discovers. The first look is the caller's.
    pub async fn open(mut config: SiteConfig, env: &Env) -> Result<Arc<Self>> {
        config.policy.check()?;
        secrets::complete(&mut config).await?;
        let reached = reach(&config).await?;
        let explored = explore(&mut config, &reached.db).await?;
        let keys = secret_keys(&config);
        let cookie_age = config.sessions.cookie_age;
        let ids = explored.schema.users.id_form;
        let backends = config.users.accepted();
        let loginas = config.sessions.loginas_key.clone();
        let tokens = Tokens::new(reached.db.clone(), explored.tokens.clone());
        let (store, barrier) = wire(&config, reached.db, &explored, keys.is_some()).await;
        let (events, _) = broadcast::channel(EVENTS);
        let line = Arc::new(Mutex::new(Line::default()));
        let journal = Journal::at(&env.state_dir).with_heads(crate::journal::Places {
            file: config.journal_heads.clone(),
            log: config.system_log.clone(),
        });
        let schema = config.schema.as_deref().unwrap_or_default();
        let journal = journal.with_place(&format!("{} {schema}", config.address.shown()));
        let webhook = match &config.webhook {
            Some(hook) => {
                // Receivers refuse old timestamps, and this machine's clock may be wrong.
                let clock = line.clone();
                let now = move || hold(&clock).db_now().unwrap_or_else(Timestamp::now);
                let secret = secrets::webhook_secret(hook).await?;
                let spool = Spool::new(&env.state_dir, &config.name);
                let written = journal.clone();
                let head = move || written.head();
                Some(Webhook::start_kept(&hook.url, secret, now, spool, head)?)
            }
            None => None,
        };
        // A site named by its address has nothing in the file.
        let file = Config::load(env).ok().filter(|_| !config.by_url);
        let exposed = file.and_then(|file| file.exposed());
        let ledger = crate::evidence::ledger(&env.state_dir, &config, &explored.schema);
        Ok(Arc::new(Self {
            config: RwLock::new(config),
            store,
            barrier,
            tokens,
            schema: explored.schema,
            found: explored.found,
            exposed,
            operator: operator(),
            state_dir: env.state_dir.clone(),
            journal,
            roster: Arc::new(Mutex::new(
                Roster::with_cookie_age(keys.as_ref(), cookie_age)
                    .with_ids(ids)
                    .with_backends(backends)
                    .with_loginas_key(loginas),
            )),
            mark: tokio::sync::Mutex::new(Mark::default()),
            shared: super::shared::Shared::default(),
            sweeping: tokio::sync::Mutex::new(()),
            line,
            history: Mutex::new(History::default()),
            doubted: Mutex::default(),
            timer: Mutex::new(Timer::default()),
            ledger: Mutex::new(ledger),
            stretch: Mutex::new(std::time::Duration::ZERO),
            health: Mutex::new(None),
            webhook,
            unrecorded: Mutex::new(None),
            halt: tokio_util::sync::CancellationToken::new(),
            wake: tokio::sync::Notify::new(),
            events,
        }))
    }
}

pub(crate) fn secret_keys(config: &SiteConfig) -> Option<SecretKeys> {
    let first = config.secret_key.as_ref()?;
    Some(SecretKeys::new(
        first.expose_secret().to_string(),
        config
            .secret_key_fallbacks
            .iter()
            .map(|k| k.expose_secret().to_string())
            .collect(),
    ))
}

/// OS user and host: who did it, in every entry of the journal.
fn operator() -> String {
    let user = whoami::username().unwrap_or_else(|_| "unknown".into());
    let host = whoami::hostname().unwrap_or_else(|_| "unknown".into());
    format!("{user}@{host}")
}

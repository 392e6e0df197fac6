//! From what a site's database shows to the store that looks at it: which tables, which engine, and what holds the
//! sessions. Where the configuration does not say enough to end a session, the site opens all the same, to be looked
//! at; why nobody can be signed out goes with it.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use jiff::tz::TimeZone;

use super::discover;
use super::open::{catalog, reach};
use crate::config::{Base, Engine, EngineName, SessionsConfig, SiteConfig};
use crate::error::{Code, Error, Result};
use crate::store::db::Db;
use crate::store::schema::TableName;
use crate::store::sql::{SqlSessions, SqlStore};
use crate::store::tls::Protection;
use crate::store::tokens::TokenTable;
use crate::store::{FileSessions, Late, NoSessions, Schema, Sessions, Store, WithCopies, cache};
use crate::tokens;
use crate::view::Found;

/// What was found out about a site before its people are looked at.
pub(super) struct Explored {
    pub schema: Schema,
    pub found: Vec<Found>,
    /// The sessions' own database, where they have one.
    pub apart: Option<Db>,
    /// How the connection to that database is protected; none for a file.
    pub apart_line: Option<(bool, Protection)>,
    pub engine: Result<Engine>,
    /// Tables of API tokens, beside the users.
    pub tokens: Vec<TokenTable>,
}

/// Finds tables and columns, and the engine where the table tells it. What was found of it goes into `config`.
pub(super) async fn explore(config: &mut SiteConfig, db: &Db) -> Result<Explored> {
    let tables = catalog(db, config).await?;
    let rows = Engine::of(&config.sessions).map_or(true, |engine| engine.has_rows());
    let apart = match config.sessions.url.clone().filter(|_| rows) {
        Some(address) => {
            let shown = address.shown().to_string();
            let other = SiteConfig {
                address,
                ..config.clone()
            };
            let said =
                |e: Error| Error::new(e.code, format!("the sessions' database: {}", e.message));
            let reached = reach(&other).await.map_err(said)?;
            tracing::debug!(at = shown, "sessions lie in a database of their own");
            let tables = catalog(&reached.db, &other).await.map_err(said)?;
            Some((reached, tables))
        }
        None => None,
    };
    let stated = config.sessions.engine.is_stated();
    if config.by_url && config.sessions.table.is_none() && rows && !stated {
        choose_engine(config, db, &tables).await?;
    }
    let catalog = discover::Catalog {
        tables: &tables,
        apart: apart.as_ref().map(|(_, apart)| apart.as_slice()),
        schema: config.schema.as_deref(),
    };
    let (schema, mut found) = catalog.discover(&config.users, &config.sessions)?;
    let zone = config.time_zone.clone().unwrap_or(TimeZone::UTC);
    let tokens: Vec<TokenTable> = tokens::discover(&tables, &schema.users)
        .into_iter()
        .map(|table| table.in_zone(&zone))
        .collect();
    found.extend(tokens.iter().map(tokens::found));
    let schema = schema.in_zone(&zone);
    if let Some(table) = &schema.sessions
        && let Some(engine) = discover::engine_of(table, &config.sessions)
    {
        config.sessions.engine = discover::by_table(engine);
    }
    infer_engine(config);
    Ok(Explored {
        schema,
        found,
        apart_line: apart.as_ref().and_then(|(reached, _)| reached.line),
        apart: apart.map(|(reached, _)| reached.db),
        engine: Engine::of(&config.sessions),
        tokens,
    })
}

/// What the rest of the configuration shows of an engine that nobody stated. A configured cache holds copies of the rows, or
/// all sessions: the engine counts as known once a copy is seen.
fn infer_engine(config: &mut SiteConfig) {
    let demo = config.demo;
    let sessions = &mut config.sessions;
    if sessions.engine_known(true) {
        return;
    }
    let engine = match (sessions.cache.is_some(), sessions.engine.as_str()) {
        (true, "qsessions.backends.db") => "qsessions.backends.cached_db",
        (true, _) => "django.contrib.sessions.backends.cached_db",
        (false, _) if demo => {
            sessions.engine = EngineName::shown("django.contrib.sessions.backends.db");
            return;
        }
        (false, _) => return,
    };
    sessions.engine = EngineName::with_cache(engine);
}

/// Where nobody said anything and several session tables are there, those with sessions in them decide.
async fn choose_engine(
    config: &mut SiteConfig,
    db: &Db,
    tables: &[crate::store::catalog::Table],
) -> Result<()> {
    let catalog = discover::Catalog {
        tables,
        apart: None,
        schema: config.schema.as_deref(),
    };
    let usual = catalog.usual(&config.users, &config.sessions)?;
    if usual.len() < 2 {
        return Ok(());
    }
    // Any of them makes the users known, and so the database's clock.
    let first = SessionsConfig {
        table: usual.first().map(|t| t.table.shown()),
        ..config.sessions.clone()
    };
    let (schema, _) = catalog.discover(&config.users, &first)?;
    let mut used: Vec<TableName> = Vec::new();
    for table in &usual {
        let sessions = SqlSessions::new(db.clone(), table.clone());
        let store = SqlStore::new(db.clone(), schema.users.clone(), table.clone(), false);
        if sessions.any(store.now().await?).await? {
            used.push(table.table.clone());
        }
    }
    if let Some(engine) = discover::in_use(&usual, &used)? {
        config.sessions.engine = discover::by_table(engine);
    }
    Ok(())
}

/// The store of a site, and what is in the way of signing anybody out, where something is.
pub(super) async fn wire(
    config: &SiteConfig,
    db: Db,
    explored: &Explored,
    passwords: bool,
) -> (Arc<dyn Store>, Option<Error>) {
    let users = explored.schema.users.clone();
    let away = |sessions: Arc<dyn Sessions>| -> Arc<dyn Store> {
        let store = SqlStore::apart(db.clone(), users.clone(), sessions, passwords);
        Arc::new(store.with_replica(config.read_address.clone()))
    };
    let rows = explored
        .schema
        .sessions
        .clone()
        .map(|table| -> Arc<dyn Store> {
            match &explored.apart {
                Some(apart) => away(Arc::new(SqlSessions::new(apart.clone(), table))),
                None => {
                    let store = SqlStore::new(db.clone(), users.clone(), table, passwords);
                    Arc::new(store.with_replica(config.read_address.clone()))
                }
            }
        });
    let blind = |why: Error| (away(Arc::new(NoSessions::new(why.clone()))), Some(why));
    let engine = match &explored.engine {
        Ok(engine) => engine,
        Err(why) => {
            return match rows {
                Some(rows) => (rows, Some(why.clone())),
                None => blind(why.clone()),
            };
        }
    };
    let sessions = &config.sessions;
    match (engine.base, rows) {
        (Base::Db, Some(rows)) => (rows, None),
        (Base::CachedDb, Some(rows)) => match cached(config) {
            Err(why) => (rows, Some(why)),
            Ok(()) => match cache::copies(sessions, engine).await {
                Ok(copies) => (Arc::new(WithCopies::new(rows, copies)), None),
                Err(why) if why.code == Code::Unreachable => {
                    let copies = Late::new(again(sessions, engine, |config, engine| {
                        Box::pin(async move { cache::copies(&config, &engine).await })
                    }));
                    (Arc::new(WithCopies::new(rows, Arc::new(copies))), None)
                }
                Err(why) => (rows, Some(refusal(why))),
            },
        },
        (Base::Cache, _) => match cached(config) {
            Err(why) => blind(why),
            Ok(()) => match cache::sessions(sessions, engine).await {
                Ok(sessions) => (away(sessions), None),
                Err(why) if why.code == Code::Unreachable => {
                    let sessions = Late::new(again(sessions, engine, |config, engine| {
                        Box::pin(async move { cache::sessions(&config, &engine).await })
                    }));
                    (away(Arc::new(sessions)), None)
                }
                Err(why) => blind(refusal(why)),
            },
        },
        (Base::SignedCookies, _) => blind(Error::new(
            Code::NotPossible,
            format!(
                "{} keeps sessions in the browser, so there is nothing on the server to delete; switch the account off, or change its password",
                sessions.engine
            ),
        )),
        (Base::File, _) => match FileSessions::new(sessions) {
            Ok(files) => (away(Arc::new(files)), None),
            Err(why) => blind(refusal(why)),
        },
        // Discovery does not come back without their table.
        (Base::Db | Base::CachedDb, None) => blind(Error::new(
            Code::NotPossible,
            format!(
                "{} keeps sessions where this version of Curfew cannot look",
                sessions.engine
            ),
        )),
    }
}

/// What connects to the cache when it is asked to.
fn again<T: ?Sized + 'static>(
    sessions: &SessionsConfig,
    engine: &Engine,
    connect: fn(SessionsConfig, Engine) -> BoxFuture<'static, Result<Arc<T>>>,
) -> Box<dyn Fn() -> BoxFuture<'static, Result<Arc<T>>> + Send + Sync> {
    let (sessions, engine) = (sessions.clone(), *engine);
    Box::new(move || connect(sessions.clone(), engine))
}

/// Whether the configuration says where the cache is.
fn cached(config: &SiteConfig) -> Result<()> {
    if config.sessions.cache.is_some() {
        return Ok(());
    }
    Err(Error::new(
        Code::NotPossible,
        format!(
            "{} lets people in by the cache, which Curfew does not know: say cache = \"redis://host:port/db\" under [site.sessions]",
            config.sessions.engine
        ),
    ))
}

/// Whatever kept the cache from being opened, nobody can be signed out without it.
fn refusal(why: Error) -> Error {
    Error::new(Code::NotPossible, why.message)
}

//! One cell of the table: its site, started by the first case that needs it.

use std::sync::Arc;

use serde_json::Value;
use tokio::sync::{Mutex, MutexGuard};

use crate::harness::{Cache, Django, Engine, SessionEngine, Site};

pub struct Cell {
    pub django: Django,
    pub database: Engine,
    pub engine: SessionEngine,
    pub cache: Option<Cache>,
    site: Mutex<Option<Arc<Site>>>,
}

/// A case's turn on its cell: the site, with nobody there.
pub struct Turn {
    pub cell: &'static Cell,
    pub site: Arc<Site>,
    _turn: Option<MutexGuard<'static, Option<Arc<Site>>>>,
}

impl Cell {
    pub const fn new(
        django: Django,
        database: Engine,
        engine: SessionEngine,
        cache: Option<Cache>,
    ) -> Self {
        Self {
            django,
            database,
            engine,
            cache,
            site: Mutex::const_new(None),
        }
    }

    pub async fn turn(&'static self) -> Turn {
        let mut turn = self.site.lock().await;
        let site = match turn.as_ref() {
            Some(site) => {
                site.empty().await;
                site.clone()
            }
            None => turn.insert(self.start().await).clone(),
        };
        Turn {
            cell: self,
            site,
            _turn: Some(turn),
        }
    }

    /// As a turn, but of nobody else's site: for what takes long.
    pub async fn site_of_its_own(&'static self) -> Turn {
        Turn {
            cell: self,
            site: self.start().await,
            _turn: None,
        }
    }

    async fn start(&self) -> Arc<Site> {
        let mut plan = Site::on(self.django, self.database).sessions(self.engine);
        if let Some(cache) = self.cache {
            plan = plan.cache(cache);
        }
        Arc::new(plan.start().await)
    }

    /// Whether a table's rows have copies in a cache.
    pub fn has_copies(&self) -> bool {
        self.engine.has_cache() && self.engine.table().is_some()
    }

    /// Whether a dict that JSON cannot hold can be kept here: the row's serializer falls back to pickle, and
    /// so does a cache that pickles.
    pub fn keeps_odd_values(&self) -> bool {
        !matches!(self.cache, Some(Cache::DjangoRedis("json" | "msgpack", _)))
    }

    /// How a logout ends that did what it could: exit status and outcome.
    pub fn logged_out(&self) -> (i32, &'static str) {
        match self.engine.can_come_back() {
            true => (4, "unverified"),
            false => (0, "signed_out"),
        }
    }
}

impl Turn {
    /// Whether Django has each of these keys down as nobody's.
    pub async fn all_out(&self, keys: &[String]) -> bool {
        self.site.names(keys).await.iter().all(Option::is_none)
    }

    /// How many sessions there are, wherever they are kept, each counted once.
    pub async fn kept(&self) -> usize {
        let kept = self.site.kept().await;
        let mut keys: Vec<&Value> = kept.as_object().unwrap().values().collect();
        keys.retain(|keys| keys.is_array());
        let all = keys.iter().flat_map(|keys| keys.as_array().unwrap());
        all.filter_map(Value::as_str)
            .collect::<std::collections::BTreeSet<_>>()
            .len()
    }
}

/// The reports in what `curfew logout` says, of one person or of several.
pub fn reports(document: &Value) -> Vec<Value> {
    if document["outcome"].is_string() {
        return vec![document.clone()];
    }
    let listed = document["logouts"].as_array();
    listed
        .unwrap_or_else(|| panic!("no reports in {document:#}"))
        .clone()
}

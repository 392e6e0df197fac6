//! The real store, with a hand in it: something is done before a call, a call fails, or the cache was never seen.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;

use super::*;
use crate::store::{BatchDone, SessionKey, Sink, SweepBatch};

type Done = Pin<Box<dyn Future<Output = ()> + Send>>;
/// What is done before the nth call of that name, counted from 1.
type Hook = dyn Fn(&'static str, usize) -> Done + Send + Sync;

pub struct Puppet {
    store: Arc<dyn Store>,
    hook: Mutex<Option<Arc<Hook>>>,
    calls: Mutex<Vec<&'static str>>,
    pub blind: AtomicBool,
    /// Deletions delete, and then the cache does not answer.
    pub half: AtomicBool,
    pub not_ready: AtomicBool,
    /// As if the sessions lay where looks list them.
    pub lists: AtomicBool,
    /// The next look comes to the end of a listing that began earlier.
    pub ends: AtomicBool,
}

impl Puppet {
    /// Puts a puppet in the place of the site's store.
    pub fn on(site: &mut Arc<Site>) -> Arc<Self> {
        let inner = Arc::get_mut(site).unwrap();
        let puppet = Arc::new(Self {
            store: inner.store.clone(),
            hook: Mutex::default(),
            calls: Mutex::default(),
            blind: AtomicBool::new(false),
            half: AtomicBool::new(false),
            not_ready: AtomicBool::new(false),
            lists: AtomicBool::new(false),
            ends: AtomicBool::new(false),
        });
        inner.store = puppet.clone();
        puppet
    }

    pub fn before<F>(&self, hook: impl Fn(&'static str, usize) -> F + Send + Sync + 'static)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        *hold(&self.hook) = Some(Arc::new(move |name, nth| Box::pin(hook(name, nth))));
    }

    pub fn calls(&self) -> Vec<&'static str> {
        hold(&self.calls).clone()
    }

    pub fn counts(&self) -> HashMap<&'static str, usize> {
        let mut counts = HashMap::new();
        for name in self.calls() {
            *counts.entry(name).or_default() += 1;
        }
        counts
    }

    async fn note(&self, name: &'static str) {
        let (hook, nth) = {
            let mut calls = hold(&self.calls);
            calls.push(name);
            let nth = calls.iter().filter(|call| **call == name).count();
            (hold(&self.hook).clone(), nth)
        };
        if let Some(hook) = hook {
            hook(name, nth).await;
        }
    }
}

fn silent() -> Error {
    Error::new(Code::NotPossible, "the cache does not answer")
}

#[async_trait]
impl Store for Puppet {
    async fn now(&self) -> Result<Timestamp> {
        self.store.now().await
    }
    async fn look(&self, mark: &mut Mark, sink: &mut dyn Sink) -> Result<Timestamp> {
        self.note("look").await;
        if std::mem::take(&mut mark.scan.at_once) {
            hold(&self.calls).push("listing");
        }
        if mark.whole {
            hold(&self.calls).push("whole");
        }
        if self.ends.swap(false, Ordering::SeqCst) {
            sink.listing_done();
        }
        self.store.look(mark, sink).await
    }
    async fn glance(&self, now: Timestamp, last: Timestamp, sink: &mut dyn Sink) -> Result<()> {
        self.note("glance").await;
        self.store.glance(now, last, sink).await
    }
    async fn users_named(&self, name: &str) -> Result<Vec<UserRow>> {
        self.store.users_named(name).await
    }
    async fn users(&self, ids: &[UserId]) -> Result<Vec<UserRow>> {
        self.note("users").await;
        self.store.users(ids).await
    }
    async fn surviving(&self, keys: &[SessionKey]) -> Result<Vec<SessionKey>> {
        self.note("surviving").await;
        match self.half.load(Ordering::SeqCst) {
            true => Err(silent()),
            false => self.store.surviving(keys).await,
        }
    }
    async fn delete(&self, keys: &[SessionKey]) -> Result<Vec<SessionKey>> {
        self.store.delete(keys).await
    }
    async fn delete_into(&self, keys: &[SessionKey], deleted: &mut Vec<SessionKey>) -> Result<()> {
        self.note("delete").await;
        self.store.delete_into(keys, deleted).await?;
        match self.half.load(Ordering::SeqCst) {
            true => Err(silent()),
            false => Ok(()),
        }
    }
    async fn clear_flag(&self, id: &UserId) -> Result<bool> {
        self.note("clear_flag").await;
        self.store.clear_flag(id).await
    }
    async fn set_enabled(&self, id: &UserId, enabled: bool) -> Result<bool> {
        self.note("set_enabled").await;
        self.store.set_enabled(id, enabled).await
    }
    async fn ready(&self) -> Result<()> {
        match self.not_ready.load(Ordering::SeqCst) {
            true => Err(silent()),
            false => self.store.ready().await,
        }
    }
    fn sees_copies(&self) -> bool {
        !self.blind.load(Ordering::SeqCst)
    }
    fn whole(&self) -> bool {
        self.store.whole()
    }
    fn looks_by_dates(&self) -> bool {
        !self.lists.load(Ordering::SeqCst)
    }
    async fn sweep(&self, batch: SweepBatch) -> Result<BatchDone> {
        self.note("sweep").await;
        let mut done = self.store.sweep(batch).await?;
        if self.half.load(Ordering::SeqCst) {
            done.broken = Some(silent());
        }
        Ok(done)
    }
}

impl Ground {
    /// A site whose engine saves a deleted session again, with a copy of all its rows in `kept`.
    pub async fn lasting(&self) -> SiteConfig {
        self.user_sessions().await;
        self.execute(
            "DROP TABLE django_session; CREATE TABLE kept AS SELECT * FROM user_sessions_session",
        )
        .await;
        let mut config = self.config();
        config.sessions.engine = "user_sessions.backends.db".into();
        config
    }

    pub async fn bring_back(path: PathBuf, of: &str) {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .busy_timeout(Duration::from_secs(5));
        let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
        let sql = format!("INSERT OR REPLACE INTO user_sessions_session SELECT * FROM kept {of}");
        sqlx::raw_sql(AssertSqlSafe(sql))
            .execute(&mut connection)
            .await
            .unwrap();
    }

    /// Another session of whoever has this one, saved now.
    pub async fn sign_in_beside(path: PathBuf, key: &str) {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .busy_timeout(Duration::from_secs(5));
        let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
        let sql = format!(
            "INSERT INTO django_session SELECT 'beside0123456789', session_data,
                 strftime('%Y-%m-%d %H:%M:%f', 'now', '+14 days') FROM django_session WHERE session_key = '{key}'"
        );
        let done = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection);
        assert_eq!(done.await.unwrap().rows_affected(), 1);
    }

    pub async fn rows(&self) -> Vec<String> {
        self.texts("SELECT session_key FROM user_sessions_session ORDER BY 1")
            .await
    }
}

/// Lets the clock of the waiting go on by this much, once the site has come to wait.
pub async fn later(by: Duration) {
    tokio::time::sleep(Duration::from_millis(300)).await;
    tokio::time::pause();
    tokio::time::advance(by).await;
    tokio::time::resume();
}

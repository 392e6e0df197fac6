//! A cache that did not answer when its site was opened: asked again whenever it is needed, so that a site opens
//! without it, is looked at as far as possible, and is whole by itself when the cache is back.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use tokio::sync::OnceCell;
use tokio::time::Instant;

use super::{Copies, Listed, Mark, SessionKey, SessionRow, Sessions, Sink};
use crate::error::{Code, Error, Result};

/// How long a look leaves a cache alone that did not answer; each try may take its whole deadline.
const REST: Duration = Duration::from_secs(15);

/// Connects to what it stands for.
pub type Connect<T> = Box<dyn Fn() -> BoxFuture<'static, Result<Arc<T>>> + Send + Sync>;

pub struct Late<T: ?Sized> {
    connect: Connect<T>,
    made: OnceCell<Arc<T>>,
    tried: Mutex<Instant>,
}

impl<T: ?Sized + Send + Sync> Late<T> {
    /// Right after a try that failed.
    pub fn new(connect: Connect<T>) -> Self {
        Self {
            connect,
            made: OnceCell::new(),
            tried: Mutex::new(Instant::now()),
        }
    }

    /// For deeds and what they rely on: it has to answer now.
    async fn now(&self) -> Result<&T> {
        let made = self.made.get_or_try_init(|| (self.connect)()).await?;
        Ok(made)
    }

    /// For looks: only where it is worth another try.
    async fn perhaps(&self) -> Option<&T> {
        if self.made.get().is_none() {
            let mut tried = self.tried.lock().unwrap_or_else(PoisonError::into_inner);
            if tried.elapsed() < REST {
                return None;
            }
            *tried = Instant::now();
        }
        self.now().await.ok()
    }

    async fn could(&self) -> Result<&T> {
        self.now().await.map_err(|error| {
            Error::new(
                Code::NotPossible,
                format!("{}; nothing was deleted", error.message),
            )
        })
    }
}

#[async_trait]
impl Sessions for Late<dyn Sessions> {
    async fn look(&self, now: Timestamp, mark: &mut Mark, sink: &mut dyn Sink) -> Result<()> {
        match self.perhaps().await {
            Some(sessions) => sessions.look(now, mark, sink).await,
            None => Ok(()),
        }
    }

    async fn read(&self, keys: &[SessionKey]) -> Result<Vec<SessionRow>> {
        self.now().await?.read(keys).await
    }

    async fn surviving(&self, keys: &[SessionKey]) -> Result<Vec<SessionKey>> {
        self.now().await?.surviving(keys).await
    }

    async fn delete(&self, keys: &[SessionKey]) -> Result<Vec<SessionKey>> {
        self.now().await?.delete(keys).await
    }

    async fn delete_unchanged(&self, rows: &[SessionRow]) -> Result<Vec<SessionKey>> {
        self.now().await?.delete_unchanged(rows).await
    }

    fn date_tells(&self) -> bool {
        self.made.get().is_some_and(|s| s.date_tells())
    }

    async fn dates(&self, keys: &[SessionKey]) -> Result<Vec<(SessionKey, Timestamp)>> {
        self.now().await?.dates(keys).await
    }

    async fn delete_judged(
        &self,
        dated: &[(SessionKey, Timestamp)],
        rows: &[SessionRow],
        deleted: &mut Vec<SessionKey>,
    ) -> Result<()> {
        self.now().await?.delete_judged(dated, rows, deleted).await
    }

    async fn ready(&self) -> Result<()> {
        self.could().await?.ready().await
    }

    fn whole(&self) -> bool {
        self.made.get().is_some_and(|sessions| sessions.whole())
    }
}

#[async_trait]
impl Copies for Late<dyn Copies> {
    async fn look(
        &self,
        now: Timestamp,
        mark: &mut Mark,
        known: &[SessionKey],
    ) -> Result<Option<Listed>> {
        match self.perhaps().await {
            Some(copies) => copies.look(now, mark, known).await,
            None => Ok(None),
        }
    }

    async fn read(&self, keys: &[SessionKey]) -> Result<Vec<SessionRow>> {
        self.now().await?.read(keys).await
    }

    async fn surviving(&self, keys: &[SessionKey]) -> Result<Vec<SessionKey>> {
        self.now().await?.surviving(keys).await
    }

    async fn delete(&self, keys: &[SessionKey]) -> Result<Vec<SessionKey>> {
        self.now().await?.delete(keys).await
    }

    async fn delete_unchanged(&self, rows: &[SessionRow]) -> Result<Vec<SessionKey>> {
        self.now().await?.delete_unchanged(rows).await
    }

    async fn ready(&self) -> Result<()> {
        self.could().await?.ready().await
    }

    fn key_form_seen(&self) -> bool {
        self.made.get().is_some_and(|copies| copies.key_form_seen())
    }

    fn lists(&self) -> bool {
        self.made.get().is_some_and(|copies| copies.lists())
    }
}

//! `backends.file`: a folder with a file a session, called by the cookie's name and the session's key. Looks list it
//! and read what is new or was saved since; all of it off the async threads, under deadlines.

mod folder;
mod remove;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use super::pace::Share;
use super::{Mark, SessionKey, SessionRow, Sessions, Sink};
use crate::config::SessionsConfig;
use crate::error::{Code, Error, Result};
use folder::Folder;

/// How long a folder may take for one step before the site counts as not answering: one on a dead server hangs.
const DEADLINE: Duration = Duration::from_secs(5);
/// Steps at once; what hangs counts, so that a dead server does not take thread after thread.
const AT_ONCE: usize = 3;

/// The sessions of one folder.
pub struct FileSessions {
    folder: Arc<Folder>,
    free: Arc<Semaphore>,
}

impl FileSessions {
    /// # Errors
    /// [`Code::Config`] where the path is not absolute, or the cookie's name could not begin a file's.
    pub fn new(config: &SessionsConfig) -> Result<Self> {
        Ok(Self {
            folder: Arc::new(Folder::new(config)?),
            free: Arc::new(Semaphore::new(AT_ONCE)),
        })
    }

    /// The folder, and how its files are called.
    pub fn shown(&self) -> String {
        self.folder.shown()
    }

    /// Runs work on a thread that may block. It is never cancelled: what was begun is done.
    async fn begin<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Folder) -> T + Send + 'static,
    ) -> Result<JoinHandle<T>> {
        let free = timeout(DEADLINE, self.free.clone().acquire_owned()).await;
        let Ok(Ok(permit)) = free else {
            return Err(self.too_slow());
        };
        let folder = self.folder.clone();
        Ok(tokio::task::spawn_blocking(move || {
            let _held = permit;
            work(&folder)
        }))
    }

    async fn finish<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Folder) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let begun = self.begin(work).await?;
        match timeout(DEADLINE, begun).await {
            Ok(Ok(done)) => done,
            Ok(Err(_)) => Err(self.broke_off()),
            Err(_) => Err(self.too_slow()),
        }
    }

    fn too_slow(&self) -> Error {
        Error::new(
            Code::Unreachable,
            format!(
                "the session folder {} has not answered for {} s; check the disk or the file server",
                self.folder.path(),
                DEADLINE.as_secs()
            ),
        )
    }

    fn broke_off(&self) -> Error {
        Error::new(
            Code::File,
            format!(
                "reading the session folder {} broke off; look again in a moment",
                self.folder.path()
            ),
        )
    }
}

#[async_trait]
impl Sessions for FileSessions {
    async fn look(&self, now: Timestamp, mark: &mut Mark, sink: &mut dyn Sink) -> Result<()> {
        let began = Instant::now();
        if mark.last.is_none() {
            self.folder.forget();
        } else if !mark.folder.due(began) {
            // Not listed, and there all the same.
            return self.finish(Folder::is_there).await;
        }
        // Two steps ahead, and no more: the folder's content is never in memory as a whole.
        let (steps, mut taken) = mpsc::channel(2);
        let walk = self.begin(move |folder| folder.walk(now, &steps)).await?;
        sink.listing_begins();
        loop {
            let step = match timeout(DEADLINE, taken.recv()).await {
                Ok(Some(step)) => step,
                Ok(None) => break,
                Err(_) => return Err(self.too_slow()),
            };
            let mut unknown = Vec::new();
            for (key, expires) in step.same {
                if sink.knows(key.lend()) {
                    sink.listed(key.lend(), expires);
                } else {
                    unknown.push(key);
                }
            }
            for row in step.rows {
                sink.session(row);
            }
            for row in self.read(&unknown).await? {
                sink.session(row);
            }
        }
        walk.await.map_err(|_| self.broke_off())??;
        sink.listing_done();
        mark.folder
            .took(began.elapsed(), Share::Doing, Instant::now());
        Ok(())
    }

    async fn read(&self, keys: &[SessionKey]) -> Result<Vec<SessionRow>> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let keys = keys.to_vec();
        self.finish(move |folder| folder.read(&keys)).await
    }

    async fn surviving(&self, keys: &[SessionKey]) -> Result<Vec<SessionKey>> {
        let keys = keys.to_vec();
        self.finish(move |folder| folder.surviving(keys)).await
    }

    async fn delete(&self, keys: &[SessionKey]) -> Result<Vec<SessionKey>> {
        let keys = keys.to_vec();
        self.finish(move |folder| folder.delete(keys)).await
    }

    async fn delete_unchanged(&self, rows: &[SessionRow]) -> Result<Vec<SessionKey>> {
        let rows = rows.to_vec();
        self.finish(move |folder| folder.delete_unchanged(rows))
            .await
    }

    async fn ready(&self) -> Result<()> {
        self.finish(Folder::ready).await
    }

    fn whole(&self) -> bool {
        self.folder.is_known()
    }
}

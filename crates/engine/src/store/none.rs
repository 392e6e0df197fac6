//! Sessions that lie where Curfew cannot look: in browsers, or in a cache that nobody has named. There is nobody to
//! be seen, and whoever asks for a deletion is told why there is none.

use async_trait::async_trait;
use jiff::Timestamp;

use super::{Mark, SessionKey, SessionRow, Sessions, Sink};
use crate::error::{Error, Result};

pub struct NoSessions {
    why: Error,
}

impl NoSessions {
    /// `why`: what is in the way, and what to do.
    pub fn new(why: Error) -> Self {
        Self { why }
    }
}

#[async_trait]
impl Sessions for NoSessions {
    async fn look(&self, _now: Timestamp, _mark: &mut Mark, _sink: &mut dyn Sink) -> Result<()> {
        Ok(())
    }

    async fn read(&self, _keys: &[SessionKey]) -> Result<Vec<SessionRow>> {
        Ok(Vec::new())
    }

    async fn surviving(&self, _keys: &[SessionKey]) -> Result<Vec<SessionKey>> {
        Err(self.why.clone())
    }

    async fn delete(&self, _keys: &[SessionKey]) -> Result<Vec<SessionKey>> {
        Err(self.why.clone())
    }

    async fn delete_unchanged(&self, _rows: &[SessionRow]) -> Result<Vec<SessionKey>> {
        Err(self.why.clone())
    }

    async fn ready(&self) -> Result<()> {
        Err(self.why.clone())
    }

    fn whole(&self) -> bool {
        false
    }
}

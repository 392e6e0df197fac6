//! What lies under keys: expiry, size, value. Nothing larger than a session can be is fetched.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use redis::{RedisError, Value};

use super::explain::explain;
use super::link::{Ask, Reply};
use super::{RedisSessions, can, cannot};
use crate::error::Result;
use crate::store::{Data, SessionKey, SessionRow};

/// What is longer is not fetched, and counts as unreadable.
const LARGEST: usize = 1 << 20;
/// Keys asked for in one go.
pub const BATCH: usize = 500;
/// Bytes fetched in one go, about.
const FETCH: usize = 4 << 20;
/// How far two readings of one expiry may lie apart where it has to be reckoned from the time that is left.
pub const JITTER: i64 = 500;

/// A key's expiry in milliseconds since 1970, none where it has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expiry(Option<i64>);

impl Expiry {
    pub fn moment(&self) -> Timestamp {
        self.0
            .and_then(|ms| Timestamp::from_millisecond(ms).ok())
            .unwrap_or(Timestamp::MAX)
    }
}

/// Expiries that were reckoned, so that a millisecond more or less is no change.
#[derive(Default)]
pub struct Steady(Mutex<(HashMap<SessionKey, i64>, HashMap<SessionKey, i64>)>);

impl Steady {
    fn settle(&self, key: &SessionKey, reckoned: i64) -> i64 {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = known.0.get(key).or_else(|| known.1.get(key)).copied();
        let settled = match before {
            Some(before) if (before - reckoned).abs() <= JITTER => before,
            _ => reckoned,
        };
        known.0.insert(key.clone(), settled);
        settled
    }

    /// A listing is whole: what neither it nor the one before has named is forgotten.
    pub fn turn(&self) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.1 = std::mem::take(&mut known.0);
    }
}

impl RedisSessions {
    /// An answer's integer; none where the key holds something else than a string.
    fn integer(&self, reply: Reply) -> Result<Option<i64>> {
        match reply {
            Ok(Value::Int(n)) => Ok(Some(n)),
            Ok(_) => Ok(None),
            Err(error) => self.unless_other_type(error),
        }
    }

    pub(super) fn unless_other_type<T>(&self, error: RedisError) -> Result<Option<T>> {
        match error.code() {
            Some("WRONGTYPE") => Ok(None),
            _ => Err(explain(&error, self.link.shown())),
        }
    }

    /// The expiry of each; none for what is gone.
    pub(super) async fn expiries(&self, keys: &[SessionKey]) -> Result<Vec<Option<Expiry>>> {
        let form = self.forms.form();
        let mut expiries = Vec::with_capacity(keys.len());
        for chunk in keys.chunks(BATCH) {
            let names: Vec<Vec<u8>> = chunk.iter().map(|key| form.key(key)).collect();
            expiries.extend(self.chunk_expiries(chunk, &names).await?);
        }
        Ok(expiries)
    }

    async fn chunk_expiries(
        &self,
        keys: &[SessionKey],
        names: &[Vec<u8>],
    ) -> Result<Vec<Option<Expiry>>> {
        let by = |word: &str| names.iter().map(|name| Ask::new(word, name)).collect();
        let (mut replies, mut clocks) = (Vec::new(), None);
        if can(&self.abilities.expiretime) {
            replies = self.link.many(by("PEXPIRETIME")).await?;
            if matches!(replies.first(), Some(Err(error)) if not_there(error)) {
                cannot(&self.abilities.expiretime);
            }
        }
        if !can(&self.abilities.expiretime) {
            clocks = Some(self.link.clocks(names).await?);
            replies = self.link.many(by("PTTL")).await?;
        }
        let mut expiries = Vec::with_capacity(keys.len());
        for (at, (key, reply)) in keys.iter().zip(replies).enumerate() {
            expiries.push(match self.integer(reply)? {
                Some(-1) => Some(Expiry(None)),
                Some(ms @ 0..) => Some(Expiry(Some(
                    match clocks.as_ref().and_then(|c| c.get(at)) {
                        Some(clock) => self.steady.settle(key, clock.saturating_add(ms)),
                        None => ms,
                    },
                ))),
                _ => None,
            });
        }
        Ok(expiries)
    }

    /// The sessions under these keys, their expiry read before their value: a save in between is then no older than
    /// its expiry.
    pub(super) async fn rows(&self, keys: &[SessionKey]) -> Result<Vec<SessionRow>> {
        let expiries = self.expiries(keys).await?;
        let there: Vec<(SessionKey, Expiry)> = keys
            .iter()
            .zip(expiries)
            .filter_map(|(key, expiry)| Some((key.clone(), expiry?)))
            .collect();
        let mut rows = Vec::with_capacity(there.len());
        self.fetch(&there, |row| rows.push(row)).await?;
        Ok(rows)
    }

    /// Hands over the sessions under these keys, a few megabytes at once.
    pub(super) async fn fetch(
        &self,
        there: &[(SessionKey, Expiry)],
        mut take: impl FnMut(SessionRow),
    ) -> Result<()> {
        for chunk in there.chunks(BATCH) {
            let mut sized = self.sizes(chunk).await?.into_iter().peekable();
            while sized.peek().is_some() {
                let mut bytes = 0;
                let mut now = Vec::new();
                while let Some((key, expiry, size)) = sized.next_if(|_| bytes < FETCH) {
                    if size <= LARGEST {
                        bytes += size;
                        now.push((key, expiry));
                    } else {
                        // Stands for what is not fetched: no session's dict is empty bytes.
                        take(row(key, expiry, Vec::new()));
                    }
                }
                self.fetch_small(&now, &mut take).await?;
            }
        }
        Ok(())
    }

    /// The size of each value that is there and is a string.
    async fn sizes(
        &self,
        keys: &[(SessionKey, Expiry)],
    ) -> Result<Vec<(SessionKey, Expiry, usize)>> {
        let form = self.forms.form();
        let asked = keys
            .iter()
            .map(|(key, _)| Ask::new("STRLEN", &form.key(key)))
            .collect();
        let mut sizes = Vec::with_capacity(keys.len());
        for ((key, expiry), reply) in keys.iter().zip(self.link.many(asked).await?) {
            if let Some(size) = self.integer(reply)?.and_then(|n| usize::try_from(n).ok()) {
                sizes.push((key.clone(), *expiry, size));
            }
        }
        Ok(sizes)
    }

    async fn fetch_small(
        &self,
        keys: &[(SessionKey, Expiry)],
        take: &mut impl FnMut(SessionRow),
    ) -> Result<()> {
        let form = self.forms.form();
        let asked = keys
            .iter()
            .map(|(key, _)| Ask::new("GET", &form.key(key)))
            .collect();
        for ((key, expiry), reply) in keys.iter().zip(self.link.many(asked).await?) {
            match reply {
                Ok(Value::BulkString(value)) => take(row(key.clone(), *expiry, value)),
                // Gone in the meantime.
                Ok(_) => {}
                Err(error) => {
                    self.unless_other_type::<()>(error)?;
                }
            }
        }
        Ok(())
    }

    /// One value by its whole key, where it is no larger than a session may be.
    pub(super) async fn value_at(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let length = self.link.many(vec![Ask::new("STRLEN", key)]).await?.pop();
        let length = length.map(|reply| self.integer(reply)).transpose()?;
        if !length
            .flatten()
            .is_some_and(|n| usize::try_from(n).is_ok_and(|n| n <= LARGEST))
        {
            return Ok(None);
        }
        match self.link.many(vec![Ask::new("GET", key)]).await?.pop() {
            Some(Ok(Value::BulkString(value))) => Ok(Some(value)),
            Some(Err(error)) => self.unless_other_type(error),
            _ => Ok(None),
        }
    }

    /// Of these, those that are there.
    pub(super) async fn present(&self, keys: &[SessionKey]) -> Result<Vec<SessionKey>> {
        let form = self.forms.form();
        let mut there = Vec::new();
        for chunk in keys.chunks(BATCH) {
            let asked = chunk
                .iter()
                .map(|key| Ask::new("EXISTS", &form.key(key)))
                .collect();
            for (key, reply) in chunk.iter().zip(self.link.many(asked).await?) {
                if self.integer(reply)?.is_some_and(|n| n > 0) {
                    there.push(key.clone());
                }
            }
        }
        if !there.is_empty() {
            self.forms.met(&form);
        }
        Ok(there)
    }
}

fn row(key: SessionKey, expiry: Expiry, value: Vec<u8>) -> SessionRow {
    SessionRow {
        key,
        data: Data::Cached(value),
        expires: expiry.moment(),
        saved: None,
        extra: None,
    }
}

/// The server does not know this command, or does not let us use it.
pub fn not_there(error: &RedisError) -> bool {
    error.code() == Some("NOPERM")
        || (error.code() == Some("ERR")
            && error
                .detail()
                .is_some_and(|text| text.contains("unknown command")))
}

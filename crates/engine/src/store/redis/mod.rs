//! Sessions in Redis: all that a site has (`backends.cache`), or copies of rows (`cached_db`). A key's time to live is
//! the session's expiry; there is no index and no time of the last save, so keys are listed in steps.

mod address;
mod delete;
mod explain;
mod form;
mod link;
mod scan;
mod slots;
mod spread;
mod values;

use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use jiff::Timestamp;

use self::delete::Still;
use self::form::{For, Forms};
use self::link::Link;
pub(crate) use self::scan::Scan;
use self::values::Steady;
use super::{Copies, Listed, Mark, SessionKey, SessionRow, Sessions, Sink};
use crate::config::{CacheAddress, Engine, SessionsConfig};
use crate::error::{Code, Error, Result};

/// One site's sessions in a Redis, a Cluster, or the primary that Sentinels name.
pub struct RedisSessions {
    link: Link,
    forms: Forms,
    abilities: Abilities,
    steady: Steady,
}

/// What this server can do, or lets us do: taken for granted until it says no.
struct Abilities {
    /// PEXPIRETIME, since Redis 7: the expiry itself, where older ones tell what is left of it.
    expiretime: AtomicBool,
    /// UNLINK, since Redis 4: the value is freed beside the work.
    unlink: AtomicBool,
    /// EVAL, which an ACL may forbid.
    scripts: AtomicBool,
    /// EVALSHA, which an ACL may forbid where it allows EVAL.
    named: AtomicBool,
}

fn can(ability: &AtomicBool) -> bool {
    ability.load(Ordering::Relaxed)
}

fn cannot(ability: &AtomicBool) {
    ability.store(false, Ordering::Relaxed);
}

impl RedisSessions {
    /// Connects once, for the server's answer.
    ///
    /// # Errors
    /// [`Code::Config`], [`Code::Unreachable`] or [`Code::Denied`], naming the address without its password.
    pub async fn connect(
        address: &CacheAddress,
        config: &SessionsConfig,
        engine: &Engine,
    ) -> Result<Self> {
        let this = Self {
            link: Link::new(address)?,
            forms: Forms::new(config, engine)?,
            abilities: Abilities {
                expiretime: AtomicBool::new(true),
                unlink: AtomicBool::new(true),
                scripts: AtomicBool::new(true),
                named: AtomicBool::new(true),
            },
            steady: Steady::default(),
        };
        this.link.map().await?;
        Ok(this)
    }

    /// Whether a session of this site was ever seen under the keys that are asked for.
    pub fn form_seen(&self) -> bool {
        self.forms.seen()
    }

    async fn could_delete(&self) -> Result<()> {
        let shown = self.link.shown();
        self.can_reach_all().await.map_err(|error| {
            let text = match error.code {
                Code::Unreachable => format!(
                    "the cache at {shown} does not answer; nothing was deleted, try again when it does"
                ),
                _ => format!("{}; nothing was deleted", error.message),
            };
            Error::new(Code::NotPossible, text)
        })
    }
}

#[async_trait]
impl Sessions for RedisSessions {
    async fn look(&self, _now: Timestamp, mark: &mut Mark, sink: &mut dyn Sink) -> Result<()> {
        self.list_into(mark, sink).await
    }

    async fn read(&self, keys: &[SessionKey]) -> Result<Vec<SessionRow>> {
        self.rows(keys).await
    }

    async fn surviving(&self, keys: &[SessionKey]) -> Result<Vec<SessionKey>> {
        self.present(keys).await
    }

    async fn delete(&self, keys: &[SessionKey]) -> Result<Vec<SessionKey>> {
        self.remove(keys).await
    }

    async fn delete_unchanged(&self, rows: &[SessionRow]) -> Result<Vec<SessionKey>> {
        self.remove_unchanged(rows).await
    }

    async fn delete_judged(
        &self,
        dated: &[(SessionKey, Timestamp)],
        rows: &[SessionRow],
        deleted: &mut Vec<SessionKey>,
    ) -> Result<()> {
        let dated = dated.iter().map(|(key, at)| (key, Still::Ends(*at)));
        let read = rows.iter().map(|row| (&row.key, Still::Holds(row)));
        self.remove_still(dated.chain(read).collect(), deleted)
            .await
    }

    /// Where the server tells expiries: each save with the age that a session has moves its, by the millisecond.
    fn date_tells(&self) -> bool {
        can(&self.abilities.expiretime)
    }

    async fn dates(&self, keys: &[SessionKey]) -> Result<Vec<(SessionKey, Timestamp)>> {
        let ends = self.expiries(keys).await?;
        let there = keys.iter().zip(ends);
        Ok(there
            .filter_map(|(key, end)| Some((key.clone(), end?.moment())))
            .collect())
    }

    async fn ready(&self) -> Result<()> {
        self.could_delete().await
    }

    /// Keys of another form than the one asked for would look like no sessions at all.
    fn whole(&self) -> bool {
        self.form_seen()
    }
}

#[async_trait]
impl Copies for RedisSessions {
    async fn look(
        &self,
        _now: Timestamp,
        mark: &mut Mark,
        known: &[SessionKey],
    ) -> Result<Option<Listed>> {
        self.find_form(known, For::Look).await?;
        self.list_copies(mark).await.map(Some)
    }

    async fn read(&self, keys: &[SessionKey]) -> Result<Vec<SessionRow>> {
        self.rows(keys).await
    }

    async fn surviving(&self, keys: &[SessionKey]) -> Result<Vec<SessionKey>> {
        self.find_form(keys, For::Deed).await?;
        self.present(keys).await
    }

    async fn delete(&self, keys: &[SessionKey]) -> Result<Vec<SessionKey>> {
        self.find_form(keys, For::Deed).await?;
        self.remove(keys).await
    }

    async fn delete_unchanged(&self, rows: &[SessionRow]) -> Result<Vec<SessionKey>> {
        self.remove_unchanged(rows).await
    }

    async fn ready(&self) -> Result<()> {
        self.could_delete().await
    }

    fn key_form_seen(&self) -> bool {
        self.form_seen()
    }

    fn lists(&self) -> bool {
        true
    }
}

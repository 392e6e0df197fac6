//! Deleting keys. What a deed found unchanged goes in one step of the server's, on condition that it still is: the
//! same value, and no later expiry, for a save of the same content renews that alone; or the same expiry, to the
//! millisecond, where each save moves it.

use std::sync::LazyLock;

use jiff::Timestamp;
use redis::aio::MultiplexedConnection;
use redis::{Pipeline, RedisResult, Script, Value, cmd};

use super::explain::{explain, not_whole, too_slow};
use super::link::{Ask, DEADLINE, Reply};
use super::values::{BATCH, JITTER, not_there};
use super::{RedisSessions, can, cannot};
use crate::error::Result;
use crate::store::{SessionKey, SessionRow};

/// KEYS: the session. ARGV: its value; the latest expiry in milliseconds, or -1 for none; how to ask for the expiry;
/// how to delete.
static HOLDS: LazyLock<(Script, &str)> = LazyLock::new(|| {
    let text = "
local value = redis.call('GET', KEYS[1])
if value ~= ARGV[1] then return 0 end
local seen, at = tonumber(ARGV[2]), nil
if ARGV[3] == 'PEXPIRETIME' then
  at = redis.call('PEXPIRETIME', KEYS[1])
else
  if redis.replicate_commands then redis.replicate_commands() end
  at = redis.call('PTTL', KEYS[1])
  if at >= 0 then
    local now = redis.call('TIME')
    at = at + now[1] * 1000 + math.floor(now[2] / 1000)
  end
end
if seen < 0 then
  if at ~= -1 then return 0 end
elseif at < 0 or at > seen then
  return 0
end
return redis.call(ARGV[4], KEYS[1])
";
    (Script::new(text), text)
});
/// KEYS: the session. ARGV: its expiry in milliseconds; how to delete.
static ENDS: LazyLock<(Script, &str)> = LazyLock::new(|| {
    let text = "
if redis.call('PEXPIRETIME', KEYS[1]) ~= tonumber(ARGV[1]) then return 0 end
return redis.call(ARGV[2], KEYS[1])
";
    (Script::new(text), text)
});

/// What a session has to be still, to go.
#[derive(Clone, Copy)]
pub(super) enum Still<'a> {
    /// What was read.
    Holds(&'a SessionRow),
    /// To end at this moment.
    Ends(Timestamp),
}

/// A session, and what it has to be still.
pub(super) type One<'a> = (&'a SessionKey, Still<'a>);

/// How a server knows a script.
#[derive(Clone, Copy)]
enum By {
    /// What it was sent before.
    Name,
    Text,
}

/// The latest expiry that counts as unchanged; -1 where there was none.
fn latest(row: &SessionRow, slack: i64) -> i64 {
    if row.expires == Timestamp::MAX {
        -1
    } else {
        row.expires.as_millisecond().saturating_add(slack)
    }
}

impl RedisSessions {
    fn delete_word(&self) -> &'static str {
        if can(&self.abilities.unlink) {
            "UNLINK"
        } else {
            "DEL"
        }
    }

    fn expiry_word(&self) -> &'static str {
        if can(&self.abilities.expiretime) {
            "PEXPIRETIME"
        } else {
            "PTTL"
        }
    }

    /// Deletes whatever the state, and returns what this call deleted.
    pub(super) async fn remove(&self, keys: &[SessionKey]) -> Result<Vec<SessionKey>> {
        let form = self.forms.form();
        let mut deleted = Vec::new();
        for chunk in keys.chunks(BATCH) {
            let names: Vec<Vec<u8>> = chunk.iter().map(|key| form.key(key)).collect();
            for (key, reply) in chunk.iter().zip(self.unlink(&names).await?) {
                if count(&reply.map_err(|e| explain(&e, self.link.shown()))?) > 0 {
                    deleted.push(key.clone());
                }
            }
        }
        if !deleted.is_empty() {
            self.forms.met(&form);
        }
        Ok(deleted)
    }

    async fn unlink(&self, names: &[Vec<u8>]) -> Result<Vec<Reply>> {
        loop {
            let word = self.delete_word();
            let asked = names.iter().map(|name| Ask::new(word, name)).collect();
            let replies = self.link.many(asked).await?;
            // All or none are refused: it is the command that is.
            if word == "UNLINK" && matches!(replies.first(), Some(Err(e)) if not_there(e)) {
                cannot(&self.abilities.unlink);
                continue;
            }
            return Ok(replies);
        }
    }

    /// Deletes those that still are what was read, and returns what this call deleted.
    pub(super) async fn remove_unchanged(&self, rows: &[SessionRow]) -> Result<Vec<SessionKey>> {
        let mut deleted = Vec::new();
        let all = rows.iter().map(|row| (&row.key, Still::Holds(row)));
        self.remove_still(all.collect(), &mut deleted).await?;
        Ok(deleted)
    }

    /// Deletes those that are so still. What went until an error came stands in `deleted`.
    pub(super) async fn remove_still(
        &self,
        mut all: Vec<One<'_>>,
        deleted: &mut Vec<SessionKey>,
    ) -> Result<()> {
        let Some(&(first, _)) = all.first() else {
            return Ok(());
        };
        // Whether UNLINK and PEXPIRETIME are there is found out by asking them of nothing.
        self.expiries(std::slice::from_ref(first)).await?;
        self.unlink(&[self.nobody()]).await?;
        if !can(&self.abilities.expiretime) {
            all.retain(|(_, still)| matches!(still, Still::Holds(_)));
        }
        for chunk in all.chunks(BATCH) {
            for (key, still) in self.by_script(chunk, deleted).await? {
                if self.watched(key, still).await? {
                    deleted.push(key.clone());
                }
            }
        }
        Ok(())
    }

    /// What cannot be deleted by script here.
    async fn by_script<'a>(
        &self,
        all: &[One<'a>],
        deleted: &mut Vec<SessionKey>,
    ) -> Result<Vec<One<'a>>> {
        let mut left = all.to_vec();
        for by in [By::Name, By::Text] {
            let ability = match by {
                By::Name => &self.abilities.named,
                By::Text => &self.abilities.scripts,
            };
            if left.is_empty() || !can(ability) {
                continue;
            }
            let form = self.forms.form();
            let asked = left
                .iter()
                .map(|(key, still)| self.script(&form.key(key), *still, by));
            let replies = self.link.many(asked.collect()).await?;
            let (mut refused, mut broken) = (Vec::new(), None);
            for (one, reply) in left.into_iter().zip(replies) {
                match reply {
                    Ok(value) if count(&value) > 0 => deleted.push(one.0.clone()),
                    Ok(_) => {}
                    // This server has not met the script, or has forgotten it.
                    Err(error) if error.code() == Some("NOSCRIPT") => refused.push(one),
                    Err(error) if not_there(&error) => {
                        cannot(ability);
                        refused.push(one);
                    }
                    // A key that holds something else by now.
                    Err(error) if error.code() == Some("WRONGTYPE") => {}
                    Err(error) => broken = Some(error),
                }
            }
            if let Some(error) = broken {
                return Err(explain(&error, self.link.shown()));
            }
            left = refused;
        }
        Ok(left)
    }

    fn script(&self, name: &[u8], still: Still<'_>, by: By) -> Ask {
        let (script, text) = match still {
            Still::Holds(_) => &*HOLDS,
            Still::Ends(_) => &*ENDS,
        };
        let mut command = match by {
            By::Name => cmd("EVALSHA").arg(script.get_hash()).to_owned(),
            By::Text => cmd("EVAL").arg(*text).to_owned(),
        };
        command.arg(1).arg(name);
        match still {
            Still::Holds(row) => command
                .arg(row.data.bytes())
                .arg(latest(row, self.slack()))
                .arg(self.expiry_word()),
            Still::Ends(at) => command.arg(at.as_millisecond()),
        };
        command.arg(self.delete_word());
        Ask::of(name, command)
    }

    /// A reckoned expiry is off by some milliseconds.
    fn slack(&self) -> i64 {
        if can(&self.abilities.expiretime) {
            0
        } else {
            JITTER
        }
    }

    /// The same by WATCH, on a connection of its own: whatever touches the key in between makes EXEC do nothing.
    async fn watched(&self, key: &SessionKey, still: Still<'_>) -> Result<bool> {
        let name = self.forms.form().key(key);
        let mut line = self.link.apart(&name).await?;
        let done = tokio::time::timeout(DEADLINE, self.watch(&mut line, &name, still));
        match done.await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(error)) if error.code() == Some("WRONGTYPE") => Ok(false),
            Ok(Err(error)) => Err(explain(&error, self.link.shown())),
            Err(_) => Err(too_slow(self.link.shown(), DEADLINE.as_secs())),
        }
    }

    async fn watch(
        &self,
        line: &mut MultiplexedConnection,
        name: &[u8],
        still: Still<'_>,
    ) -> RedisResult<bool> {
        cmd("WATCH").arg(name).exec_async(line).await?;
        let word = self.expiry_word();
        let mut at: i64 = cmd(word).arg(name).query_async(line).await?;
        if word == "PTTL" && at >= 0 {
            let (seconds, micros): (i64, i64) = cmd("TIME").query_async(line).await?;
            at += seconds * 1000 + micros / 1000;
        }
        let same = match still {
            Still::Ends(end) => word == "PEXPIRETIME" && at == end.as_millisecond(),
            Still::Holds(row) => {
                let value: Option<Vec<u8>> = cmd("GET").arg(name).query_async(line).await?;
                let seen = latest(row, self.slack());
                value.as_deref() == Some(row.data.bytes())
                    && if seen < 0 {
                        at == -1
                    } else {
                        (0..=seen).contains(&at)
                    }
            }
        };
        if !same {
            return Ok(false);
        }
        let mut delete = cmd(self.delete_word());
        delete.arg(name);
        let mut steps = Pipeline::new();
        steps.atomic().add_command(delete);
        let answer: Option<(i64,)> = steps.query_async(line).await?;
        Ok(answer.is_some_and(|(n,)| n > 0))
    }

    /// A key of the site's form under which nothing can be.
    pub(super) fn nobody(&self) -> Vec<u8> {
        let nobody: String = std::iter::repeat_with(fastrand::alphanumeric)
            .take(40)
            .collect();
        let nobody = SessionKey::new(format!("curfew-{nobody}"));
        self.forms.form().key(&nobody)
    }

    /// Whether every server answers, takes writes and lets us delete: asked of a key that is not there.
    pub(super) async fn can_reach_all(&self) -> Result<()> {
        for reply in self.unlink(&[self.nobody()]).await? {
            reply.map_err(|e| explain(&e, self.link.shown()))?;
        }
        if !self.link.is_cluster() {
            return Ok(());
        }
        let mut slots = cmd("CLUSTER");
        slots.arg("SLOTS");
        if super::slots::owned(&self.link.on(None, slots).await?) < 16_384 {
            return Err(not_whole(self.link.shown()));
        }
        for node in self.link.map().await?.nodes {
            self.link.on(node, cmd("PING")).await?;
        }
        Ok(())
    }
}

fn count(value: &Value) -> i64 {
    match value {
        Value::Int(n) => *n,
        _ => 0,
    }
}

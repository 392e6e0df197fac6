//! Deleting keys. What a deed found unchanged goes in one step of the server's, on condition that it still is: the
//! same value, and no later expiry, for a save of the same content renews that alone.

use jiff::Timestamp;
use redis::aio::MultiplexedConnection;
use redis::{Pipeline, RedisResult, Value, cmd};

use super::explain::{explain, not_whole, too_slow};
use super::link::{Ask, DEADLINE, Reply};
use super::values::{BATCH, JITTER, not_there};
use super::{RedisSessions, can, cannot};
use crate::error::Result;
use crate::store::{SessionKey, SessionRow};

/// KEYS: the session. ARGV: its value; the latest expiry in milliseconds, or -1 for none; how to ask for the expiry;
/// how to delete.
const SCRIPT: &str = "
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
        // Whether UNLINK and PEXPIRETIME are there is found out by asking them of nothing.
        let first: Vec<SessionKey> = rows.iter().take(1).map(|row| row.key.clone()).collect();
        self.expiries(&first).await?;
        self.unlink(&[self.nobody()]).await?;
        let mut deleted = Vec::new();
        for chunk in rows.chunks(BATCH) {
            if can(&self.abilities.scripts)
                && let Some(by_script) = self.by_script(chunk).await?
            {
                deleted.extend(by_script);
                continue;
            }
            for row in chunk {
                if self.watched(row).await? {
                    deleted.push(row.key.clone());
                }
            }
        }
        Ok(deleted)
    }

    /// None: scripts are not for us here.
    async fn by_script(&self, rows: &[SessionRow]) -> Result<Option<Vec<SessionKey>>> {
        let form = self.forms.form();
        let asked = rows
            .iter()
            .map(|row| {
                let name = form.key(&row.key);
                let mut eval = cmd("EVAL");
                eval.arg(SCRIPT)
                    .arg(1)
                    .arg(&name)
                    .arg(row.data.bytes())
                    .arg(latest(row, self.slack()))
                    .arg(self.expiry_word())
                    .arg(self.delete_word());
                Ask::of(&name, eval)
            })
            .collect();
        let replies = self.link.many(asked).await?;
        let mut deleted = Vec::new();
        for (row, reply) in rows.iter().zip(replies) {
            match reply {
                Ok(value) if count(&value) > 0 => deleted.push(row.key.clone()),
                Ok(_) => {}
                Err(error) if not_there(&error) => {
                    cannot(&self.abilities.scripts);
                    // None of them ran.
                    return Ok(None);
                }
                // A key that holds something else by now.
                Err(error) if error.code() == Some("WRONGTYPE") => {}
                Err(error) => return Err(explain(&error, self.link.shown())),
            }
        }
        Ok(Some(deleted))
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
    async fn watched(&self, row: &SessionRow) -> Result<bool> {
        let name = self.forms.form().key(&row.key);
        let mut line = self.link.apart(&name).await?;
        let done = tokio::time::timeout(DEADLINE, self.watch(&mut line, &name, row));
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
        row: &SessionRow,
    ) -> RedisResult<bool> {
        cmd("WATCH").arg(name).exec_async(line).await?;
        let value: Option<Vec<u8>> = cmd("GET").arg(name).query_async(line).await?;
        let word = self.expiry_word();
        let mut at: i64 = cmd(word).arg(name).query_async(line).await?;
        if word == "PTTL" && at >= 0 {
            let (seconds, micros): (i64, i64) = cmd("TIME").query_async(line).await?;
            at += seconds * 1000 + micros / 1000;
        }
        let seen = latest(row, self.slack());
        let same = value.as_deref() == Some(row.data.bytes())
            && if seen < 0 {
                at == -1
            } else {
                (0..=seen).contains(&at)
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

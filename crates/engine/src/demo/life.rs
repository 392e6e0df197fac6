//! People of the demo site who act, stop, leave and sign in, so that a window has something to show.
//! What Curfew deletes stays deleted: a deed begins with looking whether the session still is there.
//! Invariant: one short transaction a second, and a failed one ends nothing but itself.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use fastrand::Rng;
use jiff::{SignedDuration, Timestamp};
use sqlx::sqlite::SqliteConnection;
use sqlx::{Connection, Row};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::rows::{expires, fields, visitor};
use super::{DEFAULT_USERS, is_demo, no_demo, not_writable, open, secret, written};
use crate::django::secret::SecretKeys;
use crate::django::session::{Decoder, Expiry, Fields, encode};
use crate::error::Result;

/// How often, a second and in a site of the default size, somebody ...
const SIGNS_IN: f64 = 1.0 / 10.0;
const STOPS: f64 = 1.0 / 45.0;
const COMES_BACK: f64 = 1.0 / 120.0;
const LEAVES: f64 = 1.0 / 30.0;
/// ... loses the session while the flag stays, which makes them stale.
const IS_FORGOTTEN: f64 = 1.0 / 150.0;
const LOOKS_AROUND: f64 = 1.0 / 15.0;
/// Nobody who acts waits much longer than this many seconds to act again ...
const ACTS_EVERY: usize = 12;
/// ... unless so many are here that it would be more writes a second than this.
const MOST_ACTS: usize = 40;
/// Seconds between the site's own `clearsessions`.
const CLEARS_EVERY: u64 = 60;
const ACTIVE: SignedDuration = SignedDuration::from_mins(5);
const VISIT: i64 = 20 * 60;

/// The people of one demo site, in motion.
pub struct Life {
    connection: SqliteConnection,
    keys: SecretKeys,
    chance: Rng,
    users: Vec<i64>,
    /// Those who act, and those who have stopped but could come back.
    busy: Vec<Visit>,
    quiet: Vec<Visit>,
    /// How many keep the site as lively as it was found, and how many may linger.
    lively: usize,
    linger: usize,
    seconds: u64,
}

/// One browser that is signed in. Prints nothing: its key is a credential.
struct Visit {
    user: i64,
    key: String,
    fields: Fields,
}

/// What one step did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    pub acted: usize,
    pub signed_in: usize,
    pub left: usize,
}

/// Keeps the people of the demo site at `path` moving, a step a second, until `cancel`.
///
/// Errors only where the site cannot be opened; a step that fails is logged and the next one tries again.
pub async fn live(path: &Path, seed: u64, cancel: CancellationToken) -> Result<()> {
    let mut life = Life::open(path, seed, Timestamp::now()).await?;
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        // Only the waiting can be cut short, never a transaction.
        tokio::select! {
            () = cancel.cancelled() => break,
            _ = ticks.tick() => {}
        }
        if let Err(error) = life.step(Timestamp::now()).await {
            tracing::warn!(%error, "the people of the demo site could not move");
        }
    }
    super::close(path, life.connection).await
}

impl Life {
    /// Finds out who is in the demo site. Errors where `path` is no demo site.
    pub async fn open(path: &Path, seed: u64, now: Timestamp) -> Result<Self> {
        if !is_demo(path).await {
            return Err(no_demo(path));
        }
        let mut life = Self {
            connection: open(path, false).await?,
            keys: secret::keys(path)?,
            chance: Rng::with_seed(seed),
            users: Vec::new(),
            busy: Vec::new(),
            quiet: Vec::new(),
            lively: 0,
            linger: 0,
            seconds: 0,
        };
        life.look_around(now)
            .await
            .map_err(|error| not_writable(path, &error))?;
        Ok(life)
    }

    async fn look_around(&mut self, now: Timestamp) -> Result<(), sqlx::Error> {
        let users =
            sqlx::query(r#"SELECT "id", "last_activity" > ? AND "is_active" FROM "accounts_user""#)
                .bind(written(now - ACTIVE))
                .fetch_all(&mut self.connection)
                .await?;
        let mut active = HashMap::with_capacity(users.len());
        for user in users {
            let id = user.try_get(0)?;
            self.users.push(id);
            active.insert(id, user.try_get::<Option<bool>, _>(1)?.unwrap_or(false));
        }
        let sessions = sqlx::query(
            r#"SELECT "session_key", "session_data" FROM "django_session" WHERE "expire_date" > ?
               ORDER BY "session_key""#,
        )
        .bind(written(now))
        .fetch_all(&mut self.connection)
        .await?;
        let mut decoder = Decoder::new(Some(&self.keys));
        for session in sessions {
            let Ok(read) = decoder.decode(session.try_get(1)?) else {
                continue;
            };
            let Some(user) = read.user.as_ref().and_then(|user| user.parse().ok()) else {
                continue;
            };
            let lately = read.last_saved.is_some_and(|saved| saved > now - ACTIVE);
            let visit = Visit {
                user,
                key: session.try_get(0)?,
                fields: Fields {
                    user: read.user,
                    backend: Some(super::BACKEND.to_owned()),
                    auth_hash: read.auth_hash,
                    expiry: read.expiry,
                    extra: Default::default(),
                },
            };
            match lately && active.get(&user) == Some(&true) {
                true => self.busy.push(visit),
                false => self.quiet.push(visit),
            }
        }
        self.lively = self.busy.len().max(1);
        self.linger = self.quiet.len().max(self.lively);
        Ok(())
    }

    /// One second of life, written as of `now`.
    pub async fn step(&mut self, now: Timestamp) -> Result<Moved, sqlx::Error> {
        let mut moved = Moved::default();
        let Self {
            connection,
            keys,
            chance,
            users,
            busy,
            quiet,
            lively,
            linger,
            seconds,
        } = self;
        let size = (users.len() as f64 / f64::from(DEFAULT_USERS)).max(1.0);
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
        let site = &mut *transaction;

        for _ in 0..busy.len().div_ceil(ACTS_EVERY).min(MOST_ACTS) {
            let at = chance.usize(..busy.len().max(1));
            let Some(visit) = busy.get(at) else { break };
            match visit.act(site, keys, now).await? {
                true => moved.acted += 1,
                false => drop(busy.swap_remove(at)),
            }
        }
        for _ in 0..times(chance, STOPS * size) {
            quiet.extend(take(chance, busy));
        }
        for _ in 0..times(chance, COMES_BACK * size) {
            if let Some(visit) = take(chance, quiet)
                && visit.act(site, keys, now).await?
            {
                moved.acted += 1;
                busy.push(visit);
            }
        }
        for _ in 0..times(chance, LEAVES * size) {
            // Else a site that nobody sweeps would end with everybody overdue.
            let from = if quiet.len() > *linger {
                &mut *quiet
            } else {
                &mut *busy
            };
            if let Some(visit) = take(chance, from) {
                moved.left += usize::from(visit.leave(site, now).await?);
            }
        }
        for _ in 0..times(chance, IS_FORGOTTEN * size) {
            if let Some(visit) = take(chance, quiet) {
                visit.delete(site).await?;
            }
        }
        // A site that has emptied, by a sweep or by itself, fills up again.
        let wish = if busy.len() < *lively { 1.6 } else { 0.1 };
        for _ in 0..times(chance, SIGNS_IN * size * wish) {
            if let Some(user) = chance.choice(users.iter())
                && let Some(visit) = sign_in(site, chance, keys, *user, now).await?
            {
                moved.signed_in += 1;
                busy.push(visit);
            }
        }
        for _ in 0..times(chance, LOOKS_AROUND * size) {
            let fields = Fields {
                expiry: Expiry::Seconds(VISIT),
                ..visitor(chance)
            };
            insert(site, &new_key()?, &fields, keys, now).await?;
        }
        if *seconds % CLEARS_EVERY == CLEARS_EVERY - 1 {
            sqlx::query(r#"DELETE FROM "django_session" WHERE "expire_date" < ?"#)
                .bind(written(now))
                .execute(&mut *site)
                .await?;
        }
        *seconds += 1;
        transaction.commit().await?;
        Ok(moved)
    }
}

impl Visit {
    /// A request: the middleware's mark, and a save. False where the session is gone: then the
    /// request is an anonymous one, and nothing is marked.
    async fn act(
        &self,
        site: &mut SqliteConnection,
        keys: &SecretKeys,
        now: Timestamp,
    ) -> Result<bool, sqlx::Error> {
        let saved = sqlx::query(
            r#"UPDATE "django_session" SET "session_data" = ?, "expire_date" = ?
               WHERE "session_key" = ? AND "expire_date" > ?
               AND EXISTS (SELECT 1 FROM "accounts_user" WHERE "id" = ? AND "is_active")"#,
        )
        .bind(encode(&self.fields, keys, now))
        .bind(written(expires(self.fields.expiry, now)))
        .bind(&self.key)
        .bind(written(now))
        .bind(self.user)
        .execute(&mut *site)
        .await?;
        if saved.rows_affected() == 0 {
            return Ok(false);
        }
        sqlx::query(
            r#"UPDATE "accounts_user" SET "last_activity" = ?, "isCurrentlyActive" = 1 WHERE "id" = ?"#,
        )
        .bind(written(now))
        .bind(self.user)
        .execute(site)
        .await?;
        Ok(true)
    }

    /// Signs out by the site's own button. False where somebody else was first.
    async fn leave(
        &self,
        site: &mut SqliteConnection,
        now: Timestamp,
    ) -> Result<bool, sqlx::Error> {
        if !self.delete(site).await? {
            return Ok(false);
        }
        sqlx::query(
            r#"UPDATE "accounts_user" SET "last_activity" = ?, "isCurrentlyActive" = 0 WHERE "id" = ?"#,
        )
        .bind(written(now))
        .bind(self.user)
        .execute(site)
        .await?;
        Ok(true)
    }

    async fn delete(&self, site: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
        let gone = sqlx::query(r#"DELETE FROM "django_session" WHERE "session_key" = ?"#)
            .bind(&self.key)
            .execute(site)
            .await?;
        Ok(gone.rows_affected() > 0)
    }
}

/// `None` where the user may not sign in, or is no longer there.
async fn sign_in(
    site: &mut SqliteConnection,
    chance: &mut Rng,
    keys: &SecretKeys,
    user: i64,
    now: Timestamp,
) -> Result<Option<Visit>, sqlx::Error> {
    let password: Option<String> = sqlx::query_scalar(
        r#"UPDATE "accounts_user" SET "last_login" = ?1, "last_activity" = ?1,
           "isCurrentlyActive" = 1 WHERE "id" = ?2 AND "is_active" RETURNING "password""#,
    )
    .bind(written(now))
    .bind(user)
    .fetch_optional(&mut *site)
    .await?;
    let Some(password) = password else {
        return Ok(None);
    };
    let expiry = match chance.u8(..10) {
        0..6 => Expiry::Default,
        6 => Expiry::BrowserClose,
        7 => Expiry::Seconds(30 * 60),
        8 => Expiry::Seconds(8 * 3_600),
        _ => Expiry::Fixed(now + SignedDuration::from_hours(12)),
    };
    let visit = Visit {
        user,
        key: new_key()?,
        fields: fields(user, &password, expiry, keys),
    };
    insert(site, &visit.key, &visit.fields, keys, now).await?;
    Ok(Some(visit))
}

async fn insert(
    site: &mut SqliteConnection,
    key: &str,
    fields: &Fields,
    keys: &SecretKeys,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        r#"INSERT INTO "django_session" ("session_key", "session_data", "expire_date") VALUES (?, ?, ?)"#,
    )
    .bind(key)
    .bind(encode(fields, keys, now))
    .bind(written(expires(fields.expiry, now)))
    .execute(site)
    .await
    .map(drop)
}

fn new_key() -> Result<String, sqlx::Error> {
    secret::session_key().map_err(|error| sqlx::Error::Io(std::io::Error::other(error)))
}

/// A whole number of times that comes to `rate` on average.
fn times(chance: &mut Rng, rate: f64) -> usize {
    rate.floor() as usize + usize::from(chance.f64() < rate.fract())
}

fn take<T>(chance: &mut Rng, from: &mut Vec<T>) -> Option<T> {
    match from.len() {
        0 => None,
        some => Some(from.swap_remove(chance.usize(..some))),
    }
}

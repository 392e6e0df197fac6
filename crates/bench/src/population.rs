//! A site of so many sessions, in PostgreSQL and in Redis as `cached_db` leaves them: three in ten anonymous, the others
//! of people with 1 to 13 sessions each, seven on average. Payloads have about 100 bytes to 4 KB, and a few 1 MB.

use std::fmt::Write as _;

use anyhow::{Context, Result};
use curfew_engine::django::auth_hash::session_auth_hash;
use curfew_engine::django::secret::SecretKeys;
use curfew_engine::django::session::{Expiry, Fields, encode};
use jiff::{SignedDuration, Timestamp};
use redis::aio::MultiplexedConnection;
use sqlx::PgConnection;
use tokio::sync::mpsc;

use crate::dice::Dice;
use crate::people;

pub const SECRET_KEY: &str = "the key of the benchmark's site";
const BACKEND: &str = "django.contrib.auth.backends.ModelBackend";
/// In seconds, as Django has it where a site says nothing.
pub const COOKIE_AGE: i64 = 1_209_600;
/// Of Django's own prefix, and the session engine `cached_db`.
pub const COPY_PREFIX: &str = ":1:django.contrib.sessions.cached_db";
/// The same of the session engine `cache`.
pub const CACHE_PREFIX: &str = ":1:django.contrib.sessions.cache";
/// Rows of one COPY, commands of one pipeline.
const CHUNK: usize = 5_000;
/// Sessions for each person of the site, the anonymous ones included.
const SHARE: usize = 10;
/// A person has as many sessions at most, and half as many and a half on average.
const MOST: usize = 13;
/// Characters of a payload that packs to nearly as many, and stays under the mebibyte that Curfew inflates.
const LARGE: usize = 960_000;

const KEY_LETTERS: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
/// So many that base64 makes of them, packed, what they were before.
const ALL_LETTERS: &[u8; 64] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";

/// The tables as Django's migrations make them, as far as Curfew reads them; what an earlier run broke off is gone.
const TABLES: &str = "
DROP TABLE IF EXISTS django_session, auth_user, kept_session, bench_keys, bench_logins;
CREATE TABLE auth_user (
    id bigint PRIMARY KEY, password varchar(128) NOT NULL, last_login timestamptz, is_superuser boolean NOT NULL,
    username varchar(150) UNIQUE NOT NULL, email varchar(254) NOT NULL, is_staff boolean NOT NULL,
    is_active boolean NOT NULL, last_activity timestamptz, is_online boolean NOT NULL
);
CREATE TABLE django_session (
    session_key varchar(40) PRIMARY KEY, session_data text NOT NULL, expire_date timestamptz NOT NULL
);";
const INDEXES: &str = "
CREATE INDEX ON django_session (session_key varchar_pattern_ops);
CREATE INDEX ON django_session (expire_date);";
/// Done here, so that the server does not do it by itself in the midst of what is measured.
const HOUSEKEEPING: [&str; 3] = [
    "VACUUM ANALYZE django_session",
    "VACUUM ANALYZE auth_user",
    "CHECKPOINT",
];

/// One person's keys, by user number.
pub struct Population {
    pub people: Vec<Vec<String>>,
}

/// A cache that has each session, too, under keys that begin so.
pub struct Copies<'a> {
    pub cache: &'a mut MultiplexedConnection,
    pub prefix: &'static str,
}

/// What is sent at once.
struct Part {
    rows: String,
    copies: Option<(redis::Pipeline, &'static str)>,
}

impl Part {
    fn new(prefix: Option<&'static str>) -> Self {
        Self {
            rows: String::new(),
            copies: prefix.map(|prefix| (redis::pipe(), prefix)),
        }
    }

    fn add(&mut self, key: &str, fields: &Fields, keys: &SecretKeys, saved: Timestamp) {
        let expires = saved + SignedDuration::from_secs(COOKIE_AGE);
        let data = encode(fields, keys, saved);
        let _ = writeln!(self.rows, "{key}\t{data}\t{expires}");
        if let Some((copies, prefix)) = &mut self.copies {
            copies
                .cmd("SET")
                .arg(format!("{prefix}{key}"))
                .arg(pickled(fields))
                .arg("EXAT")
                .arg(expires.as_second())
                .ignore();
        }
    }
}

/// Fills the database from nothing, and the cache where there is one.
pub async fn make(
    sessions: usize,
    database: &mut PgConnection,
    mut copies: Option<Copies<'_>>,
) -> Result<Population> {
    sqlx::raw_sql(TABLES).execute(&mut *database).await?;
    let (to, mut parts) = mpsc::channel(2);
    let prefix = copies.as_ref().map(|copies| copies.prefix);
    // On a thread of its own: signing and packing take longer than sending.
    let maker = tokio::task::spawn_blocking(move || fill(sessions, prefix, &to));
    while let Some(part) = parts.recv().await {
        copy(database, "COPY django_session FROM STDIN", part.rows).await?;
        if let (Some(copies), Some((commands, _))) = (&mut copies, part.copies) {
            let () = commands.query_async(copies.cache).await.context("Redis")?;
        }
    }
    let population = maker.await?;
    people::insert(population.people.len(), database).await?;
    sqlx::raw_sql(INDEXES).execute(&mut *database).await?;
    for statement in HOUSEKEEPING {
        sqlx::raw_sql(statement).execute(&mut *database).await?;
    }
    Ok(population)
}

/// What Django writes when it saves a session of this user, a number from 0 on, at this moment: the data, and the date.
pub fn saved(user: usize, at: Timestamp) -> (String, Timestamp) {
    let keys = SecretKeys::new(SECRET_KEY.into(), Vec::new());
    let fields = fields(Some(user + 1), "saved again".into());
    let expires = at + SignedDuration::from_secs(COOKIE_AGE);
    (encode(&fields, &keys, at), expires)
}

/// The same of the session engine `cache`: the value, which lives for [`COOKIE_AGE`] from its save on.
pub fn cached(user: usize) -> Vec<u8> {
    pickled(&fields(Some(user + 1), "saved again".into()))
}

/// How many sessions there are now.
pub async fn left(database: &mut PgConnection) -> Result<usize> {
    let count: i64 = sqlx::query_scalar("SELECT count(*) FROM django_session")
        .fetch_one(database)
        .await?;
    Ok(usize::try_from(count)?)
}

/// Rows in COPY's own text form, into the table that the statement names.
pub async fn copy(
    database: &mut PgConnection,
    statement: &'static str,
    rows: String,
) -> Result<()> {
    let mut copy = database.copy_in_raw(statement).await?;
    copy.send(rows.into_bytes()).await?;
    copy.finish().await?;
    Ok(())
}

/// Makes them all, part by part, for whoever sends them.
fn fill(sessions: usize, prefix: Option<&'static str>, to: &mpsc::Sender<Part>) -> Population {
    let now = Timestamp::now();
    let keys = SecretKeys::new(SECRET_KEY.into(), Vec::new());
    let mut dice = Dice::new();
    let mut people = vec![Vec::new(); sessions / SHARE];
    let mut part = Part::new(prefix);
    let large_every = match sessions {
        100_000.. => sessions / 5,
        _ => sessions,
    };
    for (made, user) in owners(sessions, &mut dice).into_iter().enumerate() {
        let key = dice.word(KEY_LETTERS, 32);
        let saved = now - SignedDuration::from_secs(dice.below(6 * 86_400) as i64);
        let padding = match dice.below(20) {
            _ if made % large_every == large_every / 2 => dice.word(ALL_LETTERS, LARGE),
            0 => dice.word(KEY_LETTERS, 4_000),
            1..=4 => dice.word(KEY_LETTERS, 700),
            _ => dice.word(KEY_LETTERS, 20),
        };
        part.add(&key, &fields(user, padding), &keys, saved);
        if let Some(user) = user {
            people[user - 1].push(key);
        }
        if (made + 1).is_multiple_of(CHUNK) || made + 1 == sessions {
            let full = std::mem::replace(&mut part, Part::new(prefix));
            // Nobody takes it where sending has failed, and then that is what is told.
            if to.blocking_send(full).is_err() {
                break;
            }
        }
    }
    Population { people }
}

/// Whose each session is: a person's lie anywhere in the table. The second half of the people mirrors the first, so
/// that the sum is the same for any throw.
fn owners(sessions: usize, dice: &mut Dice) -> Vec<Option<usize>> {
    let people = sessions / SHARE;
    let half: Vec<usize> = (0..people / 2)
        .map(|_| 1 + dice.below(MOST as u64) as usize)
        .collect();
    let mut counts = half.clone();
    counts.resize(people - half.len(), MOST.div_ceil(2));
    counts.extend(half.iter().rev().map(|count| MOST + 1 - count));
    let mut owners: Vec<Option<usize>> = (1..=people)
        .zip(counts)
        .flat_map(|(user, count)| std::iter::repeat_n(Some(user), count))
        .collect();
    owners.resize(sessions, None);
    for last in (1..owners.len()).rev() {
        owners.swap(last, dice.below(last as u64 + 1) as usize);
    }
    owners
}

fn fields(user: Option<usize>, padding: String) -> Fields {
    let mut fields = Fields {
        expiry: Expiry::Default,
        ..Fields::default()
    };
    fields.extra.insert("cart".into(), padding.into());
    if let Some(user) = user {
        fields.user = Some(user.to_string());
        fields.backend = Some(BACKEND.into());
        fields.auth_hash = Some(session_auth_hash(&people::password(user), SECRET_KEY));
    }
    fields
}

/// The session's dict as Python's protocol 4 packs it.
fn pickled(fields: &Fields) -> Vec<u8> {
    let mut out = vec![0x80, 4, b'}', b'('];
    let mut text = |value: &str| {
        out.push(b'X');
        out.extend((value.len() as u32).to_le_bytes());
        out.extend(value.as_bytes());
    };
    let pairs = [
        ("_auth_user_id", fields.user.as_deref()),
        ("_auth_user_backend", fields.backend.as_deref()),
        ("_auth_user_hash", fields.auth_hash.as_deref()),
        ("cart", fields.extra.get("cart").and_then(|v| v.as_str())),
    ];
    for (name, value) in pairs {
        if let Some(value) = value {
            text(name);
            text(value);
        }
    }
    out.extend(b"u.");
    out
}

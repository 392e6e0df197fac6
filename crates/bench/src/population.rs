//! A site of so many sessions, in PostgreSQL and in Redis as `cached_db` leaves them: three in ten anonymous, the others
//! of people with one to three sessions each, and payloads of about 100 bytes to 4 KB.

use anyhow::{Context, Result};
use curfew_engine::django::auth_hash::session_auth_hash;
use curfew_engine::django::secret::SecretKeys;
use curfew_engine::django::session::{Expiry, Fields, encode};
use jiff::{SignedDuration, Timestamp};
use sqlx::{AssertSqlSafe, PgConnection};

pub const SECRET_KEY: &str = "the key of the benchmark's site";
const BACKEND: &str = "django.contrib.auth.backends.ModelBackend";
const COOKIE_AGE: i64 = 1_209_600;
/// Of Django's own prefix and session engine.
pub const CACHE_PREFIX: &str = ":1:django.contrib.sessions.cached_db";
/// Rows of one COPY message, commands of one pipeline.
const CHUNK: usize = 5_000;

/// The tables as Django's migrations make them, as far as Curfew reads them.
const TABLES: &str = "
DROP TABLE IF EXISTS django_session, auth_user;
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
CREATE INDEX ON django_session (expire_date);
ANALYZE;";

/// One person's keys, by user number.
pub struct Population {
    pub people: Vec<Vec<String>>,
}

/// Numbers that are the same in each run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit.max(1)
    }
    fn word(&mut self, length: usize) -> String {
        const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789";
        (0..length)
            .map(|_| char::from(LETTERS[self.below(36) as usize]))
            .collect()
    }
}

/// Fills both, from nothing.
pub async fn make(
    sessions: usize,
    database: &mut PgConnection,
    cache: &mut redis::aio::MultiplexedConnection,
) -> Result<Population> {
    sqlx::raw_sql(TABLES).execute(&mut *database).await?;
    let now = Timestamp::now();
    let keys = SecretKeys::new(SECRET_KEY.into(), Vec::new());
    let mut dice = Dice(0x9E37_79B9_7F4A_7C15);
    let mut population = Population { people: Vec::new() };
    let (mut rows, mut pipe) = (Vec::new(), redis::pipe());
    let mut made = 0;
    while made < sessions {
        let anonymous = dice.below(10) < 3;
        let (user, count) = if anonymous {
            (None, 1)
        } else {
            population.people.push(Vec::new());
            (Some(population.people.len()), 1 + dice.below(3) as usize)
        };
        for _ in 0..count.min(sessions - made) {
            let key = dice.word(32);
            let saved = now - SignedDuration::from_secs(dice.below(6 * 86_400) as i64);
            let padding = match dice.below(20) {
                0 => 4_000,
                1..=4 => 700,
                _ => 20,
            };
            let fields = fields(user, dice.word(padding));
            rows.push((
                key.clone(),
                encode(&fields, &keys, saved),
                saved + SignedDuration::from_secs(COOKIE_AGE),
            ));
            pipe.cmd("SET")
                .arg(format!("{CACHE_PREFIX}{key}"))
                .arg(pickled(&fields))
                .arg("EXAT")
                .arg((saved + SignedDuration::from_secs(COOKIE_AGE)).as_second())
                .ignore();
            if let Some(user) = user {
                population.people[user - 1].push(key);
            }
            made += 1;
        }
        if rows.len() >= CHUNK || made == sessions {
            copy_sessions(database, &rows).await?;
            let () = pipe.query_async(cache).await.context("redis")?;
            rows.clear();
            pipe = redis::pipe();
        }
    }
    copy_people(database, population.people.len()).await?;
    sqlx::raw_sql(INDEXES).execute(&mut *database).await?;
    Ok(population)
}

/// How many sessions there are now.
pub async fn left(database: &mut PgConnection) -> Result<usize> {
    let count: i64 = sqlx::query_scalar("SELECT count(*) FROM django_session")
        .fetch_one(database)
        .await?;
    Ok(usize::try_from(count)?)
}

fn password(user: usize) -> String {
    format!("pbkdf2_sha256$1000000$salt{user}$digest")
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
        fields.auth_hash = Some(session_auth_hash(&password(user), SECRET_KEY));
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

async fn copy_sessions(
    database: &mut PgConnection,
    rows: &[(String, String, Timestamp)],
) -> Result<()> {
    let mut copy = database
        .copy_in_raw("COPY django_session FROM STDIN")
        .await?;
    let mut text = String::new();
    for (key, data, expires) in rows {
        text.push_str(&format!("{key}\t{data}\t{expires}\n"));
    }
    copy.send(text.into_bytes()).await?;
    copy.finish().await?;
    Ok(())
}

async fn copy_people(database: &mut PgConnection, people: usize) -> Result<()> {
    // Seen a minute to an hour ago, so that some are active and some are overdue.
    let sql = format!(
        "INSERT INTO auth_user SELECT n, 'pbkdf2_sha256$1000000$salt' || n || '$digest', now() - interval '1 day', false,
           'person' || n, 'person' || n || '@example.org', false, true, now() - (n % 3600) * interval '1 second', n % 3600 < 300
         FROM generate_series(1, {people}) n"
    );
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(database).await?;
    Ok(())
}

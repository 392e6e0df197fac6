//! What it costs to watch: the first look, a look at a site where nothing happened, one at a site where some sessions
//! were saved.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use curfew_engine::Site as Engine;
use futures_util::TryStreamExt;
use jiff::Timestamp;
use sqlx::postgres::PgRow;
use sqlx::{Connection, PgConnection};

use crate::cpu;
use crate::overdue::ONE_IN;
use crate::population::{self, Population};
use crate::report::{Figure, Goal, Measure};
use crate::site::Site;

/// Sessions that were saved since the last look.
const TOUCHED: usize = 1_000;
/// A look that finds nothing takes so little that one pair in a few says nothing of it: so many pairs for each run.
pub const STILLS: usize = 20;
/// Looks never follow one another at once: before either side of such a pair nothing happens for so long.
pub const REST: Duration = Duration::from_millis(20);
/// Longer than the time that a look reaches back, so that no pair reads another's sessions again.
pub const APART: Duration = Duration::from_secs(11);
/// The window's own pace, and so many looks.
pub const EVERY: Duration = Duration::from_secs(2);
const LOOKS: u32 = 30;
/// More than Curfew remembers.
const COSTS: u32 = 5;
/// Looks before that, in which the readings' paces settle.
const WARM: u32 = 10;

fn seen(engine: &Engine) -> usize {
    let counts = engine.view().counts;
    let all = [
        counts.sessions,
        counts.anonymous_sessions,
        counts.unreadable_sessions,
        counts.rejected_sessions,
    ];
    all.iter().sum::<u32>() as usize
}

/// From nothing to the full roster of so many sessions, and how long that took.
pub async fn first_look(
    site: &Site<'_>,
    sessions: usize,
    state: &Path,
) -> Result<(Arc<Engine>, Duration)> {
    let began = Instant::now();
    let engine = site.open(state).await?;
    engine.look().await?;
    let took = began.elapsed();
    if seen(&engine) != sessions {
        bail!("the roster has {} of {sessions} sessions", seen(&engine));
    }
    Ok((engine, took))
}

/// The first look, against reading the same rows.
pub async fn cold(
    site: &Site<'_>,
    sessions: usize,
    runs: usize,
    state: &Path,
    database: &mut PgConnection,
) -> Result<Measure> {
    let mut pairs = Vec::new();
    for _ in 0..runs {
        let (engine, ours) = first_look(site, sessions, state).await?;
        engine.close().await;
        drop(engine);
        let began = Instant::now();
        let copy = "COPY (SELECT session_key, session_data, expire_date FROM django_session) TO STDOUT (FORMAT binary)";
        let mut stream = database.copy_out_raw(copy).await?;
        let mut bytes = 0;
        while let Some(part) = stream.try_next().await? {
            bytes += part.len();
        }
        drop(stream);
        if bytes == 0 {
            bail!("nothing was copied");
        }
        pairs.push((ours, began.elapsed()));
    }
    Ok(Measure {
        work: "cold: from nothing to the full roster".into(),
        against: "raw binary COPY of the same rows to nowhere".into(),
        goal: Goal::AtMost(2.0),
        pairs,
    })
}

/// A look that finds nothing new.
pub async fn still(engine: &Engine, runs: usize, database: &mut PgConnection) -> Result<Measure> {
    warm(engine).await?;
    let mut pairs = Vec::new();
    for _ in 0..runs * STILLS {
        tokio::time::sleep(REST).await;
        let began = Instant::now();
        engine.look().await?;
        let ours = began.elapsed();
        tokio::time::sleep(REST).await;
        let began = Instant::now();
        let none = sqlx::query(
            "SELECT session_key FROM django_session WHERE expire_date BETWEEN now() + interval '9 years' AND now() + interval '10 years'",
        )
        .fetch_all(&mut *database)
        .await?;
        pairs.push((ours, began.elapsed()));
        if !none.is_empty() {
            bail!("the range is not empty");
        }
    }
    Ok(Measure {
        work: "warm look, nothing changed".into(),
        against: "an empty index range query".into(),
        goal: Goal::AtMost(3.0),
        pairs,
    })
}

/// Looks until it is known what each reading costs, and with that how often it is made.
pub async fn warm(engine: &Engine) -> Result<()> {
    for _ in 0..COSTS {
        engine.look().await?;
    }
    Ok(())
}

/// What looking every two seconds takes of one core, on either side.
pub async fn idling(engine: &Engine, database: &mut PgConnection) -> Result<Vec<Figure>> {
    for _ in 0..WARM {
        tokio::time::sleep(EVERY).await;
        engine.look().await?;
    }
    let pids: Vec<i32> =
        sqlx::query_scalar("SELECT pid FROM pg_stat_activity WHERE application_name = 'curfew'")
            .fetch_all(&mut *database)
            .await?;
    let there = |pids: &[i32]| -> Result<Duration> {
        pids.iter().map(|pid| cpu::used(&pid.to_string())).sum()
    };
    let (here_before, there_before) = (cpu::used("self")?, there(&pids)?);
    let began = Instant::now();
    for _ in 0..LOOKS {
        tokio::time::sleep(EVERY).await;
        engine.look().await?;
    }
    let took = began.elapsed().as_secs_f64();
    let share = |used: Duration| 100.0 * used.as_secs_f64() / took;
    let figure = |whose: &str, percent: f64| Figure {
        what: format!("a look every 2 s, nothing changed: share of one core, {whose}"),
        value: format!("{percent:.2} %"),
        goal: "under 1 %".into(),
        met: percent < 1.0,
    };
    Ok(vec![
        figure(
            "Curfew",
            share(cpu::used("self")?.saturating_sub(here_before)),
        ),
        figure(
            "the database",
            share(there(&pids)?.saturating_sub(there_before)),
        ),
    ])
}

/// Sessions of which some are saved in each run.
pub struct Savers<'a> {
    all: Vec<(usize, &'a String)>,
    /// So many in one run.
    pub size: usize,
}

impl<'a> Savers<'a> {
    /// Of those that are there. Whoever's session was just saved is not idle, and could not be swept afterwards.
    pub fn of(population: &'a Population, there: &HashSet<String>) -> Self {
        let of = |(user, keys)| std::iter::repeat(user).zip::<&Vec<String>>(keys);
        let mine = population.people.iter().enumerate().flat_map(of);
        let mine = mine.filter(|(user, _)| !user.is_multiple_of(ONE_IN));
        let all: Vec<(usize, &String)> = mine.filter(|(_, key)| there.contains(*key)).collect();
        let size = TOUCHED.min(all.len() / 2).max(1);
        Self { all, size }
    }

    /// Other ones in each run: whose, a number from 0 on, and the key.
    pub fn of_run(&self, run: usize) -> impl Iterator<Item = (usize, &'a String)> {
        let every = (self.all.len() / self.size).max(1);
        let some = self.all.iter().skip(run % every).step_by(every);
        some.take(self.size).copied()
    }
}

/// A look after a thousand people did something. Just before, each of the two has asked the same of a site where nothing
/// happened. Who of them is first takes turns.
pub async fn touched(
    site: &Site<'_>,
    engine: &Engine,
    population: &Population,
    runs: usize,
    database: &mut PgConnection,
) -> Result<Measure> {
    let there: HashSet<String> = sqlx::query_scalar("SELECT session_key FROM django_session")
        .fetch_all(&mut *database)
        .await?
        .into_iter()
        .collect();
    let savers = Savers::of(population, &there);
    // Whoever writes a row has it at hand, and whoever reads it first after its change marks it as whole: neither shall be one
    // of the two.
    let mut saver = PgConnection::connect(site.database).await?;
    warm(engine).await?;
    let mut pairs = Vec::new();
    for run in 0..runs {
        tokio::time::sleep(APART).await;
        engine.look().await?;
        let dated = |now| population::saved(0, now).1.to_string();
        saved_since(&dated(Timestamp::now()), database).await?;
        let now = Timestamp::now();
        let date = dated(now);
        save(savers.of_run(run), now, &mut saver).await?;
        saved_since(&date, &mut saver).await?;
        let (ours, raw) = match run.is_multiple_of(2) {
            true => {
                let ours = looked(engine).await?;
                (ours, read(&date, savers.size, database).await?)
            }
            false => {
                let raw = read(&date, savers.size, database).await?;
                (looked(engine).await?, raw)
            }
        };
        pairs.push((ours, raw));
    }
    saver.close().await?;
    Ok(Measure {
        work: format!("warm look, {} sessions touched", savers.size),
        against: "the raw indexed read of those rows".into(),
        goal: Goal::AtMost(2.0),
        pairs,
    })
}

async fn save<'a>(
    savers: impl Iterator<Item = (usize, &'a String)>,
    now: Timestamp,
    saver: &mut PgConnection,
) -> Result<()> {
    let (mut keys, mut data) = (Vec::new(), Vec::new());
    for (user, key) in savers {
        keys.push(key.clone());
        data.push(population::saved(user, now).0);
    }
    sqlx::query(
        "UPDATE django_session SET session_data = saved.data, expire_date = $3::text::timestamptz
         FROM unnest($1, $2) AS saved (key, data) WHERE session_key = saved.key",
    )
    .bind(&keys)
    .bind(&data)
    .bind(population::saved(0, now).1.to_string())
    .execute(saver)
    .await?;
    Ok(())
}

async fn looked(engine: &Engine) -> Result<Duration> {
    let began = Instant::now();
    engine.look().await?;
    Ok(began.elapsed())
}

async fn read(date: &str, many: usize, database: &mut PgConnection) -> Result<Duration> {
    let began = Instant::now();
    let rows = saved_since(date, database).await?;
    let took = began.elapsed();
    if rows.len() != many {
        bail!("{} rows of {many}", rows.len());
    }
    Ok(took)
}

async fn saved_since(date: &str, database: &mut PgConnection) -> Result<Vec<PgRow>> {
    let query = sqlx::query(
        "SELECT session_key, session_data, expire_date FROM django_session WHERE expire_date >= $1::text::timestamptz",
    );
    Ok(query.bind(date).fetch_all(database).await?)
}

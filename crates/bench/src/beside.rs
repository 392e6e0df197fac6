//! What a site at work feels of Curfew: its requests a second with Curfew looking on and sweeping, against those without,
//! and what its database says of Curfew's connections meanwhile.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Result, bail};
use curfew_engine::Site as Engine;
use curfew_engine::view::Link;
use curfew_engine::watch;
use sqlx::{Connection, PgConnection, Row};
use tokio::time::{MissedTickBehavior, interval};

use crate::cpu;
use crate::overdue::Overdue;
use crate::pgbench::Play;
use crate::population::Population;
use crate::report::{Figure, median};
use crate::site::Site;
use crate::watching::{APART, warm};

/// Of requests a second, with Curfew against without.
const GOAL: f64 = 0.97;
const CONNECTIONS: i64 = 3;
/// The longest that a statement may be seen to run, in milliseconds.
const LONGEST: f64 = 200.0;
/// One run: a sweep a minute is one five times as often as Curfew sweeps by itself.
const SECONDS: u32 = 60;
/// In the middle of a run.
const SWEEP_AFTER: Duration = Duration::from_secs(30);
/// People overdue in each run.
const PEOPLE: usize = 500;
/// The longest that a transaction that holds locks may be seen to last, in milliseconds.
const LOCKED: f64 = 100.0;
/// How often the database is asked what Curfew does there.
const SAMPLE: Duration = Duration::from_millis(50);
/// A statement's workers go by its connection's name, and are no connections. Who locks a row has a transaction's number, and
/// holds the lock no longer than the transaction lasts.
const SAMPLED: &str = "
SELECT count(*) FILTER (WHERE backend_type = 'client backend'),
       max(extract(epoch FROM clock_timestamp() - query_start)::float8 * 1000) FILTER (WHERE state = 'active'),
       max(extract(epoch FROM clock_timestamp() - xact_start)::float8 * 1000) FILTER (WHERE backend_xid IS NOT NULL),
       coalesce(array_agg(pid) FILTER (WHERE backend_type = 'client backend'), '{}')
FROM pg_stat_activity WHERE application_name = 'curfew'";

/// What the database was seen to say of Curfew.
#[derive(Clone, Copy, Default)]
struct Seen {
    connections: i64,
    /// In milliseconds.
    longest: f64,
    /// The same, of transactions that hold locks.
    locked: f64,
    /// What its connections have used of the database's cores.
    used: Duration,
}

/// What some of the database's processes have used of its cores since they were first seen.
#[derive(Default)]
struct Backends(HashMap<i32, (Duration, Duration)>);

impl Backends {
    fn see(&mut self, pids: Vec<i32>) {
        for pid in pids {
            // One that has just ended used what it was last seen to have used.
            if let Ok(now) = cpu::used(&pid.to_string()) {
                self.0.entry(pid).or_insert((now, now)).1 = now;
            }
        }
    }

    fn used(&self) -> Duration {
        let each = self.0.values();
        each.map(|(first, last)| last.saturating_sub(*first)).sum()
    }
}

impl Seen {
    fn and(self, other: Self) -> Self {
        Self {
            connections: self.connections.max(other.connections),
            longest: self.longest.max(other.longest),
            locked: self.locked.max(other.locked),
            used: self.used + other.used,
        }
    }
}

/// Runs with and without take turns, and so does the one that is first.
pub async fn measure(
    site: &Site<'_>,
    population: &Population,
    overdue: Overdue,
    runs: usize,
    state: &Path,
    database: &mut PgConnection,
) -> Result<Vec<Figure>> {
    let url = site.database;
    let overdue = overdue.only(PEOPLE);
    let people: Vec<usize> = overdue.people().collect();
    let play = Play::prepare(population, &people, state, url, database).await?;
    let mut seen = Seen::default();
    let (mut with, mut without) = (Vec::new(), Vec::new());
    // What this process uses: with Curfew in it, and without.
    let (mut used_with, mut used_without) = (Duration::ZERO, Duration::ZERO);
    for run in 0..runs {
        for turn in 0..2_usize {
            play.clean(database).await?;
            let engine = overdue.met(site, state, database).await?;
            sqlx::raw_sql("CHECKPOINT").execute(&mut *database).await?;
            // Not everyone at once did something just now.
            tokio::time::sleep(APART).await;
            warm(&engine).await?;
            let beside = (run + turn).is_multiple_of(2);
            let swept = beside.then(|| (engine.clone(), people.len()));
            let before = cpu::used("self")?;
            let (per_second, saw) = one(&play, url, swept, database).await?;
            let used = cpu::used("self")?.saturating_sub(before);
            engine.close().await;
            seen = seen.and(saw);
            match beside {
                true => {
                    with.push(per_second);
                    used_with += used;
                }
                false => {
                    without.push(per_second);
                    used_without += used;
                }
            }
        }
    }
    play.end(database).await?;
    overdue.end(database).await?;
    let here = used_with.saturating_sub(used_without);
    let mut figures = figures(&with, &without, seen);
    figures.insert(1, cores(here, seen.used, runs));
    Ok(figures)
}

/// Where all cores are at work, as here, what is taken of them is taken from the site.
fn cores(here: Duration, there: Duration, runs: usize) -> Figure {
    let time = f64::from(SECONDS) * runs as f64;
    let share = |used: Duration| 100.0 * used.as_secs_f64() / time;
    let cores = std::thread::available_parallelism().map_or(1, usize::from) as f64;
    let (all, most) = (share(here + there), 100.0 * (1.0 - GOAL) * cores);
    Figure {
        what: "Curfew meanwhile, and its connections at the database: share of one core".into(),
        value: format!(
            "{all:.1} % (Curfew {:.1}, the database {:.1})",
            share(here),
            share(there)
        ),
        goal: format!("at most {most:.0} %, three hundredths of all cores"),
        met: all <= most,
    }
}

/// One run. Curfew is beside it where it is given, with how many people it will find overdue.
async fn one(
    play: &Play<'_>,
    url: &str,
    curfew: Option<(Arc<Engine>, usize)>,
    database: &mut PgConnection,
) -> Result<(f64, Seen)> {
    let over = Arc::new(AtomicBool::new(false));
    let sampler = tokio::spawn(sample(url.to_string(), over.clone()));
    let looks = curfew.map(|(engine, people)| tokio::spawn(look_on(engine, people, over.clone())));
    let played = play.run(SECONDS, database).await;
    over.store(true, Ordering::Relaxed);
    let seen = sampler.await?;
    if let Some(looks) = looks {
        looks.await??;
    }
    Ok((played?, seen?))
}

/// As the window does: looks at the engine's own pace, and once a sweep.
async fn look_on(engine: Arc<Engine>, people: usize, over: Arc<AtomicBool>) -> Result<()> {
    let watch = watch::start(engine.clone());
    let looked = sweep_beside(&engine, people, &over).await;
    watch.stop().await;
    looked
}

async fn sweep_beside(engine: &Engine, people: usize, over: &AtomicBool) -> Result<()> {
    tokio::time::sleep(SWEEP_AFTER).await;
    let report = engine.sweep(true).await?;
    if report.users.len() < people * 9 / 10 {
        bail!("{} of {people} people swept", report.users.len());
    }
    while !over.load(Ordering::Relaxed) {
        tokio::time::sleep(SAMPLE).await;
    }
    let view = engine.view();
    if view.counts.rejected_sessions > 0 {
        bail!(
            "{} sessions are not what Django signs",
            view.counts.rejected_sessions
        );
    }
    let connection = view.connection;
    if connection.link != Link::Live {
        bail!("the site was not looked at: {connection:?}");
    }
    Ok(())
}

/// By a connection of its own, that does not go by Curfew's name.
async fn sample(url: String, over: Arc<AtomicBool>) -> Result<Seen> {
    let mut database = PgConnection::connect(&url).await?;
    let mut ticks = interval(SAMPLE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut seen, mut backends) = (Seen::default(), Backends::default());
    while !over.load(Ordering::Relaxed) {
        ticks.tick().await;
        let row = sqlx::query(SAMPLED).fetch_one(&mut database).await?;
        let (longest, locked): (Option<f64>, Option<f64>) = (row.try_get(1)?, row.try_get(2)?);
        seen = seen.and(Seen {
            connections: row.try_get(0)?,
            longest: longest.unwrap_or_default(),
            locked: locked.unwrap_or_default(),
            used: Duration::ZERO,
        });
        backends.see(row.try_get(3)?);
    }
    database.close().await?;
    Ok(Seen {
        used: backends.used(),
        ..seen
    })
}

fn figures(with: &[f64], without: &[f64], seen: Seen) -> Vec<Figure> {
    let share = median(
        with.iter()
            .zip(without)
            .map(|(with, without)| with / without),
    );
    vec![
        Figure {
            what: format!(
                "a site's requests a second with Curfew beside it, looks at its own pace and a sweep of up to {PEOPLE} people a minute, as a share of those without: median of {} pairs",
                with.len()
            ),
            value: format!(
                "{share:.3} ({:.0} and {:.0})",
                median(with.iter().copied()),
                median(without.iter().copied())
            ),
            goal: format!("at least {GOAL}"),
            met: share >= GOAL,
        },
        Figure {
            what: "Curfew's connections meanwhile, at the most".into(),
            value: seen.connections.to_string(),
            goal: format!("at most {CONNECTIONS}"),
            met: seen.connections <= CONNECTIONS,
        },
        Figure {
            what: "Curfew's longest statement meanwhile, as seen every 50 ms".into(),
            value: format!("{:.0} ms", seen.longest),
            goal: format!("under {LONGEST:.0} ms"),
            met: seen.longest < LONGEST,
        },
        Figure {
            what: "Curfew's longest transaction meanwhile that holds locks, as seen every 50 ms"
                .into(),
            value: format!("{:.0} ms", seen.locked),
            goal: format!("at most {LOCKED:.0} ms"),
            met: seen.locked <= LOCKED,
        },
    ]
}

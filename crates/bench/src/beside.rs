//! What a site at work feels of Curfew: its requests a second with Curfew looking on and sweeping, against those without,
//! and what its database says of Curfew's connections meanwhile.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Result, bail};
use curfew_engine::Site as Engine;
use curfew_engine::view::Link;
use curfew_engine::watch;
use sqlx::{Connection, PgConnection, Row};
use tokio::sync::watch::{Receiver, channel};
use tokio::task::JoinSet;
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
/// A machine's speed moves by more than Curfew takes, from one minute to the next: with and without take turns within one
/// run, for so many seconds each.
const WINDOW: u32 = 12;
/// The first seconds of a window count for neither: what the site did while nobody looked on is looked at in them.
const CATCHING_UP: u32 = 2;
/// With, without, without, with: a machine that grows slower or faster in steady steps favours neither.
const WINDOWS: u32 = 12;
/// What counts of a run's windows with Curfew, and of those without.
const SECONDS: u32 = (WINDOW - CATCHING_UP) * WINDOWS / 2;
/// The window with Curfew in which it sweeps: of a minute that counts, one. That is five times as often as by itself.
const SWEPT: u32 = WINDOWS / 4;
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
       coalesce(array_agg(pid) FILTER (WHERE backend_type = 'client backend'), '{}'),
       (array_agg(left(query, 200) ORDER BY query_start) FILTER (WHERE state = 'active'))[1]
FROM pg_stat_activity WHERE application_name = 'curfew'";

/// What the database was seen to say of Curfew.
#[derive(Clone, Copy, Default)]
struct Seen {
    connections: i64,
    /// In milliseconds.
    longest: f64,
    /// The same, of transactions that hold locks.
    locked: f64,
}

/// What was done and used in the seconds that count.
#[derive(Clone, Copy, Default)]
struct Side {
    windows: u32,
    /// Requests a second, added up over the windows.
    requests: f64,
    /// What this process used, Curfew in it.
    here: Duration,
    /// What Curfew's connections used of the database's cores.
    there: Duration,
}

impl Side {
    fn and(&mut self, requests: f64, here: Duration, there: Duration) {
        self.windows += 1;
        self.requests += requests;
        self.here += here;
        self.there += there;
    }

    fn per_second(&self) -> f64 {
        self.requests / f64::from(self.windows)
    }
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
        }
    }
}

/// Asks, by a connection of its own that does not go by Curfew's name, until it is dropped.
struct Sampler {
    asking: JoinSet<Result<()>>,
    saw: Arc<Mutex<(Seen, Backends)>>,
}

impl Sampler {
    async fn start(url: &str) -> Result<Self> {
        let database = PgConnection::connect(url).await?;
        let saw = Arc::default();
        let mut asking = JoinSet::new();
        asking.spawn(sample(database, Arc::clone(&saw)));
        Ok(Self { asking, saw })
    }

    fn used(&self) -> Duration {
        let saw = self.saw.lock().unwrap_or_else(PoisonError::into_inner);
        saw.1.used()
    }

    fn end(mut self) -> Result<Seen> {
        if let Some(broken) = self.asking.try_join_next() {
            broken??;
        }
        let saw = self.saw.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(saw.0)
    }
}

async fn sample(mut database: PgConnection, saw: Arc<Mutex<(Seen, Backends)>>) -> Result<()> {
    let mut ticks = interval(SAMPLE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let row = sqlx::query(SAMPLED).fetch_one(&mut database).await?;
        let (longest, locked): (Option<f64>, Option<f64>) = (row.try_get(1)?, row.try_get(2)?);
        let seen = Seen {
            connections: row.try_get(0)?,
            longest: longest.unwrap_or_default(),
            locked: locked.unwrap_or_default(),
        };
        if seen.longest >= LONGEST {
            let text: Option<String> = row.try_get(4)?;
            eprintln!(
                "after {:.0} ms still at: {}",
                seen.longest,
                text.unwrap_or_default()
            );
        }
        let mut saw = saw.lock().unwrap_or_else(PoisonError::into_inner);
        saw.0 = saw.0.and(seen);
        saw.1.see(row.try_get(3)?);
    }
}

/// In each run both take turns, and from run to run so does the one that is first.
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
    let mut sides = Vec::new();
    for run in 0..runs {
        play.clean(database).await?;
        let engine = overdue.met(site, state, database).await?;
        sqlx::raw_sql("CHECKPOINT").execute(&mut *database).await?;
        // Not everyone at once did something just now.
        tokio::time::sleep(APART).await;
        warm(&engine).await?;
        let first = run.is_multiple_of(2);
        let sampler = Sampler::start(url).await?;
        let both = one(&play, &engine, people.len(), first, &sampler, database).await?;
        seen = seen.and(sampler.end()?);
        sides.push(both);
        engine.close().await;
    }
    play.end(database).await?;
    overdue.end(database).await?;
    let mut figures = figures(&sides, seen);
    figures.insert(1, cores(&sides));
    Ok(figures)
}

/// Where all cores are at work, as here, what is taken of them is taken from the site.
fn cores(sides: &[(Side, Side)]) -> Figure {
    let time = f64::from(SECONDS) * sides.len() as f64;
    let with: Duration = sides.iter().map(|(with, _)| with.here).sum();
    let without: Duration = sides.iter().map(|(_, without)| without.here).sum();
    let there: Duration = sides.iter().map(|(with, _)| with.there).sum();
    let share = |used: Duration| 100.0 * used.as_secs_f64() / time;
    let here = with.saturating_sub(without);
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

/// One run: with Curfew, and without.
async fn one(
    play: &Play<'_>,
    engine: &Arc<Engine>,
    people: usize,
    first: bool,
    sampler: &Sampler,
    database: &mut PgConnection,
) -> Result<(Side, Side)> {
    let (on, heard) = channel(false);
    let looks = tokio::spawn(look_on(engine.clone(), heard));
    let (mut with, mut without) = (Side::default(), Side::default());
    let mut playing = play.start(WINDOW * WINDOWS, database).await?;
    for window in 0..WINDOWS {
        let beside = matches!(window % 4, 0 | 3) == first;
        on.send_replace(beside);
        playing.seconds(CATCHING_UP).await?;
        let (here, there) = (cpu::used("self")?, sampler.used());
        let sweeps = beside && with.windows == SWEPT;
        let swept = sweeps.then(|| tokio::spawn(sweep(engine.clone(), people)));
        let requests = playing.seconds(WINDOW - CATCHING_UP).await?;
        eprintln!(
            "{}: {requests:.0} requests a second",
            if beside { "with" } else { "without" }
        );
        let side = if beside { &mut with } else { &mut without };
        side.and(
            requests,
            cpu::used("self")?.saturating_sub(here),
            sampler.used().saturating_sub(there),
        );
        if let Some(swept) = swept {
            swept.await??;
        }
        let connection = engine.view().connection;
        if beside && connection.link != Link::Live {
            bail!("the site was not looked at: {connection:?}");
        }
    }
    drop(on);
    looks.await??;
    playing.end().await?;
    let rejected = engine.view().counts.rejected_sessions;
    if rejected > 0 {
        bail!("{rejected} sessions are not what Django signs");
    }
    Ok((with, without))
}

/// As the window does, at the engine's own pace: while it is on, and until nobody says so any more.
async fn look_on(engine: Arc<Engine>, mut on: Receiver<bool>) -> Result<()> {
    loop {
        if !*on.borrow_and_update() {
            if on.changed().await.is_err() {
                return Ok(());
            }
            continue;
        }
        let rest = watch::look(&engine).await?;
        tokio::select! {
            () = tokio::time::sleep(rest) => {}
            told = on.changed() => if told.is_err() {
                return Ok(());
            }
        }
    }
}

async fn sweep(engine: Arc<Engine>, people: usize) -> Result<()> {
    let report = engine.sweep(true).await?;
    if report.users.len() < people * 9 / 10 {
        bail!("{} of {people} people swept", report.users.len());
    }
    Ok(())
}

fn figures(sides: &[(Side, Side)], seen: Seen) -> Vec<Figure> {
    let ratio = |(with, without): &(Side, Side)| with.per_second() / without.per_second();
    let share = median(sides.iter().map(ratio));
    let with = median(sides.iter().map(|(with, _)| with.per_second()));
    let without = median(sides.iter().map(|(_, without)| without.per_second()));
    vec![
        Figure {
            what: format!(
                "a site's requests a second with Curfew beside it, looks at its own pace and a sweep of up to {PEOPLE} people a minute, as a share of those without: median of {} runs, in which {WINDOW} s with and without take turns",
                sides.len()
            ),
            value: format!("{share:.3} ({with:.0} and {without:.0})"),
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

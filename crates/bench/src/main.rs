//! What Curfew costs, as ratios to what else does the same work on the same servers in the same run: the raw statements,
//! and Django itself. `cargo xtask bench` starts the servers and writes the page.

mod asking;
mod beside;
mod cpu;
mod dice;
mod django;
mod growth;
mod hand;
mod logout;
mod memory;
mod others;
mod overdue;
mod people;
mod pgbench;
mod population;
mod report;
mod site;
mod sweeping;
mod watching;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};
use redis::aio::MultiplexedConnection;
use sqlx::{Connection, PgConnection};

use report::{Figure, Page};

/// A pipeline of many large values takes longer to answer than a site's single commands.
const REDIS_ANSWERS_WITHIN: Duration = Duration::from_secs(30);

#[derive(Parser)]
struct Arguments {
    /// Sessions of the site
    #[arg(long, default_value_t = 1_000_000)]
    sessions: usize,
    /// Pairs of runs of what is short; what is long has a third of them, and five at least
    #[arg(long, default_value_t = 15)]
    runs: usize,
    /// This part alone, and no page is written; may be given several times
    #[arg(long, value_name = "NAME")]
    only: Vec<Part>,
    /// Only the first look, and the memory that it takes: the benchmark calls itself so
    #[arg(long, hide = true)]
    alone: bool,
    /// The window's figures, which are measured elsewhere
    #[arg(long)]
    window: Option<PathBuf>,
    /// The page to write
    #[arg(long)]
    page: PathBuf,
    #[arg(long, env = "CURFEW_BENCH_POSTGRES", hide_env_values = true)]
    postgres: String,
    #[arg(long, env = "CURFEW_BENCH_REDIS", hide_env_values = true)]
    redis: String,
    /// For the part "others"
    #[arg(long, env = "CURFEW_BENCH_MARIADB", hide_env_values = true)]
    mariadb: Option<String>,
    /// A Python with Django and psycopg
    #[arg(long, env = "CURFEW_BENCH_PYTHON")]
    python: PathBuf,
}

/// What can be measured by itself.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    Cold,
    Memory,
    Still,
    Touched,
    Sweep,
    Logout,
    Pages,
    Growth,
    Django,
    Beside,
    Others,
}

impl Arguments {
    fn wants(&self, part: Part) -> bool {
        self.only.is_empty() || self.only.contains(&part)
    }

    /// Whether anything is wanted of the large site, which takes long to make.
    fn wants_postgres(&self) -> bool {
        self.only.is_empty() || self.only.iter().any(|part| *part != Part::Others)
    }

    /// Runs of what is long.
    fn few(&self) -> usize {
        (self.runs / 3).max(5)
    }
}

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<()> {
    // As a task, like the window's commands: not on the thread that waits for it.
    tokio::spawn(run(Arguments::parse())).await?
}

async fn run(arguments: Arguments) -> Result<()> {
    let state = tempfile::tempdir().context("no temporary folder can be made")?;
    let state = state.path();
    let plain = site::Site {
        database: &arguments.postgres,
        sessions: site::Sessions::Db,
    };
    if arguments.alone {
        return memory::alone(&plain, state).await;
    }
    let mariadb = || arguments.mariadb.as_deref().context("no MariaDB is given");
    let others = arguments.wants(Part::Others).then(mariadb).transpose()?;
    let mut database = PgConnection::connect(&arguments.postgres)
        .await
        .context("PostgreSQL")?;
    let client = redis::Client::open(arguments.redis.as_str()).context("Redis")?;
    let patient =
        redis::AsyncConnectionConfig::new().set_response_timeout(Some(REDIS_ANSWERS_WITHIN));
    let mut cache = client
        .get_multiplexed_async_connection_with_config(&patient)
        .await
        .context("Redis")?;
    let mut page = Page {
        sessions: arguments.sessions,
        servers: vec![
            postgres_version(&mut database).await?,
            redis_version(&mut cache).await?,
        ],
        ..Page::default()
    };
    let windows = windows(&arguments)?;
    if arguments.wants_postgres() {
        let (database, cache) = (&mut database, &mut cache);
        let measured = measure(&arguments, &plain, state, database, cache, &mut page).await;
        page.keep("the site on PostgreSQL", measured);
    }
    // Last, for it makes the tables anew, and smaller.
    if let Some(mariadb) = others {
        let others = others::Others {
            sessions: others::SESSIONS.min(arguments.sessions),
            runs: arguments.runs,
            few: arguments.few(),
            mariadb,
            postgres: &arguments.postgres,
            redis: &arguments.redis,
            state,
        };
        let measured = others.measure(&mut database, &mut cache, &mut page).await;
        page.keep("the other stores", measured);
    }
    page.figures.extend(windows);
    print!("{page}");
    if arguments.only.is_empty() {
        page.write(&arguments.page)?;
    }
    page.whole()
}

/// What was measured of the window, which is read before anything takes long.
fn windows(arguments: &Arguments) -> Result<Vec<Figure>> {
    let Some(file) = &arguments.window else {
        return Ok(Vec::new());
    };
    let text = std::fs::read_to_string(file).context("the window's figures")?;
    serde_json::from_str(&text).context("the window's figures")
}

async fn measure(
    arguments: &Arguments,
    plain: &site::Site<'_>,
    state: &Path,
    database: &mut PgConnection,
    cache: &mut MultiplexedConnection,
    page: &mut Page,
) -> Result<()> {
    let wants = |part| arguments.wants(part);
    let runs = arguments.runs;
    let (population, growth) = populate(arguments, plain, state, database, cache, page).await?;
    page.figures.extend(growth);
    if wants(Part::Memory) {
        page.figures
            .push(memory::measure(arguments.sessions).await?);
    }
    // First of all: what the sweeps leave behind in the tables is not a logout's affair. On the page they stand behind them.
    let mut logouts = Vec::new();
    if wants(Part::Logout) {
        let cached = site::Site {
            sessions: site::Sessions::CachedDb(&arguments.redis),
            ..*plain
        };
        for (turn, site) in [&cached, plain].into_iter().enumerate() {
            let mut hand = hand::Postgres {
                database: &mut *database,
                copies: (turn == 0).then_some(&mut *cache),
            };
            logouts.push(logout::measure(site, state, &population, runs, turn, &mut hand).await?);
        }
    }
    let watched = watched(arguments, plain, state, &population, database, page).await;
    page.measures.extend(logouts);
    watched?;
    if wants(Part::Django) {
        let left = population::left(database).await?;
        let django = django::Django::new(&arguments.python, *plain, state)?;
        page.measures.push(django.cold(left, state).await?);
        page.sections.push(django.periodic().await?);
    }
    Ok(())
}

/// The site's looks, and what is done beside them.
async fn watched(
    arguments: &Arguments,
    plain: &site::Site<'_>,
    state: &Path,
    population: &population::Population,
    database: &mut PgConnection,
    page: &mut Page,
) -> Result<()> {
    let wants = |part| arguments.wants(part);
    let (runs, few) = (arguments.runs, arguments.few());
    if wants(Part::Cold) {
        let left = population::left(database).await?;
        page.measures
            .push(watching::cold(plain, left, few, state, database).await?);
    }
    let warm = [Part::Pages, Part::Still, Part::Touched];
    if warm.into_iter().any(wants) {
        let engine = plain.open(state).await?;
        engine.look().await?;
        if wants(Part::Pages) {
            page.figures.push(asking::measure(&engine));
        }
        if wants(Part::Still) {
            page.measures
                .push(watching::still(&engine, runs, database).await?);
            page.figures
                .extend(watching::idling(&engine, database).await?);
        }
        if wants(Part::Touched) {
            page.measures
                .push(watching::touched(plain, &engine, population, runs, database).await?);
        }
        engine.close().await;
    }
    if [Part::Sweep, Part::Beside].into_iter().any(wants) {
        let overdue = overdue::Overdue::keep(population, database).await?;
        if wants(Part::Sweep) {
            let swept =
                sweeping::measure(plain, state, population, &overdue, few, database).await?;
            page.measures.push(swept);
        }
        if wants(Part::Beside) {
            let figures = beside::measure(plain, population, overdue, few, state, database).await?;
            page.figures.extend(figures);
        } else {
            overdue.end(database).await?;
        }
    }
    Ok(())
}

/// The site, and the figures of how it grew where they are asked for. Copies in the cache are for the logouts alone.
async fn populate(
    arguments: &Arguments,
    plain: &site::Site<'_>,
    state: &Path,
    database: &mut PgConnection,
    cache: &mut MultiplexedConnection,
    page: &mut Page,
) -> Result<(population::Population, Vec<Figure>)> {
    let sessions = arguments.sessions;
    let copies = arguments.wants(Part::Logout).then_some(population::Copies {
        cache,
        prefix: population::COPY_PREFIX,
    });
    if !arguments.wants(Part::Growth) {
        eprintln!("making {sessions} sessions");
        let population = population::make(sessions, database, copies).await?;
        return Ok((population, Vec::new()));
    }
    let runs = growth::Runs {
        cold: arguments.few(),
        warm: arguments.runs,
    };
    let grown = growth::measure(plain, sessions, runs, state, database, copies).await?;
    page.sections.push(grown.section);
    Ok((grown.population, grown.figures))
}

async fn postgres_version(database: &mut PgConnection) -> Result<String> {
    let version: String = sqlx::query_scalar("SHOW server_version")
        .fetch_one(&mut *database)
        .await?;
    let log: String = sqlx::query_scalar("SHOW max_wal_size")
        .fetch_one(database)
        .await?;
    Ok(format!(
        "PostgreSQL {version}, durable commits, checkpoints after {log} of its log"
    ))
}

async fn redis_version(cache: &mut MultiplexedConnection) -> Result<String> {
    let info: String = redis::cmd("INFO").arg("server").query_async(cache).await?;
    let version = info
        .lines()
        .find_map(|line| line.strip_prefix("redis_version:"))
        .unwrap_or("of an unknown version");
    Ok(format!("Redis {}", version.trim()))
}

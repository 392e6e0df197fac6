//! What Curfew costs, as ratios to the raw statements that do the same work on the same servers in the same run.
//! `cargo xtask bench` starts the servers and writes the page.

mod asking;
mod cpu;
mod logout;
mod memory;
mod population;
mod report;
mod site;
mod sweeping;
mod watching;

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Parser;
use sqlx::{Connection, PgConnection};

#[derive(Parser)]
struct Arguments {
    /// Sessions of the site
    #[arg(long, default_value_t = 100_000)]
    sessions: usize,
    /// Pairs of runs of what is short; what is long has a third of them, and five at least
    #[arg(long, default_value_t = 15)]
    runs: usize,
    /// Only the first look, and the memory that it takes: the benchmark calls itself so
    #[arg(long, hide = true)]
    alone: bool,
    /// The page to write
    #[arg(long)]
    page: PathBuf,
    #[arg(long, env = "CURFEW_BENCH_POSTGRES", hide_env_values = true)]
    postgres: String,
    #[arg(long, env = "CURFEW_BENCH_REDIS", hide_env_values = true)]
    redis: String,
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
        cache: None,
    };
    if arguments.alone {
        return memory::alone(&plain, state).await;
    }
    let mut database = PgConnection::connect(&arguments.postgres)
        .await
        .context("PostgreSQL")?;
    let client = redis::Client::open(arguments.redis.as_str()).context("Redis")?;
    let mut cache = client.get_multiplexed_async_connection().await?;
    let sessions = arguments.sessions;
    eprintln!("making {sessions} sessions");
    let population = population::make(sessions, &mut database, &mut cache).await?;
    let servers = [
        postgres_version(&mut database).await?,
        redis_version(&mut cache).await?,
    ];
    let (runs, few) = (arguments.runs, (arguments.runs / 3).max(5));

    let mut figures = vec![memory::measure(sessions).await?];
    let cached = site::Site {
        cache: Some(&arguments.redis),
        ..plain
    };
    // First of all: what the sweeps leave behind in the tables is not a logout's affair.
    let logout =
        logout::measure(&cached, state, &population, runs, &mut database, &mut cache).await?;
    let left = population::left(&mut database).await?;
    let mut measures = vec![watching::cold(&plain, left, few, state, &mut database).await?];
    let engine = plain.open(state).await?;
    engine.look().await?;
    figures.push(asking::measure(&engine));
    measures.push(watching::still(&engine, runs, &mut database).await?);
    figures.extend(watching::idling(&engine, &mut database).await?);
    measures.push(watching::touched(&engine, &population, few, &mut database).await?);
    measures.push(sweeping::measure(&engine, &population, few, &mut database).await?);
    engine.close().await;
    measures.push(logout);
    let page = report::page(&measures, &figures, sessions, &servers);
    print!("{page}");
    report::write(&arguments.page, &page)
}

async fn postgres_version(database: &mut PgConnection) -> Result<String> {
    let version: String = sqlx::query_scalar("SHOW server_version")
        .fetch_one(database)
        .await?;
    Ok(format!("PostgreSQL {version}, durable commits"))
}

async fn redis_version(cache: &mut redis::aio::MultiplexedConnection) -> Result<String> {
    let info: String = redis::cmd("INFO").arg("server").query_async(cache).await?;
    let version = info
        .lines()
        .find_map(|line| line.strip_prefix("redis_version:"))
        .unwrap_or("of an unknown version");
    Ok(format!("Redis {}", version.trim()))
}

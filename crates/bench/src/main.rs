//! What Curfew costs, as ratios to the raw statements that do the same work on the same servers in the same run.
//! `cargo xtask bench` starts the servers and writes the page.

mod logout;
mod population;
mod report;

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Parser;
use sqlx::{Connection, PgConnection};

#[derive(Parser)]
struct Arguments {
    /// Sessions of the site
    #[arg(long, default_value_t = 100_000)]
    sessions: usize,
    /// Pairs of runs
    #[arg(long, default_value_t = 15)]
    runs: usize,
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
    let mut database = PgConnection::connect(&arguments.postgres)
        .await
        .context("PostgreSQL")?;
    let client = redis::Client::open(arguments.redis.as_str()).context("Redis")?;
    let mut cache = client.get_multiplexed_async_connection().await?;
    eprintln!("making {} sessions", arguments.sessions);
    let population = population::make(arguments.sessions, &mut database, &mut cache).await?;
    let servers = [
        postgres_version(&mut database).await?,
        redis_version(&mut cache).await?,
    ];
    let site = logout::Site {
        database: &arguments.postgres,
        cache: &arguments.redis,
    };
    let measure = logout::measure(
        &site,
        &population,
        arguments.runs,
        &mut database,
        &mut cache,
    )
    .await?;
    let page = report::page(&[measure], arguments.sessions, &servers);
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

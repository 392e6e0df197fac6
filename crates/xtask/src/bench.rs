//! `cargo xtask bench`: Curfew's work held against the raw statements, on servers of its own that keep what they commit.

use std::process::Stdio;

use anyhow::Result;

use crate::servers::{self, Disk};
use crate::system::{self, Purpose};
use crate::{place, process};

#[derive(clap::Args)]
pub struct Options {
    /// Sessions of the site
    #[arg(long, default_value_t = 100_000)]
    sessions: u32,
    /// Pairs of runs
    #[arg(long, default_value_t = 15)]
    runs: u32,
}

pub fn run(options: &Options) -> Result<()> {
    system::ensure(Purpose::Test)?;
    process::run(
        "cargo build",
        place::cargo().args(["build", "--release", "--package", "curfew-bench"]),
    )?;
    let database = servers::postgres(Disk::Durable)?;
    let cache = servers::redis()?;
    let mut command = place::cargo();
    place::forget_the_outer_cargo(&mut command);
    command
        .args([
            "run",
            "--quiet",
            "--release",
            "--package",
            "curfew-bench",
            "--",
        ])
        .args(["--sessions", &options.sessions.to_string()])
        .args(["--runs", &options.runs.to_string()])
        .arg("--page")
        .arg(place::root().join("docs/benchmarks.md"))
        .env("CURFEW_BENCH_POSTGRES", &database.url)
        .env("CURFEW_BENCH_REDIS", &cache.url)
        .stdin(Stdio::null());
    process::run("the benchmark", &mut command)
}

//! `cargo xtask bench`: Curfew's work held against the raw statements and against Django, on servers of its own that keep
//! what they commit.

use std::process::Stdio;

use anyhow::Result;

use crate::servers::{self, Disk};
use crate::system::{self, Purpose};
use crate::{place, process, python};

#[derive(clap::Args)]
pub struct Options {
    /// Sessions of the site
    #[arg(long, default_value_t = 1_000_000)]
    sessions: u32,
    /// Pairs of runs
    #[arg(long, default_value_t = 15)]
    runs: u32,
    /// This part alone, printed and not written: cold, memory, still, touched, sweep, logout, pages, growth, django or
    /// beside; may be given several times
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
}

pub fn run(options: &Options) -> Result<()> {
    system::ensure(Purpose::Test)?;
    process::run(
        "cargo build",
        place::cargo().args(["build", "--release", "--package", "curfew-bench"]),
    )?;
    // The newest that the tests have.
    let python = python::with_django("5.2")?;
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
        .args(
            options
                .only
                .iter()
                .flat_map(|part| ["--only", part.as_str()]),
        )
        .arg("--page")
        .arg(place::root().join("docs/benchmarks.md"))
        .env("CURFEW_BENCH_POSTGRES", &database.url)
        .env("CURFEW_BENCH_REDIS", &cache.url)
        .env("CURFEW_BENCH_PYTHON", &python)
        .stdin(Stdio::null());
    process::run("the benchmark", &mut command)
}

//! `cargo xtask bench`: Curfew's work held against the raw statements and against Django, on servers of its own that keep
//! what they commit.

use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::servers::{self, Disk};
use crate::system::{self, Purpose};
use crate::{node, place, process, python, test};

#[derive(clap::Args)]
pub struct Options {
    /// Sessions of the site
    #[arg(long, default_value_t = 1_000_000)]
    sessions: u32,
    /// Pairs of runs
    #[arg(long, default_value_t = 15)]
    runs: u32,
    /// This part alone, printed and not written: cold, memory, still, touched, sweep, logout, pages, growth, django,
    /// beside or window; may be given several times
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
}

/// Together: their features are settled once.
const BUILD: &[&str] = &[
    "build",
    "--release",
    "--package",
    "curfew-bench",
    "--package",
    "curfew-desktop",
];

/// Measured by itself: it needs a desktop, and no servers of the benchmark's.
const WINDOW: &str = "window";

pub fn run(options: &Options) -> Result<()> {
    system::ensure(Purpose::Test)?;
    node::build()?;
    process::run("cargo build", place::cargo().args(BUILD))?;
    let folder = tempfile::tempdir().context("no temporary folder can be made")?;
    let window = folder.path().join("window.json");
    let wants_window = options.only.is_empty() || options.only.iter().any(|part| part == WINDOW);
    if wants_window {
        test::measure_the_window(&window)?;
    }
    let others: Vec<&str> = options.only.iter().map(String::as_str).collect();
    if others == [WINDOW] {
        let figures = std::fs::read_to_string(&window).context("no figures were written")?;
        println!("{figures}");
        return Ok(());
    }
    // The newest that the tests have.
    let python = python::with_django("5.2")?;
    let database = servers::postgres(Disk::Durable)?;
    let cache = servers::redis()?;
    let mut command = Command::new(place::released("curfew-bench")?);
    command
        .current_dir(place::root())
        .args(["--sessions", &options.sessions.to_string()])
        .args(["--runs", &options.runs.to_string()])
        .args(
            others
                .into_iter()
                .filter(|part| *part != WINDOW)
                .flat_map(|part| ["--only", part]),
        )
        .args(wants_window.then_some("--window"))
        .args(wants_window.then_some(&window))
        .arg("--page")
        .arg(place::root().join("docs/benchmarks.md"))
        .env("CURFEW_BENCH_POSTGRES", &database.url)
        .env("CURFEW_BENCH_REDIS", &cache.url)
        .env("CURFEW_BENCH_PYTHON", &python)
        .stdin(Stdio::null());
    process::run("the benchmark", &mut command)
}

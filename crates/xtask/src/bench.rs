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
    /// beside, others or window; may be given several times
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
}

const BUILD: &[&str] = &["build", "--release", "--package", "curfew-bench"];
/// Built with it, where it is measured: their features are settled once.
const WITH_WINDOW: &[&str] = &["--package", "curfew-desktop"];

/// Measured by itself: it needs a desktop, and no servers of the benchmark's.
const WINDOW: &str = "window";
/// The stores beside PostgreSQL.
const OTHERS: &str = "others";

pub fn run(options: &Options) -> Result<()> {
    system::ensure(Purpose::Test)?;
    let wants =
        |part: &str| options.only.is_empty() || options.only.iter().any(|only| only == part);
    let wants_window = wants(WINDOW);
    let mut build = place::cargo();
    build.args(BUILD);
    if wants_window {
        node::build()?;
        build.args(WITH_WINDOW);
    }
    process::run("cargo build", &mut build)?;
    let folder = tempfile::tempdir().context("no temporary folder can be made")?;
    let window = folder.path().join("window.json");
    if wants_window {
        test::measure_the_window(&window)?;
    }
    let parts: Vec<&str> = options.only.iter().map(String::as_str).collect();
    if parts == [WINDOW] {
        let figures = std::fs::read_to_string(&window).context("no figures were written")?;
        println!("{figures}");
        return Ok(());
    }
    // The newest that the tests have.
    let python = python::with_django("5.2")?;
    let database = servers::postgres(Disk::Durable)?;
    let cache = servers::redis()?;
    let mariadb = wants(OTHERS)
        .then(|| servers::mariadb(Disk::Durable))
        .transpose()?;
    let mut command = Command::new(place::released("curfew-bench")?);
    command
        .current_dir(place::root())
        .args(["--sessions", &options.sessions.to_string()])
        .args(["--runs", &options.runs.to_string()])
        .args(
            parts
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
        .envs(
            mariadb
                .as_ref()
                .map(|server| ("CURFEW_BENCH_MARIADB", &server.url)),
        )
        .stdin(Stdio::null());
    process::run("the benchmark", &mut command)
}

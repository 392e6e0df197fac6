//! `cargo xtask test`: every test, against real servers, a real Django, a real window and a real bus.
//! What it starts is its own and ends with it; a part that cannot run is a failure, never a silent gap.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, anyhow, bail};

use crate::display::{self, Display};
use crate::process::{self, Running};
use crate::servers::{self, Disk, Server};
use crate::strays::Mark;
use crate::system::{self, Purpose};
use crate::tally::{Failures, Tally};
use crate::{fuzz, node, place, python};

#[derive(clap::Args)]
pub struct Options {
    /// Run only the tests whose name contains this
    #[arg(value_name = "FILTER")]
    filter: Option<String>,
}

#[derive(clap::Args)]
pub struct GroundOptions {
    /// The command and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,
}

/// Runs one command with the servers, the screen and the variables that the tests have.
///
/// Returns whether the command succeeded.
pub fn run_on_ground(options: &GroundOptions) -> Result<bool> {
    system::ensure(Purpose::Test)?;
    process::run("cargo build", place::cargo().args(BUILD))?;
    let ground = Ground::prepare()?;
    let [program, arguments @ ..] = options.command.as_slice() else {
        bail!("no command is given");
    };
    let mut command = ground.command(OsStr::new(program))?;
    place::forget_the_outer_cargo(&mut command);
    let status = Running::start(program, command.args(arguments))?.wait()?;
    ground.mark.end_strays();
    Ok(status.success())
}

/// Whether all tests passed. The last line says how many.
pub fn run(options: &Options) -> Result<bool> {
    let filter = options.filter.as_deref();
    let mut sum = Tally::default();
    match system::ensure(Purpose::Test).and_then(|()| node::build()) {
        Ok(()) => {
            sum += counted("the window's inside", inside(filter));
            sum += counted("Rust", rust(filter));
            if !process::interrupted() {
                sum += counted("random bytes", fuzz::briefly(filter));
            }
        }
        Err(error) => sum += counted("preparation", Err(error)),
    }
    if process::interrupted() {
        bail!("interrupted");
    }
    if sum.total() == 0 {
        eprintln!("xtask: no test has a name like that");
        println!("{sum}");
        return Ok(false);
    }
    println!("{sum}");
    Ok(sum.failed == 0)
}

fn counted(part: &str, outcome: Result<Tally>) -> Tally {
    match outcome {
        Ok(tally) => {
            println!("{part}: {tally}\n");
            tally
        }
        Err(error) => {
            eprintln!("xtask: {part}: {error:#}\n");
            Tally::FAILURE
        }
    }
}

/// Vitest, on the fake twin of the window's shell.
fn inside(filter: Option<&str>) -> Result<Tally> {
    let folder = tempfile::tempdir().context("no temporary folder can be made")?;
    let report = folder.path().join("vitest.json");
    let mut command = node::npm();
    command
        .args(["test", "--", "--reporter=default", "--reporter=json"])
        .arg(format!("--outputFile.json={}", report.display()))
        .stdin(Stdio::null());
    if let Some(filter) = filter {
        command.args(["--passWithNoTests", "--testNamePattern"]);
        command.arg(literally(filter));
    }
    let status = Running::start("npm test", &mut command)?.wait()?;
    let tally = std::fs::read(&report)
        .ok()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .and_then(|report| Tally::from_vitest(&report));
    match tally {
        Some(tally) => Ok(tally.with_status(status.success())),
        None => bail!("npm test {} and left no report", process::ended_how(status)),
    }
}

/// The text as a regular expression that matches it and nothing else.
fn literally(text: &str) -> String {
    let mut pattern = String::new();
    for letter in text.chars() {
        if !letter.is_alphanumeric() && letter != '_' && letter != ' ' {
            pattern.push('\\');
        }
        pattern.push(letter);
    }
    pattern
}

/// Measures the window as it is released on the tests' own ground, and writes the figures to this file.
pub fn measure_the_window(figures: &Path) -> Result<()> {
    node::build()?;
    process::run("cargo build", place::cargo().args(BUILD))?;
    let ground = Ground::prepare()?;
    let mut command = ground.command(place::cargo().get_program())?;
    place::forget_the_outer_cargo(&mut command);
    command
        .current_dir(place::root())
        .env("CURFEW_TEST_DESKTOP", place::released("curfew-desktop")?)
        .args(["test", "--package", "curfew-desktop", "--test", "outside"])
        .args(["--", "--ignored", "window::measured"])
        .env("CURFEW_BENCH_WINDOW", figures)
        .stdin(Stdio::null());
    let measured = process::run("the window's measurement", &mut command);
    ground.mark.end_strays();
    measured
}

fn rust(filter: Option<&str>) -> Result<Tally> {
    eprintln!("xtask: building everything once (the first time takes minutes)");
    process::run("cargo build", place::cargo().args(BUILD))?;
    let ground = Ground::prepare()?;
    let mut command = ground.command(place::cargo().get_program())?;
    place::forget_the_outer_cargo(&mut command);
    command
        .current_dir(place::root())
        .args(["test", "--workspace", "--no-fail-fast"])
        .args(filter)
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    if std::env::var_os(THREADS).is_none() {
        command.env(THREADS, threads().to_string());
    }
    if std::io::stdout().is_terminal() {
        command.args(["--", "--color", "always"]);
    }
    let mut tests = Running::start("cargo test", &mut command)?;
    let output = tests.stdout().context("cargo test has no output")?;
    let reader = std::thread::spawn(|| shown_and_counted(output, std::io::stdout()));
    let status = tests.wait();
    drop(tests);
    // Before the output is read to its end: a program that a test left behind holds it open.
    ground.mark.end_strays();
    let (tally, failures) = reader
        .join()
        .map_err(|_| anyhow!("the reader of the tests' output has failed"))??;
    // Once more at the end, where whoever keeps only the last lines finds it.
    for line in failures.lines() {
        eprintln!("{line}");
    }
    Ok(tally.with_status(status?.success()))
}

/// The variable by which Rust's test programs are told how many tests to run at a time.
const THREADS: &str = "RUST_TEST_THREADS";

/// Most tests wait for a server most of the time, so two of them share a core.
fn threads() -> usize {
    2 * std::thread::available_parallelism().map_or(1, usize::from)
}

/// One set of units for the binaries and the tests: with `--tests` cargo settles their features together.
const BUILD: &[&str] = &["build", "--workspace", "--bins", "--tests"];

/// Passes the output on as it comes, sums its result lines, and keeps what failed tests said.
fn shown_and_counted(output: impl Read, mut to: impl Write) -> Result<(Tally, Failures)> {
    let mut sum = Tally::default();
    let mut failures = Failures::default();
    let mut lines = BufReader::new(output);
    let mut line = Vec::new();
    loop {
        line.clear();
        let length = lines
            .read_until(b'\n', &mut line)
            .context("the tests' output cannot be read")?;
        if length == 0 {
            return Ok((sum, failures));
        }
        to.write_all(&line)
            .and_then(|()| to.flush())
            .context("standard output is closed")?;
        let text = String::from_utf8_lossy(&line);
        failures.read(text.trim_end());
        if let Some(tally) = Tally::from_cargo_line(&text) {
            sum += tally;
        }
    }
}

/// All that the tests stand on. Fields drop in order.
struct Ground {
    servers: [(&'static str, Server); 6],
    screen: Display,
    django: [(&'static str, PathBuf); 2],
    faketime: PathBuf,
    driver: PathBuf,
    mark: Mark,
    folder: tempfile::TempDir,
}

impl Ground {
    fn prepare() -> Result<Self> {
        let postgres = servers::postgres(Disk::Forgetful)?;
        let replica = servers::postgres_replica(&postgres)?;
        Ok(Self {
            django: [
                ("CURFEW_TEST_PYTHON_42", python::with_django("4.2")?),
                ("CURFEW_TEST_PYTHON_52", python::with_django("5.2")?),
            ],
            faketime: faketime()?,
            driver: process::find_on_path("WebKitWebDriver")
                .context("WebKitWebDriver is not on the PATH")?,
            servers: [
                // The replica ends before what it follows.
                ("CURFEW_TEST_POSTGRES_REPLICA", replica),
                ("CURFEW_TEST_POSTGRES", postgres),
                ("CURFEW_TEST_MYSQL", servers::mariadb(Disk::Forgetful)?),
                ("CURFEW_TEST_REDIS", servers::redis()?),
                ("CURFEW_TEST_REDIS_CLUSTER", servers::redis_cluster()?),
                ("CURFEW_TEST_MEMCACHED", servers::memcached()?),
            ],
            screen: Display::start()?,
            mark: Mark::new()?,
            folder: tempfile::tempdir().context("no temporary folder can be made")?,
        })
    }

    /// A command that sees this ground, and nothing of the developer's own sites, servers, screen and bus.
    fn command(&self, program: &OsStr) -> Result<Command> {
        // What tests share lives until their process ends, and so cannot be cleared away by them.
        let scratch = self.folder.path().join("tmp");
        std::fs::create_dir_all(&scratch)
            .with_context(|| format!("{} cannot be made", scratch.display()))?;
        let mut command = display::on_a_bus_of_its_own(program, self.folder.path())?;
        self.screen.show(&mut command);
        self.mark.put_on(&mut command);
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(is_theirs) {
                command.env_remove(name);
            }
        }
        command
            .envs(self.django.iter().map(|(name, path)| (name, path)))
            .envs(
                self.servers
                    .iter()
                    .map(|(name, server)| (name, &server.url)),
            )
            .env("CURFEW_TEST_CLI", place::binary("curfew")?)
            .env("CURFEW_TEST_DESKTOP", place::binary("curfew-desktop")?)
            .env("CURFEW_TEST_LIBFAKETIME", &self.faketime)
            .env("CURFEW_TEST_WEBDRIVER", &self.driver)
            .env("TMPDIR", &scratch)
            // A panic's place and words say more than the harness's frames, which would push them out of sight.
            .env("RUST_BACKTRACE", "0")
            // A test that forgets to name its own must not find the developer's.
            .env("CURFEW_CONFIG_DIR", self.folder.path().join("config"))
            .env("CURFEW_STATE_DIR", self.folder.path().join("state"));
        Ok(command)
    }
}

/// Variables for how the tests themselves are run: how many people race, and by which numbers.
const ASKED: [&str; 2] = ["CURFEW_TEST_RACES", "CURFEW_TEST_SEED"];

/// Whether a variable speaks of the developer's own sites and servers.
fn is_theirs(name: &str) -> bool {
    let ours = name.starts_with("CURFEW_") && !ASKED.contains(&name);
    ours || (name.starts_with("PG") && name != "PGO")
}

fn faketime() -> Result<PathBuf> {
    let listed = process::read(
        "dpkg-query",
        Command::new("dpkg-query").args(["-L", "libfaketime"]),
    )
    .unwrap_or_default();
    listed
        .lines()
        .chain([
            "/usr/lib64/faketime/libfaketime.so.1",
            "/usr/lib/faketime/libfaketime.so.1",
        ])
        .map(Path::new)
        .find(|path| path.ends_with("libfaketime.so.1") && path.exists())
        .map(Path::to_path_buf)
        .context("libfaketime.so.1 is not installed")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn results_of_several_programs_are_summed() {
        let output = "running 2 tests\ntest result: ok. 2 passed; 0 failed; 0 ignored;\n\
                      noise \u{fffd}\ntest result: FAILED. 1 passed; 4 failed; 0 ignored;";
        let mut shown = Vec::new();
        let (sum, failures) = shown_and_counted(output.as_bytes(), &mut shown).unwrap();
        assert_eq!(shown, output.as_bytes());
        assert_eq!(
            sum,
            Tally {
                passed: 3,
                failed: 4
            }
        );
        assert_eq!(failures.lines().count(), 0);
    }

    #[test]
    fn how_to_test_is_passed_on_and_where_never() {
        for passed in ["CURFEW_TEST_RACES", "CURFEW_TEST_SEED", "PATH"] {
            assert!(!is_theirs(passed), "{passed}");
        }
        for theirs in ["CURFEW_SITE", "CURFEW_TEST_POSTGRES", "PGHOST"] {
            assert!(is_theirs(theirs), "{theirs}");
        }
    }

    #[test]
    fn a_filter_is_no_pattern() {
        assert_eq!(literally("idle (5m)"), "idle \\(5m\\)");
    }
}

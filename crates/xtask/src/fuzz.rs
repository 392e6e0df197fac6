//! `cargo xtask fuzz`: random bytes for the engine's readers, two targets at a time.
//! The targets are built with LLVM's coverage, which any toolchain has, against libFuzzer; nothing is installed.
//! `cargo fuzz run TARGET` works on the same folders.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Mutex;

use anyhow::{Context, Result, anyhow, bail};
use base64::Engine as _;
use serde_json::Value;

use crate::process::{self, Running};
use crate::tally::Tally;
use crate::{place, system};

const TARGETS: [&str; 4] = ["session_data", "pickle", "msgpack", "signing"];
const AT_A_TIME: usize = 2;

/// As cargo-fuzz asks for it, but for the address sanitizer, which only a nightly toolchain has.
const INSTRUMENTS: &[&str] = &[
    "--cfg=fuzzing",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
];

/// Seeds are examples, not bulk: larger rows say nothing that smaller ones do not.
const LARGEST_SEED: usize = 1_500;

#[derive(clap::Args)]
pub struct Options {
    /// How long each target runs
    #[arg(long, value_name = "N", default_value_t = 3_600)]
    seconds: u32,
    /// Run only this target
    #[arg(value_name = "TARGET", value_parser = TARGETS)]
    target: Option<String>,
}

/// Whether no target found anything. The last line says how many.
pub fn run(options: &Options) -> Result<bool> {
    system::ensure(system::Purpose::Build)?;
    // What one run has learnt, the next one begins with.
    let sum = targets(options.seconds, &fuzz().join("corpus"), |name| {
        options.target.as_deref().is_none_or(|only| only == name)
    })?;
    println!("{sum}");
    Ok(sum.failed == 0)
}

/// For the tests: those targets whose name contains the filter, a minute each.
pub fn briefly(filter: Option<&str>) -> Result<Tally> {
    let corpus = tempfile::tempdir().context("no temporary folder can be made")?;
    targets(60, corpus.path(), |name| {
        filter.is_none_or(|filter| format!("fuzz {name}").contains(filter))
    })
}

fn targets(seconds: u32, corpus: &Path, wanted: impl Fn(&str) -> bool) -> Result<Tally> {
    let chosen: Vec<&str> = TARGETS.into_iter().filter(|name| wanted(name)).collect();
    if chosen.is_empty() {
        return Ok(Tally::default());
    }
    let binaries = build()?;
    seed(corpus)?;
    let queue = Mutex::new(chosen.into_iter());
    let next = || queue.lock().ok().and_then(|mut queue| queue.next());
    let worker = || -> Tally {
        let mut sum = Tally::default();
        while let Some(name) = next() {
            match one(name, &binaries.join(name), &corpus.join(name), seconds) {
                Ok(said) => {
                    println!("fuzz {name} ... ok ({said})");
                    sum.passed += 1;
                }
                Err(error) => {
                    eprintln!("fuzz {name} ... FAILED\n{error:#}");
                    sum += Tally::FAILURE;
                }
            }
        }
        sum
    };
    let sum = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..AT_A_TIME).map(|_| scope.spawn(worker)).collect();
        let mut sum = Tally::default();
        for worker in workers {
            sum += worker.join().unwrap_or(Tally::FAILURE);
        }
        sum
    });
    if process::interrupted() {
        bail!("interrupted");
    }
    Ok(sum)
}

fn fuzz() -> PathBuf {
    place::root().join("fuzz")
}

/// The folder with a binary for each target.
fn build() -> Result<PathBuf> {
    let about = process::read("rustc", std::process::Command::new("rustc").arg("-vV"))?;
    let host = about.lines().find_map(|line| line.strip_prefix("host: "));
    let host = host.context("rustc does not name its host")?;
    let folder = place::target()?.join("fuzz");
    eprintln!("xtask: building the fuzz targets (the first time takes minutes)");
    process::run(
        "cargo build",
        place::cargo()
            .args(["build", "--quiet", "--release", "--locked", "--bins"])
            .arg("--manifest-path")
            .arg(fuzz().join("Cargo.toml"))
            .arg("--target-dir")
            .arg(&folder)
            // Also where it is the host: only then do build scripts and macros go without the instruments.
            .args(["--target", host])
            .env("RUSTFLAGS", INSTRUMENTS.join(" "))
            .env_remove("CARGO_ENCODED_RUSTFLAGS")
            .env("CARGO_INCREMENTAL", "0"),
    )?;
    Ok(folder.join(host).join("release"))
}

/// Runs one target for so long; what it tried, in words. What it finds lies among the cases then, where the
/// engine's tests meet it.
fn one(name: &str, binary: &Path, corpus: &Path, seconds: u32) -> Result<String> {
    let cases = fuzz().join("cases").join(name);
    std::fs::create_dir_all(&cases)
        .with_context(|| format!("{} cannot be made", cases.display()))?;
    let log = place::target()?.join("fuzz").join(format!("{name}.log"));
    let output = std::fs::File::create(&log)
        .with_context(|| format!("{} cannot be written", log.display()))?;
    let mut command = std::process::Command::new(binary);
    command
        .arg(corpus)
        .arg(&cases)
        .arg(format!("-artifact_prefix={}/", cases.display()))
        .arg(format!("-dict={}", fuzz().join("words.dict").display()))
        .arg(format!("-max_total_time={seconds}"))
        .args(["-timeout=10", "-rss_limit_mb=1024", "-max_len=8192"])
        // Where it stopped is said in one line; whoever wants more runs the case.
        .env("RUST_BACKTRACE", "0")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(output);
    let status = Running::start(name, &mut command)?.wait()?;
    let text = std::fs::read(&log).with_context(|| format!("{} cannot be read", log.display()))?;
    let text = String::from_utf8_lossy(&text);
    if !status.success() {
        let lines: Vec<&str> = text.lines().collect();
        bail!(
            "{}\n{name} {}: what it found lies in {}; all of its output is in {}",
            lines[lines.len().saturating_sub(40)..].join("\n"),
            process::ended_how(status),
            cases.display(),
            log.display()
        );
    }
    let tried = tried(&text).ok_or_else(|| anyhow!("{} says nothing", log.display()))?;
    if counters(&text) < 1_000 {
        bail!("{name} was built without its instruments: it tried {tried} blindly");
    }
    Ok(tried)
}

/// Out of libFuzzer's last line: `Done 212287 runs in 61 second(s)`.
fn tried(log: &str) -> Option<String> {
    let last = log
        .lines()
        .rev()
        .find_map(|line| line.strip_prefix("Done "))?;
    let mut words = last.split(' ');
    let (runs, seconds) = (words.next()?, words.nth(2)?);
    Some(format!("{runs} inputs in {seconds} s"))
}

/// Out of one of its first: `INFO: Loaded 1 modules   (31415 inline 8-bit counters): ...`.
fn counters(log: &str) -> u64 {
    log.lines()
        .find(|line| line.contains("inline 8-bit counters"))
        .and_then(|line| line.split('(').nth(1)?.split(' ').next()?.parse().ok())
        .unwrap_or(0)
}

/// Begins the corpus of each target with what real Django wrote.
fn seed(corpus: &Path) -> Result<()> {
    for (name, seeds) in seeds()? {
        let folder = corpus.join(name);
        std::fs::create_dir_all(&folder)
            .with_context(|| format!("{} cannot be made", folder.display()))?;
        for (number, seed) in seeds.iter().enumerate() {
            let file = folder.join(format!("django-{number:03}"));
            std::fs::write(&file, seed)
                .with_context(|| format!("{} cannot be written", file.display()))?;
        }
    }
    Ok(())
}

fn seeds() -> Result<BTreeMap<&'static str, Vec<Vec<u8>>>> {
    let mut seeds: BTreeMap<_, Vec<Vec<u8>>> = TARGETS.map(|name| (name, vec![])).into();
    let mut add = |name, bytes: &[u8]| {
        let all = seeds.entry(name).or_default();
        if bytes.len() <= LARGEST_SEED && !all.iter().any(|known| known == bytes) {
            all.push(bytes.to_vec());
        }
    };
    for line in lines("sessions-")? {
        let row = line["session_data"].as_str().context("a row has no data")?;
        add("session_data", row.as_bytes());
    }
    for line in lines("cached-")? {
        let value = line["value"].as_str().context("a value has no bytes")?;
        let value = base64::engine::general_purpose::STANDARD.decode(value)?;
        add("session_data", &value);
        if line["compressor"] == "identity" {
            match line["serializer"].as_str() {
                Some("pickle") => add("pickle", &value),
                Some("msgpack") => add("msgpack", &value),
                _ => {
                    add("pickle", &value);
                    add("msgpack", &value);
                }
            }
        }
    }
    let parts = [
        "key",
        "another",
        "42",
        "pbkdf2_sha256$1$c2FsdA$h",
        "note",
        "9A",
    ];
    add("signing", &parts.map(str::as_bytes).join(&0xff));
    Ok(seeds)
}

/// The fixtures whose names begin so, line by line.
fn lines(beginning: &str) -> Result<Vec<Value>> {
    let folder = place::root().join("crates/engine/tests/fixtures");
    let mut lines = Vec::new();
    let entries = std::fs::read_dir(&folder)
        .with_context(|| format!("{} cannot be read", folder.display()))?;
    let mut paths = Vec::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(beginning) && name.ends_with(".jsonl") {
            paths.push(entry.path());
        }
    }
    paths.sort();
    for path in paths {
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("{} cannot be read", path.display()))?;
        for line in text.lines() {
            lines.push(
                serde_json::from_str(line)
                    .with_context(|| format!("{} is not in JSON lines", path.display()))?,
            );
        }
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    const LOG: &str = "INFO: Running with entropic power schedule (0xFF, 100).\n\
        INFO: Loaded 1 modules   (31415 inline 8-bit counters): 31415 [0x5, 0x9), \n\
        #2\tINITED cov: 12 ft: 13 corp: 1/1b exec/s: 0 rss: 34Mb\n\
        Done 212287 runs in 61 second(s)\n";

    #[test]
    fn libfuzzer_s_log_is_read() {
        assert_eq!(tried(LOG).unwrap(), "212287 inputs in 61 s");
        assert_eq!(counters(LOG), 31_415);
        assert_eq!(tried("INFO: Seed: 1"), None);
        assert_eq!(counters("INFO: Seed: 1"), 0);
    }

    #[test]
    fn each_target_has_seeds() {
        for (name, seeds) in seeds().unwrap() {
            assert!(!seeds.is_empty(), "{name}");
            assert!(seeds.len() < 400, "{name}: {}", seeds.len());
        }
    }
}

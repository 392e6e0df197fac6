//! `cargo xtask check`: everything about the code that is not a test of what it does.
//! Each step stands alone, so that one failure never hides another.

use std::process::Stdio;

use anyhow::{Context, Result, bail};

use crate::process::{self, Running};
use crate::system::{self, Purpose};
use crate::tally::Tally;
use crate::{deny, node, place};

pub enum Outcome {
    Passed,
    /// Cannot be looked at from here, and why: neither passed nor failed.
    Skipped(String),
}

type Step = (&'static str, fn() -> Result<Outcome>);

const STEPS: &[Step] = &[
    ("system packages", || passed(system::ensure(Purpose::Build))),
    ("npm packages and the window's build", || {
        passed(node::build())
    }),
    ("rustfmt", || cargo(&["fmt", "--all", "--check"])),
    ("rustfmt of the fuzz targets", || {
        cargo(&["fmt", "--manifest-path", "fuzz/Cargo.toml", "--check"])
    }),
    ("clippy", || {
        cargo(&[
            "clippy",
            "--workspace",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ])
    }),
    ("bindings up to date", bindings),
    ("docs", docs),
    ("svelte-check", || script("check")),
    ("eslint", || script("lint")),
    ("prettier", || script("format:check")),
    ("licences, bans, sources", deny::rules),
    ("advisories", deny::advisories),
    (
        "the command line has no window in its tree",
        command_line_tree,
    ),
    ("the engine depends on nothing of ours", engine_tree),
    ("long files", long_files),
];

/// Past this many lines a reviewer asks what the second subject of a file is.
const LONG: usize = 600;

/// Whether every step passed. The last line says how many.
pub fn run() -> Result<bool> {
    let mut sum = Tally::default();
    let mut results = Vec::new();
    for (name, step) in STEPS {
        eprintln!("== {name}");
        let outcome = step();
        if process::interrupted() {
            bail!("interrupted");
        }
        let result = match outcome {
            Ok(Outcome::Passed) => {
                sum.passed += 1;
                format!("passed   {name}")
            }
            Ok(Outcome::Skipped(why)) => format!("skipped  {name}: {why}"),
            Err(error) => {
                eprintln!("{error:#}");
                sum += Tally::FAILURE;
                format!("FAILED   {name}")
            }
        };
        eprintln!("{result}\n");
        results.push(result);
    }
    println!("{}\n{sum}", results.join("\n"));
    Ok(sum.failed == 0)
}

fn passed(outcome: Result<()>) -> Result<Outcome> {
    outcome.map(|()| Outcome::Passed)
}

fn cargo(arguments: &[&str]) -> Result<Outcome> {
    let name = format!("cargo {}", arguments.first().unwrap_or(&""));
    passed(process::run(&name, place::cargo().args(arguments)))
}

fn script(name: &str) -> Result<Outcome> {
    if !node::has_script(name)? {
        bail!("ui/package.json has no script \"{name}\"");
    }
    passed(process::run(
        &format!("npm run {name}"),
        node::npm().args(["run", "--silent", name]),
    ))
}

fn docs() -> Result<Outcome> {
    passed(process::run(
        "cargo doc",
        place::cargo()
            .args(["doc", "--workspace", "--no-deps"])
            .env("RUSTDOCFLAGS", "-D warnings"),
    ))
}

/// The shell's own test compares the file with what the Rust types give; that it ran at all is checked here.
fn bindings() -> Result<Outcome> {
    const TEST: &str = "bindings_are_current";
    let mut command = place::cargo();
    // The whole workspace's libraries, so that the units are those which the tests build too.
    command
        .args(["test", "--workspace", "--lib", TEST])
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    let mut tests = Running::start("cargo test", &mut command)?;
    let output = tests.stdout().context("cargo test has no output")?;
    let text = std::io::read_to_string(output).context("cargo test cannot be read")?;
    let status = tests.wait()?;
    let ran = text
        .lines()
        .filter_map(Tally::from_cargo_line)
        .fold(0, |sum, tally| sum + tally.total());
    if !status.success() {
        bail!("{text}\nthe window's bindings are not those of the Rust types, or do not build");
    }
    if ran == 0 {
        bail!("no test is named {TEST}: nothing compares the bindings");
    }
    Ok(Outcome::Passed)
}

fn command_line_tree() -> Result<Outcome> {
    const WINDOWS: [&str; 7] = [
        "webkit",
        "gtk",
        "gdk",
        "tauri",
        "wry",
        "soup",
        "javascriptcore",
    ];
    let found: Vec<String> = dependencies("curfew")?
        .into_iter()
        .filter(|name| WINDOWS.iter().any(|window| name.contains(window)))
        .collect();
    if !found.is_empty() {
        bail!("curfew depends on {}", found.join(", "));
    }
    Ok(Outcome::Passed)
}

fn engine_tree() -> Result<Outcome> {
    let ours = workspace_members()?;
    let found: Vec<String> = dependencies("curfew-engine")?
        .into_iter()
        .filter(|name| name != "curfew-engine" && ours.contains(name))
        .collect();
    if !found.is_empty() {
        bail!("curfew-engine depends on {}", found.join(", "));
    }
    Ok(Outcome::Passed)
}

/// Names the source files past [`LONG`] lines. A long file is a question, not a failure.
fn long_files() -> Result<Outcome> {
    let listed = process::read(
        "git ls-files",
        std::process::Command::new("git")
            .current_dir(place::root())
            .args(["ls-files", "*.rs", "*.ts", "*.svelte", "*.py"]),
    )?;
    for file in listed.lines().filter(|file| !file.ends_with("bindings.ts")) {
        let text = std::fs::read_to_string(place::root().join(file)).unwrap_or_default();
        let lines = text.lines().count();
        if lines > LONG {
            eprintln!("warning: {file} has {lines} lines; is it still one subject?");
        }
    }
    Ok(Outcome::Passed)
}

/// The names of everything that `package` is built from, itself included.
fn dependencies(package: &str) -> Result<Vec<String>> {
    let text = process::read(
        "cargo tree",
        place::cargo()
            .args(["tree", "--package", package, "--edges", "normal,build"])
            .args(["--target", "all", "--prefix", "none", "--format", "{p}"]),
    )?;
    let mut names: Vec<String> = text
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .map(str::to_owned)
        .collect();
    names.sort();
    names.dedup();
    if !names.iter().any(|name| name == package) {
        bail!("cargo tree does not know {package}");
    }
    Ok(names)
}

fn workspace_members() -> Result<Vec<String>> {
    let text = process::read(
        "cargo metadata",
        place::cargo().args(["metadata", "--no-deps", "--format-version", "1"]),
    )?;
    let metadata: serde_json::Value =
        serde_json::from_str(&text).context("cargo metadata did not answer in JSON")?;
    let packages = metadata["packages"]
        .as_array()
        .context("cargo metadata lists no packages")?;
    let names = packages
        .iter()
        .filter_map(|package| package["name"].as_str());
    Ok(names.map(str::to_owned).collect())
}

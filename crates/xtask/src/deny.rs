//! cargo-deny over deny.toml: one that is installed already, or our own under target/tools.
//! Rules that need nothing but the lock file always run; advisories where their database can be reached.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::check::Outcome;
use crate::{place, process};

/// The version that is installed where there is none.
const VERSION: &str = "0.20.2";

pub fn rules() -> Result<Outcome> {
    process::run(
        "cargo-deny",
        command()?.args(["check", "licenses", "bans", "sources"]),
    )?;
    Ok(Outcome::Passed)
}

pub fn advisories() -> Result<Outcome> {
    if !process::answers(command()?.args(["fetch", "db"])) {
        return Ok(Outcome::Skipped(
            "the advisory database cannot be reached from here".to_owned(),
        ));
    }
    process::run(
        "cargo-deny",
        command()?.args(["check", "--disable-fetch", "advisories"]),
    )?;
    Ok(Outcome::Passed)
}

fn command() -> Result<Command> {
    let mut command = Command::new(program()?);
    command.current_dir(place::root()).args(["--all-features"]);
    Ok(command)
}

fn program() -> Result<PathBuf> {
    if let Some(installed) = process::find_on_path("cargo-deny") {
        return Ok(installed);
    }
    let tools = place::target()?.join("tools");
    let ours = tools.join("bin/cargo-deny");
    if ours.is_file() {
        return Ok(ours);
    }
    eprintln!(
        "xtask: installing cargo-deny {VERSION} into {}",
        tools.display()
    );
    process::run(
        "cargo install",
        place::cargo()
            // Without optimisation and debug information: it is built in a third of the time, and works for seconds.
            .args(["install", "--debug", "--locked", "--quiet"])
            .args(["cargo-deny", "--version", VERSION, "--root"])
            .arg(&tools)
            .arg("--target-dir")
            .arg(tools.join("build"))
            .env("CARGO_PROFILE_DEV_DEBUG", "0"),
    )?;
    // Only the program is kept.
    let _ = std::fs::remove_dir_all(tools.join("build"));
    Ok(ours)
}

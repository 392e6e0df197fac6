//! Python environments with pinned Django versions, for tests against the real thing.
//! One folder a requirements file and content: a changed pin makes a new one, an unchanged one is used as it is.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::place::{self, Stamp};
use crate::process;

/// The Python executable of an environment with what `tests/django/requirements-VERSION.txt` pins.
pub fn with_django(version: &str) -> Result<PathBuf> {
    let requirements = place::root().join(format!("tests/django/requirements-{version}.txt"));
    let text = std::fs::read_to_string(&requirements)
        .with_context(|| format!("{} cannot be read", requirements.display()))?;
    // Debian's own interpreter: it is the one that python3-venv belongs to, whatever else stands on the PATH.
    let base = Path::new("/usr/bin/python3");
    let base = if base.is_file() {
        base
    } else {
        Path::new("python3")
    };
    let interpreter = process::read("python3", Command::new(base).arg("--version"))?;
    let stamp = Stamp::new(&format!("django-{version}"), &[], &(interpreter + &text))?;
    let folder = place::target()?
        .join("test-env")
        .join(format!("django-{version}-{}", stamp.fingerprint()));
    let python = folder.join("bin/python");
    if stamp.is_current() && python.exists() {
        return Ok(python);
    }
    eprintln!("xtask: making a Python environment with Django {version}");
    if folder.exists() {
        std::fs::remove_dir_all(&folder)
            .with_context(|| format!("{} cannot be removed", folder.display()))?;
    }
    process::run(
        "python3 -m venv",
        Command::new(base).args(["-m", "venv"]).arg(&folder),
    )?;
    process::run(
        "pip install",
        Command::new(&python)
            .args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
                "--no-deps",
            ])
            .arg("--requirement")
            .arg(&requirements),
    )?;
    // With --no-deps the pins have to be the whole truth: this says so where they are not.
    process::run(
        "pip check",
        Command::new(&python).args(["-m", "pip", "check", "--quiet"]),
    )?;
    stamp.set()?;
    Ok(python)
}

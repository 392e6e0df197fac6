//! The window's inside: its npm packages, its build, and the scripts of ui/package.json.
//! Packages are installed when the lock file changed, the build is made when a source changed; else neither runs.

use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::place::{self, Stamp};
use crate::process;

const OLDEST: (u32, u32) = (20, 19);

pub fn npm() -> Command {
    let mut command = Command::new("npm");
    command
        .current_dir(place::ui())
        .env("npm_config_fund", "false")
        .env("npm_config_audit", "false")
        .env("npm_config_update_notifier", "false");
    command
}

/// Installs the packages of ui/package-lock.json, where they are not there yet.
pub fn install() -> Result<()> {
    let version = version()?;
    let ui = place::ui();
    let lock = ui.join("package-lock.json");
    if !lock.is_file() {
        bail!("{} is missing", lock.display());
    }
    let stamp = Stamp::new("npm", &[lock], &version)?;
    if stamp.is_current() && ui.join("node_modules").is_dir() {
        return Ok(());
    }
    eprintln!("xtask: installing the window's npm packages");
    process::run("npm ci", npm().arg("ci"))?;
    stamp.set()
}

/// Builds ui/dist, where a source changed since it was built.
pub fn build() -> Result<()> {
    install()?;
    let ui = place::ui();
    let stamp = Stamp::new("ui", std::slice::from_ref(&ui), "")?;
    if stamp.is_current() && ui.join("dist/index.html").is_file() {
        return Ok(());
    }
    eprintln!("xtask: building the window's inside");
    process::run("npm run build", npm().args(["run", "build"]))?;
    stamp.set()
}

/// Whether ui/package.json has a script of this name.
pub fn has_script(name: &str) -> Result<bool> {
    let file = place::ui().join("package.json");
    let text = std::fs::read_to_string(&file)
        .with_context(|| format!("{} cannot be read", file.display()))?;
    let package: serde_json::Value =
        serde_json::from_str(&text).with_context(|| format!("{} is no JSON", file.display()))?;
    Ok(package["scripts"][name].is_string())
}

fn version() -> Result<String> {
    if !process::on_path("node") || !process::on_path("npm") {
        bail!("node and npm are not on the PATH: install Node.js 20.19 or later");
    }
    let text = process::read("node", Command::new("node").arg("--version"))?;
    let version = text.trim().to_owned();
    let mut numbers = version
        .trim_start_matches('v')
        .split('.')
        .map(|number| number.parse().unwrap_or(0));
    let found = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if found < OLDEST {
        bail!("Node.js {version} is too old: install 20.19 or later");
    }
    Ok(version)
}

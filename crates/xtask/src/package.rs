//! `cargo xtask package`: what people install, as .deb and .rpm, by the toolkit's own bundler.
//! What goes into a package stands in tauri.conf.json; here is only how it is made.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::system::{self, Purpose};
use crate::{node, place, process};

/// The bundler is fetched for this one command, so that nobody else has to install it.
const BUNDLER: &str = "@tauri-apps/cli@2.12.3";

pub fn run() -> Result<()> {
    system::ensure(Purpose::Build)?;
    node::build()?;
    eprintln!("xtask: building the packages (a release build takes minutes)");
    let mut command = Command::new("npx");
    place::forget_the_outer_cargo(&mut command);
    process::run(
        "tauri build",
        command.current_dir(place::root()).args([
            "--yes",
            BUNDLER,
            "build",
            "--ci",
            "--bundles",
            "deb,rpm",
        ]),
    )?;
    let made = packages()?;
    if made.is_empty() {
        bail!("the bundler ended well and left no package");
    }
    for package in made {
        println!("{}", package.display());
    }
    Ok(())
}

/// The packages of this version.
fn packages() -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for kind in ["deb", "rpm"] {
        let folder = place::target()?.join("release/bundle").join(kind);
        let entries = std::fs::read_dir(&folder)
            .with_context(|| format!("{} cannot be read", folder.display()))?;
        found.extend(entries.flatten().map(|entry| entry.path()).filter(|path| {
            path.extension().is_some_and(|ending| ending == kind)
                && path.to_string_lossy().contains(env!("CARGO_PKG_VERSION"))
        }));
    }
    Ok(found)
}

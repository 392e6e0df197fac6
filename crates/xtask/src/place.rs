//! Where things are in the project, and small stamps under target/ that remember what was done for which input.
//! A stamp holds a fingerprint of its inputs' bytes, so neither a checkout's times nor a touched file mislead it.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, Result};

use crate::process;

/// The project's root folder.
pub fn root() -> &'static Path {
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    ROOT.get_or_init(|| {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        here.ancestors().nth(2).unwrap_or(here).to_path_buf()
    })
}

pub fn ui() -> PathBuf {
    root().join("ui")
}

/// The folder that cargo builds into, wherever the developer has put it.
pub fn target() -> Result<PathBuf> {
    static TARGET: OnceLock<PathBuf> = OnceLock::new();
    if let Some(target) = TARGET.get() {
        return Ok(target.clone());
    }
    let text = process::read(
        "cargo metadata",
        cargo().args(["metadata", "--no-deps", "--format-version", "1"]),
    )?;
    let metadata: serde_json::Value =
        serde_json::from_str(&text).context("cargo metadata did not answer in JSON")?;
    let target = metadata["target_directory"]
        .as_str()
        .map(PathBuf::from)
        .context("cargo metadata names no target_directory")?;
    Ok(TARGET.get_or_init(|| target).clone())
}

/// A binary of the workspace, as built in the one profile that run and test share.
pub fn binary(name: &str) -> Result<PathBuf> {
    Ok(target()?.join("debug").join(name))
}

/// The same of a release.
pub fn released(name: &str) -> Result<PathBuf> {
    Ok(target()?.join("release").join(name))
}

/// `cargo` in the project's root, without what the outer `cargo xtask` has put in the environment.
pub fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    forget_the_outer_cargo(&mut command);
    command
}

/// Takes out what `cargo run` says of the package xtask: build scripts that watch it would run again.
pub fn forget_the_outer_cargo(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        let inherited = name.to_str().is_some_and(|name| {
            name.starts_with("CARGO_PKG_")
                || name.starts_with("CARGO_MANIFEST_")
                || name == "CARGO_CRATE_NAME"
                || name == "CARGO_BIN_NAME"
        });
        if inherited {
            command.env_remove(name);
        }
    }
}

/// What was last done, and for which input.
pub struct Stamp {
    file: PathBuf,
    fingerprint: String,
}

impl Stamp {
    /// `name` tells stamps apart; `inputs` are files and folders, of which every byte counts; `also` is any text.
    pub fn new(name: &str, inputs: &[PathBuf], also: &str) -> Result<Self> {
        let mut hasher = DefaultHasher::new();
        hasher.write(also.as_bytes());
        let mut files = BTreeSet::new();
        for input in inputs {
            collect(input, &mut files)?;
        }
        for file in files {
            let bytes = std::fs::read(&file)
                .with_context(|| format!("{} cannot be read", file.display()))?;
            hasher.write(file.to_string_lossy().as_bytes());
            hasher.write_usize(bytes.len());
            hasher.write(&bytes);
        }
        Ok(Self {
            file: target()?.join("xtask").join(name),
            fingerprint: format!("{:016x}", hasher.finish()),
        })
    }

    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    pub fn is_current(&self) -> bool {
        std::fs::read_to_string(&self.file).is_ok_and(|text| text == self.fingerprint)
    }

    pub fn set(&self) -> Result<()> {
        if let Some(folder) = self.file.parent() {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("{} cannot be made", folder.display()))?;
        }
        std::fs::write(&self.file, &self.fingerprint)
            .with_context(|| format!("{} cannot be written", self.file.display()))
    }
}

/// Every file under `path`, but for what is installed or built.
fn collect(path: &Path, files: &mut BTreeSet<PathBuf>) -> Result<()> {
    let name = path.file_name().and_then(|name| name.to_str());
    if matches!(name, Some("node_modules" | "dist" | ".svelte-kit")) || !path.exists() {
        return Ok(());
    }
    if path.is_file() {
        files.insert(path.to_path_buf());
        return Ok(());
    }
    let entries =
        std::fs::read_dir(path).with_context(|| format!("{} cannot be read", path.display()))?;
    for entry in entries {
        let entry = entry.with_context(|| format!("{} cannot be read", path.display()))?;
        collect(&entry.path(), files)?;
    }
    Ok(())
}

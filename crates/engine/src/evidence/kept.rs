//! What is kept of a site's evidence in the state folder, so that short runs learn together: how closely records follow each
//! other, which records were late, and the last values of some users. No session key is among it.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::skew::Lag;

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Kept {
    /// Table and column of the evidence. What was learned of another column does not count.
    pub source: String,
    pub smallest_step_ms: Option<u64>,
    pub exact_step_ms: Option<u64>,
    pub exact_steps: u32,
    /// Users whose steps were seen, at most a few of them.
    pub users: std::collections::BTreeSet<String>,
    pub lags: Vec<Lag>,
    /// The database's time of the refresh that saw `values`.
    pub as_of: Option<Timestamp>,
    /// Activity by user id, in microseconds since 1970, of a sample of users.
    pub values: BTreeMap<String, i64>,
}

/// The file of a site, by its name and address.
pub(crate) fn path(state_dir: &Path, name: &str, address: &str) -> PathBuf {
    let digest = Sha256::digest(format!("{name}\0{address}").as_bytes());
    let name: String = digest.iter().take(8).map(|b| format!("{b:02x}")).collect();
    state_dir.join("evidence").join(format!("{name}.json"))
}

/// What is kept about this source. A file that is absent, damaged or about another source is worth nothing.
pub(crate) fn read(path: &Path, source: &str) -> Kept {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let kept: Kept = serde_json::from_str(&text).unwrap_or_default();
    match kept.source == source {
        true => kept,
        false => Kept {
            source: source.to_string(),
            ..Kept::default()
        },
    }
}

/// Replaces the file in one step. A folder that cannot be written loses what was learned, and nothing else.
pub(crate) fn write(path: &Path, kept: &Kept) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let mut file = tempfile(folder)?;
    file.0.write_all(&serde_json::to_vec(kept)?)?;
    std::fs::rename(&file.1, path)
}

fn tempfile(folder: &Path) -> std::io::Result<(std::fs::File, PathBuf)> {
    let path = folder.join(format!("{}.new", std::process::id()));
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    Ok((options.open(&path)?, path))
}

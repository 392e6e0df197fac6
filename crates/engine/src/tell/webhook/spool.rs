//! Messages that were not delivered, kept in the state folder until this run or a later one delivers them.
//! Invariant: a file holds a message's id and body and never an address or a secret; the process that sends it holds
//! its lock.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Messages that are kept for one site at most.
const MOST: usize = 256;
/// A longer file is not ours: no message grows with the number of users.
const LONGEST: u64 = 1024 * 1024;

/// One message in the state folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Kept {
    pub site: String,
    pub id: String,
    pub body: String,
    pub tries: u32,
    /// When it was first offered.
    pub since: Timestamp,
    /// When the next try is due.
    pub due: Timestamp,
}

/// The file of a message, locked while this value lives.
#[derive(Debug)]
pub(super) struct Slot {
    path: PathBuf,
    _lock: File,
}

impl Slot {
    /// The message needs to be kept no longer.
    pub fn remove(self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// The kept messages of one site.
#[derive(Debug, Clone)]
pub struct Spool {
    dir: PathBuf,
    site: String,
}

impl Spool {
    pub fn new(state_dir: &Path, site: &str) -> Self {
        Self {
            dir: state_dir.join("webhooks"),
            site: site.to_owned(),
        }
    }

    pub(super) fn site(&self) -> &str {
        &self.site
    }

    /// Writes a message down, in place of what an earlier try wrote.
    pub(super) fn keep(&self, kept: &Kept) -> io::Result<Slot> {
        let mut builder = DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&self.dir)?;
        let path = self.dir.join(format!("{}.json", kept.id));
        if !path.exists() && self.files()?.len() >= MOST {
            return Err(io::Error::other("too many messages are kept"));
        }
        let temporary = self.dir.join(format!("{}.new", kept.id));
        let made = (|| {
            let mut options = OpenOptions::new();
            options.write(true).create(true).truncate(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            let mut file = options.open(&temporary)?;
            file.try_lock().map_err(io::Error::from)?;
            file.write_all(&serde_json::to_vec(kept)?)?;
            std::fs::rename(&temporary, &path)?;
            Ok(file)
        })();
        match made {
            Ok(lock) => Ok(Slot { path, _lock: lock }),
            Err(error) => {
                let _ = std::fs::remove_file(&temporary);
                Err(error)
            }
        }
    }

    /// The messages that no process is sending, oldest first.
    pub(super) fn take(&self) -> Vec<(Kept, Slot)> {
        let files = self.files().unwrap_or_default();
        let mut taken: Vec<_> = files
            .into_iter()
            .filter_map(|path| self.take_one(path))
            .collect();
        taken.sort_by_key(|(kept, _)| kept.since);
        taken
    }

    fn take_one(&self, path: PathBuf) -> Option<(Kept, Slot)> {
        let meta = std::fs::symlink_metadata(&path).ok()?;
        if !meta.is_file() || meta.len() > LONGEST {
            return None;
        }
        let file = OpenOptions::new().read(true).write(true).open(&path).ok()?;
        file.try_lock().ok()?;
        let mut text = String::new();
        (&file).take(LONGEST).read_to_string(&mut text).ok()?;
        let kept: Kept = serde_json::from_str(&text).ok()?;
        // Delivered, or written anew, since it was opened: then this is not the file under the name any more.
        let current = std::fs::read_to_string(&path).ok()?;
        (kept.site == self.site && current == text).then_some((kept, Slot { path, _lock: file }))
    }

    fn files(&self) -> io::Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        let entries = match std::fs::read_dir(&self.dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(files),
            entries => entries?,
        };
        for entry in entries {
            let path = entry?.path();
            if path
                .extension()
                .is_some_and(|extension| extension == "json")
            {
                files.push(path);
            }
        }
        Ok(files)
    }
}

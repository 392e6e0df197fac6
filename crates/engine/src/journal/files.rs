//! The journal's two files: opened, locked, read backwards, and the head replaced in one step.
//! What stands in the lines is chain.rs. Invariant: the head changes only under the journal's lock.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::chain::Link;

/// How long another process may hold the journal.
const LOCK_WAIT: Duration = Duration::from_secs(10);

const FIRST_BLOCK: u64 = 16 * 1024;

pub(super) fn lines_path(dir: &Path) -> PathBuf {
    dir.join("journal.jsonl")
}

pub(super) fn head_path(dir: &Path) -> PathBuf {
    dir.join("journal.head")
}

/// Makes the folder and what leads to it, for this user alone.
pub(super) fn make_dir(dir: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)
}

/// Opens the journal to append to it, and makes it where it is missing.
pub(super) fn open_to_append(dir: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let path = lines_path(dir);
    // Looked at before it is opened: opening a named pipe would wait for its other end.
    if path.exists() {
        only_regular(&std::fs::metadata(&path)?)?;
    }
    let file = options.open(path)?;
    only_regular(&file.metadata()?)?;
    Ok(file)
}

/// Opens the journal to read it. None where there is none.
pub(super) fn open_to_read(dir: &Path) -> io::Result<Option<File>> {
    let path = lines_path(dir);
    match std::fs::metadata(&path) {
        Ok(meta) => only_regular(&meta)?,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e),
    }
    File::open(path).map(Some)
}

/// A device or a pipe in the journal's place swallows entries, or never ends.
fn only_regular(meta: &std::fs::Metadata) -> io::Result<()> {
    match meta.is_file() {
        true => Ok(()),
        false => Err(io::Error::other("it is not a regular file")),
    }
}

/// Waits for the lock, but not for ever: a stopped process must not stop this one.
pub(super) fn lock(file: &File, shared: bool) -> io::Result<()> {
    let until = Instant::now() + LOCK_WAIT;
    loop {
        let tried = match shared {
            true => file.try_lock_shared(),
            false => file.try_lock(),
        };
        match tried {
            Ok(()) => return Ok(()),
            Err(TryLockError::Error(e)) => return Err(e),
            Err(TryLockError::WouldBlock) if Instant::now() >= until => {
                return Err(io::Error::other("another process holds its lock"));
            }
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(2)),
        }
    }
}

/// What `journal.head` says about the journal's end.
pub(super) enum Head {
    Missing,
    Unreadable,
    At(Link),
}

#[derive(Serialize, Deserialize)]
struct HeadFile {
    seq: u32,
    hash: String,
}

/// A head is always this long, and so is overwritten in its place, within one sector of the disk.
fn head_text(at: &Link) -> String {
    format!("{{\"seq\":{:>10},\"hash\":\"{}\"}}\n", at.seq, at.hash)
}

pub(super) fn read_head(dir: &Path) -> io::Result<Head> {
    match std::fs::read(head_path(dir)) {
        Ok(bytes) => Ok(match serde_json::from_slice::<HeadFile>(&bytes) {
            Ok(HeadFile { seq, hash }) => Head::At(Link { seq, hash }),
            Err(_) => Head::Unreadable,
        }),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Head::Missing),
        Err(e) => Err(e),
    }
}

/// Makes the head, in one step and durable: from here on a missing one is a fault. The caller holds the journal's lock.
pub(super) fn make_head(dir: &Path) -> io::Result<()> {
    let temp = dir.join("journal.head.new");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&temp)?;
    file.write_all(head_text(&Link::start()).as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&temp, head_path(dir))?;
    sync_dir(dir)
}

/// Opens the head to move it on.
pub(super) fn open_head(dir: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).open(head_path(dir))
}

/// Moves the head on to an entry that is on the disk already, and leaves it to the system when this gets there: a head
/// that a crash has left behind the entries is known for what it is. The caller holds the journal's lock.
pub(super) fn move_head(dir: &Path, at: &Link) -> io::Result<()> {
    let text = head_text(at);
    let mut file = match open_head(dir) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            make_head(dir)?;
            open_head(dir)?
        }
        opened => opened?,
    };
    file.write_all(text.as_bytes())?;
    if file.metadata()?.len() != text.len() as u64 {
        file.set_len(text.len() as u64)?;
    }
    Ok(())
}

/// Makes new names in the folder durable.
pub(super) fn sync_dir(dir: &Path) -> io::Result<()> {
    match cfg!(unix) {
        true => File::open(dir)?.sync_all(),
        false => Ok(()),
    }
}

/// The lines of a file from its end to its start, reading no more than a budget of bytes.
pub(super) struct Backward<'a> {
    file: &'a File,
    /// Where `held` starts in the file.
    from: u64,
    held: Vec<u8>,
    block: u64,
    budget: u64,
    ended: bool,
}

impl<'a> Backward<'a> {
    pub(super) fn new(file: &'a File, length: u64, budget: u64) -> Self {
        Self {
            file,
            from: length,
            held: Vec::new(),
            block: FIRST_BLOCK,
            budget,
            ended: false,
        }
    }

    /// The line before, without its newline. None at the start of the file or of the budget.
    pub(super) fn next_line(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            if self.ended {
                return Ok(None);
            }
            if let Some(newline) = memchr::memrchr(b'\n', &self.held) {
                let line = self.held.split_off(newline + 1);
                self.held.pop();
                if !line.is_empty() {
                    return Ok(Some(line));
                }
                continue;
            }
            if self.from == 0 {
                self.ended = true;
                let line = std::mem::take(&mut self.held);
                return Ok((!line.is_empty()).then_some(line));
            }
            let step = self.block.min(self.from).min(self.budget);
            if step == 0 {
                self.ended = true;
                return Ok(None);
            }
            self.budget -= step;
            // A line longer than a block costs a few larger reads, not many small ones.
            self.block = (self.block * 2).min(4 * 1024 * 1024);
            self.from -= step;
            let mut block = Vec::with_capacity(self.held.len() + step as usize);
            self.file.seek(SeekFrom::Start(self.from))?;
            self.file.take(step).read_to_end(&mut block)?;
            block.append(&mut self.held);
            self.held = block;
        }
    }
}

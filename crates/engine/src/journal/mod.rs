//! The record of every sweep and logout, written before the deed: one file of JSON lines, chained by hashes.
//! It finds what was edited, dropped or moved by hand, not what is forged by someone who rebuilds all hashes.
//! Invariant: when `write` returns an entry, it is on the disk. What `note_all` returns is on its way there.

mod chain;
mod draft;
mod files;
mod read;
#[cfg(test)]
mod tests;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

pub use draft::{Draft, clean_reason, new_id};
pub use read::read;

use crate::error::{Code, Error, Result};
use crate::view::Entry;
use chain::{Link, START};
use files::{Backward, Head};

/// How far back a writer looks for the last whole entry. Beyond it stands no chain worth following.
const SEARCH_BACK: u64 = 256 * 1024 * 1024;

/// The journal of one state directory. Holds no file open: several processes write, each entry under a lock.
#[derive(Debug, Clone)]
pub struct Journal {
    dir: PathBuf,
    /// The file's length and last entry as this journal left them: while it still ends there, it need not be read.
    left: Arc<Mutex<Option<(u64, Link)>>>,
}

impl Journal {
    /// The journal of a state directory, whether or not it can be written now.
    pub fn at(state_dir: &Path) -> Self {
        Self {
            dir: state_dir.to_owned(),
            left: Arc::default(),
        }
    }

    /// As [`Journal::at`], and makes the directory and the file.
    ///
    /// # Errors
    /// `Code::Journal` where it cannot be written.
    pub fn open(state_dir: &Path) -> Result<Self> {
        let journal = Self::at(state_dir);
        journal.check_writable()?;
        Ok(journal)
    }

    /// Whether an entry could be written now, as far as that shows without writing one. A full disk shows only in `write`.
    ///
    /// # Errors
    /// `Code::Journal`.
    pub fn check_writable(&self) -> Result<()> {
        self.probe().map_err(|e| self.refused(&e))
    }

    fn probe(&self) -> io::Result<()> {
        files::make_dir(&self.dir)?;
        let file = files::open_to_append(&self.dir)?;
        files::lock(&file, false)?;
        match files::read_head(&self.dir)? {
            Head::At(_) => files::open_head(&self.dir).map(|_| ()),
            Head::Missing if file.metadata()?.len() == 0 => files::make_head(&self.dir),
            // What is known to be wrong stays to be seen.
            Head::Missing | Head::Unreadable => Ok(()),
        }
    }

    /// Appends an entry, chained to the last one, and returns once it is on the disk. Blocks: milliseconds, and up to
    /// 10 s where another process holds the journal.
    ///
    /// # Errors
    /// `Code::Journal`: the entry is not, or not surely, on the disk, and nothing may be done that it stands for.
    pub fn write(&self, draft: Draft) -> Result<Entry> {
        let mut entries = self.write_all(vec![draft])?;
        entries.pop().ok_or_else(|| {
            self.refused(&io::Error::other("an entry was written and not given back"))
        })
    }

    /// As [`Journal::write`], for several entries that go onto the disk together: all of them or none.
    ///
    /// # Errors
    /// As for [`Journal::write`].
    pub fn write_all(&self, drafts: Vec<Draft>) -> Result<Vec<Entry>> {
        self.append(drafts, true).map_err(|e| self.refused(&e))
    }

    /// As [`Journal::write_all`], for what is known so far of a deed whose intent is on the disk, and whose end will be: it
    /// is not waited for until the disk has it. The head stays behind it, for a head must never name what a crash can
    /// take away.
    ///
    /// # Errors
    /// As for [`Journal::write`].
    pub fn note_all(&self, drafts: Vec<Draft>) -> Result<Vec<Entry>> {
        self.append(drafts, false).map_err(|e| self.refused(&e))
    }

    fn append(&self, drafts: Vec<Draft>, durable: bool) -> io::Result<Vec<Entry>> {
        if drafts.is_empty() {
            return Ok(Vec::new());
        }
        files::make_dir(&self.dir)?;
        let mut file = files::open_to_append(&self.dir)?;
        files::lock(&file, false)?;
        let length = file.metadata()?.len();
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let mut bytes = Vec::new();
        if !ends_with_newline(&file, length)? {
            // A crash cut the last line off. It stays, as a line of its own that verification names.
            bytes.push(b'\n');
        }
        let mut at = match left.take() {
            Some((known, last)) if known == length => self.after(Some(last))?,
            _ => {
                let end = match length {
                    0 => None,
                    _ => Some(last_entry(&file, length)?),
                };
                self.after(end)?
            }
        };
        let mut entries = Vec::with_capacity(drafts.len());
        for draft in drafts {
            let seq = at.seq.checked_add(1).ok_or_else(|| {
                io::Error::other("it holds 4294967295 entries: move it away, with its head")
            })?;
            let mut entry = draft.into_entry(seq, at.hash);
            let line = chain::seal(&mut entry).map_err(io::Error::other)?;
            bytes.extend_from_slice(line.as_bytes());
            bytes.push(b'\n');
            at = Link {
                seq,
                hash: entry.hash.clone(),
            };
            entries.push(entry);
        }
        let written = file.write_all(&bytes).and_then(|()| match durable {
            true => file.sync_data(),
            false => Ok(()),
        });
        if let Err(e) = written {
            // Half a line of our own is no record of anything. Where this fails too, it is found as cut off.
            let _ = file.set_len(length);
            return Err(e);
        }
        if length == 0 {
            // The file may be new, beside a head that is not.
            files::sync_dir(&self.dir)?;
        }
        if durable {
            files::move_head(&self.dir, &at)?;
        }
        *left = Some((length + bytes.len() as u64, at));
        Ok(entries)
    }

    /// What the next entry is chained to. The newer of the head and the file's end, none where the file is empty: where
    /// the last lines were dropped, the next entry follows the dropped ones, and the gap stays to be seen for good.
    fn after(&self, end: Option<Link>) -> io::Result<Link> {
        let head = files::read_head(&self.dir)?;
        if let (Head::Missing, None) = (&head, &end) {
            // From here on a missing head is a fault, so it has to be there before the first line.
            files::make_head(&self.dir)?;
            return Ok(Link::start());
        }
        let end = end.unwrap_or_else(Link::start);
        Ok(match head {
            Head::At(head) if head.seq >= end.seq => head,
            // A crash came between an entry and its head.
            Head::At(_) => end,
            // The entries before can no longer be vouched for: a chain that starts again says so for good.
            Head::Missing | Head::Unreadable => Link {
                seq: end.seq,
                hash: START.to_owned(),
            },
        })
    }

    /// The newest entries about one person of one site, newest first, at most `limit`. Of those who were signed out
    /// together, only this person stands in `users`. Looks back over the last 8 MiB of the journal.
    ///
    /// # Errors
    /// `Code::Journal` where the file cannot be read; a missing file is no entry.
    pub fn about(&self, user_id: &str, site: &str, limit: usize) -> Result<Vec<Entry>> {
        read::about(&self.dir, user_id, site, limit)
    }

    fn refused(&self, error: &io::Error) -> Error {
        Error::new(
            Code::Journal,
            format!(
                "the journal {} cannot be written: {error}. Make it writable, or name another folder in CURFEW_STATE_DIR",
                files::lines_path(&self.dir).display()
            ),
        )
    }
}

/// The last whole entry of the file.
fn last_entry(file: &std::fs::File, length: u64) -> io::Result<Link> {
    let mut lines = Backward::new(file, length, SEARCH_BACK);
    while let Some(line) = lines.next_line()? {
        if let Some(line) = chain::parse(&line)
            && line.sealed
        {
            return Ok(Link {
                seq: line.entry.seq,
                hash: line.entry.hash,
            });
        }
    }
    Ok(Link::start())
}

fn ends_with_newline(mut file: &std::fs::File, length: u64) -> io::Result<bool> {
    use std::io::{Read, Seek, SeekFrom};
    if length == 0 {
        return Ok(true);
    }
    let mut last = [0];
    file.seek(SeekFrom::Start(length - 1))?;
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

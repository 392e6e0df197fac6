//! The record of every sweep and logout, written before the deed: one file of JSON lines, chained by hashes.
//! It finds what was edited, dropped or moved by hand, not what is forged by someone who rebuilds all hashes.
//! Invariant: when `write` returns an entry, it is on the disk. What `note_all` returns is on its way there.

mod chain;
mod draft;
mod files;
mod heads;
mod read;
mod running;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest, Sha256};

pub use draft::{Draft, clean_reason, new_id};
use heads::Busy;
pub use heads::{Heads, Places, check_heads};
pub use read::{Verdict, newest, read, verify};
pub use running::LeftOpen;

use crate::error::{Code, Error, Result};
use crate::view::{Deed, Entry, Phase};
use chain::{Link, START};
use files::{Backward, Head};
use running::Running;

/// How far back a writer looks for the last whole entry. Beyond it stands no chain worth following.
const SEARCH_BACK: u64 = 256 * 1024 * 1024;

/// The journal of one state directory. Holds no file open: several processes write, each entry under a lock.
#[derive(Debug, Clone)]
pub struct Journal {
    dir: PathBuf,
    /// The file's length and last entry as this journal left them: while it still ends there, it need not be read.
    left: Arc<Mutex<Option<(u64, Link)>>>,
    /// What this journal's process does now, by the name of the action.
    running: Arc<Mutex<HashMap<String, Arc<Running>>>>,
    /// Outcomes that could not be written. They go before whatever is written next.
    owed: Arc<Mutex<Vec<Draft>>>,
    /// The last entry that this journal put onto the disk.
    head: Arc<Mutex<Option<Link>>>,
    places: Places,
    /// A digest of the site's database, for actions that a process leaves open.
    place: String,
    /// Why the last head did not leave this machine, if it did not.
    heads_fault: Arc<Mutex<Option<String>>>,
    /// A head is on its way into the file that takes heads.
    sending: Busy,
    /// The last long list of users that a sweep's intent had, and the entry that has it.
    listed: Arc<Mutex<Option<Listed>>>,
}

impl Journal {
    /// The journal of a state directory, whether or not it can be written now.
    pub fn at(state_dir: &Path) -> Self {
        Self {
            dir: state_dir.to_owned(),
            left: Arc::default(),
            running: Arc::default(),
            owed: Arc::default(),
            head: Arc::default(),
            places: Places::default(),
            place: String::new(),
            heads_fault: Arc::default(),
            sending: Busy::default(),
            listed: Arc::default(),
        }
    }

    /// Sends each head to these places as well.
    #[must_use]
    pub fn with_heads(self, places: Places) -> Self {
        Self { places, ..self }
    }

    /// Tells this journal's site from another of its name. `place`: what the site's database is, in any words.
    #[must_use]
    pub fn with_place(self, place: &str) -> Self {
        let digest = Sha256::digest(place.as_bytes());
        let place = digest.iter().take(8).map(|b| format!("{b:02x}")).collect();
        Self { place, ..self }
    }

    /// Why the last head is not in the file that takes heads, if it is not.
    pub fn heads_fault(&self) -> Option<String> {
        lock(&self.heads_fault).clone()
    }

    /// Number and hash of the last entry that this process has written, once it is on the disk.
    pub fn head(&self) -> Option<(u32, String)> {
        let head = lock(&self.head);
        head.as_ref().map(|link| (link.seq, link.hash.clone()))
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
        // The last one: outcomes that were owed come before.
        entries.pop().ok_or_else(|| {
            self.refused(&io::Error::other("an entry was written and not given back"))
        })
    }

    /// As [`Journal::write`], for several entries that go onto the disk together: all of them or none.
    ///
    /// # Errors
    /// As for [`Journal::write`].
    pub fn write_all(&self, drafts: Vec<Draft>) -> Result<Vec<Entry>> {
        let begun =
            Running::begin(&self.dir, &self.place, &drafts).map_err(|e| self.refused(&e))?;
        let outcomes: Vec<Draft> = drafts
            .iter()
            .filter(|draft| draft.phase == Phase::Outcome)
            .cloned()
            .collect();
        self.give_room(&outcomes);
        match self.append_owed(drafts) {
            Ok(entries) => {
                if let Some(begun) = begun {
                    self.keep(begun, &entries);
                }
                self.end(&entries);
                Ok(entries)
            }
            Err(e) => {
                if let Some(begun) = begun {
                    begun.withdraw();
                }
                // What was done is not undone: the outcome is written as soon as the journal can be.
                lock(&self.owed).extend(outcomes);
                Err(self.refused(&e))
            }
        }
    }

    /// Writes the outcomes that could not be written before, if there are any. Returns how many there were.
    ///
    /// # Errors
    /// As for [`Journal::write`].
    pub fn write_owed(&self) -> Result<usize> {
        let owed = lock(&self.owed).len();
        if owed > 0 {
            let entries = self.append_owed(Vec::new()).map_err(|e| self.refused(&e))?;
            self.end(&entries);
        }
        Ok(owed)
    }

    /// Appends what is owed, and the drafts after it. Returns all of it.
    fn append_owed(&self, drafts: Vec<Draft>) -> io::Result<Vec<Entry>> {
        let mut owed = lock(&self.owed);
        let mut all = owed.clone();
        all.extend(drafts);
        let entries = self.append(all, true)?;
        owed.clear();
        Ok(entries)
    }

    fn give_room(&self, outcomes: &[Draft]) {
        let running = lock(&self.running);
        for outcome in outcomes {
            if let Some(group) = running.get(&outcome.id) {
                group.give_room();
            }
        }
    }

    fn keep(&self, begun: Running, entries: &[Entry]) {
        let begun = Arc::new(begun);
        let mut running = lock(&self.running);
        for entry in entries {
            if entry.phase == Phase::Intent {
                running.insert(entry.id.clone(), Arc::clone(&begun));
            }
        }
    }

    fn end(&self, entries: &[Entry]) {
        let ended: HashSet<&str> = entries
            .iter()
            .filter(|entry| entry.phase == Phase::Outcome)
            .map(|entry| entry.id.as_str())
            .collect();
        let mut running = lock(&self.running);
        for deed in &ended {
            if let Some(group) = running.remove(*deed) {
                group.end(&ended);
            }
        }
    }

    /// Actions of a site that processes began and left without an outcome. Each is locked while its value lives.
    ///
    /// # Errors
    /// `Code::Journal` if the state folder cannot be read.
    pub fn left_open(&self, site: &str) -> Result<Vec<LeftOpen>> {
        running::left_open(&self.dir, site, &self.place).map_err(|e| self.refused(&e))
    }

    /// Writes the outcomes of actions that were left open, and forgets these actions.
    ///
    /// # Errors
    /// As for [`Journal::write`].
    pub fn settle(&self, left: Vec<LeftOpen>, outcomes: Vec<Draft>) -> Result<()> {
        self.append_owed(outcomes).map_err(|e| self.refused(&e))?;
        left.into_iter().for_each(LeftOpen::settled);
        Ok(())
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
        let mut listed = lock(&self.listed).clone();
        for draft in drafts {
            let seq = at.seq.checked_add(1).ok_or_else(|| {
                io::Error::other("it holds 4294967295 entries: move it away, with its head")
            })?;
            let mut entry = draft.into_entry(seq, at.hash);
            self.refer(&mut entry, &mut listed);
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
        *lock(&self.listed) = listed;
        if durable && let Some(last) = entries.last() {
            *lock(&self.head) = Some(at.clone());
            *lock(&self.heads_fault) = self.places.send(&self.sending, &at, last.at);
        }
        *left = Some((length + bytes.len() as u64, at));
        Ok(entries)
    }

    /// Puts a reference in place of a long list of users that the last sweep's intent had as well: a sweep that fails
    /// each time writes its list once.
    fn refer(&self, entry: &mut Entry, listed: &mut Option<Listed>) {
        if entry.deed != Deed::Sweep || entry.phase != Phase::Intent || entry.users.len() < LONG {
            return;
        }
        let now = Listed::of(entry);
        match listed {
            Some(last) if last.site == now.site && last.digest == now.digest => {
                entry.users.clear();
                entry.users_as = Some(last.seq);
            }
            _ => *listed = Some(now),
        }
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

/// Users from which on a list is long.
const LONG: usize = 20;

/// A list of users that an entry has.
#[derive(Debug, Clone)]
struct Listed {
    site: String,
    digest: [u8; 32],
    seq: u32,
}

impl Listed {
    fn of(entry: &Entry) -> Self {
        let mut sha = Sha256::new();
        // How long they have been idle changes with each sweep.
        for user in &entry.users {
            for text in [&user.id, &user.username].into_iter().chain(&user.sessions) {
                sha.update((text.len() as u64).to_le_bytes());
                sha.update(text.as_bytes());
            }
            sha.update([0xff]);
        }
        Self {
            site: entry.site.clone(),
            digest: sha.finalize().into(),
            seq: entry.seq,
        }
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

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

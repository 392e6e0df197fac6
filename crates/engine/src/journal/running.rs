//! Actions under way. Each group of intents has a file, locked by its process, that holds disk space for the outcomes.
//! Invariant: if the lock of such a file is free, its process has ended and its outcomes may be missing.

use std::collections::HashSet;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::Draft;
use super::chain;
use super::files::{self, Backward};
use crate::view::{Entry, EntryUser, Phase};

/// Space for one outcome beyond the users that its intent names.
const ROOM_PER_OUTCOME: u64 = 8 * 1024;
/// The file starts with one line of JSON; a longer one is not ours.
const LONGEST_HEADER: u64 = 4 * 1024 * 1024;
/// How far back in the journal an intent is searched.
const LOOK_BACK: u64 = 256 * 1024 * 1024;

#[derive(Debug, Serialize, Deserialize)]
struct Header {
    site: String,
    /// A digest of the site's database. Two sites of one name may follow each other in a configuration.
    #[serde(default)]
    place: String,
    deeds: Vec<String>,
}

/// One group of actions under way, in this process.
#[derive(Debug)]
pub(super) struct Running {
    path: PathBuf,
    file: File,
    header: u64,
    open: Mutex<HashSet<String>>,
}

fn folder(dir: &Path) -> PathBuf {
    dir.join("running")
}

impl Running {
    /// Creates and locks the file of these intents. Returns `None` if there is no intent among the drafts.
    pub(super) fn begin(dir: &Path, place: &str, drafts: &[Draft]) -> io::Result<Option<Self>> {
        let intents: Vec<&Draft> = drafts
            .iter()
            .filter(|draft| draft.phase == Phase::Intent)
            .collect();
        let Some(first) = intents.first() else {
            return Ok(None);
        };
        let mut builder = DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(folder(dir))?;
        let mut header = serde_json::to_vec(&Header {
            site: first.site.clone(),
            place: place.to_owned(),
            deeds: intents.iter().map(|draft| draft.id.clone()).collect(),
        })?;
        header.push(b'\n');
        let mut room = 0;
        for intent in &intents {
            // A sign-out that is followed for a minute writes an interim outcome, too.
            room += 2 * serde_json::to_vec(&intent.users)?.len() as u64 + ROOM_PER_OUTCOME;
        }
        // Under a name that no other process looks for, until the lock is held.
        let temporary = folder(dir).join(format!("{}.new", first.id));
        let path = folder(dir).join(format!("{}.deed", first.id));
        let made = (|| {
            let mut options = OpenOptions::new();
            options.read(true).write(true).create_new(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            let mut file = options.open(&temporary)?;
            file.try_lock().map_err(io::Error::from)?;
            file.write_all(&header)?;
            reserve(&mut file, header.len() as u64, room)?;
            file.sync_data()?;
            std::fs::rename(&temporary, &path)?;
            Ok(file)
        })();
        match made {
            Ok(file) => Ok(Some(Self {
                path,
                file,
                header: header.len() as u64,
                open: Mutex::new(intents.iter().map(|draft| draft.id.clone()).collect()),
            })),
            Err(error) => {
                let _ = std::fs::remove_file(&temporary);
                Err(error)
            }
        }
    }

    /// Gives the reserved space back to the disk, for the outcomes that are about to be written.
    pub(super) fn give_room(&self) {
        // If this fails, the outcomes may still find space elsewhere.
        let _ = self.file.set_len(self.header);
    }

    /// Marks these actions as recorded. Removes the file with the last of them.
    pub(super) fn end(&self, deeds: &HashSet<&str>) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|deed| !deeds.contains(deed.as_str()));
        if open.is_empty() {
            let _ = std::fs::remove_file(&self.path);
        }
    }

    /// Removes the file of actions that were not begun.
    pub(super) fn withdraw(self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Allocates disk space behind the header.
fn reserve(file: &mut File, header: u64, room: u64) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    match rustix::fs::fallocate(&*file, rustix::fs::FallocateFlags::empty(), header, room) {
        Ok(()) => return Ok(()),
        Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS | rustix::io::Errno::INVAL) => {
        }
        Err(error) => return Err(error.into()),
    }
    file.seek(SeekFrom::Start(header))?;
    io::copy(&mut io::repeat(0).take(room), file).map(|_| ())
}

/// Intents of one site whose process ended without writing the outcomes. The lock is held while this value lives.
#[derive(Debug)]
pub struct LeftOpen {
    path: PathBuf,
    _lock: File,
    /// The intents, as the journal has them.
    pub intents: Vec<Entry>,
}

impl LeftOpen {
    /// Forgets these actions: their outcomes are in the journal now.
    pub(super) fn settled(self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Finds what processes that have ended left open on the site of this name and place. Skips the files of processes that
/// still run.
pub(super) fn left_open(dir: &Path, site: &str, place: &str) -> io::Result<Vec<LeftOpen>> {
    let mut found = Vec::new();
    let entries = match std::fs::read_dir(folder(dir)) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "deed") {
            continue;
        }
        if let Some(one) = take(dir, (site, place), path)? {
            found.push(one);
        }
    }
    Ok(found)
}

fn take(dir: &Path, of: (&str, &str), path: PathBuf) -> io::Result<Option<LeftOpen>> {
    if !std::fs::symlink_metadata(&path).is_ok_and(|meta| meta.is_file()) {
        return Ok(None);
    }
    let Ok(file) = OpenOptions::new().read(true).write(true).open(&path) else {
        return Ok(None);
    };
    // A lock that is held belongs to a live process. A file that is gone was settled by another one.
    if file.try_lock().is_err() || !path.exists() {
        return Ok(None);
    }
    let mut line = Vec::new();
    BufReader::new((&file).take(LONGEST_HEADER)).read_until(b'\n', &mut line)?;
    let Ok(header) = serde_json::from_slice::<Header>(&line) else {
        // A crash came before the header was on the disk, and so before the intent.
        let _ = std::fs::remove_file(&path);
        return Ok(None);
    };
    if (header.site.as_str(), header.place.as_str()) != of {
        return Ok(None);
    }
    // The space is given back just before the last outcome is written.
    let gave_room = file.metadata()?.len() == line.len() as u64;
    let mut intents = Vec::new();
    for (intent, ended) in find(dir, &header.deeds)? {
        if !(ended && gave_room) {
            intents.push(intent);
        }
    }
    let open = LeftOpen {
        path,
        _lock: file,
        intents,
    };
    if open.intents.is_empty() {
        open.settled();
        return Ok(None);
    }
    Ok(Some(open))
}

/// The intents of these actions, and whether an outcome follows each.
fn find(dir: &Path, deeds: &[String]) -> io::Result<Vec<(Entry, bool)>> {
    let Some(file) = files::open_to_read(dir)? else {
        return Ok(Vec::new());
    };
    let mut wanted: HashSet<&str> = deeds.iter().map(String::as_str).collect();
    let mut ended: HashSet<String> = HashSet::new();
    let mut found = Vec::new();
    let mut lines = Backward::new(&file, file.metadata()?.len(), LOOK_BACK);
    while !wanted.is_empty()
        && let Some(line) = lines.next_line()?
    {
        let Some(entry) = chain::parse(&line).map(|line| line.entry) else {
            continue;
        };
        if !wanted.contains(entry.id.as_str()) {
            continue;
        }
        match entry.phase {
            Phase::Outcome => {
                ended.insert(entry.id);
            }
            Phase::Intent => {
                wanted.remove(entry.id.as_str());
                let ended = ended.contains(&entry.id);
                found.push((entry, ended));
            }
        }
    }
    for (intent, _) in &mut found {
        if let Some(seq) = intent.users_as {
            intent.users = users_of(&file, seq)?;
        }
    }
    Ok(found)
}

/// The users that an entry lists.
fn users_of(file: &File, seq: u32) -> io::Result<Vec<EntryUser>> {
    let mut lines = Backward::new(file, file.metadata()?.len(), LOOK_BACK);
    while let Some(line) = lines.next_line()? {
        if let Some(line) = chain::parse(&line)
            && line.entry.seq == seq
        {
            return Ok(line.entry.users);
        }
    }
    Ok(Vec::new())
}

//! The folder itself, which blocks: how its files are called, what is in it, and reading it. Deleting is in `remove`.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::mpsc::Sender;

use super::remove::is_left_over;
use crate::config::SessionsConfig;
use crate::django::session::{Decoder, Expiry};
use crate::error::{Code, Error, Result};
use crate::store::{SessionKey, SessionRow};

/// The most that is read of one file; Django's own are a few hundred bytes.
const MOST: u64 = 2 << 20;
/// Files, and bytes, of one step.
const STEP: usize = 500;
const STEP_BYTES: usize = 4 << 20;

/// What a listing hands over.
#[derive(Default)]
pub struct Step {
    /// New, or saved since they were read.
    pub rows: Vec<SessionRow>,
    /// As they were when they were read.
    pub same: Vec<(SessionKey, Timestamp)>,
}

/// Which content a file has, without reading it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) modified: Timestamp,
    size: u64,
    inode: u64,
}

pub struct Folder {
    pub(super) path: PathBuf,
    /// The operator named it; else it is where Django looks by itself, as seen from here.
    said: bool,
    prefix: String,
    age: SignedDuration,
    pub(super) known: Mutex<HashMap<SessionKey, (Stamp, Timestamp)>>,
    /// A session's file was seen here.
    seen: AtomicBool,
    pub(super) left_over: Mutex<Vec<OsString>>,
}

impl Folder {
    pub fn new(config: &SessionsConfig) -> Result<Self> {
        let wrong = |what: String| Err(Error::new(Code::Config, what));
        let path = config.path.clone().unwrap_or_else(std::env::temp_dir);
        if !path.is_absolute() {
            return wrong(format!(
                "the session folder {} is no absolute path; correct [site.sessions] path",
                path.display()
            ));
        }
        let prefix = config.cookie_name.clone();
        if prefix.is_empty() || prefix.contains(['/', '\\', '\0']) || prefix.starts_with('.') {
            return wrong(format!(
                "no session's file is called {prefix:?} and its key; correct [site.sessions] cookie_name"
            ));
        }
        Ok(Self {
            said: config.path.is_some(),
            path,
            prefix,
            age: SignedDuration::try_from(config.age()).unwrap_or(SignedDuration::MAX),
            known: Mutex::default(),
            seen: AtomicBool::new(false),
            left_over: Mutex::default(),
        })
    }

    pub fn path(&self) -> std::path::Display<'_> {
        self.path.display()
    }

    pub fn shown(&self) -> String {
        format!("{}{}KEY", self.path.join("").display(), self.prefix)
    }

    /// Whether this is the folder that the site uses: said so, or shown by a session in it.
    pub fn is_known(&self) -> bool {
        self.said || self.seen.load(Ordering::Relaxed)
    }

    /// Everything is new again.
    pub fn forget(&self) {
        hold(&self.known).clear();
    }

    pub(super) fn failed(&self, what: &str, error: &io::Error) -> Error {
        Error::new(
            Code::File,
            format!(
                "the session folder {} {what} ({error}); check [site.sessions] path and this user's rights",
                self.path()
            ),
        )
    }

    /// Only what Django itself would open: no separators, no dots, no links out of here.
    fn key(&self, name: &OsString) -> Option<SessionKey> {
        let key = name.to_str()?.strip_prefix(&self.prefix)?;
        is_key(key).then(|| SessionKey::new(key))
    }

    pub(super) fn file(&self, key: &SessionKey) -> Option<PathBuf> {
        let key = key.expose();
        is_key(key).then(|| self.path.join(format!("{}{key}", self.prefix)))
    }

    /// Lists the folder, and hands over what is there in steps.
    pub fn walk(&self, now: Timestamp, steps: &Sender<Step>) -> Result<()> {
        let unreadable = |e: io::Error| self.failed("cannot be read", &e);
        let mut decoder = Decoder::new(None);
        let mut known = HashMap::new();
        let mut left_over = Vec::new();
        let (mut step, mut bytes) = (Step::default(), 0);
        for entry in fs::read_dir(&self.path).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let name = entry.file_name();
            let Some(key) = self.key(&name) else {
                if is_left_over(&entry) {
                    left_over.push(name);
                }
                continue;
            };
            // Gone since it was listed, or no file: neither is a session.
            let Some(stamp) = entry.metadata().ok().as_ref().and_then(Stamp::of) else {
                continue;
            };
            self.seen.store(true, Ordering::Relaxed);
            let old = hold(&self.known).get(&key).copied();
            let expires = match old {
                Some((old, expires)) if old == stamp => {
                    if expires > now {
                        step.same.push((key.clone(), expires));
                    }
                    expires
                }
                _ => match self.session(&key, &mut decoder) {
                    Ok(Some(row)) => {
                        let expires = row.expires;
                        bytes += row.data.bytes().len();
                        if expires > now {
                            step.rows.push(row);
                        }
                        expires
                    }
                    Ok(None) => continue,
                    // Counted as one that cannot be read, and tried again at the next look.
                    Err(_) => {
                        step.rows.push(unread(key, stamp, self.age));
                        continue;
                    }
                },
            };
            known.insert(key, (stamp, expires));
            if step.rows.len() + step.same.len() >= STEP || bytes >= STEP_BYTES {
                bytes = 0;
                // Whoever asked has stopped waiting.
                if steps.blocking_send(std::mem::take(&mut step)).is_err() {
                    return Ok(());
                }
            }
        }
        if steps.blocking_send(step).is_ok() {
            *hold(&self.known) = known;
            *hold(&self.left_over) = left_over;
        }
        Ok(())
    }

    /// One session as it is now; none where there is no file of its name, or nothing in it yet.
    fn session(&self, key: &SessionKey, decoder: &mut Decoder) -> io::Result<Option<SessionRow>> {
        let Some(path) = self.file(key) else {
            return Ok(None);
        };
        let Some((stamp, content)) = content(&path)? else {
            return Ok(None);
        };
        // What a new session's file is for a moment: Django sees nobody in it.
        if content.is_empty() {
            return Ok(None);
        }
        let expiry = std::str::from_utf8(&content)
            .ok()
            .and_then(|text| decoder.decode(text).ok())
            .map(|session| session.expiry);
        Ok(Some(SessionRow {
            saved: Some(stamp.modified),
            ..SessionRow::encoded(
                key.clone(),
                content,
                expires(expiry, stamp.modified, self.age),
            )
        }))
    }

    pub fn read(&self, keys: &[SessionKey]) -> Result<Vec<SessionRow>> {
        let mut decoder = Decoder::new(None);
        let mut rows = Vec::with_capacity(keys.len());
        for key in keys {
            match self.session(key, &mut decoder) {
                Ok(row) => rows.extend(row),
                Err(error) => {
                    // There and not to be read: one such session, and not the end of the others.
                    let stamp = self
                        .file(key)
                        .and_then(|path| fs::symlink_metadata(path).ok())
                        .as_ref()
                        .and_then(Stamp::of)
                        .ok_or_else(|| self.failed("cannot be read", &error))?;
                    rows.push(unread(key.clone(), stamp, self.age));
                }
            }
        }
        Ok(rows)
    }

    /// A folder that is gone has no files either, and proves nothing.
    pub fn is_there(&self) -> Result<()> {
        fs::metadata(&self.path)
            .map(|_| ())
            .map_err(|e| self.failed("cannot be read", &e))
    }

    pub fn surviving(&self, keys: Vec<SessionKey>) -> Result<Vec<SessionKey>> {
        self.is_there()?;
        let mut left = Vec::new();
        for key in keys {
            let Some(path) = self.file(&key) else {
                continue;
            };
            match fs::symlink_metadata(path) {
                Ok(meta) if meta.is_file() => left.push(key),
                Ok(_) => {}
                Err(e) if e.kind() == ErrorKind::NotFound => {}
                Err(e) => return Err(self.failed("cannot be read", &e)),
            }
        }
        Ok(left)
    }
}

impl Stamp {
    fn of(meta: &Metadata) -> Option<Self> {
        if !meta.is_file() {
            return None;
        }
        #[cfg(unix)]
        let inode = std::os::unix::fs::MetadataExt::ino(meta);
        #[cfg(not(unix))]
        let inode = 0;
        Some(Self {
            modified: Timestamp::try_from(meta.modified().ok()?).ok()?,
            size: meta.len(),
            inode,
        })
    }
}

pub(super) fn hold<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The characters that Django takes in a session's key, and a length that it may have.
fn is_key(key: &str) -> bool {
    (8..=128).contains(&key.len())
        && key
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
}

/// A file's content, and which it is; none where there is no such file, or it is something else. More than is read
/// of any session comes back as an error.
pub(super) fn content(path: &Path) -> io::Result<Option<(Stamp, Vec<u8>)>> {
    let mut options = File::options();
    options.read(true);
    // Neither a link to elsewhere nor a pipe that nobody writes to.
    #[cfg(unix)]
    {
        use rustix::fs::OFlags;
        use std::os::unix::fs::OpenOptionsExt;
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        options.custom_flags(flags.bits().cast_signed());
    }
    let file = match options.open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e),
    };
    let Some(stamp) = Stamp::of(&file.metadata()?) else {
        return Ok(None);
    };
    let mut content = Vec::new();
    file.take(MOST + 1).read_to_end(&mut content)?;
    if content.len() as u64 > MOST {
        return Err(io::Error::other("it is larger than any session"));
    }
    Ok(Some((stamp, content)))
}

/// As Django's file engine reckons. A number of seconds that the site set is an age there that never runs out: the
/// engine compares it with nothing.
fn expires(expiry: Option<Expiry>, modified: Timestamp, age: SignedDuration) -> Timestamp {
    match expiry {
        Some(Expiry::Fixed(at)) => at,
        Some(Expiry::Seconds(n)) if n > 0 => Timestamp::MAX,
        Some(Expiry::Seconds(n)) if n < 0 => Timestamp::MIN,
        _ => modified.checked_add(age).unwrap_or(Timestamp::MAX),
    }
}

/// A file that is there and cannot be read.
fn unread(key: SessionKey, stamp: Stamp, age: SignedDuration) -> SessionRow {
    SessionRow {
        saved: Some(stamp.modified),
        ..SessionRow::encoded(key, Vec::new(), expires(None, stamp.modified, age))
    }
}

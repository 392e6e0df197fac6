//! Deleting sessions' files, and whether this user may.
//!
//! Django saves by writing a file beside and moving it over the session's own, so a file's content never changes
//! under its name; another one takes its place. No system deletes a name only while it means a certain file. So
//! a sweep compares first, moves the file to a name of Curfew's own, compares what it then holds, and deletes that;
//! had somebody saved in between, the file goes back, never over a newer one. Deleting by the name after comparing
//! would sign out whoever saves in between; moved aside, only a request that begins in those microseconds could miss
//! its session. If Curfew is killed between the move and the deletion, a file `.curfew-...` with a deleted session's
//! content stays, without its key; the next deed here takes it away.

use std::fs::{self, DirEntry, Metadata};
use std::io::{self, ErrorKind};
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::folder::{Folder, content, hold};
use crate::error::{Code, Error, Result};
use crate::store::{Data, SessionKey, SessionRow};

/// What a file is called between being moved aside and being deleted.
const ASIDE: &str = ".curfew-";
/// How old such a file has to be for nobody to be at work on it any more.
const LEFT_OVER: Duration = Duration::from_secs(60);

impl Folder {
    pub fn delete(&self, keys: Vec<SessionKey>) -> Result<Vec<SessionKey>> {
        self.tidy();
        let remove = |key: &SessionKey| match self.file(key) {
            Some(path) if fs::symlink_metadata(&path)?.is_file() => fs::remove_file(path),
            _ => Err(ErrorKind::NotFound.into()),
        };
        self.each(keys, |key| match remove(&key) {
            Ok(()) => Ok(Some(key)),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        })
    }

    pub fn delete_unchanged(&self, rows: Vec<SessionRow>) -> Result<Vec<SessionKey>> {
        self.tidy();
        self.each(rows, |row| {
            Ok(self.remove_unchanged(&row)?.then_some(row.key))
        })
    }

    /// Does all that can be done. One file that cannot be deleted is still there for whoever looks again; where
    /// nothing could be, the reason is said.
    fn each<T>(
        &self,
        items: Vec<T>,
        mut remove: impl FnMut(T) -> io::Result<Option<SessionKey>>,
    ) -> Result<Vec<SessionKey>> {
        let (mut deleted, mut failed) = (Vec::new(), None);
        for item in items {
            match remove(item) {
                Ok(key) => deleted.extend(key),
                Err(error) => failed = Some(error),
            }
        }
        match failed {
            Some(error) if deleted.is_empty() => {
                Err(self.failed("does not let sessions be deleted", &error))
            }
            _ => Ok(deleted),
        }
    }

    /// Deletes this session's file if it is the one that was read.
    fn remove_unchanged(&self, row: &SessionRow) -> io::Result<bool> {
        let Some(path) = self.file(&row.key) else {
            return Ok(false);
        };
        let is_it = |path: &Path| -> io::Result<bool> {
            Ok(content(path)?.is_some_and(|(stamp, content)| {
                row.saved == Some(stamp.modified) && row.data == Data::Encoded(content)
            }))
        };
        if row.data.bytes().is_empty() || !is_it(&path)? {
            return Ok(false);
        }
        let aside = self.path.join(format!("{ASIDE}{:016x}", fastrand::u64(..)));
        match fs::rename(&path, &aside) {
            Ok(()) => {}
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(false),
            Err(e) => return Err(e),
        }
        if is_it(&aside).unwrap_or(false) {
            return fs::remove_file(&aside).map(|()| true);
        }
        put_back(&aside, &path)?;
        Ok(false)
    }

    /// Takes away what a Curfew left that was killed in the middle of a deletion.
    fn tidy(&self) {
        for name in std::mem::take(&mut *hold(&self.left_over)) {
            // Somebody else may have, and it can wait.
            let _ = fs::remove_file(self.path.join(name));
        }
    }

    #[cfg(test)]
    pub(super) fn left_over_is(&self, name: &str) {
        hold(&self.left_over).push(name.into());
    }

    /// Whether files can be deleted here.
    pub fn ready(&self) -> Result<()> {
        let no = |why: String| {
            Err(Error::new(
                Code::NotPossible,
                format!("the session folder {} {why}", self.path()),
            ))
        };
        if !self.is_known() {
            return no(
                "is taken for granted and has no session in it; say SESSION_FILE_PATH as path under [site.sessions]"
                    .into(),
            );
        }
        match fs::metadata(&self.path) {
            Ok(meta) if meta.is_dir() => {}
            Ok(_) => return no("is no folder; correct [site.sessions] path".into()),
            Err(e) => {
                return no(format!(
                    "cannot be reached ({e}); correct [site.sessions] path"
                ));
            }
        }
        match self.may_delete() {
            Ok(()) => Ok(()),
            Err(e) => no(format!(
                "does not let this user delete files ({e}); run Curfew as the site's user, or grant it the right to write there"
            )),
        }
    }

    #[cfg(unix)]
    fn may_delete(&self) -> io::Result<()> {
        use rustix::fs::{Access, AtFlags, CWD, accessat};
        use std::os::unix::fs::MetadataExt;
        let rights = Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK;
        accessat(CWD, &self.path, rights, AtFlags::EACCESS)?;
        // In a sticky folder, as /tmp is, only a file's owner deletes it.
        let meta = fs::metadata(&self.path)?;
        let me = rustix::process::geteuid().as_raw();
        if meta.mode() & 0o1000 == 0 || me == 0 || me == meta.uid() {
            return Ok(());
        }
        let known: Vec<SessionKey> = hold(&self.known).keys().take(20).cloned().collect();
        let others = known
            .iter()
            .filter_map(|key| fs::symlink_metadata(self.file(key)?).ok())
            .any(|file| file.uid() != me);
        if others {
            return Err(io::Error::other(
                "only their owner deletes files in a folder like this",
            ));
        }
        Ok(())
    }

    #[cfg(not(unix))]
    fn may_delete(&self) -> io::Result<()> {
        if fs::metadata(&self.path)?.permissions().readonly() {
            return Err(ErrorKind::PermissionDenied.into());
        }
        Ok(())
    }
}

/// Gives a file its name back, unless a newer one has it by now, which is then the session.
fn put_back(aside: &Path, path: &Path) -> io::Result<()> {
    match fs::hard_link(aside, path) {
        Ok(()) => fs::remove_file(aside),
        Err(e) if e.kind() == ErrorKind::AlreadyExists => fs::remove_file(aside),
        // Where there are no such links, looking first comes closest.
        Err(_) if !path.exists() => fs::rename(aside, path),
        Err(_) => fs::remove_file(aside),
    }
}

/// Whether this is a file that was moved aside, long enough ago to be nobody's.
pub(super) fn is_left_over(entry: &DirEntry) -> bool {
    #[cfg(unix)]
    let moved = |meta: Metadata| {
        let since = std::os::unix::fs::MetadataExt::ctime(&meta);
        SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(u64::try_from(since).ok()?))
    };
    #[cfg(not(unix))]
    let moved = |meta: Metadata| meta.modified().ok();
    if !entry.file_name().to_string_lossy().starts_with(ASIDE) {
        return false;
    }
    entry
        .metadata()
        .ok()
        .filter(Metadata::is_file)
        .and_then(moved)
        .and_then(|at| SystemTime::now().duration_since(at).ok())
        .is_some_and(|age| age > LEFT_OVER)
}

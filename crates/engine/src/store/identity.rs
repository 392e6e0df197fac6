//! Which SQLite file is open: a file moved away, or another one in its place, is noticed.

use std::path::Path;

use crate::error::{Code, Error, Result};

/// Which file it is, whatever its name: another one in its place is another site.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity(u64, u64);

impl Identity {
    /// The file at this path, which has to be there.
    pub fn of(path: &Path) -> Result<Self> {
        let missing = |why: String| {
            Error::new(
                Code::File,
                format!("{}: {why}; check the path", path.display()),
            )
        };
        let meta = crate::regular::check(path).and_then(|()| std::fs::metadata(path));
        meta.map(|meta| Self::from(&meta))
            .map_err(|e| match e.kind() {
                std::io::ErrorKind::NotFound => missing("no such SQLite file".into()),
                _ => missing(e.to_string()),
            })
    }
}

#[cfg(unix)]
impl From<&std::fs::Metadata> for Identity {
    fn from(meta: &std::fs::Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        Self(meta.dev(), meta.ino())
    }
}

#[cfg(not(unix))]
impl From<&std::fs::Metadata> for Identity {
    fn from(_: &std::fs::Metadata) -> Self {
        // There an open file cannot be moved away.
        Self(0, 0)
    }
}

//! The journal read back: verified from the first line to the last, or searched from its end for one person.
//! Invariant: memory is bounded by the entries asked for and the longest line, whatever the file holds. Those who want
//! all entries take them one by one from the end.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use super::chain::{self, Check};
use super::files::{self, Backward, Head};
use super::heads::Heads;
use crate::error::{Code, Error, Result};
use crate::view::{Entry, JournalView};

/// A longer line is no entry: a sweep of 200,000 people is about 32 MiB.
const LONGEST_LINE: u64 = 64 * 1024 * 1024;

/// How far back a search for one person looks.
const LOOK_BACK: u64 = 8 * 1024 * 1024;

/// The newest `limit` entries, newest first, after the whole chain was verified. A missing file is an empty journal.
///
/// # Errors
/// `Code::Journal` where the file is there and cannot be read. What is wrong inside it is a fault of the view, not an
/// error.
pub fn read(state_dir: &Path, limit: usize) -> Result<JournalView> {
    view(state_dir, limit).map_err(|e| unread(state_dir, &e))
}

fn view(dir: &Path, limit: usize) -> io::Result<JournalView> {
    let mut newest: VecDeque<Entry> = VecDeque::new();
    let verdict = check(dir, None, |entry| {
        if limit > 0 {
            if newest.len() == limit {
                newest.pop_front();
            }
            newest.push_back(entry);
        }
    })?;
    Ok(JournalView {
        entries: newest.into_iter().rev().collect(),
        intact: verdict.fault.is_none(),
        fault: verdict.fault,
    })
}

/// What a verification of the whole journal found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    pub entries: u64,
    /// The first fault. `None` if the journal is intact.
    pub fault: Option<String>,
}

/// Verifies the whole journal, and that it still has the entries that these heads name. Holds one line at a time.
///
/// # Errors
/// As for [`read`].
pub fn verify(state_dir: &Path, against: Option<&Heads>) -> Result<Verdict> {
    check(state_dir, against, drop).map_err(|e| unread(state_dir, &e))
}

/// Gives the entries one by one, newest first, until the answer is false. Holds one line at a time, and verifies nothing.
///
/// # Errors
/// As for [`read`].
pub fn newest(state_dir: &Path, each: impl FnMut(Entry) -> bool) -> Result<()> {
    backward(state_dir, each).map_err(|e| unread(state_dir, &e))
}

fn backward(dir: &Path, mut each: impl FnMut(Entry) -> bool) -> io::Result<()> {
    let Some(file) = files::open_to_read(dir)? else {
        return Ok(());
    };
    let mut lines = Backward::new(&file, file.metadata()?.len(), u64::MAX);
    while let Some(line) = lines.next_line()? {
        if let Some(line) = chain::parse(&line)
            && !each(line.entry)
        {
            break;
        }
    }
    Ok(())
}

fn check(dir: &Path, against: Option<&Heads>, mut each: impl FnMut(Entry)) -> io::Result<Verdict> {
    let Some(file) = files::open_to_read(dir)? else {
        let fault = match files::read_head(dir)? {
            Head::At(head) if head.seq > 0 => Some(format!(
                "journal.jsonl is missing, and journal.head names entry {}",
                head.seq
            )),
            _ => against.and_then(|heads| heads.compare().fault()),
        };
        return Ok(Verdict { entries: 0, fault });
    };
    // Held only until both ends are known, so that a long verification stops nobody from writing.
    files::lock(&file, true)?;
    let length = file.metadata()?.len();
    let head = files::read_head(dir)?;
    file.unlock()?;

    let mut check = Check::new();
    let mut entries = 0;
    let mut head_seen = false;
    let mut comparison = against.map(Heads::compare);
    let mut lines = BufReader::with_capacity(256 * 1024, file.take(length));
    let mut line = Vec::new();
    while next_line(&mut lines, &mut line)? {
        let Some(entry) = check.take(&line) else {
            continue;
        };
        if let Head::At(head) = &head
            && head.seq == entry.seq
        {
            head_seen |= head.hash == entry.hash;
        }
        entries += 1;
        if let Some(comparison) = &mut comparison {
            comparison.take(entry.seq, &entry.hash);
        }
        each(entry);
    }

    match head {
        Head::Missing if length > 0 => check.fail(
            "journal.head is missing: whether the last entries are there is not known".into(),
        ),
        Head::Unreadable => check.fail(
            "journal.head cannot be read: whether the last entries are there is not known".into(),
        ),
        Head::At(head) if head.seq > check.at().seq => {
            let ends = match check.at().seq {
                0 => "no entry is there".to_owned(),
                seq => format!("the last entry is {seq}"),
            };
            check.fail(format!(
                "{ends}, and journal.head names entry {}: the last entries are missing",
                head.seq
            ));
        }
        Head::At(head) if head.seq > 0 && !head_seen => check.fail(format!(
            "entry {} is not the one that journal.head names",
            head.seq
        )),
        Head::Missing | Head::At(_) => {}
    }
    let fault = check
        .fault()
        .or_else(|| comparison.and_then(|comparison| comparison.fault()));
    Ok(Verdict { entries, fault })
}

/// The next line without its newline; false at the end. Of a line that is too long only the start is kept, which is
/// no entry.
fn next_line(lines: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    lines.take(LONGEST_LINE).read_until(b'\n', line)?;
    if line.is_empty() {
        return Ok(false);
    }
    if line.last() == Some(&b'\n') {
        line.pop();
    } else if line.len() as u64 == LONGEST_LINE {
        lines.skip_until(b'\n')?;
    }
    Ok(true)
}

pub(super) fn about(dir: &Path, user_id: &str, site: &str, limit: usize) -> Result<Vec<Entry>> {
    search(dir, user_id, site, limit).map_err(|e| unread(dir, &e))
}

fn search(dir: &Path, user_id: &str, site: &str, limit: usize) -> io::Result<Vec<Entry>> {
    let mut found = Vec::new();
    let Some(file) = files::open_to_read(dir)? else {
        return Ok(found);
    };
    // Most lines are about others: looked through for the id as it stands in a line, and only then read.
    let needle = format!("\"id\":{}", serde_json::to_string(user_id)?);
    let needle = memchr::memmem::Finder::new(needle.as_bytes());
    let mut lines = Backward::new(&file, file.metadata()?.len(), LOOK_BACK);
    while found.len() < limit
        && let Some(line) = lines.next_line()?
    {
        if needle.find(&line).is_none() {
            continue;
        }
        let Some(mut entry) = chain::parse(&line).map(|line| line.entry) else {
            continue;
        };
        entry.users.retain(|user| user.id == user_id);
        if entry.site == site && !entry.users.is_empty() {
            found.push(entry);
        }
    }
    Ok(found)
}

fn unread(dir: &Path, error: &io::Error) -> Error {
    Error::new(
        Code::Journal,
        format!(
            "the journal {} cannot be read: {error}. Make it readable, or name another folder in CURFEW_STATE_DIR",
            files::lines_path(dir).display()
        ),
    )
}

//! One line of the journal and its place in the chain: sealing, reading, checking. No files.
//! Invariant: a line's hash covers every byte of the line but the hash itself.

use sha2::{Digest, Sha256};

use crate::error::{Code, Error, Result};
use crate::view::Entry;

/// The `prev` of the first entry.
pub(super) const START: &str = "0000000000000000000000000000000000000000000000000000000000000000";

const HASH_OPENS: &str = ",\"hash\":\"";
const LINE_CLOSES: &str = "\"}";
const HASH_DIGITS: usize = 64;

/// Where a chain stands: the number and the hash of its last entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Link {
    pub seq: u32,
    pub hash: String,
}

impl Link {
    /// Before the first entry.
    pub(super) fn start() -> Self {
        Self {
            seq: 0,
            hash: START.to_owned(),
        }
    }
}

/// Fills in the entry's hash, and gives its line without the newline.
pub(super) fn seal(entry: &mut Entry) -> Result<String> {
    entry.hash.clear();
    let line = serde_json::to_string(entry)
        .map_err(|e| Error::new(Code::Journal, format!("cannot write a journal entry: {e}")))?;
    // The hash is the entry's last field; what stands before it is what the hash covers.
    let open = format!("{HASH_OPENS}{LINE_CLOSES}");
    let body = line
        .strip_suffix(&open)
        .ok_or_else(|| Error::new(Code::Journal, "a journal entry does not end with its hash"))?;
    entry.hash = hash(body.as_bytes());
    Ok(format!("{body}{HASH_OPENS}{}{LINE_CLOSES}", entry.hash))
}

/// The hash of a line, given all of it that stands before `,"hash":`.
fn hash(body: &[u8]) -> String {
    let mut sha = Sha256::new();
    sha.update(body);
    sha.update(b"}");
    hex(&sha.finalize())
}

pub(super) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

/// A line as it was read, and whether its own hash fits it.
pub(super) struct Line {
    pub entry: Entry,
    pub sealed: bool,
}

/// Reads one line, without its newline. None: the line is no entry of a journal.
pub(super) fn parse(line: &[u8]) -> Option<Line> {
    let entry: Entry = serde_json::from_slice(line).ok()?;
    let tail = HASH_OPENS.len() + HASH_DIGITS + LINE_CLOSES.len();
    let sealed = line.len() > tail && {
        let (body, tail) = line.split_at(line.len() - tail);
        tail == format!("{HASH_OPENS}{}{LINE_CLOSES}", hash(body)).as_bytes()
    };
    Some(Line { entry, sealed })
}

/// Follows a chain line by line, and remembers its first fault.
pub(super) struct Check {
    at: Link,
    lines: u64,
    fault: Option<String>,
}

impl Check {
    pub(super) fn new() -> Self {
        Self {
            at: Link::start(),
            lines: 0,
            fault: None,
        }
    }

    /// Takes the next line; gives its entry, where it is one.
    pub(super) fn take(&mut self, line: &[u8]) -> Option<Entry> {
        self.lines += 1;
        let Some(Line { entry, sealed }) = parse(line) else {
            let what = match std::str::from_utf8(line) {
                Ok(text) if text.starts_with("{\"seq\":") => "cut off or damaged",
                _ => "not a journal entry",
            };
            self.fail(format!("line {} is {what}", self.lines));
            return None;
        };
        if let Some(how) = self.break_before(&entry) {
            self.fail(format!("line {}: {how}", self.lines));
        } else if !sealed {
            self.fail(format!(
                "line {}: entry {} was changed after it was written",
                self.lines, entry.seq
            ));
        }
        self.at = Link {
            seq: entry.seq,
            hash: entry.hash.clone(),
        };
        Some(entry)
    }

    /// How the chain breaks between the last entry and this one.
    fn break_before(&self, next: &Entry) -> Option<String> {
        let last = self.at.seq;
        let follows = match last {
            0 => format!("entry {} is the first", next.seq),
            _ => format!("entry {} follows entry {last}", next.seq),
        };
        let due = u64::from(last) + 1;
        match u64::from(next.seq) {
            seq if seq == due + 1 => Some(format!("{follows}: entry {due} is missing or moved")),
            seq if seq > due => Some(format!(
                "{follows}: entries {due} to {} are missing or moved",
                seq - 1
            )),
            seq if seq < due => Some(format!("{follows}: one was moved or inserted")),
            _ if next.prev == self.at.hash => None,
            _ if next.prev == START => Some(format!(
                "{follows}, written when journal.head was missing: whether entries between them are missing is not known"
            )),
            _ => Some(format!(
                "{follows}, and is not chained to it: one of them was replaced"
            )),
        }
    }

    pub(super) fn fail(&mut self, fault: String) {
        self.fault.get_or_insert(fault);
    }

    /// The last entry seen.
    pub(super) fn at(&self) -> &Link {
        &self.at
    }

    pub(super) fn fault(self) -> Option<String> {
        self.fault
    }
}

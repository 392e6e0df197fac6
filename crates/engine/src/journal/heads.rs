//! The journal's head, sent off this machine, and the journal checked against what was sent. With the head beside it,
//! a journal whose last lines were cut off together with a set-back head looks intact.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use jiff::Timestamp;

use super::chain::Link;
use crate::error::{Code, Error, Result};

/// A longer line of a log is not read to its end.
const LONGEST_LINE: u64 = 1024 * 1024;
/// A file on another machine is waited for no longer than this.
const PATIENCE: Duration = Duration::from_secs(3);

/// Where heads go, beside the webhook. What cannot be reached keeps nothing from being done.
#[derive(Debug, Clone, Default)]
pub struct Places {
    /// A file that heads are appended to, best on another machine.
    pub file: Option<PathBuf>,
    /// The socket of the system log.
    pub log: Option<PathBuf>,
}

/// Whether a file is being written to right now.
#[derive(Debug, Clone, Default)]
pub(super) struct Busy(Arc<AtomicBool>);

impl Busy {
    /// Does the work on a thread of its own and waits at most `patience`. A folder of another machine that no longer answers
    /// stops that thread, and nothing else. No second thread is started meanwhile.
    fn work(
        &self,
        patience: Duration,
        work: impl FnOnce() -> io::Result<()> + Send + 'static,
    ) -> io::Result<()> {
        let silent = || io::Error::new(io::ErrorKind::TimedOut, "its folder does not answer");
        if self.0.swap(true, Ordering::AcqRel) {
            return Err(silent());
        }
        let (busy, (done, answer)) = (self.clone(), mpsc::channel());
        let worker = std::thread::Builder::new().spawn(move || {
            let result = work();
            busy.0.store(false, Ordering::Release);
            // Whoever no longer waits has told of the silence.
            let _ = done.send(result);
        });
        if let Err(error) = worker {
            self.0.store(false, Ordering::Release);
            return Err(error);
        }
        answer
            .recv_timeout(patience)
            .unwrap_or_else(|_| Err(silent()))
    }
}

impl Places {
    /// Returns why the file did not take the head. A machine without a system log is no fault.
    pub(super) fn send(&self, busy: &Busy, head: &Link, at: Timestamp) -> Option<String> {
        if let Some(path) = &self.log
            && let Err(error) = log(path, head)
        {
            tracing::debug!(%error, "the system log does not take the journal's head");
        }
        let path = self.file.as_deref()?;
        let line = format!(
            "{{\"seq\":{},\"hash\":\"{}\",\"at\":\"{at}\"}}\n",
            head.seq, head.hash
        );
        let target = path.to_owned();
        let written = busy.work(PATIENCE, move || open(&target)?.write_all(line.as_bytes()));
        let error = written.err()?;
        Some(format!(
            "The journal's head cannot be written to {}: {error}. Make the file writable, or correct journal_heads in config.toml",
            path.display()
        ))
    }
}

fn open(path: &Path) -> io::Result<File> {
    if path.exists() && !path.metadata()?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    OpenOptions::new().append(true).create(true).open(path)
}

/// Whether heads can be appended to this file. Leaves no file behind that was not there.
///
/// # Errors
/// Why not.
pub fn check_heads(path: &Path) -> io::Result<()> {
    let path = path.to_owned();
    Busy::default().work(PATIENCE, move || {
        let new = !path.exists();
        open(&path)?;
        match new {
            true => std::fs::remove_file(&path),
            false => Ok(()),
        }
    })
}

/// One datagram, as syslog daemons and journald take it on this machine: facility authpriv, severity notice.
#[cfg(unix)]
fn log(path: &Path, head: &Link) -> io::Result<()> {
    let socket = std::os::unix::net::UnixDatagram::unbound()?;
    // A log that does not keep up is not waited for.
    socket.set_nonblocking(true)?;
    let text = format!(
        "<85>curfew[{}]: journal head {} {}",
        std::process::id(),
        head.seq,
        head.hash
    );
    socket.send_to(text.as_bytes(), path).map(|_| ())
}

#[cfg(not(unix))]
fn log(_: &Path, _: &Link) -> io::Result<()> {
    Ok(())
}

/// Heads that were sent off this machine, as a file of them or a log has them.
#[derive(Debug)]
pub struct Heads {
    shown: String,
    hashes: HashMap<u32, Vec<String>>,
}

impl Heads {
    /// Reads the heads out of a file: lines of `journal_heads`, of a system log, or bodies of webhook messages.
    ///
    /// # Errors
    /// `Code::File` if it cannot be read, or names no head.
    pub fn read(path: &Path) -> Result<Self> {
        let shown = path.display().to_string();
        let failed = |what: String| Error::new(Code::File, what);
        let hashes = heads_of(path).map_err(|e| {
            failed(format!(
                "The journal's heads in {shown} cannot be read: {e}"
            ))
        })?;
        if hashes.is_empty() {
            return Err(failed(format!(
                "{shown} names no head of a journal. Give the file of journal_heads, or a log with \"journal head\" lines"
            )));
        }
        Ok(Self { shown, hashes })
    }

    pub(super) fn compare(&self) -> Comparison<'_> {
        Comparison {
            heads: self,
            missing: self.hashes.keys().copied().collect(),
            other: None,
        }
    }
}

fn heads_of(path: &Path) -> io::Result<HashMap<u32, Vec<String>>> {
    if !path.metadata()?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut hashes: HashMap<u32, Vec<String>> = HashMap::new();
    let mut lines = BufReader::new(File::open(path)?);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = io::Read::take(&mut lines, LONGEST_LINE).read_until(b'\n', &mut line)?;
        if read == 0 {
            return Ok(hashes);
        }
        if let Some((seq, hash)) = head_in(&String::from_utf8_lossy(&line)) {
            let of = hashes.entry(seq).or_default();
            if !of.contains(&hash) {
                of.push(hash);
            }
        }
    }
}

/// The head that a line names, if it names one.
fn head_in(line: &str) -> Option<(u32, String)> {
    let (seq, hash) = match line.split_once("journal head ") {
        Some((_, rest)) => {
            let mut words = rest.split_whitespace();
            (words.next()?.to_owned(), words.next()?.to_owned())
        }
        None => {
            let document: serde_json::Value = serde_json::from_str(line.trim()).ok()?;
            let head = [
                &document,
                &document["journal"],
                &document["data"]["journal"],
            ]
            .into_iter()
            .find(|value| value["seq"].is_u64() && value["hash"].is_string())?;
            (head["seq"].to_string(), head["hash"].as_str()?.to_owned())
        }
    };
    let digits = hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    digits.then_some((seq.parse().ok()?, hash))
}

/// The heads of a file, beside the entries as they come.
pub(super) struct Comparison<'a> {
    heads: &'a Heads,
    missing: std::collections::HashSet<u32>,
    other: Option<u32>,
}

impl Comparison<'_> {
    pub(super) fn take(&mut self, seq: u32, hash: &str) {
        let Some(hashes) = self.heads.hashes.get(&seq) else {
            return;
        };
        self.missing.remove(&seq);
        if !hashes.iter().all(|known| known == hash) {
            self.other.get_or_insert(seq);
        }
    }

    pub(super) fn fault(self) -> Option<String> {
        let shown = &self.heads.shown;
        match (self.other, self.missing.iter().min()) {
            (Some(seq), _) => Some(format!("entry {seq} is not the one that {shown} names")),
            (None, Some(seq)) => Some(format!("entry {seq} is missing: {shown} names it")),
            (None, None) => None,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_does_not_answer_is_waited_for_once() {
        let busy = Busy::default();
        let (go, wait) = mpsc::channel::<()>();
        let (ended, end) = mpsc::channel();
        let hangs = move || {
            let _ = wait.recv();
            let _ = ended.send(());
            Ok(())
        };
        let silent = busy.work(Duration::from_millis(10), hangs);
        assert_eq!(silent.unwrap_err().kind(), io::ErrorKind::TimedOut);
        // The next head does not wait for the first, and is not written behind its back.
        let next = busy.work(PATIENCE, || panic!("a second thread was started"));
        assert_eq!(next.unwrap_err().kind(), io::ErrorKind::TimedOut);
        // Once the folder answers again, heads are written again.
        drop(go);
        end.recv().unwrap();
        while busy.0.load(Ordering::Acquire) {
            std::thread::yield_now();
        }
        busy.work(PATIENCE, || Ok(())).unwrap();
    }
}

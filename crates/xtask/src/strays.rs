//! Programs that a test started and left behind, known by a mark in their environment.
//! Only what carries this run's mark is ended: by process id, never by name.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};

const NAME: &str = "CURFEW_TEST_RUN";

/// This run's mark.
pub struct Mark(String);

impl Mark {
    pub fn new() -> Result<Self> {
        let text = std::fs::read_to_string("/proc/sys/kernel/random/uuid")
            .context("the kernel gives no random name")?;
        Ok(Self(text.trim().to_owned()))
    }

    pub fn put_on(&self, command: &mut Command) {
        command.env(NAME, &self.0);
    }

    /// Ends what is still there, and says what it was.
    pub fn end_strays(&self) {
        // What is just on its way out is no stray.
        std::thread::sleep(Duration::from_millis(300));
        for (pid, name) in self.strays() {
            eprintln!(
                "xtask: a test left {name} (process {}) running; ending it",
                pid.as_raw_nonzero()
            );
            let _ = kill_process(pid, Signal::TERM);
        }
        for _ in 0..30 {
            if self.strays().is_empty() {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        for (pid, _) in self.strays() {
            let _ = kill_process(pid, Signal::KILL);
        }
    }

    fn strays(&self) -> Vec<(Pid, String)> {
        let marked = format!("{NAME}={}", self.0);
        let Ok(processes) = std::fs::read_dir("/proc") else {
            return Vec::new();
        };
        processes
            .flatten()
            .filter_map(|entry| {
                let pid = Pid::from_raw(entry.file_name().to_str()?.parse().ok()?)?;
                let environment = std::fs::read(entry.path().join("environ")).ok()?;
                environment
                    .split(|byte| *byte == 0)
                    .any(|variable| variable == marked.as_bytes())
                    .then(|| (pid, name_of(&entry.path())))
            })
            .collect()
    }
}

fn name_of(process: &Path) -> String {
    std::fs::read_to_string(process.join("comm"))
        .map_or_else(|_| "a program".to_owned(), |name| name.trim().to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn only_what_carries_the_mark_is_ended() {
        let (ours, other) = (Mark::new().unwrap(), Mark::new().unwrap());
        let start = |mark: &Mark| {
            let mut command = Command::new("sleep");
            mark.put_on(command.arg("60"));
            command.spawn().unwrap()
        };
        let (mut left, mut not_ours) = (start(&ours), start(&other));
        std::thread::sleep(Duration::from_millis(200));
        assert_eq!(ours.strays().len(), 1);
        // A zombie has no environment, so it is not waited for in vain.
        ours.end_strays();
        assert!(!left.wait().unwrap().success());
        assert!(not_ours.try_wait().unwrap().is_none());
        not_ours.kill().unwrap();
        not_ours.wait().unwrap();
    }
}

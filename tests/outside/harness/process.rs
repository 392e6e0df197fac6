//! A child process that ends with the test, by its own id, and whose words are kept for the failure.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

pub struct Process {
    child: Child,
    log: PathBuf,
    grouped: bool,
}

impl Process {
    /// Starts `command` with its standard error in `log`. Standard input stays open until the drop, so a
    /// child that reads it ends even where the test itself is killed.
    pub fn start(command: &mut Command, log: &Path) -> Self {
        Self::spawn(command.stdin(Stdio::piped()), log, false)
    }

    /// The same in a process group of its own, which the drop ends as a whole.
    pub fn start_group(command: &mut Command, log: &Path) -> Self {
        use std::os::unix::process::CommandExt;
        Self::spawn(command.stdin(Stdio::null()).process_group(0), log, true)
    }

    fn spawn(command: &mut Command, log: &Path, grouped: bool) -> Self {
        let words = File::create(log).unwrap();
        let child = command
            .stdout(Stdio::piped())
            .stderr(words)
            .spawn()
            .unwrap_or_else(|e| panic!("{:?} does not start: {e}", command.get_program()));
        Self {
            child,
            log: log.to_owned(),
            grouped,
        }
    }

    /// The first line of the child's standard output; the rest of it is read and thrown away.
    pub fn first_line(&mut self) -> String {
        let mut reader = BufReader::new(self.child.stdout.take().unwrap());
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        assert!(!line.is_empty(), "it ended at once: {}", self.words());
        std::thread::spawn(move || std::io::copy(&mut reader, &mut std::io::sink()));
        line.trim().to_owned()
    }

    /// What the child wrote to standard error so far.
    pub fn words(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    pub fn signal(&self, signal: Signal) {
        let _ = kill_process(self.pid(), signal);
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }
}

/// Every process that this one started, and that those did.
pub fn children_of(process: u32) -> Vec<u32> {
    let listed = |task: &std::fs::DirEntry| std::fs::read_to_string(task.path().join("children"));
    let tasks = std::fs::read_dir(format!("/proc/{process}/task"));
    let tasks = tasks.into_iter().flatten().flatten();
    let texts: Vec<String> = tasks.filter_map(|task| listed(&task).ok()).collect();
    let children = texts.iter().flat_map(|text| text.split_whitespace());
    let children = children.filter_map(|child| child.parse().ok());
    children
        .flat_map(|child| std::iter::once(child).chain(children_of(child)))
        .collect()
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.grouped {
            let _ = kill_process_group(self.pid(), Signal::KILL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

//! The command line under test: run to its end with its words, status and JSON, or left running. Every run
//! is searched for the site's secrets.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};

use super::environment::setting;
use super::sessions::SessionEngine;

/// How `curfew` is called. Clone it to call it again with something changed.
#[derive(Clone)]
pub struct Curfew {
    home: PathBuf,
    environment: Vec<(String, String)>,
    secrets: Vec<String>,
    /// A program that everybody may run, run by somebody who is not root.
    unprivileged: Option<PathBuf>,
}

/// What a call came to.
#[derive(Debug)]
pub struct Ran {
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Curfew {
    /// With its configuration and state in folders below `home`. The session engine of a site that is named by
    /// its address is stated: Django's own rows.
    pub fn new(home: &Path) -> Self {
        let new = Self {
            home: home.to_owned(),
            environment: Vec::new(),
            secrets: Vec::new(),
            unprivileged: None,
        };
        let folder = |name: &str| home.join(name).display().to_string();
        new.env("CURFEW_CONFIG_DIR", &folder("config"))
            .env("CURFEW_STATE_DIR", &folder("state"))
            .env("HOME", &folder("home"))
            .env("CURFEW_SESSION_ENGINE", SessionEngine::Db.dotted())
    }

    /// Without a word about the session engine.
    pub fn engine_unstated(mut self) -> Self {
        self.environment
            .retain(|(name, _)| name != "CURFEW_SESSION_ENGINE");
        self
    }

    pub fn site(self, site: &str) -> Self {
        self.env("CURFEW_SITE", site)
    }

    pub fn no_site(mut self) -> Self {
        self.environment.retain(|(name, _)| name != "CURFEW_SITE");
        self
    }

    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.retain(|(known, _)| known != name);
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A word that no output of any run may hold.
    pub fn never_says(mut self, secret: &str) -> Self {
        self.secrets.push(secret.to_owned());
        self
    }

    /// Runs this copy of the program as nobody where the tests run as root, who may write everything.
    pub fn unprivileged(mut self, program: &Path) -> Self {
        self.unprivileged = Some(program.to_owned());
        self
    }

    fn program(&self) -> Command {
        let Some(program) = &self.unprivileged else {
            return Command::new(setting("CURFEW_TEST_CLI"));
        };
        if !rustix::process::geteuid().is_root() {
            return Command::new(program);
        }
        let mut command = Command::new("setpriv");
        command
            .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
            .arg(program);
        command
    }

    /// What a variable is set to.
    pub fn variable(&self, name: &str) -> Option<String> {
        let found = self.environment.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.clone())
    }

    pub fn state_dir(&self) -> PathBuf {
        let found = self.environment.iter().find(|e| e.0 == "CURFEW_STATE_DIR");
        PathBuf::from(&found.unwrap().1)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = self.program();
        command
            .args(args)
            .env_clear()
            .envs(
                std::env::vars()
                    .filter(|(name, _)| ["PATH", "CURFEW_TEST_RUN"].contains(&name.as_str())),
            )
            .envs(self.environment.iter().map(|(n, v)| (n, v)))
            .current_dir(&self.home)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    /// Runs it to its end.
    pub async fn run(&self, args: &[&str]) -> Ran {
        let output = tokio::time::timeout(Duration::from_secs(90), self.command(args).output());
        let output = output
            .await
            .unwrap_or_else(|_| panic!("curfew {args:?} hangs"));
        let output = output.unwrap();
        let ran = Ran {
            status: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        };
        for secret in &self.secrets {
            assert!(
                !ran.stdout.contains(secret),
                "{args:?}: a secret on standard output"
            );
            assert!(
                !ran.stderr.contains(secret),
                "{args:?}: a secret on standard error"
            );
        }
        ran
    }

    /// Runs it with `--json`.
    pub async fn json(&self, args: &[&str]) -> Ran {
        self.run(&[&["--json"], args].concat()).await
    }

    /// Runs it with `--json`, and it does what it is asked.
    pub async fn done(&self, args: &[&str]) -> Value {
        let ran = self.json(args).await;
        assert_eq!(ran.status, 0, "curfew {args:?}: {ran:#?}");
        ran.document()
    }

    /// Runs it to its end: its peak memory in KiB, and how many bytes it wrote to standard output.
    pub async fn peak_memory(&self, args: &[&str]) -> (u64, u64) {
        let script = "import resource, subprocess, sys\n\
            out = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)\n\
            size = sum(len(block) for block in iter(lambda: out.stdout.read(65536), b''))\n\
            out.wait()\n\
            print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, size)";
        let mut python = Command::new("python3");
        python
            .args(["-c", script])
            .arg(setting("CURFEW_TEST_CLI"))
            .args(args)
            .envs(self.environment.iter().map(|(n, v)| (n, v)));
        let output = python.output().await.unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let mut numbers = text.split_whitespace().map(|word| word.parse().unwrap());
        (numbers.next().unwrap(), numbers.next().unwrap())
    }

    /// Leaves it running.
    pub fn spawn(&self, args: &[&str]) -> Running {
        let mut child = self.command(args).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap()).lines();
        let stderr = BufReader::new(child.stderr.take().unwrap()).lines();
        Running {
            child,
            stdout,
            stderr,
        }
    }
}

impl Ran {
    /// The one JSON document on standard output.
    pub fn document(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("not JSON ({e}): {self:#?}"))
    }

    /// The code of the error document, and a message that is one line on standard error too.
    pub fn error(&self) -> (String, String) {
        let document = self.document();
        let word = |key: &str| document["error"][key].as_str().unwrap().to_owned();
        let (code, message) = (word("code"), word("message"));
        assert!(!message.is_empty() && !message.contains('\n'), "{self:#?}");
        assert_eq!(self.stderr.trim().lines().count(), 1, "one line: {self:#?}");
        assert!(self.stderr.contains(&message), "the same words: {self:#?}");
        (code, message)
    }
}

/// A `curfew` that goes on by itself.
pub struct Running {
    child: Child,
    stdout: Lines<BufReader<ChildStdout>>,
    stderr: Lines<BufReader<ChildStderr>>,
}

impl Running {
    /// The next line of standard output.
    pub async fn line(&mut self, within: Duration) -> String {
        match tokio::time::timeout(within, self.stdout.next_line()).await {
            Err(_) => panic!("no line within {within:?}"),
            Ok(line) => line.unwrap().expect("it ended without a line"),
        }
    }

    /// The next line of standard error.
    pub async fn remark(&mut self, within: Duration) -> String {
        match tokio::time::timeout(within, self.stderr.next_line()).await {
            Err(_) => panic!("nothing on standard error within {within:?}"),
            Ok(line) => line.unwrap().expect("it ended without a line"),
        }
    }

    pub fn pid(&self) -> Pid {
        let id = i32::try_from(self.child.id().expect("it has ended")).unwrap();
        Pid::from_raw(id).unwrap()
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// Waits for its end: status and standard error.
    pub async fn end(mut self, within: Duration) -> (Option<i32>, String) {
        let mut words = String::new();
        let ended = tokio::time::timeout(within, async {
            while let Ok(Some(_)) = self.stdout.next_line().await {}
            while let Ok(Some(line)) = self.stderr.next_line().await {
                words.push_str(&line);
                words.push('\n');
            }
            self.child.wait().await.unwrap()
        });
        let status = ended.await.expect("it does not end");
        (status.code(), words)
    }
}

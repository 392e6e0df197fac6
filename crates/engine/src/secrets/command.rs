//! A secret from a command of the configuration, such as `pass show shop/db`.
//! Invariant: of what the command prints only the first line is read, and nothing of it is shown.

use std::process::Stdio;
use std::time::Duration;

use secrecy::SecretString;
use secrecy::zeroize::Zeroizing;
use tokio::io::AsyncReadExt;
use tokio::process::Command;

use crate::error::{Code, Error, Result};

const LIMIT: Duration = Duration::from_secs(10);
const LONGEST: u64 = 64 * 1024;

/// Runs a command in the shell, and gives the first line that it prints, trimmed. `name` is its key in the configuration.
///
/// # Errors
/// `Code::Config` where it does not start, fails, prints nothing, or takes longer than 10 s.
pub(super) async fn run(name: &str, command: &str) -> Result<SecretString> {
    run_within(LIMIT, name, command).await
}

pub(super) async fn run_within(limit: Duration, name: &str, command: &str) -> Result<SecretString> {
    let failed = |how: String| {
        Error::new(
            Code::Config,
            format!("{name} {how}; try the command in a terminal, and correct it in config.toml"),
        )
    };
    let mut shell = shell(command);
    shell
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    let work = async {
        let mut child = shell
            .spawn()
            .map_err(|e| failed(format!("cannot be started: {e}")))?;
        let mut printed = Zeroizing::new(Vec::new());
        if let Some(stdout) = child.stdout.take() {
            stdout
                .take(LONGEST)
                .read_to_end(&mut printed)
                .await
                .map_err(|e| failed(format!("cannot be read: {e}")))?;
        }
        let status = child
            .wait()
            .await
            .map_err(|e| failed(format!("cannot be waited for: {e}")))?;
        if !status.success() {
            return Err(failed(format!("failed ({status})")));
        }
        let line = printed.split(|b| *b == b'\n').next().unwrap_or_default();
        let line = std::str::from_utf8(line)
            .map_err(|_| failed("printed what is not UTF-8".into()))?
            .trim();
        match line.is_empty() {
            true => Err(failed("printed nothing on its first line".into())),
            false => Ok(SecretString::from(line)),
        }
    };
    tokio::time::timeout(limit, work).await.unwrap_or_else(|_| {
        let limit = limit.as_secs();
        Err(failed(format!("took longer than {limit} s")))
    })
}

#[cfg(unix)]
fn shell(command: &str) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", command]);
    shell
}

#[cfg(not(unix))]
fn shell(command: &str) -> Command {
    let mut shell = Command::new("cmd");
    shell.args(["/C", command]);
    shell
}

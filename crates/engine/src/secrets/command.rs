//! A secret from a command of the configuration, such as `pass show shop/db`.
//! Invariant: nothing of what the command prints is shown.

use std::process::Stdio;
use std::time::Duration;

use secrecy::SecretString;
use secrecy::zeroize::Zeroizing;
use tokio::io::AsyncReadExt;
use tokio::process::Command;

use crate::error::{Code, Error, Result};

const LIMIT: Duration = Duration::from_secs(10);
const LONGEST: u64 = 64 * 1024;
const FALLBACKS: usize = 15;

/// Runs a command in the shell, and gives the first line that it prints, trimmed. `name` is its key in the configuration.
///
/// # Errors
/// `Code::Config` where it does not start, fails, prints nothing, or takes longer than 10 s.
pub(super) async fn run(name: &str, command: &str) -> Result<SecretString> {
    run_within(LIMIT, name, command)
        .await
        .map(|(first, _)| first)
}

/// As [`run`], with the further lines, up to fifteen: fallbacks of the first.
pub(super) async fn run_lines(
    name: &str,
    command: &str,
) -> Result<(SecretString, Vec<SecretString>)> {
    run_within(LIMIT, name, command).await
}

pub(super) async fn run_within(
    limit: Duration,
    name: &str,
    command: &str,
) -> Result<(SecretString, Vec<SecretString>)> {
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
        let text = std::str::from_utf8(&printed)
            .map_err(|_| failed("printed what is not UTF-8".into()))?;
        split(text).ok_or_else(|| failed("printed nothing on its first line".into()))
    };
    tokio::time::timeout(limit, work).await.unwrap_or_else(|_| {
        let limit = limit.as_secs();
        Err(failed(format!("took longer than {limit} s")))
    })
}

/// The first line, and what follows it: a key and its fallbacks, one a line.
pub(crate) fn split(text: &str) -> Option<(SecretString, Vec<SecretString>)> {
    let mut lines = text.lines().map(str::trim);
    let first = lines.next().filter(|line| !line.is_empty())?;
    let rest = lines
        .filter(|line| !line.is_empty())
        .take(FALLBACKS)
        .map(SecretString::from)
        .collect();
    Some((SecretString::from(first), rest))
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

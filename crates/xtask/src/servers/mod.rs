//! The databases and caches for the tests: their own, in a temporary folder, on free loopback ports.
//! Nothing of an installed server is used or touched, and dropping a server ends it. One file a server.

mod account;
mod mariadb;
mod memcached;
mod postgres;
mod redis;

pub use mariadb::mariadb;
pub use memcached::memcached;
pub use postgres::{postgres, postgres_replica};
pub use redis::{redis, redis_cluster};

use std::io::Read;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::process::Running;

const START_WITHIN: Duration = Duration::from_secs(30);

/// Whether what is committed has to outlive a power cut.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Disk {
    /// As a site has it: what the benchmark measures against.
    Durable,
    /// The data lives as long as the tests: durability would only be waiting.
    Forgetful,
}

/// A running server, of one process or more. Fields drop in order: processes end before their folders go.
pub struct Server {
    pub url: String,
    _processes: Vec<Running>,
    _folders: Vec<tempfile::TempDir>,
}

/// Starts a server and waits until it answers; the port can be lost to another program in between,
/// so a few are tried.
fn start_on_a_free_port(
    name: &str,
    log: &Path,
    command: impl Fn(u16, Stdio) -> Command,
    answers: impl Fn(u16) -> bool,
) -> Result<(Running, u16)> {
    const TRIES: u32 = 3;
    for _ in 0..TRIES {
        let port = free_port()?;
        let file = std::fs::File::create(log)
            .with_context(|| format!("{} cannot be made", log.display()))?;
        let mut command = command(port, Stdio::from(file));
        let mut process = Running::start(name, command.stdin(Stdio::null()))?;
        let started = Instant::now();
        while process.ended()?.is_none() {
            if answers(port) && process.ended()?.is_none() {
                return Ok((process, port));
            }
            if started.elapsed() > START_WITHIN {
                bail!(
                    "{name} does not answer after {START_WITHIN:?}: {}",
                    last_lines(log)
                );
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    bail!("{name} did not start: {}", last_lines(log))
}

fn free_port() -> Result<u16> {
    let listener =
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no loopback port is free")?;
    Ok(listener
        .local_addr()
        .context("a port has no address")?
        .port())
}

fn temporary_folder(name: &str) -> Result<tempfile::TempDir> {
    // Short on purpose: a socket's path may have 107 bytes.
    tempfile::Builder::new()
        .prefix(&format!("curfew-{name}-"))
        .tempdir_in("/tmp")
        .context("no temporary folder can be made")
}

fn random_word() -> Result<String> {
    let mut bytes = [0_u8; 12];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut bytes))
        .context("/dev/urandom cannot be read")?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn last_lines(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let last = lines.len().saturating_sub(5);
    lines[last..].join(" | ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn a_server_that_cannot_start_says_why() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let server = |_, log| {
            let mut command = Command::new("sh");
            command
                .args(["-c", "echo no such disk; exit 3"])
                .stdout(log);
            command
        };
        let failure = start_on_a_free_port("Nothing", &log, server, |_| false);
        let text = format!("{:#}", failure.err().unwrap());
        assert_eq!(text, "Nothing did not start: no such disk");
    }
}

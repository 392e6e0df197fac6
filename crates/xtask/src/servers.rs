//! PostgreSQL and Redis for the tests: their own, in a temporary folder, on free loopback ports.
//! Nothing of an installed server is used or touched, and dropping a server ends it.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::Signal;

use crate::process::{self, Running};

const START_WITHIN: Duration = Duration::from_secs(30);

/// A running server. Fields drop in order: the process ends before its folder goes.
pub struct Server {
    pub url: String,
    _process: Running,
    _folder: tempfile::TempDir,
}

/// A PostgreSQL whose `url` is that of a superuser who may create databases.
pub fn postgres() -> Result<Server> {
    const USER: &str = "curfew_test";
    let bin = postgres_programs()?;
    let folder = temporary_folder("postgres")?;
    let data = folder.path().join("data");
    let password = random_word()?;
    let password_file = folder.path().join("password");
    std::fs::write(&password_file, &password).context("the password file cannot be written")?;
    let account = Account::for_postgres()?;
    account.give(folder.path())?;
    account.give(&password_file)?;
    process::read(
        "initdb",
        account
            .command(&bin.join("initdb"), "TERM")
            .args([
                "--username",
                USER,
                "--auth",
                "scram-sha-256",
                "--encoding",
                "UTF8",
            ])
            .args(["--locale", "C", "--no-sync", "--pwfile"])
            .arg(&password_file)
            .arg("--pgdata")
            .arg(&data)
            .current_dir(folder.path()),
    )?;
    let log = folder.path().join("log");
    let server = |port: u16, log: Stdio| {
        let mut command = account.command(&bin.join("postgres"), "INT");
        command.arg("-D").arg(&data).current_dir(folder.path());
        let sockets = format!("unix_socket_directories={}", folder.path().display());
        let port = format!("port={port}");
        let settings = [
            port.as_str(),
            "listen_addresses=127.0.0.1",
            sockets.as_str(),
            "max_connections=200",
            // The data lives as long as the tests: durability would only be waiting.
            "fsync=off",
            "full_page_writes=off",
            "synchronous_commit=off",
            "timezone=UTC",
        ];
        for setting in settings {
            command.args(["-c", setting]);
        }
        command.stdout(Stdio::null()).stderr(log);
        command
    };
    let answers = |port: u16| {
        let mut command = Command::new(bin.join("pg_isready"));
        command.args([
            "--quiet",
            "--host",
            "127.0.0.1",
            "--port",
            &port.to_string(),
        ]);
        process::answers(&mut command)
    };
    let (process, port) = start_on_a_free_port("PostgreSQL", &log, server, answers)?;
    Ok(Server {
        url: format!("postgres://{USER}:{password}@127.0.0.1:{port}/postgres"),
        // SIGINT is PostgreSQL's fast shutdown: connections are closed, nobody is waited for.
        _process: process.ended_by(Signal::INT),
        _folder: folder,
    })
}

/// A Redis that keeps nothing on disk.
pub fn redis() -> Result<Server> {
    let folder = temporary_folder("redis")?;
    let log = folder.path().join("log");
    let server = |port: u16, log: Stdio| {
        let mut command = process::bound_to_us("redis-server", "TERM");
        command
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
            .args(["--save", "", "--appendonly", "no", "--daemonize", "no"])
            .arg("--dir")
            .arg(folder.path())
            .stdout(log)
            .stderr(Stdio::null());
        command
    };
    let (process, port) = start_on_a_free_port("Redis", &log, server, says_pong)?;
    Ok(Server {
        url: format!("redis://127.0.0.1:{port}/0"),
        _process: process,
        _folder: folder,
    })
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

/// A connection alone proves nothing: on a free port of this range a program can connect to itself.
fn says_pong(port: u16) -> bool {
    let ask = || -> std::io::Result<bool> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_millis(200))?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        stream.write_all(b"PING\r\n")?;
        let mut answer = [0_u8; 5];
        stream.read_exact(&mut answer)?;
        Ok(&answer == b"+PONG")
    };
    ask().unwrap_or(false)
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

/// The programs of the newest PostgreSQL that is installed.
fn postgres_programs() -> Result<PathBuf> {
    if let Ok(versions) = std::fs::read_dir("/usr/lib/postgresql") {
        let newest = versions
            .flatten()
            .filter_map(|entry| {
                Some((
                    entry.file_name().to_str()?.parse::<u32>().ok()?,
                    entry.path(),
                ))
            })
            .map(|(version, path)| (version, path.join("bin")))
            .filter(|(_, bin)| bin.join("initdb").is_file() && bin.join("postgres").is_file())
            .max_by_key(|(version, _)| *version);
        if let Some((_, bin)) = newest {
            return Ok(bin);
        }
    }
    let initdb = process::find_on_path("initdb").context("PostgreSQL's initdb is not installed")?;
    Ok(initdb.parent().unwrap_or(Path::new("/")).to_path_buf())
}

/// Whom PostgreSQL runs as: it refuses root.
enum Account {
    Ours,
    Postgres { user: u32, group: u32 },
}

impl Account {
    fn for_postgres() -> Result<Self> {
        if !rustix::process::geteuid().is_root() {
            return Ok(Self::Ours);
        }
        let number = |which: &str| -> Result<u32> {
            let text = process::read("id", Command::new("id").args([which, "postgres"]))?;
            text.trim()
                .parse()
                .context("id did not answer with a number")
        };
        Ok(Self::Postgres {
            user: number("-u")?,
            group: number("-g")?,
        })
    }

    fn give(&self, path: &Path) -> Result<()> {
        if let Self::Postgres { user, group } = self {
            std::os::unix::fs::chown(path, Some(*user), Some(*group))
                .with_context(|| format!("{} cannot be given to postgres", path.display()))?;
        }
        Ok(())
    }

    /// A command under this account, ended with `signal` when we are gone.
    fn command(&self, program: &Path, signal: &str) -> Command {
        match self {
            Self::Ours => process::bound_to_us(program, signal),
            Self::Postgres { user, group } => {
                let mut command = Command::new("setpriv");
                command
                    .args(["--reuid", &user.to_string(), "--regid", &group.to_string()])
                    .args(["--clear-groups", "--pdeathsig", signal, "--"])
                    .arg(program);
                command
            }
        }
    }
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
        let failure = start_on_a_free_port("Nothing", &log, server, says_pong);
        let text = format!("{:#}", failure.err().unwrap());
        assert_eq!(text, "Nothing did not start: no such disk");
    }

    #[test]
    fn a_server_answers_and_ends_with_its_owner() {
        if !process::on_path("redis-server") {
            return;
        }
        let server = redis().unwrap();
        let port: u16 = server.url["redis://127.0.0.1:".len()..server.url.len() - 2]
            .parse()
            .unwrap();
        assert!(says_pong(port));
        drop(server);
        assert!(!says_pong(port));
    }
}

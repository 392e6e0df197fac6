//! PostgreSQL, of the newest version that is installed.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use rustix::process::Signal;

use super::account::Account;
use super::{Disk, Server, random_word, start_on_a_free_port, temporary_folder};
use crate::process::{self, Running};

/// A PostgreSQL whose `url` is that of a superuser who may create databases.
pub fn postgres(disk: Disk) -> Result<Server> {
    const USER: &str = "curfew_test";
    let bin = postgres_programs()?;
    let folder = temporary_folder("postgres")?;
    let data = folder.path().join("data");
    let password = random_word()?;
    let password_file = folder.path().join("password");
    std::fs::write(&password_file, &password).context("the password file cannot be written")?;
    let account = Account::instead_of_root("postgres")?;
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
    let (process, port) = serve(&account, &bin, folder.path(), disk)?;
    Ok(Server {
        url: format!("postgres://{USER}:{password}@127.0.0.1:{port}/postgres"),
        _processes: vec![process],
        _folders: vec![folder],
    })
}

/// A streaming replica of that server, with the same accounts.
pub fn postgres_replica(primary: &Server) -> Result<Server> {
    let bin = postgres_programs()?;
    let folder = temporary_folder("replica")?;
    let account = Account::instead_of_root("postgres")?;
    account.give(folder.path())?;
    process::read(
        "pg_basebackup",
        account
            .command(&bin.join("pg_basebackup"), "TERM")
            .args(["--dbname", &primary.url])
            .args(["--write-recovery-conf", "--checkpoint", "fast", "--no-sync"])
            .arg("--pgdata")
            .arg(folder.path().join("data"))
            .current_dir(folder.path()),
    )?;
    let (process, port) = serve(&account, &bin, folder.path(), Disk::Forgetful)?;
    let (login, _) = primary.url.rsplit_once('@').context("no login")?;
    Ok(Server {
        url: format!("{login}@127.0.0.1:{port}/postgres"),
        _processes: vec![process],
        _folders: vec![folder],
    })
}

/// Starts a server over the folder's "data", and says at which port.
fn serve(account: &Account, bin: &Path, folder: &Path, disk: Disk) -> Result<(Running, u16)> {
    let (data, log) = (folder.join("data"), folder.join("log"));
    let server = |port: u16, log: Stdio| {
        let mut command = account.command(&bin.join("postgres"), "INT");
        command.arg("-D").arg(&data).current_dir(folder);
        let sockets = format!("unix_socket_directories={}", folder.display());
        let port = format!("port={port}");
        let settings = [
            port.as_str(),
            "listen_addresses=127.0.0.1",
            sockets.as_str(),
            "max_connections=500",
            "timezone=UTC",
        ];
        let forgetful = [
            "fsync=off",
            "full_page_writes=off",
            "synchronous_commit=off",
            // Tests count what is asked of it.
            "shared_preload_libraries=pg_stat_statements",
            "pg_stat_statements.track_planning=on",
            // A replica that comes late finds what it missed.
            "wal_keep_size=512MB",
        ];
        // A checkpoint within a reading would be of one side of it alone: readings are made after one that is asked for.
        let durable = ["max_wal_size=8GB", "checkpoint_timeout=30min"];
        let those = match disk {
            Disk::Forgetful => forgetful.as_slice(),
            Disk::Durable => &durable,
        };
        for setting in settings.iter().chain(those) {
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
    // SIGINT is PostgreSQL's fast shutdown: connections are closed, nobody is waited for.
    Ok((process.ended_by(Signal::INT), port))
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

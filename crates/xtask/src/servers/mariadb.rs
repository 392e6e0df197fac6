//! MariaDB, which stands for MySQL.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use super::account::Account;
use super::{Disk, Server, random_word, start_on_a_free_port, temporary_folder};
use crate::process;

const DURABLE: &[&str] = &[
    "--innodb-flush-log-at-trx-commit=1",
    // What the benchmark reads is at hand, as with the other servers.
    "--innodb-buffer-pool-size=512M",
];
const FORGETFUL: &[&str] = &[
    "--innodb-flush-log-at-trx-commit=0",
    "--innodb-flush-method=nosync",
    "--innodb-doublewrite=0",
    "--innodb-log-file-size=32M",
];

/// A MariaDB whose `url` is that of an account that may do everything.
pub fn mariadb(disk: Disk) -> Result<Server> {
    const USER: &str = "curfew_test";
    let folder = temporary_folder("mariadb")?;
    let data = folder.path().join("data");
    let password = random_word()?;
    let account = Account::instead_of_root("mysql")?;
    account.give(folder.path())?;
    process::read(
        "mariadb-install-db",
        account
            .command(&program("mariadb-install-db")?, "TERM")
            .args(["--no-defaults", "--skip-test-db"])
            .arg("--auth-root-authentication-method=normal")
            .arg(format!("--datadir={}", data.display()))
            // The caller's own folder for such files may be closed to this account.
            .env("TMPDIR", folder.path())
            .current_dir(folder.path()),
    )?;
    let first = folder.path().join("first.sql");
    // With names not resolved the loopback is an address, and the socket is "localhost".
    std::fs::write(
        &first,
        format!(
            "CREATE USER '{USER}'@'127.0.0.1' IDENTIFIED BY '{password}';\n\
             GRANT ALL ON *.* TO '{USER}'@'127.0.0.1' WITH GRANT OPTION;\n"
        ),
    )
    .with_context(|| format!("{} cannot be written", first.display()))?;
    account.give(&first)?;
    let log = folder.path().join("log");
    let mariadbd = program("mariadbd")?;
    let server = |port: u16, log: Stdio| {
        let mut command = account.command(&mariadbd, "TERM");
        command
            .arg("--no-defaults")
            .arg(format!("--datadir={}", data.display()))
            .arg(format!("--init-file={}", first.display()))
            .arg(format!("--socket={}", folder.path().join("s").display()))
            .arg(format!(
                "--pid-file={}",
                folder.path().join("pid").display()
            ))
            .arg(format!("--port={port}"))
            .args(["--bind-address=127.0.0.1", "--skip-name-resolve"])
            .args(["--max-connections=500", "--default-time-zone=+00:00"])
            .args(["--character-set-server=utf8mb4", "--skip-log-bin"])
            .args(match disk {
                Disk::Durable => DURABLE,
                Disk::Forgetful => FORGETFUL,
            })
            .env("TMPDIR", folder.path())
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .stderr(log);
        command
    };
    let client = program("mariadb")?;
    let answers = |port: u16| {
        let mut command = Command::new(&client);
        command
            .args(["--no-defaults", "--protocol=tcp", "--host=127.0.0.1"])
            .args([&format!("--port={port}"), &format!("--user={USER}")])
            .arg("--execute=SELECT 1")
            .env("MYSQL_PWD", &password);
        process::answers(&mut command)
    };
    let (process, port) = start_on_a_free_port("MariaDB", &log, server, answers)?;
    Ok(Server {
        url: format!("mysql://{USER}:{password}@127.0.0.1:{port}/mysql"),
        _processes: vec![process],
        _folders: vec![folder],
    })
}

/// A program of MariaDB's. The server's own stand where not every account's PATH leads.
fn program(name: &str) -> Result<PathBuf> {
    process::find_on_path(name)
        .or_else(|| {
            let folders = ["/usr/sbin", "/usr/libexec"].map(Path::new);
            let mut places = folders.into_iter().map(|folder| folder.join(name));
            places.find(|place| place.is_file())
        })
        .with_context(|| format!("MariaDB's {name} is not installed"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn it_answers_and_ends_with_its_owner() {
        if program("mariadbd").is_err() {
            return;
        }
        let server = mariadb(Disk::Forgetful).unwrap();
        let address = server.url.split(['@', '/']).nth(3).unwrap().to_owned();
        assert!(std::net::TcpStream::connect(&address).is_ok());
        drop(server);
        assert!(std::net::TcpStream::connect(&address).is_err());
    }
}

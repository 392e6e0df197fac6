//! memcached. It knows no accounts and no persistence: a port is all that there is to it.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result};

use super::account::Account;
use super::{Server, start_on_a_free_port, temporary_folder};
use crate::process;

pub fn memcached() -> Result<Server> {
    let folder = temporary_folder("memcached")?;
    let log = folder.path().join("log");
    let account = Account::instead_of_root("nobody")?;
    let program = process::find_on_path("memcached").context("memcached is not installed")?;
    let server = |port: u16, log: Stdio| {
        let mut command = account.command(&program, "TERM");
        command
            .args(["--listen", "127.0.0.1", "--port", &port.to_string()])
            .args(["--udp-port", "0", "--memory-limit", "64"])
            .stdout(Stdio::null())
            .stderr(log);
        command
    };
    let (process, port) = start_on_a_free_port("memcached", &log, server, says_its_version)?;
    Ok(Server {
        url: format!("memcached://127.0.0.1:{port}"),
        _processes: vec![process],
        _folders: vec![folder],
    })
}

fn says_its_version(port: u16) -> bool {
    let ask = || -> std::io::Result<bool> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_millis(200))?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        stream.write_all(b"version\r\n")?;
        let mut answer = [0_u8; 8];
        stream.read_exact(&mut answer)?;
        Ok(&answer == b"VERSION ")
    };
    ask().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn it_answers_and_ends_with_its_owner() {
        if !process::on_path("memcached") {
            return;
        }
        let server = memcached().unwrap();
        let port = server.url.rsplit(':').next().unwrap().parse().unwrap();
        assert!(says_its_version(port));
        drop(server);
        assert!(!says_its_version(port));
    }
}

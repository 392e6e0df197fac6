//! Redis, alone and as a cluster. Nothing is kept on disk.

use std::cell::Cell;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::{START_WITHIN, Server, free_port, start_on_a_free_port, temporary_folder};
use crate::process;

/// A Redis with so many databases that each test can have one of its own.
pub fn redis() -> Result<Server> {
    let folder = temporary_folder("redis")?;
    let log = folder.path().join("log");
    let server = |port: u16, log: Stdio| {
        let mut command = command(port, folder.path(), log);
        command.args(["--databases", "256"]);
        command
    };
    let (process, port) = start_on_a_free_port("Redis", &log, server, says_pong)?;
    Ok(Server {
        url: format!("redis://127.0.0.1:{port}/0"),
        _processes: vec![process],
        _folders: vec![folder],
    })
}

/// A Redis Cluster of three primaries without replicas, which share out the slots.
pub fn redis_cluster() -> Result<Server> {
    const SLOTS: [&str; 3] = ["0 5460", "5461 10922", "10923 16383"];
    let (mut processes, mut folders, mut ports) = (Vec::new(), Vec::new(), Vec::new());
    for slots in SLOTS {
        let folder = temporary_folder("redis-cluster")?;
        let log = folder.path().join("log");
        let bus = Cell::new(0);
        let server = |port: u16, log: Stdio| {
            bus.set(free_port().unwrap_or_default());
            let mut command = command(port, folder.path(), log);
            command
                .args(["--cluster-enabled", "yes"])
                .args(["--cluster-port", &bus.get().to_string()]);
            command
        };
        let (process, port) = start_on_a_free_port("Redis Cluster", &log, server, says_pong)?;
        expect_ok(port, &format!("CLUSTER ADDSLOTSRANGE {slots}"))?;
        if let Some((first, first_bus)) = ports.first() {
            expect_ok(port, &format!("CLUSTER MEET 127.0.0.1 {first} {first_bus}"))?;
        }
        processes.push(process);
        folders.push(folder);
        ports.push((port, bus.get()));
    }
    let started = Instant::now();
    while !ports.iter().all(|(port, _)| knows_every_slot(*port)) {
        if started.elapsed() > START_WITHIN {
            bail!("the Redis Cluster does not come together after {START_WITHIN:?}");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let addresses: Vec<String> = ports
        .iter()
        .map(|(port, _)| format!("127.0.0.1:{port}"))
        .collect();
    Ok(Server {
        url: format!("redis+cluster://{}", addresses.join(",")),
        _processes: processes,
        _folders: folders,
    })
}

fn command(port: u16, folder: &Path, log: Stdio) -> Command {
    let mut command = process::bound_to_us("redis-server", "TERM");
    command
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
        .args(["--save", "", "--appendonly", "no", "--daemonize", "no"])
        .arg("--dir")
        .arg(folder)
        .stdout(log)
        .stderr(Stdio::null());
    command
}

/// A connection alone proves nothing: on a free port of this range a program can connect to itself.
fn says_pong(port: u16) -> bool {
    ask(port, "PING").is_ok_and(|answer| answer == "+PONG")
}

fn expect_ok(port: u16, question: &str) -> Result<()> {
    let answer = ask(port, question).with_context(|| format!("Redis does not take {question}"))?;
    if answer != "+OK" {
        bail!("Redis answers {question} with {answer}");
    }
    Ok(())
}

/// Sound only where this node has heard from the owners of all slots, itself included.
fn knows_every_slot(port: u16) -> bool {
    ask(port, "CLUSTER INFO").is_ok_and(|answer| {
        let says = |line| answer.lines().any(|said| said == line);
        says("cluster_state:ok") && says("cluster_known_nodes:3")
    })
}

/// The answer to one command: a status or error line as it comes, or the text of a bulk string.
fn ask(port: u16, question: &str) -> std::io::Result<String> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_millis(200))?;
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    stream.write_all(format!("{question}\r\n").as_bytes())?;
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let line = line.trim_end();
    match line
        .strip_prefix('$')
        .and_then(|length| length.parse().ok())
    {
        None => Ok(line.to_owned()),
        Some(length) => {
            let mut text = vec![0; length];
            reader.read_exact(&mut text)?;
            Ok(String::from_utf8_lossy(&text).into_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn ports(server: &Server) -> Vec<u16> {
        let (_, addresses) = server.url.split_once("://").unwrap();
        let addresses = addresses.trim_end_matches("/0").split(',');
        addresses
            .map(|address| address.rsplit(':').next().unwrap().parse().unwrap())
            .collect()
    }

    #[test]
    fn a_server_answers_and_ends_with_its_owner() {
        if !process::on_path("redis-server") {
            return;
        }
        let server = redis().unwrap();
        let port = ports(&server)[0];
        assert!(says_pong(port));
        drop(server);
        assert!(!says_pong(port));
    }

    #[test]
    fn a_cluster_has_an_owner_for_each_slot() {
        if !process::on_path("redis-server") {
            return;
        }
        let server = redis_cluster().unwrap();
        let ports = ports(&server);
        assert_eq!(ports.len(), 3);
        // "a", "b" and "c" hash to a slot of the third, the first and the second.
        for (key, owner) in [("a", 2), ("b", 0), ("c", 1)] {
            let taken = ports.iter().map(|port| ask(*port, &format!("SET {key} 1")));
            let answers: Vec<String> = taken.map(Result::unwrap).collect();
            for (node, answer) in answers.iter().enumerate() {
                match node == owner {
                    true => assert_eq!(answer, "+OK"),
                    false => assert!(answer.starts_with("-MOVED"), "{answer}"),
                }
            }
        }
        drop(server);
        assert!(ports.into_iter().all(|port| !says_pong(port)));
    }
}

//! Servers of one test alone: plain, with TLS, and sentinels.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, cmd};

/// A server of one test alone, ended with it.
pub struct Server {
    child: Child,
    pub port: u16,
    folder: tempfile::TempDir,
    arguments: Vec<String>,
}

impl Server {
    pub fn start(arguments: &[&str]) -> Self {
        Self::in_folder(tempfile::tempdir().unwrap(), free_port(), arguments)
    }

    pub fn in_folder(folder: tempfile::TempDir, port: u16, arguments: &[&str]) -> Self {
        let arguments: Vec<String> = arguments.iter().map(|a| (*a).to_string()).collect();
        let child = spawn(folder.path(), port, &arguments);
        Self {
            child,
            port,
            folder,
            arguments,
        }
    }

    /// Holds it, or lets it go on: it keeps its connections and answers nothing.
    pub fn hold(&self, held: bool) {
        let signal = if held { "-STOP" } else { "-CONT" };
        let pid = self.child.id().to_string();
        let done = Command::new("kill").args([signal, &pid]).status();
        assert!(done.unwrap().success());
    }

    pub fn stop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    pub async fn start_again(&mut self) {
        self.child = spawn(self.folder.path(), self.port, &self.arguments);
        answering(self.port).await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

fn spawn(folder: &Path, port: u16, arguments: &[String]) -> Child {
    Command::new("redis-server")
        .args(arguments)
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
        .args(["--save", "", "--dir", &folder.display().to_string()])
        .stdout(Stdio::null())
        .spawn()
        .expect("redis-server is not installed")
}

pub fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// A busy machine is no reason to fail.
pub fn patient() -> AsyncConnectionConfig {
    let limit = Some(Duration::from_secs(20));
    AsyncConnectionConfig::new()
        .set_connection_timeout(limit)
        .set_response_timeout(limit)
}

/// Waits for a plain server to answer.
pub async fn answering(port: u16) -> MultiplexedConnection {
    let client = redis::Client::open(format!("redis://127.0.0.1:{port}/0")).unwrap();
    for _ in 0..200 {
        if let Ok(mut line) = client
            .get_multiplexed_async_connection_with_config(&patient())
            .await
            && cmd("PING").query_async::<String>(&mut line).await.is_ok()
        {
            return line;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("redis-server does not answer");
}

/// A sentinel that watches what its configuration says.
pub async fn sentinel(watched: &str) -> Server {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sentinel.conf");
    std::fs::write(
        &file,
        format!(
            "{watched}sentinel down-after-milliseconds shop 500\nsentinel failover-timeout shop 3000\n"
        ),
    )
    .unwrap();
    let port = free_port();
    let child = Command::new("redis-server")
        .arg(&file)
        .args([
            "--sentinel",
            "--port",
            &port.to_string(),
            "--bind",
            "127.0.0.1",
        ])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let server = Server {
        child,
        port,
        folder,
        arguments: Vec::new(),
    };
    answering(port).await;
    server
}

/// A server with a certificate of an authority of its own, the port it speaks TLS at, and the authority's file.
pub fn with_tls() -> ((Server, u16), String) {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let openssl = |arguments: &[&str]| {
        let done = Command::new("openssl")
            .args(arguments)
            .stderr(Stdio::null())
            .status();
        assert!(done.expect("openssl is not installed").success());
    };
    let key = [
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
    ];
    let (ca, ca_key, cert, cert_key, request) = (
        at("ca.pem"),
        at("ca.key"),
        at("cert.pem"),
        at("cert.key"),
        at("request.pem"),
    );
    let mut own = vec![
        "req",
        "-x509",
        "-days",
        "2",
        "-subj",
        "/CN=an authority of the tests",
    ];
    own.extend(key);
    own.extend(["-keyout", ca_key.as_str(), "-out", ca.as_str()]);
    openssl(&own);
    let mut ask = vec!["req", "-subj", "/CN=localhost"];
    ask.extend(key);
    ask.extend(["-keyout", cert_key.as_str(), "-out", request.as_str()]);
    openssl(&ask);
    let names = at("names.cnf");
    std::fs::write(
        &names,
        "subjectAltName=DNS:localhost\nbasicConstraints=CA:FALSE\n",
    )
    .unwrap();
    openssl(&[
        "x509",
        "-req",
        "-days",
        "2",
        "-in",
        &request,
        "-CA",
        &ca,
        "-CAkey",
        &ca_key,
        "-CAcreateserial",
        "-extfile",
        &names,
        "-out",
        &cert,
    ]);
    let tls = free_port();
    let port = tls.to_string();
    let arguments = [
        "--tls-port",
        port.as_str(),
        "--tls-cert-file",
        cert.as_str(),
        "--tls-key-file",
        cert_key.as_str(),
        "--tls-ca-cert-file",
        ca.as_str(),
        "--tls-auth-clients",
        "no",
    ];
    let server = Server::in_folder(folder, free_port(), &arguments);
    ((server, tls), ca.clone())
}

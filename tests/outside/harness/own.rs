//! Database servers of one test alone, for what a shared server cannot be: a standby that is promoted, a server that is
//! read-only. Each listens on loopback, has one site's tables and no password, and ends with the test.

use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use sqlx::{AssertSqlSafe, Connection, MySqlConnection, PgConnection};
use tempfile::TempDir;

use super::process::Process;
use super::until;

/// The tables of a site, in a dialect that both servers know.
const TABLES: &str = "
CREATE TABLE django_session (session_key varchar(40) PRIMARY KEY, session_data text NOT NULL, expire_date timestamp NOT NULL);
CREATE TABLE auth_user (id integer PRIMARY KEY, password varchar(128) NOT NULL, last_login timestamp NULL,
  is_superuser boolean NOT NULL, username varchar(150) NOT NULL UNIQUE, first_name varchar(150) NOT NULL,
  last_name varchar(150) NOT NULL, email varchar(254) NOT NULL, is_staff boolean NOT NULL, is_active boolean NOT NULL,
  date_joined timestamp NOT NULL);";

/// Servers refuse to run as root, so they run under the account that their package made.
fn under(account: &str, program: &Path, folder: &Path) -> Command {
    if !rustix::process::geteuid().is_root() {
        return Command::new(program);
    }
    let number = |which: &str| -> u32 {
        let output = Command::new("id").args([which, account]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text.trim().parse().unwrap()
    };
    let (user, group) = (number("-u"), number("-g"));
    chown(folder, Some(user), Some(group)).unwrap();
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid", &user.to_string(), "--regid", &group.to_string()])
        .args(["--clear-groups", "--pdeathsig", "TERM", "--"])
        .arg(program);
    command
}

fn program(folders: &[PathBuf], name: &str) -> PathBuf {
    let mut places = folders.iter().map(|folder| folder.join(name));
    let found = places.find(|place| place.is_file());
    found.unwrap_or_else(|| panic!("{name} is not installed"))
}

/// A folder that another account reaches, wherever the tests keep theirs.
fn folder() -> TempDir {
    tempfile::tempdir_in("/tmp").unwrap()
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// A PostgreSQL server.
pub struct OwnPostgres {
    dir: TempDir,
    port: u16,
    server: Option<Process>,
}

impl OwnPostgres {
    /// A standby with the tables of a site, that can be promoted.
    pub async fn standby() -> Self {
        let dir = folder();
        let run = under("postgres", &Self::program("initdb"), dir.path())
            .args([
                "--username=curfew",
                "--auth=trust",
                "--no-sync",
                "--encoding=UTF8",
            ])
            .args(["--locale=C", "--pgdata"])
            .arg(dir.path().join("data"))
            .current_dir(dir.path())
            .output()
            .unwrap();
        assert!(run.status.success(), "{run:?}");
        let mut new = Self {
            dir,
            port: free_port(),
            server: None,
        };
        new.start().await;
        new.execute(TABLES).await;
        new.stop().await;
        // With this file, and with no primary to follow, it replays what it has and waits.
        std::fs::write(new.dir.path().join("data/standby.signal"), "").unwrap();
        new.start().await;
        new
    }

    fn program(name: &str) -> PathBuf {
        let versions = std::fs::read_dir("/usr/lib/postgresql").unwrap();
        let folders: Vec<PathBuf> = versions.map(|v| v.unwrap().path().join("bin")).collect();
        program(&folders, name)
    }

    async fn start(&mut self) {
        let mut command = under("postgres", &Self::program("postgres"), self.dir.path());
        command
            .arg("-D")
            .arg(self.dir.path().join("data"))
            .args(["-c", &format!("port={}", self.port), "-c", "fsync=off"])
            .args(["-c", "listen_addresses=127.0.0.1", "-c"])
            .arg(format!(
                "unix_socket_directories={}",
                self.dir.path().display()
            ))
            .current_dir(self.dir.path());
        let log = tempfile::NamedTempFile::new().unwrap();
        self.server = Some(Process::start(&mut command, log.path()));
        let url = self.url();
        until("PostgreSQL answers", Duration::from_secs(30), || async {
            PgConnection::connect(&url).await.is_ok()
        })
        .await;
    }

    async fn stop(&mut self) {
        if let Some(server) = self.server.take() {
            server.signal(Signal::INT);
            let gone = self.dir.path().join("data/postmaster.pid");
            until("PostgreSQL ends", Duration::from_secs(30), || async {
                !gone.exists()
            })
            .await;
        }
    }

    pub fn url(&self) -> String {
        format!("postgres://curfew@127.0.0.1:{}/postgres", self.port)
    }

    pub async fn execute(&self, sql: &str) {
        let mut connection = PgConnection::connect(&self.url()).await.unwrap();
        let safe = AssertSqlSafe(sql.to_owned());
        sqlx::raw_sql(safe).execute(&mut connection).await.unwrap();
        let _ = connection.close().await;
    }

    /// Makes it the primary.
    pub async fn promote(&self) {
        self.execute("SELECT pg_promote()").await;
    }
}

/// A MariaDB server.
pub struct OwnMariadb {
    port: u16,
    _server: Process,
    _dir: TempDir,
}

impl OwnMariadb {
    pub async fn start() -> Self {
        let dir = folder();
        let bin = ["/usr/bin", "/usr/sbin", "/usr/libexec"].map(PathBuf::from);
        let data = format!("--datadir={}", dir.path().join("data").display());
        let run = under("mysql", &program(&bin, "mariadb-install-db"), dir.path())
            .args(["--no-defaults", "--skip-test-db", &data])
            .arg("--auth-root-authentication-method=normal")
            .env("TMPDIR", dir.path())
            .current_dir(dir.path())
            .output()
            .unwrap();
        assert!(run.status.success(), "{run:?}");
        let port = free_port();
        let mut command = under("mysql", &program(&bin, "mariadbd"), dir.path());
        command
            .args(["--no-defaults", &data, &format!("--port={port}")])
            .arg(format!("--socket={}", dir.path().join("s").display()))
            .arg(format!("--pid-file={}", dir.path().join("pid").display()))
            .args([
                "--bind-address=127.0.0.1",
                "--skip-name-resolve",
                "--skip-log-bin",
            ])
            .args([
                "--innodb-flush-log-at-trx-commit=0",
                "--innodb-log-file-size=8M",
            ])
            .env("TMPDIR", dir.path())
            .current_dir(dir.path());
        let log = tempfile::NamedTempFile::new().unwrap();
        let server = Process::start(&mut command, log.path());
        let new = Self {
            port,
            _server: server,
            _dir: dir,
        };
        let url = new.address("root", "mysql");
        until("MariaDB answers", Duration::from_secs(30), || async {
            MySqlConnection::connect(&url).await.is_ok()
        })
        .await;
        new.execute(&format!(
            "CREATE DATABASE shop; USE shop; {TABLES}
             CREATE USER curfew@'%'; GRANT SELECT, DELETE ON shop.django_session TO curfew@'%';
             GRANT SELECT ON shop.auth_user TO curfew@'%'"
        ))
        .await;
        new
    }

    fn address(&self, user: &str, database: &str) -> String {
        format!("mysql://{user}@127.0.0.1:{}/{database}", self.port)
    }

    /// The address of the site, for an account with the rights that the README asks for.
    pub fn url(&self) -> String {
        self.address("curfew", "shop")
    }

    pub async fn execute(&self, sql: &str) {
        let url = self.address("root", "mysql");
        let mut connection = MySqlConnection::connect(&url).await.unwrap();
        let safe = AssertSqlSafe(sql.to_owned());
        sqlx::raw_sql(safe).execute(&mut connection).await.unwrap();
        let _ = connection.close().await;
    }
}

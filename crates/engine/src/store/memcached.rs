//! Copies in memcached, which cannot list what it has: they are asked for and deleted by key, on every server, since
//! each client spreads keys over servers in a way of its own. The two commands that this takes are spoken here: no
//! client crate that is free to use speaks to IPv6 and to any platform, and none sends many keys at once.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::sync::Mutex;

use super::cache_key::KeyForm;
use super::{Copies, Listed, Mark, SessionKey, SessionRow};
use crate::config::{CacheAddress, Engine, SessionsConfig};
use crate::error::{Code, Error, Result};

const PORT: u16 = 11211;
/// How long anything asked may take, both tries together.
const DEADLINE: Duration = Duration::from_secs(5);
/// Keys asked for in one go: their answers fit what the system holds for a slow reader.
const BATCH: usize = 200;
/// memcached takes no longer key, and none with blanks in it.
const LONGEST: usize = 250;
/// The longest line that an answer may have.
const LINE: u64 = 1024;

/// One site's copies in some memcached servers.
pub struct Memcached {
    servers: Vec<Server>,
    form: KeyForm,
    seen: AtomicBool,
}

struct Server {
    place: String,
    line: Mutex<Option<BufReader<TcpStream>>>,
}

#[derive(Clone, Copy)]
enum Ask {
    IsThere,
    Delete,
}

impl Memcached {
    /// Connects once to each server, for its answer.
    pub async fn connect(
        address: &CacheAddress,
        config: &SessionsConfig,
        engine: &Engine,
    ) -> Result<Self> {
        let shown = address.shown();
        let (_, hosts) = shown.split_once("://").unwrap_or(("", shown));
        let hosts = hosts.split('/').next().unwrap_or_default();
        let servers = hosts
            .split([',', ';'])
            .map(str::trim)
            .filter(|host| !host.is_empty())
            .map(Server::at)
            .collect();
        let this = Self {
            servers,
            form: KeyForm::configured(config, engine)?,
            seen: AtomicBool::new(false),
        };
        this.all(&[], Ask::IsThere).await?;
        Ok(this)
    }

    /// Asks every server, and returns the sessions that any of them said yes to.
    async fn all(&self, keys: &[SessionKey], ask: Ask) -> Result<Vec<SessionKey>> {
        let names: Vec<Vec<u8>> = keys.iter().map(|key| self.form.key(key)).collect();
        let mut yes = vec![false; keys.len()];
        // All are asked before one that failed is told of: the others' copies are to go.
        let mut failed = None;
        for server in &self.servers {
            for (at, chunk) in names.chunks(BATCH).enumerate() {
                match server.ask(chunk, ask).await {
                    Ok(answers) => {
                        for (i, answer) in answers.into_iter().enumerate() {
                            yes[at * BATCH + i] |= answer;
                        }
                    }
                    Err(error) => {
                        failed = Some(error);
                        break;
                    }
                }
            }
            if names.is_empty()
                && let Err(error) = server.ask(&[], ask).await
            {
                failed = Some(error);
            }
        }
        let there: Vec<SessionKey> = keys
            .iter()
            .zip(yes)
            .filter(|(_, yes)| *yes)
            .map(|(key, _)| key.clone())
            .collect();
        if !there.is_empty() {
            self.seen.store(true, Ordering::Relaxed);
        }
        failed.map_or(Ok(there), Err)
    }
}

impl Server {
    fn at(host: &str) -> Self {
        let has_port = host.rsplit_once(':').is_some_and(|(before, port)| {
            port.parse::<u16>().is_ok() && (!before.contains(':') || before.ends_with(']'))
        });
        let place = if has_port {
            host.to_string()
        } else {
            format!("{host}:{PORT}")
        };
        Self {
            place,
            line: Mutex::default(),
        }
    }

    /// Asks for these keys, or whether the server is there where there are none.
    async fn ask(&self, names: &[Vec<u8>], ask: Ask) -> Result<Vec<bool>> {
        let work = async {
            let mut line = self.line.lock().await;
            let old = line.take();
            // A connection that was dropped while idle fails once.
            let answered = match old {
                Some(mut old) => match converse(&mut old, names, ask).await {
                    Ok(answers) => Ok((old, answers)),
                    Err(_) => self.fresh(names, ask).await,
                },
                None => self.fresh(names, ask).await,
            };
            let (used, answers) = answered?;
            *line = Some(used);
            Ok(answers)
        };
        match tokio::time::timeout(DEADLINE, work).await {
            Ok(Ok(answers)) => Ok(answers),
            Ok(Err(error)) => Err(self.wrong(&error)),
            Err(_) => Err(Error::new(
                Code::Unreachable,
                format!(
                    "the cache at memcached://{} has not answered for {} s; check the network and the server",
                    self.place,
                    DEADLINE.as_secs()
                ),
            )),
        }
    }

    async fn fresh(
        &self,
        names: &[Vec<u8>],
        ask: Ask,
    ) -> std::io::Result<(BufReader<TcpStream>, Vec<bool>)> {
        let stream = TcpStream::connect(&self.place).await?;
        stream.set_nodelay(true)?;
        let mut stream = BufReader::new(stream);
        let answers = converse(&mut stream, names, ask).await?;
        Ok((stream, answers))
    }

    fn wrong(&self, error: &std::io::Error) -> Error {
        Error::new(
            Code::Unreachable,
            format!(
                "the cache at memcached://{} cannot be reached ({error}); check host, port and that it runs",
                self.place
            ),
        )
    }
}

/// Sends all questions, then reads all answers.
async fn converse(
    stream: &mut BufReader<TcpStream>,
    names: &[Vec<u8>],
    ask: Ask,
) -> std::io::Result<Vec<bool>> {
    let mut words = Vec::new();
    for name in names.iter().filter(|name| sayable(name)) {
        words.extend_from_slice(match ask {
            Ask::IsThere => b"get ",
            Ask::Delete => b"delete ",
        });
        words.extend_from_slice(name);
        words.extend_from_slice(b"\r\n");
    }
    if words.is_empty() {
        words.extend_from_slice(b"version\r\n");
        stream.write_all(&words).await?;
        if !line(stream).await?.starts_with(b"VERSION") {
            return Err(odd());
        }
        return Ok(vec![false; names.len()]);
    }
    stream.write_all(&words).await?;
    let mut answers = Vec::with_capacity(names.len());
    for name in names {
        // memcached holds nothing under such a key.
        answers.push(if !sayable(name) {
            false
        } else {
            match ask {
                Ask::IsThere => is_there(stream).await?,
                Ask::Delete => match line(stream).await?.as_slice() {
                    b"DELETED" => true,
                    b"NOT_FOUND" => false,
                    _ => return Err(odd()),
                },
            }
        });
    }
    Ok(answers)
}

/// `VALUE key flags length`, the value, `END`; or `END` alone.
async fn is_there(stream: &mut BufReader<TcpStream>) -> std::io::Result<bool> {
    let head = line(stream).await?;
    if head == b"END" {
        return Ok(false);
    }
    let mut parts = head.split(|b| *b == b' ');
    if parts.next() != Some(b"VALUE".as_slice()) {
        return Err(odd());
    }
    let length: u64 = parts
        .nth(2)
        .and_then(|length| std::str::from_utf8(length).ok()?.parse().ok())
        .ok_or_else(odd)?;
    let rest = length.checked_add(2).ok_or_else(odd)?;
    let passed = tokio::io::copy(&mut (&mut *stream).take(rest), &mut tokio::io::sink()).await?;
    if passed != rest || line(stream).await? != b"END" {
        return Err(odd());
    }
    Ok(true)
}

async fn line(stream: &mut BufReader<TcpStream>) -> std::io::Result<Vec<u8>> {
    let mut line = Vec::new();
    (&mut *stream)
        .take(LINE)
        .read_until(b'\n', &mut line)
        .await?;
    match line.strip_suffix(b"\r\n") {
        Some(line) => Ok(line.to_vec()),
        None => Err(odd()),
    }
}

/// A key out of a table may hold anything; on the line it would be another command.
fn sayable(name: &[u8]) -> bool {
    !name.is_empty()
        && name.len() <= LONGEST
        && name.iter().all(|b| !b.is_ascii_control() && *b != b' ')
}

fn odd() -> std::io::Error {
    std::io::Error::other("it does not answer as memcached does")
}

#[async_trait]
impl Copies for Memcached {
    async fn look(
        &self,
        _now: Timestamp,
        _mark: &mut Mark,
        known: &[SessionKey],
    ) -> Result<Option<Listed>> {
        if !self.key_form_seen() {
            self.all(known, Ask::IsThere).await?;
        }
        Ok(None)
    }

    async fn read(&self, _keys: &[SessionKey]) -> Result<Vec<SessionRow>> {
        // Only what was listed without a row is read, and nothing is listed.
        Ok(Vec::new())
    }

    async fn surviving(&self, keys: &[SessionKey]) -> Result<Vec<SessionKey>> {
        self.all(keys, Ask::IsThere).await
    }

    async fn delete(&self, keys: &[SessionKey]) -> Result<Vec<SessionKey>> {
        self.all(keys, Ask::Delete).await
    }

    async fn delete_unchanged(&self, _rows: &[SessionRow]) -> Result<Vec<SessionKey>> {
        Ok(Vec::new())
    }

    async fn ready(&self) -> Result<()> {
        self.all(&[], Ask::IsThere)
            .await
            .map(|_| ())
            .map_err(|error| {
                Error::new(
                    Code::NotPossible,
                    format!("{}; nothing was deleted", error.message),
                )
            })
    }

    fn key_form_seen(&self) -> bool {
        self.seen.load(Ordering::Relaxed)
    }

    fn lists(&self) -> bool {
        false
    }
}

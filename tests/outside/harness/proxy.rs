//! A wire between Curfew and a database that a test can hold: connections stay open, and nothing comes through.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use url::Url;

pub struct Proxy {
    url: String,
    held: watch::Sender<bool>,
}

impl Proxy {
    /// Listens on a free port and passes everything on to this database.
    pub async fn before(database: &str) -> Self {
        let mut url = Url::parse(database).unwrap();
        let there = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        url.set_host(Some("127.0.0.1")).unwrap();
        url.set_port(Some(port)).unwrap();
        let (held, holding) = watch::channel(false);
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let Ok(far) = TcpStream::connect(&there).await else {
                    continue;
                };
                let (near_read, near_write) = near.into_split();
                let (far_read, far_write) = far.into_split();
                tokio::spawn(pass(near_read, far_write, holding.clone()));
                tokio::spawn(pass(far_read, near_write, holding.clone()));
            }
        });
        Self {
            url: url.into(),
            held,
        }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn hold(&self, hold: bool) {
        self.held.send_replace(hold);
    }
}

async fn pass(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    mut held: watch::Receiver<bool>,
) {
    let mut bytes = vec![0; 16 * 1024];
    loop {
        let Ok(count) = from.read(&mut bytes).await else {
            return;
        };
        if count == 0 || held.wait_for(|held| !held).await.is_err() {
            return;
        }
        if to.write_all(&bytes[..count]).await.is_err() {
            return;
        }
    }
}

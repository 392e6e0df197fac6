//! A wire to a database that is cut within one exchange: after so many bytes of a question and its answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use url::Url;

/// Where the exchange is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Bytes of the question, and then of the answer, that pass.
    pub after: usize,
    /// Nothing passes from then on, and no connection is made any more.
    pub for_good: bool,
}

pub struct Cutter {
    url: String,
    state: Arc<State>,
}

struct State {
    word: Vec<u8>,
    cut: Option<Cut>,
    met: AtomicBool,
    asked: AtomicUsize,
    answered: AtomicUsize,
    away: watch::Sender<bool>,
}

impl Cutter {
    /// Passes everything on to this database, and cuts the first exchange whose question has this word.
    pub async fn before(database: &str, word: &str, cut: Option<Cut>) -> Self {
        let mut url = Url::parse(database).unwrap();
        let there = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        url.set_host(Some("127.0.0.1")).unwrap();
        url.set_port(Some(port)).unwrap();
        url.set_query(Some(match url.scheme() {
            "mysql" => "ssl-mode=disabled",
            _ => "sslmode=disable",
        }));
        let state = Arc::new(State {
            word: word.as_bytes().to_vec(),
            cut,
            met: AtomicBool::new(false),
            asked: AtomicUsize::new(0),
            answered: AtomicUsize::new(0),
            away: watch::Sender::new(false),
        });
        let shared = state.clone();
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                if *shared.away.borrow() {
                    continue;
                }
                let Ok(far) = TcpStream::connect(&there).await else {
                    continue;
                };
                near.set_nodelay(true).unwrap();
                far.set_nodelay(true).unwrap();
                let (state, mut away) = (shared.clone(), shared.away.subscribe());
                tokio::spawn(async move {
                    tokio::select! {
                        () = pass(near, far, &state) => {}
                        _ = away.wait_for(|away| *away) => {}
                    }
                });
            }
        });
        Self {
            url: url.into(),
            state,
        }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// Whether the exchange took place.
    pub fn met(&self) -> bool {
        self.state.met.load(Ordering::SeqCst)
    }

    /// How many bytes the exchange's question and its answer have.
    pub fn lengths(&self) -> (usize, usize) {
        let length = |of: &AtomicUsize| of.load(Ordering::SeqCst);
        (length(&self.state.asked), length(&self.state.answered))
    }
}

async fn pass(mut near: TcpStream, mut far: TcpStream, state: &State) {
    let (mut asked, mut answered) = (vec![0; 64 << 10], vec![0; 64 << 10]);
    let mut counts = false;
    loop {
        tokio::select! {
            read = near.read(&mut asked) => {
                let Ok(count @ 1..) = read else { return };
                let question = &asked[..count];
                counts = question.windows(state.word.len()).any(|some| some == state.word)
                    && !state.met.swap(true, Ordering::SeqCst);
                if counts {
                    state.asked.store(count, Ordering::SeqCst);
                    if let Some(cut) = state.cut {
                        cut_here(question, &mut near, &mut far, cut.after).await;
                        state.away.send_replace(cut.for_good);
                        return;
                    }
                }
                if far.write_all(question).await.is_err() {
                    return;
                }
            }
            read = far.read(&mut answered) => {
                let Ok(count @ 1..) = read else { return };
                if counts {
                    state.answered.fetch_add(count, Ordering::SeqCst);
                }
                if near.write_all(&answered[..count]).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// Passes so many bytes of the question and its answer on.
async fn cut_here(question: &[u8], near: &mut TcpStream, far: &mut TcpStream, after: usize) {
    let passes = after.min(question.len());
    far.write_all(&question[..passes]).await.unwrap();
    if passes < question.len() {
        return;
    }
    let mut left = after - passes;
    let mut answer = vec![0; 64 << 10];
    loop {
        // With the first byte of its answer the server has done what it was asked.
        let Ok(count @ 1..) = far.read(&mut answer).await else {
            return;
        };
        let passes = count.min(left);
        if near.write_all(&answer[..passes]).await.is_err() {
            return;
        }
        left -= passes;
        if left == 0 {
            return;
        }
    }
}

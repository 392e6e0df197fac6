//! A wire to a server with faults: it falls silent after so many bytes, or loses the answer to a COMMIT or a DELETE. It also
//! counts the round trips.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What is cut when a client sends a word.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// The word does not reach the server.
    Before,
    /// The answer does not reach the client.
    After,
    /// Nor does anything else from then on.
    AfterForGood,
}

#[derive(Default)]
struct State {
    /// Bytes from the server that pass before all falls silent.
    passes: Option<usize>,
    cut: Mutex<Option<(&'static str, Cut)>>,
    away: AtomicBool,
    said: AtomicUsize,
    trips: AtomicUsize,
}

/// The near end of a wire.
pub struct Wire {
    pub port: u16,
    state: Arc<State>,
}

impl Wire {
    /// A wire to this port. After so many bytes from the server, nothing comes through.
    pub async fn to(port: u16, passes: Option<usize>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let near_end = listener.local_addr().unwrap().port();
        let state = Arc::new(State {
            passes,
            ..State::default()
        });
        let shared = state.clone();
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                if shared.away.load(Ordering::SeqCst) {
                    continue;
                }
                let far = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                near.set_nodelay(true).unwrap();
                far.set_nodelay(true).unwrap();
                tokio::spawn(pass(near, far, shared.clone()));
            }
        });
        Self {
            port: near_end,
            state,
        }
    }

    /// Cuts the connection on which a client next sends this word.
    pub fn cut(&self, word: &'static str, cut: Cut) {
        *self.state.cut.lock().unwrap() = Some((word, cut));
    }

    /// Bytes that the server has said so far.
    pub fn said(&self) -> usize {
        self.state.said.load(Ordering::SeqCst)
    }

    /// How often a client has said something after the server did.
    pub fn trips(&self) -> usize {
        self.state.trips.load(Ordering::SeqCst)
    }
}

async fn pass(near: TcpStream, far: TcpStream, state: Arc<State>) {
    let (mut asks, mut hears) = near.into_split();
    let (mut says, mut is_asked) = far.into_split();
    let (mut question, mut answer) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
    let mut client_spoke = false;
    loop {
        tokio::select! {
            read = asks.read(&mut question) => {
                let Ok(count @ 1..) = read else { return };
                let question = &question[..count];
                if !client_spoke {
                    state.trips.fetch_add(1, Ordering::SeqCst);
                    client_spoke = true;
                }
                let cut = *state.cut.lock().unwrap();
                let meant = cut.filter(|(word, _)| {
                    question.windows(word.len()).any(|some| some == word.as_bytes())
                });
                if let Some((_, cut)) = meant {
                    *state.cut.lock().unwrap() = None;
                    if cut == Cut::Before {
                        return;
                    }
                    state.away.store(cut == Cut::AfterForGood, Ordering::SeqCst);
                    is_asked.write_all(question).await.unwrap();
                    let _lost = says.read(&mut answer).await;
                    return;
                }
                if is_asked.write_all(question).await.is_err() {
                    return;
                }
            }
            read = says.read(&mut answer) => {
                let Ok(count @ 1..) = read else { return };
                client_spoke = false;
                let before = state.said.fetch_add(count, Ordering::SeqCst);
                let passes = state.passes.map_or(count, |all| all.saturating_sub(before).min(count));
                if hears.write_all(&answer[..passes]).await.is_err() {
                    return;
                }
                if passes < count {
                    // Both ends stay open, and nothing comes through.
                    std::future::pending::<()>().await;
                }
            }
        }
    }
}

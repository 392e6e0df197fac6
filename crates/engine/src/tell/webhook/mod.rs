//! A webhook of one site: messages signed as the Standard Webhooks specification says, sent from a task of its own.
//! What is told is message.rs. Invariant: `offer` never waits, and no redirect is followed.

mod message;
mod retry;
mod sign;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use reqwest::Client;
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use secrecy::SecretString;
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};
use url::Url;

pub use message::Message;

use super::{address, client, place, why};
use crate::error::{Code, Error, Result};
use retry::{Answer, Schedule};
use sign::Keys;

/// What says the time, for signatures and the age of messages.
type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Messages that wait to be taken by the task, and again as many that wait to be sent once more.
const QUEUE: usize = 256;

/// For the connection, and for a whole request.
const LIMIT: Duration = Duration::from_secs(10);

/// A running webhook.
pub struct Webhook {
    queue: mpsc::Sender<Message>,
    /// None once it was stopped.
    task: Mutex<Option<JoinHandle<()>>>,
    stopping: CancellationToken,
    place: String,
    dropped: Arc<AtomicU64>,
}

impl std::fmt::Debug for Webhook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Webhook")
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}

impl Webhook {
    /// Starts the task that sends. `secret` is `whsec_` and base64, or several of them separated by spaces. Needs a
    /// tokio runtime.
    ///
    /// # Errors
    /// `Code::Config` where the address or the secret makes no sense; neither is in the message.
    pub fn start(
        url: &str,
        secret: SecretString,
        clock: impl Fn() -> Timestamp + Send + Sync + 'static,
    ) -> Result<Self> {
        Self::start_with(url, &secret, Arc::new(clock), Schedule::default())
    }

    fn start_with(
        url: &str,
        secret: &SecretString,
        clock: Clock,
        schedule: Schedule,
    ) -> Result<Self> {
        let url = address(url, "the webhook's url")?;
        let (queue, messages) = mpsc::channel(QUEUE);
        let place = place(&url);
        let dropped = Arc::new(AtomicU64::new(0));
        let stopping = CancellationToken::new();
        let sender = Sender {
            client: client(LIMIT)?,
            url,
            keys: Keys::read(secret)?,
            clock,
            schedule,
            place: place.clone(),
            dropped: Arc::clone(&dropped),
            waiting: Vec::new(),
        };
        Ok(Self {
            queue,
            task: Mutex::new(Some(tokio::spawn(sender.run(messages, stopping.clone())))),
            stopping,
            place,
            dropped,
        })
    }

    /// Hands a message over and returns at once. Where the queue is full, this message is dropped, with a warning.
    pub fn offer(&self, message: Message) {
        match self.queue.try_send(message) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => drop_one(&self.dropped, &self.place, "the queue is full"),
            Err(TrySendError::Closed(_)) => {
                debug!(webhook = self.place, "not sent: stopped, or gone for good");
            }
        }
    }

    /// How many messages were never delivered.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Sends what has not been tried yet, once, and ends, at the latest after `deadline`.
    pub async fn stop(&self, deadline: Duration) {
        self.stopping.cancel();
        let task = self
            .task
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(mut task) = task
            && tokio::time::timeout(deadline, &mut task).await.is_err()
        {
            warn!(
                webhook = self.place,
                "stopped before all messages were sent"
            );
            task.abort();
        }
    }
}

fn drop_one(dropped: &AtomicU64, place: &str, why: &str) {
    let dropped = dropped.fetch_add(1, Ordering::Relaxed) + 1;
    warn!(webhook = place, dropped, "a message was dropped: {why}");
}

/// A message on its way: the same id and body at each try.
struct Post {
    id: String,
    body: String,
    tries: u32,
    since: Timestamp,
    due: Instant,
}

/// The task's side.
struct Sender {
    client: Client,
    url: Url,
    keys: Keys,
    clock: Clock,
    schedule: Schedule,
    place: String,
    dropped: Arc<AtomicU64>,
    /// In the order they came.
    waiting: Vec<Post>,
}

impl Sender {
    async fn run(mut self, mut messages: mpsc::Receiver<Message>, stopping: CancellationToken) {
        let mut open = true;
        while open || self.waiting.iter().any(|post| post.tries == 0) {
            let due = self.waiting.iter().map(|post| post.due).min();
            tokio::select! {
                message = messages.recv(), if open => match message {
                    Some(message) => self.take(&message),
                    None => open = false,
                },
                // What was offered before is still received.
                () = stopping.cancelled(), if !messages.is_closed() => messages.close(),
                () = tokio::time::sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {}
            }
            // One a round: what is offered meanwhile is taken before the next is sent.
            while let Ok(message) = messages.try_recv() {
                self.take(&message);
            }
            let Some(next) = self.next_due(open) else {
                continue;
            };
            let post = self.waiting.remove(next);
            if self.send(post).await == Answer::Gone {
                warn!(
                    webhook = self.place,
                    "the receiver answered 410 Gone: nothing more is sent to it"
                );
                return;
            }
        }
        for _ in &self.waiting {
            drop_one(
                &self.dropped,
                &self.place,
                "stopped before it could be sent again",
            );
        }
    }

    /// The first message that is due. Once closed, only what has never been tried.
    fn next_due(&self, open: bool) -> Option<usize> {
        let now = Instant::now();
        self.waiting
            .iter()
            .position(|post| post.due <= now && (open || post.tries == 0))
    }

    fn take(&mut self, message: &Message) {
        let (Ok(body), Ok(id)) = (serde_json::to_string(message), message_id()) else {
            drop_one(&self.dropped, &self.place, "it cannot be written as JSON");
            return;
        };
        self.wait(Post {
            id,
            body,
            tries: 0,
            since: (self.clock)(),
            due: Instant::now(),
        });
    }

    fn wait(&mut self, post: Post) {
        if self.waiting.len() >= QUEUE {
            self.waiting.remove(0);
            drop_one(&self.dropped, &self.place, "too many wait to be sent again");
        }
        self.waiting.push(post);
    }

    async fn send(&mut self, mut post: Post) -> Answer {
        let (answer, said) = match self.request(&post).await {
            Ok(response) => {
                let status = response.status().as_u16();
                let asked = response
                    .headers()
                    .get(RETRY_AFTER)
                    .and_then(|v| v.to_str().ok());
                let answer = retry::answer(status, asked, (self.clock)());
                (answer, format!("HTTP {status}"))
            }
            Err(said) => (Answer::Later(None), said),
        };
        post.tries += 1;
        match &answer {
            Answer::Delivered => debug!(webhook = self.place, id = post.id, "delivered"),
            Answer::Gone => {}
            Answer::Refused => drop_one(&self.dropped, &self.place, &said),
            Answer::Later(asked) => {
                let age = (self.clock)().duration_since(post.since);
                let age = Duration::try_from(age).unwrap_or(Duration::ZERO);
                match self.schedule.next(post.tries, age, *asked, jitter()) {
                    Some(wait) => {
                        debug!(
                            webhook = self.place,
                            id = post.id,
                            "{said}; again in {wait:?}"
                        );
                        post.due = Instant::now() + wait;
                        self.wait(post);
                    }
                    None => drop_one(
                        &self.dropped,
                        &self.place,
                        &format!("{said}, after {} tries", post.tries),
                    ),
                }
            }
        }
        answer
    }

    /// One try, with a signature of its own: receivers refuse old ones.
    async fn request(&self, post: &Post) -> Result<reqwest::Response, String> {
        let seconds = (self.clock)().as_second();
        let signature = self
            .keys
            .sign(&post.id, seconds, &post.body)
            .map_err(|e| e.message)?;
        self.client
            .post(self.url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", &post.id)
            .header("webhook-timestamp", seconds.to_string())
            .header("webhook-signature", signature)
            .body(post.body.clone())
            .send()
            .await
            .map_err(|e| why(&e))
    }
}

fn message_id() -> Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)
        .map_err(|e| Error::new(Code::Config, format!("no random numbers: {e}")))?;
    Ok(bytes
        .iter()
        .fold("msg_".to_owned(), |id, byte| format!("{id}{byte:02x}")))
}

/// From 0 to 1.
fn jitter() -> f64 {
    getrandom::u32().map_or(0.5, |n| f64::from(n) / f64::from(u32::MAX))
}

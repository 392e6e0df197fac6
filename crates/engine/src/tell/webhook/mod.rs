//! A webhook of one site: messages signed as the Standard Webhooks specification says, sent from a task of its own.
//! What is told is message.rs. Invariant: `offer` never waits, and no redirect is followed.

mod message;
mod retry;
mod sign;
mod spool;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
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
pub use spool::Spool;

use super::{address, client, place, why};
use crate::error::{Code, Error, Result};
use retry::{Answer, Schedule};
use sign::Keys;
use spool::{Kept, Slot};

/// What says the time, for signatures and the age of messages.
type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Number and hash of the journal's last entry.
type Head = Arc<dyn Fn() -> Option<(u32, String)> + Send + Sync>;

/// Messages that wait to be taken by the task, and again as many that wait to be sent once more.
const QUEUE: usize = 256;

/// For the files of what is kept, beyond the deadline of a stop.
const GRACE: Duration = Duration::from_millis(500);

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
    shared: Arc<Shared>,
    head: Option<Head>,
}

/// What the task and its owner tell each other.
#[derive(Debug, Default)]
struct Shared {
    /// Messages that earlier runs kept are to be sent.
    send_kept: AtomicBool,
    wake: tokio::sync::Notify,
    /// Once stopping: until when messages are sent, and whether those of earlier runs are all tried once.
    until: Mutex<Option<(Instant, bool)>>,
    /// Messages that a later run will send.
    kept: AtomicU64,
}

impl std::fmt::Debug for Webhook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Webhook")
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}

/// Asks the server of a webhook, without a message, and returns what answered. Any status below 500 is an answer:
/// receivers refuse what is no message.
///
/// # Errors
/// As for [`Webhook::start`], and if no answer comes.
pub async fn reach(url: &str, secret: &SecretString) -> Result<String> {
    Keys::read(secret)?;
    let url = address(url, "the webhook's url")?;
    let place = place(&url);
    let failed = |what: String| {
        let text = format!("the webhook's server {place} does not answer: {what}");
        Error::new(Code::Unreachable, text)
    };
    let answer = client(LIMIT)?.head(url).send().await;
    match answer.map(|response| response.status().as_u16()) {
        Ok(status @ ..500) => Ok(format!("{place} answers HTTP {status}")),
        Ok(status) => Err(failed(format!("HTTP {status}"))),
        Err(error) => Err(failed(why(&error))),
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
        Self::start_with(url, &secret, Arc::new(clock), Schedule::default(), None)
    }

    /// As [`Webhook::start`]. Undelivered messages are kept in `spool`, and each message names the journal's head.
    ///
    /// # Errors
    /// As for [`Webhook::start`].
    pub fn start_kept(
        url: &str,
        secret: SecretString,
        clock: impl Fn() -> Timestamp + Send + Sync + 'static,
        spool: Spool,
        head: impl Fn() -> Option<(u32, String)> + Send + Sync + 'static,
    ) -> Result<Self> {
        let schedule = Schedule::default();
        let clock = Arc::new(clock);
        let mut webhook = Self::start_with(url, &secret, clock, schedule, Some(spool))?;
        webhook.head = Some(Arc::new(head));
        Ok(webhook)
    }

    fn start_with(
        url: &str,
        secret: &SecretString,
        clock: Clock,
        schedule: Schedule,
        spool: Option<Spool>,
    ) -> Result<Self> {
        let shared = Arc::new(Shared::default());
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
            spool,
            shared: Arc::clone(&shared),
            stopping: stopping.clone(),
        };
        Ok(Self {
            queue,
            task: Mutex::new(Some(tokio::spawn(sender.run(messages, stopping.clone())))),
            stopping,
            place,
            dropped,
            shared,
            head: None,
        })
    }

    /// Hands a message over and returns at once. Where the queue is full, this message is dropped, with a warning.
    pub fn offer(&self, mut message: Message) {
        if let Some((seq, hash)) = self.head.as_ref().and_then(|head| head()) {
            message.data["journal"] = serde_json::json!({"seq": seq, "hash": hash});
        }
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

    /// The place that messages go to, as people may see it.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Sends what earlier runs kept, as its turn comes.
    pub fn send_kept(&self) {
        self.shared.send_kept.store(true, Ordering::Relaxed);
        self.shared.wake.notify_one();
    }

    /// Sends what is due, and ends, at the latest after `deadline`. With `all`, what earlier runs kept is tried now.
    /// Returns how many messages are kept for a later run.
    pub async fn stop(&self, deadline: Duration, all: bool) -> u64 {
        *lock(&self.shared.until) = Some((Instant::now() + deadline, all));
        self.stopping.cancel();
        let task = self
            .task
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(mut task) = task
            && tokio::time::timeout(deadline + GRACE, &mut task)
                .await
                .is_err()
        {
            warn!(
                webhook = self.place,
                "stopped before all messages were sent"
            );
            task.abort();
        }
        self.shared.kept.load(Ordering::Relaxed)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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
    /// Where it is kept, once a try has failed.
    slot: Option<Slot>,
    /// This run has not tried it: an earlier one kept it.
    inherited: bool,
}

impl Post {
    /// The message is not sent again: its file goes.
    fn forget(self) {
        if let Some(slot) = self.slot {
            slot.remove();
        }
    }
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
    spool: Option<Spool>,
    shared: Arc<Shared>,
    stopping: CancellationToken,
}

impl Sender {
    async fn run(mut self, mut messages: mpsc::Receiver<Message>, stopping: CancellationToken) {
        let mut open = true;
        let shared = Arc::clone(&self.shared);
        while open || self.more_to_send() {
            if self.shared.send_kept.swap(false, Ordering::Relaxed) {
                self.take_kept();
            }
            let due = self.waiting.iter().map(|post| post.due).min();
            tokio::select! {
                message = messages.recv(), if open => match message {
                    Some(message) => self.take(&message),
                    None => open = false,
                },
                // What was offered before is still received.
                () = stopping.cancelled(), if !messages.is_closed() => {
                    messages.close();
                    self.hurry();
                }
                () = shared.wake.notified(), if open => {}
                () = tokio::time::sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {}
            }
            // One a round: what is offered meanwhile is taken before the next is sent.
            while let Ok(message) = messages.try_recv() {
                self.take(&message);
            }
            let Some(next) = self.next_due() else {
                continue;
            };
            let post = self.waiting.remove(next);
            if self.send(post).await == Answer::Gone {
                warn!(
                    webhook = self.place,
                    "the receiver answered 410 Gone: nothing more is sent to it"
                );
                for post in self.waiting.drain(..) {
                    post.forget();
                }
                return;
            }
        }
        for mut post in std::mem::take(&mut self.waiting) {
            if self.keep(&mut post) {
                self.shared.kept.fetch_add(1, Ordering::Relaxed);
            } else {
                drop_one(
                    &self.dropped,
                    &self.place,
                    "stopped before it could be sent again",
                );
            }
        }
    }

    /// Once stopping: whether anything will be due before the end.
    fn more_to_send(&self) -> bool {
        let until = lock(&self.shared.until).map(|(until, _)| until);
        let until = until.unwrap_or_else(Instant::now);
        Instant::now() < until && self.waiting.iter().any(|post| post.due < until)
    }

    /// At the begin of the end: what earlier runs kept is due now, if all of it is to be tried.
    fn hurry(&mut self) {
        if let Some((_, true)) = *lock(&self.shared.until) {
            for post in self.waiting.iter_mut().filter(|post| post.inherited) {
                post.due = Instant::now();
            }
        }
    }

    fn take_kept(&mut self) {
        let Some(spool) = &self.spool else {
            return;
        };
        let now = (self.clock)();
        for (kept, slot) in spool.take() {
            if self.waiting.len() >= QUEUE {
                return;
            }
            let wait = Duration::try_from(kept.due.duration_since(now)).unwrap_or_default();
            self.waiting.push(Post {
                id: kept.id,
                body: kept.body,
                tries: kept.tries,
                since: kept.since,
                due: Instant::now() + wait.min(self.schedule.longest),
                slot: Some(slot),
                inherited: true,
            });
        }
    }

    /// Writes a message down for later. False if it cannot be kept.
    fn keep(&self, post: &mut Post) -> bool {
        let Some(spool) = &self.spool else {
            return false;
        };
        let wait = post.due.saturating_duration_since(Instant::now());
        let wait = jiff::SignedDuration::try_from(wait).unwrap_or_default();
        let now = (self.clock)();
        let kept = Kept {
            site: spool.site().to_owned(),
            id: post.id.clone(),
            body: post.body.clone(),
            tries: post.tries,
            since: post.since,
            due: now.checked_add(wait).unwrap_or(now),
        };
        match spool.keep(&kept) {
            Ok(slot) => {
                post.slot = Some(slot);
                true
            }
            Err(error) => {
                warn!(webhook = self.place, %error, "a message cannot be kept");
                false
            }
        }
    }

    /// The first message that is due.
    fn next_due(&self) -> Option<usize> {
        let now = Instant::now();
        self.waiting.iter().position(|post| post.due <= now)
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
            slot: None,
            inherited: false,
        });
    }

    fn wait(&mut self, post: Post) {
        if self.waiting.len() >= QUEUE {
            self.waiting.remove(0).forget();
            drop_one(&self.dropped, &self.place, "too many wait to be sent again");
        }
        self.waiting.push(post);
    }

    async fn send(&mut self, mut post: Post) -> Answer {
        let response = tokio::select! {
            response = self.request(&post) => response,
            () = self.end() => Err("no answer in time".into()),
        };
        let (answer, said) = match response {
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
        post.inherited = false;
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
                        // Kept at once: a process that is killed takes no message along.
                        self.keep(&mut post);
                        self.wait(post);
                        return answer;
                    }
                    None => drop_one(
                        &self.dropped,
                        &self.place,
                        &format!("{said}, after {} tries", post.tries),
                    ),
                }
            }
        }
        post.forget();
        answer
    }

    /// Waits for a stop and its deadline.
    async fn end(&self) {
        self.stopping.cancelled().await;
        let until = lock(&self.shared.until).map(|(until, _)| until);
        tokio::time::sleep_until(until.unwrap_or_else(Instant::now)).await;
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

//! Notices on the desktop, on a thread of their own that keeps their handles: on some desktops a dropped handle
//! takes its notice away. Nothing waits for this thread; what the desktop cannot show goes to the window.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use notify_rust::{Notification, NotificationHandle, NotificationResponse};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::bus;
use crate::wire::NoticeEvent;

/// How long a daemon may take for one notice.
const DEADLINE: Duration = Duration::from_secs(3);
/// How often a daemon that hung is asked whether it answers again.
const ASK_AGAIN: Duration = Duration::from_secs(5);
/// Handles kept: each is a connection to the bus.
const KEPT: usize = 16;

/// What someone did with a notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    Show,
    LogOut,
}

/// A notice to show, and what to do about the answer to it.
#[derive(Clone)]
pub struct Message {
    pub notice: NoticeEvent,
    /// Offers to log out the one person it is about.
    pub log_out: bool,
    pub answered: Arc<dyn Fn(Answer) + Send + Sync>,
}

type Fallback = Arc<dyn Fn(NoticeEvent) + Send + Sync>;

/// The door to the thread.
pub struct Notifier {
    inbox: UnboundedSender<Message>,
    fallback: Fallback,
}

impl Notifier {
    /// Starts the thread. `fallback` shows a notice in the window.
    pub fn start(fallback: impl Fn(NoticeEvent) + Send + Sync + 'static) -> Self {
        let (inbox, messages) = unbounded_channel();
        let fallback: Fallback = Arc::new(fallback);
        let theirs = Arc::clone(&fallback);
        let started = std::thread::Builder::new()
            .name("notices".into())
            .spawn(move || {
                // Without a runtime the receiver goes, and every notice is shown in the window.
                if let Ok(runtime) = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                {
                    runtime.block_on(serve(messages, theirs));
                }
            });
        if let Err(error) = started {
            tracing::warn!(%error, "no thread for notices");
        }
        Self { inbox, fallback }
    }

    /// Shows a notice, on the desktop or in the window. Returns at once.
    pub fn show(&self, message: Message) {
        if let Err(unsent) = self.inbox.send(message) {
            (self.fallback)(unsent.0.notice);
        }
    }
}

async fn serve(mut messages: UnboundedReceiver<Message>, fallback: Fallback) {
    let hangs = Arc::new(AtomicBool::new(false));
    let mut kept: VecDeque<JoinHandle<()>> = VecDeque::new();
    while let Some(message) = messages.recv().await {
        if hangs.load(Ordering::Relaxed) {
            fallback(message.notice);
            continue;
        }
        match timeout(DEADLINE, post(&message)).await {
            Ok(Ok(Some(handle))) => {
                kept.retain(|task| !task.is_finished());
                if kept.len() == KEPT
                    && let Some(oldest) = kept.pop_front()
                {
                    oldest.abort();
                }
                kept.push_back(tokio::spawn(wait(handle, message)));
            }
            Ok(Ok(None)) => fallback(message.notice),
            Ok(Err(error)) => {
                tracing::info!(%error, "the desktop does not take the notice");
                fallback(message.notice);
            }
            Err(_) => {
                tracing::warn!("the notification daemon does not answer; notices go to the window");
                fallback(message.notice);
                hangs.store(true, Ordering::Relaxed);
                tokio::spawn(recover(Arc::clone(&hangs)));
            }
        }
    }
}

/// Hands a notice to the daemon. None where there is no daemon: a call without one can hang.
async fn post(
    message: &Message,
) -> Result<Option<NotificationHandle>, Box<dyn std::error::Error + Send + Sync>> {
    if !bus::has_owner(bus::NOTIFICATIONS).await? {
        return Ok(None);
    }
    let can = bus::capabilities().await?;
    let can = |what: &str| can.iter().any(|capability| capability == what);
    let NoticeEvent { title, body, .. } = &message.notice;
    let mut notice = Notification::new();
    notice
        .appname("Curfew")
        .icon("curfew-desktop")
        .summary(title);
    // A daemon that reads markup would read it in people's names too; one that does not shows it as it is.
    if can("body-markup") {
        notice.body(&escape(body));
    } else {
        notice.body(body);
    }
    if can("actions") {
        notice.action("default", "Show").action("show", "Show");
        if message.log_out {
            notice.action("logout", "Log out");
        }
    }
    Ok(Some(notice.show_async().await?))
}

/// Keeps the handle until the notice is answered or gone.
async fn wait(handle: NotificationHandle, message: Message) {
    handle
        .wait_for_action_async(|response| match response {
            NotificationResponse::Default => (message.answered)(Answer::Show),
            NotificationResponse::Action(key) if key == "show" => (message.answered)(Answer::Show),
            NotificationResponse::Action(key) if key == "logout" && message.log_out => {
                (message.answered)(Answer::LogOut);
            }
            _ => {}
        })
        .await;
}

/// Asks the daemon until it answers, or until it is gone.
async fn recover(hangs: Arc<AtomicBool>) {
    loop {
        sleep(ASK_AGAIN).await;
        // An error is an answer as well: the bus replies, and the next notice finds out more.
        if timeout(DEADLINE, bus::capabilities()).await.is_ok() {
            hangs.store(false, Ordering::Relaxed);
            return;
        }
    }
}

/// Plain text as a daemon's markup.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

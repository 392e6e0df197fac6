//! What the window hears. Events are small and say what moved; the window asks for it. A hidden window is told
//! nothing, and everything once when it is shown again.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use curfew_engine::event::{Event, Person};
use curfew_engine::notice::{Notice, NoticeKind, Notices};
use curfew_engine::site::Site;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use specta::Type;
use tauri::{AppHandle, Manager};
use tauri_specta::Event as _;
use tokio::sync::broadcast::{Receiver, error::RecvError};
use tokio::time::{MissedTickBehavior, interval};

use crate::notify::Notifier;
use crate::state::Shell;
use crate::window;

/// At most four looks a second reach the window.
const LOOKS_EVERY: Duration = Duration::from_millis(250);
/// How often a grouped notice is asked for.
const NOTICES_EVERY: Duration = Duration::from_secs(1);
/// Notices kept for a hidden window.
const KEPT: usize = 20;

/// Something moved on the open site.
#[derive(Debug, Clone, Serialize, Deserialize, Type, tauri_specta::Event)]
pub struct SiteEvent(pub Event);

/// A notice for the window to show, where the desktop cannot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type, tauri_specta::Event)]
pub struct NoticeEvent {
    pub title: String,
    /// Plain text.
    pub body: String,
    pub people: Vec<Person>,
}

impl NoticeEvent {
    /// A notice that is about nobody in particular.
    pub fn plain(title: impl Into<String>, body: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            body: body.into(),
            people: Vec::new(),
        }
    }
}

/// Select this person: someone clicked "Show" on a notice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type, tauri_specta::Event)]
pub struct ShowUser {
    pub id: String,
}

/// Whether the window is on the screen, and the notices that wait for it.
#[derive(Default)]
pub struct Screen {
    hidden: AtomicBool,
    was_hidden: AtomicBool,
    waiting: Mutex<VecDeque<NoticeEvent>>,
}

impl Screen {
    pub fn set_hidden(&self, hidden: bool) {
        self.hidden.store(hidden, Ordering::Relaxed);
    }

    /// Notes that the window is hidden. True the first time.
    pub fn first_hidden(&self) -> bool {
        self.set_hidden(true);
        !self.was_hidden.swap(true, Ordering::Relaxed)
    }

    fn hidden(&self) -> bool {
        self.hidden.load(Ordering::Relaxed)
    }

    fn keep(&self, notice: NoticeEvent) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() == KEPT {
            waiting.pop_front();
        }
        waiting.push_back(notice);
    }

    fn take(&self) -> VecDeque<NoticeEvent> {
        std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Carries a site's events to the window and to the notices, until the site is closed.
pub async fn pump(app: AppHandle, site: Arc<Site>, mut heard: Receiver<Event>) {
    let mut notices = Notices::new(site.view().notices);
    let mut looked = None;
    let mut looks = interval(LOOKS_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut due = interval(NOTICES_EVERY);
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            event = heard.recv() => match event {
                Ok(event) => {
                    if matches!(event, Event::Settings) {
                        notices.set_rules(site.view().notices);
                    }
                    if let Some(notice) = notices.take(&event, Timestamp::now()) {
                        post(&app, &site, notice);
                    }
                    match event {
                        Event::Looked { .. } => looked = Some(event),
                        event => tell(&app, event),
                    }
                }
                Err(RecvError::Lagged(_)) => everything(&app),
                Err(RecvError::Closed) => return,
            },
            _ = looks.tick(), if looked.is_some() => {
                if let Some(event) = looked.take() {
                    tell(&app, event);
                }
            }
            _ = due.tick() => {
                if let Some(notice) = notices.due(Timestamp::now()) {
                    post(&app, &site, notice);
                }
            }
        }
    }
}

fn post(app: &AppHandle, site: &Arc<Site>, notice: Notice) {
    let idle = notice.kind == NoticeKind::Idle;
    let notice = NoticeEvent {
        title: notice.title,
        body: notice.body,
        people: notice.people,
    };
    app.state::<Notifier>()
        .show(window::message(app, site, notice, idle));
}

/// Says that all of it may have moved: after a site was opened, and when the window is shown again.
pub fn everything(app: &AppHandle) {
    tell(app, Event::Settings);
    if let Ok(Some(view)) = app.state::<Shell>().view() {
        tell(
            app,
            Event::Connection {
                connection: view.connection,
            },
        );
        tell(
            app,
            Event::Looked {
                revision: view.revision,
                counts: view.counts,
            },
        );
    }
    if !app.state::<Screen>().hidden() {
        for notice in app.state::<Screen>().take() {
            log(notice.emit(app));
        }
    }
}

/// Shows a notice inside the window; later, where it is hidden.
pub fn in_window(app: &AppHandle, notice: NoticeEvent) {
    let screen = app.state::<Screen>();
    if screen.hidden() {
        screen.keep(notice);
    } else {
        log(notice.emit(app));
    }
}

/// Asks the window to select a person.
pub fn show_user(app: &AppHandle, id: &str) {
    log(ShowUser { id: id.to_owned() }.emit(app));
}

fn tell(app: &AppHandle, event: Event) {
    if matches!(event, Event::Settings) {
        crate::tray::settings_moved(app);
    }
    if !app.state::<Screen>().hidden() {
        log(SiteEvent(event).emit(app));
    }
}

fn log(emitted: tauri::Result<()>) {
    if let Err(error) = emitted {
        tracing::warn!(%error, "cannot tell the window");
    }
}

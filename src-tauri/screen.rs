//! The window as a listener. Events are small and say what moved; the window asks for it. A hidden window is told
//! nothing, and everything once when it is shown again.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use curfew_engine::event::Event;
use curfew_engine::view::SiteView;
use tauri::{AppHandle, Manager};
use tauri_specta::Event as _;

use crate::wire::{NoticeEvent, ShowUser, SiteEvent};

/// Notices kept for a hidden window.
const KEPT: usize = 20;

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

/// Says that all of it may have moved: after a site was opened, and when the window is shown again.
pub fn everything(app: &AppHandle, view: Option<SiteView>) {
    tell(app, Event::Settings);
    if let Some(view) = view {
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

/// Tells the window of an event, unless it is hidden.
pub fn tell(app: &AppHandle, event: Event) {
    if !app.state::<Screen>().hidden() {
        log(SiteEvent(event).emit(app));
    }
}

fn log(emitted: tauri::Result<()>) {
    if let Err(error) = emitted {
        tracing::warn!(%error, "cannot tell the window");
    }
}

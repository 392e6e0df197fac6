//! Carries a site's events to the window, the tray and the notices, for as long as the site is open.

use std::sync::Arc;
use std::time::Duration;

use curfew_engine::event::Event;
use curfew_engine::notice::{Notice, NoticeKind, Notices};
use curfew_engine::site::Site;
use jiff::Timestamp;
use tauri::{AppHandle, Manager};
use tokio::sync::broadcast::{Receiver, error::RecvError};
use tokio::time::{MissedTickBehavior, interval};

use crate::notify::Notifier;
use crate::wire::NoticeEvent;
use crate::{screen, tray, window};

/// At most four looks a second reach the window.
const LOOKS_EVERY: Duration = Duration::from_millis(250);
/// How often a grouped notice is asked for.
const NOTICES_EVERY: Duration = Duration::from_secs(1);

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
                        tray::settings_moved(&app);
                    }
                    if let Some(notice) = notices.take(&event, Timestamp::now()) {
                        post(&app, &site, notice);
                    }
                    match event {
                        Event::Looked { .. } => looked = Some(event),
                        event => screen::tell(&app, event),
                    }
                }
                Err(RecvError::Lagged(_)) => screen::everything(&app, Some(site.view())),
                Err(RecvError::Closed) => return,
            },
            _ = looks.tick(), if looked.is_some() => {
                if let Some(event) = looked.take() {
                    screen::tell(&app, event);
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

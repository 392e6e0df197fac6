//! Carries a site's events to the window, the tray and the notices, for as long as the site is open.

use std::sync::Arc;
use std::time::Duration;

use curfew_engine::event::Event;
use curfew_engine::notice::{Notice, NoticeKind, Notices};
use curfew_engine::site::Site;
use jiff::Timestamp;
use tauri::{AppHandle, Manager};
use tokio::sync::broadcast::{Receiver, error::RecvError};
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::notify::Notifier;
use crate::wire::NoticeEvent;
use crate::{screen, tray, window};

/// At most four looks a second reach the window.
const LOOKS_EVERY: Duration = Duration::from_millis(250);
/// A look that found nothing new is told to the window when it has not heard for so long: it calls a picture of under
/// three seconds that of now, and waking its web view is most of what a quiet site costs.
const STILL_EVERY: Duration = Duration::from_millis(1_500);
/// How often a grouped notice is asked for.
const NOTICES_EVERY: Duration = Duration::from_secs(1);

/// Which looks the window has to hear of.
#[derive(Default)]
struct Looks {
    waiting: Option<Event>,
    told: Option<(Event, Instant)>,
}

impl Looks {
    fn take(&mut self, look: Event, now: Instant) {
        let known = self
            .told
            .as_ref()
            .is_some_and(|(told, at)| *told == look && now - *at < STILL_EVERY);
        // What it knows takes the place of what waits: that was something else in between.
        self.waiting = (!known).then_some(look);
    }

    /// Something else was told: the next look is news again.
    fn interrupted(&mut self) {
        self.told = None;
    }

    fn tell(&mut self, now: Instant) -> Option<Event> {
        let look = self.waiting.take()?;
        self.told = Some((look.clone(), now));
        Some(look)
    }
}

/// Carries a site's events to the window and to the notices, until the site is closed.
pub async fn pump(app: AppHandle, site: Arc<Site>, mut heard: Receiver<Event>) {
    let mut notices = Notices::new(site.view().notices);
    let mut looks = Looks::default();
    let mut pace = interval(LOOKS_EVERY);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
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
                        Event::Looked { .. } => looks.take(event, Instant::now()),
                        event => {
                            looks.interrupted();
                            screen::tell(&app, event);
                        }
                    }
                }
                Err(RecvError::Lagged(_)) => {
                    looks.interrupted();
                    screen::everything(&app, Some(site.view()));
                }
                Err(RecvError::Closed) => return,
            },
            _ = pace.tick(), if looks.waiting.is_some() => {
                if let Some(event) = looks.tell(Instant::now()) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use curfew_engine::view::Counts;

    fn look(revision: u32) -> Event {
        Event::Looked {
            revision,
            counts: Counts::default(),
        }
    }

    #[test]
    fn a_look_with_nothing_new_is_told_every_other_second() {
        let began = Instant::now();
        let mut looks = Looks::default();
        let told: Vec<u64> = (0..8)
            .filter(|second| {
                let now = began + Duration::from_secs(*second);
                looks.take(look(7), now);
                looks.tell(now).is_some()
            })
            .collect();
        assert_eq!(told, [0, 2, 4, 6]);
    }

    #[test]
    fn news_is_told_at_once_and_a_look_after_something_else_too() {
        let now = Instant::now();
        let mut looks = Looks::default();
        looks.take(look(1), now);
        assert_eq!(looks.tell(now), Some(look(1)));
        looks.take(look(2), now);
        assert_eq!(looks.tell(now), Some(look(2)));
        looks.take(look(2), now);
        assert_eq!(looks.tell(now), None);
        looks.interrupted();
        looks.take(look(2), now);
        assert_eq!(looks.tell(now), Some(look(2)));
    }
}

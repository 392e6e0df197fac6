//! Carries a site's events to the window, the tray and the notices, for as long as the site is open.

use std::sync::Arc;
use std::time::Duration;

use curfew_engine::event::Event;
use curfew_engine::notice::{Notice, NoticeKind, Notices};
use curfew_engine::site::Site;
use jiff::Timestamp;
use tauri::{AppHandle, Manager};
use tokio::sync::broadcast::{Receiver, error::RecvError};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use crate::notify::Notifier;
use crate::wire::NoticeEvent;
use crate::{screen, tray, window};

/// At most four looks a second reach the window.
const LOOKS_EVERY: Duration = Duration::from_millis(250);
/// A look that found nothing new waits for so long after the one before: waking the window's web view is most of what a
/// quiet site costs. A picture of under five seconds the window calls that of now.
const STILL_EVERY: Duration = Duration::from_secs(4);
/// How often a notice that is held back is asked for.
const NOTICES_EVERY: Duration = Duration::from_secs(1);

/// Which look the window hears of next, and when.
#[derive(Default)]
struct Looks {
    waiting: Option<Event>,
    /// What it knows.
    told: Option<Event>,
    at: Option<Instant>,
}

impl Looks {
    fn take(&mut self, look: Event) {
        self.waiting = Some(look);
    }

    /// Something else is told: a look that waits with news is to be told before, for it was before; and the next is news again.
    fn interrupted(&mut self) -> Option<Event> {
        let told = self.told.take();
        self.waiting
            .take()
            .filter(|look| told.as_ref() != Some(look))
    }

    /// None: no look waits.
    fn due(&self, now: Instant) -> Option<Instant> {
        let look = self.waiting.as_ref()?;
        let rest = match self.told.as_ref() == Some(look) {
            true => STILL_EVERY,
            false => LOOKS_EVERY,
        };
        Some(self.at.map_or(now, |at| at + rest))
    }

    fn tell(&mut self, now: Instant) -> Option<Event> {
        let look = self.waiting.take()?;
        self.told = Some(look.clone());
        self.at = Some(now);
        Some(look)
    }
}

/// Carries a site's events to the window and to the notices, until the site is closed.
pub async fn pump(app: AppHandle, site: Arc<Site>, mut heard: Receiver<Event>) {
    let mut notices = Notices::new(site.view().notices);
    let mut looks = Looks::default();
    let mut due = interval(NOTICES_EVERY);
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let now = Instant::now();
        let look_due = looks.due(now);
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
                        Event::Looked { .. } => looks.take(event),
                        event => {
                            if let Some(look) = looks.interrupted() {
                                screen::tell(&app, look);
                            }
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
            () = sleep_until(look_due.unwrap_or(now)), if look_due.is_some() => {
                if let Some(event) = looks.tell(Instant::now()) {
                    screen::tell(&app, event);
                }
            }
            _ = due.tick(), if notices.waits() => {
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
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use curfew_engine::view::Counts;

    fn look(revision: u32) -> Event {
        Event::Looked {
            revision,
            counts: Counts::default(),
        }
    }

    /// When it is told, in milliseconds after it came.
    fn told(looks: &mut Looks, revision: u32, now: Instant) -> u128 {
        looks.take(look(revision));
        let due = looks.due(now).unwrap().max(now);
        assert_eq!(looks.tell(due), Some(look(revision)));
        assert_eq!(looks.due(due), None);
        (due - now).as_millis()
    }

    #[test]
    fn a_look_with_nothing_new_is_told_four_seconds_after_the_one_before() {
        let began = Instant::now();
        let after = |millis| began + Duration::from_millis(millis);
        let mut looks = Looks::default();
        assert_eq!(told(&mut looks, 7, began), 0);
        assert_eq!(told(&mut looks, 7, after(1_200)), 2_800);
        assert_eq!(told(&mut looks, 7, after(8_100)), 0);
        // Of several that wait the last is told.
        looks.take(look(7));
        looks.take(look(8));
        assert_eq!(looks.due(after(8_200)), Some(after(8_350)));
        assert_eq!(looks.tell(after(8_350)), Some(look(8)));
    }

    #[test]
    fn news_is_told_at_most_four_times_a_second_and_a_look_after_something_else_is_news() {
        let now = Instant::now();
        let mut looks = Looks::default();
        assert_eq!(told(&mut looks, 1, now), 0);
        assert_eq!(told(&mut looks, 2, now), 250);
        assert_eq!(looks.interrupted(), None);
        assert_eq!(told(&mut looks, 2, now + Duration::from_secs(1)), 0);
    }

    #[test]
    fn a_look_that_waits_is_told_before_what_came_after_it_or_not_at_all() {
        let now = Instant::now();
        let mut looks = Looks::default();
        assert_eq!(told(&mut looks, 1, now), 0);
        // The database stopped answering after it: told later, it would call the picture live.
        looks.take(look(1));
        assert_eq!(looks.interrupted(), None);
        assert_eq!(looks.due(now), None);
        looks.take(look(2));
        assert_eq!(looks.interrupted(), Some(look(2)));
        assert_eq!(looks.due(now), None);
    }
}

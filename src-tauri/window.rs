//! The window itself: shown, hidden into the tray, or closed; and what a click on a notice does to it.

use std::sync::{Arc, Weak};

use curfew_engine::event::Person;
use curfew_engine::site::Site;
use curfew_engine::view::Outcome;
use tauri::{AppHandle, Manager, Window, WindowEvent};

use crate::logout;
use crate::notify::{Answer, Message, Notifier};
use crate::screen::{self, Screen};
use crate::state::Shell;
use crate::wire::NoticeEvent;

/// Over the reason why a click on "Log out" did nothing.
const NOT_DONE: &str = "Not logged out";

/// Brings the window to the front, and has it ask for everything again.
pub fn show(app: &AppHandle) {
    let Some(window) = app.get_webview_window("main") else {
        return;
    };
    let shown = window
        .show()
        .and_then(|()| window.unminimize())
        .and_then(|()| window.set_focus());
    if let Err(error) = shown {
        tracing::warn!(%error, "cannot show the window");
    }
    app.state::<Screen>().set_hidden(false);
    let view = app.state::<Shell>().view().ok().flatten();
    screen::everything(app, view);
}

/// Closing hides the window where the tray can bring it back, and ends Curfew where not.
pub fn on_event(window: &Window, event: &WindowEvent, tray_is_there: bool) {
    let WindowEvent::CloseRequested { api, .. } = event else {
        return;
    };
    let app = window.app_handle();
    if !tray_is_there || window.hide().is_err() {
        return;
    }
    api.prevent_close();
    if app.state::<Screen>().first_hidden() {
        let body = "Quit it from the tray's menu.";
        tell(app, "Curfew keeps running in the tray", body);
    }
}

/// A notice about a site, with its answers: "Show" selects the one person it is about, "Log out" signs them out
/// of the site that the notice came from, and of no other.
pub fn message(app: &AppHandle, site: &Arc<Site>, notice: NoticeEvent, log_out: bool) -> Message {
    let (app, site) = (app.clone(), Arc::downgrade(site));
    let one = match notice.people.as_slice() {
        [one] => Some(one.clone()),
        _ => None,
    };
    Message {
        notice,
        log_out: log_out && one.is_some(),
        answered: Arc::new(move |answer| match (answer, &one) {
            (Answer::Show, None) => show(&app),
            (Answer::Show, Some(person)) => {
                show(&app);
                screen::show_user(&app, &person.id);
            }
            (Answer::LogOut, Some(person)) => {
                let work = log_out_one(app.clone(), site.clone(), person.clone());
                tauri::async_runtime::spawn(work);
            }
            (Answer::LogOut, None) => {}
        }),
    }
}

async fn log_out_one(app: AppHandle, site: Weak<Site>, person: Person) {
    let Some(site) = site.upgrade() else {
        let body = "The site of that notice is not open any more.";
        return tell(&app, NOT_DONE, body);
    };
    if !site.view().armed {
        show(&app);
        screen::show_user(&app, &person.id);
        let notice = NoticeEvent {
            title: NOT_DONE.to_owned(),
            body: "This site is view-only. Switch \"Allow changes\" on first.".to_owned(),
            people: vec![person],
        };
        return screen::in_window(&app, notice);
    }
    let how = logout::how(Some("from a notice".to_owned()), false, false);
    match site.logout(&person.id, None, &how).await {
        Ok(report) => {
            let title = match report.outcome {
                // The window tells how it ended.
                _ if report.following => "Gone now, looking again for a minute",
                Outcome::SignedOut => "Signed out",
                Outcome::NothingToDo => "Nothing to do",
                Outcome::Unverified => "Not verified",
                Outcome::Partial => "Signed out in part",
                Outcome::NotPossible => "Not possible",
            };
            tell(&app, title, report.detail);
        }
        Err(error) => tell(&app, NOT_DONE, error.message),
    }
}

/// A notice with nobody to act on. A click shows the window.
pub fn tell(app: &AppHandle, title: impl Into<String>, body: impl Into<String>) {
    let there = app.clone();
    app.state::<Notifier>().show(Message {
        notice: NoticeEvent::plain(title, body),
        log_out: false,
        answered: Arc::new(move |_| show(&there)),
    });
}

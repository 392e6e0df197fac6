//! What crosses to the window besides the engine's own types: events, and a line of the list of sites.

use curfew_engine::event::{Event, Person};
use serde::{Deserialize, Serialize};
use specta::Type;

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

/// A site that can be opened by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct SiteEntry {
    pub name: String,
    /// Without user and password.
    pub address: String,
    pub demo: bool,
    /// The one that the window is about: open, or being opened, or not to be opened.
    pub open: bool,
}

//! Who there is on a site at the start of a test. Ages are seconds before now; see web/seed.py.

use serde_json::{Value, json};

#[derive(Clone)]
pub struct Person(Value);

/// Someone who has never been here.
pub fn person(username: &str) -> Person {
    Person(json!({"username": username, "sessions": []}))
}

/// Here half a minute ago, with one session.
pub fn active(username: &str) -> Person {
    here(username, 30)
}

/// Here ten minutes ago: idle, and not yet overdue.
pub fn idle(username: &str) -> Person {
    here(username, 600)
}

/// Last here two hours ago.
pub fn overdue(username: &str) -> Person {
    here(username, 7200)
}

fn here(username: &str, ago: u32) -> Person {
    let since = ago + 3600;
    person(username)
        .activity(ago)
        .login(since)
        .flag()
        // The site saves the session with the activity, a moment before.
        .session(ago + 2)
}

impl Person {
    pub fn asked(&self) -> &Value {
        &self.0
    }

    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.0[key] = value.into();
        self
    }

    pub fn activity(self, ago: u32) -> Self {
        self.with("activity_age", ago)
    }

    pub fn login(self, ago: u32) -> Self {
        self.with("login_age", ago)
    }

    pub fn flag(self) -> Self {
        self.with("flag", true)
    }

    pub fn unflagged(self) -> Self {
        self.with("flag", false)
    }

    pub fn staff(self) -> Self {
        self.with("staff", true)
    }

    pub fn superuser(self) -> Self {
        self.with("superuser", true)
    }

    /// One more session, last saved so long ago.
    pub fn session(self, saved_ago: u32) -> Self {
        self.session_with(json!({"saved_age": saved_ago}))
    }

    pub fn session_with(mut self, session: Value) -> Self {
        if let Some(sessions) = self.0["sessions"].as_array_mut() {
            sessions.push(session);
        }
        self
    }

    pub fn no_session(self) -> Self {
        self.with("sessions", json!([]))
    }
}

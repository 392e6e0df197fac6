//! What was taken from a project: settings with where each is from, and secrets that no view has.

use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};

use super::tenants::Split;
use super::{Row, TakenView};
use crate::config::{Entry, Plain};
use crate::secrets::keychain::Item;

/// A secret of the project.
#[derive(Clone)]
pub(super) struct Secret {
    pub item: Item,
    /// As it is kept: of keys, one a line.
    pub value: SecretString,
    /// The Python expression that gives it; none where only a file does.
    pub ask: Option<String>,
    /// Its row.
    pub row: usize,
}

impl Secret {
    pub fn what(&self) -> &'static str {
        match self.item {
            Item::Password => "database's password",
            Item::SecretKey => "SECRET_KEY",
            Item::SessionsPassword => "sessions' password",
            Item::CachePassword => "cache's password",
        }
    }
}

/// The key of the configuration for a command that prints such a secret, and its table.
pub(super) fn command_key(item: Item) -> (Option<&'static str>, &'static str) {
    match item {
        Item::Password => (None, "password_command"),
        Item::SecretKey => (None, "secret_key_command"),
        Item::SessionsPassword => (Some("sessions"), "password_command"),
        Item::CachePassword => (Some("sessions"), "cache_password_command"),
    }
}

/// What was taken from a project: all that a site's configuration needs. Passwords and keys are in it.
#[derive(Clone)]
pub struct Taken {
    pub(super) name: String,
    pub(super) manage: PathBuf,
    pub(super) python: PathBuf,
    pub(super) settings: Option<String>,
    pub(super) entries: Vec<Entry>,
    pub(super) secrets: Vec<Secret>,
    pub(super) rows: Vec<Row>,
    pub(super) notes: Vec<String>,
    pub(super) django: String,
    /// `None` if the project is none of django-tenants.
    pub(super) tenants: Option<Split>,
}

impl std::fmt::Debug for Taken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Taken({:?}, {:?})", self.name, self.rows)
    }
}

impl Taken {
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Another name than the project's own.
    pub fn rename(&mut self, name: &str) {
        let name = name.trim();
        if !name.is_empty() {
            self.name = name.to_owned();
        }
    }

    pub fn view(&self) -> TakenView {
        TakenView {
            name: self.name.clone(),
            manage: self.manage.display().to_string(),
            python: self.python.display().to_string(),
            django: self.django.clone(),
            rows: self.rows.clone(),
            notes: self
                .notes
                .iter()
                .cloned()
                .chain(self.which_tenant())
                .collect(),
        }
    }

    pub(super) fn row(
        &mut self,
        what: &str,
        value: impl Into<String>,
        from: impl Into<String>,
    ) -> usize {
        self.rows.push(Row {
            what: what.into(),
            value: value.into(),
            from: from.into(),
        });
        self.rows.len() - 1
    }

    pub(super) fn set(
        &mut self,
        table: Option<&'static str>,
        key: &'static str,
        value: Option<Plain>,
    ) {
        self.entries.push(Entry { table, key, value });
    }

    pub(super) fn text(
        &mut self,
        table: Option<&'static str>,
        key: &'static str,
        value: Option<&str>,
    ) {
        self.set(table, key, value.map(|text| Plain::Text(text.to_owned())));
    }

    pub(super) fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    /// A password, where there is one that can be kept.
    pub(super) fn password(
        &mut self,
        item: Item,
        value: Option<&SecretString>,
        ask: Option<&str>,
        from: String,
    ) {
        let Some(value) = value.filter(|value| !value.expose_secret().is_empty()) else {
            return;
        };
        let secret = Secret {
            item,
            value: value.clone(),
            ask: ask.map(str::to_owned),
            row: self.rows.len(),
        };
        let what = secret.what();
        if keepable(value) {
            self.row(what, "known", from);
            self.secrets.push(secret);
        } else {
            self.note(format!(
                "The {what} has blanks at its ends or several lines, and is not taken."
            ));
        }
    }
}

/// A secret is kept as one line, trimmed.
pub(super) fn keepable(secret: &SecretString) -> bool {
    let text = secret.expose_secret();
    !text.is_empty() && text.trim() == text && !text.contains(['\n', '\r'])
}

//! A site taken from its Django project: the project is asked, through its own Python, what the site needs to know.
//! Passwords and keys go to the keychain or stay with the project; none is in a view, a file or an error.

mod answer;
mod cache;
mod command;
mod database;
mod place;
mod run;
mod save;
mod sessions;
mod take;
mod taken;
mod tenants;
mod words;

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;
use specta::Type;

use crate::error::Result;

pub use save::{Saved, check_name, remove, save, try_out};
pub use taken::Taken;

/// How long a project may take to answer.
pub const LIMIT: Duration = Duration::from_secs(60);

/// A Django project, as somebody names it.
#[derive(Debug, Clone)]
pub struct Project {
    /// Its manage.py, or the folder that holds it.
    pub manage: PathBuf,
    /// Its Python, or the folder of its virtual environment; none: the one found near it.
    pub python: Option<PathBuf>,
    /// The settings' module, where manage.py does not say the right one.
    pub settings: Option<String>,
    pub limit: Duration,
}

impl Project {
    pub fn at(manage: impl Into<PathBuf>) -> Self {
        Self {
            manage: manage.into(),
            python: None,
            settings: None,
            limit: LIMIT,
        }
    }
}

/// Asks a project. Opens no connection, and writes nothing.
///
/// # Errors
/// `Code::Config` where there is no manage.py or no Python; `Code::Project` where the project cannot be asked, or its
/// answer has nothing that Curfew could look at.
pub async fn ask(project: &Project) -> Result<Taken> {
    let manage = place::manage(&project.manage)?;
    let python = place::python(project.python.as_deref(), &manage)?;
    let answer = run::run(project, &manage, &python).await?;
    take::take(answer, manage, python)
}

/// One thing that was taken from a project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Type)]
pub struct Row {
    /// "database", "session engine", ...
    pub what: String,
    /// Its value; of a secret, only that it is known and where it is kept.
    pub value: String,
    /// The setting that it is from.
    pub from: String,
}

/// What was taken from a project, for people. No secret is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Type)]
pub struct TakenView {
    /// The name that the site will have.
    pub name: String,
    pub manage: String,
    pub python: String,
    /// "5.2.1"
    pub django: String,
    pub rows: Vec<Row>,
    /// What could not be taken over, or needs a person to look: whole sentences.
    pub notes: Vec<String>,
}

//! A site taken from its Django project, as the window asks for it: asked first, shown, and saved only then. What was
//! asked waits here, secrets and all; the window gets the words of it.

use std::path::PathBuf;

use curfew_engine::config::Env;
use curfew_engine::error::Result;
use curfew_engine::import::{self, Project, Taken, TakenView};
use tokio::sync::Mutex;

/// What was asked last, until it is a site.
#[derive(Default)]
pub struct Asked(Mutex<Option<Waiting>>);

struct Waiting {
    taken: Taken,
    /// The name it was saved under already, where the saved site could not be opened then.
    saved: Option<String>,
}

impl Asked {
    /// Asks a project through its own Python. Saves nothing.
    pub async fn ask(&self, manage: &str, python: Option<String>) -> Result<TakenView> {
        let project = Project {
            python: python.map(PathBuf::from),
            ..Project::at(manage)
        };
        let mut waiting = self.0.lock().await;
        *waiting = None;
        let taken = import::ask(&project).await?;
        let view = taken.view();
        *waiting = Some(Waiting { taken, saved: None });
        Ok(view)
    }

    /// Saves what was asked last under this name. Returns what could not be kept or taken over and was not told yet;
    /// none where nothing was asked.
    pub async fn save(&self, name: &str, env: &Env) -> Result<Option<Vec<String>>> {
        let mut waiting = self.0.lock().await;
        let Some(waiting) = waiting.as_mut() else {
            return Ok(None);
        };
        let told = waiting.taken.view().notes;
        waiting.taken.rename(name);
        let again = waiting.saved.as_deref() == Some(name);
        let saved = import::save(&waiting.taken, env, again).await?;
        waiting.saved = Some(saved.name);
        let news = saved.notes.into_iter().filter(|note| !told.contains(note));
        Ok(Some(news.collect()))
    }

    /// It is a site now, and open.
    pub async fn done(&self) {
        *self.0.lock().await = None;
    }
}

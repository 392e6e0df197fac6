//! Opens a site anew when its tables are no longer what was found. A migration can take a column away for a moment, and
//! the site would then stay without its flag or its evidence.

use std::sync::Arc;
use std::time::Duration;

use curfew_engine::site::Site;
use tauri::async_runtime::{JoinHandle, spawn};
use tauri::{AppHandle, Manager};

use crate::state::Shell;

/// Between two comparisons: at first, and while the database refuses statements; and later on.
const FIRST: Duration = Duration::from_secs(5);
const LAST: Duration = Duration::from_secs(300);

pub fn start(app: AppHandle, site: Arc<Site>) -> JoinHandle<()> {
    spawn(async move {
        let mut pause = FIRST;
        loop {
            tokio::time::sleep(pause).await;
            pause = match site.view().connection.error {
                Some(_) => FIRST,
                None => (pause * 2).min(LAST),
            };
            match site.tables_moved(&site.settings()).await {
                Ok(moved) if !moved.is_empty() => {
                    tracing::info!(?moved, "the tables have changed: the site is opened anew");
                    let (app, site) = (app.clone(), Arc::clone(&site));
                    // On a task of its own: to open a site ends this one.
                    spawn(async move { app.state::<Shell>().open_anew(&app, &site).await });
                    pause = FIRST;
                }
                Ok(_) => {}
                Err(error) => tracing::debug!(%error, "the tables cannot be compared"),
            }
        }
    })
}

//! Whether a site's tables are still what was found when it was opened. A migration moves them under an open site.

use super::Site;
use super::open::reach;
use super::wiring::explore;
use crate::config::SiteConfig;
use crate::error::{Code, Result};
use crate::secrets;

impl Site {
    /// Reads the catalog over a connection of its own. Returns what is found otherwise now than when the site was
    /// opened: the activity column, the flag, a table.
    ///
    /// # Errors
    /// As for [`Site::open`]: a required column may be missing just now.
    pub async fn tables_moved(&self, config: &SiteConfig) -> Result<Vec<String>> {
        let mut asked = config.clone();
        self.lend_secrets(&mut asked);
        let reached = match reach(&asked).await {
            // The password may be another by now.
            Err(error) if error.code == Code::Denied => {
                asked = config.clone();
                secrets::complete(&mut asked).await?;
                reach(&asked).await?
            }
            reached => reached?,
        };
        let mut config = asked;
        let explored = explore(&mut config, &reached.db).await;
        reached.db.close().await;
        let explored = explored?;
        if let Some(apart) = &explored.apart {
            apart.close().await;
        }
        let found = explored.found;
        let value = |all: &[crate::view::Found], what: &str| {
            let one = all.iter().find(|found| found.what == what);
            one.and_then(|found| found.value.clone())
        };
        let mut moved: Vec<String> = self
            .found
            .iter()
            .chain(&found)
            .filter(|one| value(&self.found, &one.what) != value(&found, &one.what))
            .map(|one| one.what.clone())
            .collect();
        moved.sort();
        moved.dedup();
        Ok(moved)
    }

    /// Puts in the secrets that the site was opened with, so that this check, which comes often, runs no command.
    fn lend_secrets(&self, config: &mut SiteConfig) {
        let opened = self.settings();
        config.address = opened.address;
        config.read_address = opened.read_address;
        if config.sessions.url.is_some() {
            config.sessions.url = opened.sessions.url;
        }
        if config.sessions.cache.is_some() {
            config.sessions.cache = opened.sessions.cache;
        }
        config.secret_key = opened.secret_key;
        config.secret_key_fallbacks = opened.secret_key_fallbacks;
    }
}

//! The looks after a sweep's deed, and what is made of a session that is there again.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::Done;
use super::plan::{Plan, Taken};
use crate::error::Result;
use crate::site::{Site, hold};
use crate::store::{SessionKey, UserId};

/// Where a request under way can bring a session back, it is looked again after this long.
const SOON: Duration = Duration::from_secs(5);
pub(super) const CAME_BACK: &str = "came back";

impl Site {
    /// Looks again: the sessions are gone, and the flags are down. A site's full save of a user can write an
    /// old flag back; such a flag is cleared once more.
    ///
    /// Where a request under way can bring a session back, it is looked once more a little later. Unlike a logout, a
    /// sweep does not delete again what came back: the request that saved it is somebody's doing, and whoever does
    /// something is not idle. They stay, and are told of as such. Nor does it wait for a minute: who was idle for so long
    /// has no request that old, and who comes back later is in the roster and before the next sweep, like anybody else.
    pub(super) async fn verify(&self, plan: &Plan, done: &mut Done) -> bool {
        if done.broken.is_some() || done.refused.is_some() {
            return false;
        }
        let lasting = self.can_come_back() && !done.deleted.is_empty();
        let Ok(mut back) = self.look_after(done).await else {
            return false;
        };
        if lasting {
            tokio::time::sleep(SOON / 2).await;
            // The window's picture must not grow old meanwhile; the look that counts is the next.
            let _kept_young = self.look().await;
            tokio::time::sleep(SOON / 2).await;
            match self.look_after(done).await {
                Ok(again) => back.extend(again),
                Err(_) => return false,
            }
            let owners: HashMap<&SessionKey, &Taken> = plan
                .taken
                .iter()
                .flat_map(|t| t.keys().map(move |key| (key, t)))
                .collect();
            for key in &back {
                if let Some(taken) = owners.get(key) {
                    done.spared.insert(taken.id.clone(), CAME_BACK);
                }
            }
            done.deleted.retain(|key| !back.contains(key));
            back.clear();
        }
        back.is_empty() && (done.deleted.is_empty() || self.store.sees_copies())
    }

    /// One look after the deed: which of the deleted sessions are there again. Clears the flags that are.
    async fn look_after(&self, done: &Done) -> Result<HashSet<SessionKey>> {
        let (back, looked) = tokio::join!(
            self.store.surviving(&done.deleted),
            self.look_for_sweep(&done.marked)
        );
        let (back, ()) = (back?, looked?);
        let rewritten: Vec<UserId> = {
            let roster = hold(&self.roster);
            done.marked
                .iter()
                .filter(|id| {
                    roster
                        .person(id)
                        .is_some_and(|p| p.usable() == 0 && p.is_flagged())
                })
                .cloned()
                .collect()
        };
        for id in &rewritten {
            self.store.clear_flag(id).await?;
        }
        Ok(back.into_iter().collect())
    }
}

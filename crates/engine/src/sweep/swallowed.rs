//! Sessions that a sweep's deletion did not take although nobody touched them: a trigger, rule or policy keeps the rows.

use super::apply::Done;
use super::plan::Plan;
use crate::site::{Site, hold};
use crate::store::{Hold, SessionKey, UserId};
use crate::view::Doubt;

impl Site {
    /// Compares what was to go with what is still there. Of those who were spared, some came back, and some have rows that
    /// the database keeps. Only a table with a trigger, rule or policy on its deletions can keep a row.
    pub(super) async fn swallowed(&self, plan: &Plan, done: &mut Done) -> Option<Doubt> {
        let spared: Vec<(&UserId, Vec<SessionKey>)> = plan
            .taken
            .iter()
            .filter(|taken| done.spared.contains_key(&taken.id))
            .map(|taken| (&taken.id, taken.keys().cloned().collect()))
            .filter(|(_, keys): &(_, Vec<SessionKey>)| !keys.is_empty())
            .collect();
        if spared.is_empty() {
            return None;
        }
        let keepers = self.store.keepers().await.ok()?;
        if keepers.is_empty() {
            return None;
        }
        let keys: Vec<SessionKey> = spared.iter().flat_map(|(_, keys)| keys.clone()).collect();
        let there = self.store.surviving(&keys).await.ok()?;
        let mut kept = 0;
        for (id, keys) in spared {
            let seen = {
                let roster = hold(&self.roster);
                roster.person(id).and_then(|person| person.last_seen())
            };
            let count = keys.iter().filter(|key| there.contains(key)).count();
            if count > 0 && seen.is_none_or(|at| at <= plan.cutoff) {
                done.spared.insert(id.clone(), Hold::Swallowed);
                kept += u32::try_from(count).unwrap_or(u32::MAX);
            }
        }
        (kept > 0).then(|| Doubt::delete_swallowed(kept, &keepers))
    }
}

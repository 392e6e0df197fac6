//! The looks after a sweep's deed, and what is made of a session that is there again.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Duration;

use super::apply::Done;
use super::plan::{Plan, Taken};
use crate::error::Result;
use crate::site::{Site, hold};
use crate::store::{AGES, BatchDone, Hold, SessionKey, Sink, UserId, held_up};

/// Where a request under way can bring a session back, it is looked again after this long.
const SOON: Duration = Duration::from_secs(5);

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
        if self.look_after(done).await.is_err() {
            return false;
        }
        // All were looked for when their batch was over. What is there again since then was saved, and where dates tell that
        // look has met it; where they do not, all are asked for once more.
        let met: Vec<SessionKey> = {
            let mut roster = hold(&self.roster);
            let mut met = |key: &&SessionKey| !done.dates_told || roster.knows(key.lend());
            let met = done.deleted.iter().filter(|key| met(key));
            met.chain(&done.there).cloned().collect()
        };
        let Ok(met) = self.there(&met).await else {
            return false;
        };
        let mut back: HashSet<SessionKey> = met.into_iter().collect();
        if lasting {
            tokio::time::sleep(SOON / 2).await;
            // The window's picture must not grow old meanwhile; the look that counts is the next.
            let _kept_young = self.look().await;
            tokio::time::sleep(SOON / 2).await;
            let (there, looked) = tokio::join!(self.there(&done.deleted), self.look_after(done));
            match there.and_then(|there| looked.map(|()| there)) {
                Ok(again) => back.extend(again),
                Err(_) => return false,
            }
            if self.see(&back).await.is_err() {
                return false;
            }
            let owners: HashMap<&SessionKey, &Taken> = plan
                .taken
                .iter()
                .flat_map(|t| t.keys().map(move |key| (key, t)))
                .collect();
            for key in &back {
                if let Some(taken) = owners.get(key) {
                    done.spared.insert(taken.id.clone(), Hold::CameBack);
                }
            }
            done.deleted.retain(|key| !back.contains(key));
            back.clear();
        } else if !back.is_empty() {
            // It is not verified, seen or not.
            let _seen = self.see(&back).await;
        }
        !done.kept_somebody()
            && back.is_empty()
            && (done.deleted.is_empty() || self.store.sees_copies())
    }

    /// What a batch took is not there for the roster either.
    pub(super) fn forget(&self, batch: &BatchDone) {
        let mut roster = hold(&self.roster);
        roster.forget(&batch.deleted);
        roster.unflag(&batch.marked);
    }

    /// A batch's sessions that were deleted, and which of them are there again: asked for once it is over, while the database
    /// has at hand where they lay. What cannot be asked for now may be there.
    ///
    /// Each by its key, though dates tell what is saved: what puts a row back as it was, a trigger for one, moves no date.
    pub(super) async fn there_again(
        &self,
        deleted: Vec<SessionKey>,
    ) -> (Vec<SessionKey>, Vec<SessionKey>) {
        let there = self.there(&deleted).await;
        let there = there.unwrap_or_else(|_| deleted.clone());
        (deleted, there)
    }

    /// The ages by which looks find what is saved. None: dates do not tell all of it.
    pub(super) fn told_by_dates(&self) -> Option<BTreeSet<i64>> {
        let mut roster = hold(&self.roster);
        let tell = self.store.looks_by_dates() && roster.dates_tell(AGES);
        tell.then(|| roster.ages().into_iter().collect())
    }

    /// Whether looks find all that they found before these sessions went.
    pub(super) fn still_told_by_dates(&self, before: Option<BTreeSet<i64>>) -> bool {
        match (before, self.told_by_dates()) {
            (Some(before), Some(now)) => before.is_subset(&now),
            _ => false,
        }
    }

    /// What is there again is to be seen at once. Where no date told of it, only a look at all sessions meets it.
    async fn see(&self, back: &HashSet<SessionKey>) -> Result<()> {
        let met = {
            let mut roster = hold(&self.roster);
            back.iter().all(|key| roster.knows(key.lend()))
        };
        match met {
            true => Ok(()),
            false => self.look_whole(&[]).await,
        }
    }

    /// Which of these sessions are there.
    async fn there(&self, keys: &[SessionKey]) -> Result<Vec<SessionKey>> {
        match keys {
            [] => Ok(Vec::new()),
            keys => self.store.surviving(keys).await,
        }
    }

    /// One look after the deed. Clears the flags that are up again. Where only a listing of all sessions would tell what was
    /// saved, none is made: the keys are asked for one by one.
    async fn look_after(&self, done: &Done) -> Result<()> {
        if done.dates_told {
            self.look_fresh(&done.marked).await?;
        } else {
            self.look_at_people(&done.marked).await?;
            // What a listing under way had read before it went.
            hold(&self.roster).forget(&done.deleted);
        }
        if self.raised(done).is_empty() {
            return Ok(());
        }
        // Whoever signed in again has a flag by right: that is known once their new session would have been met.
        self.look_whole(&done.marked).await?;
        for id in self.raised(done) {
            // Who is being written right now may be here.
            if let Err(error) = self.store.clear_flag(&id).await
                && !held_up(&error)
            {
                return Err(error);
            }
        }
        Ok(())
    }

    /// Whose flag was cleared and is up, with no session that lets them in.
    fn raised(&self, done: &Done) -> Vec<UserId> {
        let roster = hold(&self.roster);
        let up = |id: &&UserId| {
            let person = roster.person(id);
            person.is_some_and(|p| p.usable() == 0 && p.is_flagged())
        };
        done.marked.iter().filter(up).cloned().collect()
    }
}

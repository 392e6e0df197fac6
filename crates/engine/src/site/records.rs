//! Outcomes on their way into the journal, and those that processes which ended have left open.
//! Invariant: an outcome that cannot be written never turns what was done into a refusal.

use jiff::{SignedDuration, Timestamp};

use super::{Site, hold};
use crate::error::{Code, Error, Result};
use crate::journal::{self, Draft, LeftOpen};
use crate::store::UserId;
use crate::sweep::blocking;
use crate::view::{Deed, Entry, EntryUser, Phase};

/// Requests last no longer than this.
const UNDER_WAY: SignedDuration = SignedDuration::from_secs(60);

impl Site {
    /// Writes outcomes. `last` is false for interim outcomes, which are not fsynced. If the journal cannot be written,
    /// [`Site::unrecorded`] says so until it can be.
    pub(crate) async fn record_outcomes(&self, outcomes: Vec<Draft>, last: bool) {
        let recorded = match last {
            true => self.record_all(outcomes).await,
            false => self.note_all(outcomes).await,
        };
        self.note_recorded(recorded);
    }

    fn note_recorded(&self, recorded: Result<()>) {
        *hold(&self.unrecorded) = match recorded {
            Ok(()) => None,
            Err(error) => {
                tracing::warn!(%error, "an outcome is not in the journal");
                let text = format!(
                    "The journal lacks the outcome of what was done: {}. Curfew writes the outcome when the journal can be written again",
                    error.message
                );
                Some(Error::new(Code::Journal, text))
            }
        };
    }

    /// Why the journal lacks an outcome of something that was done, if it does.
    pub fn unrecorded(&self) -> Option<Error> {
        hold(&self.unrecorded).clone()
    }

    /// Why the journal's head is not in the file that `journal_heads` names, if it is not.
    pub fn heads_fault(&self) -> Option<String> {
        self.journal.heads_fault()
    }

    /// Gives the entries of this state directory's journal, of all sites, newest first, until the answer is false. Nothing is
    /// verified.
    pub(crate) fn newest_entries(&self, each: impl FnMut(Entry) -> bool) -> Result<()> {
        journal::newest(&self.state_dir, each)
    }

    /// Whether this site's journal has written anything since the site was opened.
    pub fn has_recorded(&self) -> bool {
        self.journal.head().is_some()
    }

    /// Writes what could not be written before, and settles what other processes left open. Failures wait for the
    /// next time: neither keeps anything else from being done.
    pub(crate) async fn tidy_journal(&self) {
        if let Some(webhook) = &self.webhook {
            webhook.send_kept();
        }
        let (journal, name) = (self.journal.clone(), self.name());
        let found = blocking(move || {
            let owed = journal.write_owed()?;
            Ok((owed, journal.left_open(&name)?))
        });
        match found.await {
            Ok((owed, left)) => {
                if owed > 0 {
                    self.note_recorded(Ok(()));
                }
                if !left.is_empty()
                    && let Err(error) = self.settle_left_open(left).await
                {
                    tracing::warn!(%error, "actions that were left open are not settled");
                }
            }
            Err(error) => tracing::debug!(%error, "the journal cannot be tidied"),
        }
    }

    async fn settle_left_open(&self, left: Vec<LeftOpen>) -> Result<()> {
        let intents = || left.iter().flat_map(|one| &one.intents);
        let mut ids: Vec<UserId> = intents()
            .flat_map(|intent| &intent.users)
            .filter(|user| !user.id.is_empty())
            .map(|user| UserId::new(user.id.as_str()))
            .collect();
        ids.sort();
        ids.dedup();
        self.look_whole(&ids).await?;
        let mut outcomes = Vec::new();
        for intent in intents() {
            outcomes.push(self.found_later(intent).await?);
        }
        let journal = self.journal.clone();
        blocking(move || journal.settle(left, outcomes)).await
    }

    /// The outcome of an intent, by what is found now.
    async fn found_later(&self, intent: &Entry) -> Result<Draft> {
        let switched = matches!(intent.deed, Deed::Suspend | Deed::Allow);
        let now = self.db_now().unwrap_or_else(Timestamp::now);
        let (mut meant, mut gone) = (0usize, 0usize);
        let mut users = Vec::new();
        let mut still: Vec<String> = Vec::new();
        for user in &intent.users {
            let id = UserId::new(user.id.as_str());
            meant += user.sessions.len();
            let roster = hold(&self.roster);
            let there = |print: &String| match user.id.is_empty() {
                true => roster.unreadable_by_fingerprint(print).is_ok(),
                false => roster.key_by_fingerprint(&id, print).is_ok(),
            };
            let gone_now: Vec<String> = user
                .sessions
                .iter()
                .filter(|print| !there(print))
                .cloned()
                .collect();
            gone += gone_now.len();
            if roster.usable_of(&id, now) > 0 {
                still.push(format!("{} is signed in", user.username));
            } else if roster.flagged_now(&id) {
                still.push(format!("{} is still marked active", user.username));
            }
            users.push(EntryUser {
                sessions: gone_now,
                ..user.clone()
            });
        }
        if switched {
            for user in &intent.users {
                let state = match self.lookup(&format!("id:{}", user.id)).await {
                    Ok(account) if account.enabled => "is enabled",
                    Ok(_) => "is disabled",
                    Err(error) if error.code == Code::NoUser => "no longer exists",
                    Err(error) => return Err(error),
                };
                still.push(format!("the account of {} {state}", user.username));
            }
        }
        let seen = self.all_visible()
            && self.store.sees_copies()
            && self.doubts("a user").await.is_empty();
        // A request that was under way when the process ended may still bring a session back.
        let settled = !self.can_come_back() || now.duration_since(intent.at) > UNDER_WAY;
        let seen = seen && settled;
        let mut text = format!(
            "settled later: Curfew ended before it recorded the outcome. Found now: {gone} of {meant} sessions are gone"
        );
        const NAMED: usize = 5;
        let more = still.len().saturating_sub(NAMED);
        still.truncate(NAMED);
        if more > 0 {
            still.push(format!("and {more} more"));
        }
        if !still.is_empty() {
            text.push_str("; ");
            text.push_str(&still.join(", "));
        }
        if !seen {
            text.push_str("; not everything that lets a user in could be checked");
        }
        Ok(Draft {
            at: now,
            operator: self.operator.clone(),
            site: intent.site.clone(),
            deed: intent.deed,
            phase: Phase::Outcome,
            id: intent.id.clone(),
            users,
            reason: intent.reason.clone(),
            outcome: Some(text),
            // Who deleted what is gone is not known.
            users_marked: None,
            sessions_deleted: None,
            verified: Some(seen && gone == meant && !switched && still.is_empty()),
        })
    }
}

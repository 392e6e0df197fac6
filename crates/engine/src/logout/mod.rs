//! Force logout of people, or of one session, at once and whatever their activity: delete, look again, delete what came
//! back, and only then "signed out". Several people share each look and each writing of the journal.

mod again;
pub(crate) mod ending;
mod guards;
mod record;
mod tokens;
mod words;

use std::sync::Arc;

use crate::config::Engine;
use crate::error::{Code, Error, Result};
use crate::journal::{self, clean_reason};
use crate::site::{Site, hold};
use crate::store::UserId;
use crate::tokens::Standing;
use crate::view::{Doubt, LogoutReport, ReasonCode, State, Unreadables, UserView};

use ending::{Ending, Leaver, Look, Target};

pub(crate) use words::sessions;
use words::{Ground, conclude, nothing};

/// How long to go on looking where a request under way can bring a session back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Follow {
    /// Report after a few seconds; where a session can come back, that is "unverified".
    #[default]
    No,
    /// Report after the last look, a minute later.
    Wait,
    /// Where a session can come back: report after the first look, and go on; an event with the same deed tells how it
    /// ended. Elsewhere as [`Follow::No`], and an event tells of a user who signs in again within a minute.
    Background,
}

/// How a deed of one person's hand is to be done.
#[derive(Debug, Clone, Default)]
pub struct How {
    /// In the operator's words, for the journal.
    pub reason: Option<String>,
    pub follow: Follow,
    /// The operator's own account may be meant.
    pub consent: bool,
    /// Revoke the user's API tokens, too.
    pub tokens: bool,
}

impl How {
    pub fn because(reason: impl Into<String>) -> Self {
        Self {
            reason: Some(reason.into()),
            ..Self::default()
        }
    }

    pub(crate) fn cleaned(&self) -> Option<String> {
        self.reason.as_deref().and_then(clean_reason)
    }
}

/// Someone who is about to be signed out, and the name of the deed.
struct Leaving {
    user: UserView,
    deed: String,
    leaver: Leaver,
}

impl Site {
    /// Signs out the user with this id: one session, named by fingerprint, or all of them. Takes about three seconds, or
    /// five where a session can come back, most of it waiting for the second look; a minute with [`Follow::Wait`].
    ///
    /// # Errors
    /// Guards, and whatever failed before anything was done.
    pub async fn logout(
        self: &Arc<Self>,
        id: &str,
        fingerprint: Option<&str>,
        how: &How,
    ) -> Result<LogoutReport> {
        let orders = [(id.to_owned(), fingerprint.map(str::to_owned))];
        only(self.logout_all(&orders, how).await)
    }

    /// As [`Site::logout`] of all sessions of each, with the looks shared. One answer each, in the order asked.
    pub async fn logout_many(
        self: &Arc<Self>,
        ids: &[String],
        how: &How,
    ) -> Vec<Result<LogoutReport>> {
        let orders: Vec<_> = ids.iter().map(|id| (id.clone(), None)).collect();
        self.logout_all(&orders, how).await
    }

    /// The sessions that cannot be read, at most `limit` of them by name.
    pub fn unreadable(&self, limit: usize) -> Unreadables {
        hold(&self.roster).unreadable(limit)
    }

    /// Ends a session that cannot be read, named by its fingerprint. The report's user is "(unreadable)", with an empty
    /// id, unless the session's table says whose it is.
    ///
    /// # Errors
    /// As for [`Site::logout`].
    pub async fn logout_unreadable(
        self: &Arc<Self>,
        fingerprint: &str,
        how: &How,
    ) -> Result<LogoutReport> {
        self.may_end_sessions().await?;
        let known = hold(&self.roster).unreadable_by_fingerprint(fingerprint);
        let (key, owner) = match known {
            Ok(known) => known,
            Err(_) => {
                self.look_whole(&[]).await?;
                hold(&self.roster).unreadable_by_fingerprint(fingerprint)?
            }
        };
        let user = match &owner {
            Some(id) => self.lookup(&format!("id:{id}")).await?,
            None => nobody("", "(unreadable)"),
        };
        self.need_consent(&user, how, "log out")?;
        let leaving = Leaving {
            user,
            deed: journal::new_id()?,
            leaver: Leaver::new(owner, Target::Session, vec![key]),
        };
        only(self.end(vec![leaving], how).await)
    }

    async fn logout_all(
        self: &Arc<Self>,
        orders: &[(String, Option<String>)],
        how: &How,
    ) -> Vec<Result<LogoutReport>> {
        if let Err(error) = self.may_end_sessions().await {
            let mut answers = Vec::with_capacity(orders.len());
            for (id, fingerprint) in orders {
                let tokens = self.revokes_tokens(how.tokens) && fingerprint.is_none();
                answers.push(match tokens && error.code == Code::NotPossible {
                    true => self.tokens_anyway(id, how, &error).await,
                    false => Err(error.clone()),
                });
            }
            return answers;
        }
        let mut answers: Vec<Option<Result<LogoutReport>>> = Vec::with_capacity(orders.len());
        let mut leaving = Vec::new();
        let mut whole = false;
        for (id, fingerprint) in orders {
            let answer = self
                .prepare(id, fingerprint.as_deref(), how, &mut whole)
                .await;
            answers.push(match answer {
                Ok(Prepared::Leaves(one)) => {
                    leaving.push(*one);
                    None
                }
                Ok(Prepared::Nothing(user)) => {
                    let report = self.nothing_to_do(*user).await;
                    Some(self.tokens_alone(report, how).await)
                }
                Err(error) => Some(Err(error)),
            });
        }
        let mut ended = self.end(leaving, how).await.into_iter();
        // Afterwards: nobody's sign-out waits for what another process left open.
        self.tidy_journal().await;
        answers
            .into_iter()
            .map(|answer| answer.or_else(|| ended.next()).unwrap_or_else(lost))
            .collect()
    }

    /// What is to go of this person. `whole`: a whole look has been taken for somebody before.
    async fn prepare(
        &self,
        id: &str,
        fingerprint: Option<&str>,
        how: &How,
        whole: &mut bool,
    ) -> Result<Prepared> {
        let user = self.lookup(&format!("id:{id}")).await?;
        self.need_consent(&user, how, "log out")?;
        let id = UserId::new(user.id.as_str());
        loop {
            let found = match fingerprint {
                Some(fingerprint) => hold(&self.roster)
                    .key_by_fingerprint(&id, fingerprint)
                    .map(|key| (Target::Session, vec![key])),
                None => Ok((Target::User(id.clone()), hold(&self.roster).keys_of(&id))),
            };
            let missed = match &found {
                Ok((_, keys)) => keys.is_empty(),
                Err(_) => true,
            };
            // That there is nothing is not said on the word of a hasty look.
            if missed && !*whole {
                self.look_whole(std::slice::from_ref(&id)).await?;
                // Only now: after a look that failed, nothing is known of those who come after either.
                *whole = true;
                continue;
            }
            let (target, keys) = found?;
            let flagged = hold(&self.roster).flagged_now(&id);
            // What went a moment ago can come back: it is looked for as what goes now is.
            let gone = keys.is_empty() && self.can_still_come_back(&id);
            if keys.is_empty() && !flagged && !gone {
                return Ok(Prepared::Nothing(Box::new(user)));
            }
            let mut leaver = Leaver::new(Some(id), target, keys);
            leaver.progress.meant |= gone;
            leaver.progress.keys_lost = gone && !self.store.lists_copies();
            return Ok(Prepared::Leaves(Box::new(Leaving {
                deed: journal::new_id()?,
                leaver,
                user,
            })));
        }
    }

    async fn nothing_to_do(&self, user: UserView) -> LogoutReport {
        let doubts = self.doubts("this user").await;
        nothing(user, self.store.whole(), self.store.sees_copies(), doubts)
    }

    /// The deed itself, from the journal's intent to its outcome.
    async fn end(
        self: &Arc<Self>,
        mut leaving: Vec<Leaving>,
        how: &How,
    ) -> Vec<Result<LogoutReport>> {
        if leaving.is_empty() {
            return Vec::new();
        }
        let reason = how.cleaned();
        let intents = leaving
            .iter()
            .map(|one| self.logout_intent(&one.user, &one.leaver.doomed, reason.clone(), &one.deed))
            .collect();
        // While the intent goes onto the disk: who has signed in since the last look goes at once, too. Where the glance
        // fails, what is known goes all the same, and the looks after it find the rest.
        let everything = |one: &Leaving| one.leaver.target != Target::Session;
        let glance = async {
            if leaving.iter().any(everything) {
                let _seen = self.glance().await;
            }
        };
        let (recorded, ()) = tokio::join!(self.record_all(intents), glance);
        if let Err(error) = recorded {
            return leaving.iter().map(|_| Err(error.clone())).collect();
        }
        for one in &mut leaving {
            if let Target::User(id) = &one.leaver.target {
                let known = hold(&self.roster).keys_of(id);
                one.leaver.doom(known);
            }
        }
        let (names, people): (Vec<(UserView, String)>, Vec<Leaver>) = leaving
            .into_iter()
            .map(|one| ((one.user, one.deed), one.leaver))
            .unzip();
        let mut ending = Ending::new(self, people);
        ending.pass(self, Look::Once).await;
        let mut tokens = self.take_tokens(&names, &ending, how.tokens).await;
        if ending.lasting && how.follow == Follow::Background {
            let first = self
                .close_deed(&names, &ending, &tokens, reason.as_deref(), true)
                .await;
            let site = Arc::clone(self);
            tokio::spawn(async move {
                ending.look_soon(&site).await;
                ending.look_late(&site).await;
                site.check_tokens(&mut tokens).await;
                // Each of them is told of by an event; here is nobody left to be told.
                let _told = site
                    .close_deed(&names, &ending, &tokens, reason.as_deref(), false)
                    .await;
                site.wake.notify_one();
            });
            self.wake.notify_one();
            return first;
        }
        ending.look_soon(self).await;
        if how.follow == Follow::Wait {
            ending.look_late(self).await;
        }
        self.check_tokens(&mut tokens).await;
        let reports = self
            .close_deed(&names, &ending, &tokens, reason.as_deref(), false)
            .await;
        if how.follow == Follow::Background {
            self.watch_for_return(&ending.people, &reports);
        }
        reports
    }

    /// Concludes, writes the outcomes down, and tells.
    async fn close_deed(
        &self,
        names: &[(UserView, String)],
        ending: &Ending,
        tokens: &[Standing],
        reason: Option<&str>,
        following: bool,
    ) -> Vec<Result<LogoutReport>> {
        let ground = Ground {
            lasting: ending.lasting,
            cached: Engine::of(&self.config().sessions).is_ok_and(|engine| engine.has_cache()),
            copies_seen: self.store.sees_copies(),
            following,
        };
        let doubts = self.doubts("this user").await;
        let kept = ending.people.iter().any(|one| one.progress.kept > 0);
        let keepers = match kept {
            true => self.store.keepers().await.unwrap_or_default(),
            false => Vec::new(),
        };
        let now = self.db_now().unwrap_or(jiff::Timestamp::MIN);
        let mut reports = Vec::with_capacity(names.len());
        let mut outcomes = Vec::with_capacity(names.len());
        for ((user, deed), one) in names.iter().zip(&ending.people) {
            let stays = match (&one.target, &one.id) {
                (Target::Session, Some(id)) => hold(&self.roster).usable_of(id, now),
                _ => 0,
            };
            let mut report = conclude(
                user.clone(),
                deed,
                &one.progress,
                stays,
                ground,
                doubts_of(&one.target, &doubts),
                &keepers,
            );
            report.tokens = self.tokens_among(tokens, one);
            outcomes.push(self.logout_outcome(&report, &one.progress, reason));
            reports.push(report);
        }
        self.record_outcomes(outcomes, !following).await;
        let mut answers = Vec::with_capacity(reports.len());
        for (report, one) in reports.into_iter().zip(&ending.people) {
            self.announce_logout(&report);
            answers.push(match &one.progress.broken {
                // Nothing was done, and nothing half done: that is a failure, not an outcome.
                Some(error)
                    if one.progress.deleted.is_empty()
                        && one.progress.unanswered.is_empty()
                        && !ground.cached =>
                {
                    Err(error.clone())
                }
                _ => Ok(report),
            });
        }
        answers
    }
}

/// What is in doubt about this target. A session that is named needs no owner.
fn doubts_of(target: &Target, doubts: &[Doubt]) -> Vec<Doubt> {
    let named = *target == Target::Session;
    let counts = |doubt: &&Doubt| !(named && doubt.code == ReasonCode::Unattributed);
    doubts.iter().filter(counts).cloned().collect()
}

enum Prepared {
    Leaves(Box<Leaving>),
    Nothing(Box<UserView>),
}

fn lost() -> Result<LogoutReport> {
    let text = "a logout was begun and its end is not known; look again";
    Err(Error::new(Code::Database, text))
}

fn only(answers: Vec<Result<LogoutReport>>) -> Result<LogoutReport> {
    answers.into_iter().next().unwrap_or_else(lost)
}

/// Someone of whom the site tells nothing but what they were called by.
pub fn nobody(id: &str, username: &str) -> UserView {
    UserView {
        id: id.to_owned(),
        username: username.to_owned(),
        email: None,
        name: None,
        state: State::Unknown,
        last_activity: None,
        last_seen: None,
        evidence: None,
        idle_seconds: None,
        sessions: 0,
        flagged: false,
        staff: false,
        superuser: false,
        enabled: false,
        impersonators: Vec::new(),
        acts_as: Vec::new(),
        exempt: None,
        fault: None,
    }
}

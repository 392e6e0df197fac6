//! The account switch: Suspend writes `is_active = false` and ends all sessions, Allow again ends whatever session is left
//! and writes `is_active = true`. Only where the operator has switched it on for the site, by a person's hand alone.

mod words;

use std::sync::Arc;

use jiff::Timestamp;

use crate::config::{Base, Engine};
use crate::error::{Code, Error, Result};
use crate::event::Event;
use crate::journal::{self, Draft};
use crate::logout::ending::{Ending, Leaver, Look, Progress, Target};
use crate::logout::{Follow, How};
use crate::site::{Site, hold};
use crate::store::{SessionKey, Sink, UserId};
use crate::sweep::view_only;
use crate::tell::webhook::Message;
use crate::tokens::Standing;
use crate::view::{AccountReport, Deed, Doubt, Phase, UserView, with_tokens};

use words::{conclude, nothing};

/// One account that is being switched.
struct Switching {
    user: UserView,
    id: UserId,
    deed: String,
    reason: Option<String>,
    /// What it is switched to.
    to: bool,
    /// What it was when last read.
    enabled: bool,
    /// Why no session can be ended here; none where it can be done.
    out_of_reach: Option<Error>,
    broken: Option<Error>,
    /// API tokens, once the account is switched off.
    tokens: Option<Standing>,
}

impl Site {
    /// Switches an account off, and ends all of its sessions. The door is closed first: whoever comes back while the
    /// sessions go is not let in. Takes a few seconds.
    ///
    /// # Errors
    /// Guards, and whatever failed before anything was done.
    pub async fn suspend(self: &Arc<Self>, id: &str, how: &How) -> Result<AccountReport> {
        let mut one = self.switching(id, how, false).await?;
        self.need_consent(&one.user, how, "suspend")?;
        let keys = hold(&self.roster).keys_of(&one.id);
        if !one.enabled && keys.is_empty() {
            return Ok(nothing(one, "is suspended already; nothing to do."));
        }
        self.record(self.account_intent(&one, &keys)).await?;
        if let Err(error) = self.store.set_enabled(&one.id, false).await {
            one.broken = Some(error.clone());
            let ending = Ending::new(self, Vec::new());
            let report = conclude(&one, &ending, true, &[], false);
            self.close_switch(&one, &ending, &report).await?;
            return Err(error);
        }
        let mut ending = Ending::new(self, self.leaver(&one, keys));
        ending.pass(self, Look::Once).await;
        self.take_account_tokens(&mut one).await;
        self.read_again(&mut one).await;
        ending.look_soon(self).await;
        // A full save of the user in the site, by a request that was under way, can have written the old value back.
        self.read_again(&mut one).await;
        if one.enabled && one.broken.is_none() {
            one.broken = self.store.set_enabled(&one.id, false).await.err();
            self.read_again(&mut one).await;
        }
        self.finish(one, ending, how).await
    }

    /// Ends every session left of a suspended account, for the old cookies would work again, and switches it on.
    ///
    /// # Errors
    /// As for [`Site::suspend`].
    pub async fn allow_again(self: &Arc<Self>, id: &str, how: &How) -> Result<AccountReport> {
        let mut one = self.switching(id, how, true).await?;
        if one.enabled {
            return Ok(nothing(one, "may sign in already; nothing to do."));
        }
        let keys = hold(&self.roster).keys_of(&one.id);
        self.record(self.account_intent(&one, &keys)).await?;
        let mut ending = Ending::new(self, self.leaver(&one, keys));
        ending.pass(self, Look::Once).await;
        ending.look_soon(self).await;
        let stuck = ending
            .people
            .iter()
            .any(|p| p.progress.left > 0 || p.progress.broken.is_some());
        // A session that is still there would let its holder in with the old cookie.
        if !stuck {
            one.broken = self.store.set_enabled(&one.id, true).await.err();
            self.read_again(&mut one).await;
        }
        self.finish(one, ending, how).await
    }

    /// The guards, a look, and the account as the table has it now.
    async fn switching(&self, id: &str, how: &How, to: bool) -> Result<Switching> {
        if !self.armed() {
            return Err(view_only(&self.name()));
        }
        if !self.config().account_switch {
            return Err(Error::new(
                Code::SwitchOff,
                format!(
                    "accounts of {0} are not Curfew's to switch; set account_switch = true for {0} in config.toml",
                    self.name()
                ),
            ));
        }
        if self.schema.users.is_active.is_none() {
            return Err(Error::new(
                Code::NotPossible,
                format!(
                    "users of {} have no is_active column, so accounts cannot be switched off",
                    self.name()
                ),
            ));
        }
        // A cache that is down keeps nobody from closing the door; a door is opened only where all can be seen.
        let out_of_reach = self.need_reach().await.err();
        let in_browser = self.sessions_in_browser();
        if let Some(error) = out_of_reach.clone().filter(|_| to && !in_browser) {
            return Err(error);
        }
        self.journal_ready().await?;
        self.tidy_journal().await;
        if out_of_reach.is_none() {
            self.look_whole(&[self.schema.users.id_form.id(id)]).await?;
        }
        let user = self.lookup(&format!("id:{id}")).await?;
        let mut one = Switching {
            id: UserId::new(user.id.as_str()),
            enabled: user.enabled,
            user,
            deed: journal::new_id()?,
            reason: how.cleaned(),
            to,
            out_of_reach,
            broken: None,
            tokens: None,
        };
        self.read_again(&mut one).await;
        match one.broken.take() {
            Some(error) => Err(error),
            None => Ok(one),
        }
    }

    fn sessions_in_browser(&self) -> bool {
        Engine::of(&self.config().sessions).is_ok_and(|engine| engine.base == Base::SignedCookies)
    }

    fn leaver(&self, one: &Switching, keys: Vec<SessionKey>) -> Vec<Leaver> {
        match one.out_of_reach {
            Some(_) => Vec::new(),
            None => vec![Leaver::new(
                Some(one.id.clone()),
                Target::User(one.id.clone()),
                keys,
            )],
        }
    }

    /// Reads the account's row, and lets the roster know.
    async fn read_again(&self, one: &mut Switching) {
        match self.store.users(std::slice::from_ref(&one.id)).await {
            Ok(rows) => {
                if let Some(row) = rows.into_iter().next() {
                    one.enabled = row.enabled;
                    hold(&self.roster).user(row);
                    self.settle();
                }
                // The row tells what became of a change without an answer.
                let not_known = |error: &Error| error.code == Code::NotKnown;
                if one.broken.as_ref().is_some_and(not_known) {
                    one.broken = None;
                }
            }
            Err(error) => {
                one.broken.get_or_insert(error);
            }
        }
    }

    /// Reports; and where sessions can come back, goes on looking as a logout does.
    async fn finish(
        self: &Arc<Self>,
        one: Switching,
        ending: Ending,
        how: &How,
    ) -> Result<AccountReport> {
        let more = ending.lasting && ending.people.iter().any(|p| p.progress.meant);
        let copies_seen = self.store.sees_copies();
        let doubts = self.account_doubts(&one, &ending).await;
        if more && how.follow == Follow::Background {
            let report = self.told(&one, &ending, copies_seen, &doubts, true);
            self.close_switch(&one, &ending, &report).await?;
            let site = Arc::clone(self);
            tokio::spawn(async move {
                let last = site.follow(one, ending).await;
                site.wake.notify_one();
                last
            });
            self.wake.notify_one();
            return Ok(report);
        }
        if more && how.follow == Follow::Wait {
            return self.follow(one, ending).await;
        }
        let report = self.told(&one, &ending, copies_seen, &doubts, false);
        self.close_switch(&one, &ending, &report).await?;
        Ok(report)
    }

    /// Counts the user's API tokens, and revokes them if the site's settings say so.
    async fn take_account_tokens(&self, one: &mut Switching) {
        let users = [(one.id.clone(), one.user.username.clone())];
        let mut standings = self.count_tokens(&users, self.revokes_tokens(false)).await;
        for standing in &mut standings {
            self.revoke_tokens(standing).await;
        }
        self.check_tokens(&mut standings).await;
        one.tokens = standings.pop();
    }

    fn told(
        &self,
        one: &Switching,
        ending: &Ending,
        copies_seen: bool,
        doubts: &[Doubt],
        following: bool,
    ) -> AccountReport {
        let mut report = conclude(one, ending, copies_seen, doubts, following);
        report.tokens = one.tokens.as_ref().map(|tokens| self.tokens_view(tokens));
        report
    }

    /// What keeps it from being known that no old session is left. A closed door needs no such proof.
    /// A database that keeps rows is named either way.
    async fn account_doubts(&self, one: &Switching, ending: &Ending) -> Vec<Doubt> {
        let mut doubts = match one.to {
            true => self.doubts("this user").await,
            false => Vec::new(),
        };
        let kept: usize = ending.people.iter().map(|one| one.progress.kept).sum();
        if kept > 0 {
            let keepers = self.store.keepers().await.unwrap_or_default();
            let kept = u32::try_from(kept).unwrap_or(u32::MAX);
            doubts.push(Doubt::delete_swallowed(kept, &keepers));
        }
        doubts
    }

    /// The last look, a minute later.
    async fn follow(&self, mut one: Switching, mut ending: Ending) -> Result<AccountReport> {
        ending.look_late(self).await;
        self.read_again(&mut one).await;
        let doubts = self.account_doubts(&one, &ending).await;
        let report = self.told(&one, &ending, self.store.sees_copies(), &doubts, false);
        self.close_switch(&one, &ending, &report).await?;
        Ok(report)
    }

    fn account_intent(&self, one: &Switching, keys: &[SessionKey]) -> Draft {
        let what = if one.to { Deed::Allow } else { Deed::Suspend };
        self.intent_about(what, &one.user, keys, one.reason.clone(), &one.deed)
    }

    /// The outcome into the journal, an event, a webhook message.
    async fn close_switch(
        &self,
        one: &Switching,
        ending: &Ending,
        report: &AccountReport,
    ) -> Result<()> {
        let keys: Vec<SessionKey> = ending
            .people
            .iter()
            .flat_map(|p| p.progress.deleted.iter().cloned())
            .collect();
        let all_known = |known: fn(&Progress) -> bool| {
            ending.people.iter().all(|person| known(&person.progress))
        };
        let outcome = Draft {
            phase: Phase::Outcome,
            outcome: Some(with_tokens(&report.detail, report.tokens.as_ref())),
            users_marked: all_known(|p| !p.flag_unknown).then_some(u32::from(report.flag_cleared)),
            sessions_deleted: all_known(|p| p.unanswered.is_empty())
                .then_some(report.sessions_deleted),
            verified: Some(report.verified),
            ..self.account_intent(one, &keys)
        };
        self.record_outcomes(vec![outcome], true).await;
        self.emit(Event::AccountSwitched {
            id: report.user.id.clone(),
            deed: report.deed.clone(),
            username: report.user.username.clone(),
            enabled: report.enabled,
            sessions: report.sessions_deleted,
            outcome: report.outcome,
            following: report.following,
            detail: report.detail.clone(),
        });
        if let Some(webhook) = &self.webhook {
            webhook.offer(Message {
                kind: if one.to {
                    "account.allowed"
                } else {
                    "account.suspended"
                },
                timestamp: self.db_now().unwrap_or(Timestamp::UNIX_EPOCH),
                data: serde_json::json!({
                    "site": self.name(),
                    "operator": self.operator,
                    "deed": report.deed,
                    "user": {"id": report.user.id, "username": report.user.username},
                    "enabled": report.enabled,
                    "sessions": report.sessions_deleted,
                    "outcome": report.outcome,
                    "verified": report.verified,
                    "following": report.following,
                }),
            });
        }
        Ok(())
    }
}

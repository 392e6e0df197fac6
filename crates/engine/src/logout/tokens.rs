//! The API tokens of those who are signed out: counted once their sessions are deleted, and revoked where the operator asked.

use super::ending::{Ending, Leaver, Target};
use super::words::not_possible;
use super::{How, Site};
use crate::error::{Error, Result};
use crate::journal;
use crate::store::UserId;
use crate::tokens::Standing;
use crate::view::{LogoutReport, TokensView, UserView};

impl Site {
    /// Counts the tokens of all whose sessions end, and revokes them where the operator asked for it. Who loses one session
    /// alone keeps their tokens.
    pub(super) async fn take_tokens(
        &self,
        names: &[(UserView, String)],
        ending: &Ending,
        asked: bool,
    ) -> Vec<Standing> {
        let users: Vec<(UserId, String)> = names
            .iter()
            .zip(&ending.people)
            .filter_map(|((user, _), one)| match &one.target {
                Target::User(id) => Some((id.clone(), user.username.clone())),
                Target::Session => None,
            })
            .collect();
        let mut standings = self.count_tokens(&users, self.revokes_tokens(asked)).await;
        for standing in &mut standings {
            self.revoke_tokens(standing).await;
        }
        standings
    }

    pub(super) fn tokens_among(&self, tokens: &[Standing], one: &Leaver) -> Option<TokensView> {
        let Target::User(id) = &one.target else {
            return None;
        };
        let standing = tokens.iter().find(|standing| standing.is_of(id))?;
        Some(self.tokens_view(standing))
    }

    /// Revokes tokens although the sessions cannot be ended. `why`: what is in the way of that.
    pub(super) async fn tokens_anyway(
        &self,
        id: &str,
        how: &How,
        why: &Error,
    ) -> Result<LogoutReport> {
        let user = self.lookup(&format!("id:{id}")).await?;
        self.need_consent(&user, how, "log out")?;
        self.tokens_alone(not_possible(user, why), how).await
    }

    /// Adds the tokens to the report of a user of whom no session is ended. Tokens are another way in.
    pub(super) async fn tokens_alone(
        &self,
        mut report: LogoutReport,
        how: &How,
    ) -> Result<LogoutReport> {
        let user = &report.user;
        let users = [(self.user_id(&user.id), user.username.clone())];
        let mut standings = self
            .count_tokens(&users, self.revokes_tokens(how.tokens))
            .await;
        let Some(standing) = standings.first_mut() else {
            return Ok(report);
        };
        if !standing.is_asked() || !standing.is_anything() {
            report.tokens = Some(self.tokens_view(standing));
            return Ok(report);
        }
        let reason = how.cleaned();
        report.deed = journal::new_id()?;
        self.record(self.logout_intent(&report.user, &[], reason.clone(), &report.deed))
            .await?;
        self.revoke_tokens(standing).await;
        self.check_tokens(&mut standings).await;
        report.tokens = standings.first().map(|standing| self.tokens_view(standing));
        let outcome = self.logout_outcome(
            &report,
            &super::ending::Progress::default(),
            reason.as_deref(),
        );
        self.record(outcome).await?;
        self.announce_logout(&report);
        Ok(report)
    }
}

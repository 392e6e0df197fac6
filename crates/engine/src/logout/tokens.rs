//! The API tokens of those who are signed out: counted once their sessions are deleted, and revoked where the operator asked.

use super::ending::{Ending, Leaver, Target};
use super::{How, Site};
use crate::error::Result;
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

    /// The report of a user without any session, whose tokens are another way in.
    pub(super) async fn tokens_alone(&self, user: UserView, how: &How) -> Result<LogoutReport> {
        let users = [(self.user_id(&user.id), user.username.clone())];
        let mut report = self.nothing_to_do(user).await;
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

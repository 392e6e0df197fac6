//! What a logout leaves behind: its entries in the journal, its event, its webhook message.

use jiff::Timestamp;

use super::ending::Progress;
use crate::event::Event;
use crate::journal::Draft;
use crate::site::Site;
use crate::store::SessionKey;
use crate::tell::webhook::Message;
use crate::view::{Deed, EntryUser, LogoutReport, Phase, UserView};

impl Site {
    /// An entry about one person, before the deed.
    pub(crate) fn intent_about(
        &self,
        what: Deed,
        user: &UserView,
        keys: &[SessionKey],
        reason: Option<String>,
        deed: &str,
    ) -> Draft {
        let mut sessions: Vec<String> = keys.iter().map(SessionKey::fingerprint).collect();
        sessions.sort();
        Draft {
            // Only where no look has ever succeeded is this machine's clock all there is.
            at: self.db_now().unwrap_or_else(Timestamp::now),
            operator: self.operator.clone(),
            site: self.name(),
            deed: what,
            phase: Phase::Intent,
            id: deed.to_string(),
            users: vec![EntryUser {
                id: user.id.clone(),
                username: user.username.clone(),
                idle_seconds: user.idle_seconds,
                sessions,
            }],
            reason,
            outcome: None,
            users_marked: None,
            sessions_deleted: None,
            verified: None,
        }
    }

    pub(super) fn logout_intent(
        &self,
        user: &UserView,
        keys: &[SessionKey],
        reason: Option<String>,
        deed: &str,
    ) -> Draft {
        self.intent_about(Deed::Logout, user, keys, reason, deed)
    }

    pub(super) fn logout_outcome(
        &self,
        report: &LogoutReport,
        progress: &Progress,
        reason: Option<&str>,
    ) -> Draft {
        let keys: Vec<SessionKey> = progress.deleted.iter().cloned().collect();
        let reason = reason.map(str::to_owned);
        Draft {
            phase: Phase::Outcome,
            outcome: Some(report.said()),
            users_marked: (!progress.flag_unknown).then_some(u32::from(report.flag_cleared)),
            sessions_deleted: progress
                .unanswered
                .is_empty()
                .then_some(report.sessions_deleted),
            verified: Some(report.verified),
            ..self.logout_intent(&report.user, &keys, reason, &report.deed)
        }
    }

    /// One event and one webhook message for each report.
    pub(super) fn announce_logout(&self, report: &LogoutReport) {
        self.emit(Event::LoggedOut {
            id: report.user.id.clone(),
            deed: report.deed.clone(),
            username: report.user.username.clone(),
            sessions: report.sessions_deleted,
            outcome: report.outcome,
            following: report.following,
            detail: report.detail.clone(),
        });
        let Some(webhook) = &self.webhook else {
            return;
        };
        webhook.offer(Message {
            kind: "logout.finished",
            timestamp: self.db_now().unwrap_or(Timestamp::UNIX_EPOCH),
            data: serde_json::json!({
                "site": self.name(),
                "operator": self.operator,
                "deed": report.deed,
                "user": {"id": report.user.id, "username": report.user.username},
                "sessions": report.sessions_deleted,
                "outcome": report.outcome,
                "verified": report.verified,
                "following": report.following,
                "tokens": report.tokens.as_ref().map(|tokens| serde_json::json!({
                    "found": tokens.found,
                    "revoked": tokens.revoked,
                    "left": tokens.left,
                })),
            }),
        });
    }
}

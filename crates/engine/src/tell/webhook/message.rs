//! What a webhook tells: `{"type", "timestamp", "data"}`, small enough for any receiver.
//! Invariant: no session key, no e-mail address, and no more than 100 people in one message.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use crate::view::{LogoutReport, SweepReport};

const MOST_PEOPLE: usize = 100;

/// One thing that happened, for a webhook.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Message {
    /// "sweep.finished", "sweep.held" or "logout.finished".
    #[serde(rename = "type")]
    kind: &'static str,
    /// When it happened.
    timestamp: Timestamp,
    data: Value,
}

impl Message {
    /// A sweep that ended, or that a guard held.
    pub fn swept(report: &SweepReport, operator: &str) -> Self {
        let named = report.users.len().min(MOST_PEOPLE);
        Self {
            kind: match report.held {
                None => "sweep.finished",
                Some(_) => "sweep.held",
            },
            timestamp: report.at,
            data: json!({
                "site": report.site,
                "operator": operator,
                "cutoff": report.cutoff,
                "people": report.users.len(),
                "users": report.users[..named],
                "users_left_out": report.users.len() - named,
                "users_marked": report.users_marked,
                "sessions_deleted": report.sessions_deleted,
                "skipped": report.skipped.len(),
                "verified": report.verified,
                "held": report.held,
            }),
        }
    }

    /// A force logout that ended.
    pub fn logged_out(
        site: &str,
        report: &LogoutReport,
        operator: &str,
        reason: Option<&str>,
        at: Timestamp,
    ) -> Self {
        Self {
            kind: "logout.finished",
            timestamp: at,
            data: json!({
                "site": site,
                "operator": operator,
                "reason": reason,
                "user": {"id": report.user.id, "username": report.user.username},
                "sessions_deleted": report.sessions_deleted,
                "outcome": report.outcome,
                "verified": report.verified,
                "flag_cleared": report.flag_cleared,
                "detail": report.detail,
            }),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::view::{Outcome, State, SweepReason, SweepUser, UserView};

    pub(in super::super) fn sweep_of(people: u32) -> SweepReport {
        SweepReport {
            site: "shop".into(),
            dry_run: false,
            at: "2026-03-01T14:05:00Z".parse().unwrap(),
            cutoff: "2026-03-01T13:30:00Z".parse().unwrap(),
            users: (0..people)
                .map(|n| SweepUser {
                    id: n.to_string(),
                    username: format!("user{n}"),
                    idle_seconds: Some(2_400),
                    reason: SweepReason::Overdue,
                    sessions: 2,
                })
                .collect(),
            users_marked: people,
            sessions_deleted: 2 * people,
            skipped: Vec::new(),
            verified: true,
            held: None,
        }
    }

    #[test]
    fn a_sweep_as_json() {
        let message = Message::swept(&sweep_of(1), "mira@ops");
        let expected = json!({
            "type": "sweep.finished",
            "timestamp": "2026-03-01T14:05:00Z",
            "data": {
                "site": "shop", "operator": "mira@ops", "cutoff": "2026-03-01T13:30:00Z",
                "people": 1, "users_left_out": 0, "users_marked": 1, "sessions_deleted": 2, "skipped": 0,
                "users": [{"id": "0", "username": "user0", "idle_seconds": 2400, "reason": "overdue", "sessions": 2}],
                "verified": true, "held": null,
            },
        });
        assert_eq!(serde_json::to_value(message).unwrap(), expected);
    }

    #[test]
    fn a_held_sweep_says_so_and_a_large_one_stays_small() {
        let mut report = sweep_of(5_000);
        report.held = Some("it would sign out 5000 of 6000 people".into());
        let message = serde_json::to_value(Message::swept(&report, "mira@ops")).unwrap();
        assert_eq!(message["type"], "sweep.held");
        assert_eq!(message["data"]["people"], 5_000);
        assert_eq!(message["data"]["users"].as_array().unwrap().len(), 100);
        assert_eq!(message["data"]["users_left_out"], 4_900);
        assert!(message.to_string().len() < 20_000);
    }

    #[test]
    fn a_logout_as_json() {
        let report = LogoutReport {
            user: UserView {
                id: "7".into(),
                username: "ana".into(),
                email: Some("ana@example.org".into()),
                name: None,
                state: State::Active,
                last_activity: None,
                last_seen: None,
                evidence: None,
                idle_seconds: None,
                sessions: 2,
                flagged: false,
                staff: false,
                superuser: false,
                enabled: true,
                exempt: None,
                fault: None,
            },
            sessions_deleted: 2,
            outcome: Outcome::SignedOut,
            verified: true,
            flag_cleared: true,
            detail: "Signed out, verified.".into(),
        };
        let at = "2026-03-01T14:05:00Z".parse().unwrap();
        let message = Message::logged_out("shop", &report, "mira@ops", Some("lost laptop"), at);
        let expected = json!({
            "type": "logout.finished",
            "timestamp": "2026-03-01T14:05:00Z",
            "data": {
                "site": "shop", "operator": "mira@ops", "reason": "lost laptop",
                "user": {"id": "7", "username": "ana"}, "sessions_deleted": 2, "outcome": "signed_out",
                "verified": true, "flag_cleared": true, "detail": "Signed out, verified.",
            },
        });
        assert_eq!(serde_json::to_value(message).unwrap(), expected);
    }
}

//! Force logout of a user or of one session, at once and whatever their activity: delete, look again now and
//! a few seconds later, and only then "signed out".

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;

use crate::error::{Error, Result};
use crate::event::Event;
use crate::journal::{self, Draft, clean_reason};
use crate::site::{Site, hold};
use crate::store::{SessionKey, UserId};
use crate::sweep::view_only;
use crate::tell::webhook::Message;
use crate::view::{Deed, EntryUser, LogoutReport, Outcome, Phase, UserView};

/// How long a request that was under way may take to bring a session back and be seen doing it.
const SETTLE: Duration = Duration::from_millis(2500);
/// Rounds of deleting what came back, before the outcome is called by its name.
const ROUNDS: usize = 3;

/// What a logout did so far.
#[derive(Default)]
struct Progress {
    deleted: BTreeSet<SessionKey>,
    came_back: bool,
    left: usize,
    flag_cleared: bool,
    looked: bool,
    broken: Option<Error>,
}

/// What is to go: one session, or all of a user's.
enum Target {
    Session(SessionKey),
    User,
}

impl Site {
    /// Signs out the user with this id: one session, named by fingerprint, or all of them.
    /// Takes about three seconds, most of it the second look.
    pub async fn logout(
        &self,
        id: &str,
        fingerprint: Option<&str>,
        reason: Option<&str>,
    ) -> Result<LogoutReport> {
        if !self.armed() {
            return Err(view_only(&self.name()));
        }
        self.need_reach().await?;
        self.journal_ready().await?;
        self.look_whole().await?;
        let user = self.lookup(&format!("id:{id}")).await?;
        let id = UserId::new(user.id.as_str());
        let (target, keys) = {
            let roster = hold(&self.roster);
            match fingerprint {
                Some(fingerprint) => {
                    let key = roster.key_by_fingerprint(&id, fingerprint)?;
                    (Target::Session(key.clone()), vec![key])
                }
                None => (Target::User, roster.keys_of(&id)),
            }
        };
        if keys.is_empty() && !user.flagged {
            return Ok(LogoutReport {
                detail: format!("{} has no session here; nothing to do.", user.username),
                user,
                sessions_deleted: 0,
                outcome: Outcome::NothingToDo,
                verified: true,
                flag_cleared: false,
            });
        }
        let deed = journal::new_id()?;
        let reason = reason.and_then(clean_reason);
        self.record(self.logout_intent(&user, &keys, reason.clone(), &deed))
            .await?;
        let mut progress = Progress::default();
        if let Err(error) = self.carry_out(&id, &target, keys, &mut progress).await {
            progress.broken = Some(error);
        }
        let stays = match target {
            Target::Session(_) => hold(&self.roster).person(&id).map_or(0, |p| p.usable),
            Target::User => 0,
        };
        let report = conclude(user, &progress, stays);
        let recorded = self
            .record(self.logout_outcome(&report, &progress, reason, &deed))
            .await;
        self.emit(Event::LoggedOut {
            username: report.user.username.clone(),
            sessions: report.sessions_deleted,
            outcome: report.outcome,
            detail: report.detail.clone(),
        });
        self.tell_logout(&report);
        match progress.broken {
            Some(error) if progress.deleted.is_empty() => Err(error),
            _ => recorded.map(|()| report),
        }
    }

    async fn carry_out(
        &self,
        id: &UserId,
        target: &Target,
        mut keys: Vec<SessionKey>,
        progress: &mut Progress,
    ) -> Result<()> {
        // Now, and again when whatever was under way has had its time.
        let mut waited = false;
        for round in 0..=ROUNDS {
            if !keys.is_empty() {
                if round > 0 {
                    progress.came_back = true;
                }
                let deleted = self.store.delete(&keys).await?;
                hold(&self.roster).forget(&deleted);
                progress.deleted.extend(deleted);
            }
            keys = self.left(id, target).await?;
            progress.left = keys.len();
            if keys.is_empty() && !waited {
                waited = true;
                tokio::time::sleep(SETTLE).await;
                keys = self.left(id, target).await?;
                progress.left = keys.len();
            }
            if keys.is_empty() && waited {
                progress.looked = true;
                break;
            }
        }
        self.lower_flag(id, progress).await
    }

    /// Looks again, and returns what of the target is there.
    async fn left(&self, id: &UserId, target: &Target) -> Result<Vec<SessionKey>> {
        match target {
            Target::Session(key) => {
                let left = self.store.surviving(std::slice::from_ref(key)).await?;
                self.look_whole().await?;
                Ok(left)
            }
            Target::User => {
                self.look_whole().await?;
                Ok(hold(&self.roster).keys_of(id))
            }
        }
    }

    /// Who has no usable session left is not here: the flag goes too. A full save in the site can write the
    /// old flag back, so it is read again and cleared again.
    async fn lower_flag(&self, id: &UserId, progress: &mut Progress) -> Result<()> {
        for _ in 0..2 {
            let gone = hold(&self.roster)
                .person(id)
                .is_none_or(|person| person.usable == 0);
            if !gone || !self.store.clear_flag(id).await? {
                break;
            }
            progress.flag_cleared = true;
            hold(&self.roster).unflag(std::slice::from_ref(id));
            self.look_whole().await?;
        }
        Ok(())
    }

    fn logout_intent(
        &self,
        user: &UserView,
        keys: &[SessionKey],
        reason: Option<String>,
        deed: &str,
    ) -> Draft {
        Draft {
            at: self.db_now().unwrap_or(Timestamp::UNIX_EPOCH),
            operator: self.operator.clone(),
            site: self.name(),
            deed: Deed::Logout,
            phase: Phase::Intent,
            id: deed.to_string(),
            users: vec![EntryUser {
                id: user.id.clone(),
                username: user.username.clone(),
                idle_seconds: user.idle_seconds,
                sessions: keys.iter().map(SessionKey::fingerprint).collect(),
            }],
            reason,
            outcome: None,
            users_marked: None,
            sessions_deleted: None,
            verified: None,
        }
    }

    fn logout_outcome(
        &self,
        report: &LogoutReport,
        progress: &Progress,
        reason: Option<String>,
        deed: &str,
    ) -> Draft {
        let keys: Vec<SessionKey> = progress.deleted.iter().cloned().collect();
        Draft {
            phase: Phase::Outcome,
            outcome: Some(report.detail.clone()),
            users_marked: Some(u32::from(report.flag_cleared)),
            sessions_deleted: Some(report.sessions_deleted),
            verified: Some(report.verified),
            ..self.logout_intent(&report.user, &keys, reason, deed)
        }
    }

    fn tell_logout(&self, report: &LogoutReport) {
        let Some(webhook) = &self.webhook else {
            return;
        };
        webhook.offer(Message {
            kind: "logout.finished",
            timestamp: self.db_now().unwrap_or(Timestamp::UNIX_EPOCH),
            data: serde_json::json!({
                "site": self.name(),
                "operator": self.operator,
                "user": {"id": report.user.id, "username": report.user.username},
                "sessions": report.sessions_deleted,
                "outcome": report.outcome,
                "verified": report.verified,
            }),
        });
    }
}

fn sessions(n: usize) -> String {
    match n {
        1 => "1 session".into(),
        n => format!("{n} sessions"),
    }
}

/// Calls the end by its name. "Signed out" only where it was looked again and all was gone.
/// `stays`: sessions that were not meant to go.
fn conclude(user: UserView, progress: &Progress, stays: u32) -> LogoutReport {
    let deleted = progress.deleted.len();
    let name = &user.username;
    let flag = if progress.flag_cleared {
        ", flag cleared"
    } else {
        ""
    };
    let (outcome, verified, detail) = if let Some(error) = &progress.broken {
        let outcome = if progress.left > 0 {
            Outcome::Partial
        } else {
            Outcome::Unverified
        };
        (
            outcome,
            false,
            format!(
                "Not verified: {} of {name} deleted, then {}.",
                sessions(deleted),
                error.message
            ),
        )
    } else if progress.left > 0 {
        (
            Outcome::Partial,
            false,
            format!(
                "Done in part: {} of {name} deleted, but {} came back each time.",
                sessions(deleted),
                sessions(progress.left)
            ),
        )
    } else if !progress.looked {
        (
            Outcome::Unverified,
            false,
            format!("Not verified: {} of {name} deleted.", sessions(deleted)),
        )
    } else if deleted == 0 && !progress.flag_cleared {
        (
            Outcome::NothingToDo,
            true,
            format!("{name} had left already; nothing to do."),
        )
    } else if deleted == 0 {
        (
            Outcome::SignedOut,
            true,
            format!("{name} had no session left{flag}, verified."),
        )
    } else {
        let again = if progress.came_back {
            " (one came back and was deleted again)"
        } else {
            ""
        };
        let detail = if stays > 0 {
            format!(
                "Ended {} of {name}{again}, verified; still signed in with {}.",
                sessions(deleted),
                sessions(stays as usize)
            )
        } else {
            format!(
                "Signed out {name}: {} deleted{again}{flag}, verified.",
                sessions(deleted)
            )
        };
        (Outcome::SignedOut, true, detail)
    };
    LogoutReport {
        user,
        sessions_deleted: u32::try_from(deleted).unwrap_or(u32::MAX),
        outcome,
        verified,
        flag_cleared: progress.flag_cleared,
        detail,
    }
}

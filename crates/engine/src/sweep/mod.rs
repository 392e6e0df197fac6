//! The inactivity sweep: plan, apply in small batches, look again, report. The journal is written before the
//! deed, and the store's predicates decide at the last moment who stays.

mod apply;
pub mod plan;
mod record;
pub mod schedule;
mod swallowed;
mod verify;

use std::collections::HashSet;

use jiff::Timestamp;

use crate::config::Policy;
use crate::error::{Code, Error, Result};
use crate::event::Event;
use crate::journal::{self, Draft};
use crate::policy::Rules;
use crate::site::{Site, hold};
use crate::store::{AGES, Hold, UserId};
use crate::tell::webhook::Message;
use crate::view::{
    Doubt, ReasonCode, SkipCode, Skipped, SweepReason, SweepReport, SweepSummary, SweepUser,
};

use apply::Done;
use plan::Plan;
use record::{Gone, intent, outcome, summary};

/// What to do on a site that records no activity, as Django's own is.
pub(crate) const GET_EVIDENCE: &str = "set SESSION_SAVE_EVERY_REQUEST = True in the site's Django settings and saved_every_request = true under [site.sessions] in config.toml, or name an activity column under [site.users] last_activity";

impl Site {
    /// What a sweep would do now, after a fresh look. Touches nothing, and works where nothing may be touched. Without any
    /// evidence there is nothing to preview.
    pub async fn preview(&self) -> Result<SweepReport> {
        self.need_evidence()?;
        let mut plan = self.plan_now().await?;
        if !plan.taken.is_empty() {
            let missing = self.proof_missing();
            // The proof may have stretched the limit.
            plan = self.plan()?;
            plan.held = missing.or(plan.held);
        }
        Ok(self.dry(&plan, self.doubts("a user").await))
    }

    /// A plan after a fresh look.
    async fn plan_now(&self) -> Result<Plan> {
        self.look_for_sweep().await?;
        // Where sessions are hidden, nobody is flagged without one: judged again before the plan.
        if self.users_may_be_hidden().await {
            self.settle();
        }
        // By the look before, and none that comes in between.
        let (plan, named_all, listed) = {
            let mark = self.mark.lock().await;
            (self.plan()?, mark.named_all, mark.listed)
        };
        // Whoever is stale has no session at all: that only a look at all of them tells, be it this one. And whoever is overdue
        // has none that began after the cutoff, so a listing since then has met them all.
        let old = listed.is_some_and(|at| at < plan.cutoff);
        let stale = || plan.taken.iter().any(|t| t.reason == SweepReason::Stale);
        if named_all || (!old && !stale()) {
            return Ok(plan);
        }
        self.look_whole(&[]).await?;
        self.plan()
    }

    /// A look before a sweep, or after it: at every session, where dates do not tell which were saved.
    async fn look_for_sweep(&self) -> Result<()> {
        let dates_tell = hold(&self.roster).dates_tell(AGES);
        match dates_tell {
            true => self.look_fresh(&[]).await,
            false => self.look_whole(&[]).await,
        }
    }

    /// Sweeps. `force` consents to signing out unusually many people.
    pub async fn sweep(&self, force: bool) -> Result<SweepReport> {
        let result = self.sweep_guarded(force).await;
        hold(&self.timer).running = false;
        let summary = match &result {
            Ok(report) => summary(report),
            Err(error) => SweepSummary {
                at: self.db_now().unwrap_or(Timestamp::UNIX_EPOCH),
                people: 0,
                sessions: 0,
                marked: 0,
                skipped: 0,
                verified: false,
                held: Some(error.message.clone()),
            },
        };
        if result.is_ok() {
            hold(&self.history).swept(summary.at, summary.people);
        }
        hold(&self.timer).last = Some(summary.clone());
        self.tell_sweep(&summary, result.as_ref().err());
        self.emit(Event::Swept { summary });
        result
    }

    async fn sweep_guarded(&self, force: bool) -> Result<SweepReport> {
        if !self.armed() {
            return Err(view_only(&self.name()));
        }
        self.need_reach().await?;
        self.need_evidence()?;
        self.journal_ready().await?;
        self.tidy_journal().await;
        let _one = self.sweeping.lock().await;
        hold(&self.timer).running = true;
        let mut plan = self.plan_now().await?;
        let ids: Vec<UserId> = plan.taken.iter().map(|taken| taken.id.clone()).collect();
        if !ids.is_empty() && self.second_refresh(&ids).await? {
            plan = self.plan()?;
        }
        if !plan.taken.is_empty() {
            self.need_proof()?;
            // The proof may have stretched the limit.
            plan = self.plan()?;
        }
        if let Some(held) = plan.held.clone().filter(|_| !force) {
            return Err(held);
        }
        if plan.taken.is_empty() {
            let mut report = self.dry(&plan, self.doubts("a user").await);
            report.dry_run = false;
            // An unknown user's session may be overdue, and no more is known of it: nobody is signed out by that.
            report
                .doubts
                .retain(|doubt| doubt.code != ReasonCode::Unattributed);
            report.verified = report.doubts.is_empty();
            return Ok(report);
        }
        if self.halt.is_cancelled() {
            return Err(stopped(plan.taken.len()));
        }
        let id = journal::new_id()?;
        self.record(intent(self, &plan, &id)).await?;
        let mut done = self.apply(&plan).await;
        let verified = self.verify(&plan, &mut done).await;
        let mut doubts = self.doubts("these users").await;
        doubts.extend(self.swallowed(&plan, &mut done).await);
        doubts.extend(record::not_known(&done));
        let verified = verified && doubts.is_empty();
        let gone = Gone::of(&plan, &done.deleted);
        let report = self.report(&plan, &done, &gone, verified, doubts);
        let outcome = outcome(self, &plan, &done, &gone, &report, &id);
        self.record_outcomes(vec![outcome], true).await;
        if let Some(error) = done.broken {
            // What may have been done is told in the report, which is not verified.
            if report.users.is_empty() && !done.unsure {
                return Err(error);
            }
            tracing::warn!(%error, "the sweep ended early");
        }
        match done.refused {
            Some(error) if report.users.is_empty() => Err(error),
            _ => Ok(report),
        }
    }

    fn need_evidence(&self) -> Result<()> {
        if self.has_evidence() {
            return Ok(());
        }
        Err(Error::new(
            Code::NoEvidence,
            format!(
                "nothing on {} says when users were last active, so nobody can be swept; {GET_EVIDENCE}",
                self.name()
            ),
        ))
    }

    fn plan(&self) -> Result<Plan> {
        let rules: Rules = self.rules();
        let policy: Policy = self.policy();
        let reckoned = self.db_now();
        let roster = hold(&self.roster);
        // What the roster was judged by may be a little ahead of what the last look was told.
        let at = roster.now().min(reckoned).unwrap_or(Timestamp::UNIX_EPOCH);
        plan::plan(&roster, at, &rules, &policy)
    }

    fn dry(&self, plan: &Plan, doubts: Vec<Doubt>) -> SweepReport {
        SweepReport {
            site: self.name(),
            dry_run: true,
            at: plan.at,
            cutoff: plan.cutoff,
            users: plan
                .taken
                .iter()
                .map(|t| t.view(u32::try_from(t.sessions.len()).unwrap_or(u32::MAX)))
                .collect(),
            users_marked: 0,
            sessions_deleted: 0,
            skipped: plan.skipped.clone(),
            verified: true,
            doubts,
            held: plan.held.as_ref().map(|e| e.message.clone()),
            held_code: plan.held.as_ref().map(|e| e.code),
        }
    }

    fn report(
        &self,
        plan: &Plan,
        done: &Done,
        gone: &Gone<'_>,
        verified: bool,
        doubts: Vec<Doubt>,
    ) -> SweepReport {
        let marked: HashSet<&UserId> = done.marked.iter().collect();
        let mut users: Vec<SweepUser> = Vec::new();
        let mut skipped = plan.skipped.clone();
        for taken in &plan.taken {
            let count = taken.keys().filter(|key| gone.has(key)).count();
            let back = done.spared.get(&taken.id) == Some(&Hold::CameBack);
            if !back && (count > 0 || marked.contains(&taken.id)) {
                users.push(taken.view(u32::try_from(count).unwrap_or(u32::MAX)));
            } else {
                let (why, code) = match (done.spared.get(&taken.id), &done.broken) {
                    (Some(hold), _) => (hold.why(), record::skip_code(*hold)),
                    (None, Some(_)) => ("the sweep ended before", SkipCode::NotReached),
                    (None, None) => (
                        "was already signed out by someone else",
                        SkipCode::GoneAlready,
                    ),
                };
                skipped.push(Skipped {
                    username: taken.username.clone(),
                    why: why.into(),
                    code,
                });
            }
        }
        SweepReport {
            site: self.name(),
            dry_run: false,
            at: plan.at,
            cutoff: plan.cutoff,
            users,
            users_marked: u32::try_from(done.marked.len()).unwrap_or(u32::MAX),
            sessions_deleted: u32::try_from(done.deleted.len()).unwrap_or(u32::MAX),
            skipped,
            verified,
            doubts,
            held: None,
            held_code: None,
        }
    }

    /// Whether the journal can be written; where not, nothing is touched.
    pub(crate) async fn journal_ready(&self) -> Result<()> {
        let journal = self.journal.clone();
        blocking(move || journal.check_writable()).await
    }

    /// Writes an entry, and returns when it is on the disk.
    pub(crate) async fn record(&self, draft: Draft) -> Result<()> {
        self.record_all(vec![draft]).await
    }

    /// Writes entries together, and returns when they are on the disk.
    pub(crate) async fn record_all(&self, drafts: Vec<Draft>) -> Result<()> {
        let journal = self.journal.clone();
        blocking(move || journal.write_all(drafts).map(|_| ())).await
    }

    /// Writes entries together that later ones of the same deeds will complete, without waiting for the disk.
    pub(crate) async fn note_all(&self, drafts: Vec<Draft>) -> Result<()> {
        let journal = self.journal.clone();
        blocking(move || journal.note_all(drafts).map(|_| ())).await
    }

    fn tell_sweep(&self, summary: &SweepSummary, error: Option<&Error>) {
        let Some(webhook) = &self.webhook else {
            return;
        };
        let held = error.map(|error| error.code);
        let before = std::mem::replace(&mut hold(&self.timer).held, held);
        // A hold is news when it begins, when its reason changes and when it ends. Else a sweep of nobody is no news.
        let news = match held {
            Some(_) => held != before,
            None => before.is_some() || summary.people > 0 || summary.marked > 0,
        };
        if !news {
            return;
        }
        webhook.offer(Message {
            kind: if held.is_some() {
                "sweep.held"
            } else {
                "sweep.finished"
            },
            timestamp: summary.at,
            data: serde_json::json!({
                "site": self.name(),
                "operator": self.operator,
                "people": summary.people,
                "sessions": summary.sessions,
                "users_marked": summary.marked,
                "skipped": summary.skipped,
                "verified": summary.verified,
                "held": summary.held,
            }),
        });
    }
}

/// Journal and files block; the tasks of the engine do not wait for a disk.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|_| Err(Error::new(Code::Journal, "the journal's writer broke off")))
}

/// The end of a sweep that a signal stopped.
pub(super) fn stopped(left: usize) -> Error {
    let users = if left == 1 { "user was" } else { "users were" };
    Error::new(
        Code::Stopped,
        format!(
            "The sweep was stopped by a signal: {left} overdue {users} not reached. Sweep again"
        ),
    )
}

/// The refusal of a view-only site.
pub(crate) fn view_only(site: &str) -> Error {
    Error::new(
        Code::ViewOnly,
        format!(
            "{site} is view-only; allow changes in the window, or set armed = true for it in config.toml"
        ),
    )
}

//! One open site: its store, its roster, its settings, and all that a window or a command line asks of it.
//! Looks, sweeps and logouts are in files of their own; here is what holds them together.

pub mod discover;
pub mod doctor;
mod history;
mod link;
mod look;
mod moved;
mod open;
mod records;
mod settings;
mod shared;
#[cfg(test)]
mod tests;
mod wiring;
pub(crate) use open::secret_keys;

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};

use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::broadcast;

use crate::config::SiteConfig;
use crate::error::{Code, Error, Result};
use crate::event::Event;
use crate::evidence::Ledger;
use crate::journal::{self, Journal};
use crate::policy::Rules;
use crate::roster::Roster;
use crate::store::tokens::Tokens;
use crate::store::{Mark, Schema, Store, UserId, UserRow};
use crate::sweep::schedule::Schedule;
use crate::tell::webhook::Webhook;
use crate::view::{
    Found, Health, JournalView, Page, Query, SiteView, State, SweepStatus, SweepSummary, Timeline,
    UserDetail, UserView, UsersView,
};

use history::History;
use link::Line;

/// Events kept for a listener that is slow; beyond, it hears that it missed some and asks again.
const EVENTS: usize = 256;

/// How long a webhook's last message may take when Curfew ends.
const FAREWELL: Duration = Duration::from_secs(3);
/// How long they may take when a one-shot command ends: long enough for a second try.
const PATIENCE: Duration = Duration::from_secs(12);

/// One open site. Always behind an `Arc`; every method may be called from any task.
pub struct Site {
    pub(crate) config: RwLock<SiteConfig>,
    pub(crate) store: Arc<dyn Store>,
    /// Why nobody can be signed out here, where the configuration itself is in the way.
    pub(crate) barrier: Option<Error>,
    pub(crate) tokens: Tokens,
    pub(crate) schema: Schema,
    pub(crate) found: Vec<Found>,
    /// What is wrong with the rights of the configuration file.
    exposed: Option<String>,
    pub(crate) operator: String,
    state_dir: PathBuf,
    pub(crate) journal: Journal,
    /// Why the journal lacks an outcome, if it does.
    unrecorded: Mutex<Option<Error>>,
    /// Cancelled when a sweep is to end after the batches under way.
    pub(crate) halt: tokio_util::sync::CancellationToken,
    pub(crate) roster: Arc<Mutex<Roster>>,
    /// Held during a look: there is one at a time.
    pub(crate) mark: tokio::sync::Mutex<Mark>,
    shared: shared::Shared,
    /// Held during a sweep: there is one at a time. Logouts need no such order, each is a few statements that may be repeated.
    pub(crate) sweeping: tokio::sync::Mutex<()>,
    pub(crate) line: Arc<Mutex<Line>>,
    pub(crate) history: Mutex<History>,
    pub(crate) doubted: Mutex<crate::doubt::Doubts>,
    pub(crate) timer: Mutex<Timer>,
    /// What was learned about the evidence, and the grain that the rules follow.
    pub(crate) ledger: Mutex<Ledger>,
    pub(crate) stretch: Mutex<Duration>,
    pub(crate) health: Mutex<Option<Health>>,
    pub(crate) webhook: Option<Webhook>,
    pub(crate) wake: tokio::sync::Notify,
    events: broadcast::Sender<Event>,
}

/// How the inactivity sweep stands.
#[derive(Debug, Default)]
pub(crate) struct Timer {
    pub schedule: Schedule,
    pub running: bool,
    pub last: Option<SweepSummary>,
    /// Why sweeps are on hold, if the webhook was told so.
    pub held: Option<Code>,
}

/// A lock whose holder panicked still holds good data: nothing here is left half changed.
pub(crate) fn hold<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Site {
    pub(crate) fn config(&self) -> RwLockReadGuard<'_, SiteConfig> {
        self.config.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn name(&self) -> String {
        self.config().name.clone()
    }

    /// The settings as they are now, to be saved.
    pub fn settings(&self) -> SiteConfig {
        self.config().clone()
    }

    pub(crate) fn rules(&self) -> Rules {
        let visible = self.all_visible();
        let config = self.config();
        Rules::new(&config.policy, config.sessions.saved_every_request, visible)
            .with_grain(*hold(&self.stretch))
    }

    /// Whether this site has an activity column.
    pub(crate) fn has_activity(&self) -> bool {
        self.schema.users.last_activity.is_some()
    }

    /// Whether anything on this site proves inactivity.
    pub(crate) fn has_evidence(&self) -> bool {
        self.schema.users.last_activity.is_some() || self.config().sessions.saved_every_request
    }

    pub fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }

    pub(crate) fn emit(&self, event: Event) {
        // Nobody listening is no failure.
        let _ = self.events.send(event);
    }

    /// The database's time now, as far as it is known.
    pub fn db_now(&self) -> Option<Timestamp> {
        hold(&self.line).db_now()
    }

    /// Everything but the people.
    pub fn view(&self) -> SiteView {
        let config = self.settings();
        let (counts, revision) = {
            let roster = hold(&self.roster);
            (roster.counts(), roster.revision())
        };
        let (connection, db_time) = {
            let line = hold(&self.line);
            (line.view(), line.db_now())
        };
        let sweep = {
            let timer = hold(&self.timer);
            SweepStatus {
                automatic: config.automatic_sweep,
                running: timer.running,
                next_in_seconds: timer
                    .schedule
                    .next()
                    .zip(db_time)
                    .filter(|_| config.automatic_sweep && config.armed)
                    .map(|(next, now)| {
                        u32::try_from(next.duration_since(now).as_secs().max(0)).unwrap_or(0)
                    }),
                last: timer.last.clone(),
            }
        };
        SiteView {
            name: config.name.clone(),
            address: config.address.shown().to_string(),
            database: config.address.backend().name().to_string(),
            demo: config.demo,
            session_engine: config.sessions.engine.to_string(),
            sign_out_refused: self.barrier.as_ref().map(|e| e.message.clone()),
            account_switch: config.account_switch,
            token_tables: self.tokens.tables.iter().map(|t| t.table.shown()).collect(),
            revoke_tokens: config.revoke_tokens,
            own_username: config.own_username.clone(),
            operator: self.operator.clone(),
            armed: config.armed,
            secret_key_known: config.secret_key.is_some(),
            db_time,
            revision,
            counts,
            doubts: self.known_doubts(),
            warnings: self.warnings(&config, connection.skew_seconds),
            connection,
            health: hold(&self.health).clone(),
            sweep,
            policy: config.policy.view(),
            notices: config.notices.clone(),
            found: self.found.clone(),
        }
    }

    fn warnings(&self, config: &SiteConfig, skew: Option<f64>) -> Vec<String> {
        let mut warnings = Vec::new();
        if let Some(skew) = skew.filter(|s| s.abs() > 5.0) {
            warnings.push(format!(
                "This machine's clock is {} the database's; the database's decides.",
                if skew > 0.0 {
                    format!("{skew:.0} s behind")
                } else {
                    format!("{:.0} s ahead of", -skew)
                }
            ));
        }
        if let Some(exposed) = &self.exposed {
            warnings.push(format!("{exposed}."));
        }
        if let Some(why) = &self.barrier {
            warnings.push(format!("Nobody can be signed out here: {}.", why.message));
        } else if !self.store.whole() {
            warnings.push(
                "No session of this site was seen yet where Curfew looks for them, so nobody is called stale (curfew doctor).".into(),
            );
        }
        warnings.extend(self.known_doubts().into_iter().map(|doubt| doubt.detail));
        if !self.has_evidence() {
            warnings.push(format!(
                "Nothing here says when users were last active, so nobody can be swept. To do: {}.",
                crate::sweep::GET_EVIDENCE
            ));
        }
        for found in &self.found {
            if found.value.is_none() && found.because.contains(discover::ASKS) {
                warnings.push(format!(
                    "The {} is not known: {}.",
                    found.what, found.because
                ));
            }
        }
        warnings.extend(self.evidence_warning().filter(|_| self.has_evidence()));
        if config.secret_key.is_none() {
            warnings.push("Signatures are not checked: the SECRET_KEY is not known.".into());
        } else {
            let (verified, refused) = hold(&self.roster).signatures();
            if verified == 0 && refused > 0 {
                warnings.push(
                    "No session was made with the SECRET_KEY given: it is probably not this site's."
                        .into(),
                );
            }
        }
        if let Some(fault) = self.heads_fault() {
            warnings.push(format!("{fault}."));
        }
        if let Some(error) = self.unrecorded() {
            warnings.push(format!("{}.", error.message));
        }
        warnings
    }

    /// Lets a sweep end its batches under way, and begin no other.
    pub fn finish_early(&self) {
        self.halt.cancel();
    }

    /// A page of people.
    pub fn users(&self, query: &Query) -> Page {
        let exempt = self.policy().exempt;
        hold(&self.roster).page(query, &exempt)
    }

    /// The document of `curfew users`.
    pub fn users_view(&self, query: &Query) -> UsersView {
        let page = self.users(query);
        let roster = hold(&self.roster);
        UsersView {
            site: self.name(),
            db_time: roster.now(),
            counts: roster.counts(),
            users: page.rows,
            doubts: self.known_doubts(),
        }
    }

    /// Everything about one person with a session or the flag.
    pub fn user(&self, id: &str) -> Result<UserDetail> {
        let id = self.schema.users.id_form.id(id);
        let exempt = self.policy().exempt;
        let activity = self
            .schema
            .users
            .last_activity
            .as_ref()
            .map(|c| c.name.as_str());
        let (user, evidence, sessions) = {
            let roster = hold(&self.roster);
            let user = roster.view(&id, &exempt).ok_or_else(|| {
                Error::new(
                    Code::NoUser,
                    "this person is no longer signed in or flagged",
                )
            })?;
            let now = roster.now().unwrap_or(Timestamp::MIN);
            (
                user,
                roster.evidence_of(&id, activity),
                roster.sessions_of(&id, now),
            )
        };
        Ok(UserDetail {
            // A journal that cannot be read is told of in its own view.
            journal: self
                .journal
                .about(id.as_str(), &self.name(), 10)
                .unwrap_or_default(),
            user,
            evidence,
            sessions,
            tokens: None,
        })
    }

    /// As [`Site::user`], and for someone who has left: what the table and the journal still say of them.
    /// With the user's API tokens.
    pub async fn user_or_gone(&self, id: &str) -> Result<UserDetail> {
        let mut detail = self.user_here_or_gone(id).await?;
        let (id, name) = (&detail.user.id, &detail.user.username);
        detail.tokens = self.tokens_of(id, name).await;
        Ok(detail)
    }

    async fn user_here_or_gone(&self, id: &str) -> Result<UserDetail> {
        match self.user(id) {
            Err(error) if error.code == Code::NoUser => {
                let user = self.lookup(&format!("id:{id}")).await?;
                Ok(UserDetail {
                    journal: self
                        .journal
                        .about(&user.id, &self.name(), 10)
                        .unwrap_or_default(),
                    user,
                    evidence: Vec::new(),
                    sessions: Vec::new(),
                    tokens: None,
                })
            }
            other => other,
        }
    }

    /// The one person meant by `USERNAME` or `id:VALUE`, signed in or not. Asks the database where the roster
    /// does not know them.
    pub async fn lookup(&self, user: &str) -> Result<UserView> {
        let exempt = self.policy().exempt;
        let known = |ids: Vec<UserId>| -> Option<Vec<UserView>> {
            let roster = hold(&self.roster);
            let views: Vec<UserView> = ids
                .iter()
                .filter_map(|id| roster.view(id, &exempt))
                .collect();
            (!views.is_empty()).then_some(views)
        };
        let rows = if let Some(id) = user.strip_prefix("id:") {
            let id = self.schema.users.id_form.id(id);
            let held = known(vec![id.clone()]).and_then(|mut views| views.pop());
            match held {
                Some(view) if !view.username.is_empty() => return Ok(view),
                // The roster knows a session of this user, and has not read the user yet.
                Some(view) => match self.store.users(&[id]).await?.into_iter().next() {
                    Some(row) => {
                        let read = away(&row);
                        return Ok(UserView {
                            username: read.username,
                            email: read.email,
                            name: read.name,
                            staff: read.staff,
                            superuser: read.superuser,
                            enabled: read.enabled,
                            ..view
                        });
                    }
                    None => return Ok(view),
                },
                None => self.store.users(&[id]).await?,
            }
        } else {
            self.store.users_named(user).await?
        };
        let ids: HashSet<&UserId> = rows.iter().map(|r| &r.id).collect();
        match (rows.as_slice(), ids.len()) {
            ([], _) => Err(Error::new(
                Code::NoUser,
                format!(
                    "no user {user:?} on {}; give a username as the site has it, or id:VALUE",
                    self.name()
                ),
            )),
            ([row, ..], 1) => Ok(known(vec![row.id.clone()])
                .and_then(|mut v| v.pop())
                .filter(|view| !view.username.is_empty())
                .unwrap_or_else(|| away(row))),
            (several, _) => Err(Error::new(
                Code::Ambiguous,
                format!(
                    "{} users are named {user:?}; give id:VALUE ({})",
                    several.len(),
                    several
                        .iter()
                        .map(|r| format!("id:{}", r.id))
                        .collect::<Vec<_>>()
                        .join(", ")
                ),
            )),
        }
    }

    /// The newest entries of this state directory's journal, of all sites.
    pub fn journal(&self, limit: usize) -> Result<JournalView> {
        journal::read(&self.state_dir, limit)
    }

    pub fn timeline(&self) -> Timeline {
        hold(&self.history).view()
    }

    /// Gives what is still to be told a few seconds, and lets the site go.
    pub async fn close(&self) {
        if let Some(webhook) = &self.webhook {
            webhook.stop(FAREWELL, false).await;
        }
    }

    /// As [`Site::close`], for a run that ends here: messages get more time, and those that earlier runs kept are sent.
    /// Returns one sentence about messages that are kept for a later run, if there are any.
    pub async fn close_patiently(&self) -> Option<String> {
        let webhook = self.webhook.as_ref()?;
        let kept = webhook.stop(PATIENCE, true).await;
        let (messages, are) = match kept {
            0 => return None,
            1 => ("1 message".to_owned(), "is"),
            n => (format!("{n} messages"), "are"),
        };
        Some(format!(
            "{messages} for the webhook {} could not be delivered and {are} kept: the next run that changes something sends what is kept",
            webhook.place()
        ))
    }
}

/// Someone the roster does not hold: not signed in, not flagged.
fn away(row: &UserRow) -> UserView {
    UserView {
        id: row.id.to_string(),
        username: row.username.clone(),
        email: row.email.clone(),
        name: row.name.clone(),
        state: State::Unknown,
        last_activity: row.last_activity,
        last_seen: row.last_activity.max(row.last_login),
        evidence: None,
        idle_seconds: None,
        sessions: 0,
        flagged: row.flagged,
        staff: row.staff,
        superuser: row.superuser,
        enabled: row.enabled,
        impersonators: Vec::new(),
        acts_as: Vec::new(),
        exempt: None,
        fault: None,
    }
}

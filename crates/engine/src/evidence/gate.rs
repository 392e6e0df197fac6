//! The guard in front of a sweep: no user is signed out by evidence that is not proven good enough.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::grain::{self, Said};
use super::survey::Survey;
use super::{Doubt, Ledger, Misread, kept, skew, spoken};
use crate::config::SiteConfig;
use crate::error::{Code, Error, Result};
use crate::site::{Site, hold};
use crate::store::{Schema, UserId};

/// A run that has just begun refreshes once more after this long before it signs anybody out: users who are working show
/// themselves meanwhile.
const SECOND_REFRESH: Duration = Duration::from_secs(2);
/// With more sessions than this, the second refresh reads users and recent saves, and lists no session.
const LISTED: usize = 50_000;

/// The ledger of a site that is being opened.
pub(crate) fn ledger(state_dir: &std::path::Path, config: &SiteConfig, schema: &Schema) -> Ledger {
    let users = &schema.users;
    let column = users
        .last_activity
        .as_ref()
        .map(|column| column.name.as_str());
    let source = format!("{}.{}", users.table.shown(), column.unwrap_or_default());
    let path = kept::path(state_dir, &config.name, config.address.shown());
    Ledger::open(path, &source)
}

impl Site {
    /// Takes in what a refresh saw, and keeps it in the state folder now and then.
    pub(crate) async fn learn(&self) {
        let saves = self.config().sessions.saved_every_request || !self.has_activity();
        let zone = self.config().time_zone.clone();
        let write = {
            let mut roster = hold(&self.roster);
            let Some(now) = roster.now() else { return };
            let moves = roster.take_moves();
            let mut ledger = hold(&self.ledger);
            ledger.compare(&roster);
            ledger.refreshed(now, &moves, saves);
            if ledger.survey_due() {
                ledger.surveyed(Survey::of(&roster, zone.as_ref()));
            }
            ledger.take_what_is_due(&roster)
        };
        self.reckon();
        if let Some((path, kept)) = write {
            // Whoever cannot keep what was learned learns it again.
            let written = tokio::task::spawn_blocking(move || kept::write(&path, &kept)).await;
            if let Ok(Err(error)) = written {
                tracing::debug!(%error, "what was learned of the evidence cannot be kept");
            }
        }
    }

    /// Surveys the users as they are now.
    fn survey(&self) {
        let zone = self.config().time_zone.clone();
        let survey = Survey::of(&hold(&self.roster), zone.as_ref());
        hold(&self.ledger).surveyed(survey);
        self.reckon();
    }

    /// Has the rules follow the grain that is proven by now.
    pub(crate) fn reckon(&self) {
        let grain = self.grain().unwrap_or_default();
        let before = std::mem::replace(&mut *hold(&self.stretch), grain);
        if before != grain {
            self.settle();
        }
    }

    fn said(&self) -> Said {
        let column = self.has_activity();
        let config = self.config();
        Said {
            limit: config.policy.sign_out_after,
            saves: config.sessions.saved_every_request,
            grain: config.activity.activity_grain.filter(|_| column),
        }
    }

    /// The grain of this site's evidence, or why none is proven.
    fn grain(&self) -> Result<Duration, Doubt> {
        let said = self.said();
        let ledger = hold(&self.ledger);
        grain::prove(said, &ledger.survey, ledger.steps())
    }

    fn skewed(&self) -> Option<Doubt> {
        let now = self.db_now()?;
        let skew = hold(&self.line).skew();
        let ledger = hold(&self.ledger);
        skew::doubt(now, skew, ledger.survey.newest, ledger.lags())
    }

    /// Why a sweep would be held now, whoever is overdue. `None`: it would not.
    pub(crate) fn evidence_doubt(&self) -> Option<Doubt> {
        let misread = self.known_misread();
        let misread = misread.map(|one| Doubt::new(Code::ClockSkew, one.why(), Misread::FIX));
        misread
            .or_else(|| self.skewed())
            .or_else(|| self.grain().err())
    }

    /// Refuses a sweep by evidence that is not proven good enough.
    pub(crate) fn need_proof(&self) -> Result<()> {
        self.survey();
        match self.evidence_doubt() {
            Some(doubt) => Err(doubt.refusal(&self.name())),
            None => Ok(()),
        }
    }

    /// As [`Self::need_proof`], for a preview: the guard that a sweep would meet.
    pub(crate) fn proof_missing(&self) -> Option<Error> {
        self.need_proof().err()
    }

    /// Refreshes once more where this run has hardly seen anything yet. Says whether it did.
    pub(crate) async fn second_refresh(&self, users: &[UserId]) -> Result<bool> {
        let Some(first) = hold(&self.ledger).first() else {
            return Ok(false);
        };
        let since = first.elapsed();
        if since >= SECOND_REFRESH {
            return Ok(false);
        }
        tokio::time::sleep_until(Instant::now() + (SECOND_REFRESH - since)).await;
        let (sessions, _) = hold(&self.roster).size();
        match sessions <= LISTED {
            true => self.look_whole(users).await?,
            false => self.look_fresh(users).await?,
        }
        Ok(true)
    }

    /// What the window and the command line say about the evidence.
    pub(crate) fn evidence_warning(&self) -> Option<String> {
        // Before the first refresh there is nothing to say.
        let _first = hold(&self.ledger).first()?;
        let doubt = self.evidence_doubt()?;
        Some(match doubt.code {
            Code::Learning => format!(
                "Learning how often this site records activity. No sweep until then; to state it, set activity_grain under [site.activity]. {}",
                self.learned()
            )
            .trim_end()
            .to_string(),
            _ => format!("Sweeps are held: {}. To do: {}.", doubt.why, doubt.fix),
        })
    }

    fn learned(&self) -> String {
        let ledger = hold(&self.ledger);
        match (ledger.steps().smallest, ledger.users()) {
            (Some(step), users) => format!(
                "Closest records so far: {} apart ({users} users seen).",
                spoken(step)
            ),
            (None, _) => String::new(),
        }
    }

    /// What the doctor reports of the grain and of the clocks, after a first refresh: a detail, or what is wrong and what to do.
    pub(crate) async fn evidence_found(&self) -> (Found, Found) {
        let not_checked = |why: &str| {
            let found = Err((
                format!("not checked: {why}"),
                "correct that first, then run doctor again".to_string(),
            ));
            (found.clone(), found)
        };
        if !self.has_evidence() {
            return not_checked("nothing says when users were last active");
        }
        let anyone = hold(&self.roster).counts().signed_in > 0;
        if anyone && let Err(error) = self.second_refresh(&[]).await {
            return not_checked(&error.message);
        }
        self.survey();
        let nobody = hold(&self.ledger).survey.with_activity == 0 && !self.said().saves;
        let grain = match self.grain() {
            Err(doubt) if doubt.code == Code::Learning && nobody => {
                Ok("nobody is signed in to learn from yet".to_string())
            }
            Err(doubt) => Err((doubt.why, doubt.fix)),
            Ok(grain) if grain.is_zero() => {
                Ok("records activity at least once a minute".to_string())
            }
            Ok(grain) => Ok(format!(
                "records activity once in {0}; the limit is stretched by {0}",
                spoken(grain)
            )),
        };
        let records = match self.skewed() {
            Some(doubt) => Err((doubt.why, doubt.fix)),
            None => Ok("the site's records and the database's clock agree".to_string()),
        };
        (grain, records)
    }
}

/// What was found, or what is wrong and what to do.
pub(crate) type Found = Result<String, (String, String)>;

/// Both times of sources that disagree, for people.
pub(crate) fn both(one: (&str, Timestamp), other: (&str, Timestamp)) -> String {
    let shown = |at: Timestamp| at.round(jiff::Unit::Second).unwrap_or(at);
    format!(
        "held back, because the evidence disagrees: {} says {}, {} says {}",
        one.0,
        shown(one.1),
        other.0,
        shown(other.1)
    )
}

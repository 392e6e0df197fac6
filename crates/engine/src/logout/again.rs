//! Tells the window of a user who signs in again within a minute of a verified sign-out. The watch keeps the roster
//! fresh, so this asks the site nothing.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, interval};

use super::ending::{LATE, Leaver, Target};
use crate::error::Result;
use crate::event::Event;
use crate::site::{Site, hold};
use crate::store::UserId;
use crate::view::{LogoutReport, Outcome};

/// How often the roster is asked.
const EVERY: Duration = Duration::from_secs(1);

/// A user who had no session left when the sign-out ended.
struct Out {
    id: UserId,
    report: LogoutReport,
}

impl Site {
    /// Starts to watch those of `reports` that say "signed out". An event tells of each who comes back.
    pub(super) fn watch_for_return(
        self: &Arc<Self>,
        people: &[Leaver],
        reports: &[Result<LogoutReport>],
    ) {
        let mut out: Vec<Out> = people
            .iter()
            .zip(reports)
            .filter_map(|(one, report)| match (&one.target, report) {
                (Target::User(id), Ok(report)) if report.outcome == Outcome::SignedOut => {
                    let (id, report) = (id.clone(), report.clone());
                    Some(Out { id, report })
                }
                _ => None,
            })
            .collect();
        // A site that is closed meanwhile is not kept alive for this.
        let site = Arc::downgrade(self);
        let end = Instant::now() + LATE;
        tokio::spawn(async move {
            let mut due = interval(EVERY);
            while !out.is_empty() && Instant::now() < end {
                due.tick().await;
                let Some(site) = site.upgrade() else {
                    return;
                };
                let now = site.db_now().unwrap_or(jiff::Timestamp::MIN);
                out.retain(|one| {
                    let sessions = hold(&site.roster).usable_of(&one.id, now);
                    if sessions > 0 {
                        site.emit(Event::SignedInAgain {
                            id: one.report.user.id.clone(),
                            deed: one.report.deed.clone(),
                            username: one.report.user.username.clone(),
                            sessions,
                        });
                    }
                    sessions == 0
                });
            }
        });
    }
}

//! The loop that keeps a site alive: look, back off where it does not answer, sweep when it is time.
//! A failure is an event, never the loop's end.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::error::Result;
use crate::event::Event;
use crate::site::{Site, hold};
use crate::tell::health;

/// Between looks at a site that answers, at most.
const EVERY: Duration = Duration::from_secs(2);
/// So many saved sessions, met by one look, are a crowd.
const CROWD: usize = 3_000;
/// And where a look meets a crowd, for each look goes over those of some seconds again: half as many looks
/// cost the site's database much less.
const EVERY_OF_A_CROWD: Duration = Duration::from_secs(4);
/// And at least: a small site is looked at twice as often, for a look costs it nothing to speak of.
const OFTEN: Duration = Duration::from_secs(1);
/// A look may take one hundredth of the time between looks before they come less often.
const SHARE: u32 = 100;
/// Between tries at a site that does not, at most.
const SLOWEST: Duration = Duration::from_secs(30);

/// The running loop of one site.
pub struct Watch {
    site: Arc<Site>,
    stop: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
}

/// Starts watching: the first look is at once.
pub fn start(site: Arc<Site>) -> Watch {
    let stop = CancellationToken::new();
    let mut tasks = vec![tokio::spawn(run(site.clone(), stop.clone()))];
    let url = site.config().health_url.clone();
    if let Some(url) = url {
        tasks.push(tokio::spawn(watch_health(site.clone(), url, stop.clone())));
    }
    Watch { site, stop, tasks }
}

impl Watch {
    /// Ends the loop; a statement that is under way is waited for, but not for long.
    pub async fn stop(self) {
        self.stop.cancel();
        for task in self.tasks {
            let _ = tokio::time::timeout(Duration::from_secs(2), task).await;
        }
        self.site.close().await;
    }
}

async fn run(site: Arc<Site>, stop: CancellationToken) {
    let mut failures: u32 = 0;
    let mut tidied = false;
    loop {
        let wait = match look(&site).await {
            Ok(rest) => {
                failures = 0;
                if !tidied || site.unrecorded().is_some() {
                    tidied = true;
                    site.tidy_journal().await;
                }
                sweep_if_due(&site).await;
                rest
            }
            Err(error) => {
                failures = failures.saturating_add(1);
                tracing::debug!(%error, failures, "the look failed");
                let wait = back_off(failures);
                hold(&site.line).retry_at(Instant::now() + wait);
                let connection = hold(&site.line).view();
                site.emit(Event::Connection { connection });
                wait
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
            () = site.wake.notified() => {}
        }
    }
}

/// One look, and how long the loop rests after it.
///
/// # Errors
/// Those of [`Site::look`].
pub async fn look(site: &Site) -> Result<Duration> {
    let began = Instant::now();
    site.look().await?;
    Ok(wait(began.elapsed(), hold(&site.line).saved()))
}

/// After a look that took so long, and met so many saved sessions.
fn wait(took: Duration, saved: usize) -> Duration {
    let longest = match saved < CROWD {
        true => EVERY,
        false => EVERY_OF_A_CROWD,
    };
    (took * SHARE).clamp(OFTEN, longest)
}

/// 2, 4, 8, 16, then 30 s.
fn back_off(failures: u32) -> Duration {
    let doubled = EVERY.saturating_mul(1 << failures.saturating_sub(1).min(4));
    doubled.min(SLOWEST)
}

async fn sweep_if_due(site: &Site) {
    let (automatic, armed, every) = {
        let config = site.config();
        (
            config.automatic_sweep,
            config.armed,
            config.policy.sweep_every,
        )
    };
    if !automatic || !armed {
        return;
    }
    let due = site
        .db_now()
        .is_some_and(|now| hold(&site.timer).schedule.due(now, every));
    if due && let Err(error) = site.sweep(false).await {
        // The window shows it; the next one comes in its time.
        tracing::info!(%error, "the sweep was held");
    }
}

async fn watch_health(site: Arc<Site>, url: String, stop: CancellationToken) {
    let mut state = health::HealthState::default();
    let Ok(probe) = health::Probe::new(&url) else {
        tracing::warn!("health_url cannot be read; correct it in config.toml");
        return;
    };
    loop {
        let result = probe.look().await;
        let at = site.db_now().unwrap_or_else(jiff::Timestamp::now);
        let health = state.take(result, at);
        let wait = if health.ok {
            health::EVERY
        } else {
            health::AGAIN
        };
        *hold(&site.health) = Some(health.clone());
        site.emit(Event::Health { health });
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_come_slower_and_stay_bounded() {
        let waits: Vec<u64> = (1..=7).map(|n| back_off(n).as_secs()).collect();
        assert_eq!(waits, [2, 4, 8, 16, 30, 30, 30]);
        assert_eq!(back_off(u32::MAX), SLOWEST);
    }

    #[test]
    fn looks_that_cost_much_come_less_often_and_at_a_crowd_least() {
        let ms = Duration::from_millis;
        for (took, saved, waited) in [
            (0, 0, 1_000),
            (15, 2_999, 1_500),
            (60, 2_999, 2_000),
            (15, 3_000, 1_500),
            (60, 3_000, 4_000),
            (60_000, 3_000, 4_000),
        ] {
            assert_eq!(wait(ms(took), saved), ms(waited), "{took} ms, {saved}");
        }
    }
}

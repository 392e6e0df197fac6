//! `curfew sweep --every D`: the timer for servers. Sweeps at once and then on time, until told to stop.
//! An outage is a line on standard error and a wait, never the end.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use curfew_engine::config::{Backend, SiteConfig};
use curfew_engine::error::{Code, Error};
use curfew_engine::site::Site;
use curfew_engine::view::SweepReport;

use super::sweep::{line, once};
use crate::args::SweepArgs;
use crate::context::Context;
use crate::failure::{Failure, Status};
use crate::output::Reader;
use crate::stop::Stop;
use crate::words::{setting, span, stamp};

const FIRST_RETRY: Duration = Duration::from_secs(2);
const LAST_RETRY: Duration = Duration::from_secs(60);

pub async fn run(
    context: &Context,
    config: SiteConfig,
    args: SweepArgs,
    period: Duration,
) -> Result<Status, Failure> {
    let mut timer = Timer {
        config,
        args,
        site: None,
        swept: false,
    };
    let ended = repeat(context, &mut timer, period).await;
    // What is still to be told of the last sweep gets its time.
    timer.let_go().await;
    ended
}

async fn repeat(context: &Context, timer: &mut Timer, period: Duration) -> Result<Status, Failure> {
    let stop = Stop::listen()?;
    context.output.remark(&format!(
        "sweeping {} every {}; Ctrl-C stops",
        timer.config.name,
        setting(period)
    ));
    let mut outage = Outage::default();
    loop {
        let started = Moment::now();
        let Some(ended) = timer.tick(context, &stop).await? else {
            return Ok(Status::Done);
        };
        let wait = match ended {
            Ok(report) => {
                if let Some(lasted) = outage.over() {
                    let lasted = span(lasted.as_secs());
                    context
                        .output
                        .remark(&format!("the site answers again, after {lasted}"));
                }
                if say(context, &report, timer.args.force)? == Reader::Gone {
                    return Ok(Status::Done);
                }
                next_tick(started.elapsed(), period)
            }
            Err(error) if timer.is_final(error.code) => return Err(error.into()),
            Err(error) if error.code.is_guard() => {
                context.output.failure(&error.into());
                next_tick(started.elapsed(), period)
            }
            Err(error) => {
                timer.let_go().await;
                let (wait, news) = outage.next(error.code, period, started);
                if news {
                    context.output.failure(&error.into());
                }
                // From the end of the try: it may have taken longer than the wait.
                wait.saturating_add(started.elapsed())
            }
        };
        tokio::select! {
            () = started.until_over(wait) => {}
            () = stop.asked.cancelled() => return Ok(Status::Done),
        }
    }
}

struct Timer {
    config: SiteConfig,
    args: SweepArgs,
    site: Option<Arc<Site>>,
    /// Whether a sweep has gone well: from then on the set-up is known to be right.
    swept: bool,
}

impl Timer {
    /// One sweep; none where a stop was asked for. A sweep that has begun is not cut off.
    async fn tick(
        &mut self,
        context: &Context,
        stop: &Stop,
    ) -> Result<Option<Result<SweepReport, Error>>, Failure> {
        let site = match &self.site {
            Some(site) => Arc::clone(site),
            None => {
                let opened = tokio::select! {
                    opened = Site::open(self.config.clone(), &context.env) => opened,
                    () = stop.asked.cancelled() => return Ok(None),
                };
                match opened {
                    Ok(site) => Arc::clone(self.site.insert(site)),
                    Err(error) => return Ok(Some(Err(error))),
                }
            }
        };
        let ended = stop
            .through(context.output, once(&site, &self.args))
            .await?;
        self.swept |= ended.is_ok();
        Ok(Some(ended))
    }

    async fn let_go(&mut self) {
        if let Some(site) = self.site.take() {
            site.close().await;
        }
    }

    fn is_final(&self, code: Code) -> bool {
        let file = matches!(self.config.address.backend(), Backend::Sqlite(_));
        is_final(code, self.swept, file)
    }
}

/// What only a person can mend, so that waiting for it would hide it: a site that is view-only, and before the
/// first sweep whatever is wrong with the set-up, such as a file that is not there. An outage and a sweep of too
/// many people pass.
fn is_final(code: Code, swept: bool, file: bool) -> bool {
    match code {
        Code::ViewOnly | Code::Config | Code::NoSite => true,
        Code::TooMany => false,
        Code::Unreachable | Code::Database => file && !swept,
        _ => !swept,
    }
}

/// When the next sweep is due, counted from the beginning of the last: ticks that it outlasted are left out.
fn next_tick(lasted: Duration, period: Duration) -> Duration {
    let ticks = lasted.as_nanos() / period.as_nanos().max(1) + 1;
    period.saturating_mul(u32::try_from(ticks).unwrap_or(u32::MAX))
}

/// A run of tries that failed, and how long to wait for the next.
#[derive(Default)]
struct Outage {
    since: Option<Moment>,
    tries: u32,
    told: Option<Code>,
}

impl Outage {
    /// The wait until the next try, and whether people should hear of this one.
    fn next(&mut self, code: Code, period: Duration, began: Moment) -> (Duration, bool) {
        self.since.get_or_insert(began);
        let wait = FIRST_RETRY
            .saturating_mul(1 << self.tries.min(10))
            .min(LAST_RETRY)
            .min(period);
        self.tries = self.tries.saturating_add(1);
        let news = self.told.replace(code) != Some(code);
        (wait, news)
    }

    /// How long it was, where there was one.
    fn over(&mut self) -> Option<Duration> {
        std::mem::take(self).since.map(|since| since.elapsed())
    }
}

/// A moment by the wall clock and the monotonic one: the latter stands still while a machine is suspended,
/// the former can be set. The longer of the two has passed.
#[derive(Clone, Copy)]
struct Moment {
    wall: SystemTime,
    steady: tokio::time::Instant,
}

impl Moment {
    fn now() -> Self {
        Self {
            wall: SystemTime::now(),
            steady: tokio::time::Instant::now(),
        }
    }

    fn elapsed(&self) -> Duration {
        self.steady
            .elapsed()
            .max(self.wall.elapsed().unwrap_or_default())
    }

    async fn until_over(&self, wait: Duration) {
        const SLICE: Duration = Duration::from_secs(5);
        loop {
            let left = wait.saturating_sub(self.elapsed());
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left.min(SLICE)).await;
        }
    }
}

/// One line a sweep.
fn say(context: &Context, report: &SweepReport, force: bool) -> Result<Reader, Failure> {
    if context.output.is_json() {
        return context.output.document(report);
    }
    let mut text = format!("{} {}", stamp(report.at, &context.zone), line(report));
    if let Some(held) = report.held.as_ref().filter(|_| !force) {
        text.push_str(&format!(" A real sweep would stop here: {held}"));
    }
    text = crate::words::clean(&text).into_owned();
    text.push('\n');
    context.output.text(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERIOD: Duration = Duration::from_secs(300);

    #[test]
    fn waits_grow_up_to_a_minute_and_never_beyond_the_period() {
        let mut outage = Outage::default();
        let waits: Vec<u64> = (0..7)
            .map(|_| {
                outage
                    .next(Code::Unreachable, PERIOD, Moment::now())
                    .0
                    .as_secs()
            })
            .collect();
        assert_eq!(waits, [2, 4, 8, 16, 32, 60, 60]);
        let mut outage = Outage::default();
        let short = Duration::from_secs(3);
        let waits: Vec<u64> = (0..3)
            .map(|_| {
                outage
                    .next(Code::Unreachable, short, Moment::now())
                    .0
                    .as_secs()
            })
            .collect();
        assert_eq!(waits, [2, 3, 3]);
    }

    #[test]
    fn ticks_that_were_missed_are_left_out() {
        let second = Duration::from_secs(1);
        for (lasted, due) in [(0, 300), (299, 300), (300, 600), (1000, 1200)] {
            assert_eq!(next_tick(second * lasted, PERIOD), second * due, "{lasted}");
        }
    }

    #[test]
    fn an_outage_is_told_once_for_each_way_of_failing() {
        let mut outage = Outage::default();
        assert!(outage.over().is_none());
        assert!(outage.next(Code::Unreachable, PERIOD, Moment::now()).1);
        assert!(!outage.next(Code::Unreachable, PERIOD, Moment::now()).1);
        assert!(outage.next(Code::Denied, PERIOD, Moment::now()).1);
        assert!(outage.over().is_some());
        assert!(outage.over().is_none());
        assert!(outage.next(Code::Unreachable, PERIOD, Moment::now()).1);
    }

    #[test]
    fn only_what_needs_a_person_ends_the_timer() {
        for (swept, file) in [(false, false), (false, true), (true, false), (true, true)] {
            assert!(is_final(Code::ViewOnly, swept, file));
            assert!(!is_final(Code::TooMany, swept, file));
        }
        for code in [
            Code::Denied,
            Code::NotDjango,
            Code::NoEvidence,
            Code::Journal,
        ] {
            assert!(is_final(code, false, false), "{code:?}");
            assert!(!is_final(code, true, false), "{code:?}");
        }
        // A server may be starting; a file that is not there was misspelt.
        assert!(!is_final(Code::Unreachable, false, false));
        assert!(is_final(Code::Unreachable, false, true));
        assert!(!is_final(Code::Unreachable, true, true));
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_counts_from_its_beginning() {
        let began = tokio::time::Instant::now();
        let moment = Moment::now();
        tokio::time::sleep(Duration::from_secs(100)).await;
        moment.until_over(PERIOD).await;
        assert_eq!(began.elapsed().as_secs(), 300);
    }
}

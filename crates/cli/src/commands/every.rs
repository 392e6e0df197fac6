//! `curfew sweep --every D`: the timer for servers. Sweeps at once and then on time, until a signal stops it.
//! Each trouble is reported once, waited out, and its end is reported. Only wrong usage, an unknown site, and a site
//! that is view-only at the start end the process.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use curfew_engine::config::SiteConfig;
use curfew_engine::error::Code;
use curfew_engine::site::Site;
use curfew_engine::view::SweepReport;

use super::sweep::{config, line, once, status};
use crate::args::SweepArgs;
use crate::context::{Context, now};
use crate::failure::{Failure, Status};
use crate::output::Reader;
use crate::service::Service;
use crate::stop::Stop;
use crate::words::{clean, count, setting, span, stamp};

const FIRST_RETRY: Duration = Duration::from_secs(2);
const LAST_RETRY: Duration = Duration::from_secs(60);
/// Between two comparisons of the site's tables with what was found when it was opened: first, and later on.
const FIRST_CHECK: Duration = Duration::from_secs(5);
const LAST_CHECK: Duration = Duration::from_secs(300);

pub async fn run(
    context: &Context,
    config: SiteConfig,
    args: SweepArgs,
    period: Duration,
) -> Result<Status, Failure> {
    let stop = Stop::listen()?;
    let mut timer = Timer {
        written: written(context),
        config,
        args,
        open: None,
        swept: false,
        trouble: Trouble::default(),
        unrecorded: false,
        heads: false,
    };
    let service = Service::start();
    context.output.remark(&format!(
        "sweeping {} every {}; Ctrl-C stops",
        timer.config.name,
        setting(period)
    ));
    let ended = timer.repeat(context, &stop, &service, period).await;
    service.stopping();
    // Messages about the last sweep get their time.
    timer.let_go().await;
    ended
}

/// The configuration file's bytes. `None` if it cannot be read.
fn written(context: &Context) -> Option<Vec<u8>> {
    std::fs::read(context.env.config_dir.join("config.toml")).ok()
}

/// An open site, and when its tables are compared with what was found in them.
struct Open {
    site: Arc<Site>,
    since: Moment,
    check_after: Duration,
}

struct Timer {
    written: Option<Vec<u8>>,
    config: SiteConfig,
    args: SweepArgs,
    open: Option<Open>,
    /// Whether a sweep has ended well: from then on nothing ends the process but a signal.
    swept: bool,
    trouble: Trouble,
    /// Whether it was reported that the journal lacks an outcome.
    unrecorded: bool,
    /// Whether it was reported that the journal's heads do not leave this machine.
    heads: bool,
}

/// How one tick ended.
enum Ended {
    Swept(SweepReport),
    Failed(Failure),
    /// A stop was asked for before the sweep began.
    Stopped,
}

impl Timer {
    async fn repeat(
        &mut self,
        context: &Context,
        stop: &Stop,
        service: &Service,
        period: Duration,
    ) -> Result<Status, Failure> {
        loop {
            let started = Moment::now();
            service.busy();
            let ended = self.tick(context, stop).await?;
            service.idle();
            let asked = stop.asked.is_cancelled();
            let wait = match ended {
                Ended::Stopped => return Ok(Status::Done),
                Ended::Swept(report) => {
                    self.swept = true;
                    self.recovered(context);
                    self.tell_journal(context);
                    service.status(&line(&report));
                    if say(context, &report, self.args.force)? == Reader::Gone {
                        return Ok(Status::Done);
                    }
                    if asked {
                        return Ok(status(&report));
                    }
                    next_tick(started.steady.elapsed(), period)
                }
                Ended::Failed(failure) if asked => {
                    context.output.failure(&failure);
                    return Ok(Status::Partly);
                }
                Ended::Failed(failure) if failure.is(Code::ViewOnly) && !self.swept => {
                    return Err(failure);
                }
                Ended::Failed(failure) => {
                    service.status(&format!("waiting: {}", failure.message));
                    self.failed(context, failure, period, started).await
                }
            };
            let rests = Moment::now();
            tokio::select! {
                () = rests.until_over(wait) => {}
                () = stop.asked.cancelled() => return Ok(Status::Done),
            }
        }
    }

    /// One sweep; none if a stop was asked for. A sweep that has begun ends its batches under way.
    async fn tick(&mut self, context: &Context, stop: &Stop) -> Result<Ended, Failure> {
        if let Err(failure) = self.read_again(context).await {
            self.let_go().await;
            return Ok(Ended::Failed(failure));
        }
        self.check_tables(context).await;
        let site = match &self.open {
            Some(open) => Arc::clone(&open.site),
            None => {
                let opened = tokio::select! {
                    opened = Site::open(self.config.clone(), &context.env) => opened,
                    () = stop.asked.cancelled() => return Ok(Ended::Stopped),
                };
                match opened {
                    Ok(site) => {
                        self.open = Some(Open {
                            site: Arc::clone(&site),
                            since: Moment::now(),
                            check_after: FIRST_CHECK,
                        });
                        site
                    }
                    Err(error) => return Ok(Ended::Failed(error.into())),
                }
            }
        };
        let deed = stop.early(&site, once(&site, &self.args));
        Ok(match stop.through(context.output, deed).await? {
            Ok(report) => Ended::Swept(report),
            Err(error) => Ended::Failed(error.into()),
        })
    }

    /// Reads the configuration again if its file has changed. The site is then opened anew.
    async fn read_again(&mut self, context: &Context) -> Result<(), Failure> {
        if self.config.by_url {
            return Ok(());
        }
        let written = written(context);
        // After a failure the file is read at each tick, for what it needs may be elsewhere.
        if written == self.written && !self.trouble.of_configuration {
            return Ok(());
        }
        match config(context, &self.args).await {
            Ok(config) => {
                self.trouble.of_configuration = false;
                self.written = written;
                self.config = config;
                self.let_go().await;
                Ok(())
            }
            Err(failure) => {
                self.trouble.of_configuration = true;
                Err(failure)
            }
        }
    }

    /// Closes the site if its tables are no longer what was found, so that it is opened anew. A migration may have
    /// renamed a column away for a moment.
    async fn check_tables(&mut self, context: &Context) {
        let Some(open) = &mut self.open else {
            return;
        };
        if open.since.elapsed() < open.check_after {
            return;
        }
        open.since = Moment::now();
        open.check_after = open.check_after.saturating_mul(2).min(LAST_CHECK);
        let moved = open.site.tables_moved(&self.config).await;
        // If they cannot be read, the sweep meets the same trouble and reports it.
        if let Ok(moved) = moved
            && !moved.is_empty()
        {
            context.output.aside(&format!(
                "{}: the tables have changed ({}); they are read again\n",
                clean(&self.config.name),
                clean(&moved.join(", "))
            ));
            self.let_go().await;
        }
    }

    /// Reports a tick that failed, and returns how long to wait for the next.
    async fn failed(
        &mut self,
        context: &Context,
        failure: Failure,
        period: Duration,
        started: Moment,
    ) -> Duration {
        let overdue = match &self.open {
            Some(open) if failure.status == Status::Refused => {
                // A guard may refuse before the users are read.
                let _read = open.site.look().await;
                open.site.view().counts.overdue
            }
            _ => 0,
        };
        let news = self.trouble.news(&failure, started);
        if news {
            context.output.shortfall(&failure.message);
        }
        // Whoever reads the ticks reads why nobody was signed out, and how many it concerns.
        if context.output.is_json() {
            if news || failure.status == Status::Refused {
                context.output.error_document(&failure, Some(overdue));
            }
        } else if overdue > 0 && failure.status == Status::Refused {
            let users = count(overdue, "user is", "users are");
            let text = format!(
                "{} signed out nobody, though {users} overdue: {}\n",
                stamp(now(), &context.zone),
                clean(&failure.message)
            );
            // A reader that is gone is noticed at the next sweep.
            let _gone = context.output.text(&text);
        }
        // A guard holds because of what was seen so far, which must not be forgotten. Two of them may hold because of
        // what was found when the site was opened: a column or a cache that was not there.
        let by_tables = failure.is(Code::NoEvidence) || failure.is(Code::NotPossible);
        if failure.status == Status::Refused && !by_tables {
            return next_tick(started.steady.elapsed(), period);
        }
        // Whatever else it is, the site is opened and its tables are read anew.
        self.let_go().await;
        self.trouble.wait(period)
    }

    fn recovered(&mut self, context: &Context) {
        if let Some(lasted) = self.trouble.over() {
            let lasted = span(lasted.as_secs());
            context.output.aside(&format!(
                "{} is swept again, after {lasted}\n",
                clean(&self.config.name)
            ));
        }
    }

    /// Reports once that the journal lacks an outcome, and once that it is complete again.
    fn tell_journal(&mut self, context: &Context) {
        let Some(open) = &self.open else {
            return;
        };
        match (open.site.heads_fault(), self.heads) {
            (Some(fault), false) => {
                self.heads = true;
                context.output.shortfall(&fault);
            }
            (None, true) if open.site.has_recorded() => {
                self.heads = false;
                context
                    .output
                    .aside("the journal's heads are written again\n");
            }
            _ => {}
        }
        match (open.site.unrecorded(), self.unrecorded) {
            (Some(error), false) => {
                self.unrecorded = true;
                context.output.shortfall(&error.message);
            }
            (None, true) => {
                self.unrecorded = false;
                context.output.aside("the journal is complete again\n");
            }
            _ => {}
        }
    }

    async fn let_go(&mut self) {
        if let Some(open) = self.open.take() {
            open.site.close().await;
        }
    }
}

/// When the next sweep is due, from the end of one that lasted so long: ticks that it outlasted are left out. Never
/// longer than the period, whatever the clocks do.
fn next_tick(lasted: Duration, period: Duration) -> Duration {
    let into = lasted.as_nanos() % period.as_nanos().max(1);
    period.saturating_sub(Duration::from_nanos(
        u64::try_from(into).unwrap_or(u64::MAX),
    ))
}

/// A run of ticks that failed.
#[derive(Default)]
struct Trouble {
    since: Option<Moment>,
    tries: u32,
    told: Option<String>,
    /// The configuration could not be read.
    of_configuration: bool,
}

impl Trouble {
    /// Whether this failure is of another kind than the last one.
    fn news(&mut self, failure: &Failure, began: Moment) -> bool {
        self.since.get_or_insert(began);
        self.told.replace(failure.code.clone()).as_ref() != Some(&failure.code)
    }

    /// The wait until the next try.
    fn wait(&mut self, period: Duration) -> Duration {
        let wait = FIRST_RETRY
            .saturating_mul(1 << self.tries.min(10))
            .min(LAST_RETRY)
            .min(period);
        self.tries = self.tries.saturating_add(1);
        wait
    }

    /// How long it lasted, if there was one.
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
        return context.output.document(&report);
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
    use curfew_engine::error::Error;

    const PERIOD: Duration = Duration::from_secs(300);

    fn failure(code: Code) -> Failure {
        Error::new(code, "x").into()
    }

    #[test]
    fn waits_grow_up_to_a_minute_and_never_beyond_the_period() {
        for (period, expected) in [
            (PERIOD, [2, 4, 8, 16, 32, 60, 60]),
            (Duration::from_secs(3), [2, 3, 3, 3, 3, 3, 3]),
        ] {
            let mut trouble = Trouble::default();
            let waits = expected.map(|_| trouble.wait(period).as_secs());
            assert_eq!(waits, expected);
        }
    }

    #[test]
    fn ticks_that_were_missed_are_left_out() {
        let second = Duration::from_secs(1);
        for (lasted, wait) in [(0, 300), (299, 1), (300, 300), (1000, 200), (86_400, 300)] {
            assert_eq!(
                next_tick(second * lasted, PERIOD),
                second * wait,
                "{lasted}"
            );
        }
    }

    #[test]
    fn a_trouble_is_told_once_for_each_way_of_failing() {
        let mut trouble = Trouble::default();
        assert!(trouble.over().is_none());
        let mut news = |code| trouble.news(&failure(code), Moment::now());
        assert!(news(Code::Unreachable));
        assert!(!news(Code::Unreachable));
        assert!(news(Code::Denied));
        assert!(trouble.over().is_some());
        assert!(trouble.over().is_none());
        assert!(trouble.news(&failure(Code::Denied), Moment::now()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_is_set_delays_no_tick() {
        for wall in [
            SystemTime::now() + Duration::from_secs(86_400),
            SystemTime::now(),
        ] {
            let began = tokio::time::Instant::now();
            let moment = Moment {
                wall,
                steady: tokio::time::Instant::now(),
            };
            moment.until_over(PERIOD).await;
            assert_eq!(began.elapsed(), PERIOD);
        }
    }
}

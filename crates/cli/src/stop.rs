//! Ctrl-C, SIGTERM and SIGHUP, as something to wait for. The first asks for an orderly end: what has begun is
//! finished, so that the journal gets its outcome. The second ends it where it is.

use std::future::Future;

use curfew_engine::site::Site;
use tokio_util::sync::CancellationToken;

use crate::failure::{Failure, Status};
use crate::output::Output;

#[derive(Clone)]
pub struct Stop {
    /// Cancelled by the first signal.
    pub asked: CancellationToken,
    /// Cancelled by the second.
    at_once: CancellationToken,
}

impl Stop {
    /// From here on the signals no longer end the process by themselves.
    pub fn listen() -> Result<Self, Failure> {
        let mut signals = Signals::new()
            .map_err(|e| Failure::internal(format!("cannot listen for signals: {e}")))?;
        let stop = Self {
            asked: CancellationToken::new(),
            at_once: CancellationToken::new(),
        };
        let told = stop.clone();
        tokio::spawn(async move {
            signals.next().await;
            told.asked.cancel();
            signals.next().await;
            told.at_once.cancel();
        });
        Ok(stop)
    }

    /// Lets a site's sweep end early at the first signal: its batches under way are finished, and no other begins.
    pub async fn early<T>(&self, site: &Site, sweep: impl Future<Output = T>) -> T {
        tokio::pin!(sweep);
        tokio::select! {
            ended = &mut sweep => return ended,
            () = self.asked.cancelled() => site.finish_early(),
        }
        sweep.await
    }

    /// Carries a deed through to its end, whatever the first signal says.
    pub async fn through<T>(
        &self,
        output: Output,
        deed: impl Future<Output = T>,
    ) -> Result<T, Failure> {
        let remark = async {
            self.asked.cancelled().await;
            output.remark("finishing what has begun; once more to stop at once");
            self.at_once.cancelled().await;
        };
        tokio::select! {
            ended = deed => Ok(ended),
            () = remark => Err(Failure {
                status: Status::Failed,
                code: "interrupted".into(),
                message: "stopped half-way: 'curfew journal' shows what was begun, 'curfew users' how it stands".into(),
            }),
        }
    }
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    /// `None` under nohup, which means that the end of the terminal is to be ignored.
    hang_up: Option<tokio::signal::unix::Signal>,
}

/// A write beyond a limit on the size of files is an error like a full disk, not the end of the process.
#[cfg(unix)]
const SIGXFSZ: i32 = 25;

#[cfg(unix)]
impl Signals {
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        // The handler stays for the life of the process, also where nobody waits for the signal.
        let _caught = signal(SignalKind::from_raw(SIGXFSZ))?;
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: match hang_up_is_ignored() {
                true => None,
                false => Some(signal(SignalKind::hangup())?),
            },
        })
    }

    async fn next(&mut self) {
        let hang_up = async {
            match &mut self.hang_up {
                Some(signal) => signal.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = hang_up => {}
        }
    }
}

/// Whether this process was started with SIGHUP ignored, as Linux shows it. The first bit of the mask is SIGHUP.
#[cfg(unix)]
fn hang_up_is_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & 1 == 1)
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use std::time::Duration;

    use super::*;

    fn stop() -> Stop {
        Stop {
            asked: CancellationToken::new(),
            at_once: CancellationToken::new(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_deed_outlives_the_first_signal_and_not_the_second() {
        let output = Output::new(true);
        let deed = || tokio::time::sleep(Duration::from_secs(3));
        let stop = stop();
        stop.asked.cancel();
        assert!(stop.through(output, deed()).await.is_ok());
        stop.at_once.cancel();
        let failure = stop.through(output, deed()).await.unwrap_err();
        assert_eq!(failure.status, Status::Failed);
    }
}

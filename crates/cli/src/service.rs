//! What a service manager hears: ready, a status line, and that the timer is alive. Without one, nothing happens.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// A tick that takes longer hangs. The largest sites are read for the first time in a few minutes.
const HANGS: Duration = Duration::from_secs(15 * 60);

/// The timer as its service manager sees it.
pub struct Service {
    busy: Arc<Mutex<Option<Instant>>>,
}

impl Service {
    /// Reports that the timer runs, and starts to answer the watchdog if there is one.
    pub fn start() -> Self {
        let service = Self {
            busy: Arc::default(),
        };
        manager::ready();
        if let Some(limit) = manager::watchdog() {
            let busy = Arc::clone(&service.busy);
            tokio::spawn(async move {
                loop {
                    if alive(*lock(&busy), Instant::now()) {
                        manager::alive();
                    }
                    tokio::time::sleep(limit / 2).await;
                }
            });
        }
        service
    }

    /// A tick begins.
    pub fn busy(&self) {
        *lock(&self.busy) = Some(Instant::now());
    }

    /// A tick has ended.
    pub fn idle(&self) {
        *lock(&self.busy) = None;
    }

    pub fn status(&self, text: &str) {
        manager::status(text);
    }

    pub fn stopping(&self) {
        manager::stopping();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether a timer whose tick began then, if one is under way, still gets on.
fn alive(busy: Option<Instant>, now: Instant) -> bool {
    busy.is_none_or(|since| now.duration_since(since) < HANGS)
}

/// systemd, and what speaks its protocol. A manager that cannot be told is no trouble of the timer's.
#[cfg(unix)]
mod manager {
    use std::time::Duration;

    use sd_notify::NotifyState;

    pub fn ready() {
        let _ = sd_notify::notify(&[NotifyState::Ready]);
    }

    pub fn watchdog() -> Option<Duration> {
        sd_notify::watchdog_enabled()
    }

    pub fn alive() {
        let _ = sd_notify::notify(&[NotifyState::Watchdog]);
    }

    pub fn status(text: &str) {
        // One line of the protocol is one variable.
        let line = text.replace(['\n', '\r'], " ");
        let _ = sd_notify::notify(&[NotifyState::Status(&line)]);
    }

    pub fn stopping() {
        let _ = sd_notify::notify(&[NotifyState::Stopping]);
    }
}

#[cfg(not(unix))]
mod manager {
    pub fn ready() {}
    pub fn watchdog() -> Option<std::time::Duration> {
        None
    }
    pub fn alive() {}
    pub fn status(_: &str) {}
    pub fn stopping() {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tick_that_does_not_end_is_no_life() {
        let began = Instant::now();
        assert!(alive(None, began + HANGS * 10));
        assert!(alive(Some(began), began + HANGS / 2));
        assert!(!alive(Some(began), began + HANGS));
    }
}

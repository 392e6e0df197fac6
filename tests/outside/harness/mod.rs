//! What the tests stand on: databases, a Django site, browsers, the command line, the window. Each thing it
//! starts is its own, on a free port and in a temporary folder, and ends with the test that asked for it.

mod browser;
mod curfew;
mod database;
mod environment;
mod people;
mod process;
mod site;

pub use browser::Browser;
pub use curfew::{Curfew, Ran, Running};
pub use database::{Database, Engine};
pub use environment::setting;
pub use people::{Person, active, idle, overdue, person};
pub use site::{Django, Site};

use std::future::Future;
use std::time::{Duration, Instant};

/// Asks until the answer is yes, and says what was waited for where it never is.
pub async fn until<F, A>(what: &str, within: Duration, mut ask: F)
where
    F: FnMut() -> A,
    A: Future<Output = bool>,
{
    let start = Instant::now();
    while !ask().await {
        assert!(
            start.elapsed() < within,
            "waited {within:?} in vain: {what}"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

//! What the tests stand on: databases, a Django site, browsers, the command line, the window. Each thing it
//! starts is its own, on a free port and in a temporary folder, and ends with the test that asked for it.

mod browser;
mod curfew;
mod cutter;
mod database;
mod desktop;
mod django;
mod environment;
mod own;
mod people;
mod plan;
mod process;
mod proxy;
mod reading;
mod sessions;
mod shaped;
mod site;
mod window;

pub use browser::Browser;
pub use curfew::{Curfew, Ran, Running};
pub use cutter::{Cut, Cutter};
pub use database::{Engine, ROLE, sqlite};
pub use desktop::Notices;
pub use django::Django;
pub use environment::setting;
pub use own::{OwnMariadb, OwnPostgres};
pub use people::{Person, active, idle, overdue, person};
pub use plan::Plan;
pub use process::Process;
pub use proxy::Proxy;
pub use reading::{fingerprint, listed, names, of, sorted};
pub use sessions::{Cache, SessionEngine};
pub use shaped::{Shaped, whose};
pub use site::{Seeded, Site, chance};
pub use window::{Opening, SOON, Window};

use std::future::Future;
use std::time::{Duration, Instant};

/// The password of the role that Curfew signs in with: a canary.
pub fn password() -> String {
    database::PASSWORD.clone()
}

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

/// Runs each of these on both versions of Django and each database, as tests of their own.
#[macro_export]
macro_rules! on_each_site {
    ($($name:ident)*) => {
        on_each_site!(@ django_42_postgres V42 Postgres $($name)*);
        on_each_site!(@ django_42_sqlite V42 Sqlite $($name)*);
        on_each_site!(@ django_52_postgres V52 Postgres $($name)*);
        on_each_site!(@ django_52_sqlite V52 Sqlite $($name)*);
        on_each_site!(@ django_52_mysql V52 Mysql $($name)*);
    };
    (@ $site:ident $django:ident $engine:ident $($name:ident)*) => {
        mod $site {
            use $crate::harness::{Django, Engine, Site};
            $(#[tokio::test]
            async fn $name() {
                super::$name(Site::on(Django::$django, Engine::$engine)).await;
            })*
        }
    };
}

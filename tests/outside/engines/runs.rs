//! The runs of one case on its cells. Most of a case is waiting, for the second look of a logout above all, and
//! the test harness has a thread a core: so each test starts the runs of the next few cells too, and finds its
//! own under way.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{LazyLock, Mutex, PoisonError};

use tokio::runtime::Runtime;
use tokio::task::{Id, JoinHandle};

use super::cell::Cell;

/// All cells live on one runtime: a site outlives the test that started it.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    note_where_tasks_panic();
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(2).enable_all().build().unwrap()
});

/// Where each task panicked: its own words do not say.
static PANICKED: Mutex<BTreeMap<Id, String>> = Mutex::new(BTreeMap::new());

fn note_where_tasks_panic() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if let (Some(task), Some(place)) = (tokio::task::try_id(), panic.location()) {
            let mut panicked = PANICKED.lock().unwrap_or_else(PoisonError::into_inner);
            panicked.insert(task, place.to_string());
        }
        usual(panic);
    }));
}

/// How many runs are under way ahead of the tests, where a case does not say otherwise.
const AHEAD: usize = 6;

/// Somebody asked for a cell by its name (`db_on_postgres`): for one run, mostly.
static ASKED: LazyLock<bool> = LazyLock::new(|| {
    let mut words = std::env::args().skip(1);
    words.any(|word| !word.starts_with('-') && word.contains("_on_"))
});

type Case = fn(&'static Cell) -> Pin<Box<dyn Future<Output = ()> + Send>>;

type Started = BTreeMap<&'static str, Option<JoinHandle<()>>>;

pub struct Runs {
    cells: &'static [(&'static str, &'static Cell)],
    case: Case,
    ahead: usize,
    /// By the order that tests are run in. A run whose test has ended stays as an empty place.
    started: LazyLock<Mutex<Started>>,
}

impl Runs {
    pub const fn new(cells: &'static [(&'static str, &'static Cell)], case: Case) -> Self {
        Self {
            cells,
            case,
            ahead: AHEAD,
            started: LazyLock::new(Mutex::default),
        }
    }

    /// For a case that is nearly all waiting.
    pub const fn ahead(mut self, ahead: usize) -> Self {
        self.ahead = ahead;
        self
    }

    /// Runs it on this cell, and on some of the next: what comes of it is the calling test's.
    pub fn wait_for(&self, name: &str) {
        let own = {
            let mut started = self.started.lock().unwrap_or_else(PoisonError::into_inner);
            let mut next: Vec<_> = self.cells.iter().filter(|cell| cell.0 >= name).collect();
            next.sort_by_key(|cell| cell.0);
            let ahead = if *ASKED { 1 } else { self.ahead };
            for (name, cell) in next.into_iter().take(ahead) {
                started
                    .entry(name)
                    .or_insert_with(|| Some(RUNTIME.spawn((self.case)(cell))));
            }
            started.get_mut(name).and_then(Option::take)
        };
        if let Err(failure) = RUNTIME.block_on(own.expect("a test runs once")) {
            // Its words went to the output of whichever test started the runtime: they belong here.
            let mut panicked = PANICKED.lock().unwrap_or_else(PoisonError::into_inner);
            let place = panicked.remove(&failure.id()).unwrap_or_default();
            drop(panicked);
            let failure = failure.into_panic();
            let text = failure
                .downcast_ref::<&str>()
                .map(|text| (*text).to_owned());
            let text = text.or_else(|| failure.downcast_ref::<String>().cloned());
            panic!("at {place}: {}", text.unwrap_or_default());
        }
    }
}

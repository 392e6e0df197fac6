//! What each store can be asked to do by hand.

use std::collections::HashSet;
use std::future::Future;
use std::time::{Duration, Instant};

use anyhow::Result;
use curfew_engine::Site as Engine;
use jiff::Timestamp;

use crate::hand::Hand;
use crate::site::{Sessions, Site};
use crate::sweeping::BATCH;

/// What stands against Curfew's work, in a table's words; where that differs from the other stores', the work, too.
pub struct Words {
    pub cold: &'static str,
    pub still_work: &'static str,
    pub still: &'static str,
    pub touched_work: &'static str,
    pub touched: &'static str,
    pub sweep_work: &'static str,
    pub sweep: &'static str,
}

/// Some sessions that are saved at one moment.
pub struct Saves {
    pub at: Timestamp,
    /// Whose, a number from 0 on, and under which keys.
    pub sessions: Vec<(usize, String)>,
}

/// Who is overdue and to be, and who is not here.
#[derive(Default)]
pub struct Kept {
    /// One in [`ONE_IN`](crate::overdue::ONE_IN) is overdue, up to this number.
    pub up_to: usize,
    /// The ids of those who have no session. With a flag, each of them would be work for each sweep, and none of what is measured.
    pub signed_out: Vec<i64>,
}

/// A store other than PostgreSQL.
pub trait Store: Hand {
    fn name(&self) -> &'static str;

    /// Its version, and what it was told to do.
    fn about(&mut self) -> impl Future<Output = Result<String>> + Send;

    fn words(&self) -> &'static Words;

    /// The site's database, and its cache where the sessions are there.
    fn addresses(&self) -> (String, Option<String>);

    /// All that there are now.
    fn keys(&mut self) -> impl Future<Output = Result<HashSet<String>>> + Send;

    /// Reads so many sessions, all of them, to nowhere.
    fn read_all(&mut self, sessions: usize) -> impl Future<Output = Result<()>> + Send;

    /// Asks for nothing.
    fn ask(&mut self) -> impl Future<Output = Result<()>> + Send;

    /// Steps of listings so far: who did one has done more than look for what changed.
    fn steps(&mut self) -> impl Future<Output = Result<u64>> + Send {
        std::future::ready(Ok(0))
    }

    /// Whether one look finds what was saved.
    fn finds_saved_at_once(&self) -> bool {
        true
    }

    /// Waits until a look has nothing of before to read.
    fn settle(&mut self, engine: &Engine) -> impl Future<Output = Result<()>> + Send;

    fn save(&mut self, saves: &Saves) -> impl Future<Output = Result<()>> + Send;

    /// Reads what was saved, and says how many sessions those are.
    fn read_saved(&mut self, saves: &Saves) -> impl Future<Output = Result<usize>> + Send;

    /// Makes people overdue, and keeps their sessions.
    fn keep(
        &mut self,
        batches: &[Vec<String>],
        people: Kept,
    ) -> impl Future<Output = Result<()>> + Send;

    /// Those are overdue again and have their sessions, and everybody else is here.
    fn restore(&mut self) -> impl Future<Output = Result<()>> + Send;

    /// A batch of a sweep.
    fn sweep(
        &mut self,
        _people: &[usize],
        keys: &[String],
    ) -> impl Future<Output = Result<()>> + Send {
        self.delete(keys)
    }

    /// For so long a sweep of Curfew's does nothing, on purpose.
    fn waits(&self) -> Duration {
        Duration::ZERO
    }
}

pub fn site<'a>(database: &'a str, cache: Option<&'a str>) -> Site<'a> {
    Site {
        database,
        sessions: cache.map_or(Sessions::Db, Sessions::Cache),
    }
}

/// The sweep of these people in the same batches as Curfew's.
pub async fn by_hand(
    store: &mut impl Store,
    people: &[usize],
    batches: &[Vec<String>],
) -> Result<Duration> {
    let began = Instant::now();
    for (people, keys) in people.chunks(BATCH).zip(batches) {
        store.sweep(people, keys).await?;
    }
    Ok(began.elapsed())
}

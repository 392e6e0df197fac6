//! What it costs to watch a store: as `watching.rs` has it, for any of them.

use std::collections::HashSet;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use curfew_engine::Site as Engine;
use jiff::Timestamp;

use super::store::{Saves, Store};
use crate::population::{COOKIE_AGE, Population};
use crate::report::{Goal, Measure};
use crate::site::Site;
use crate::watching::{EVERY, REST, STILLS, Savers, first_look, warm};

/// At most so many looks for one without a step of a listing.
const STEPPED: usize = 10;
/// By then each save has to have been seen.
const SEEN_WITHIN: Duration = Duration::from_secs(120);

pub async fn cold(
    site: &Site<'_>,
    sessions: usize,
    runs: usize,
    state: &Path,
    store: &mut impl Store,
) -> Result<Measure> {
    let mut pairs = Vec::new();
    for _ in 0..runs {
        let (engine, ours) = first_look(site, sessions, state).await?;
        engine.close().await;
        drop(engine);
        let began = Instant::now();
        store.read_all(sessions).await?;
        pairs.push((ours, began.elapsed()));
    }
    Ok(Measure {
        work: "cold: from nothing to the full roster".into(),
        against: store.words().cold.into(),
        goal: Goal::AtMost(2.0),
        pairs,
    })
}

pub async fn still(engine: &Engine, runs: usize, store: &mut impl Store) -> Result<Measure> {
    warm(engine).await?;
    let (mut pairs, mut looks) = (Vec::new(), 0);
    while pairs.len() < runs * STILLS {
        looks += 1;
        if looks > runs * STILLS * STEPPED {
            bail!(
                "{} of {looks} looks without a step of a listing",
                pairs.len()
            );
        }
        tokio::time::sleep(REST).await;
        let before = store.steps().await?;
        let began = Instant::now();
        engine.look().await?;
        let ours = began.elapsed();
        let stepped = store.steps().await? > before;
        tokio::time::sleep(REST).await;
        let began = Instant::now();
        store.ask().await?;
        let raw = began.elapsed();
        // Where looks list in steps, some at such a pace have one and some have none.
        if !stepped {
            pairs.push((ours, raw));
        }
    }
    Ok(Measure {
        work: format!("warm look, nothing changed{}", store.words().still_work),
        against: store.words().still.into(),
        goal: Goal::AtMost(3.0),
        pairs,
    })
}

/// Looks until what was saved is in the roster, against the raw reading of those sessions.
pub async fn touched(
    engine: &Engine,
    population: &Population,
    there: &HashSet<String>,
    runs: usize,
    store: &mut impl Store,
) -> Result<Measure> {
    let savers = Savers::of(population, there);
    let mut pairs = Vec::new();
    for run in 0..=runs {
        store.settle(engine).await?;
        let some = savers.of_run(run);
        let saves = Saves {
            at: Timestamp::now(),
            sessions: some.map(|(user, key)| (user, key.clone())).collect(),
        };
        store.save(&saves).await?;
        // As with PostgreSQL: neither of the two is the first to read them.
        store.read_saved(&saves).await?;
        let ours = until_seen(engine, &saves, store).await?;
        let began = Instant::now();
        let read = store.read_saved(&saves).await?;
        pairs.push((ours, began.elapsed()));
        if read != saves.sessions.len() {
            bail!("{read} sessions of {}", saves.sessions.len());
        }
    }
    // The first pair prepares statements.
    pairs.remove(0);
    Ok(Measure {
        work: format!(
            "warm look, {} sessions touched{}",
            savers.size,
            store.words().touched_work
        ),
        against: store.words().touched.into(),
        goal: Goal::AtMost(2.0),
        pairs,
    })
}

/// What the looks cost that it took. Where dates are indexed that is one; before each further one the store is read by hand,
/// for no site is at work here, and a server's memory that nobody touches may be taken away from it.
async fn until_seen(engine: &Engine, saves: &Saves, store: &mut impl Store) -> Result<Duration> {
    let mut took = Duration::ZERO;
    let mut unseen = saves.sessions.iter().peekable();
    // By the date that each save moves: a signature has no more than seconds, and a cache milliseconds.
    let moved = saves.at.as_millisecond() + COOKIE_AGE * 1_000;
    let waiting = Instant::now();
    loop {
        let began = Instant::now();
        engine.look().await?;
        took += began.elapsed();
        while let Some((user, _)) = unseen.peek() {
            let person = engine.user(&(user + 1).to_string()).context("a person")?;
            let mut dates = person.sessions.iter().map(|session| session.expires);
            if !dates.any(|date| date.as_millisecond() >= moved) {
                break;
            }
            unseen.next();
        }
        if unseen.peek().is_none() {
            return Ok(took);
        }
        if waiting.elapsed() > SEEN_WITHIN {
            bail!("{} saves were never seen", unseen.count());
        }
        tokio::time::sleep(EVERY).await;
        store.read_saved(saves).await?;
    }
}

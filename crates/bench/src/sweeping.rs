//! A sweep of many overdue people, roster warm, against the raw DELETE of the same keys in the same batches.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use curfew_engine::Site as Engine;
use sqlx::PgConnection;

use crate::overdue::Overdue;
use crate::population::Population;
use crate::report::{Goal, Measure};
use crate::site::Site;
use crate::watching::{APART, warm};

pub const GOAL: Goal = Goal::AtMost(1.5);
/// People in one batch, as Curfew has them.
pub const BATCH: usize = 50;

pub async fn measure(
    site: &Site<'_>,
    state: &Path,
    population: &Population,
    overdue: &Overdue,
    runs: usize,
    database: &mut PgConnection,
) -> Result<Measure> {
    let people: Vec<usize> = overdue.people().collect();
    let size = people.len();
    let mut pairs = Vec::new();
    for _ in 0..runs {
        let engine = overdue.met(site, state, database).await?;
        checkpoint(database).await?;
        let ours = by_curfew(&engine, size).await?;
        engine.close().await;
        // As warm for the one as for the other: a first look has just gone through the whole table.
        overdue.met(site, state, database).await?.close().await;
        checkpoint(database).await?;
        tokio::time::sleep(APART).await;
        pairs.push((ours, by_hand(&people, population, database).await?));
    }
    Ok(Measure {
        work: work(size),
        against: "raw DELETE of the same keys in the same batches".into(),
        goal: GOAL,
        pairs,
    })
}

/// The first change of a page after a checkpoint writes all of it to the log: for the one as for the other.
async fn checkpoint(database: &mut PgConnection) -> Result<()> {
    sqlx::raw_sql("CHECKPOINT").execute(database).await?;
    Ok(())
}

/// In a table's words.
pub fn work(size: usize) -> String {
    format!(
        "sweep of {size} overdue people, roster warm: look, journal, batches, and the look after"
    )
}

/// So many are overdue, and the roster knows of them.
pub async fn by_curfew(engine: &Engine, size: usize) -> Result<Duration> {
    // Not everyone at once did something just now; and readings are as rare as they are once their cost is known.
    tokio::time::sleep(APART).await;
    warm(engine).await?;
    engine.preview().await?;
    let began = Instant::now();
    let report = engine.sweep(true).await?;
    let took = began.elapsed();
    // Somebody's session may just have been saved: that is evidence, too.
    if !report.verified || report.users.len() < size * 9 / 10 {
        let why = report.skipped.first().map_or("not verified", |s| &s.why);
        bail!("{} of {size} people swept: {why}", report.users.len());
    }
    Ok(took)
}

/// These people's sessions, batch by batch.
pub fn batches(people: &[usize], population: &Population) -> Vec<Vec<String>> {
    let keys = |n: &usize| population.people[*n].clone();
    let batches = people.chunks(BATCH);
    batches
        .map(|batch| batch.iter().flat_map(keys).collect())
        .collect()
}

async fn by_hand(
    people: &[usize],
    population: &Population,
    database: &mut PgConnection,
) -> Result<Duration> {
    let batches = batches(people, population);
    let began = Instant::now();
    for keys in &batches {
        sqlx::query("DELETE FROM django_session WHERE session_key = ANY($1)")
            .bind(keys)
            .execute(&mut *database)
            .await?;
    }
    Ok(began.elapsed())
}

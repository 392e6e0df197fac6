//! A sweep of many overdue people, roster warm, against the raw DELETE of the same keys in the same batches.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use sqlx::PgConnection;

use crate::overdue::Overdue;
use crate::population::Population;
use crate::report::{Goal, Measure};
use crate::site::Site;
use crate::watching::APART;

const GOAL: Goal = Goal::AtMost(1.5);
/// People in one batch, as Curfew has them.
const BATCH: usize = 50;

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
        // Not everyone at once did something just now.
        tokio::time::sleep(APART).await;
        engine.preview().await?;
        let began = Instant::now();
        let report = engine.sweep(true).await?;
        let ours = began.elapsed();
        engine.close().await;
        // Somebody's session may just have been saved: that is evidence, too.
        if !report.verified || report.users.len() < size * 9 / 10 {
            let why = report.skipped.first().map_or("not verified", |s| &s.why);
            bail!("{} of {size} people swept: {why}", report.users.len());
        }
        overdue.restore(database).await?;
        pairs.push((ours, by_hand(&people, population, database).await?));
    }
    Ok(Measure {
        work: format!(
            "sweep of {size} overdue people, roster warm: look, journal, batches, and the look after"
        ),
        against: "raw DELETE of the same keys in the same batches".into(),
        goal: GOAL,
        pairs,
    })
}

async fn by_hand(
    people: &[usize],
    population: &Population,
    database: &mut PgConnection,
) -> Result<Duration> {
    let batches: Vec<Vec<String>> = people
        .chunks(BATCH)
        .map(|batch| {
            batch
                .iter()
                .flat_map(|n| population.people[*n].clone())
                .collect()
        })
        .collect();
    let began = Instant::now();
    for keys in &batches {
        sqlx::query("DELETE FROM django_session WHERE session_key = ANY($1)")
            .bind(keys)
            .execute(&mut *database)
            .await?;
    }
    Ok(began.elapsed())
}

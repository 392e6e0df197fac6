//! A force logout of one user, roster warm, against the raw deletion of the same keys.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use curfew_engine::Site as Engine;
use curfew_engine::logout::{Follow, How};

use crate::hand::Hand;
use crate::population::Population;
use crate::report::{Goal, Measure};
use crate::site::{Sessions, Site};

/// The most that a logout may cost, as the raw statements' multiple.
const GOAL: Goal = Goal::AtMost(3.0);
/// As often a site's logouts are measured at the most.
const TURNS: usize = 2;
/// By then the last looks of all logouts are over, each of which lists every session and every copy.
const FOLLOWED: Duration = Duration::from_secs(600);

/// Person after person, in turns: one by Curfew, one by the raw statements. Each turn has people of its own.
pub async fn measure(
    site: &Site<'_>,
    state: &Path,
    population: &Population,
    runs: usize,
    turn: usize,
    hand: &mut impl Hand,
) -> Result<Measure> {
    let engine = site.reporting_at_once().open(state).await?;
    // Cold, and then warm: the cache's own listing takes several looks.
    for _ in 0..5 {
        engine.look().await?;
    }
    let mut people: Vec<usize> = (0..population.people.len())
        .filter(|n| !population.people[*n].is_empty())
        .collect();
    // The two of a pair have as many sessions, and the pairs are of people with few and with many.
    people.sort_by_key(|n| population.people[*n].len());
    let every = (people.len() / 2 / (runs + 1)).max(TURNS);
    let mut pairs = Vec::new();
    let all = people.chunks_exact(2).skip(turn);
    for pair in all.step_by(every).take(runs + 1) {
        let ours = by_curfew(&engine, pair[0] + 1, &population.people[pair[0]]).await?;
        let began = Instant::now();
        hand.delete(&population.people[pair[1]]).await?;
        pairs.push((ours, began.elapsed()));
    }
    if pairs.len() < 2 {
        bail!("too few people for a pair");
    }
    // The first pair opens connections and prepares statements.
    pairs.remove(0);
    // Where a request can bring a session back, the engine looks once more after a minute: no part of what comes next.
    let began = Instant::now();
    while Arc::strong_count(&engine) > 1 {
        if began.elapsed() > FOLLOWED {
            bail!("logouts are still being followed");
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    engine.close().await;
    Ok(Measure {
        work: format!(
            "force logout of one user, `{}`, roster warm: journal, deletion, and the look at once{}",
            site.engine_name(),
            match site.sessions {
                Sessions::Db =>
                    " (the second look, for which a report waits on this engine, is left out: it is opened as one that does not wait)",
                _ => "",
            }
        ),
        against: hand.statements().into(),
        goal: GOAL,
        pairs,
    })
}

async fn by_curfew(engine: &Arc<Engine>, user: usize, keys: &[String]) -> Result<Duration> {
    let how = How {
        follow: Follow::Background,
        ..How::default()
    };
    let began = Instant::now();
    let report = engine.logout(&user.to_string(), None, &how).await?;
    let took = began.elapsed();
    if report.sessions_deleted as usize != keys.len() {
        bail!("user {user}: {}", report.detail);
    }
    Ok(took)
}

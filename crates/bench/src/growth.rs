//! What a site ten times as large costs: the first look has to grow with the sessions, a look at nothing new not at all.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result};
use curfew_engine::Site as Engine;
use sqlx::PgConnection;

use crate::population::{self, Copies, Population};
use crate::report::{Figure, median, milliseconds};
use crate::site::Site;
use crate::watching::first_look;

/// Sessions, up to those asked for.
const SIZES: [usize; 3] = [10_000, 100_000, 1_000_000];
/// How many times as much the largest site may cost.
const GOAL: f64 = 2.0;
/// Looks before the ones that count: the first ones prepare statements.
const BEFORE: usize = 3;

/// Medians of one size, in milliseconds.
struct Size {
    sessions: usize,
    cold: f64,
    warm: f64,
}

impl Size {
    /// Of the first look, in microseconds.
    fn each(&self) -> f64 {
        self.cold * 1000.0 / self.sessions as f64
    }
}

pub struct Growth {
    pub figures: Vec<Figure>,
    pub section: String,
    /// The largest site, as it stands now.
    pub population: Population,
}

/// How often each look is taken.
#[derive(Clone, Copy)]
pub struct Runs {
    pub cold: usize,
    pub warm: usize,
}

/// Makes and measures one site after the other; the last is the one asked for, and has its copies in the cache.
pub async fn measure(
    site: &Site<'_>,
    sessions: usize,
    runs: Runs,
    state: &Path,
    database: &mut PgConnection,
    copies: Option<Copies<'_>>,
) -> Result<Growth> {
    let mut sizes = Vec::new();
    for smaller in SIZES.into_iter().filter(|size| *size < sessions) {
        eprintln!("making {smaller} sessions");
        population::make(smaller, database, None).await?;
        sizes.push(look(site, smaller, runs, state).await?);
    }
    eprintln!("making {sessions} sessions");
    let population = population::make(sessions, database, copies).await?;
    let largest = look(site, sessions, runs, state).await?;
    let figures = figures(&sizes, &largest);
    sizes.push(largest);
    Ok(Growth {
        figures,
        section: section(&sizes),
        population,
    })
}

async fn look(site: &Site<'_>, sessions: usize, runs: Runs, state: &Path) -> Result<Size> {
    let mut cold = Vec::new();
    let mut last: Option<Arc<Engine>> = None;
    for _ in 0..runs.cold {
        // One roster at a time is held in memory.
        if let Some(engine) = last.take() {
            engine.close().await;
        }
        let (engine, took) = first_look(site, sessions, state).await?;
        cold.push(milliseconds(took));
        last = Some(engine);
    }
    let engine = last.context("no run was asked for")?;
    let mut warm = Vec::new();
    for run in 0..BEFORE + runs.warm {
        let began = Instant::now();
        engine.look().await?;
        if run >= BEFORE {
            warm.push(milliseconds(began.elapsed()));
        }
    }
    engine.close().await;
    Ok(Size {
        sessions,
        cold: median(cold.into_iter()),
        warm: median(warm.into_iter()),
    })
}

/// The largest against the cheapest of the smaller ones; none where there is no smaller one.
fn figures(smaller: &[Size], largest: &Size) -> Vec<Figure> {
    let cheapest = |cost: fn(&Size) -> f64| {
        smaller
            .iter()
            .min_by(|a, b| cost(a).total_cmp(&cost(b)))
            .map(|size| (size, cost(largest) / cost(size).max(1e-9)))
    };
    let figure = |what: String, times: f64, value: String| Figure {
        what,
        value: format!("{times:.2} times ({value})"),
        goal: format!("at most {GOAL:.0} times"),
        met: times <= GOAL,
    };
    let cold = cheapest(Size::each).map(|(size, times)| {
        figure(
            format!(
                "growth: cold look for each session, {} sessions against {}",
                largest.sessions, size.sessions
            ),
            times,
            format!("{:.2} and {:.2} µs", largest.each(), size.each()),
        )
    });
    let warm = cheapest(|size| size.warm).map(|(size, times)| {
        figure(
            format!(
                "growth: warm look, nothing changed, {} sessions against {}",
                largest.sessions, size.sessions
            ),
            times,
            format!("{:.2} and {:.2} ms", largest.warm, size.warm),
        )
    });
    cold.into_iter().chain(warm).collect()
}

fn section(sizes: &[Size]) -> String {
    let mut text = String::from(
        "## Growth\n\nMedians of looks at sites of each size, made anew.\n\n| sessions | cold look | for each session | warm look, nothing changed |\n|---|---|---|---|\n",
    );
    for size in sizes {
        let _ = writeln!(
            text,
            "| {} | {:.1} ms | {:.2} µs | {:.2} ms |",
            size.sessions,
            size.cold,
            size.each(),
            size.warm
        );
    }
    text
}

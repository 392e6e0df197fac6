//! A sweep of many overdue people, roster warm, against the raw DELETE of the same keys in the same batches.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use curfew_engine::Site as Engine;
use sqlx::PgConnection;

use crate::population::Population;
use crate::report::Measure;

const GOAL: f64 = 1.5;
/// People swept in one run, where the site has as many; and in one batch, as Curfew has them.
const PEOPLE: usize = 10_000;
const BATCH: usize = 50;

/// Everyone is here and nobody idle, and each session that an earlier run deleted is back.
const RESTORE: &str = "
INSERT INTO django_session SELECT * FROM kept_session ON CONFLICT DO NOTHING;
UPDATE auth_user SET last_activity = now(), is_online = true;";

pub async fn measure(
    engine: &Engine,
    population: &Population,
    runs: usize,
    database: &mut PgConnection,
) -> Result<Measure> {
    sqlx::raw_sql("CREATE TABLE kept_session AS SELECT * FROM django_session")
        .execute(&mut *database)
        .await?;
    let size = PEOPLE.min(population.people.len() / 3);
    let people: Vec<usize> = (0..size).map(|n| n * 3).collect();
    let ids: Vec<i64> = people.iter().map(|n| *n as i64 + 1).collect();
    let mut pairs = Vec::new();
    for _ in 0..runs {
        restore(&ids, database).await?;
        engine.look().await?;
        let began = Instant::now();
        let report = engine.sweep(true).await?;
        let ours = began.elapsed();
        // Somebody's session may just have been saved: that is evidence, too.
        if !report.verified || report.users.len() < size * 9 / 10 {
            bail!("{} of {size} people swept", report.users.len());
        }
        restore(&ids, database).await?;
        pairs.push((ours, by_hand(&people, population, database).await?));
    }
    restore(&[], database).await?;
    sqlx::raw_sql("DROP TABLE kept_session")
        .execute(database)
        .await?;
    Ok(Measure {
        work: format!(
            "sweep of {size} overdue people, roster warm: look, journal, batches, and the look after"
        ),
        against: "raw DELETE of the same keys in the same batches".into(),
        goal: GOAL,
        pairs,
    })
}

async fn restore(overdue: &[i64], database: &mut PgConnection) -> Result<()> {
    sqlx::raw_sql(RESTORE).execute(&mut *database).await?;
    sqlx::query(
        "UPDATE auth_user SET last_activity = now() - interval '1 hour' WHERE id = ANY($1)",
    )
    .bind(overdue)
    .execute(&mut *database)
    .await?;
    for table in ["VACUUM ANALYZE django_session", "VACUUM ANALYZE auth_user"] {
        sqlx::raw_sql(table).execute(&mut *database).await?;
    }
    Ok(())
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

//! What a Django site can do by itself, in Python: its best single pass over all sessions, against the first look at the
//! same table, and the periodic task that sites write for want of a better one.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::population::SECRET_KEY;
use crate::report::{Goal, Measure};
use crate::site::Site;
use crate::watching::first_look;

const SCRIPT: &str = include_str!("django_pass.py");
const GOAL: Goal = Goal::AtLeast(20.0);
/// As few as any work has: a pass takes long.
const PAIRS: usize = 5;
/// Idle people and sessions of the task: each doubled in its turn shows how it grows.
const TASKS: [(usize, usize); 3] = [(10, 10_000), (20, 10_000), (10, 20_000)];
/// Of a large site at its busiest.
const LARGE: (u64, u64) = (1_000, 1_000_000);

/// A Python that has Django, and a script for it.
pub struct Django<'a> {
    python: &'a Path,
    script: PathBuf,
    site: Site<'a>,
}

impl<'a> Django<'a> {
    pub fn new(python: &'a Path, site: Site<'a>, state: &Path) -> Result<Self> {
        let script = state.join("django_pass.py");
        std::fs::write(&script, SCRIPT)
            .with_context(|| format!("{} cannot be written", script.display()))?;
        Ok(Self {
            python,
            script,
            site,
        })
    }

    /// The pass and the first look take turns.
    pub async fn cold(&self, sessions: usize, state: &Path) -> Result<Measure> {
        let mut pairs = Vec::new();
        let mut version = String::new();
        for _ in 0..PAIRS {
            let (engine, ours) = first_look(&self.site, sessions, state).await?;
            engine.close().await;
            drop(engine);
            let answer = self.ask(&["pass"]).await?;
            if number(&answer, "sessions")? != sessions as f64 {
                bail!("Django went through {} sessions", answer["sessions"]);
            }
            pairs.push((ours, seconds(&answer)?));
            version = django(&answer);
        }
        Ok(Measure {
            work: "cold: from nothing to the full roster, beside Django".into(),
            against: format!(
                "{version}'s best single pass in Python over the same table (server-side cursor, each session decoded)"
            ),
            goal: GOAL,
            pairs,
        })
    }

    /// In words: what it takes when small, and what that makes when large.
    pub async fn periodic(&self) -> Result<String> {
        let (mut runs, mut version) = (Vec::new(), String::new());
        let (mut took, mut looked_at) = (0.0, 0.0);
        for (people, sessions) in TASKS {
            let answer = self
                .ask(&["task", &people.to_string(), &sessions.to_string()])
                .await?;
            let people = number(&answer, "people")?;
            let read = number(&answer, "read")?;
            let seconds = seconds(&answer)?.as_secs_f64();
            runs.push(format!(
                "{seconds:.1} s for {people} people over {:.0} sessions",
                read / people.max(1.0)
            ));
            took += seconds;
            looked_at += read;
            version = django(&answer);
        }
        let each = took / f64::max(looked_at, 1.0);
        let (people, sessions) = LARGE;
        let large = each * people as f64 * sessions as f64;
        let mut text = String::from("## The usual periodic task\n\n");
        let _ = writeln!(
            text,
            "Sites sign the idle out with a task that goes through all sessions once for each idle person, and decodes each.\n\
             With {version} it took {}, without the deletions' commit: it grows with the product of the two, by {:.0} µs for\n\
             each session looked at. For {people} idle people and {sessions} sessions that makes {large:.0} s, {:.1} hours. How long\n\
             Curfew's sweep takes is in the table above.",
            runs.join(", "),
            each * 1e6,
            large / 3600.0
        );
        Ok(text)
    }

    async fn ask(&self, words: &[&str]) -> Result<Value> {
        let output = tokio::process::Command::new(self.python)
            // Nothing of the caller's own Python.
            .arg("-I")
            .arg(&self.script)
            .args(words)
            .env("CURFEW_BENCH_POSTGRES", self.site.database)
            .env("CURFEW_BENCH_SECRET_KEY", SECRET_KEY)
            .stdin(std::process::Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .with_context(|| format!("{} cannot be started", self.python.display()))?;
        if !output.status.success() {
            bail!("Django: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        serde_json::from_slice(&output.stdout).context("Django did not answer in JSON")
    }
}

fn number(answer: &Value, name: &str) -> Result<f64> {
    answer[name]
        .as_f64()
        .with_context(|| format!("Django does not say {name}"))
}

fn seconds(answer: &Value) -> Result<Duration> {
    let seconds = number(answer, "seconds")?;
    Duration::try_from_secs_f64(seconds).context("Django's time is none")
}

fn django(answer: &Value) -> String {
    format!("Django {}", answer["django"].as_str().unwrap_or_default())
}

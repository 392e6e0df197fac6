//! Paired runs as ratios, and the page they are written to.

use std::fmt::{self, Write as _};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// What a ratio is meant to be.
#[derive(Clone, Copy)]
pub enum Goal {
    /// Curfew takes so many times as long, or less.
    AtMost(f64),
    /// The other takes so many times as long, or more.
    AtLeast(f64),
}

impl Goal {
    fn is_met(self, ratio: f64) -> bool {
        match self {
            Self::AtMost(most) => ratio <= most,
            Self::AtLeast(least) => ratio >= least,
        }
    }
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtMost(most) => write!(f, "at most {most}"),
            Self::AtLeast(least) => write!(f, "at least {least} times faster"),
        }
    }
}

/// One piece of work held against another, run by run.
pub struct Measure {
    pub work: String,
    pub against: String,
    pub goal: Goal,
    /// What Curfew took, and what the other took.
    pub pairs: Vec<(Duration, Duration)>,
}

/// One figure that is held against nothing but its goal.
#[derive(serde::Deserialize)]
pub struct Figure {
    pub what: String,
    pub value: String,
    pub goal: String,
    pub met: bool,
}

fn verdict(met: bool) -> &'static str {
    if met { "met" } else { "missed" }
}

impl Measure {
    /// The median of the ratios, pair by pair.
    pub fn ratio(&self) -> f64 {
        median(self.pairs.iter().map(|(ours, raw)| {
            let (ours, raw) = (ours.as_secs_f64(), raw.as_secs_f64());
            match self.goal {
                Goal::AtMost(_) => ours / raw.max(1e-9),
                Goal::AtLeast(_) => raw / ours.max(1e-9),
            }
        }))
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "| {} | {} | {:.2} ms | {:.2} ms | {:.2} | {} | {} | {} |",
            self.work,
            self.against,
            median(self.pairs.iter().map(|(ours, _)| milliseconds(*ours))),
            median(self.pairs.iter().map(|(_, raw)| milliseconds(*raw))),
            self.ratio(),
            self.pairs.len(),
            self.goal,
            verdict(self.goal.is_met(self.ratio())),
        )
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "| {} | {} | {} | {} |",
            self.what,
            self.value,
            self.goal,
            verdict(self.met)
        )
    }
}

/// A table of them, with its head.
pub fn table(measures: &[Measure]) -> String {
    let mut text = String::from(
        "| work | against | Curfew | the other | ratio | pairs | goal | |\n|---|---|---|---|---|---|---|---|\n",
    );
    for measure in measures {
        let _ = writeln!(text, "{measure}");
    }
    text
}

pub fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

pub fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => values[n / 2],
        n => (values[n / 2 - 1] + values[n / 2]) / 2.0,
    }
}

/// The page, as it goes into docs.
#[derive(Default)]
pub struct Page {
    pub sessions: usize,
    pub servers: Vec<String>,
    pub measures: Vec<Measure>,
    pub figures: Vec<Figure>,
    /// What has more to say than one row: a heading and what stands under it, each.
    pub sections: Vec<String>,
    /// What could not be measured, and why.
    pub failed: Vec<String>,
}

impl Page {
    /// A part that failed takes nothing else with it: what else was measured took most of an hour.
    pub fn keep(&mut self, part: &str, measured: Result<()>) {
        if let Err(error) = measured {
            eprintln!("{part}: {error:#}");
            self.failed.push(format!("{part}: {error:#}"));
        }
    }

    /// An error where anything failed.
    pub fn whole(&self) -> Result<()> {
        if !self.failed.is_empty() {
            bail!("not measured: {}", self.failed.join("; "));
        }
        Ok(())
    }

    pub fn write(&self, path: &Path) -> Result<()> {
        std::fs::write(path, self.to_string())
            .with_context(|| format!("{} cannot be written", path.display()))
    }
}

impl fmt::Display for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "# Benchmarks\n\nWritten by `cargo xtask bench`. Each ratio is the median of paired runs: Curfew's work and the other's take\nturns on the same servers, and the ratio is taken pair by pair. Times differ by machine; ratios should not.\n\n",
        )?;
        writeln!(f, "- Machine: {}", machine())?;
        for server in &self.servers {
            writeln!(f, "- {server}")?;
        }
        writeln!(f, "- Sessions: {}, three in ten anonymous", self.sessions)?;
        if !self.measures.is_empty() {
            write!(f, "\n{}", table(&self.measures))?;
        }
        if !self.figures.is_empty() {
            f.write_str("\n| what | measured | goal | |\n|---|---|---|---|\n")?;
        }
        for figure in &self.figures {
            writeln!(f, "{figure}")?;
        }
        for section in &self.sections {
            write!(f, "\n{section}")?;
        }
        if !self.failed.is_empty() {
            f.write_str("\n## Not measured, or not to its end\n\n")?;
        }
        for failed in &self.failed {
            writeln!(f, "- {failed}")?;
        }
        Ok(())
    }
}

fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cpu = read("/proc/cpuinfo")
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'))
        .map_or("an unnamed processor".to_string(), |(_, name)| {
            name.trim().to_string()
        });
    let memory = read("/proc/meminfo")
        .lines()
        .find_map(|line| {
            line.strip_prefix("MemTotal:")?
                .split_whitespace()
                .next()?
                .parse::<u64>()
                .ok()
        })
        .map_or(String::new(), |kb| format!(", {} GiB", kb / 1_048_576));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{cores} cores, {cpu}{memory}")
}

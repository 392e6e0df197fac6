//! Paired runs as ratios, and the page they are written to.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

/// One piece of work held against another, run by run.
pub struct Measure {
    pub work: String,
    pub against: String,
    /// The most that the ratio is meant to be.
    pub goal: f64,
    pub pairs: Vec<(Duration, Duration)>,
}

/// One figure that is held against nothing but its goal.
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
        median(
            self.pairs
                .iter()
                .map(|(ours, raw)| ours.as_secs_f64() / raw.as_secs_f64().max(1e-9)),
        )
    }

    fn line(&self) -> String {
        let ms = |times: Vec<Duration>| median(times.iter().map(|t| t.as_secs_f64() * 1000.0));
        format!(
            "| {} | {} | {:.2} ms | {:.2} ms | {:.2} | at most {} | {} |",
            self.work,
            self.against,
            ms(self.pairs.iter().map(|p| p.0).collect()),
            ms(self.pairs.iter().map(|p| p.1).collect()),
            self.ratio(),
            self.goal,
            verdict(self.ratio() <= self.goal),
        )
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => values[n / 2],
        n => (values[n / 2 - 1] + values[n / 2]) / 2.0,
    }
}

/// The page, as it goes into docs.
pub fn page(
    measures: &[Measure],
    figures: &[Figure],
    sessions: usize,
    servers: &[String],
) -> String {
    let mut page = String::from(
        "# Benchmarks\n\nWritten by `cargo xtask bench`. Each figure is the median of paired runs: Curfew's work and the raw\nstatements take turns on the same servers, and the ratio is taken pair by pair. Times differ by machine; ratios\nshould not.\n\n",
    );
    let fewest = measures.iter().map(|m| m.pairs.len()).min().unwrap_or(0);
    let _ = writeln!(page, "- Machine: {}", machine());
    for server in servers {
        let _ = writeln!(page, "- {server}");
    }
    let _ = writeln!(
        page,
        "- Sessions: {sessions}, three in ten anonymous; {fewest} or more pairs of runs\n"
    );
    page.push_str(
        "| work | against | Curfew | raw | ratio | goal | |\n|---|---|---|---|---|---|---|\n",
    );
    for measure in measures {
        let _ = writeln!(page, "{}", measure.line());
    }
    page.push_str("\n| what | measured | goal | |\n|---|---|---|---|\n");
    for figure in figures {
        let _ = writeln!(
            page,
            "| {} | {} | {} | {} |",
            figure.what,
            figure.value,
            figure.goal,
            verdict(figure.met)
        );
    }
    page
}

pub fn write(path: &Path, page: &str) -> Result<()> {
    std::fs::write(path, page).with_context(|| format!("{} cannot be written", path.display()))
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

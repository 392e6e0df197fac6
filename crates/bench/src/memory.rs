//! What the roster holds, measured in a process of its own that does nothing else.

use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::cpu;
use crate::report::Figure;
use crate::site::Site;

const GOAL: u64 = 120;

/// In that process: the peak above what it held before the first look, in bytes, as the one line printed.
pub async fn alone(site: &Site<'_>, state: &Path) -> Result<()> {
    let engine = site.open(state).await?;
    let idle = cpu::memory("VmRSS")?;
    engine.look().await?;
    println!("{}", cpu::memory("VmHWM")?.saturating_sub(idle));
    engine.close().await;
    Ok(())
}

/// Starts it, by the words of this process, and divides.
pub async fn measure(sessions: usize) -> Result<Figure> {
    let mut words = std::env::args_os().collect::<Vec<_>>().into_iter();
    let program = words.next().context("no program name")?;
    let output = tokio::process::Command::new(program)
        .args(words)
        .arg("--alone")
        .output()
        .await?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr));
    }
    let peak: u64 = String::from_utf8(output.stdout)?.trim().parse()?;
    let each = peak / (sessions as u64).max(1);
    Ok(Figure {
        what: "memory of a session above an idle process, at the peak".into(),
        value: format!("{each} bytes"),
        goal: format!("at most {GOAL} bytes"),
        met: each <= GOAL,
    })
}

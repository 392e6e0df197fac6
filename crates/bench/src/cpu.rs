//! What a process of this machine has used of its cores.

use std::time::Duration;

use anyhow::{Context, Result};

/// The kernel's unit in /proc, the same on all its machines.
const TICK: Duration = Duration::from_millis(10);

/// CPU time of a process, by its number or "self", in and out of the kernel.
pub fn used(process: &str) -> Result<Duration> {
    let path = format!("/proc/{process}/stat");
    let text = std::fs::read_to_string(&path).with_context(|| format!("{path} cannot be read"))?;
    // The name in brackets may hold anything; after it the fields are counted from the third.
    let (_, rest) = text.rsplit_once(')').context("no name")?;
    let ticks: u32 = rest
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<u32>().ok())
        .sum();
    Ok(TICK * ticks)
}

/// A line of /proc/self/status in bytes: `VmRSS`, what is held now; `VmHWM`, the most that ever was.
pub fn memory(name: &str) -> Result<u64> {
    let text = std::fs::read_to_string("/proc/self/status")?;
    let kib = text.lines().find_map(|line| {
        line.strip_prefix(name)?
            .strip_prefix(':')?
            .split_whitespace()
            .next()?
            .parse::<u64>()
            .ok()
    });
    Ok(kib.with_context(|| format!("no {name}"))? * 1024)
}

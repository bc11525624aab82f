//! What the kernel says about a process.

use anyhow::Context;

/// Clock ticks of /proc, the same on every Linux that this runs on.
const TICKS_PER_S: f64 = 100.0;

/// CPU seconds so far, user and system.
pub(super) fn cpu_s(pid: u32) -> anyhow::Result<f64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, after) = text.rsplit_once(')').context("no program name in stat")?;
    let fields: Vec<f64> = after
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|n| n.parse().ok())
        .collect();
    Ok(fields.iter().sum::<f64>() / TICKS_PER_S)
}

/// Resident memory in MiB.
pub(super) fn rss_mib(pid: u32) -> anyhow::Result<f64> {
    Ok(field(&format!("/proc/{pid}/status"), "VmRSS:")? / 1024.0)
}

/// Bytes that were given to the disk so far.
pub(super) fn written_bytes(pid: u32) -> anyhow::Result<f64> {
    field(&format!("/proc/{pid}/io"), "write_bytes:")
}

fn field(file: &str, name: &str) -> anyhow::Result<f64> {
    let text = std::fs::read_to_string(file)?;
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let value = line
        .and_then(|rest| rest.split_whitespace().next())
        .context("no such line")?;
    Ok(value.parse()?)
}

/// First child of a process.
pub(super) fn child(pid: u32) -> Option<u32> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    text.split_whitespace().next()?.parse().ok()
}

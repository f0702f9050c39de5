//! Programs that run: found by how they were started, and what they use.

use anyhow::{Context, Result};

/// The id of the process of a program one of whose arguments meets a condition.
///
/// # Errors
/// When there is none.
pub fn find(program: &str, is_its: impl Fn(&str) -> bool) -> Result<u32> {
    let name = format!("/{program}");
    let is_it = |pid: &u32| {
        let command = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let mut words = command.split('\0');
        words.next().is_some_and(|program| program.ends_with(&name)) && words.any(&is_its)
    };
    let entries = std::fs::read_dir("/proc")?.flatten();
    let mut pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.find(is_it).with_context(|| format!("{program} has ended"))
}

/// A line of a process's memory in `/proc`, in MiB: `VmRSS` now, `VmHWM` at its peak.
///
/// # Errors
/// When it has ended.
pub fn memory(pid: u32, line: &str) -> Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let found = status.lines().find_map(|text| text.strip_prefix(line)?.strip_prefix(':'));
    let kilobytes = found.and_then(|text| text.split_whitespace().next()).context("no such line")?;
    Ok(kilobytes.parse::<f64>()? / 1024.0)
}

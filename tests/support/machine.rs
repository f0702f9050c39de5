//! The machine that figures are taken on.

use std::fs;

use anyhow::{Result, bail};

/// With this variable set a machine that lacks a program fails the tests that need it.
const DEMANDED: &str = "COXSWAIN_TEST_PROGRAMS";

/// Its cores, processor, memory and load, in a few words.
pub fn described() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ")).map(|(_, name)| name);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let memory = memory.lines().find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB"));
    let memory = memory.and_then(|number| number.parse::<f64>().ok()).unwrap_or_default() / f64::from(1 << 20);
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or_default();
    let model = model.unwrap_or("an unknown processor");
    format!("{cores} cores of {model} with {memory:.0} GiB, load {load} at the beginning")
}

/// Says that tests are skipped because the machine has no such program, which a package of Debian's would bring.
///
/// # Errors
/// When all programs are demanded.
pub fn lacks(program: &str, package: &str) -> Result<()> {
    if std::env::var_os(DEMANDED).is_some() {
        bail!("{DEMANDED} is set, and there is no {program}: install {package}");
    }
    eprintln!("skipped: there is no {program} on this machine (Debian: {package})");
    Ok(())
}

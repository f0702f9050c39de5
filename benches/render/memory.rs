//! How much memory a parsed chart holds, what a render adds, and whether many renders leave some behind.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use coxswain::template::on_large_stack;

use super::subject::{Case, render};
use super::usage;

/// The first argument of a process that measures one chart.
pub const ARGUMENT: &str = "memory";

/// What a chart takes, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// The parsed chart.
    pub warm: u64,
    /// The most that a render adds to it.
    pub peak: u64,
}

/// Measures a chart in a process of its own, where nothing else has touched memory before.
///
/// # Errors
/// When the chart does not render.
pub fn measure(case: &Case) -> Result<Memory> {
    let output = Command::new(std::env::current_exe()?).arg(ARGUMENT).arg(&case.archive).output()?;
    ensure!(output.status.success(), "{}: {}", case.name(), String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout)?;
    let (warm, peak) = text.trim().split_once(' ').context("two numbers")?;
    Ok(Memory { warm: warm.parse()?, peak: peak.parse()? })
}

/// Prints the numbers of [`measure`].
///
/// # Errors
/// When the chart does not render.
pub fn print(case: &Case) -> Result<()> {
    let measured = on_large_stack(|| {
        let before = usage::resident()?;
        let program = case.load()?;
        let loaded = usage::resident()?;
        usage::forget_peak()?;
        render(&program, &case.read_values()?)?;
        anyhow::Ok((loaded.saturating_sub(before), usage::peak()?.saturating_sub(loaded)))
    })?;
    let (warm, peak) = measured?;
    println!("{warm} {peak}");
    Ok(())
}

/// The resident memory along many renders of mixed charts, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Soak {
    /// How many renders.
    pub renders: usize,
    /// Of how many charts.
    pub charts: usize,
    /// After a tenth of them.
    pub early: u64,
    /// After half of them.
    pub middle: u64,
    /// At the end.
    pub late: u64,
}

/// Renders the cases in turn.
///
/// # Errors
/// When one does not render.
pub fn soak(cases: &[Case], renders: usize) -> Result<Soak> {
    ensure!(!cases.is_empty(), "there is nothing to render");
    let kept = cases.iter().map(|case| Ok((case.load()?, case.read_values()?))).collect::<Result<Vec<_>>>()?;
    let run = |range: std::ops::Range<usize>| {
        for number in range {
            let (program, values) = &kept[number % kept.len()];
            render(program, values)?;
        }
        usage::resident()
    };
    let early = run(0..renders / 10)?;
    let middle = run(renders / 10..renders / 2)?;
    let late = run(renders / 2..renders)?;
    Ok(Soak { renders, charts: kept.len(), early, middle, late })
}

//! How much memory a parsed chart holds, what a render adds, and whether many renders leave some behind.

use std::process::Command;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use coxswain::render::Program;
use coxswain::template::on_large_stack;
use coxswain::value::Json;

use super::subject::{Case, Temperature, render};
use super::usage;

/// The first argument of a process that measures one chart.
pub const ARGUMENT: &str = "memory";

/// What a chart takes, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// The loaded chart.
    pub loaded: u64,
    /// The most that its first render, which parses its templates, adds to that.
    pub peak: u64,
    /// What is left of that when the render is done.
    pub kept: u64,
}

/// Measures a chart in a process of its own, where nothing else has touched memory before.
///
/// # Errors
/// When the chart does not render.
pub fn measure(case: &Case) -> Result<Memory> {
    let output = Command::new(std::env::current_exe()?).arg(ARGUMENT).arg(&case.archive).output()?;
    ensure!(output.status.success(), "{}: {}", case.name(), String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout)?;
    let numbers: Vec<u64> = text.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
    let [loaded, peak, kept] = numbers[..] else { bail!("expected three numbers: {text}") };
    Ok(Memory { loaded, peak, kept })
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
        let since = |bytes: u64, start: u64| bytes.saturating_sub(start);
        anyhow::Ok([since(loaded, before), since(usage::peak()?, loaded), since(usage::resident()?, loaded)])
    })?;
    let [loaded, peak, kept] = measured?;
    println!("{loaded} {peak} {kept}");
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

/// Renders charts in turn: those of the cases without values that render, and in so few seconds that all have many
/// turns.
///
/// # Errors
/// When none does.
pub fn soak(cases: &[Case], renders: usize, seconds: f64) -> Result<Soak> {
    let light = |case: &Case| {
        let program = case.load().ok()?;
        let prepared = case.prepare(Temperature::Warm).ok()?.render(1, Duration::ZERO).ok()?;
        (prepared.seconds() < seconds).then_some(program)
    };
    let kept: Vec<Program> = cases.iter().filter(|case| case.values.is_none()).filter_map(light).collect();
    ensure!(!kept.is_empty(), "there is nothing to render");
    let run = |range: std::ops::Range<usize>| {
        range.map(|number| &kept[number % kept.len()]).try_for_each(|program| render(program, &Json::Null))?;
        usage::resident()
    };
    let early = run(0..renders / 10)?;
    let middle = run(renders / 10..renders / 2)?;
    let late = run(renders / 2..renders)?;
    Ok(Soak { renders, charts: kept.len(), early, middle, late })
}

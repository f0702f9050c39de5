//! `coxswain template` beside `helm template`, as commands, by turns.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Result, ensure};

use super::support::cluster::Programs;
use super::support::folder::Folder;
use super::usage::children_cpu;

/// What one call of a command took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cost {
    /// Seconds of CPU time.
    pub cpu: f64,
    /// Seconds on the clock.
    pub wall: f64,
}

/// The two commands.
pub struct Commands {
    programs: Programs,
    /// An empty home, so that neither finds plugins or settings.
    home: Folder,
}

impl Commands {
    /// Finds both, building `helm` if need be.
    ///
    /// # Errors
    /// When it cannot be built.
    pub fn locate() -> Result<Self> {
        Ok(Self { programs: Programs::locate()?, home: Folder::new("bench-render")? })
    }

    /// The median cost of so many calls of ours and of Helm's.
    ///
    /// # Errors
    /// When a command fails.
    pub fn compare(&self, chart: &Path, calls: usize) -> Result<(Cost, Cost)> {
        let (ours, helm) = (Path::new(env!("CARGO_BIN_EXE_coxswain")), self.programs.path("helm"));
        let mut costs = (Vec::new(), Vec::new());
        for call in 0..=calls {
            let pair = (self.call(ours, chart)?, self.call(&helm, chart)?);
            // The first call reads the programs from disk.
            if call > 0 {
                costs.0.push(pair.0);
                costs.1.push(pair.1);
            }
        }
        Ok((median(&costs.0), median(&costs.1)))
    }

    fn call(&self, program: &Path, chart: &Path) -> Result<Cost> {
        let mut command = Command::new(program);
        command.args(["template", "bench"]).arg(chart).env("HOME", self.home.path()).env_remove("KUBECONFIG");
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let (cpu, began) = (children_cpu()?, Instant::now());
        let status = command.status()?;
        let wall = began.elapsed().as_secs_f64();
        ensure!(status.success(), "{command:?} failed");
        Ok(Cost { cpu: (children_cpu()?.saturating_sub(cpu)).as_secs_f64(), wall })
    }
}

fn median(costs: &[Cost]) -> Cost {
    let middle = |number: fn(&Cost) -> f64| {
        let mut numbers: Vec<f64> = costs.iter().map(number).collect();
        numbers.sort_by(f64::total_cmp);
        numbers.get(numbers.len() / 2).copied().unwrap_or_default()
    };
    Cost { cpu: middle(|cost| cost.cpu), wall: middle(|cost| cost.wall) }
}

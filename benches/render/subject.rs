//! What is rendered, and how we render it.

use std::fs;
use std::ops::AddAssign;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, anyhow};
use coxswain::chart::{self, load_archive};
use coxswain::render::{Capabilities, Input, Program, Release};
use coxswain::value::Json;

use super::usage::own_cpu;

/// Whether the chart was parsed before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Temperature {
    /// The archive is read, the chart parsed and rendered.
    Cold,
    /// The parsed chart is kept and rendered again.
    Warm,
}

/// A chart archive and one values file of it, or none.
#[derive(Clone, Debug)]
pub struct Case {
    /// The archive.
    pub archive: PathBuf,
    /// The values file.
    pub values: Option<PathBuf>,
}

/// Some renders and the CPU time that they took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mean {
    /// CPU time of all.
    pub cpu: Duration,
    /// How many.
    pub renders: u64,
}

impl Mean {
    /// CPU seconds of one.
    pub fn seconds(&self) -> f64 {
        self.cpu.as_secs_f64() / self.renders.max(1) as f64
    }
}

impl AddAssign for Mean {
    fn add_assign(&mut self, other: Self) {
        self.cpu += other.cpu;
        self.renders += other.renders;
    }
}

impl Case {
    /// The name of the archive without its ending.
    pub fn name(&self) -> String {
        self.archive.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
    }

    /// Reads and parses the chart.
    ///
    /// # Errors
    /// When it is not valid.
    pub fn load(&self) -> Result<Program> {
        Ok(Program::new(load_archive(&fs::read(&self.archive)?, &chart::Limits::default())?))
    }

    /// Reads the values.
    ///
    /// # Errors
    /// When they are not valid.
    pub fn read_values(&self) -> Result<Json> {
        match &self.values {
            None => Ok(Json::Null),
            Some(path) => chart::load_values(&fs::read(path)?).map_err(|error| anyhow!(error)),
        }
    }

    /// Gets ready to render; a warm chart has been rendered once.
    ///
    /// # Errors
    /// When the chart does not render.
    pub fn prepare(&self, temperature: Temperature) -> Result<Prepared<'_>> {
        let values = self.read_values()?;
        let kept = match temperature {
            Temperature::Cold => None,
            Temperature::Warm => Some(self.load()?),
        };
        if let Some(program) = &kept {
            render(program, &values)?;
        }
        Ok(Prepared { case: self, values, kept })
    }
}

/// A case that is ready to be rendered.
pub struct Prepared<'c> {
    case: &'c Case,
    values: Json,
    kept: Option<Program>,
}

impl Prepared<'_> {
    /// Renders so many times, and longer until so much CPU time is used.
    ///
    /// # Errors
    /// When the chart does not render.
    pub fn render(&self, renders: u64, cpu: Duration) -> Result<Mean> {
        let mut mean = Mean::default();
        while mean.renders < renders.max(1) || mean.cpu < cpu {
            let began = own_cpu();
            match &self.kept {
                Some(program) => render(program, &self.values)?,
                None => render(&self.case.load()?, &self.values)?,
            }
            mean += Mean { cpu: own_cpu().saturating_sub(began), renders: 1 };
        }
        Ok(mean)
    }
}

/// One render.
///
/// # Errors
/// Helm's text.
pub fn render(program: &Program, values: &Json) -> Result<()> {
    let release = Release { name: "bench".to_owned(), namespace: "demo".to_owned(), revision: 1, is_upgrade: false };
    program.render(&Input::new(values, &release, &Capabilities::default()))?;
    Ok(())
}

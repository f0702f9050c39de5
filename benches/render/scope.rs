//! What of the benchmark is run: all of it, or what `PARTS`, `CHARTS` and `SOAK` say.

use std::env;

use anyhow::{Result, bail};

/// Renders for the growth of memory, unless told otherwise.
const SOAK: usize = 10_000;

/// A part of the benchmark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Reading, parsing and rendering.
    Cold,
    /// Rendering what was parsed.
    Warm,
    /// Warm renders of every chart.
    Corpus,
    /// The two commands.
    Commands,
    /// What charts and renders take.
    Memory,
    /// Whether renders leave memory behind.
    Soak,
}

const PARTS: [(&str, Part); 6] = [
    ("cold", Part::Cold),
    ("warm", Part::Warm),
    ("corpus", Part::Corpus),
    ("commands", Part::Commands),
    ("memory", Part::Memory),
    ("soak", Part::Soak),
];

/// What is run.
pub struct Scope {
    parts: Option<Vec<Part>>,
    charts: Option<String>,
    renders: Option<usize>,
}

impl Scope {
    /// Reads the environment.
    ///
    /// # Errors
    /// When it names no part, or no number.
    pub fn read() -> Result<Self> {
        let variable = |name| env::var(name).ok().filter(|text| !text.is_empty());
        let part = |word: &str| match PARTS.iter().find(|(name, _)| *name == word) {
            Some((_, part)) => Ok(*part),
            None => bail!("PARTS: no part is called {word:?}; there are {:?}", PARTS.map(|(name, _)| name)),
        };
        let parts = variable("PARTS").map(|text| text.split(',').map(part).collect()).transpose()?;
        let renders = variable("SOAK").map(|text| text.parse()).transpose()?;
        Ok(Self { parts, charts: variable("CHARTS"), renders })
    }

    /// The parts, in the order of the page.
    pub fn parts(&self) -> Vec<Part> {
        let is_asked = |part: &Part| self.parts.as_ref().is_none_or(|parts| parts.contains(part));
        PARTS.map(|(_, part)| part).into_iter().filter(is_asked).collect()
    }

    /// Whether a chart is among those that are asked for.
    pub fn has_chart(&self, name: &str) -> bool {
        self.charts.as_ref().is_none_or(|part| name.contains(part))
    }

    /// Whether the figures are those of the whole benchmark.
    pub fn is_whole(&self) -> bool {
        self.parts.is_none() && self.charts.is_none()
    }

    /// How many renders to make for the growth of memory.
    pub fn renders(&self) -> usize {
        self.renders.unwrap_or(SOAK)
    }

    /// The command that makes the page.
    pub fn command(&self) -> String {
        self.renders
            .map_or_else(|| "make bench-render".to_owned(), |renders| format!("make bench-render SOAK={renders}"))
    }
}

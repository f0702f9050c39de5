//! The figures as tables: on standard output, and between the marks of `docs/performance.md`.

use std::fs;

use anyhow::{Context, Result};

use super::command::Cost;
use super::corpus::Pair;
use super::memory::{Memory, Soak};
use super::named::Row;
use super::support::machine;
use super::support::manifests::project;
use super::support::reference::{replace, table};

const PAGE: &str = "docs/performance.md";

/// The text that is made, section by section.
#[derive(Default)]
pub struct Report {
    text: String,
}

impl Report {
    /// The machine and how the figures were taken.
    pub fn conditions(&mut self, charts: &str, command: &str) {
        self.add(&format!("Taken by `{command}` on {}. {charts}", machine::described()));
    }

    /// One render of each chart, ours and Helm's.
    pub fn renders(&mut self, title: &str, bar: f64, rows: &[Row]) {
        let rows = rows.iter().map(|Row { name, ours, helm }| {
            vec![name.clone(), milliseconds(*ours), milliseconds(*helm), judged(helm / ours, bar)]
        });
        let head = ["Chart", "Coxswain, ms", "Helm, ms", &format!("Times less, at least {bar}")];
        self.section(title, &table(&head, rows));
    }

    /// Every chart with its values, ours and Helm's.
    pub fn corpus(&mut self, title: &str, bar: f64, pairs: &[Pair]) {
        let without: Vec<&Pair> = pairs.iter().filter(|pair| !pair.makes_keys).collect();
        let with: Vec<&Pair> = pairs.iter().filter(|pair| pair.makes_keys).collect();
        let all: Vec<&Pair> = pairs.iter().collect();
        let row = |name: &str, pairs: &[&Pair]| {
            let sum = |seconds: fn(&Pair) -> f64| pairs.iter().map(|pair| seconds(pair)).sum::<f64>();
            let (ours, helm) = (sum(|pair| pair.ours.seconds()), sum(|pair| pair.helm.seconds()));
            let mut ratios: Vec<f64> = pairs.iter().map(|pair| pair.ratio()).collect();
            ratios.sort_by(f64::total_cmp);
            let at = |share: f64| ratios.get((ratios.len() as f64 * share) as usize).copied().unwrap_or_default();
            let enough = ratios.iter().filter(|ratio| **ratio >= bar).count();
            vec![
                name.to_owned(),
                pairs.len().to_string(),
                milliseconds(ours),
                milliseconds(helm),
                judged(helm / ours, bar),
                format!("{:.1}", at(0.5)),
                format!("{:.1}", at(0.05)),
                format!("{:.1} %", 100.0 * enough as f64 / pairs.len().max(1) as f64),
            ]
        };
        let rows = [
            row("all", &all),
            row("that make no keys or password digests", &without),
            row("that can make them", &with),
        ];
        let head = [
            "Charts with their values",
            "Cases",
            "Coxswain, ms",
            "Helm, ms",
            &format!("Times less, at least {bar}"),
            "Median",
            "Of 95 % more than",
            &format!("At least {bar}"),
        ];
        self.section(title, &table(&head, rows));
    }

    /// The two commands.
    pub fn commands(&mut self, title: &str, bar: f64, rows: &[(String, Cost, Cost)]) {
        let rows = rows.iter().map(|(name, ours, helm)| {
            vec![
                name.clone(),
                milliseconds(ours.wall),
                milliseconds(helm.wall),
                judged(helm.wall / ours.wall, bar),
                milliseconds(ours.cpu),
                milliseconds(helm.cpu),
                judged(helm.cpu / ours.cpu, bar),
            ]
        });
        let faster = format!("Times faster, at least {bar}");
        let head =
            ["Chart", "Coxswain, ms", "Helm, ms", &faster, "Coxswain, ms of CPU", "Helm, ms of CPU", "Times less"];
        self.section(title, &table(&head, rows));
    }

    /// What charts hold and renders add.
    pub fn memory(&mut self, title: &str, rows: &[(String, Memory)]) {
        let head = ["Chart", "Loaded chart, MiB", "Its first render adds at most, MiB", "And leaves, MiB"];
        let rows = rows.iter().map(|(name, memory)| {
            vec![name.clone(), mebibytes(memory.loaded), mebibytes(memory.peak), mebibytes(memory.kept)]
        });
        let note = "\nWhat a render leaves is the parsed templates and what the allocator keeps for the next render.\n";
        self.section(title, &(table(&head, rows) + note));
    }

    /// Whether renders leave memory behind.
    pub fn soak(&mut self, title: &str, soak: &Soak) {
        let growth = soak.late as f64 / soak.early as f64 * 100.0 - 100.0;
        let text = format!(
            "{} renders of {} charts by turns: {} MiB resident after a tenth of them, {} after half, {} at the end \
             ({growth:+.1} %).",
            soak.renders,
            soak.charts,
            mebibytes(soak.early),
            mebibytes(soak.middle),
            mebibytes(soak.late),
        );
        self.section(title, &text);
    }

    /// Writes the figures into the page.
    ///
    /// # Errors
    /// When the page cannot be written or has no marks.
    pub fn write(self) -> Result<()> {
        let path = project(PAGE);
        let page = fs::read_to_string(&path).with_context(|| format!("cannot read {PAGE}"))?;
        let page = replace(&page, "render", &self.text).with_context(|| format!("{PAGE} has no marks `render`"))?;
        fs::write(&path, page).with_context(|| format!("cannot write {PAGE}"))
    }

    fn section(&mut self, title: &str, text: &str) {
        self.add(&format!("\n### {title}\n\n{}", text.trim_end()));
    }

    fn add(&mut self, text: &str) {
        println!("{text}");
        self.text.push_str(text);
        self.text.push('\n');
    }
}

fn milliseconds(seconds: f64) -> String {
    format!("{:.*}", if seconds < 0.01 { 3 } else { 1 }, seconds * 1000.0)
}

fn mebibytes(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / f64::from(1 << 20))
}

/// The ratio, and whether it misses the bar.
fn judged(ratio: f64, bar: f64) -> String {
    if ratio < bar { format!("**{ratio:.1}, missed**") } else { format!("{ratio:.1}") }
}

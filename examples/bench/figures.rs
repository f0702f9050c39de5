//! What was measured, as tables: on standard output, and in `docs/performance.md`.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};

use super::support::machine;
use super::support::manifests::project;
use super::support::reference::{replace, table};

const PAGE: &str = "docs/performance.md";

/// What one stage took.
pub struct Stage {
    /// What was done.
    pub name: String,
    /// From its first request to its end.
    pub took: Duration,
    /// The operator's processor time.
    pub cpu: Duration,
    /// The operator's requests, watches apart, by verb and resource.
    pub requests: BTreeMap<String, usize>,
    /// How many releases it was about.
    pub releases: usize,
    /// How many times as long as the bare client, until all was deployed and until all was ready; the bare client waits
    /// for neither pods nor anything else.
    pub times: Option<(f64, f64)>,
}

/// One run.
pub struct Figures {
    /// The releases.
    pub releases: usize,
    /// What the bare client took for its writes.
    pub bare: Duration,
    /// The stages, in their order.
    pub stages: Vec<Stage>,
    /// The operator's memory in MiB: at its peak, with all releases at rest, and after a restart.
    pub memory: [f64; 3],
    /// How long repairs took, the shortest first.
    pub repairs: Vec<Duration>,
    /// How long a restarted operator took until it was ready, and what it wrote.
    pub restart: (Duration, usize),
}

impl Figures {
    /// The figures as a section of the page.
    pub fn text(&self) -> String {
        let rows = self.stages.iter().map(|stage| {
            let total: usize = stage.requests.values().sum();
            let each = |count: usize| format!("{:.1}", count as f64 / stage.releases as f64);
            let named: Vec<String> =
                stage.requests.iter().map(|(name, count)| format!("{name} {}", each(*count))).collect();
            vec![
                stage.name.clone(),
                format!("{:.1}", stage.took.as_secs_f64()),
                stage.times.map(|(deployed, ready)| format!("{deployed:.2}, ready {ready:.2}")).unwrap_or_default(),
                format!("{:.1}", stage.cpu.as_secs_f64()),
                each(total),
                named.join(", "),
            ]
        });
        let head =
            ["Stage", "Seconds", "Times the bare client", "Seconds of CPU", "Requests a release", "Which they are"];
        let [peak, rest, restarted] = self.memory;
        let (ready, writes) = self.restart;
        let at = |share: f64| {
            let place = (self.repairs.len().saturating_sub(1) as f64 * share) as usize;
            self.repairs.get(place).copied().unwrap_or_default().as_millis()
        };
        format!(
            "### {} releases of four objects\n\n{}\nThe bare client: {:.1} s. Memory: {peak:.1} MiB at the peak, {rest:.1} \
             MiB with all releases at rest, {restarted:.1} MiB after a restart. Repair of {} deleted objects, each until \
             it is back: median {} ms, 99th percentile {} ms. A restart: ready in {:.1} s, {writes} writes.\n",
            self.releases,
            table(&head, rows),
            self.bare.as_secs_f64(),
            self.repairs.len(),
            at(0.5),
            at(0.99),
            ready.as_secs_f64(),
        )
    }
}

/// Writes sections into the page, between the marks of this name.
///
/// # Errors
/// The page cannot be written or has no marks.
pub fn write(mark: &str, command: &str, sections: &[String]) -> Result<()> {
    let text = format!("Taken by `{command}` on {}.\n\n{}", machine::described(), sections.join("\n"));
    println!("{text}");
    let path = project(PAGE);
    let page = fs::read_to_string(&path).with_context(|| format!("cannot read {PAGE}"))?;
    let page = replace(&page, mark, &text).with_context(|| format!("{PAGE} has no marks `{mark}`"))?;
    fs::write(&path, page).with_context(|| format!("cannot write {PAGE}"))
}

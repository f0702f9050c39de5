//! What a render costs, next to Helm's own packages on the same charts in the same run.
//!
//! `make bench-render` runs it and writes `docs/performance.md`, in some ten minutes. `PARTS=cold,warm` runs only some
//! of the parts (cold, warm, corpus, commands, memory, soak) and `CHARTS=name` only the charts with that in their names;
//! such figures are printed and not written. `SOAK=100000` renders so many times for the growth of memory.
//! `COXSWAIN_CONFORMANCE` is a folder of charts other than `../shared/conformance`. Where there is neither, charts are
//! made.

mod command;
mod corpus;
mod generated;
mod helm;
mod memory;
mod named;
#[path = "../../tests/conformance/mod.rs"]
mod recording;
mod report;
mod scope;
mod subject;
#[path = "../../tests/support/mod.rs"]
mod support;
mod usage;

use std::path::PathBuf;

use anyhow::{Context, Result};
use coxswain::template::on_large_stack;
use mimalloc::MiMalloc;

use command::Commands;
use helm::Helm;
use report::Report;
use scope::{Part, Scope};
use subject::{Case, Temperature};
use support::{charts, folder::Folder};

/// The allocator of the binary.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Large charts that are measured one by one.
const LARGE: [&str; 5] = [
    "prometheus-community--kube-prometheus-stack",
    "argoproj--argo-workflows",
    "open-telemetry--opentelemetry-demo",
    "bitnami--mastodon",
    "helm--gitlab-ee",
];
const COLD_BAR: f64 = 5.0;
const WARM_BAR: f64 = 10.0;
const COMMAND_BAR: f64 = 5.0;
/// How often each command is called.
const CALLS: usize = 11;
/// Charts of the soak render in less than this, so that they all have many turns.
const SOAK_SECONDS: f64 = 0.004;

fn main() -> Result<()> {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_some_and(|argument| argument == memory::ARGUMENT) {
        let archive = PathBuf::from(arguments.next().context("no chart is named")?);
        return memory::print(&Case { archive, values: None });
    }
    let scope = Scope::read()?;
    let folder = Folder::new("bench-render-charts")?;
    let bench = Bench::new(&folder, &scope)?;
    let mut helm = Helm::start()?;
    let mut report = Report::default();
    report.conditions(bench.origin, &scope.command());
    for part in scope.parts() {
        bench.run(part, &scope, &mut helm, &mut report)?;
    }
    if scope.is_whole() { report.write() } else { Ok(()) }
}

/// What is rendered.
struct Bench {
    /// Where the charts are from, as a sentence.
    origin: &'static str,
    /// All charts with all their values.
    cases: Vec<Case>,
    /// The charts that are measured one by one.
    named: Vec<Case>,
    /// A small chart.
    small: Case,
}

impl Bench {
    fn new(folder: &Folder, scope: &Scope) -> Result<Self> {
        let small = charts::pack(&charts::folder("hello-0.1.0"), folder.path())?.path;
        let small = Case { archive: small, values: None };
        let Some(recorded) = recording::folder() else {
            let mut cases = generated::charts(folder.path())?;
            cases.retain(|case| scope.has_chart(&case.name()));
            let origin = "The charts are made by the benchmark: a small, a wide and a deep one.";
            return Ok(Self { origin, named: cases.clone(), cases, small });
        };
        let subjects =
            recording::subjects(&recorded.join("charts"), &recorded.join("values"), |stem| scope.has_chart(stem))?;
        let cases = subjects.into_iter().flat_map(|subject| {
            let values = std::iter::once(None).chain(subject.values.into_iter().map(Some));
            values.map(move |values| Case { archive: subject.archive.clone(), values }).collect::<Vec<_>>()
        });
        let cases: Vec<Case> = cases.collect();
        let named = cases.iter().filter(|case| case.values.is_none() && LARGE.contains(&case.name().as_str()));
        let origin = "The charts are 460 of public repositories with the values that their authors test with.";
        Ok(Self { origin, named: named.cloned().collect(), cases, small })
    }

    fn run(&self, part: Part, scope: &Scope, helm: &mut Helm, report: &mut Report) -> Result<()> {
        match part {
            Part::Cold => {
                let rows = named::measure(&self.alone(), helm, Temperature::Cold)?;
                report.renders("Cold: CPU of reading an archive, parsing and rendering", COLD_BAR, &rows);
            }
            Part::Warm => {
                let rows = named::measure(&self.alone(), helm, Temperature::Warm)?;
                report.renders("Warm: CPU of rendering a parsed chart", WARM_BAR, &rows);
            }
            Part::Corpus => {
                let pairs = corpus::compare(&self.cases, helm)?;
                report.corpus("Warm, all charts: CPU of one render each", WARM_BAR, &pairs);
            }
            Part::Commands => {
                let commands = Commands::locate()?;
                let compare = |case: &Case| {
                    let (ours, helm) = commands.compare(&case.archive, CALLS)?;
                    Ok((case.name(), ours, helm))
                };
                let rows = self.alone().iter().map(compare).collect::<Result<Vec<_>>>()?;
                report.commands("`coxswain template` beside `helm template`", COMMAND_BAR, &rows);
            }
            Part::Memory => {
                let measure = |case: &Case| Ok((case.name(), memory::measure(case)?));
                let rows = self.alone().iter().map(measure).collect::<Result<Vec<_>>>()?;
                report.memory("Memory", &rows);
            }
            Part::Soak => {
                let soak = on_large_stack(|| memory::soak(&self.cases, scope.renders(), SOAK_SECONDS))??;
                report.soak("Growth of memory", &soak);
            }
        }
        Ok(())
    }

    /// The charts that are measured one by one, the small one first.
    fn alone(&self) -> Vec<Case> {
        std::iter::once(&self.small).chain(&self.named).cloned().collect()
    }
}

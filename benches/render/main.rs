//! What a render costs, next to Helm's own packages on the same charts in the same run.
//!
//! `make bench-render` runs it and writes `docs/performance.md`. `SOAK=100000` renders so many times for the growth of
//! memory; `COXSWAIN_CONFORMANCE` is a folder of charts other than `../shared/conformance`. Where there is neither,
//! charts are made.

mod command;
mod corpus;
mod generated;
mod helm;
mod memory;
#[path = "../../tests/conformance/mod.rs"]
mod recording;
mod report;
mod subject;
#[path = "../../tests/support/mod.rs"]
mod support;
mod usage;

use std::cell::RefCell;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use coxswain::template::on_large_stack;
use criterion::{BenchmarkGroup, Criterion, SamplingMode};
use mimalloc::MiMalloc;

use command::Commands;
use helm::Helm;
use report::Report;
use subject::{Case, Mean, Temperature};
use support::{charts, folder::Folder};
use usage::Cpu;

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
/// Renders for the growth of memory, unless told otherwise.
const SOAK: usize = 10_000;
/// Charts of the soak render in less than this, so that they all have many turns.
const SOAK_SECONDS: f64 = 0.004;

fn main() -> Result<()> {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_some_and(|argument| argument == memory::ARGUMENT) {
        let archive = PathBuf::from(arguments.next().context("no chart is named")?);
        return memory::print(&Case { archive, values: None });
    }
    let folder = Folder::new("bench-render-charts")?;
    let bench = Bench::new(&folder)?;
    let mut helm = Helm::start()?;
    let mut report = Report::default();

    let mut criterion = Criterion::default().with_measurement(Cpu);
    let cold = bench.named(&mut criterion, &mut helm, Temperature::Cold)?;
    let warm = bench.named(&mut criterion, &mut helm, Temperature::Warm)?;
    let pairs = corpus::compare(bench.cases.clone(), &mut helm)?;
    let commands = bench.commands()?;
    let memory =
        bench.named.iter().map(|case| Ok((case.name(), memory::measure(case)?))).collect::<Result<Vec<_>>>()?;
    let renders = std::env::var("SOAK").ok().and_then(|text| text.parse().ok()).unwrap_or(SOAK);
    let light = pairs.iter().filter(|pair| pair.ours.seconds() < SOAK_SECONDS);
    let light: Vec<Case> = light.map(|pair| pair.case.clone()).filter(|case| case.values.is_none()).collect();
    let soak = on_large_stack(|| memory::soak(&light, renders))??;

    report.conditions(bench.origin);
    report.renders("Cold: CPU of reading an archive, parsing and rendering", COLD_BAR, &cold);
    report.renders("Warm: CPU of rendering a parsed chart", WARM_BAR, &warm);
    report.corpus("Warm, all charts: CPU of one render each", WARM_BAR, &pairs);
    report.commands("`coxswain template` beside `helm template`", COMMAND_BAR, &commands);
    report.memory("Memory", &memory, &soak);
    report.write()
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
    fn new(folder: &Folder) -> Result<Self> {
        let small = charts::pack(&charts::folder("hello-0.1.0"), folder.path())?.path;
        let small = Case { archive: small, values: None };
        let Some(recorded) = recording::folder() else {
            let cases = generated::charts(folder.path())?;
            let origin = "The charts are made by the benchmark: a small, a wide and a deep one.";
            return Ok(Self { origin, named: cases.clone(), cases, small });
        };
        let subjects = recording::subjects(&recorded.join("charts"), &recorded.join("values"), |_| true)?;
        let cases = subjects.into_iter().flat_map(|subject| {
            let values = std::iter::once(None).chain(subject.values.into_iter().map(Some));
            values.map(move |values| Case { archive: subject.archive.clone(), values }).collect::<Vec<_>>()
        });
        let cases: Vec<Case> = cases.collect();
        let named = cases.iter().filter(|case| case.values.is_none() && LARGE.contains(&case.name().as_str()));
        let origin = "The charts are 460 of public repositories with the values that their authors test with.";
        Ok(Self { origin, named: named.cloned().collect(), cases, small })
    }

    /// Our renders and Helm's of each chart that is measured by itself.
    fn named(
        &self,
        criterion: &mut Criterion<Cpu>,
        helm: &mut Helm,
        temperature: Temperature,
    ) -> Result<Vec<(String, Mean, Mean)>> {
        let mut rows = Vec::new();
        for case in std::iter::once(&self.small).chain(&self.named) {
            let mut group = criterion.benchmark_group(format!("{temperature:?}/{}", case.name()));
            let prepared = on_large_stack(|| case.prepare(temperature))??;
            let ours =
                tally(&mut group, "coxswain", |renders| on_large_stack(|| prepared.render(renders, Duration::ZERO))?)?;
            let helm = tally(&mut group, "helm", |renders| helm.render(case, temperature, renders, Duration::ZERO))?;
            group.finish();
            rows.push((case.name(), ours, helm));
        }
        Ok(rows)
    }

    fn commands(&self) -> Result<Vec<(String, command::Cost, command::Cost)>> {
        let commands = Commands::locate()?;
        let rows = std::iter::once(&self.small).chain(&self.named).map(|case| {
            let (ours, helm) = commands.compare(&case.archive, CALLS)?;
            Ok((case.name(), ours, helm))
        });
        rows.collect()
    }
}

/// Lets criterion measure `render` and sums up what it did.
fn tally(group: &mut BenchmarkGroup<'_, Cpu>, name: &str, mut render: impl FnMut(u64) -> Result<Mean>) -> Result<Mean> {
    let state = RefCell::new((Mean::default(), None));
    group.sampling_mode(SamplingMode::Flat).sample_size(10);
    group.warm_up_time(Duration::from_millis(100)).measurement_time(Duration::from_millis(500));
    group.bench_function(name, |bencher| {
        bencher.iter_custom(|renders| match render(renders) {
            Ok(mean) => {
                state.borrow_mut().0 += mean;
                mean.cpu
            }
            Err(error) => {
                state.borrow_mut().1.get_or_insert(error);
                Duration::from_nanos(renders)
            }
        });
    });
    match state.into_inner() {
        (_, Some(error)) => Err(error),
        (mean, None) => Ok(mean),
    }
}

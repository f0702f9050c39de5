//! Charts one by one: criterion's measurements of our renders and of Helm's, by turns.

use std::cell::RefCell;
use std::time::Duration;

use anyhow::Result;
use coxswain::template::on_large_stack;
use criterion::{BenchmarkGroup, Criterion, SamplingMode};

use super::helm::Helm;
use super::subject::{Case, Mean, Temperature};
use super::usage::Cpu;

/// How often each side has its turn.
const TURNS: usize = 3;

/// A chart, and the median CPU seconds of our renders and of Helm's.
pub struct Row {
    /// The chart.
    pub name: String,
    /// Ours.
    pub ours: f64,
    /// Helm's.
    pub helm: f64,
}

/// Our renders and Helm's of each case.
///
/// # Errors
/// When either does not render.
pub fn measure(cases: &[Case], helm: &mut Helm, temperature: Temperature) -> Result<Vec<Row>> {
    let mut criterion = Criterion::default().with_measurement(Cpu).nresamples(1_000).without_plots();
    let mut rows = Vec::new();
    for case in cases {
        let mut group = criterion.benchmark_group(format!("{temperature:?}/{}", case.name()));
        group.sampling_mode(SamplingMode::Flat).sample_size(10);
        group.warm_up_time(Duration::from_millis(50)).measurement_time(Duration::from_millis(200));
        let prepared = on_large_stack(|| case.prepare(temperature))??;
        let (mut ours, mut helms) = (Vec::new(), Vec::new());
        for turn in 1..=TURNS {
            let render = |renders| on_large_stack(|| prepared.render(renders, Duration::ZERO))?;
            ours.extend(samples(&mut group, &format!("coxswain {turn}"), render)?);
            let render = |renders| helm.render(case, temperature, renders, Duration::ZERO);
            helms.extend(samples(&mut group, &format!("helm {turn}"), render)?);
        }
        group.finish();
        rows.push(Row { name: case.name(), ours: median(ours), helm: median(helms) });
    }
    Ok(rows)
}

/// Lets criterion measure `render`; the seconds of one render in each of its samples.
fn samples(
    group: &mut BenchmarkGroup<'_, Cpu>,
    name: &str,
    mut render: impl FnMut(u64) -> Result<Mean>,
) -> Result<Vec<f64>> {
    let state = RefCell::new((Vec::new(), None));
    group.bench_function(name, |bencher| {
        bencher.iter_custom(|renders| match render(renders) {
            Ok(mean) => {
                state.borrow_mut().0.push(mean.seconds());
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
        (samples, None) => Ok(samples),
    }
}

fn median(mut samples: Vec<f64>) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples.get(samples.len() / 2).copied().unwrap_or_default()
}

//! Renders real charts as the recording of Helm did, for the example that prints the renders and the test that
//! compares them. `README.md` of the recording describes the cases and the stubs.

#![allow(dead_code, reason = "the example and the test each use a part")]

pub mod stubs;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Context;
use coxswain::chart::{self, Chart};
use coxswain::render::{
    Capabilities, Hook, Input, Limits, NoCluster, Program, Release, RenderError, Rendered, SourceMap,
};
use coxswain::template;
use coxswain::value::Json;
use serde::Serialize;

use stubs::Stubs;

/// The folder of the recording: `COXSWAIN_CONFORMANCE`, else `../shared/conformance`; nothing where it is absent.
pub fn folder() -> Option<PathBuf> {
    let folder = std::env::var_os("COXSWAIN_CONFORMANCE").map_or_else(|| "../shared/conformance".into(), PathBuf::from);
    folder.join("goldens.jsonl.gz").is_file().then_some(folder)
}

/// One case in the form of the recording.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Line {
    /// The archive's file name.
    pub chart: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub values: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_upgrade: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub manifest: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hooks: Vec<HookLine>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub notes: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub crds: Vec<String>,
}

/// A hook in the form of the recording.
#[derive(Clone, Debug, Serialize)]
pub struct HookLine {
    name: String,
    kind: String,
    path: String,
    events: Vec<&'static str>,
    weight: i64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    delete_policies: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    output_log_policies: Vec<String>,
    manifest: String,
}

impl From<Hook> for HookLine {
    fn from(hook: Hook) -> Self {
        Self {
            name: hook.name,
            kind: hook.kind,
            path: hook.path,
            events: hook.events.iter().map(|event| event.name()).collect(),
            weight: hook.weight,
            delete_policies: hook.delete_policies,
            output_log_policies: hook.output_log_policies,
            manifest: hook.manifest,
        }
    }
}

/// A chart archive and the values files that belong to it.
#[derive(Clone, Debug)]
pub struct Subject {
    pub archive: PathBuf,
    pub values: Vec<PathBuf>,
}

/// The charts of a folder, in the order of their names, those whose file stem `wanted` accepts.
pub fn subjects(charts: &Path, values: &Path, wanted: impl Fn(&str) -> bool) -> anyhow::Result<Vec<Subject>> {
    let values = sorted_files(values)?;
    let subject = |archive: PathBuf| {
        let stem = file_name(&archive).trim_end_matches(".tgz").to_owned();
        let prefix = format!("{stem}--");
        let values = values.iter().filter(|path| file_name(path).starts_with(&prefix)).cloned().collect();
        wanted(&stem).then_some(Subject { archive, values })
    };
    Ok(sorted_files(charts)?.into_iter().filter_map(subject).collect())
}

fn sorted_files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let mut files = entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>()?;
    files.sort();
    Ok(files)
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Renders all cases of the charts on all cores; the lines are in the order of the charts.
pub fn render_all(subjects: &[Subject], stubs: &Stubs) -> anyhow::Result<Vec<Line>> {
    let next = AtomicUsize::new(0);
    let results: Mutex<Vec<(usize, anyhow::Result<Vec<Line>>)>> = Mutex::default();
    let work = || {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(subject) = subjects.get(index) else { break };
            let lines = template::on_large_stack(|| render_subject(subject, stubs));
            let lines = lines.map_err(anyhow::Error::from).flatten();
            results.lock().expect("no thread panics while it holds the lock").push((index, lines));
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
    let mut results = results.into_inner().expect("no thread panics while it holds the lock");
    results.sort_by_key(|(index, _)| *index);
    let lines = results.into_iter().map(|(_, lines)| lines).collect::<anyhow::Result<Vec<_>>>()?;
    Ok(lines.into_iter().flatten().collect())
}

/// Renders a chart without values, as an upgrade, and with each of its values files.
pub fn render_subject(subject: &Subject, stubs: &Stubs) -> anyhow::Result<Vec<Line>> {
    let archive = fs::read(&subject.archive)?;
    let name = file_name(&subject.archive);
    let program = match chart::load_archive(&archive, &chart::Limits::default()) {
        Ok(chart) => Program::new(chart),
        Err(error) => {
            let error = Some(error.to_string());
            return Ok(vec![Line { chart: name, error, ..Line::default() }]);
        }
    };
    let case = |values: Option<&PathBuf>, is_upgrade| -> anyhow::Result<Line> {
        let json = match values {
            None => Json::Null,
            Some(path) => chart::load_values(&fs::read(path)?).map_err(anyhow::Error::msg)?,
        };
        let values = values.map(|path| file_name(path));
        let line = Line { chart: name.clone(), values, is_upgrade, ..Line::default() };
        Ok(render_case(&program, &json, line, stubs))
    };
    let mut lines = vec![case(None, false)?, case(None, true)?];
    for values in &subject.values {
        lines.push(case(Some(values), false)?);
    }
    Ok(lines)
}

fn render_case(program: &Program, values: &Json, line: Line, stubs: &Stubs) -> Line {
    match render(program, values, line.is_upgrade, stubs) {
        Err(error) => Line { error: Some(recorded_error(program.chart(), &error)), ..line },
        Ok(rendered) => Line {
            manifest: rendered.manifest,
            hooks: rendered.hooks.into_iter().map(HookLine::from).collect(),
            notes: rendered.notes,
            crds: rendered.crds.into_iter().map(|crd| crd.path).collect(),
            ..line
        },
    }
}

/// Renders as the recording did.
pub fn render(program: &Program, values: &Json, is_upgrade: bool, stubs: &Stubs) -> Result<Rendered, RenderError> {
    with_input(values, is_upgrade, stubs, |input| program.render(input))
}

/// Renders as the recording did, and tells where each line comes from.
pub fn render_traced(program: &Program, values: &Json, stubs: &Stubs) -> Result<(Rendered, SourceMap), RenderError> {
    with_input(values, false, stubs, |input| program.render_traced(input))
}

/// Only runs the templates, and gives the output of each.
pub fn render_files(program: &Program, values: &Json, stubs: &Stubs) -> Result<BTreeMap<String, String>, RenderError> {
    with_input(values, false, stubs, |input| program.render_files(input))
}

fn with_input<T>(values: &Json, is_upgrade: bool, stubs: &Stubs, render: impl FnOnce(&Input<'_>) -> T) -> T {
    let release = Release { name: "conformance".to_owned(), namespace: "demo".to_owned(), revision: 1, is_upgrade };
    render(&Input {
        values,
        release: &release,
        capabilities: &Capabilities::default(),
        lookup: &NoCluster,
        chance: stubs,
        limits: Limits::default(),
        validate_schema: true,
    })
}

/// Every number as `f64`, as Helm reads values.
pub fn floats(json: Json) -> Json {
    match json {
        Json::Number(number) => number.as_f64().map_or(Json::Null, Json::from),
        Json::Array(items) => items.into_iter().map(floats).collect(),
        Json::Object(entries) => Json::Object(entries.into_iter().map(|(key, value)| (key, floats(value))).collect()),
        other => other,
    }
}

/// The two errors that the recorder worded itself.
fn recorded_error(chart: &Chart, error: &RenderError) -> String {
    match error {
        RenderError::Library => format!("chart type {:?} is not installable", chart.metadata.chart_type),
        RenderError::MissingDependencies(names) => format!("missing dependencies: {}", names.join(", ")),
        other => other.to_string(),
    }
}

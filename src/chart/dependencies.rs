//! Which subcharts take part, under which names and with which defaults, for given values
//! (`pkg/chart/v2/util/dependencies.go`): declared dependencies are matched by name and version, renamed to their
//! aliases, switched by tags and conditions, and their values are imported into the parent's where asked for.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::json;

use super::values::{self, Nulls};
use super::version::{Constraint, Version};
use super::{Chart, Dependency};
use crate::value::{Json, Map, Value};

/// A chart as it takes part in one render.
#[derive(Clone, Debug)]
pub struct Selected {
    /// The chart's own parts; its list of dependencies is moved to [`Selected::dependencies`].
    pub chart: Chart,
    /// The default values, imports included.
    pub values: Map,
    /// The subcharts that take part.
    pub dependencies: Vec<Selected>,
    values_changed: bool,
}

impl Selected {
    /// A chart with everything in it, nothing selected yet.
    pub fn new(chart: &Chart) -> Self {
        let values = match Value::from(&*chart.values) {
            Value::Map(map) => map,
            _ => Map::new(),
        };
        Self {
            values,
            dependencies: chart.dependencies.iter().map(Self::new).collect(),
            chart: Chart { dependencies: Vec::new(), ..chart.clone() },
            values_changed: false,
        }
    }

    /// The chart's name or alias.
    pub fn name(&self) -> &str {
        self.chart.name()
    }

    /// The chart as Helm records it after selection.
    pub fn to_chart(&self) -> Chart {
        let mut chart = self.chart.clone();
        if self.values_changed {
            chart.values = Arc::new(Json::from(&Value::Map(self.values.clone())));
        }
        chart.dependencies = self.dependencies.iter().map(Self::to_chart).collect();
        chart
    }

    fn declared(&self) -> Option<&[Dependency]> {
        self.chart.metadata.dependencies.as_deref()
    }

    fn declared_mut(&mut self) -> &mut [Dependency] {
        Arc::make_mut(&mut self.chart.metadata).dependencies.as_deref_mut().unwrap_or_default()
    }
}

/// The names of declared dependencies that are not in `charts/` (`action.CheckDependencies`).
pub fn missing(chart: &Chart) -> Vec<String> {
    let present: BTreeSet<&str> = chart.dependencies.iter().map(Chart::name).collect();
    let declared = chart.metadata.dependencies.iter().flatten();
    declared.map(|dependency| &dependency.name).filter(|name| !present.contains(name.as_str())).cloned().collect()
}

/// Whether a version satisfies a range; false where either cannot be read (`IsCompatibleRange`).
pub fn is_compatible(range: &str, version: &str) -> bool {
    match (Version::parse(version), Constraint::parse(range)) {
        (Ok(version), Ok(range)) => range.check(&version),
        _ => false,
    }
}

/// Selects the subcharts for the given values and imports their values (`ProcessDependencies`).
///
/// # Errors
/// Helm's text, where values cannot be merged.
pub fn process(chart: &Chart, values: &Map) -> Result<Selected, String> {
    let mut selected = Selected::new(chart);
    enable(&mut selected, values, "")?;
    import_values(&mut selected)?;
    Ok(selected)
}

/// Attaches, renames and switches the subcharts; `path` is where the chart's own values are in `values`.
fn enable(chart: &mut Selected, values: &Map, path: &str) -> Result<(), String> {
    if chart.declared().is_none() {
        return Ok(());
    }
    attach(chart);
    let merged = values::coalesce(chart, values, Nulls::Delete)?;
    apply_tags(chart.declared_mut(), &merged);
    apply_conditions(chart.declared_mut(), &merged, path);

    let disabled: BTreeSet<String> =
        chart.declared().into_iter().flatten().filter(|d| !d.enabled).map(|d| d.name.clone()).collect();
    chart.dependencies.retain(|child| !disabled.contains(child.name()));
    for child in &mut chart.dependencies {
        let path = format!("{path}{}.", child.name());
        enable(child, &merged, &path)?;
    }
    // Go's append to a nil slice leaves it nil where nothing is appended.
    let declared = &mut Arc::make_mut(&mut chart.chart.metadata).dependencies;
    *declared = declared
        .take()
        .map(|mut list| {
            list.retain(|dependency| !disabled.contains(&dependency.name));
            list
        })
        .filter(|list| !list.is_empty());
    Ok(())
}

/// Puts the charts that no declaration matches first, then one copy for each declaration that finds its chart.
fn attach(chart: &mut Selected) {
    let declared = chart.declared().unwrap_or_default().to_vec();
    let wanted = |child: &Selected, dependency: &Dependency| {
        child.name() == dependency.name && is_compatible(&dependency.version, &child.chart.metadata.version)
    };
    let unlisted =
        chart.dependencies.iter().filter(|child| !declared.iter().any(|dependency| wanted(child, dependency)));
    let mut attached: Vec<Selected> = unlisted.cloned().collect();
    for dependency in &declared {
        let Some(child) = chart.dependencies.iter().find(|child| wanted(child, dependency)) else { continue };
        let mut child = child.clone();
        if !dependency.alias.is_empty() {
            Arc::make_mut(&mut child.chart.metadata).name.clone_from(&dependency.alias);
        }
        attached.push(child);
    }
    chart.dependencies = attached;
    for dependency in chart.declared_mut() {
        if !dependency.alias.is_empty() {
            dependency.name.clone_from(&dependency.alias);
        }
        dependency.enabled = true;
    }
}

/// One true tag enables, otherwise one false tag disables.
fn apply_tags(declared: &mut [Dependency], merged: &Map) {
    let Ok(tags) = values::table(merged, "tags") else { return };
    for dependency in declared {
        let set: Vec<bool> = dependency
            .tags
            .iter()
            .filter_map(|tag| match tags.get(tag.as_bytes()) {
                Some(Value::Bool(on)) => Some(on),
                _ => None,
            })
            .collect();
        dependency.enabled = set.is_empty() || set.contains(&true);
    }
}

/// The first path of a condition that leads to a boolean decides, over the tags.
fn apply_conditions(declared: &mut [Dependency], merged: &Map, path: &str) {
    for dependency in declared {
        let conditions = dependency.condition.trim().split(',').filter(|condition| !condition.is_empty());
        let decided =
            conditions.filter_map(|condition| match values::path_value(merged, &format!("{path}{condition}")) {
                Ok(Value::Bool(on)) => Some(on),
                _ => None,
            });
        if let Some(on) = decided.into_iter().next() {
            dependency.enabled = on;
        }
    }
}

/// Replaces a chart's defaults by its own over its subcharts' under their names, over what it imports from them.
/// Children first.
fn import_values(chart: &mut Selected) -> Result<(), String> {
    for child in &mut chart.dependencies {
        import_values(child)?;
    }
    let Some(declared) = chart.declared() else { return Ok(()) };
    let merged = values::coalesce(chart, &Map::new(), Nulls::Keep)?;
    let imported = Map::new();
    let mut declared = declared.to_vec();
    for dependency in &mut declared {
        let wanted = std::mem::take(&mut dependency.import_values);
        for (child, parent) in wanted.iter().filter_map(import_paths) {
            if let Ok(source) = values::table(&merged, &format!("{}.{child}", dependency.name)) {
                values::merge_tables(&imported, &nest(&parent, source), Nulls::Keep);
            }
            dependency.import_values.push(json!({"child": child, "parent": parent}));
        }
    }
    Arc::make_mut(&mut chart.chart.metadata).dependencies = Some(declared);
    let merged = values::deep_copy(&merged);
    values::merge_tables(&merged, &imported, Nulls::Keep);
    chart.values = merged;
    chart.values_changed = true;
    Ok(())
}

/// Where to import from and to; a plain text names a table under `exports`.
fn import_paths(import: &Json) -> Option<(String, String)> {
    match import {
        Json::String(name) => Some((format!("exports.{name}"), ".".to_owned())),
        Json::Object(import) => {
            let text = |key: &str| match import.get(key) {
                None | Some(Json::Null) => "<nil>".to_owned(),
                Some(Json::String(text)) => text.clone(),
                Some(other) => other.to_string(),
            };
            Some((text("child"), text("parent")))
        }
        _ => None,
    }
}

/// The table under a dotted path; `.` is the root.
fn nest(path: &str, table: Map) -> Map {
    if path == "." {
        return table;
    }
    path.split('.').rev().fold(table, |inner, key| std::iter::once((key, Value::Map(inner))).collect())
}

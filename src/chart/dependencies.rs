//! Which subcharts take part, under which names and with which defaults, for given values
//! (`pkg/chart/v2/util/dependencies.go`): declared dependencies are matched by name and version, renamed to their
//! aliases, switched by tags and conditions, and their values are imported into the parent's where asked for.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::json;

use super::values::{self, Nulls};
use super::version::{Constraint, Version};
use super::{Chart, Dependency};
use crate::value::{FrozenMap, Json, Map, Value};
use crate::yaml;

/// How many charts declarations may make of those that there are: one can be declared under many aliases, and so can
/// those in it.
const MAX_CHARTS: usize = 5_000;

/// A chart with all that is in its `charts/`, and its defaults as all renders share them.
#[derive(Clone, Debug)]
struct Complete {
    /// The chart's own parts.
    chart: Chart,
    values: Arc<FrozenMap>,
    dependencies: Vec<Complete>,
}

impl Complete {
    fn new(chart: &Chart) -> Self {
        Self {
            values: FrozenMap::from_json(&chart.values),
            dependencies: chart.dependencies.iter().map(Self::new).collect(),
            chart: Chart { dependencies: Vec::new(), ..chart.clone() },
        }
    }
}

/// A chart of which subcharts are selected, again and again for different values. What is selected decides alone what
/// is imported; the last selection is kept.
#[derive(Debug)]
pub struct Selector {
    complete: Complete,
    last: Mutex<Option<(String, Arc<Complete>)>>,
}

impl Selector {
    /// A chart with everything in it, nothing selected yet.
    pub fn new(chart: &Chart) -> Self {
        Self { complete: Complete::new(chart), last: Mutex::default() }
    }

    /// Selects the subcharts for the given values and imports their values (`ProcessDependencies`).
    ///
    /// # Errors
    /// Helm's text, where values cannot be merged.
    pub fn select(&self, values: &Map) -> Result<Selected, String> {
        let mut selected = Selected::new(&self.complete);
        let mut choice = String::new();
        enable(&mut selected, values, "", &mut { MAX_CHARTS }, &mut choice)?;
        if let Some((last, imported)) = &*self.last.lock().unwrap_or_else(PoisonError::into_inner)
            && *last == choice
        {
            return Ok(Selected::new(imported));
        }
        import_values(&mut selected)?;
        let Some(imported) = selected.freeze().map(Arc::new) else { return Ok(selected) };
        selected = Selected::new(&imported);
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some((choice, imported));
        Ok(selected)
    }
}

/// A chart as it takes part in one render.
#[derive(Clone, Debug)]
pub struct Selected {
    /// The chart's own parts; its list of dependencies is moved to [`Selected::dependencies`].
    pub chart: Chart,
    /// The default values, imports included.
    pub values: Map,
    /// The subcharts that take part.
    pub dependencies: Vec<Selected>,
}

impl Selected {
    fn new(complete: &Complete) -> Self {
        Self {
            chart: complete.chart.clone(),
            values: Map::thawing(Arc::clone(&complete.values)),
            dependencies: complete.dependencies.iter().map(Self::new).collect(),
        }
    }

    /// The same for many renders; nothing where values are not such as files have.
    fn freeze(&self) -> Option<Complete> {
        let values = FrozenMap::from_map(&self.values)?;
        let dependencies = self.dependencies.iter().map(Self::freeze).collect::<Option<_>>()?;
        Some(Complete { chart: self.chart.clone(), values, dependencies })
    }

    /// The chart's name or alias.
    pub fn name(&self) -> &str {
        self.chart.name()
    }

    /// The chart as Helm records it after selection.
    pub fn to_chart(&self) -> Chart {
        Chart { dependencies: self.dependencies.iter().map(Self::to_chart).collect(), ..self.chart.clone() }
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

/// Attaches, renames and switches the subcharts; `path` is where the chart's own values are in `values`. What is
/// switched off is added to `choice`.
fn enable(
    chart: &mut Selected,
    values: &Map,
    path: &str,
    spare: &mut usize,
    choice: &mut String,
) -> Result<(), String> {
    if chart.declared().is_none() {
        return Ok(());
    }
    attach(chart, spare)?;
    let merged = values::coalesce(chart, values, Nulls::Delete)?;
    apply_tags(chart.declared_mut(), &merged);
    apply_conditions(chart.declared_mut(), &merged, path);

    let disabled: BTreeSet<String> =
        chart.declared().into_iter().flatten().filter(|d| !d.enabled).map(|d| d.name.clone()).collect();
    chart.dependencies.retain(|child| !disabled.contains(child.name()));
    choice.extend(disabled.iter().map(|name| format!("{} {name}", name.len())));
    choice.push('(');
    for child in &mut chart.dependencies {
        let path = format!("{path}{}.", child.name());
        enable(child, &merged, &path, spare, choice)?;
    }
    choice.push(')');
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
fn attach(chart: &mut Selected, spare: &mut usize) -> Result<(), String> {
    let declared = chart.declared().unwrap_or_default().to_vec();
    let wanted = |child: &Selected, dependency: &Dependency| {
        child.name() == dependency.name && is_compatible(&dependency.version, &child.chart.metadata.version)
    };
    let unlisted =
        chart.dependencies.iter().filter(|child| !declared.iter().any(|dependency| wanted(child, dependency)));
    let mut attached: Vec<Selected> = unlisted.cloned().collect();
    for dependency in &declared {
        let Some(child) = chart.dependencies.iter().find(|child| wanted(child, dependency)) else { continue };
        *spare = spare.checked_sub(1).ok_or_else(|| {
            let name = &chart.chart.metadata.name;
            format!("{name}: dependencies and their aliases make more than {MAX_CHARTS} charts")
        })?;
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
    Ok(())
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
            if parent.split('.').nth(yaml::MAX_DEPTH).is_some() {
                let name = &dependency.name;
                return Err(format!("import-values of {name}: the parent's path is longer than {}", yaml::MAX_DEPTH));
            }
            if let Ok(source) = values::table(&merged, &format!("{}.{child}", dependency.name)) {
                values::merge_tables(&imported, &nest(&parent, source), Nulls::Keep);
            }
            dependency.import_values.push(json!({"child": child, "parent": parent}));
        }
    }
    Arc::make_mut(&mut chart.chart.metadata).dependencies = Some(declared);
    let merged = values::deep_copy(&merged);
    values::merge_tables(&merged, &imported, Nulls::Keep);
    chart.chart.values = Arc::new(Json::from(&Value::Map(merged.clone())));
    chart.values = merged;
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

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::chart::Metadata;

    /// A chart of the given name, default values and subcharts; version 1.0.0.
    pub fn chart(name: &str, values: Json, dependencies: Vec<Chart>) -> Chart {
        let metadata = Metadata {
            api_version: "v2".to_owned(),
            name: name.to_owned(),
            version: "1.0.0".to_owned(),
            ..Metadata::default()
        };
        Chart {
            metadata: Arc::new(metadata),
            lock: None,
            templates: Arc::default(),
            files: Arc::default(),
            values: Arc::new(values),
            schema: None,
            schema_modified: None,
            modified: None,
            dependencies,
            digest: "".into(),
        }
    }

    fn declare(mut chart: Chart, declared: Json) -> Chart {
        let declared = serde_json::from_value(declared).expect("dependencies");
        Arc::make_mut(&mut chart.metadata).dependencies = Some(declared);
        chart
    }

    /// A chart with everything in it.
    pub fn complete(chart: &Chart) -> Selected {
        Selected::new(&Complete::new(chart))
    }

    fn names(chart: &Chart, values: Json) -> Vec<String> {
        let Value::Map(values) = Value::from(&values) else { return Vec::new() };
        let selected = Selector::new(chart).select(&values).expect("valid");
        selected.dependencies.iter().map(|child| child.name().to_owned()).collect()
    }

    #[test]
    fn one_chart_serves_several_declarations_under_aliases() {
        let parent = chart("c", Json::Null, vec![chart("sub", Json::Null, vec![]), chart("extra", Json::Null, vec![])]);
        let parent = declare(
            parent,
            json!([{"name": "sub", "version": "^1"}, {"name": "sub", "version": ">=1.0", "alias": "other"}]),
        );
        assert_eq!(names(&parent, json!({})), ["extra", "sub", "other"]);
    }

    #[test]
    fn a_declaration_that_matches_no_version_leaves_its_chart_unlisted() {
        let parent = chart("c", Json::Null, vec![chart("sub", Json::Null, vec![])]);
        for version in ["2.x", ""] {
            let declared = json!([{"name": "sub", "version": version, "alias": "renamed", "condition": "sub.enabled"}]);
            let parent = declare(parent.clone(), declared);
            assert_eq!(names(&parent, json!({"sub": {"enabled": false}})), ["sub"], "{version}");
        }
    }

    #[test]
    fn conditions_win_over_tags_and_the_first_boolean_counts() {
        let parent = chart("c", json!({"sub": {"enabled": "text"}}), vec![chart("sub", Json::Null, vec![])]);
        let parent = declare(
            parent,
            json!([{"name": "sub", "version": "*", "tags": ["front", "back"], "condition": "missing.x,sub.enabled,on"}]),
        );
        let table = [
            (json!({}), true),
            (json!({"tags": {"front": false}}), false),
            (json!({"tags": {"front": false, "back": true}}), true),
            (json!({"tags": {"front": "no"}}), true),
            (json!({"tags": {"front": false}, "on": true}), true),
            (json!({"on": false}), false),
            (json!({"sub": {"enabled": true}, "on": false}), true),
        ];
        for (values, enabled) in table {
            assert_eq!(names(&parent, values.clone()).len(), usize::from(enabled), "{values}");
        }
    }

    #[test]
    fn conditions_of_subcharts_are_looked_up_under_their_names() {
        let inner = declare(
            chart("sub", json!({"deep": {"enabled": false}}), vec![chart("deep", Json::Null, vec![])]),
            json!([{"name": "deep", "version": "1.0.0", "condition": "deep.enabled"}]),
        );
        let parent = declare(chart("c", Json::Null, vec![inner]), json!([{"name": "sub", "version": "1.0.0"}]));
        let count = |values: Json| {
            let Value::Map(values) = Value::from(&values) else { return 0 };
            Selector::new(&parent).select(&values).expect("valid").dependencies[0].dependencies.len()
        };
        assert_eq!(count(json!({})), 0);
        assert_eq!(count(json!({"sub": {"deep": {"enabled": true}}})), 1);
    }

    #[test]
    fn values_are_imported_below_the_parents_own() {
        let defaults = json!({"exports": {"data": {"a": "child", "b": "child"}}, "inner": {"x": 1.0}});
        let parent = declare(
            chart("c", json!({"a": "parent"}), vec![chart("sub", defaults, vec![])]),
            json!([{
                "name": "sub",
                "version": "1.0.0",
                "import-values": ["data", {"child": "inner", "parent": "into.here"}, "missing"],
            }]),
        );
        let processed = Selector::new(&parent).select(&Map::new()).expect("valid").to_chart();
        assert_eq!(processed.values["a"], "parent");
        assert_eq!(processed.values["b"], "child");
        assert_eq!(processed.values["into"], json!({"here": {"x": 1.0}}));
        let recorded = &processed.metadata.dependencies.as_deref().expect("declared")[0].import_values;
        assert_eq!(recorded[0], json!({"child": "exports.data", "parent": "."}));
    }

    #[test]
    fn absent_charts_are_named() {
        let parent = declare(
            chart("c", Json::Null, vec![chart("here", Json::Null, vec![])]),
            json!([{"name": "here", "version": "9"}, {"name": "gone", "version": "1"}]),
        );
        assert_eq!(missing(&parent), ["gone"]);
    }
}

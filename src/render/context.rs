//! What templates see: one context a chart, and the list of templates with theirs (`pkg/engine/engine.go` recAllTpls,
//! `pkg/chart/common.go` structToMap).
//!
//! All templates of a chart share one context object, and a subchart's `.Values` is the very map that its parent has
//! under the subchart's name, so that a change by one template is seen by every later one.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::Release;
use super::files::Files;
use crate::chart::dependencies::Selected;
use crate::chart::{Dependency, File, Maintainer, Metadata, values};
use crate::value::{List, Map, MapType, Value};

/// One template file with the context that it is run with.
#[derive(Debug)]
pub struct Template<'c> {
    /// Its full name, `root/charts/sub/templates/x.yaml`.
    pub name: String,
    /// The directory that `.Template.BasePath` names.
    pub base_path: Arc<str>,
    /// The file in its chart.
    pub file: &'c File,
    /// The context of its chart.
    pub context: Map,
}

/// What is the same for every chart of a render.
pub struct Common {
    /// `.Release`.
    pub release: Value,
    /// `.Capabilities`.
    pub capabilities: Value,
}

/// All templates of a chart and its subcharts, in Helm's order: most deeply nested first, then by name, descending.
pub fn templates<'c>(chart: &'c Selected, values: &Map, common: &Common) -> Vec<Template<'c>> {
    let mut templates = BTreeMap::new();
    collect(chart, chart.name(), Some(values.with_type(MapType::Values)), true, common, &mut templates);
    let mut templates: Vec<Template<'_>> = templates.into_values().collect();
    // They come by name, ascending.
    templates.reverse();
    templates.sort_by_cached_key(|template| Reverse(memchr::memchr_iter(b'/', template.name.as_bytes()).count()));
    templates
}

fn collect<'c>(
    chart: &'c Selected,
    path: &str,
    values: Option<Map>,
    is_root: bool,
    common: &Common,
    templates: &mut BTreeMap<String, Template<'c>>,
) -> Map {
    let values = values.unwrap_or_else(|| Map::of(MapType::Values));
    let subcharts = Map::new();
    let context = Map::new();
    context.insert("Chart", metadata(&chart.chart.metadata, is_root));
    context.insert("Files", Value::object(Files::new(&chart.chart.files)));
    context.insert("Release", common.release.clone());
    context.insert("Capabilities", common.capabilities.clone());
    context.insert("Values", Value::Map(values.clone()));
    context.insert("Subcharts", Value::Map(subcharts.clone()));
    for child in &chart.dependencies {
        let child_values = values::table(&values, child.name()).ok().map(|table| table.with_type(MapType::Values));
        let child_path = format!("{path}/charts/{}", child.name());
        let inner = collect(child, &child_path, child_values, false, common, templates);
        subcharts.insert(child.name(), Value::Map(inner));
    }
    let base_path: Arc<str> = format!("{path}/templates").into();
    for file in chart.chart.templates.iter().filter(|file| !chart.chart.is_library() || is_partial(&file.name)) {
        let name = format!("{path}/{}", file.name);
        let template =
            Template { name: name.clone(), base_path: Arc::clone(&base_path), file, context: context.clone() };
        templates.insert(name, template);
    }
    context
}

/// Whether a template is only there for others to include.
pub fn is_partial(name: &str) -> bool {
    name.rsplit('/').next().is_some_and(|base| base.starts_with('_'))
}

/// `.Release`.
pub fn release(release: &Release) -> Value {
    let entries = [
        ("Name", release.name.as_str().into()),
        ("Namespace", release.namespace.as_str().into()),
        ("IsUpgrade", Value::Bool(release.is_upgrade)),
        ("IsInstall", Value::Bool(!release.is_upgrade)),
        ("Revision", Value::Int(release.revision)),
        ("Service", "Helm".into()),
    ];
    Value::Map(entries.into_iter().collect())
}

/// `.Chart`: the metadata under Go's field names.
fn metadata(metadata: &Metadata, is_root: bool) -> Value {
    let annotations = match metadata.annotations.is_empty() {
        true => Map::nil(MapType::String),
        false => metadata.annotations.iter().map(|(key, value)| (key.as_str(), value.as_str().into())).collect(),
    };
    let entries = [
        ("Name", metadata.name.as_str().into()),
        ("Home", metadata.home.as_str().into()),
        ("Sources", texts(&metadata.sources)),
        ("Version", metadata.version.as_str().into()),
        ("Description", metadata.description.as_str().into()),
        ("Keywords", texts(&metadata.keywords)),
        ("Maintainers", list(&metadata.maintainers, maintainer)),
        ("Icon", metadata.icon.as_str().into()),
        ("APIVersion", metadata.api_version.as_str().into()),
        ("Condition", metadata.condition.as_str().into()),
        ("Tags", metadata.tags.as_str().into()),
        ("AppVersion", metadata.app_version.as_str().into()),
        ("Deprecated", Value::Bool(metadata.deprecated)),
        ("Annotations", Value::Map(annotations.with_type(MapType::String))),
        ("KubeVersion", metadata.kube_version.as_str().into()),
        ("Dependencies", list(metadata.dependencies.as_deref().unwrap_or_default(), dependency)),
        ("Type", metadata.chart_type.as_str().into()),
        ("IsRoot", Value::Bool(is_root)),
    ];
    Value::Map(entries.into_iter().collect())
}

fn maintainer(maintainer: &Maintainer) -> Value {
    let entries = [("Name", &maintainer.name), ("Email", &maintainer.email), ("URL", &maintainer.url)];
    Value::Map(entries.into_iter().map(|(key, text)| (key, text.as_str().into())).collect())
}

fn dependency(dependency: &Dependency) -> Value {
    let entries = [
        ("Name", dependency.name.as_str().into()),
        ("Version", dependency.version.as_str().into()),
        ("Repository", dependency.repository.as_str().into()),
        ("Condition", dependency.condition.as_str().into()),
        ("Tags", texts(&dependency.tags)),
        ("Enabled", Value::Bool(dependency.enabled)),
        ("ImportValues", list(&dependency.import_values, import)),
        ("Alias", dependency.alias.as_str().into()),
    ];
    Value::Map(entries.into_iter().collect())
}

/// An import after processing is a `map[string]string`.
fn import(import: &crate::value::Json) -> Value {
    match Value::from(import) {
        Value::Map(map) => Value::Map(map.with_type(MapType::String)),
        other => other,
    }
}

fn texts(texts: &[String]) -> Value {
    list(texts, |text| text.as_str().into())
}

fn list<T>(items: &[T], convert: impl Fn(&T) -> Value) -> Value {
    Value::List(List::new(items.iter().map(convert)))
}

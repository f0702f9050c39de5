//! `explain`: where a field of an object comes from: the line of the template that wrote it, the values that it was made
//! of and the layers that set them, and who owns it in the cluster.
//!
//! The chart is rendered once more as it is deployed, with the values that the cluster has now, and keeps note of what
//! wrote each line.

use clap::Args;
use kube::ResourceExt;
use serde::Serialize;

use super::comparison::{is_of_data, is_secret};
use super::download::SharedArgument;
use super::draft::{Draft, DraftArguments, Layer, Traced};
use super::layers::{described, is_below, shown};
use super::requests::KIND;
use super::screen::{Screen, Tone};
use super::session::Session;
use super::table::{Cell, Table};
use super::trace::{Found, find_object, kind_and_name, request_of};
use super::values::ValuesArguments;
use super::{Error, Outcome};
use crate::api::HelmRequest;
use crate::chart::origins::Setting;
use crate::cluster::object::with_integers;
use crate::cluster::observe::{FieldPath, owners};
use crate::render::{Manifest, Position, Written};
use crate::value::Json;
use crate::yaml;

/// What stands for a value of a Secret.
const HIDDEN: &str = "(hidden)";
/// How many values of a map are told where it is not known which of them it was.
const TOLD: usize = 5;
/// The longest value that is told, in characters.
const LONGEST: usize = 200;

/// The flags of `explain`.
#[derive(Clone, Debug, Args)]
pub struct ExplainArguments {
    /// The object, as KIND/NAME or KIND NAME, and the field, for example .spec.replicas or
    /// '.spec.template.spec.containers[name=app].image'
    #[arg(required = true, num_args = 2..=3, value_name = "OBJECT FIELD")]
    pub object_and_field: Vec<String>,
    /// The registered cluster that the object is in; that of the context unless given
    #[arg(long, value_name = "CLUSTER")]
    pub cluster: Option<String>,
    /// Where else repositories are.
    #[command(flatten)]
    pub shared: SharedArgument,
    /// Write it for programs
    #[arg(short, long, value_enum, value_name = "FORM")]
    pub output: Option<super::get::DataFormat>,
}

/// Everything that is told.
#[derive(Debug, Serialize)]
struct Explanation {
    object: String,
    request: String,
    field: String,
    /// What the chart renders; nothing where it does not render the field.
    rendered: Option<String>,
    /// What `spec.postRender` makes of it, where it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    applied: Option<String>,
    live: Option<String>,
    owners: Vec<String>,
    templates: Vec<String>,
    values: Vec<Value>,
    conditions: Vec<Value>,
}

/// A value that was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Value {
    key: String,
    value: String,
    from: String,
}

impl ExplainArguments {
    /// Tells where the field comes from.
    ///
    /// # Errors
    /// There is no such object or field, the object is of no request, or its chart cannot be had.
    pub async fn run(&self, session: &Session) -> Result<Outcome, Error> {
        let (field, object) = self.object_and_field.split_last().ok_or_else(|| no_field(""))?;
        let path = FieldPath::parse(field).ok_or_else(|| no_field(field))?;
        let cluster = self.cluster.as_deref();
        let found = find_object(&session.at(cluster).await?, kind_and_name(object)?).await?;
        let request = owner(session, cluster, &found).await?;
        let home = session.within(&request.namespace().unwrap_or_default());
        let draft = Draft::of_request(&home, &request, &self.deployed(&request)).await?;
        let traced = draft.trace(&home).await?;
        let explanation = explain(&found, &request, &path, &traced, &draft)?;
        match self.output {
            Some(super::get::DataFormat::Json) => session.screen.print_json(&explanation)?,
            Some(super::get::DataFormat::Yaml) => session.screen.print_yaml(&explanation)?,
            None => session.screen.print(&explanation.text(&session.screen))?,
        }
        Ok(Outcome::Done)
    }

    /// What is deployed: a range of versions may mean another one by now.
    fn deployed(&self, request: &HelmRequest) -> DraftArguments {
        let deployed = request.status.as_ref().and_then(|status| status.version.clone());
        let version = deployed.filter(|_| request.spec.source.is_none());
        DraftArguments { version, path: None, values: ValuesArguments::default(), shared: self.shared.clone() }
    }
}

fn no_field(text: &str) -> Error {
    Error::Usage(format!("{text:?} is no field; write one such as .spec.template.spec.containers[0].image"))
}

/// The request that an object is of.
async fn owner(session: &Session, cluster: Option<&str>, found: &Found) -> Result<HelmRequest, Error> {
    let shown = found.shown();
    if let Some((_, kind, name)) = &found.maker {
        let next = format!("explain {}/{name}, .spec.template for example", kind.to_lowercase());
        return Err(Error::Usage(format!("{shown} was made for {kind} {name:?}, not by a chart; {next}")));
    }
    let (namespace, release) =
        found.release.clone().ok_or_else(|| Error::Unmet(format!("{shown} belongs to no release")))?;
    let request = request_of(session, cluster, &namespace, &release).await?;
    request.ok_or_else(|| Error::Unmet(format!("release {release:?} in namespace {namespace:?} is of no {KIND}")))
}

fn explain(
    found: &Found,
    request: &HelmRequest,
    path: &FieldPath,
    traced: &Traced,
    draft: &Draft,
) -> Result<Explanation, Error> {
    let settings = draft.settings()?;
    let hides = is_secret(&found.key()) && is_of_data(&path.to_string());
    let value = |object: &Json| path.of(object).map(|value| if hides { HIDDEN.to_owned() } else { told(value) });
    let document = document(&traced.written.documents, found);
    let json = document.and_then(object_of);
    let written = document.zip(json.as_ref()).and_then(|(document, json)| {
        let line = yaml::line_of(&document.content, &path.pointer_in(json)?)?;
        traced.map.find(&document.path, &document.content, line)
    });
    let rendered = json.as_ref().and_then(value);
    let applied = self::document(&traced.applied.documents, found).and_then(object_of).as_ref().and_then(value);
    let Written { by, reads, conditions } = written.unwrap_or_default();
    let values_of = |paths: &[String], exact: bool| {
        let chosen = paths.iter().flat_map(|read| chosen(&settings, read, exact.then(|| path.names())));
        let mut values: Vec<Value> = Vec::new();
        for value in chosen.map(|setting| of_setting(setting, &draft.layers)) {
            if !values.contains(&value) {
                values.push(value);
            }
        }
        values
    };
    let live = value(&found.live);
    if rendered.is_none() && applied.is_none() && live.is_none() {
        return Err(Error::Usage(format!("{} has no field {path}, in the cluster or in its chart", found.shown())));
    }
    let revision = request.status.as_ref().and_then(|status| status.revision).unwrap_or_default();
    Ok(Explanation {
        object: found.shown(),
        request: format!("{}, release {}, revision {revision}", request.name_any(), request.release_name()),
        field: path.to_string(),
        applied: applied.filter(|applied| Some(applied) != rendered.as_ref()),
        rendered,
        live,
        owners: owners(&found.live, path).into_iter().map(|(writer, time)| owner_text(&writer, time)).collect(),
        templates: by.iter().map(position).collect(),
        values: values_of(&reads, true),
        conditions: values_of(&conditions, false),
    })
}

fn owner_text(writer: &crate::cluster::observe::Writer, time: Option<String>) -> String {
    let time = time.map(|time| format!(" at {time}")).unwrap_or_default();
    format!("{writer} by {}{time}", writer.operation)
}

fn told(value: &Json) -> String {
    let text = with_integers(value.clone()).to_string();
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// The document of an object.
fn document<'a>(documents: &'a [Manifest], found: &Found) -> Option<&'a Manifest> {
    let key = found.key();
    let is_it = |document: &&Manifest| {
        let group = document.head.api_version.rsplit_once('/').map_or("", |(group, _)| group);
        document.head.kind == key.kind && document.head.name == key.name && group == key.group
    };
    let in_its_namespace = |document: &&Manifest| {
        let namespace =
            object_of(document).and_then(|json| Some(json.pointer("/metadata/namespace")?.as_str()? == key.namespace));
        namespace.unwrap_or(true)
    };
    documents.iter().filter(is_it).find(in_its_namespace)
}

fn object_of(document: &Manifest) -> Option<Json> {
    yaml::parse(&document.content).ok().map(with_integers)
}

fn position(position: &Position) -> String {
    let Position { template, line, action } = position;
    if action.is_empty() { format!("{template}:{line}") } else { format!("{template}:{line}  {action}") }
}

/// The values that a read is about: of a map those that stand where the field stands, if the names tell.
fn chosen<'a>(settings: &'a [Setting], read: &str, field: Option<Vec<&str>>) -> Vec<&'a Setting> {
    let whole = |setting: &&Setting| {
        let path = setting.path.join(".");
        is_below(&path, read) || is_below(read, &path)
    };
    let all: Vec<&Setting> = settings.iter().filter(whole).collect();
    let depth = read.split('.').count();
    let stands_there = |setting: &&&Setting| {
        let rest = setting.path.get(depth..).unwrap_or_default();
        field.as_ref().is_some_and(|names| {
            !rest.is_empty() && names.len() >= rest.len() && names[names.len() - rest.len()..].iter().eq(rest)
        })
    };
    let there: Vec<&Setting> = all.iter().filter(stands_there).copied().collect();
    if there.is_empty() { all.into_iter().take(TOLD).collect() } else { there }
}

fn of_setting(setting: &Setting, layers: &[Layer]) -> Value {
    let from = described(&setting.origin, layers);
    Value { key: setting.path.join("."), value: shown(setting, layers, LONGEST), from }
}

impl Explanation {
    fn text(&self, screen: &Screen) -> String {
        let Self { object, request, field, rendered, applied, live, owners, templates, values, conditions } = self;
        let nothing = || "not set".to_owned();
        let chart = rendered.clone().unwrap_or_else(|| "not set: it is not of the chart".to_owned());
        let is_changed = applied.as_ref().or(rendered.as_ref()).is_some_and(|chart| Some(chart) != live.as_ref());
        let tone = if is_changed { Tone::Uneasy } else { Tone::Plain };
        let mut facts = Table::indented(2);
        facts.push(vec!["chart".into(), chart.into()]);
        if let Some(applied) = applied {
            facts.push(vec!["applied".into(), format!("{applied}, by spec.postRender").into()]);
        }
        facts.push(vec!["cluster".into(), Cell::new(live.clone().unwrap_or_else(nothing), tone)]);
        owners.iter().for_each(|owner| facts.push(vec!["owner".into(), owner.into()]));
        if owners.is_empty() && live.is_some() {
            facts.push(vec!["owner".into(), "nobody".into()]);
        }
        templates.iter().for_each(|place| facts.push(vec!["template".into(), place.into()]));
        for (label, values) in [("value", values), ("depends on", conditions)] {
            for Value { key, value, from } in values {
                facts.push(vec![label.into(), format!("{key} = {value}, from {from}").into()]);
            }
        }
        format!("{object}, of {KIND} {request}\n{field}\n{}", facts.text(screen))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::chart::origins::Origin;

    fn setting(path: &str) -> Setting {
        let path = path.split('.').map(str::to_owned).collect();
        Setting { path, value: json!(1.0), origin: Origin::Defaults("web".into()) }
    }

    #[test]
    fn of_a_map_the_values_are_told_that_stand_where_the_field_stands() {
        let settings =
            ["resources.limits.cpu", "resources.limits.memory", "resources.requests.cpu", "tags", "list"].map(setting);
        let told = |read: &str, field: &[&str]| -> Vec<String> {
            let found = chosen(&settings, read, Some(field.to_vec()));
            found.into_iter().map(|setting| setting.path.join(".")).collect()
        };
        let field = ["spec", "containers", "resources", "limits", "cpu"];
        assert_eq!(told("resources", &field), ["resources.limits.cpu"]);
        assert_eq!(told("resources.limits", &["spec", "x"]), ["resources.limits.cpu", "resources.limits.memory"]);
        assert_eq!(told("list[0].name", &["spec", "name"]), ["list"]);
        assert_eq!(told("tags", &["spec"]), ["tags"]);
    }
}

//! A draft: what a request would be rendered to, with its chart and values as the cluster has them, or with others.
//!
//! It is the operator's own way: the same sources of charts and values, the same engine and post-rendering; only the
//! rights are the caller's.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use serde_json::Map;

use super::Error;
use super::download::{self, SharedArgument};
use super::inputs::{Hidden, Inputs};
use super::requests::KIND;
use super::revisions::{ClusterArgument, Release as Recorded, objects, objects_of};
use super::session::Session;
use super::values::ValuesArguments;
use crate::api::HelmRequest;
use crate::api::helm_request::{Destination, KeyReference, PostRender, ValuesSource};
use crate::chart::origins::Setting;
use crate::chart::{Chart, Limits as ChartLimits, load_archive, load_directory};
use crate::cluster::Object;
use crate::cluster::lookup::ClusterLookup;
use crate::cluster::notes::Notes;
use crate::cluster::object::api_versions_of;
use crate::controller::helm_request::{merged, read_sources, rules};
use crate::render::versioned::{self, Inventory};
use crate::render::{
    Capabilities, Input, Lookup, NoCluster, Program, Release, RenderError, Rendered, SourceMap, post, split,
};
use crate::template::on_large_stack;
use crate::value::Json;

/// The name of a release that nobody has named, as with helm.
const UNNAMED: &str = "release-name";

/// The flags for another chart or other values than those of the request.
#[derive(Clone, Debug, Args)]
pub struct DraftArguments {
    /// Another version of the chart, or a range of versions
    #[arg(short, long, value_name = "VERSION")]
    pub version: Option<String>,
    /// A chart on this machine instead, its folder or its archive
    #[arg(long, value_name = "PATH", conflicts_with = "version")]
    pub path: Option<PathBuf>,
    /// The values.
    #[command(flatten)]
    pub values: ValuesArguments,
    /// Where else repositories are.
    #[command(flatten)]
    pub shared: SharedArgument,
}

/// Values that were given, and by whom.
#[derive(Clone, Debug)]
pub struct Layer {
    /// Where they are, for people.
    pub name: String,
    /// Whether they are in a Secret.
    pub is_secret: bool,
    /// The values.
    pub values: Json,
}

/// What is to be rendered.
#[derive(Clone)]
pub struct Draft {
    program: Arc<Program>,
    /// The values that were given, later ones over earlier ones.
    pub layers: Vec<Layer>,
    values: Json,
    release: Release,
    post_render: Option<PostRender>,
    versions: Inventory,
    /// The cluster of the release, where it is another one than that of the request.
    place: Option<Session>,
}

impl DraftArguments {
    /// Whether something else is to be rendered than what the request says.
    pub fn are_any(&self) -> bool {
        let ValuesArguments { set, set_string, values, configmap } = &self.values;
        let has_values = !set.is_empty() || !set_string.is_empty() || !values.is_empty() || configmap.is_some();
        self.version.is_some() || self.path.is_some() || has_values
    }

    /// The request as the flags would change it.
    fn applied_to(&self, request: &HelmRequest) -> Result<HelmRequest, Error> {
        let unreadable = |error: serde_json::Error| Error::Usage(format!("{KIND}: {error}"));
        let mut spec = serde_json::to_value(&request.spec).map_err(unreadable)?;
        self.values.write_into(&mut spec)?;
        if let Some(version) = &self.version {
            spec["version"] = version.as_str().into();
        }
        Ok(HelmRequest { spec: serde_json::from_value(spec).map_err(unreadable)?, ..request.clone() })
    }
}

impl Draft {
    /// What a request would be rendered to next.
    ///
    /// # Errors
    /// Its chart or values cannot be had; what is missing is told.
    pub async fn of_request(session: &Session, request: &HelmRequest, flags: &DraftArguments) -> Result<Self, Error> {
        flags.values.check(session).await?;
        let changed = flags.applied_to(request)?;
        let chart = match &flags.path {
            Some(path) => load(path)?,
            None => {
                let archive = download::of_request(session, &flags.shared, &changed).await?;
                let unreadable = |error| Error::Unmet(format!("the chart of {KIND} {:?}: {error}", name(request)));
                load_archive(&archive, &ChartLimits::default()).map_err(unreadable)?
            }
        };
        let deployed = request.status.as_ref().and_then(|status| status.revision);
        let release = Release {
            name: request.release_name(),
            namespace: request.release_namespace(),
            revision: deployed.unwrap_or_default() + 1,
            is_upgrade: deployed.is_some(),
        };
        let layers = layers(session, request, &changed).await?;
        let place = place(session, request).await;
        let versions = match &place {
            Some(release) if deployed.is_some() => versions(release).await,
            _ => Inventory::default(),
        };
        let post_render = request.spec.post_render.clone();
        Ok(Self {
            values: all(&layers),
            layers,
            program: Arc::new(Program::new(chart)),
            release,
            post_render,
            versions,
            place: place.map(|release| release.session).filter(|_| request.destination() != Destination::Own),
        })
    }

    /// What a chart on this machine would be rendered to, without a cluster.
    ///
    /// # Errors
    /// The chart or a values file cannot be read.
    pub fn of_path(path: &Path, namespace: &str, values: &ValuesArguments) -> Result<Self, Error> {
        let given = values.over(None)?.unwrap_or_else(|| Json::Object(Map::new()));
        let layers = vec![Layer { name: FLAGS.to_owned(), is_secret: false, values: as_floats(given) }];
        let (name, namespace) = (UNNAMED.to_owned(), namespace.to_owned());
        let release = Release { name, namespace, revision: 1, is_upgrade: false };
        let program = Arc::new(Program::new(load(path)?));
        let versions = Inventory::default();
        Ok(Self { values: all(&layers), layers, program, release, post_render: None, versions, place: None })
    }

    /// The chart.
    pub fn chart(&self) -> &Chart {
        self.program.chart()
    }

    /// The values that were given, and the defaults of the chart.
    pub fn inputs(&self) -> Inputs {
        Inputs { given: self.values.clone(), defaults: (*self.chart().values).clone() }
    }

    /// The namespace of the release.
    pub fn namespace(&self) -> &str {
        &self.release.namespace
    }

    /// Every value that templates see, with who set it: given values by the number of their layer.
    ///
    /// # Errors
    /// The values cannot be merged.
    pub fn settings(&self) -> Result<Vec<Setting>, Error> {
        let layers: Vec<&Json> = self.layers.iter().map(|layer| &layer.values).collect();
        self.program.origins(&layers, &self.values).map_err(|error| self.not_rendered(&error))
    }

    /// Renders as the operator would; without a session as if the cluster were empty.
    ///
    /// # Errors
    /// The chart does not render with these values.
    pub async fn render(&self, session: Option<&Session>) -> Result<Rendered, Error> {
        let mut rendered = self.run(session, Program::render).await?.map_err(|error| self.not_rendered(&error))?;
        self.finish(&mut rendered)?;
        Ok(rendered)
    }

    /// Renders as `helm lint` does: what must be given need not be.
    ///
    /// # Errors
    /// What must be there for a render cannot be had.
    pub async fn lint(&self, session: Option<&Session>) -> Result<Result<Rendered, RenderError>, Error> {
        let run = if session.is_some() { Program::render } else { Program::lint };
        self.run(session, run).await
    }

    /// Renders and tells where each line comes from, once as the chart wrote it and once as it is applied.
    ///
    /// # Errors
    /// The chart does not render with these values.
    pub async fn trace(&self, session: &Session) -> Result<Traced, Error> {
        let traced = self.run(Some(session), Program::render_traced).await?;
        let (written, map) = traced.map_err(|error| self.not_rendered(&error))?;
        let mut applied = written.clone();
        self.finish(&mut applied)?;
        Ok(Traced { written, map, applied })
    }

    async fn run<T: Send + 'static>(
        &self,
        session: Option<&Session>,
        render: impl FnOnce(&Program, &Input<'_>) -> Result<T, RenderError> + Send + 'static,
    ) -> Result<Result<T, RenderError>, Error> {
        let draft = self.clone();
        let place = session.map(|session| self.place.as_ref().unwrap_or(session));
        let (capabilities, lookup): (Arc<Capabilities>, Box<dyn Lookup + Send + Sync>) = match place {
            Some(session) => {
                let capabilities = self.capabilities(session).await?;
                (capabilities, Box::new(ClusterLookup::new(session.cluster.clone())))
            }
            None => (Arc::default(), Box::new(NoCluster)),
        };
        let work = move || {
            on_large_stack(|| {
                let Draft { program, values, release, .. } = &draft;
                render(program, &Input { lookup: &*lookup, ..Input::new(values, release, &capabilities) })
            })
        };
        match tokio::task::spawn_blocking(work).await {
            Ok(Ok(rendered)) => Ok(rendered),
            _ => Err(Error::Unmet("the render ended without a result; this is an error of the program".to_owned())),
        }
    }

    /// What the cluster can do, with what the definitions that the chart brings would add.
    async fn capabilities(&self, session: &Session) -> Result<Arc<Capabilities>, Error> {
        let capabilities = session.cluster.discovery().capabilities().await.map_err(Error::discovery)?;
        let brought = api_versions_of(&self.definitions(session).await?);
        Ok(if brought.is_empty() { capabilities } else { Arc::new(capabilities.with_api_versions(brought)) })
    }

    /// The custom resource definitions that the chart brings.
    ///
    /// # Errors
    /// What the API server serves cannot be learned.
    pub async fn definitions(&self, session: &Session) -> Result<Vec<Object>, Error> {
        let crds = self.program.crds(&self.values).map_err(|error| self.not_rendered(&error))?;
        let documents = crds.iter().map(|crd| String::from_utf8_lossy(&crd.data).into_owned());
        let manifest: String = documents
            .map(|text| split(&text).into_iter().map(|document| format!("---\n{document}\n")).collect::<String>())
            .collect();
        objects_of(session, &manifest, &self.release.namespace).await
    }

    /// Does to a render what the request asks for beyond its chart.
    fn finish(&self, rendered: &mut Rendered) -> Result<(), Error> {
        let namespace = &self.release.namespace;
        if let Some(fields) = &self.post_render {
            let applied = post::apply(&rules(fields, namespace), rendered);
            applied.map_err(|error| Error::Unmet(format!("release {:?}: {error}", self.release.name)))?;
        }
        versioned::apply(rendered, namespace, &self.versions).map_err(|error| self.not_rendered(&error))
    }

    fn not_rendered(&self, error: &RenderError) -> Error {
        Error::Unmet(format!("release {:?} does not render: {error}", self.release.name))
    }
}

/// A render with the places that its lines come from.
pub struct Traced {
    /// As the chart wrote it.
    pub written: Rendered,
    /// What wrote it.
    pub map: SourceMap,
    /// As it is applied.
    pub applied: Rendered,
}

/// The name of the layer of flags.
const FLAGS: &str = "the flags";

fn name(request: &HelmRequest) -> &str {
    request.metadata.name.as_deref().unwrap_or_default()
}

fn load(path: &Path) -> Result<Chart, Error> {
    let unreadable = |cause: &dyn std::fmt::Display| Error::Usage(format!("chart {}: {cause}", path.display()));
    let limits = ChartLimits::default();
    if path.is_dir() {
        return load_directory(path, &limits).map_err(|error| unreadable(&error));
    }
    let archive = std::fs::read(path).map_err(|error| unreadable(&error))?;
    load_archive(&archive, &limits).map_err(|error| unreadable(&error))
}

/// The values of a request one layer after the other: its sources, its own, and what the flags change of them.
async fn layers(session: &Session, request: &HelmRequest, changed: &HelmRequest) -> Result<Vec<Layer>, Error> {
    let mut layers = Vec::new();
    for source in &changed.spec.values_from {
        let mut only = changed.clone();
        (only.spec.values_from, only.spec.values) = (vec![source.clone()], None);
        let read = read_sources(&session.cluster, &only).await;
        let content = read.content.map_err(|failure| Error::Unmet(failure.message))?;
        let (name, is_secret) = described(source);
        layers.push(Layer { name, is_secret, values: merged(&only, content).merged });
    }
    let own = request.spec.values.clone().map(as_floats).unwrap_or_default();
    let with_flags = changed.spec.values.clone().map(as_floats).unwrap_or_default();
    let by_flags = difference(&own, &with_flags);
    layers.push(Layer { name: "spec.values".to_owned(), is_secret: false, values: own });
    if let Some(values) = by_flags {
        layers.push(Layer { name: FLAGS.to_owned(), is_secret: false, values });
    }
    Ok(layers)
}

/// What comes from Secrets among the values of a request.
pub async fn secrets(session: &Session, request: Option<&HelmRequest>) -> Hidden {
    let Some(request) = request else { return Hidden::These(Json::Object(Map::new())) };
    let mut only = request.clone();
    only.spec.values_from.retain(|source| source.secret_key_ref.is_some());
    only.spec.values = None;
    match layers(session, &only, &only).await {
        Ok(layers) => Hidden::These(all(&layers)),
        Err(_) => Hidden::All,
    }
}

fn described(source: &ValuesSource) -> (String, bool) {
    let named = |kind: &str, reference: &KeyReference| format!("{kind} {} key {}", reference.name, reference.key());
    match (&source.config_map_key_ref, &source.secret_key_ref) {
        (Some(reference), _) => (named("ConfigMap", reference), false),
        (None, Some(reference)) => (named("Secret", reference), true),
        (None, None) => ("spec.valuesFrom".to_owned(), false),
    }
}

/// Values with every number as templates see it.
fn as_floats(values: Json) -> Json {
    match values {
        Json::Number(number) => number.as_f64().map_or(Json::Number(number), Json::from),
        Json::Array(items) => items.into_iter().map(as_floats).collect(),
        Json::Object(members) => members.into_iter().map(|(name, value)| (name, as_floats(value))).collect(),
        other => other,
    }
}

/// What is new or otherwise in values; nothing where nothing is.
fn difference(old: &Json, new: &Json) -> Option<Json> {
    match (old, new) {
        (old, new) if old == new => None,
        (Json::Object(old), Json::Object(new)) => {
            let changed = new.iter().filter_map(|(name, value)| {
                let changed = match old.get(name) {
                    Some(before) => difference(before, value)?,
                    None => value.clone(),
                };
                Some((name.clone(), changed))
            });
            Some(Json::Object(changed.collect()))
        }
        (_, new) => Some(new.clone()),
    }
}

fn all(layers: &[Layer]) -> Json {
    let mut all = Map::new();
    for layer in layers {
        crate::chart::merge_maps(&mut all, layer.values.as_object().cloned().unwrap_or_default());
    }
    Json::Object(all)
}

/// The release of a request; nothing, which is told, where its cluster cannot be looked at.
async fn place(session: &Session, request: &HelmRequest) -> Option<Recorded> {
    let found = Recorded::of(session, request.clone(), &ClusterArgument::default()).await;
    let told = |error: &Error| session.screen.tell(&format!("rendered as if for the cluster of the request: {error}"));
    found.inspect_err(told).ok()
}

/// The versions of versioned objects that there are. Who may not read records knows of none.
async fn versions(release: &Recorded) -> Inventory {
    let known = release.revisions().await.unwrap_or_default();
    let mut notes = known.iter().rev().map(|meta| Notes::read(&meta.annotations));
    let mut versions = notes.find(|notes| notes.inputs.is_some()).unwrap_or_default().versions;
    if let Ok(record) = release.record(None).await
        && let Ok(objects) = objects(&release.session, &record).await
    {
        versions.used_by(0, objects.iter().map(|object| &object.json));
    }
    versions
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_flags_are_a_layer_of_what_they_change() {
        let old = json!({"a": 1.0, "b": {"c": 1.0, "d": 2.0}, "gone": true});
        let new = json!({"a": 1.0, "b": {"c": 3.0, "d": 2.0}, "new": "x"});
        assert_eq!(difference(&old, &new), Some(json!({"b": {"c": 3.0}, "new": "x"})));
        assert_eq!(difference(&old, &old), None);
    }

    #[test]
    fn later_layers_win_over_earlier_ones() {
        let layer = |values: Json| Layer { name: String::new(), is_secret: false, values };
        let layers = [layer(json!({"a": 1.0, "b": {"c": 1.0}})), layer(Json::Null), layer(json!({"b": {"d": 2.0}}))];
        assert_eq!(all(&layers), json!({"a": 1.0, "b": {"c": 1.0, "d": 2.0}}));
    }
}

//! Chart objects: one for each chart of an index, as Captain makes them, written only where something changed.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::pin::pin;
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::api::{DeleteParams, ListParams, PartialObjectMeta, PostParams};
use kube::{Api, Client, ResourceExt};

use super::MANAGER;
use crate::api::chart::{Chart, ChartSpec};
use crate::api::chart_repo::ChartRepo;
use crate::api::names;
use crate::cluster::ApiError;
use crate::cluster::pages::{metadata_pages, pages};
use crate::controller::metrics::Metrics;
use crate::source::Document;
use crate::value::Json;

/// Writes at the same time.
const PARALLEL: usize = 8;
/// Objects of one page of a list: each may be a megabyte.
const PAGE: u32 = 50;
/// The most bytes of versions in one object; the API server takes 1.5 MiB with everything.
const LIMIT: usize = 1_000_000;

/// What is known of the Chart objects of a repository: of each the resource version and a hash of its content.
#[derive(Debug, Default)]
pub(super) struct Published {
    objects: HashMap<String, Known>,
}

impl Published {
    /// The hash of an object's content, where that is still as it was written.
    fn content(&self, metadata: &ObjectMeta) -> Option<u64> {
        let known = self.objects.get(metadata.name.as_ref()?)?;
        (Some(&known.resource_version) == metadata.resource_version.as_ref()).then_some(known.content)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Known {
    resource_version: String,
    content: u64,
}

/// A Chart object as it should be.
struct Desired {
    name: String,
    labels: BTreeMap<String, String>,
    spec: ChartSpec,
}

/// A Chart object as it is.
struct Existing {
    metadata: ObjectMeta,
    content: Option<u64>,
}

/// Creates, updates and deletes Chart objects so that they are as the document says. Charts are read one after the
/// other, so that few are in memory at a time.
pub(super) async fn publish(
    client: &Client,
    repository: &ChartRepo,
    document: Document,
    published: &mut Published,
    metrics: &Metrics,
) -> Result<(), ApiError> {
    let api: Api<Chart> = Api::namespaced(client.clone(), &repository.namespace().unwrap_or_default());
    let mut existing = list(&api, repository, published).await?;
    let named = object_names(repository, &document);
    let writes: Vec<_> = named.into_iter().map(|(name, chart)| (existing.remove(&name), name, chart)).collect();
    let (api, document) = (&api, &Arc::new(document));
    let written: Vec<_> = futures::stream::iter(writes)
        .map(|(found, name, chart)| bring_about(api, repository, document, found, name, chart, metrics))
        .buffer_unordered(PARALLEL)
        .collect()
        .await;
    let deleted: Vec<_> = futures::stream::iter(existing.into_keys())
        .map(|name| async move { delete(api, &name, metrics).await })
        .buffer_unordered(PARALLEL)
        .collect()
        .await;
    let mut failure = deleted.into_iter().find_map(Result::err);
    published.objects.clear();
    for written in written {
        match written {
            Ok(known) => published.objects.extend(known),
            Err(error) => failure = Some(error),
        }
    }
    failure.map_or(Ok(()), Err)
}

/// Writes the object of one chart, unless it is as it should be.
async fn bring_about(
    api: &Api<Chart>,
    repository: &ChartRepo,
    document: &Arc<Document>,
    found: Option<Existing>,
    name: String,
    chart: String,
    metrics: &Metrics,
) -> Result<Option<(String, Known)>, ApiError> {
    let (document, labels) = (Arc::clone(document), labels(repository));
    let read = tokio::task::spawn_blocking(move || {
        let spec = fitting(&document, &chart);
        let content = hash(&labels, &spec);
        (Desired { name, labels, spec }, content)
    });
    let (desired, content) =
        read.await.map_err(|error| ApiError::Transport { message: error.to_string(), sent: false })?;
    let name = desired.name.clone();
    let resource_version = match found {
        Some(existing) if existing.content == Some(content) => existing.metadata.resource_version,
        found if desired.spec.versions.is_empty() => {
            if found.is_some() {
                delete(api, &name, metrics).await?;
            }
            None
        }
        found => write(api, repository, found.map(|found| found.metadata), desired, metrics).await?,
    };
    Ok(resource_version.map(|resource_version| (name, Known { resource_version, content })))
}

/// The Chart objects of a repository. Their content is read only the first time; later the resource version tells
/// whether they are as they were written.
async fn list(
    api: &Api<Chart>,
    repository: &ChartRepo,
    published: &Published,
) -> Result<HashMap<String, Existing>, ApiError> {
    let mut existing = HashMap::new();
    let mut take = |metadata: ObjectMeta, content| {
        if belongs(&metadata, repository) {
            existing.insert(metadata.name.clone().unwrap_or_default(), Existing { metadata, content });
        }
    };
    let selector = format!("{}={}", names::REPO_LABEL, label_value(&repository.name_any()));
    let params = ListParams::default().labels(&selector).limit(PAGE);
    if published.objects.is_empty() {
        let mut pages = pin!(pages(api, params));
        while let Some(page) = pages.try_next().await? {
            for chart in page {
                let content = hash(chart.labels(), &chart.spec);
                take(chart.metadata, Some(content));
            }
        }
    } else {
        let mut pages = pin!(metadata_pages(api, params));
        while let Some(page) = pages.try_next().await? {
            for PartialObjectMeta { metadata, .. } in page {
                let content = published.content(&metadata);
                take(metadata, content);
            }
        }
    }
    Ok(existing)
}

/// Whether a Chart object is of a ChartRepo of this name; one of an earlier life of it counts.
fn belongs(metadata: &ObjectMeta, repository: &ChartRepo) -> bool {
    let owners = metadata.owner_references.iter().flatten();
    let mut controllers = owners.filter(|owner| owner.controller == Some(true));
    controllers.any(|owner| owner.kind == "ChartRepo" && owner.name == repository.name_any())
}

/// The charts by the names of their objects. A chart whose name no object can have, or another chart's object has, is
/// left out.
fn object_names(repository: &ChartRepo, document: &Document) -> BTreeMap<String, String> {
    let mut named = BTreeMap::new();
    for chart in document.names() {
        let name = object_name(chart, &repository.name_any());
        if is_object_name(&name) && !named.contains_key(&name) {
            named.insert(name, chart.to_owned());
        } else {
            tracing::debug!(chart, name, "no Chart object can have this name");
        }
    }
    named
}

/// The name of a chart's object.
pub fn object_name(chart: &str, repository: &str) -> String {
    format!("{}.{repository}", chart.to_lowercase().replace('/', "."))
}

fn labels(repository: &ChartRepo) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::from([(names::REPO_LABEL.to_owned(), label_value(&repository.name_any()).to_owned())]);
    if let Some(project) = repository.labels().get(names::PROJECT_LABEL) {
        labels.insert(names::PROJECT_LABEL.to_owned(), project.clone());
    }
    labels
}

/// The newest versions that fit one object, and how many do not.
fn fitting(document: &Document, chart: &str) -> ChartSpec {
    let (mut size, all) = (0, document.count(chart));
    let entries = document.versions(chart).map(|version| version.entry);
    let versions: Vec<Json> = entries
        .take_while(|entry| {
            size += serde_json::to_string(entry).map_or(0, |text| text.len());
            size <= LIMIT
        })
        .collect();
    let omitted = i64::try_from(all - versions.len()).ok().filter(|omitted| *omitted > 0);
    ChartSpec { versions, omitted }
}

/// Writes one object and returns its resource version; nothing where the name belongs to somebody else.
async fn write(
    api: &Api<Chart>,
    repository: &ChartRepo,
    found: Option<ObjectMeta>,
    desired: Desired,
    metrics: &Metrics,
) -> Result<Option<String>, ApiError> {
    let Desired { name, labels, spec } = desired;
    let is_new = found.is_none();
    let mut metadata = found.unwrap_or_default();
    metadata.managed_fields = None;
    metadata.name = Some(name.clone());
    metadata.labels.get_or_insert_default().extend(labels);
    metadata.owner_references = Some(vec![owner(repository)]);
    let chart = Chart { metadata, spec };
    let params = PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() };
    metrics.wrote(if is_new { "create" } else { "update" }, "chart");
    let result = if is_new { api.create(&params, &chart).await } else { api.replace(&name, &params, &chart).await };
    match result.map_err(ApiError::from) {
        Ok(written) => Ok(written.metadata.resource_version),
        Err(ApiError::AlreadyExists) => {
            tracing::warn!(name, repository = repository.name_any(), "a Chart object belongs to another ChartRepo");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

async fn delete(api: &Api<Chart>, name: &str, metrics: &Metrics) -> Result<(), ApiError> {
    metrics.wrote("delete", "chart");
    match api.delete(name, &DeleteParams::background()).await.map_err(ApiError::from) {
        Ok(_) | Err(ApiError::NotFound) => Ok(()),
        Err(error) => Err(error),
    }
}

/// The owner as Captain writes it: deleting the ChartRepo deletes its Charts.
fn owner(repository: &ChartRepo) -> OwnerReference {
    OwnerReference {
        api_version: format!("{}/v1alpha1", names::GROUP),
        kind: "ChartRepo".to_owned(),
        name: repository.name_any(),
        uid: repository.uid().unwrap_or_default(),
        controller: Some(true),
        block_owner_deletion: Some(true),
    }
}

fn hash(labels: &BTreeMap<String, String>, spec: &ChartSpec) -> u64 {
    let mut hasher = DefaultHasher::new();
    for label in [names::REPO_LABEL, names::PROJECT_LABEL] {
        labels.get(label).hash(&mut hasher);
    }
    spec.versions.hash(&mut hasher);
    spec.omitted.hash(&mut hasher);
    hasher.finish()
}

/// A label's value has at most 63 characters and ends with a letter or digit.
fn label_value(name: &str) -> &str {
    let end = name.len().min(63);
    name.get(..end).unwrap_or(name).trim_end_matches(|c: char| !c.is_ascii_alphanumeric())
}

/// The rule for names of most objects (RFC 1123 subdomain).
fn is_object_name(name: &str) -> bool {
    let is_label = |label: &str| {
        let edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
        let bytes = label.as_bytes();
        edge(bytes.first())
            && edge(bytes.last())
            && bytes.iter().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'-')
    };
    name.len() <= 253 && name.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn repository(name: &str) -> ChartRepo {
        let object = json!({"apiVersion": "app.alauda.io/v1beta1", "kind": "ChartRepo",
            "metadata": {"name": name, "labels": {"alauda.io/project": "fleet"}}, "spec": {}});
        serde_json::from_value(object).expect("a ChartRepo")
    }

    fn document(charts: &[&str]) -> Document {
        let version = json!([{"version": "1.0.0", "urls": ["x.tgz"]}]);
        let entries: BTreeMap<_, _> = charts.iter().map(|chart| (*chart, &version)).collect();
        let index = json!({"apiVersion": "v1", "entries": entries}).to_string();
        Document::parse(index.into_bytes()).expect("an index").0
    }

    #[test]
    fn objects_have_the_names_that_captain_gives() {
        let named = object_names(&repository("stable"), &document(&["web", "team/API", "team.api", "no_name"]));
        let expected = [("team.api.stable", "team.api"), ("web.stable", "web")];
        assert!(named.iter().map(|(name, chart)| (name.as_str(), chart.as_str())).eq(expected), "{named:?}");
    }

    #[test]
    fn labels_are_the_repository_and_its_project() {
        let long = format!("{}-{}", "a".repeat(62), "b".repeat(20));
        assert_eq!(labels(&repository(&long))["repo"], "a".repeat(62));
        assert_eq!(labels(&repository("stable"))["alauda.io/project"], "fleet");
    }

    #[test]
    fn the_hash_sees_labels_and_versions_and_nothing_else() {
        let labels = labels(&repository("stable"));
        let versions = ChartSpec { versions: vec![json!({"version": "1.0.0"})], omitted: None };
        let mut more = labels.clone();
        more.insert("team".to_owned(), "a".to_owned());
        assert_eq!(hash(&labels, &versions), hash(&more, &versions));
        more.insert("alauda.io/project".to_owned(), "other".to_owned());
        assert_ne!(hash(&labels, &versions), hash(&more, &versions));
        assert_ne!(hash(&labels, &versions), hash(&labels, &ChartSpec::default()));
        let fewer = ChartSpec { omitted: Some(1), ..versions.clone() };
        assert_ne!(hash(&labels, &versions), hash(&labels, &fewer));
    }

    #[test]
    fn as_many_versions_as_fit_are_kept() {
        let entry =
            |n: u32| json!({"version": format!("1.0.{n}"), "urls": ["x.tgz"], "description": "x".repeat(10_000)});
        let index = json!({"apiVersion": "v1", "entries": {"web": (0..200).map(entry).collect::<Vec<_>>()}});
        let (document, _) = Document::parse(index.to_string().into_bytes()).expect("an index");
        let ChartSpec { versions, omitted } = fitting(&document, "web");
        assert!(versions.len() > 90 && versions.len() < 100, "{}", versions.len());
        assert_eq!(versions[0]["version"], "1.0.199");
        assert_eq!(omitted, i64::try_from(200 - versions.len()).ok());
        assert_eq!(fitting(&document, "none"), ChartSpec::default());
    }
}

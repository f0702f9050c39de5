//! The objects of a manifest: what each one is, where it lives, and which template wrote it.
//!
//! A manifest is read as Helm's resource builder reads it (`k8s.io/cli-runtime/pkg/resource`): lists are flattened,
//! objects of namespaced kinds without a namespace get the release's, and kinds must be served. A kind that is not
//! served yet is fine where a custom resource definition of the same operation brings it, because definitions are
//! established before what uses them.

use std::collections::HashMap;
use std::fmt;

use kube::core::ApiResource;

use super::client::Cluster;
use super::discovery::{Discovery, Kind, split_api_version};
use super::error::ApiError;
use super::manifest_error::{DocumentError, ManifestError};
use super::policy::Policy;
use super::request::core_kind;
use crate::render::versioned::{Base, Version};
use crate::render::{encode_string_data, split};
use crate::value::Json;

/// The label that says who manages an object.
pub const MANAGED_BY_LABEL: &str = "app.kubernetes.io/managed-by";
/// Its value on objects of releases.
pub const MANAGED_BY: &str = "Helm";
/// The annotation that names the release of an object.
pub const RELEASE_NAME_ANNOTATION: &str = "meta.helm.sh/release-name";
/// The annotation that names the namespace of an object's release.
pub const RELEASE_NAMESPACE_ANNOTATION: &str = "meta.helm.sh/release-namespace";
/// The annotation that keeps an object from being deleted.
pub const RESOURCE_POLICY_ANNOTATION: &str = "helm.sh/resource-policy";

/// Which object: two manifests speak of the same object if these are equal, whatever API version they write
/// (`helm.sh/helm/v4/pkg/kube/resource.go`, `isMatchingInfo`).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectKey {
    /// The API group, empty for the core group.
    pub group: String,
    /// The kind.
    pub kind: String,
    /// The namespace, empty for objects outside of namespaces.
    pub namespace: String,
    /// The name.
    pub name: String,
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { group: _, kind, namespace, name } = self;
        match namespace.as_str() {
            "" => write!(f, "{kind} {name:?}"),
            _ => write!(f, "{kind} {name:?} in namespace {namespace:?}"),
        }
    }
}

/// One object of a manifest.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    /// Its identity.
    pub key: ObjectKey,
    /// Its kind at the version that the manifest writes.
    pub kind: Kind,
    /// The template that wrote it; empty where the manifest does not say.
    pub source: String,
    /// The object itself, namespace set, numbers as the API server wants them.
    pub json: Json,
    /// How it is to be changed where it exists.
    pub policy: Policy,
}

impl Object {
    /// An annotation of the object.
    pub fn annotation(&self, name: &str) -> Option<&str> {
        metadata_text(&self.json, "annotations", name)
    }

    /// A label of the object.
    pub fn label(&self, name: &str) -> Option<&str> {
        metadata_text(&self.json, "labels", name)
    }

    /// Whether Helm leaves the object in place when a release lets go of it
    /// (`helm.sh/helm/v4/pkg/action/resource_policy.go`).
    pub fn is_kept(&self) -> bool {
        self.annotation(RESOURCE_POLICY_ANNOTATION).is_some_and(keeps)
    }

    /// Whether it is a custom resource definition.
    pub fn is_definition(&self) -> bool {
        self.key.group == "apiextensions.k8s.io" && self.key.kind == "CustomResourceDefinition"
    }

    /// The ConfigMap or Secret that a version of an object is, to be found and deleted by its name.
    pub fn of_version(version: &Version) -> Self {
        let Base { kind, namespace, .. } = &version.base;
        let key =
            ObjectKey { group: String::new(), kind: kind.clone(), namespace: namespace.clone(), name: version.name() };
        let served = core_kind(kind, &format!("{}s", kind.to_lowercase()), true);
        Self { key, kind: served, source: String::new(), json: Json::Null, policy: Policy::default() }
    }

    /// Marks the object as belonging to a release, as Helm marks it.
    pub fn stamp(&mut self, release: &str, namespace: &str) {
        set_metadata_text(&mut self.json, "labels", MANAGED_BY_LABEL, MANAGED_BY);
        self.annotate(RELEASE_NAME_ANNOTATION, release);
        self.annotate(RELEASE_NAMESPACE_ANNOTATION, namespace);
    }

    /// Sets an annotation.
    pub fn annotate(&mut self, name: &str, text: &str) {
        set_metadata_text(&mut self.json, "annotations", name, text);
    }
}

/// What a manifest holds, as far as it can be read: for manifests of the past, whose kinds may be gone.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Readable {
    /// The objects.
    pub objects: Vec<Object>,
    /// What could not be read.
    pub errors: Vec<DocumentError>,
}

impl Cluster {
    /// Reads a manifest; objects without a namespace get `namespace`.
    ///
    /// # Errors
    /// Every document that cannot be applied is named.
    pub async fn read_manifest(&self, manifest: &str, namespace: &str) -> Result<Vec<Object>, ManifestError> {
        self.read_manifest_with(manifest, namespace, &[]).await
    }

    /// Reads a manifest whose kinds may also come from `definitions`, custom resource definitions that are applied
    /// before it (a chart's `crds/`).
    ///
    /// # Errors
    /// As [`Cluster::read_manifest`].
    pub async fn read_manifest_with(
        &self,
        manifest: &str,
        namespace: &str,
        definitions: &[Object],
    ) -> Result<Vec<Object>, ManifestError> {
        let Readable { objects, errors } = self.read_with(manifest, namespace, definitions, false).await?;
        if errors.is_empty() { Ok(objects) } else { Err(ManifestError::Documents(errors)) }
    }

    /// Reads as much of a manifest as can be applied; what cannot is listed.
    ///
    /// # Errors
    /// Only where the API server cannot be asked.
    pub async fn read_served(&self, manifest: &str, namespace: &str) -> Result<Readable, ApiError> {
        self.read_with(manifest, namespace, &[], false).await
    }

    /// Reads the manifest of an earlier revision. An object whose version is no longer served is given the version
    /// that is, so that it can be found and deleted; what cannot be read is listed and not in the way.
    ///
    /// # Errors
    /// Only where the API server cannot be asked.
    pub async fn read_recorded(&self, manifest: &str, namespace: &str) -> Result<Readable, ApiError> {
        self.read_with(manifest, namespace, &[], true).await
    }

    async fn read_with(
        &self,
        manifest: &str,
        namespace: &str,
        definitions: &[Object],
        any_version: bool,
    ) -> Result<Readable, ApiError> {
        let (documents, mut errors) = documents(manifest);
        let mut brought = defined_kinds(definitions.iter().map(|object| &object.json));
        brought.extend(defined_kinds(documents.iter().map(|document| &document.json)));
        let mut objects = Vec::with_capacity(documents.len());
        for document in documents {
            let kind = resolve(self.discovery(), &document, &brought, any_version).await?;
            match kind {
                Some(kind) => objects.push(document.into_object(kind, namespace)),
                None => errors.push(document.unknown_kind()),
            }
        }
        Ok(Readable { objects: last_of_each(objects), errors })
    }
}

/// A document that has everything but a kind that is known to be served.
#[derive(Debug)]
struct Document {
    source: String,
    api_version: String,
    kind: String,
    name: String,
    json: Json,
}

impl Document {
    fn new(source: &str, json: Json) -> Result<Self, DocumentError> {
        let source_path = || source.to_owned();
        let text = |name: &str| json.get(name).and_then(Json::as_str).filter(|text| !text.is_empty());
        let missing = |field| DocumentError::MissingField { source_path: source_path(), field };
        let api_version = text("apiVersion").ok_or_else(|| missing("apiVersion"))?.to_owned();
        let kind = text("kind").ok_or_else(|| missing("kind"))?.to_owned();
        let name = json.pointer("/metadata/name").and_then(Json::as_str).filter(|name| !name.is_empty());
        let missing_name = || DocumentError::MissingName { source_path: source_path(), kind: kind.clone() };
        let name = name.ok_or_else(missing_name)?.to_owned();
        Ok(Self { source: source.to_owned(), api_version, kind, name, json })
    }

    fn into_object(mut self, kind: Kind, default_namespace: &str) -> Object {
        let namespace = place(&mut self.json, kind.namespaced, default_namespace);
        if let Some(object) = self.json.as_object_mut() {
            object.insert("apiVersion".to_owned(), kind.resource.api_version.clone().into());
        }
        let key = ObjectKey { group: kind.resource.group.clone(), kind: self.kind, namespace, name: self.name };
        if key.group.is_empty() && key.kind == "Secret" {
            encode_string_data(&mut self.json);
        }
        let policy = Policy::of(&key, &self.json);
        Object { key, kind, source: self.source, json: self.json, policy }
    }

    fn unknown_kind(self) -> DocumentError {
        let Self { source, api_version, kind, name, json: _ } = self;
        DocumentError::UnknownKind { source_path: source, api_version, kind, name }
    }
}

/// Reads the text of a manifest into documents, lists flattened, empty documents dropped.
fn documents(manifest: &str) -> (Vec<Document>, Vec<DocumentError>) {
    let (mut documents, mut errors) = (Vec::new(), Vec::new());
    for text in split(manifest) {
        let source = source_of(text);
        let json = match crate::yaml::parse(text) {
            Ok(Json::Null) => continue,
            Ok(json) => json,
            Err(error) => {
                errors.push(DocumentError::Yaml { source_path: source.to_owned(), message: error.to_string() });
                continue;
            }
        };
        for json in flatten(json) {
            let read = if json.is_object() {
                Document::new(source, with_integers(json))
            } else {
                Err(DocumentError::NotAMap { source_path: source.to_owned() })
            };
            match read {
                Ok(document) => documents.push(document),
                Err(error) => errors.push(error),
            }
        }
    }
    (documents, errors)
}

/// The path in the `# Source:` comment that Helm writes above each document.
fn source_of(document: &str) -> &str {
    document.lines().find_map(|line| line.strip_prefix("# Source: ")).map_or("", str::trim)
}

/// The items of a list object (`kind: List`, `ConfigMapList`, …), or the object itself.
fn flatten(mut json: Json) -> Vec<Json> {
    let is_list = json.get("kind").and_then(Json::as_str).is_some_and(|kind| kind.ends_with("List"));
    match json.get_mut("items").map(Json::take) {
        Some(Json::Array(items)) if is_list => items.into_iter().flat_map(flatten).collect(),
        Some(items) => {
            json["items"] = items;
            vec![json]
        }
        None => vec![json],
    }
}

/// Writes whole numbers as integers: values and YAML hold every number as a float, and the API server takes `3` for
/// an integer field but not `3.0`.
pub fn with_integers(json: Json) -> Json {
    /// Beyond this a float does not name one integer.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match json {
        Json::Number(number) => match number.as_f64() {
            Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() <= EXACT => {
                #[expect(clippy::cast_possible_truncation, reason = "whole and within the exact range")]
                let integer = float as i64;
                Json::from(integer)
            }
            _ => Json::Number(number),
        },
        Json::Array(items) => items.into_iter().map(with_integers).collect(),
        Json::Object(members) => members.into_iter().map(|(name, member)| (name, with_integers(member))).collect(),
        other => other,
    }
}

/// Sets the namespace that the object lives in and tells it.
fn place(json: &mut Json, namespaced: bool, default: &str) -> String {
    let Some(metadata) = json.get_mut("metadata").and_then(Json::as_object_mut) else { return String::new() };
    if !namespaced {
        metadata.remove("namespace");
        return String::new();
    }
    match metadata.get("namespace").and_then(Json::as_str) {
        Some(namespace) if !namespace.is_empty() => namespace.to_owned(),
        _ => {
            metadata.insert("namespace".to_owned(), default.into());
            default.to_owned()
        }
    }
}

async fn resolve(
    discovery: &Discovery,
    document: &Document,
    brought: &HashMap<(String, String), Kind>,
    any_version: bool,
) -> Result<Option<Kind>, ApiError> {
    let Document { api_version, kind, .. } = document;
    if let Some(kind) = brought.get(&(api_version.clone(), kind.clone())) {
        return Ok(Some(kind.clone()));
    }
    let (group, _) = split_api_version(api_version);
    match discovery.resolve(api_version, kind).await? {
        None if any_version => discovery.resolve_any_version(group, kind).await,
        found => Ok(found),
    }
}

/// What `.Capabilities.APIVersions` gains with custom resource definitions: `group/version` and `group/version/Kind`.
pub fn api_versions_of(definitions: &[Object]) -> Vec<String> {
    let kinds = defined_kinds(definitions.iter().map(|object| &object.json));
    kinds.into_keys().flat_map(|(api_version, kind)| [format!("{api_version}/{kind}"), api_version]).collect()
}

/// The kinds that custom resource definitions bring, by API version and kind.
pub(super) fn defined_kinds<'a>(definitions: impl Iterator<Item = &'a Json>) -> HashMap<(String, String), Kind> {
    let mut kinds = HashMap::new();
    for definition in definitions {
        if definition.get("kind").and_then(Json::as_str) != Some("CustomResourceDefinition") {
            continue;
        }
        let text = |path: &str| definition.pointer(path).and_then(Json::as_str).unwrap_or_default().to_owned();
        let (group, kind, plural) = (text("/spec/group"), text("/spec/names/kind"), text("/spec/names/plural"));
        let namespaced = text("/spec/scope") == "Namespaced";
        let versions = definition.pointer("/spec/versions").and_then(Json::as_array).into_iter().flatten();
        let served = versions.filter(|version| version.get("served") == Some(&Json::Bool(true)));
        for version in served.filter_map(|version| version.get("name").and_then(Json::as_str)) {
            let api_version = format!("{group}/{version}");
            let resource = ApiResource {
                group: group.clone(),
                version: version.to_owned(),
                api_version: api_version.clone(),
                kind: kind.clone(),
                plural: plural.clone(),
            };
            kinds.insert((api_version, kind.clone()), Kind { resource, namespaced });
        }
    }
    kinds
}

/// Keeps the last of objects that stand in the manifest more than once: a chart that writes an object twice works with
/// Helm, and the later document is the one that stays.
fn last_of_each(objects: Vec<Object>) -> Vec<Object> {
    let last: HashMap<ObjectKey, usize> =
        objects.iter().enumerate().map(|(index, object)| (object.key.clone(), index)).collect();
    let is_last = |(index, object): &(usize, Object)| last.get(&object.key) == Some(index);
    objects.into_iter().enumerate().filter(is_last).map(|(_, object)| object).collect()
}

/// The runs of equal kind in the order of the manifest; objects of one run may be sent at the same time
/// (`helm.sh/helm/v4/pkg/kube/client.go`, `batchPerform`).
pub fn runs(objects: &[Object]) -> impl Iterator<Item = &[Object]> {
    objects.chunk_by(|left, right| left.key.kind == right.key.kind)
}

/// Whether Helm leaves an object in place whose resource policy this is.
pub(super) fn keeps(policy: &str) -> bool {
    policy.trim().eq_ignore_ascii_case("keep")
}

fn metadata_text<'a>(json: &'a Json, map: &str, name: &str) -> Option<&'a str> {
    json.get("metadata")?.get(map)?.get(name)?.as_str()
}

fn set_metadata_text(json: &mut Json, map: &str, name: &str, text: &str) {
    let Some(metadata) = json.get_mut("metadata").and_then(Json::as_object_mut) else { return };
    let texts = metadata.entry(map).or_insert(Json::Null);
    if !texts.is_object() {
        *texts = Json::Object(serde_json::Map::new());
    }
    texts[name] = text.into();
}

#[cfg(test)]
#[path = "object_tests.rs"]
mod tests;

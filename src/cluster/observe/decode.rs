//! What is kept of an object that a watch delivers, read straight from the stream.
//!
//! An object of a release may be a megabyte of ConfigMap; what matters is its identity, whose it is, a hash over our
//! entry of its `managedFields` and what its health depends on. Everything else is skipped while it is read, never
//! built. Reading is forgiving: an object of a strange shape must not stop the watch of its kind.

use std::borrow::Cow;

use kube::Resource;
use kube::core::{ApiResource, DynamicResourceScope, ObjectMeta};
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess};
use serde::{Deserialize, Deserializer};
use serde_json::Map;

use super::fields_hash::OwnHash;
use super::forgiving::{Forgiving, Read};
use crate::cluster::health::{SPEC_FIELDS, Verdict, verdict};
use crate::cluster::object::{
    RELEASE_NAME_ANNOTATION, RELEASE_NAMESPACE_ANNOTATION, RESOURCE_POLICY_ANNOTATION, keeps,
};
use crate::value::Json;

/// An object with Helm's label, as a watch delivers it.
#[derive(Clone, Debug)]
pub struct Managed {
    /// Only the resource version, for the watch.
    meta: ObjectMeta,
    /// Its namespace, empty outside of namespaces.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its identity among all that ever had its name.
    pub uid: String,
    /// How often its spec was changed.
    pub generation: i64,
    /// The release that it names as its owner.
    pub release: Option<String>,
    /// The namespace of that release.
    pub release_namespace: Option<String>,
    /// Whether Helm's resource policy keeps it.
    pub is_kept: bool,
    /// The hash over our entry of `managedFields`.
    pub hash: Option<u64>,
    /// What its health depends on.
    essence: Json,
}

impl Managed {
    /// The resource version as a number, see [`version_number`].
    pub fn version(&self) -> u64 {
        version_number(self.meta.resource_version.as_deref())
    }

    /// Its health; items of a list do not tell their kind, so the watch's is given.
    pub fn verdict(&mut self, resource: &ApiResource) -> Verdict {
        self.essence["apiVersion"] = resource.api_version.as_str().into();
        self.essence["kind"] = resource.kind.as_str().into();
        verdict(&self.essence)
    }
}

/// An object without Helm's label: only that it is there.
#[derive(Clone, Debug)]
pub struct Stranger {
    /// Only the resource version, for the watch.
    meta: ObjectMeta,
    /// Its namespace, empty outside of namespaces.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl Stranger {
    /// The resource version as a number, see [`version_number`].
    pub fn version(&self) -> u64 {
        version_number(self.meta.resource_version.as_deref())
    }
}

/// A resource version as a number that grows with each write of the object, as Kubernetes defines it since 1.35 and
/// always did; 0 where it is none.
pub fn version_number(version: Option<&str>) -> u64 {
    version.and_then(|version| version.parse().ok()).unwrap_or(0)
}

/// Both are objects of a kind that is known at run time only.
macro_rules! dynamic_resource {
    ($type:ty, metadata_api: $metadata:literal) => {
        impl Resource for $type {
            type DynamicType = ApiResource;
            type Scope = DynamicResourceScope;

            fn metadata_api() -> bool {
                $metadata
            }

            fn kind(resource: &ApiResource) -> Cow<'_, str> {
                resource.kind.as_str().into()
            }

            fn group(resource: &ApiResource) -> Cow<'_, str> {
                resource.group.as_str().into()
            }

            fn version(resource: &ApiResource) -> Cow<'_, str> {
                resource.version.as_str().into()
            }

            fn api_version(resource: &ApiResource) -> Cow<'_, str> {
                resource.api_version.as_str().into()
            }

            fn plural(resource: &ApiResource) -> Cow<'_, str> {
                resource.plural.as_str().into()
            }

            fn meta(&self) -> &ObjectMeta {
                &self.meta
            }

            fn meta_mut(&mut self) -> &mut ObjectMeta {
                &mut self.meta
            }
        }
    };
}

dynamic_resource!(Managed, metadata_api: false);
dynamic_resource!(Stranger, metadata_api: true);

impl<'de> Deserialize<'de> for Managed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let WireObject { metadata, spec, status } = WireObject::deserialize(deserializer)?;
        let generation = metadata.generation.map(|generation| ("generation", generation.into()));
        let deletion = metadata.deletion_timestamp.map(|_| ("deletionTimestamp", true.into()));
        let told = map(generation.into_iter().chain(deletion));
        let essence = map([("metadata", told), ("spec", Json::Object(spec.0)), ("status", status)]);
        Ok(Self {
            meta: ObjectMeta { resource_version: metadata.resource_version, ..ObjectMeta::default() },
            namespace: metadata.namespace,
            name: metadata.name,
            uid: metadata.uid,
            generation: metadata.generation.unwrap_or(0),
            release: metadata.annotations.release,
            release_namespace: metadata.annotations.namespace,
            is_kept: metadata.annotations.is_kept,
            hash: metadata.managed_fields.0,
            essence,
        })
    }
}

/// A map of these members; the macro of serde_json would copy them.
fn map<'a>(members: impl IntoIterator<Item = (&'a str, Json)>) -> Json {
    members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

impl<'de> Deserialize<'de> for Stranger {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let WireName { metadata: WireIdentity { name, namespace, resource_version } } =
            WireName::deserialize(deserializer)?;
        Ok(Self { meta: ObjectMeta { resource_version, ..ObjectMeta::default() }, namespace, name })
    }
}

#[derive(Deserialize)]
struct WireObject {
    metadata: WireMetadata,
    #[serde(default)]
    spec: HealthFields,
    #[serde(default)]
    status: Json,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireMetadata {
    #[serde(default)]
    name: String,
    #[serde(default)]
    namespace: String,
    #[serde(default)]
    uid: String,
    resource_version: Option<String>,
    generation: Option<i64>,
    deletion_timestamp: Option<IgnoredAny>,
    #[serde(default)]
    annotations: WireAnnotations,
    #[serde(default)]
    managed_fields: OwnHash,
}

#[derive(Default)]
struct WireAnnotations {
    release: Option<String>,
    namespace: Option<String>,
    is_kept: bool,
}

#[derive(Deserialize)]
struct WireName {
    metadata: WireIdentity,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireIdentity {
    #[serde(default)]
    name: String,
    #[serde(default)]
    namespace: String,
    resource_version: Option<String>,
}

/// The part of `spec` that health depends on; empty where `spec` is no map.
#[derive(Default)]
struct HealthFields(Map<String, Json>);

impl<'de> Deserialize<'de> for HealthFields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let members = Forgiving(Members(|name: &str| SPEC_FIELDS.contains(&name))).deserialize(deserializer)?;
        Ok(Self(members.into_iter().collect()))
    }
}

impl<'de> Deserialize<'de> for WireAnnotations {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let names = [RELEASE_NAME_ANNOTATION, RELEASE_NAMESPACE_ANNOTATION, RESOURCE_POLICY_ANNOTATION];
        let wanted = |name: &str| names.contains(&name);
        let mut annotations = Self::default();
        for (name, value) in Forgiving(Members(wanted)).deserialize(deserializer)? {
            let Json::String(text) = value else { continue };
            match name.as_str() {
                RELEASE_NAME_ANNOTATION => annotations.release = Some(text),
                RELEASE_NAMESPACE_ANNOTATION => annotations.namespace = Some(text),
                _ => annotations.is_kept = keeps(&text),
            }
        }
        Ok(annotations)
    }
}

/// Takes the wanted members of a map and skips the rest.
struct Members<Wanted>(Wanted);

impl<'de, Wanted: Fn(&str) -> bool> Read<'de> for Members<Wanted> {
    type Output = Vec<(String, Json)>;

    fn map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Output, A::Error> {
        let mut members = Vec::new();
        while let Some(wanted) = map.next_key_seed(Forgiving(Name(&self.0)))? {
            match wanted {
                Some(name) => members.push((name, map.next_value()?)),
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(members)
    }
}

/// Reads a name, where it is wanted.
struct Name<'a, Wanted>(&'a Wanted);

impl<Wanted: Fn(&str) -> bool> Read<'_> for Name<'_, Wanted> {
    type Output = Option<String>;

    fn text(self, name: &str) -> Option<String> {
        (self.0)(name).then(|| name.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cluster::observe::ownership_hash;

    fn deployment() -> ApiResource {
        ApiResource {
            group: "apps".into(),
            version: "v1".into(),
            api_version: "apps/v1".into(),
            kind: "Deployment".into(),
            plural: "deployments".into(),
        }
    }

    #[test]
    fn a_deployment_is_reduced_to_what_matters() {
        let live = json!({
            "metadata": {
                "name": "web", "namespace": "shop", "uid": "u-1", "resourceVersion": "17", "generation": 3,
                "labels": {"app.kubernetes.io/managed-by": "Helm"},
                "annotations": {"meta.helm.sh/release-name": "web", "meta.helm.sh/release-namespace": "shop", "big": "x"},
                "managedFields": [{"manager": "helm", "operation": "Apply", "fieldsV1": {"f:spec": {}}}],
            },
            "spec": {"replicas": 2, "template": {"spec": {"containers": [1, 2, 3]}}},
            "status": {"observedGeneration": 3, "replicas": 1},
        });
        let expected = ownership_hash(&live);
        let mut object: Managed = serde_json::from_value(live).expect("an object");
        assert_eq!((object.namespace.as_str(), object.name.as_str(), object.uid.as_str()), ("shop", "web", "u-1"));
        assert_eq!((object.version(), object.generation), (17, 3));
        assert_eq!(object.release.as_deref(), Some("web"));
        assert_eq!(object.release_namespace.as_deref(), Some("shop"));
        assert!(!object.is_kept);
        assert!(object.hash.is_some() && object.hash == expected);
        assert_eq!(object.verdict(&deployment()), Verdict::InProgress("1 of 2 replicas are created".into()));
        assert!(!object.essence.to_string().contains("containers"), "{}", object.essence);
    }

    #[test]
    fn objects_of_strange_shapes_are_read() {
        for spec in [json!("text"), json!([1, {"a": 2}]), json!(7), json!(-7), json!(1.5), json!(null), json!(true)] {
            let live = json!({"metadata": {"name": "odd"}, "spec": spec, "status": "fine", "data": {"a": "b"}});
            let mut object: Managed = serde_json::from_str(&live.to_string()).expect("an object");
            assert_eq!(object.verdict(&deployment()).as_str(), "InProgress");
            assert_eq!((object.version(), object.hash), (0, None));
        }
    }

    #[test]
    fn what_the_resource_policy_keeps_is_known_as_helm_reads_it() {
        for (policy, is_kept) in
            [(json!("keep"), true), (json!(" Keep "), true), (json!("delete"), false), (json!(1), false)]
        {
            let live = json!({"metadata": {"name": "web", "annotations": {"helm.sh/resource-policy": policy}}});
            let object: Managed = serde_json::from_value(live).expect("an object");
            assert_eq!(object.is_kept, is_kept, "{policy}");
        }
    }

    #[test]
    fn what_is_being_deleted_says_so() {
        let live = json!({"metadata": {"name": "web", "deletionTimestamp": "2026-01-01T00:00:00Z"}});
        let mut object: Managed = serde_json::from_value(live).expect("an object");
        assert_eq!(object.verdict(&deployment()), Verdict::Terminating);
    }

    #[test]
    fn of_a_stranger_only_the_name_is_kept() {
        let live = json!({"metadata": {"name": "a", "resourceVersion": "9", "labels": {"b": "c"}}});
        let stranger: Stranger = serde_json::from_value(live).expect("a stranger");
        assert_eq!((stranger.namespace.as_str(), stranger.name.as_str(), stranger.version()), ("", "a", 9));
    }

    #[test]
    fn versions_are_numbers_or_nothing() {
        let numbers = [Some("12"), Some(""), Some("abc"), None].map(version_number);
        assert_eq!(numbers, [12, 0, 0, 0]);
    }
}

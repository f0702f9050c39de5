//! What is kept of an object that a watch delivers, read straight from the stream.
//!
//! An object of a release may be a megabyte of ConfigMap; what matters is its identity, whose it is, a hash over our
//! entry of its `managedFields` and what its health depends on. Everything else is skipped while it is read, never
//! built. Reading is forgiving: an object of a strange shape must not stop the watch of its kind.

use std::borrow::Cow;
use std::fmt;

use kube::Resource;
use kube::core::{ApiResource, DynamicResourceScope, ObjectMeta};
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, json};

use super::ownership::ownership_hash;
use crate::cluster::health::{SPEC_FIELDS, Verdict, verdict};
use crate::cluster::object::{RELEASE_NAME_ANNOTATION, RELEASE_NAMESPACE_ANNOTATION};
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
        let hash = ownership_hash(&json!({"metadata": {"managedFields": metadata.managed_fields}}));
        let mut essence = json!({"metadata": {}, "spec": spec.0, "status": status});
        if let Some(generation) = metadata.generation {
            essence["metadata"]["generation"] = generation.into();
        }
        if metadata.deletion_timestamp.is_some() {
            essence["metadata"]["deletionTimestamp"] = true.into();
        }
        Ok(Self {
            meta: ObjectMeta { resource_version: metadata.resource_version, ..ObjectMeta::default() },
            namespace: metadata.namespace,
            name: metadata.name,
            uid: metadata.uid,
            generation: metadata.generation.unwrap_or(0),
            release: metadata.annotations.release,
            release_namespace: metadata.annotations.namespace,
            hash,
            essence,
        })
    }
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
    managed_fields: Json,
}

#[derive(Default)]
struct WireAnnotations {
    release: Option<String>,
    namespace: Option<String>,
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
        let mut fields = Map::new();
        deserializer.deserialize_any(Members(
            |name: &str| SPEC_FIELDS.contains(&name),
            |name: String, value: Json| {
                fields.insert(name, value);
            },
        ))?;
        Ok(Self(fields))
    }
}

impl<'de> Deserialize<'de> for WireAnnotations {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut annotations = Self::default();
        let wanted = |name: &str| name == RELEASE_NAME_ANNOTATION || name == RELEASE_NAMESPACE_ANNOTATION;
        deserializer.deserialize_any(Members(wanted, |name: String, value: Json| {
            let text = value.as_str().map(str::to_owned);
            if name == RELEASE_NAME_ANNOTATION {
                annotations.release = text;
            } else {
                annotations.namespace = text;
            }
        }))?;
        Ok(annotations)
    }
}

/// Takes the wanted members of a map and skips the rest; of what is no map it takes nothing.
struct Members<Wanted, Take>(Wanted, Take);

impl<'de, Wanted: Fn(&str) -> bool, Take: FnMut(String, Json)> Visitor<'de> for Members<Wanted, Take> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<String>()? {
            if (self.0)(&name) {
                let value = map.next_value()?;
                (self.1)(name, value);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut sequence: A) -> Result<(), A::Error> {
        while sequence.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

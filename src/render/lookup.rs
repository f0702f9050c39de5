//! The seam through which templates read the cluster, and the record of what they read.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Capabilities, KubeVersion};
use crate::value::Json;

/// What `lookup` was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Query {
    /// `v1`, `apps/v1`.
    pub api_version: String,
    /// `ConfigMap`.
    pub kind: String,
    /// Empty for cluster-scoped objects and for all namespaces.
    pub namespace: String,
    /// Empty for a list.
    pub name: String,
}

/// Answers `lookup`.
pub trait Lookup {
    /// The object, or a list object where the query has no name; an empty map (or null) where nothing is found.
    ///
    /// # Errors
    /// The text that the template's error carries.
    fn lookup(&self, query: &Query) -> Result<Json, String>;
}

/// No cluster at all: every lookup finds nothing, as in `helm template`.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoCluster;

impl Lookup for NoCluster {
    fn lookup(&self, _query: &Query) -> Result<Json, String> {
        Ok(Json::Null)
    }
}

/// What a render read of the cluster: with the same answers, the same chart and values render the same again (chance and
/// the clock aside).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Reads {
    /// What `lookup` was asked for, with the answers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lookups: Vec<Looked>,
    /// Each version asked of `.Capabilities.APIVersions.Has` and the answer.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub api_versions: BTreeMap<String, bool>,
    /// The digest of the whole list of API versions, where templates walked it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub all_api_versions: Option<String>,
    /// `.Capabilities.KubeVersion.Version`, where any field of `.KubeVersion` was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kube_version: Option<String>,
}

/// A lookup and its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Looked {
    /// What was asked for.
    #[serde(flatten)]
    pub query: Query,
    /// The resource version of the object; empty where nothing was found. That of a list says nothing of the list: who
    /// notes the lookup puts one of `listed` in its place.
    pub resource_version: String,
    /// The objects of a list.
    #[serde(skip)]
    pub listed: Vec<Listed>,
}

/// An object of a list that was looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Empty for cluster-scoped objects.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its resource version.
    pub resource_version: String,
}

impl Listed {
    fn new(object: &Json) -> Self {
        let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default().to_owned();
        Self { namespace: text("namespace"), name: text("name"), resource_version: text("resourceVersion") }
    }
}

impl Reads {
    /// Whether nothing was read.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether templates asked which API versions are served.
    pub fn ask_for_versions(&self) -> bool {
        !self.api_versions.is_empty() || self.all_api_versions.is_some()
    }

    /// Notes a lookup; of several of the same object the first one stays, so that a change in between is not missed.
    pub fn look_up(&mut self, query: Query, answer: &Json) {
        if self.lookups.iter().all(|looked| looked.query != query) {
            let version = answer.pointer("/metadata/resourceVersion").and_then(Json::as_str);
            let resource_version = version.unwrap_or_default().to_owned();
            let items = answer["items"].as_array().filter(|_| query.name.is_empty());
            let listed = items.into_iter().flatten().map(Listed::new).collect();
            self.lookups.push(Looked { query, resource_version, listed });
        }
    }

    /// What of the cluster's capabilities is not as it was read, in words.
    pub fn changes(&self, capabilities: &Capabilities) -> Vec<String> {
        let versions = self.api_versions.iter().filter(|(version, found)| capabilities.has(version) != **found);
        let mut changes: Vec<String> = versions
            .map(|(version, found)| format!("{version} is {} served", if *found { "no longer" } else { "now" }))
            .collect();
        if self.all_api_versions.as_ref().is_some_and(|digest| *digest != capabilities.api_versions_digest()) {
            changes.push("the list of API versions".to_owned());
        }
        let KubeVersion { version, .. } = &capabilities.kube_version;
        if self.kube_version.as_ref().is_some_and(|read| read != version) {
            changes.push(format!("Kubernetes {version}"));
        }
        changes
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn reads_hold_as_long_as_their_answers_are_the_same() {
        let present = Capabilities::default();
        let mut reads = Reads::default();
        assert!(reads.is_empty() && reads.changes(&present).is_empty());
        reads.api_versions.insert("apps/v1".into(), true);
        reads.api_versions.insert("example.org/v1".into(), false);
        reads.kube_version = Some(present.kube_version.version.clone());
        assert!(reads.changes(&present).is_empty());
        let more = present.with_api_versions(["example.org/v1".to_owned()]);
        assert_eq!(reads.changes(&more), ["example.org/v1 is now served"]);
        let walked = Reads { all_api_versions: Some(present.api_versions_digest()), ..Reads::default() };
        assert_eq!((walked.changes(&present).len(), walked.changes(&more).len()), (0, 1));
        let mut upgraded = present;
        upgraded.kube_version.version = "v9.9.9".into();
        assert_eq!(reads.changes(&upgraded), ["Kubernetes v9.9.9"]);
    }

    #[test]
    fn the_first_answer_to_a_lookup_stays() {
        let (api_version, kind) = ("v1".to_owned(), "Secret".to_owned());
        let query = Query { api_version, kind, namespace: "n".into(), name: "s".into() };
        let mut reads = Reads::default();
        reads.look_up(query.clone(), &Json::Null);
        reads.look_up(query, &json!({"metadata": {"resourceVersion": "7"}}));
        let versions: Vec<&str> = reads.lookups.iter().map(|looked| looked.resource_version.as_str()).collect();
        assert_eq!(versions, [""]);
        let text = serde_json::to_string(&reads).expect("plain data");
        assert_eq!(serde_json::from_str::<Reads>(&text).expect("the same"), reads);
    }
}

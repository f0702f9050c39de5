//! What was found out about a request.
//!
//! `phase` answers Captain's question, whether this spec is deployed; the condition `Ready` answers whether it also
//! works. Lists are short: the worst come first and the rest is a number, so that a status stays small.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::Reason;
use crate::api::conditions::{self, Condition, ConditionStatus, ConditionType};
use crate::api::lenient;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// How many objects `status.objects.worst` and `status.drift.objects` show.
pub const SHOWN_OBJECTS: usize = 10;

/// Whether the spec is deployed: Synced, PartialSynced (in some of the clusters), Failed, Pending (not yet) or
/// Unknown.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// The spec is deployed.
    Synced,
    /// It is deployed in some of the clusters.
    PartialSynced,
    /// Deploying it failed.
    Failed,
    /// It is not deployed yet.
    Pending,
    /// It is not known.
    #[default]
    Unknown,
}

impl Phase {
    /// The word that is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Synced => "Synced",
            Self::PartialSynced => "PartialSynced",
            Self::Failed => "Failed",
            Self::Pending => "Pending",
            Self::Unknown => "Unknown",
        }
    }
}

/// What was found out about the request.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HelmRequestStatus {
    /// Whether the spec is deployed.
    #[serde(deserialize_with = "lenient::known", skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    /// A hash of what was last deployed, as Captain kept it.
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    pub last_spec_hash: Option<String>,
    /// The clusters that it is deployed in; only with installToAllClusters or clusterSelector.
    #[serde(deserialize_with = "lenient::or_default", skip_serializing_if = "Vec::is_empty")]
    pub synced_clusters: Vec<String>,
    /// How it stands in each cluster; only with installToAllClusters or clusterSelector.
    #[serde(deserialize_with = "lenient::or_default", skip_serializing_if = "Vec::is_empty")]
    pub clusters: Vec<ClusterEntry>,
    /// The chart's notes, rendered.
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    pub notes: Option<String>,
    /// The version of the chart that is deployed.
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The digest of the manifest of the chart that is deployed, where it comes from a registry: with it as the version
    /// the same chart is deployed whatever happens to its tag.
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    pub chart_digest: Option<String>,
    /// The fingerprint of the key that signed the chart that is deployed, where verify asks for one.
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    pub chart_signed_by: Option<String>,
    /// Why it is not deployed; empty when it is.
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Observations: Ready, Reconciling, Stalled, Released, Drifted, TestSuccess.
    #[serde(deserialize_with = "lenient::or_default", skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// The generation of the request that this status is about.
    #[serde(deserialize_with = "lenient::known", skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The deployed revision of the release.
    #[serde(deserialize_with = "lenient::known", skip_serializing_if = "Option::is_none")]
    pub revision: Option<i64>,
    /// The last revisions, the newest first.
    #[serde(deserialize_with = "lenient::or_default", skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<RevisionEntry>,
    /// The objects of the release and their health.
    #[serde(deserialize_with = "lenient::known", skip_serializing_if = "Option::is_none")]
    pub objects: Option<ObjectsStatus>,
    /// What differs from what was deployed; absent when nothing does.
    #[serde(deserialize_with = "lenient::known", skip_serializing_if = "Option::is_none")]
    pub drift: Option<DriftStatus>,
    /// The value of the resync annotation that was last acted on.
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    pub last_handled_resync: Option<String>,
}

impl HelmRequestStatus {
    /// The reason of the last failure to deploy, where that is the last thing that was told.
    pub fn failure_reason(&self) -> Option<Reason> {
        let released = conditions::find(&self.conditions, ConditionType::Released)?;
        Reason::named(&released.reason).filter(|_| released.status == ConditionStatus::False)
    }
}

/// How it stands in one of several clusters.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ClusterEntry {
    /// The name of the Cluster.
    #[serde(deserialize_with = "lenient::or_default")]
    pub name: String,
    /// Whether the spec is deployed there.
    #[serde(deserialize_with = "lenient::known", skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    /// Whether every object there is healthy and as deployed.
    #[serde(deserialize_with = "lenient::or_default")]
    pub ready: bool,
    /// The deployed revision there.
    #[serde(deserialize_with = "lenient::known", skip_serializing_if = "Option::is_none")]
    pub revision: Option<i64>,
    /// The version of the chart that is deployed there.
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Why it is not ready, in one word.
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Why it is not ready.
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The generation of the request that this is about.
    #[serde(deserialize_with = "lenient::known", skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
}

/// One revision of the release.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RevisionEntry {
    /// The number of the revision.
    #[serde(deserialize_with = "lenient::or_default")]
    pub revision: i64,
    /// The chart's name.
    #[serde(deserialize_with = "lenient::or_default", skip_serializing_if = "String::is_empty")]
    pub chart: String,
    /// The chart's version.
    #[serde(deserialize_with = "lenient::or_default", skip_serializing_if = "String::is_empty")]
    pub version: String,
    /// The status of the revision as the helm command shows it: deployed, superseded, failed and so on.
    #[serde(deserialize_with = "lenient::or_default", skip_serializing_if = "String::is_empty")]
    pub status: String,
    /// The digest of what it was made from.
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// When it was last changed.
    #[serde(deserialize_with = "lenient::known", skip_serializing_if = "Option::is_none")]
    pub updated: Option<Time>,
    /// What was done, for example `Upgrade complete`.
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// The objects of the release and their health.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ObjectsStatus {
    /// How many objects are healthy.
    #[serde(deserialize_with = "lenient::or_default")]
    pub ready: i64,
    /// How many objects there are.
    #[serde(deserialize_with = "lenient::or_default")]
    pub total: i64,
    /// Up to ten that are not healthy, the worst first.
    #[serde(deserialize_with = "lenient::or_default", skip_serializing_if = "Vec::is_empty")]
    pub worst: Vec<ObjectHealth>,
}

/// An object that is not healthy.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ObjectHealth {
    /// The object's kind.
    #[serde(deserialize_with = "lenient::or_default")]
    pub kind: String,
    /// The object's namespace; absent for a cluster-wide one.
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The object's name.
    #[serde(deserialize_with = "lenient::or_default")]
    pub name: String,
    /// Its state in kstatus words: Failed, InProgress, Terminating, NotFound or Unknown.
    #[serde(deserialize_with = "lenient::or_default")]
    pub status: String,
    /// What it is waiting for or why it failed.
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// What differs from what was deployed.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DriftStatus {
    /// How many objects differ.
    #[serde(deserialize_with = "lenient::or_default")]
    pub total: i64,
    /// Since when.
    #[serde(deserialize_with = "lenient::known", skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
    /// Up to ten of them.
    #[serde(deserialize_with = "lenient::or_default", skip_serializing_if = "Vec::is_empty")]
    pub objects: Vec<DriftedObject>,
}

/// Whether it was Modified or Deleted.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum DriftChange {
    /// Fields were changed, removed or taken over.
    #[default]
    Modified,
    /// The object was deleted.
    Deleted,
}

/// An object that differs from what was deployed.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DriftedObject {
    /// The object's kind.
    #[serde(deserialize_with = "lenient::or_default")]
    pub kind: String,
    /// The object's namespace; absent for a cluster-wide one.
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The object's name.
    #[serde(deserialize_with = "lenient::or_default")]
    pub name: String,
    /// Whether it was Modified or Deleted.
    #[serde(deserialize_with = "lenient::known", skip_serializing_if = "Option::is_none")]
    pub change: Option<DriftChange>,
    /// The fields, for example `.spec.replicas`.
    #[serde(deserialize_with = "lenient::or_default", skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<String>,
    /// The field manager that changed them.
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    pub manager: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_odd_status_is_read() {
        let odd = json!({"phase": "", "conditions": null, "syncedClusters": null, "notes": "", "objects": "many"});
        let status: HelmRequestStatus = serde_json::from_value(odd).expect("lenient");
        assert_eq!(status, HelmRequestStatus::default());
    }

    #[test]
    fn phases_are_written_as_they_are_named() {
        for phase in [Phase::Synced, Phase::PartialSynced, Phase::Failed, Phase::Pending, Phase::Unknown] {
            assert_eq!(serde_json::to_value(phase).expect("json"), json!(phase.as_str()));
        }
    }
}

//! Release: Captain's record of a revision, read to adopt what Captain installed.
//!
//! The operator records revisions as Helm does; it writes these objects only for old clients that ask for them.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::lenient;

/// A revision: the chart, the values, the manifest and the hooks, each as base64 of gzipped JSON.
#[derive(CustomResource, JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "app.alauda.io",
    version = "v1alpha1",
    kind = "Release",
    plural = "releases",
    shortname = "rel",
    namespaced,
    derive = "PartialEq",
    status = "ReleaseStatus",
    doc = "Release is Captain's record of one revision of a release.",
    printcolumn = r#"{"name":"Status","type":"string","description":"The status of the revision","jsonPath":".status.status"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase", default)]
pub struct ReleaseSpec {
    /// The chart that was released.
    #[serde(deserialize_with = "lenient::or_default", skip_serializing_if = "String::is_empty")]
    pub chart_data: String,
    /// The values that were given.
    #[serde(deserialize_with = "lenient::or_default", skip_serializing_if = "String::is_empty")]
    pub config_data: String,
    /// The rendered objects.
    #[serde(deserialize_with = "lenient::or_default", skip_serializing_if = "String::is_empty")]
    pub manifest_data: String,
    /// The rendered hooks.
    #[serde(deserialize_with = "lenient::or_default", skip_serializing_if = "String::is_empty")]
    pub hooks_data: String,
    /// The name of the release.
    #[serde(deserialize_with = "lenient::or_default", skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The number of the revision.
    #[serde(deserialize_with = "lenient::known", skip_serializing_if = "Option::is_none")]
    pub version: Option<i64>,
}

/// What became of the revision.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ReleaseStatus {
    /// The status as Helm names it: deployed, superseded, failed and so on.
    #[serde(deserialize_with = "lenient::or_default", skip_serializing_if = "String::is_empty")]
    pub status: String,
    /// When the release was first deployed; empty for never.
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    pub first_deployed: Option<String>,
    /// When the revision was deployed; empty for never.
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    pub last_deployed: Option<String>,
    /// When the release was uninstalled; empty for never.
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    pub deleted: Option<String>,
    /// What was done, in words.
    #[serde(rename = "Description", deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The chart's notes, rendered.
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    pub notes: Option<String>,
}

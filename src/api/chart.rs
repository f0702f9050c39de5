//! Chart: one chart of a ChartRepo with its versions, as a store page shows them.
//!
//! The versions are the entries of the repository's index, kept as they are.

use kube::CustomResource;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::lenient;

/// The versions of a chart.
#[derive(CustomResource, JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "app.alauda.io",
    version = "v1beta1",
    kind = "Chart",
    plural = "charts",
    namespaced,
    derive = "PartialEq",
    doc = "Chart is one chart of a ChartRepo with all its versions. The operator writes it.",
    printcolumn = r#"{"name":"Version","type":"string","description":"The newest version","jsonPath":".spec.versions[0].version"}"#,
    printcolumn = r#"{"name":"AppVersion","type":"string","description":"The version of the application in it","jsonPath":".spec.versions[0].appVersion"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(default)]
pub struct ChartSpec {
    /// The versions, the newest first: the entries of the repository's index.
    #[serde(deserialize_with = "lenient::or_default")]
    #[schemars(schema_with = "entries")]
    pub versions: Vec<Value>,
    /// How many older versions are left out because one object cannot hold them all. They can be installed all the
    /// same.
    #[serde(deserialize_with = "lenient::known", skip_serializing_if = "Option::is_none")]
    pub omitted: Option<i64>,
}

fn entries(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "items": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
    })
}

//! Where values come from: inline, ConfigMaps and Secrets.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::api::lenient;
use crate::api::rules::rule;

/// The key that holds the values file unless the reference names another.
pub const DEFAULT_KEY: &str = "values.yaml";

/// One values file: a key of a ConfigMap or of a Secret in the request's namespace.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("x-kubernetes-validations" = rule("has(self.configMapKeyRef) != has(self.secretKeyRef)", "set exactly one of configMapKeyRef and secretKeyRef; use two items for both")))]
pub struct ValuesSource {
    /// A key of a ConfigMap.
    #[serde(deserialize_with = "lenient::filled", skip_serializing_if = "Option::is_none")]
    pub config_map_key_ref: Option<KeyReference>,
    /// A key of a Secret.
    #[serde(deserialize_with = "lenient::filled", skip_serializing_if = "Option::is_none")]
    pub secret_key_ref: Option<KeyReference>,
}

/// A key of a ConfigMap or Secret.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct KeyReference {
    /// The object's name.
    #[serde(deserialize_with = "lenient::or_default", skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The key with the values file. Default: values.yaml.
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Go on without it if the object or the key does not exist. Content that is no YAML is an error all the same.
    /// Default: false.
    #[serde(deserialize_with = "lenient::or_default", skip_serializing_if = "lenient::is_default")]
    pub optional: bool,
}

impl KeyReference {
    /// The key with the values file.
    pub fn key(&self) -> &str {
        self.key.as_deref().unwrap_or(DEFAULT_KEY)
    }
}

/// The schema of a map of anything, `null` included.
pub fn free_form(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "object", "nullable": true, "x-kubernetes-preserve-unknown-fields": true})
}

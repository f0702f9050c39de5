//! The values of a request: its sources in order, then what it says itself (Captain's `pkg/helm/values.go`).

use serde_json::{Map, Value};

use crate::api::helm_request::{KeyReference, ValuesSource};
use crate::api::{HelmRequest, Reason};
use crate::chart::merge_maps;
use crate::cluster::Cluster;
use crate::cluster::observe::SourceRead;
use crate::cluster::reference::{Keeper, Read, ReferenceError};
use crate::controller::failure::Failure;
use crate::controller::helm_request::secrets::Secrets;
use crate::value::Json;

/// What the sources of a request hold, and which states of them were read.
#[derive(Debug)]
pub struct Sources {
    /// What was read, missing objects included, so that their appearance is noticed.
    pub reads: Vec<SourceRead>,
    /// What they hold, or why it cannot be had.
    pub content: Result<Content, Failure>,
}

/// What the sources of a request hold.
#[derive(Debug, Default)]
pub struct Content {
    /// Merged, later sources over earlier ones.
    merged: Map<String, Json>,
    /// What came from Secrets.
    secrets: Secrets,
}

/// The values of a request.
#[derive(Clone, Debug)]
pub struct Values {
    /// What the chart is rendered with.
    pub merged: Json,
    /// What of it nobody may read in a message.
    pub secrets: Secrets,
}

/// Reads and merges the sources of a request; later ones win over earlier ones. A source that is missing and not
/// optional, or that is not a YAML map, is a failure; no value is in its message.
pub async fn read_sources(cluster: &Cluster, request: &HelmRequest) -> Sources {
    let namespace = request.metadata.namespace.as_deref().unwrap_or_default();
    let mut sources = Sources { reads: Vec::new(), content: Ok(Content::default()) };
    let mut content = Content::default();
    for (keeper, reference) in request.spec.values_from.iter().filter_map(reference) {
        let read = cluster.read_key(keeper, namespace, &reference.name, reference.key()).await;
        let version = read.as_ref().ok().map(|read| read.resource_version.as_str());
        sources.reads.push(SourceRead::new(keeper.key(namespace, &reference.name), version));
        match take(read, keeper, namespace, reference) {
            Ok(parsed) => content.add(keeper, parsed),
            Err(failure) => return Sources { content: Err(failure), ..sources },
        }
    }
    sources.content = Ok(content);
    sources
}

/// What the Secrets among the sources of a request hold, as far as it can still be read: for operations that need no
/// values, and yet may quote them.
pub async fn read_secrets(cluster: &Cluster, request: &HelmRequest) -> Secrets {
    let namespace = request.metadata.namespace.as_deref().unwrap_or_default();
    let mut secrets = Secrets::default();
    for (keeper, reference) in request.spec.values_from.iter().filter_map(reference) {
        if keeper != Keeper::Secret {
            continue;
        }
        let read = cluster.read_key(keeper, namespace, &reference.name, reference.key()).await;
        if let Some(values) = read.ok().and_then(|read| parse(&read.text).ok()) {
            values.values().for_each(|value| secrets.add(value));
        }
    }
    secrets
}

impl Content {
    fn add(&mut self, keeper: Keeper, values: Map<String, Json>) {
        if keeper == Keeper::Secret {
            values.values().for_each(|value| self.secrets.add(value));
        }
        merge_maps(&mut self.merged, values);
    }
}

/// The values of a request: those of its sources, and `spec.values` over them.
pub fn merged(request: &HelmRequest, content: Content) -> Values {
    let Content { merged: mut values, secrets } = content;
    if let Some(Value::Object(own)) = &request.spec.values {
        merge_maps(&mut values, own.iter().map(|(key, value)| (key.clone(), as_values(value))).collect());
    }
    Values { merged: Value::Object(values), secrets }
}

fn take(
    read: Result<Read, ReferenceError>,
    keeper: Keeper,
    namespace: &str,
    reference: &KeyReference,
) -> Result<Map<String, Json>, Failure> {
    let text = match read {
        Ok(read) => read.text,
        Err(ReferenceError::Absent { .. } | ReferenceError::NoKey { .. }) if reference.optional => String::new(),
        Err(error) => return Err(error.into()),
    };
    parse(&text).map_err(|error| {
        let place = format!("{} {namespace}/{} key {}", keeper.name(), reference.name, reference.key());
        let error = shown(keeper, &text, &error);
        Failure::new(Reason::ValuesInvalid, format!("{place} is not a YAML map: {error}; correct the values file"))
    })
}

/// What is wrong with a text, without quoting it where it is secret.
fn shown(keeper: Keeper, text: &str, error: &str) -> String {
    let mut secrets = Secrets::default();
    if keeper == Keeper::Secret {
        secrets.add_words(text);
    }
    secrets.conceal(error)
}

fn reference(source: &ValuesSource) -> Option<(Keeper, &KeyReference)> {
    let config_map = source.config_map_key_ref.as_ref().map(|reference| (Keeper::ConfigMap, reference));
    config_map.or_else(|| source.secret_key_ref.as_ref().map(|reference| (Keeper::Secret, reference)))
}

fn parse(text: &str) -> Result<Map<String, Json>, String> {
    match crate::yaml::parse(text) {
        Ok(Value::Null) => Ok(Map::new()),
        Ok(Value::Object(values)) => Ok(values),
        Ok(_) => Err("it holds a list or a scalar".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// Values as Helm reads them from a file: every number is a float64.
fn as_values(json: &Value) -> Json {
    match json {
        Value::Number(number) => number.as_f64().map_or_else(|| json.clone(), Value::from),
        Value::Array(items) => items.iter().map(as_values).collect(),
        Value::Object(entries) => entries.iter().map(|(key, value)| (key.clone(), as_values(value))).collect(),
        _ => json.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_become_floats_wherever_they_are() {
        assert_eq!(as_values(&json!({"a": [1, {"b": 2}], "c": "3"})), json!({"a": [1.0, {"b": 2.0}], "c": "3"}));
    }

    #[test]
    fn an_empty_values_file_is_no_values() {
        assert_eq!(parse("# nothing\n"), Ok(Map::new()));
        assert_eq!(parse("- a\n"), Err("it holds a list or a scalar".to_owned()));
    }
}

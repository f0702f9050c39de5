//! The definitions that teach the API server our kinds, derived from the types.
//!
//! Four things are done to what is derived. Every other served version gets the same schema. `nullable` stays only
//! where Captain had it: elsewhere the API server then drops a `null` instead of storing it, and CEL's `has` means
//! what it says. Defaults go, because the API server would write them into objects. And kinds without a status
//! subresource lose the one that the derive adds.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, CustomResourceDefinitionVersion, JSONSchemaProps, JSONSchemaPropsOrArray,
    JSONSchemaPropsOrBool, ValidationRule,
};
use kube::CustomResourceExt;
use std::collections::BTreeMap;

use super::{chart, chart_repo, cluster, helm_request, release, rules};

/// All definitions, in the order of their names.
pub fn definitions() -> Vec<CustomResourceDefinition> {
    vec![
        definition(chart::Chart::crd(), &["v1alpha1"], &[], false),
        definition(chart_repo::ChartRepo::crd(), &["v1alpha1"], &["secret", "source"], false),
        definition(cluster::Cluster::crd(), &[], &[], false),
        definition(
            with_rule(helm_request::HelmRequest::crd(), &rules::whole_request()),
            &["v1alpha1"],
            &["values"],
            true,
        ),
        definition(release::Release::crd(), &[], &[], false),
    ]
}

/// Fields of conditions that are nullable in every kind.
const NULLABLE_TIMES: [&str; 2] = ["lastProbeTime", "lastTransitionTime"];

fn definition(
    mut definition: CustomResourceDefinition,
    other_versions: &[&str],
    nullable: &[&str],
    status_subresource: bool,
) -> CustomResourceDefinition {
    for version in &mut definition.spec.versions {
        if !status_subresource {
            version.subresources = None;
        }
        if let Some(schema) = version.schema.as_mut().and_then(|schema| schema.open_api_v3_schema.as_mut()) {
            schema.title = None;
            for (name, property) in schema.properties.iter_mut().flatten() {
                restrict(name, property, nullable);
            }
        }
    }
    let others: Vec<_> = definition
        .spec
        .versions
        .iter()
        .flat_map(|stored| other_versions.iter().map(|name| also_served(stored, name)))
        .collect();
    definition.spec.versions.extend(others);
    definition
}

/// Adds a rule for the whole object; the derive has no place for it.
fn with_rule(mut definition: CustomResourceDefinition, rule: &ValidationRule) -> CustomResourceDefinition {
    for schema in definition.spec.versions.iter_mut().filter_map(|version| version.schema.as_mut()) {
        if let Some(whole) = schema.open_api_v3_schema.as_mut() {
            whole.x_kubernetes_validations.get_or_insert_default().push(rule.clone());
        }
    }
    definition
}

fn also_served(stored: &CustomResourceDefinitionVersion, name: &str) -> CustomResourceDefinitionVersion {
    CustomResourceDefinitionVersion { name: name.to_owned(), storage: false, ..stored.clone() }
}

/// Takes from a schema and all below it what the derive adds and we do not want.
fn restrict(name: &str, schema: &mut JSONSchemaProps, nullable: &[&str]) {
    schema.default = None;
    schema.title = None;
    schema.description = schema.description.take().map(|text| text.replace('\n', " "));
    if !nullable.contains(&name) && !NULLABLE_TIMES.contains(&name) {
        schema.nullable = None;
    }
    for (name, property) in schema.properties.iter_mut().flatten() {
        restrict(name, property, nullable);
    }
    match schema.items.as_mut() {
        Some(JSONSchemaPropsOrArray::Schema(items)) => restrict("", items, nullable),
        Some(JSONSchemaPropsOrArray::Schemas(items)) => {
            items.iter_mut().for_each(|items| restrict("", items, nullable));
        }
        None => {}
    }
    if let Some(JSONSchemaPropsOrBool::Schema(values)) = schema.additional_properties.as_mut() {
        restrict("", values, nullable);
    }
}

/// Why a definition could not be written as YAML.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// It is no JSON value.
    #[error("a definition is no JSON value: {0}")]
    Json(#[from] serde_json::Error),
    /// It is no YAML document.
    #[error("a definition is no YAML document: {0}")]
    Yaml(#[from] crate::yaml::EncodeError),
}

/// The files of `crds/`: name and YAML text.
pub fn files() -> Result<BTreeMap<String, String>, WriteError> {
    definitions()
        .into_iter()
        .map(|definition| {
            let name = format!("{}_{}.yaml", definition.spec.group, definition.spec.names.plural);
            let value = serde_json::to_value(&definition)?;
            Ok((name, crate::yaml::to_string(&value)?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn the_files_are_current() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("crds");
        for (name, text) in files().expect("definitions") {
            let file = std::fs::read_to_string(folder.join(&name)).unwrap_or_default();
            assert!(file == text, "crds/{name} is not current: run `cargo run --example crds`");
        }
    }

    #[test]
    fn all_served_versions_of_a_kind_have_one_schema_and_one_is_stored() {
        for definition in definitions() {
            let versions = &definition.spec.versions;
            assert!(versions.iter().all(|version| version.schema == versions[0].schema), "{definition:?}");
            assert_eq!(versions.iter().filter(|version| version.storage).count(), 1);
        }
    }

    #[test]
    fn captains_columns_come_first_and_ours_only_on_request() {
        let [_, _, _, request, _] = definitions().try_into().expect("five definitions");
        let columns = request.spec.versions[0].additional_printer_columns.clone().unwrap_or_default();
        let names: Vec<_> = columns.iter().map(|column| column.name.as_str()).collect();
        assert_eq!(names[..6], ["Chart", "Version", "Namespace", "AllCluster", "Phase", "Age"]);
        assert!(columns[6..].iter().all(|column| column.priority == Some(1)), "{names:?}");
    }

    #[test]
    fn nothing_is_defaulted_by_the_api_server() {
        for (name, text) in files().expect("definitions") {
            assert!(!text.contains(" default:"), "{name}");
        }
    }
}

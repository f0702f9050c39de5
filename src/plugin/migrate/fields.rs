//! Fields that our definitions do not have: the API server drops them at the next write of an object.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};

use crate::value::Json;

/// The paths in an object's spec that the definition of its kind does not have.
pub fn unknown(definition: &CustomResourceDefinition, spec: &Json) -> Vec<String> {
    let schema = definition.spec.versions.first().and_then(|version| version.schema.as_ref());
    let whole = schema.and_then(|schema| schema.open_api_v3_schema.as_ref());
    let of_spec = whole.and_then(|whole| whole.properties.as_ref()?.get("spec"));
    let mut found = Vec::new();
    if let Some(of_spec) = of_spec {
        look(of_spec, spec, "spec", &mut found);
    }
    found
}

fn look(schema: &JSONSchemaProps, value: &Json, path: &str, found: &mut Vec<String>) {
    if schema.x_kubernetes_preserve_unknown_fields == Some(true) {
        return;
    }
    match value {
        Json::Object(fields) => {
            for (name, value) in fields {
                let path = format!("{path}.{name}");
                let known = schema.properties.as_ref().and_then(|properties| properties.get(name));
                match (known, schema.additional_properties.as_ref()) {
                    (Some(schema), _) => look(schema, value, &path, found),
                    (None, Some(JSONSchemaPropsOrBool::Schema(schema))) => look(schema, value, &path, found),
                    (None, Some(JSONSchemaPropsOrBool::Bool(true))) => {}
                    (None, _) => found.push(path),
                }
            }
        }
        Json::Array(items) => {
            if let Some(JSONSchemaPropsOrArray::Schema(schema)) = &schema.items {
                let each = items.iter().enumerate();
                each.for_each(|(index, item)| look(schema, item, &format!("{path}[{index}]"), found));
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::helm_request::HelmRequest;
    use kube::CustomResourceExt;
    use serde_json::json;

    #[test]
    fn fields_that_would_be_dropped_are_found_at_any_depth_but_not_among_values() {
        let spec = json!({
            "chart": "a/b", "values": {"anything": {"goes": 1}}, "targetClusters": {"clusterNames": {}},
            "valuesFrom": [{"configMapKeyRef": {"name": "a", "key": "b", "colour": "red"}}],
        });
        let expected = ["spec.targetClusters", "spec.valuesFrom[0].configMapKeyRef.colour"];
        assert_eq!(unknown(&HelmRequest::crd(), &spec), expected);
    }
}

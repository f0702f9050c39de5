//! Accepting values by schemas of the plainest kind without compiling them. Most charts' schemas only say what types
//! values have; to compile one takes far longer than to follow it. What is not accepted here is left to the library,
//! which knows all keywords and has Helm's words.

use std::collections::BTreeSet;

use crate::value::Json;

/// The names of the newest draft, the only one that is known here.
const DRAFTS: [&str; 4] = [
    "http://json-schema.org/schema#",
    "https://json-schema.org/schema",
    "http://json-schema.org/draft/2020-12/schema",
    "https://json-schema.org/draft/2020-12/schema",
];

const TYPES: [&str; 7] = ["array", "boolean", "integer", "null", "number", "object", "string"];

/// Keywords of any draft that are not followed here. Other names mean nothing in a schema.
const UNKNOWN: [&str; 55] = [
    "$anchor",
    "$comment",
    "$defs",
    "$dynamicAnchor",
    "$dynamicRef",
    "$id",
    "$recursiveAnchor",
    "$recursiveRef",
    "$ref",
    "$schema",
    "$vocabulary",
    "additionalItems",
    "allOf",
    "anyOf",
    "const",
    "contains",
    "contentEncoding",
    "contentMediaType",
    "contentSchema",
    "definitions",
    "dependencies",
    "dependentRequired",
    "dependentSchemas",
    "deprecated",
    "else",
    "enum",
    "examples",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "format",
    "id",
    "if",
    "maxContains",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minContains",
    "minItems",
    "minLength",
    "minProperties",
    "minimum",
    "multipleOf",
    "not",
    "oneOf",
    "pattern",
    "patternProperties",
    "prefixItems",
    "propertyNames",
    "readOnly",
    "then",
    "unevaluatedItems",
    "unevaluatedProperties",
    "uniqueItems",
    "writeOnly",
];

/// Schemas that are nested deeper are not plain.
const MAX_DEPTH: usize = 100;

/// Whether a whole schema is valid and has no keyword but those that [`accepts`] follows.
pub fn is_plain(schema: &Json) -> bool {
    let Json::Object(keywords) = schema else { return false };
    keywords.iter().all(|(keyword, value)| match keyword.as_str() {
        "$schema" => value.as_str().is_some_and(|draft| DRAFTS.contains(&draft)),
        _ => is_plain_keyword(keyword, value, MAX_DEPTH),
    })
}

fn is_plain_keyword(keyword: &str, value: &Json, depth: usize) -> bool {
    match keyword {
        "title" | "description" => value.is_string(),
        "default" => true,
        "type" => match value {
            Json::Array(names) => {
                !names.is_empty() && names.iter().all(is_type) && are_unique(names.iter().filter_map(Json::as_str))
            }
            name => is_type(name),
        },
        "required" => value.as_array().is_some_and(|names| {
            names.iter().all(Json::is_string) && are_unique(names.iter().filter_map(Json::as_str))
        }),
        "properties" => {
            value.as_object().is_some_and(|schemas| schemas.values().all(|schema| is_plain_inner(schema, depth)))
        }
        "items" | "additionalProperties" => is_plain_inner(value, depth),
        other => !UNKNOWN.contains(&other),
    }
}

fn is_plain_inner(schema: &Json, depth: usize) -> bool {
    let Some(depth) = depth.checked_sub(1) else { return false };
    match schema {
        Json::Bool(_) => true,
        Json::Object(keywords) => keywords.iter().all(|(keyword, value)| is_plain_keyword(keyword, value, depth)),
        _ => false,
    }
}

fn is_type(name: &Json) -> bool {
    name.as_str().is_some_and(|name| TYPES.contains(&name))
}

fn are_unique<'a>(mut names: impl Iterator<Item = &'a str>) -> bool {
    let mut known = BTreeSet::new();
    names.all(|name| known.insert(name))
}

/// Whether a value certainly satisfies a schema that [is plain](is_plain).
pub fn accepts(schema: &Json, value: &Json) -> bool {
    let Json::Object(keywords) = schema else { return *schema == Json::Bool(true) };
    let properties = keywords.get("properties").and_then(Json::as_object);
    keywords.iter().all(|(keyword, wanted)| match (keyword.as_str(), value) {
        ("type", _) => match wanted {
            Json::Array(names) => names.iter().any(|name| has_type(value, name)),
            name => has_type(value, name),
        },
        ("required", Json::Object(members)) => {
            wanted.as_array().into_iter().flatten().filter_map(Json::as_str).all(|name| members.contains_key(name))
        }
        ("properties", Json::Object(members)) => properties
            .into_iter()
            .flatten()
            .all(|(name, schema)| members.get(name).is_none_or(|member| accepts(schema, member))),
        ("additionalProperties", Json::Object(members)) => members
            .iter()
            .filter(|(name, _)| properties.is_none_or(|properties| !properties.contains_key(*name)))
            .all(|(_, member)| accepts(wanted, member)),
        ("items", Json::Array(items)) => items.iter().all(|item| accepts(wanted, item)),
        _ => true,
    })
}

fn has_type(value: &Json, name: &Json) -> bool {
    match (name.as_str(), value) {
        (Some("array"), Json::Array(_))
        | (Some("boolean"), Json::Bool(_))
        | (Some("null"), Json::Null)
        | (Some("number"), Json::Number(_))
        | (Some("object"), Json::Object(_))
        | (Some("string"), Json::String(_)) => true,
        (Some("integer"), Json::Number(number)) => number.as_f64().is_some_and(|number| number.fract() == 0.0),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_schemas_without_unknown_keywords_are_plain() {
        let plain = json!({
            "$schema": "http://json-schema.org/schema#", "title": "t", "type": "object", "form": true,
            "properties": {"a": {"type": ["string", "null"]}, "b": {"type": "array", "items": {"type": "number"}}},
            "required": ["a"], "additionalProperties": false,
        });
        assert!(is_plain(&plain));
        let others = [
            json!(true),
            json!({"$schema": "http://json-schema.org/draft-04/schema#"}),
            json!({"type": "text"}),
            json!({"type": []}),
            json!({"type": ["string", "string"]}),
            json!({"title": 1}),
            json!({"required": true}),
            json!({"required": ["a", "a"]}),
            json!({"items": [{}]}),
            json!({"properties": {"a": {"pattern": "x"}}}),
            json!({"properties": {"a": {"$schema": "http://json-schema.org/schema#"}}}),
            json!({"unevaluatedProperties": false}),
        ];
        for schema in others {
            assert!(!is_plain(&schema), "{schema}");
        }
    }

    #[test]
    fn what_is_accepted_is_accepted_by_the_library_too() {
        let schema = json!({
            "type": "object", "required": ["a"], "properties": {"a": {"type": "integer"}, "l": {"items": {"type": "string"}}},
            "additionalProperties": {"type": ["boolean", "null"]},
        });
        let table = [
            (json!({"a": 1.0}), true),
            (json!({"a": 2, "l": ["x"], "m": null, "n": true}), true),
            (json!({"a": 1.5}), false),
            (json!({"a": "1"}), false),
            (json!({"l": []}), false),
            (json!({"a": 1, "l": [1]}), false),
            (json!({"a": 1, "m": "x"}), false),
            (json!([]), false),
        ];
        assert!(is_plain(&schema));
        let compiled = super::super::compile(schema.clone()).expect("a schema");
        for (values, accepted) in table {
            assert_eq!(accepts(&schema, &values), accepted, "{values}");
            assert_eq!(compiled.validate(&values).is_ok(), accepted, "{values}");
        }
    }
}

//! How often a schema makes one value be checked. A schema of a few lines whose parts refer to each other twice, level
//! by level, would be checked without end, and the library that checks has no limit of its own.

use std::collections::HashMap;

use crate::value::Json;

/// The most checks of one value, and of those in it along one path. Real schemas need less than a thousand.
pub const MAX_CHECKS: u64 = 100_000;

/// Keywords with one schema for the value itself.
const SAME: &[&str] = &["not", "if", "then", "else"];
/// Keywords with a list of schemas for the value itself.
const SAME_LISTS: &[&str] = &["allOf", "anyOf", "oneOf"];
/// Keywords with named schemas for the value itself.
const SAME_TABLES: &[&str] = &["dependentSchemas", "dependencies"];
/// Keywords with references to a schema for the value itself.
const REFERENCES: &[&str] = &["$ref", "$dynamicRef", "$recursiveRef"];
/// Keywords with one schema for each value inside.
const INNER: &[&str] = &[
    "additionalProperties",
    "additionalItems",
    "items",
    "contains",
    "propertyNames",
    "unevaluatedProperties",
    "unevaluatedItems",
];

/// How often a value of this depth is checked; no more than just over [`MAX_CHECKS`].
pub fn checks(schema: &Json, depth: usize) -> u64 {
    let mut anchors = HashMap::new();
    collect_anchors(schema, &mut anchors);
    Count { root: schema, anchors, known: HashMap::new() }.of(schema, depth)
}

/// How deep a value is.
pub fn depth(value: &Json) -> usize {
    match value {
        Json::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Json::Object(entries) => 1 + entries.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

struct Count<'s> {
    root: &'s Json,
    anchors: HashMap<&'s str, &'s Json>,
    /// By the address of a schema and the depth that is left; one that is being counted counts as one.
    known: HashMap<(usize, usize), u64>,
}

impl<'s> Count<'s> {
    fn of(&mut self, schema: &'s Json, depth: usize) -> u64 {
        let Json::Object(keywords) = schema else { return 1 };
        let key = (std::ptr::from_ref(schema).addr(), depth);
        if let Some(known) = self.known.get(&key) {
            return *known;
        }
        self.known.insert(key, 1);
        let mut checks: u64 = 1;
        for (keyword, value) in keywords {
            checks = checks.saturating_add(self.keyword(keyword, value, depth)).min(MAX_CHECKS + 1);
        }
        if let Some(depth) = depth.checked_sub(1) {
            let named = keywords.get("properties").and_then(Json::as_object);
            let most = named.into_iter().flatten().map(|(_, inner)| self.of(inner, depth)).max();
            checks = checks.saturating_add(most.unwrap_or(0));
        }
        let checks = checks.min(MAX_CHECKS + 1);
        self.known.insert(key, checks);
        checks
    }

    fn keyword(&mut self, keyword: &str, value: &'s Json, depth: usize) -> u64 {
        let inner = depth.checked_sub(1);
        match (keyword, value) {
            (_, Json::String(reference)) if REFERENCES.contains(&keyword) => {
                self.target(reference).map_or(1, |target| self.of(target, depth))
            }
            (_, Json::Object(_)) if SAME.contains(&keyword) => self.of(value, depth),
            (_, Json::Array(list)) if SAME_LISTS.contains(&keyword) => self.sum(list.iter(), depth),
            (_, Json::Object(table)) if SAME_TABLES.contains(&keyword) => self.sum(table.values(), depth),
            ("patternProperties", Json::Object(table)) => inner.map_or(0, |depth| self.sum(table.values(), depth)),
            (_, Json::Object(_)) if INNER.contains(&keyword) => inner.map_or(0, |depth| self.of(value, depth)),
            _ => 0,
        }
    }

    fn sum(&mut self, schemas: impl Iterator<Item = &'s Json>, depth: usize) -> u64 {
        schemas.fold(0, |sum: u64, schema| sum.saturating_add(self.of(schema, depth)).min(MAX_CHECKS + 1))
    }

    /// What a reference within the schema leads to.
    fn target(&self, reference: &str) -> Option<&'s Json> {
        let fragment = reference.split_once('#').map_or("", |(_, fragment)| fragment);
        if fragment.is_empty() || fragment.starts_with('/') {
            return self.root.pointer(fragment);
        }
        self.anchors.get(fragment).copied()
    }
}

fn collect_anchors<'s>(schema: &'s Json, anchors: &mut HashMap<&'s str, &'s Json>) {
    match schema {
        Json::Array(items) => items.iter().for_each(|item| collect_anchors(item, anchors)),
        Json::Object(keywords) => {
            for name in ["$anchor", "$dynamicAnchor", "$id", "id"] {
                if let Some(name) = keywords.get(name).and_then(Json::as_str) {
                    anchors.insert(name.trim_start_matches('#'), schema);
                }
            }
            keywords.values().for_each(|value| collect_anchors(value, anchors));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_referred_to_twice_is_checked_twice() {
        let leaf = json!({"type": "string"});
        let schema = json!({
            "definitions": {"a": leaf, "b": {"allOf": [{"$ref": "#/definitions/a"}, {"$ref": "#/definitions/a"}]}},
            "anyOf": [{"$ref": "#/definitions/b"}, {"$ref": "#/definitions/b"}],
        });
        assert_eq!(checks(&schema, 0), 1 + 2 * (1 + 1 + 2 * 2));
    }

    #[test]
    fn doubling_is_noticed_at_one_value_and_from_level_to_level() {
        let definitions: serde_json::Map<String, Json> = (0..60)
            .map(|n| {
                let next = json!({"$ref": format!("#/$defs/a{}", n + 1)});
                (format!("a{n}"), json!({"oneOf": [next, next]}))
            })
            .collect();
        let schema = json!({"$defs": definitions, "$ref": "#/$defs/a0"});
        assert!(checks(&schema, 0) > MAX_CHECKS);
        let recursive = json!({"additionalProperties": {"allOf": [{"$ref": "#"}, {"$ref": "#"}]}});
        assert!(checks(&recursive, 3) < 100);
        assert!(checks(&recursive, 60) > MAX_CHECKS);
    }

    #[test]
    fn a_recursive_schema_of_many_properties_is_no_doubling() {
        let properties: serde_json::Map<String, Json> =
            (0..50).map(|n| (format!("p{n}"), json!({"$ref": "#"}))).collect();
        assert!(checks(&json!({"properties": properties, "not": {"$ref": "#"}}), 30) < 1_000);
    }
}

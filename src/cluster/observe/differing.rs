//! What an object in the cluster has otherwise than its manifest says, and who wrote it so: for people who compare.
//!
//! The operator itself never compares values, it watches whose the fields are. A comparison needs nothing but the two
//! objects, so it also tells of fields that an older Helm applied. What the cluster added is no difference.

use serde_json::Map;

use super::mutated::is_same;
use super::ownership::{Writer, other_writers};
use super::path::{FieldPath, Step};
use crate::cluster::migrate::applied_fields;
use crate::value::Json;

/// The member by which items of lists belong together where nobody says another.
const NAME: &str = "name";

/// A field that is not as the manifest says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Differing {
    /// The field.
    pub path: FieldPath,
    /// Who owns it beside us; nobody where it was removed, or changed within our own write by admission.
    pub by: Option<Writer>,
}

/// The fields of a manifest's object that are otherwise in the cluster.
pub fn differing(recorded: &Json, live: &Json) -> Vec<Differing> {
    let fields = applied_fields(live);
    let mut comparison = Comparison { path: Vec::new(), found: Vec::new() };
    for (name, value) in recorded.as_object().into_iter().flatten().filter(|(name, _)| *name != "status") {
        let own = fields.and_then(|fields| fields.get(format!("f:{name}")));
        comparison.at(Step::Field(name.clone()), |comparison| comparison.compare(value, live.get(name), own));
    }
    let writers = other_writers(live);
    let by = |path: &FieldPath| writers.iter().find(|(_, fields)| fields.contains(path)).map(|(writer, _)| writer);
    comparison.found.into_iter().map(|path| Differing { by: by(&path).cloned(), path }).collect()
}

struct Comparison {
    path: Vec<Step>,
    found: Vec<FieldPath>,
}

impl Comparison {
    fn at(&mut self, step: Step, compare: impl FnOnce(&mut Self)) {
        self.path.push(step);
        compare(self);
        self.path.pop();
    }

    /// `fields` are those of our entry of `managedFields` at this place.
    fn compare(&mut self, recorded: &Json, live: Option<&Json>, fields: Option<&Json>) {
        if recorded.is_null() || is_same(recorded, live) {
            return;
        }
        match (recorded, live) {
            (Json::Object(recorded), Some(Json::Object(live))) => {
                for (name, value) in recorded {
                    let own = fields.and_then(|fields| fields.get(format!("f:{name}")));
                    self.at(Step::Field(name.clone()), |below| below.compare(value, live.get(name), own));
                }
            }
            (Json::Array(recorded), Some(Json::Array(live))) => self.compare_items(recorded, live, fields),
            _ => self.found.push(FieldPath::new(self.path.clone())),
        }
    }

    fn compare_items(&mut self, recorded: &[Json], live: &[Json], fields: Option<&Json>) {
        let keys = keys(fields);
        let steps: Option<Vec<Step>> = recorded.iter().map(|item| step(item, &keys)).collect();
        match steps {
            Some(steps) => {
                for (item, step) in recorded.iter().zip(steps) {
                    let same = live.iter().find(|live| step.holds(live));
                    let own = fields.and_then(|fields| fields_of(fields, item));
                    self.at(step, |below| below.compare(item, same, own));
                }
            }
            None if recorded.len() == live.len() => {
                for (index, (item, live)) in recorded.iter().zip(live).enumerate() {
                    self.at(Step::Index(index), |below| below.compare(item, Some(live), None));
                }
            }
            None => self.found.push(FieldPath::new(self.path.clone())),
        }
    }
}

/// The members that tell items of a list apart, as our entry of `managedFields` has them.
fn keys(fields: Option<&Json>) -> Vec<String> {
    let items = fields.and_then(Json::as_object).into_iter().flat_map(Map::keys);
    let first = items.filter_map(|key| serde_json::from_str::<Map<String, Json>>(key.strip_prefix("k:")?).ok()).next();
    first.map_or_else(|| vec![NAME.to_owned()], |keys| keys.into_iter().map(|(name, _)| name).collect())
}

/// How an item is named; what it leaves to a default does not count. Nothing where it has none of the keys.
fn step(item: &Json, keys: &[String]) -> Option<Step> {
    let named: Vec<_> = keys.iter().filter_map(|key| Some((key.clone(), item.get(key)?.to_string()))).collect();
    (!named.is_empty()).then_some(Step::Item(named))
}

/// Our fields of an item.
fn fields_of<'a>(fields: &'a Json, item: &Json) -> Option<&'a Json> {
    let is_of = |key: &str| {
        let keys: Option<Map<String, Json>> = key.strip_prefix("k:").and_then(|text| serde_json::from_str(text).ok());
        keys.is_some_and(|keys| keys.iter().all(|(name, value)| item.get(name).is_none_or(|own| own == value)))
    };
    fields.as_object()?.iter().find(|(key, _)| is_of(key)).map(|(_, below)| below)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn texts(recorded: &Json, live: &Json) -> Vec<String> {
        let text = |found: Differing| match found.by {
            Some(writer) => format!("{} by {writer}", found.path),
            None => found.path.to_string(),
        };
        differing(recorded, live).into_iter().map(text).collect()
    }

    #[test]
    fn what_another_wrote_is_found_with_the_writer_and_what_the_cluster_added_is_not() {
        let recorded = json!({"metadata": {"name": "web", "labels": {"a": "1"}}, "status": {"x": 1}, "spec": {
            "replicas": 2, "ports": [{"port": 80}, {"port": 443}], "none": null,
            "containers": [{"name": "app", "image": "web:1", "resources": {"limits": {"cpu": "1000m"}}, "args": ["x"]}],
        }});
        let live = json!({"metadata": {"name": "web", "labels": {"a": "1", "b": "2"}, "managedFields": [
            {"manager": "helm", "operation": "Apply", "fieldsV1": {"f:spec": {"f:ports": {
                "k:{\"port\":80,\"protocol\":\"TCP\"}": {".": {}}, "k:{\"port\":443,\"protocol\":\"TCP\"}": {".": {}}}}}},
            {"manager": "kubectl", "operation": "Update", "subresource": "scale",
             "fieldsV1": {"f:spec": {"f:replicas": {}}}},
        ]}, "spec": {
            "replicas": 0, "ports": [{"port": 443, "protocol": "TCP"}, {"port": 80, "protocol": "TCP"}],
            "containers": [{"name": "injected"}, {"name": "app", "image": "web:2",
                            "resources": {"limits": {"cpu": "1"}}, "args": ["x", "y"]}],
        }});
        let expected = [
            ".spec.containers[name=app].args",
            ".spec.containers[name=app].image",
            ".spec.replicas by kubectl (subresource scale)",
        ];
        let mut found = texts(&recorded, &live);
        found.sort();
        assert_eq!(found, expected);
    }

    #[test]
    fn what_is_gone_is_told_as_a_whole() {
        let recorded = json!({"data": {"a": "1"}, "items": [{"name": "x", "v": 1}, {"name": "y"}]});
        let live = json!({"items": [{"name": "y"}]});
        let mut found = texts(&recorded, &live);
        found.sort();
        assert_eq!(found, [".data", ".items[name=x]"]);
    }

    #[test]
    fn items_without_keys_are_compared_by_place_or_as_a_whole() {
        assert_eq!(texts(&json!({"l": [1, 2]}), &json!({"l": [1, 3]})), [".l[1]"]);
        assert_eq!(texts(&json!({"l": [1, 2]}), &json!({"l": [1]})), [".l"]);
    }
}

//! Where pods are in objects: in pods themselves, in the templates of workloads, and wherever a custom kind has one.

use crate::value::Json;

/// The lists of containers in a pod's spec.
pub const CONTAINERS: [&str; 3] = ["containers", "initContainers", "ephemeralContainers"];

/// Calls a function for the spec of every pod in an object: each map that has a list of containers. The definition of a
/// custom kind has none, there such a map is a schema.
pub fn for_each_pod(object: &mut Json, change: &mut dyn FnMut(&mut Json)) {
    if object.get("kind").and_then(Json::as_str) != Some("CustomResourceDefinition") {
        walk(object, change);
    }
}

fn walk(json: &mut Json, change: &mut dyn FnMut(&mut Json)) {
    if CONTAINERS.iter().any(|list| json.get(list).is_some_and(Json::is_array)) {
        change(json);
    }
    match json {
        Json::Object(members) => members.values_mut().for_each(|member| walk(member, change)),
        Json::Array(items) => items.iter_mut().for_each(|item| walk(item, change)),
        _ => {}
    }
}

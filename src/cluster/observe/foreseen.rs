//! Which fields of an object will be ours once it is applied, foreseen from what is sent and from how the writers of the
//! live object have its fields: so it can be told what a repair is about before it is made.
//!
//! It is mostly exact, and never relied upon: the reply to the apply tells. What the API server does not take from an
//! apply (identity, status) is left out; whether a list has items of their own, and by which keys, its present writers
//! show.

use serde_json::{Map, json};

use crate::cluster::left::LeftField;
use crate::cluster::migrate::entries;
use crate::value::Json;

/// What of `metadata` an apply sets.
const METADATA: [&str; 4] = ["annotations", "finalizers", "labels", "ownerReferences"];

/// The `fieldsV1` of our entry as it should be after what is declared is applied over the live object, but for the fields
/// that are left to others.
pub fn foreseen(declared: &Json, left: &[LeftField], live: &Json) -> Json {
    let places: Vec<&Json> = entries(live).filter_map(|entry| entry.get("fieldsV1")).collect();
    let mut sent = declared.clone();
    if let Some(members) = sent.as_object_mut() {
        members.retain(|name, _| !["apiVersion", "kind", "status"].contains(&name.as_str()));
    }
    if let Some(metadata) = sent.get_mut("metadata").and_then(Json::as_object_mut) {
        metadata.retain(|name, value| METADATA.contains(&name.as_str()) && !value.is_null());
    }
    let mut fields = fields_of(&sent, &places);
    left.iter().for_each(|left| left.let_go(&mut fields, declared));
    fields
}

/// The set of a value; `places` is what each writer has at this place.
fn fields_of(sent: &Json, places: &[&Json]) -> Json {
    let is_whole = !places.is_empty() && places.iter().all(|place| place.as_object().is_some_and(Map::is_empty));
    match sent {
        Json::Object(members) if !is_whole => {
            let set = members.iter().filter(|(_, value)| !value.is_null());
            Json::Object(set.map(|(name, value)| member(&format!("f:{name}"), value, places)).collect())
        }
        Json::Array(items) => items_of(items, places),
        _ => json!({}),
    }
}

fn member(key: &str, value: &Json, places: &[&Json]) -> (String, Json) {
    (key.to_owned(), fields_of(value, &below(places, key)))
}

fn below<'a>(places: &[&'a Json], key: &str) -> Vec<&'a Json> {
    places.iter().filter_map(|place| place.get(key)).collect()
}

/// The set of a list: of its items where the writers have them one by one, else of the list as a whole.
fn items_of(items: &[Json], places: &[&Json]) -> Json {
    let known = || places.iter().filter_map(|place| place.as_object()).flat_map(Map::keys);
    let keys: Vec<Map<String, Json>> =
        known().filter_map(|key| serde_json::from_str(key.strip_prefix("k:")?).ok()).collect();
    if let Some(names) = keys.first() {
        let names: Vec<&String> = names.keys().collect();
        return Json::Object(items.iter().map(|item| keyed_item(item, &names, &keys, places)).collect());
    }
    if known().any(|key| key.starts_with("v:")) {
        return Json::Object(items.iter().map(|item| (format!("v:{item}"), json!({}))).collect());
    }
    json!({})
}

/// An item that is found by its keys. Of a key that is not sent, the value is what it defaults to for others like it.
fn keyed_item(item: &Json, names: &[&String], keys: &[Map<String, Json>], places: &[&Json]) -> (String, Json) {
    let fits = |key: &&Map<String, Json>| {
        names.iter().all(|name| item.get(*name).is_none_or(|own| key.get(*name) == Some(own)))
    };
    let alike = keys.iter().find(fits).or_else(|| keys.first());
    let value = |name: &String| item.get(name).or_else(|| alike?.get(name)).cloned();
    let key: Map<String, Json> = names.iter().filter_map(|name| Some(((*name).clone(), value(name)?))).collect();
    let (key, mut fields) = member(&format!("k:{}", Json::Object(key)), item, places);
    fields["."] = json!({});
    (key, fields)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::observe::cause;

    fn helm(fields: &Json) -> Json {
        json!({"manager": "helm", "operation": "Apply", "fieldsV1": fields})
    }

    fn declared() -> Json {
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "status": {"replicas": 0},
            "metadata": {"name": "web", "namespace": "demo", "labels": {"app": "web", "team": "red"}, "creationTimestamp": null},
            "spec": {
                "replicas": 2, "paused": null, "selector": {"matchLabels": {"app": "web"}}, "finalizers": ["a", "b"],
                "containers": [{"name": "app", "image": "web:1", "args": ["x"]}, {"name": "side"}],
                "ports": [{"port": 80, "name": "http"}],
            },
        })
    }

    /// As the API server has it after an apply of all that.
    fn owned() -> Json {
        json!({
            "f:metadata": {"f:labels": {"f:app": {}, "f:team": {}}},
            "f:spec": {
                "f:replicas": {}, "f:selector": {}, "f:finalizers": {"v:\"a\"": {}, "v:\"b\"": {}},
                "f:containers": {
                    "k:{\"name\":\"app\"}": {".": {}, "f:name": {}, "f:image": {}, "f:args": {}},
                    "k:{\"name\":\"side\"}": {".": {}, "f:name": {}},
                },
                "f:ports": {"k:{\"port\":80,\"protocol\":\"TCP\"}": {".": {}, "f:port": {}, "f:name": {}}},
            },
        })
    }

    #[test]
    fn what_is_untouched_is_foreseen_as_it_is() {
        let live = json!({"metadata": {"managedFields": [helm(&owned())]}});
        assert_eq!(foreseen(&declared(), &[], &live), owned());
        assert_eq!(foreseen(&declared(), &[LeftField::replicas()], &live).pointer("/f:spec/f:replicas"), None);
    }

    #[test]
    fn what_others_took_or_removed_is_told_as_after_the_repair() {
        let gone = |pointers: &[(&str, &str)]| {
            let mut ours = owned();
            for (parent, name) in pointers {
                ours.pointer_mut(parent).and_then(Json::as_object_mut).expect(parent).remove(*name);
            }
            ours
        };
        let scaled = json!({"manager": "kubectl", "operation": "Update", "subresource": "scale",
            "fieldsV1": {"f:spec": {"f:replicas": {}}}});
        let table = [
            (
                vec![helm(&gone(&[("/f:spec", "f:replicas")])), scaled],
                ".spec.replicas changed by kubectl (subresource scale)",
            ),
            (vec![helm(&gone(&[("/f:metadata/f:labels", "f:team")]))], ".metadata.labels.team removed"),
            (
                vec![helm(&gone(&[("/f:spec/f:containers", "k:{\"name\":\"side\"}")]))],
                ".spec.containers[name=side] removed",
            ),
            (vec![helm(&gone(&[("/f:spec/f:finalizers", "v:\"b\"")]))], ".spec.finalizers[=\"b\"] removed"),
            (vec![helm(&gone(&[("/f:spec", "f:ports")]))], ".spec.ports removed"),
        ];
        for (entries, expected) in table {
            let live = json!({"metadata": {"managedFields": entries}});
            let taken = cause(&live, &foreseen(&declared(), &[], &live));
            assert_eq!(taken.iter().map(ToString::to_string).collect::<Vec<_>>(), [expected]);
        }
    }
}

//! What the cluster made of fields that we applied, within our own write.
//!
//! A mutating webhook or policy runs after the API server has noted whose the fields are, so what it changes stays in
//! our entry of `managedFields` (`k8s.io/apiserver/pkg/endpoints/handlers/patch.go`): it is no drift, and applying again
//! gives the same. It is found by comparing the values of the fields that we own with those that were sent. What the
//! API server only writes otherwise (`1000m` as `1`, an empty list left out) is no change.

use super::ownership::paths;
use super::path::FieldPath;
use crate::cluster::migrate::applied_fields;
use crate::value::Json;

/// The fields of ours that are not as they were sent in the reply to our own apply.
pub fn mutated(sent: &Json, reply: &Json) -> Vec<FieldPath> {
    let Some(owned) = applied_fields(reply) else { return Vec::new() };
    let differs = |path: &FieldPath| match (path.of(sent), path.of(reply)) {
        (None, _) => false,
        (Some(sent), live) => !is_same(sent, live),
    };
    let found: Vec<FieldPath> = paths(owned).into_iter().filter(|path| !is_status(path) && differs(path)).collect();
    // What is gone is told as a whole, what is there by its members.
    let is_gone = |path: &FieldPath| path.of(reply).is_none();
    let is_told_by = |path: &FieldPath, other: &FieldPath| {
        path.is_below(other) && is_gone(other) || other.is_below(path) && !is_gone(path)
    };
    found.iter().filter(|path| !found.iter().any(|other| is_told_by(path, other))).cloned().collect()
}

/// The status is written by others, through its subresource.
fn is_status(path: &FieldPath) -> bool {
    path.pointer().is_some_and(|pointer| pointer == "/status" || pointer.starts_with("/status/"))
}

/// Whether a value is what was sent; the cluster may have added members.
pub(super) fn is_same(sent: &Json, live: Option<&Json>) -> bool {
    let Some(live) = live else { return is_empty(sent) };
    match (sent, live) {
        (Json::Object(sent), Json::Object(_)) => sent.iter().all(|(name, value)| is_same(value, live.get(name))),
        (Json::Array(sent), Json::Array(live)) => {
            sent.len() == live.len() && sent.iter().zip(live).all(|(sent, live)| is_same(sent, Some(live)))
        }
        _ => sent == live || is_same_number(sent, live) || is_same_text(sent, live) || is_empty(sent) && is_empty(live),
    }
}

/// What typed kinds leave out.
fn is_empty(value: &Json) -> bool {
    match value {
        Json::Null => true,
        Json::Bool(value) => !value,
        Json::Number(value) => value.as_f64() == Some(0.0),
        Json::String(text) => text.is_empty(),
        Json::Array(items) => items.is_empty(),
        Json::Object(members) => members.values().all(is_empty),
    }
}

/// Base64 may be sent in lines.
fn is_same_text(sent: &Json, live: &Json) -> bool {
    let dense = |text: &str| text.split_ascii_whitespace().collect::<String>();
    matches!((sent.as_str(), live.as_str()), (Some(sent), Some(live)) if dense(sent) == dense(live))
}

fn is_same_number(sent: &Json, live: &Json) -> bool {
    let number = |value: &Json| match value {
        Json::Number(number) => number.as_f64(),
        Json::String(text) => quantity(text),
        _ => None,
    };
    // Both are exact or rounded alike, but for the last digits.
    matches!((number(sent), number(live)), (Some(sent), Some(live)) if (sent - live).abs() <= sent.abs() * 1e-9)
}

/// A quantity as a number (`k8s.io/apimachinery/pkg/api/resource`).
fn quantity(text: &str) -> Option<f64> {
    let end = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let scale = match suffix {
        "" => 1.0,
        "n" => 1e-9,
        "u" => 1e-6,
        "m" => 1e-3,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "P" => 1e15,
        "E" => 1e18,
        "Ki" => f64::from(1 << 10),
        "Mi" => f64::from(1 << 20),
        "Gi" => f64::from(1 << 30),
        "Ti" => 1024_f64.powi(4),
        "Pi" => 1024_f64.powi(5),
        "Ei" => 1024_f64.powi(6),
        _ => return text.parse().ok(),
    };
    number.parse::<f64>().ok().map(|number| number * scale)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A reply with an entry of ours.
    fn reply(mut object: Json, owned: &Json) -> Json {
        object["metadata"] = json!({"managedFields": [{"manager": "helm", "operation": "Apply", "fieldsV1": owned}]});
        object
    }

    #[test]
    fn what_admission_changed_removed_or_replaced_is_found_and_nothing_else() {
        let sent = json!({"spec": {"replicas": 2, "names": ["a", "b"], "quiet": false, "containers": [
            {"name": "app", "image": "web:1", "resources": {"limits": {"cpu": "1000m", "memory": 1024}}},
            {"name": "side", "image": "side:1", "args": ["x"]},
        ]}, "data": {"k": "YQ==\nYg=="}, "status": {"phase": "x"}});
        let owned = json!({
            "f:spec": {"f:replicas": {}, "f:quiet": {}, "f:names": {"v:\"a\"": {}, "v:\"b\"": {}}, "f:containers": {
                "k:{\"name\":\"app\"}": {".": {}, "f:name": {}, "f:image": {},
                    "f:resources": {"f:limits": {"f:cpu": {}, "f:memory": {}}}},
                "k:{\"name\":\"side\"}": {".": {}, "f:name": {}, "f:image": {}, "f:args": {}},
            }},
            "f:data": {"f:k": {}}, "f:status": {"f:phase": {}},
        });
        let same = json!({"spec": {"replicas": 2, "names": ["b", "a"], "containers": [
            {"name": "injected", "image": "mesh:1"},
            {"name": "app", "image": "web:1", "resources": {"limits": {"cpu": "1", "memory": "1Ki"}}},
            {"name": "side", "image": "side:1", "args": ["x"], "imagePullPolicy": "Always"},
        ]}, "data": {"k": "YQ==Yg=="}});
        assert_eq!(mutated(&sent, &reply(same.clone(), &owned)), []);
        let table = [
            ("/spec/replicas", json!(3), vec![".spec.replicas"]),
            ("/spec/names", json!(["a"]), vec![".spec.names[=\"b\"]"]),
            ("/spec/containers/1/image", json!("mirror/web:1"), vec![".spec.containers[name=app].image"]),
            (
                "/spec/containers/1/resources/limits/cpu",
                json!("2"),
                vec![".spec.containers[name=app].resources.limits.cpu"],
            ),
            ("/spec/containers/2/args", json!(["x", "y"]), vec![".spec.containers[name=side].args"]),
            ("/spec/containers/2/name", json!("other"), vec![".spec.containers[name=side]"]),
            ("/data/k", json!("Yw=="), vec![".data.k"]),
        ];
        for (pointer, value, expected) in table {
            let mut live = same.clone();
            *live.pointer_mut(pointer).expect(pointer) = value;
            let found: Vec<String> = mutated(&sent, &reply(live, &owned)).iter().map(ToString::to_string).collect();
            assert_eq!(found, expected, "{pointer}");
        }
    }

    #[test]
    fn quantities_are_the_same_in_every_form() {
        for (one, other) in [("0.5", "500m"), ("1024Mi", "1Gi"), ("1e3", "1k"), ("2000u", "2m"), ("1.5Gi", "1536Mi")] {
            assert!(is_same_number(&json!(one), &json!(other)), "{one} {other}");
        }
        assert!(!is_same_number(&json!("1Gi"), &json!("1G")));
        assert!(!is_same_number(&json!("web:1"), &json!("web:1")));
    }
}

//! How an object may be changed once it exists: what its annotations say, and what its kind allows.
//!
//! Most changes are made in place. Some fields are fixed at creation, and then the only way is to delete the object and
//! to make it anew, which happens only where the chart or the request asks for it. The names of Spinnaker
//! (`strategy.spinnaker.io/…`) mean the same as our own.

use super::left::LeftField;
use super::object::{Object, ObjectKey};
use crate::value::Json;

/// The annotations that let an object be replaced where a change is refused. Of each pair the first that is set counts.
const REPLACE: [&str; 2] = ["coxswain.dev/replace", "strategy.spinnaker.io/replace"];
/// The annotations that have an object deleted and made anew for every change.
const RECREATE: [&str; 2] = ["coxswain.dev/recreate", "strategy.spinnaker.io/recreate"];
/// The annotations that leave `spec.replicas` of a live object to others.
const KEEP_REPLICAS: [&str; 2] = ["coxswain.dev/keep-replicas", "strategy.spinnaker.io/use-source-capacity"];

/// Kinds whose deletion takes data or objects of others with it; they are never replaced.
const IRREPLACEABLE: [(&str, &str); 4] = [
    ("", "PersistentVolumeClaim"),
    ("", "PersistentVolume"),
    ("", "Namespace"),
    ("apiextensions.k8s.io", "CustomResourceDefinition"),
];
/// The kinds that have `spec.replicas` to keep.
const SCALED: [&str; 3] = ["Deployment", "StatefulSet", "ReplicaSet"];

/// How a change of an object is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Change {
    /// In place; what the API server refuses stays refused.
    #[default]
    InPlace,
    /// In place, and where a field is fixed at creation by deleting the object and making it anew.
    Replace,
    /// By deleting the object and making it anew, always.
    Recreate,
}

/// How an object is to be changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// How a change is made.
    pub change: Change,
    /// The fields that are only set when the object is made.
    pub left: Vec<LeftField>,
}

impl Policy {
    /// What the annotations of an object ask for and its kind allows.
    pub fn of(key: &ObjectKey, object: &Json) -> Self {
        let change = match (is_on(object, &RECREATE), is_on(object, &REPLACE)) {
            (true, _) => Change::Recreate,
            (false, true) => Change::Replace,
            (false, false) => Change::InPlace,
        };
        let change = if is_replaceable(key) { change } else { Change::InPlace };
        let is_scaled = key.group == "apps" && SCALED.contains(&key.kind.as_str());
        let keeps_replicas = is_scaled && is_on(object, &KEEP_REPLICAS);
        Self { change, left: keeps_replicas.then(LeftField::replicas).into_iter().collect() }
    }

    /// Whether the object may come to be deleted for a change.
    pub fn may_replace(&self) -> bool {
        self.change != Change::InPlace
    }

    /// Whether the number of replicas is left to others.
    pub fn leaves_replicas(&self) -> bool {
        self.left.contains(&LeftField::replicas())
    }
}

impl Object {
    /// Leaves a field of the object to others while it exists.
    pub fn leave(&mut self, field: LeftField) {
        if !self.policy.left.contains(&field) {
            self.policy.left.push(field);
        }
    }

    /// Lets the object be replaced where a change of it is refused, unless its kind is never replaced.
    pub fn allow_replacing(&mut self) {
        if self.policy.change == Change::InPlace && is_replaceable(&self.key) {
            self.policy.change = Change::Replace;
        }
    }
}

/// Whether objects of a kind may be deleted to be made anew.
pub fn is_replaceable(key: &ObjectKey) -> bool {
    !IRREPLACEABLE.contains(&(key.group.as_str(), key.kind.as_str()))
}

fn is_on(object: &Json, names: &[&str]) -> bool {
    let annotations = object.pointer("/metadata/annotations");
    let set = annotations.and_then(|annotations| names.iter().find_map(|name| annotations.get(name)));
    set.and_then(Json::as_str).is_some_and(|word| word.trim().eq_ignore_ascii_case("true"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn key(group: &str, kind: &str) -> ObjectKey {
        ObjectKey { group: group.into(), kind: kind.into(), namespace: "shop".into(), name: "web".into() }
    }

    fn policy(group: &str, kind: &str, annotations: Json) -> Policy {
        Policy::of(&key(group, kind), &json!({"metadata": {"annotations": annotations}}))
    }

    #[test]
    fn annotations_say_how_an_object_changes_and_ours_win() {
        let table = [
            (json!({}), Change::InPlace),
            (json!({"coxswain.dev/replace": "true"}), Change::Replace),
            (json!({"strategy.spinnaker.io/replace": "True"}), Change::Replace),
            (json!({"coxswain.dev/replace": "false", "strategy.spinnaker.io/replace": "true"}), Change::InPlace),
            (json!({"strategy.spinnaker.io/recreate": "true"}), Change::Recreate),
            (json!({"coxswain.dev/recreate": "true", "coxswain.dev/replace": "true"}), Change::Recreate),
            (json!({"coxswain.dev/recreate": true}), Change::InPlace),
        ];
        for (annotations, expected) in table {
            assert_eq!(policy("batch", "Job", annotations.clone()).change, expected, "{annotations}");
        }
    }

    #[test]
    fn what_holds_data_is_never_replaced() {
        let both = json!({"coxswain.dev/recreate": "true", "coxswain.dev/replace": "true"});
        for (group, kind) in IRREPLACEABLE {
            assert!(!policy(group, kind, both.clone()).may_replace(), "{kind}");
        }
        assert!(policy("example.org", "Namespace", both).may_replace(), "a custom kind of the same name is another");
    }

    #[test]
    fn only_what_is_scaled_keeps_its_replicas() {
        let keep = json!({"strategy.spinnaker.io/use-source-capacity": "true"});
        for kind in SCALED {
            assert!(policy("apps", kind, keep.clone()).leaves_replicas(), "{kind}");
        }
        assert!(!policy("apps", "DaemonSet", keep.clone()).leaves_replicas());
        assert!(!policy("example.org", "Deployment", keep).leaves_replicas());
        assert!(policy("apps", "Deployment", json!({"coxswain.dev/keep-replicas": "true"})).leaves_replicas());
    }
}

//! Which fields of an object are ours, and who took those that were.
//!
//! The API server keeps for each writer the set of fields that it owns (`metadata.managedFields`). Our entry is the one
//! of manager `helm` with operation Apply. Whoever changes, removes or takes over one of its fields changes the entry;
//! whoever adds fields of his own leaves it alone. So one hash over our entry tells whether an object is still as we
//! applied it, and the difference of two entries tells which fields are not.

use serde_json::Map;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::cluster::FIELD_MANAGER;
use crate::cluster::migrate::applied_entry;
use crate::value::Json;

/// A hash of the fields that we own in an object as the API server returned it, or nothing where we own none.
///
/// It is the same in every process and does not depend on times, on the API version or on the order of keys.
pub fn ownership_hash(object: &Json) -> Option<u64> {
    applied_entry(object, FIELD_MANAGER).and_then(|entry| entry.get("fieldsV1")).map(fields_hash)
}

/// A hash of a set of fields in the `FieldsV1` form.
pub(super) fn fields_hash(fields: &Json) -> u64 {
    let mut digest = Sha256::new();
    digest_fields(fields, &mut digest);
    let bytes = digest.finalize();
    u64::from_be_bytes(std::array::from_fn(|index| bytes[index]))
}

fn digest_fields(fields: &Json, digest: &mut Sha256) {
    let Json::Object(members) = fields else { return };
    let sorted: BTreeMap<_, _> = members.iter().collect();
    for (name, below) in sorted {
        digest.update(name.as_bytes());
        digest.update([0, b'{']);
        digest_fields(below, digest);
        digest.update(b"}");
    }
}

/// The path of a field, as people write it: `.spec.template.spec.containers[name=app].image`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldPath(Vec<Step>);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Step {
    /// A member of a map.
    Field(String),
    /// The item of a list with these values in its key fields, as the JSON text of each.
    Item(Vec<(String, String)>),
    /// The item of a list that is this value, as JSON text.
    Value(String),
    /// The item of a list at this place.
    Index(usize),
}

impl Step {
    /// Reads a key of `FieldsV1`: `f:name`, `k:{…}`, `v:…` or `i:0`
    /// (structured-merge-diff `fieldpath/serialize-pe.go`).
    fn parse(key: &str) -> Option<Self> {
        let (form, text) = key.split_once(':')?;
        match form {
            "f" => Some(Self::Field(text.to_owned())),
            "k" => {
                let keys: Map<String, Json> = serde_json::from_str(text).ok()?;
                Some(Self::Item(keys.into_iter().map(|(name, value)| (name, value.to_string())).collect()))
            }
            "v" => Some(Self::Value(text.to_owned())),
            "i" => text.parse().ok().map(Self::Index),
            _ => None,
        }
    }

    fn of<'a>(&self, value: &'a Json) -> Option<&'a Json> {
        match self {
            Self::Field(name) => value.get(name),
            Self::Index(index) => value.get(index),
            Self::Value(text) => value.as_array()?.iter().find(|item| reads_as(item, text)),
            Self::Item(keys) => value
                .as_array()?
                .iter()
                .find(|item| keys.iter().all(|(name, text)| item.get(name).is_some_and(|value| reads_as(value, text)))),
        }
    }
}

/// Whether a JSON text is of this value.
fn reads_as(value: &Json, text: &str) -> bool {
    serde_json::from_str::<Json>(text).is_ok_and(|read| read == *value)
}

impl FieldPath {
    /// The value that the field has in an object.
    pub fn of<'a>(&self, object: &'a Json) -> Option<&'a Json> {
        self.0.iter().try_fold(object, |value, step| step.of(value))
    }

    /// The JSON pointer of a field that no list is on the way to.
    pub fn pointer(&self) -> Option<String> {
        self.0
            .iter()
            .map(|step| match step {
                Step::Field(name) => Some(format!("/{}", name.replace('~', "~0").replace('/', "~1"))),
                Step::Item(_) | Step::Value(_) | Step::Index(_) => None,
            })
            .collect()
    }

    pub(super) fn is_below(&self, other: &Self) -> bool {
        self.0.len() > other.0.len() && self.0.starts_with(&other.0)
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for step in &self.0 {
            match step {
                Step::Field(name) if name.contains(['.', '/', '[']) => write!(f, "[{name:?}]")?,
                Step::Field(name) => write!(f, ".{name}")?,
                Step::Item(keys) => {
                    let keys: Vec<_> =
                        keys.iter().map(|(name, text)| format!("{name}={}", text.trim_matches('"'))).collect();
                    write!(f, "[{}]", keys.join(","))?;
                }
                Step::Value(text) => write!(f, "[={text}]")?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// A writer of an object: one entry of `managedFields`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Writer {
    /// The field manager, for example `kubectl-edit`.
    pub manager: String,
    /// `Update` or `Apply`.
    pub operation: String,
    /// The subresource that was written through, for example `scale`; empty for the object itself.
    pub subresource: String,
}

impl fmt::Display for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.manager)?;
        if self.subresource.is_empty() { Ok(()) } else { write!(f, " (subresource {})", self.subresource) }
    }
}

/// Fields of ours that somebody changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Who owns them now; nobody where they were removed.
    pub by: Option<Writer>,
    /// The fields.
    pub fields: Vec<FieldPath>,
}

/// How many fields the text about a change names.
const NAMED_FIELDS: usize = 5;

impl fmt::Display for Taken {
    /// `.spec.replicas changed by kubectl-scale (subresource scale)`; never a value, as it may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named: Vec<_> = self.fields.iter().take(NAMED_FIELDS).map(ToString::to_string).collect();
        f.write_str(&named.join(", "))?;
        if self.fields.len() > NAMED_FIELDS {
            write!(f, " and {} more", self.fields.len() - NAMED_FIELDS)?;
        }
        match &self.by {
            Some(writer) => write!(f, " changed by {writer}"),
            None => f.write_str(" removed"),
        }
    }
}

/// Which of our fields an object has lost and to whom.
///
/// `live` is the object as it was found; `owned` is the `fieldsV1` of our entry as it should be, which the reply to
/// the repairing apply shows. Writers are in the order of their names, removed fields come last.
pub fn cause(live: &Json, owned: &Json) -> Vec<Taken> {
    let held =
        applied_entry(live, FIELD_MANAGER).and_then(|entry| entry.get("fieldsV1")).map(paths).unwrap_or_default();
    let lost: BTreeSet<FieldPath> = paths(owned).difference(&held).cloned().collect();
    let others = other_writers(live);
    let mut taken: BTreeMap<Option<Writer>, Vec<FieldPath>> = BTreeMap::new();
    for path in &lost {
        let by = others.iter().find(|(_, fields)| fields.contains(path)).map(|(writer, _)| writer.clone());
        // A lost parent says it all, unless its child went another way.
        let told = |fields: &Vec<FieldPath>| fields.iter().any(|parent| path.is_below(parent));
        if !taken.get(&by).is_some_and(told) {
            taken.entry(by).or_default().push(path.clone());
        }
    }
    let (removed, changed): (Vec<_>, Vec<_>) =
        taken.into_iter().map(|(by, fields)| Taken { by, fields }).partition(|taken| taken.by.is_none());
    changed.into_iter().chain(removed).collect()
}

fn other_writers(object: &Json) -> Vec<(Writer, BTreeSet<FieldPath>)> {
    let entries = object.pointer("/metadata/managedFields").and_then(Json::as_array).into_iter().flatten();
    let text = |entry: &Json, name: &str| entry.get(name).and_then(Json::as_str).unwrap_or_default().to_owned();
    let own = applied_entry(object, FIELD_MANAGER);
    entries
        .filter(|entry| Some(*entry) != own)
        .filter_map(|entry| {
            let writer = Writer {
                manager: text(entry, "manager"),
                operation: text(entry, "operation"),
                subresource: text(entry, "subresource"),
            };
            Some((writer, paths(entry.get("fieldsV1")?)))
        })
        .collect()
}

/// The fields of a set: its leaves, and those with members that are members themselves (`.`).
pub(super) fn paths(fields: &Json) -> BTreeSet<FieldPath> {
    let mut found = BTreeSet::new();
    collect(fields, &mut Vec::new(), &mut found);
    found
}

fn collect(fields: &Json, path: &mut Vec<Step>, found: &mut BTreeSet<FieldPath>) {
    let Json::Object(members) = fields else { return };
    if (members.is_empty() || members.contains_key(".")) && !path.is_empty() {
        found.insert(FieldPath(path.clone()));
    }
    for (key, below) in members {
        if let Some(step) = Step::parse(key) {
            path.push(step);
            collect(below, path, found);
            path.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn entry(manager: &str, operation: &str, subresource: &str, fields: Json) -> Json {
        let mut entry = json!({"manager": manager, "operation": operation, "apiVersion": "apps/v1", "fieldsV1": fields,
            "time": "2026-01-01T00:00:00Z"});
        if !subresource.is_empty() {
            entry["subresource"] = subresource.into();
        }
        entry
    }

    fn object(entries: Json) -> Json {
        json!({"metadata": {"managedFields": entries}})
    }

    fn owned() -> Json {
        json!({
            "f:metadata": {"f:labels": {"f:app": {}, "f:app.kubernetes.io/name": {}}},
            "f:spec": {
                "f:replicas": {},
                "f:containers": {
                    "k:{\"name\":\"app\"}": {".": {}, "f:name": {}, "f:image": {}},
                    "k:{\"name\":\"side\"}": {".": {}, "f:name": {}},
                },
            },
        })
    }

    #[test]
    fn the_hash_is_of_our_entry_alone_and_knows_no_time() {
        let ours = entry("helm", "Apply", "", owned());
        let mut later = ours.clone();
        later["time"] = "2027-01-01T00:00:00Z".into();
        later["apiVersion"] = "apps/v1beta1".into();
        let other = entry("kubectl", "Update", "", json!({"f:spec": {}}));
        let hash = ownership_hash(&object(json!([ours])));
        assert!(hash.is_some());
        assert_eq!(hash, ownership_hash(&object(json!([other, later]))));
        assert_eq!(None, ownership_hash(&object(json!([other]))));
        assert_eq!(None, ownership_hash(&object(json!([entry("helm", "Update", "", owned())]))));
        assert_eq!(None, ownership_hash(&json!({})));
    }

    #[test]
    fn the_hash_is_the_same_in_every_process() {
        assert_eq!(fields_hash(&json!({"f:a": {"f:b": {}}, "f:c": {".": {}}})), 0x83c8_13c7_ec4b_7c1b);
    }

    #[test]
    fn sets_that_differ_in_nesting_differ_in_hash() {
        let sets = [json!({}), json!({"f:a": {}}), json!({"f:a": {"f:b": {}}}), json!({"f:a": {}, "f:b": {}})];
        let hashes: BTreeSet<_> = sets.iter().map(fields_hash).collect();
        assert_eq!(hashes.len(), sets.len());
    }

    #[test]
    fn a_scaled_deployment_names_the_field_the_manager_and_the_subresource() {
        let mut ours = owned();
        ours["f:spec"].as_object_mut().expect("map").remove("f:replicas");
        let live = object(json!([
            entry("helm", "Apply", "", ours),
            entry("kubectl-scale", "Update", "scale", json!({"f:spec": {"f:replicas": {}}})),
        ]));
        let taken = cause(&live, &owned());
        let texts: Vec<_> = taken.iter().map(ToString::to_string).collect();
        assert_eq!(texts, [".spec.replicas changed by kubectl-scale (subresource scale)"]);
        assert_eq!(taken[0].fields[0].pointer().as_deref(), Some("/spec/replicas"));
    }

    #[test]
    fn a_removed_item_is_told_once_and_not_field_by_field() {
        let mut ours = owned();
        ours["f:spec"]["f:containers"].as_object_mut().expect("map").remove("k:{\"name\":\"app\"}");
        let live = object(json!([entry("helm", "Apply", "", ours)]));
        let texts: Vec<_> = cause(&live, &owned()).iter().map(ToString::to_string).collect();
        assert_eq!(texts, [".spec.containers[name=app] removed"]);
    }

    #[test]
    fn several_writers_are_told_apart() {
        let live = object(json!([
            entry(
                "kubectl-edit",
                "Update",
                "",
                json!({"f:spec": {"f:containers": {
                    "k:{\"name\":\"app\"}": {"f:image": {}},
                }}})
            ),
            entry("labeller", "Apply", "", json!({"f:metadata": {"f:labels": {"f:app.kubernetes.io/name": {}}}})),
        ]));
        let texts: Vec<_> = cause(&live, &owned()).iter().map(ToString::to_string).collect();
        assert_eq!(
            texts,
            [
                ".spec.containers[name=app].image changed by kubectl-edit",
                ".metadata.labels[\"app.kubernetes.io/name\"] changed by labeller",
                ".metadata.labels.app, .spec.containers[name=app], .spec.containers[name=side], .spec.replicas removed",
            ]
        );
    }

    #[test]
    fn a_path_finds_its_value() {
        let live = json!({"spec": {
            "containers": [{"name": "side"}, {"name": "app", "image": "web:2", "args": ["a", 3]}],
            "finalizers": ["x"],
        }});
        for (key, expected) in [
            (json!({"f:spec": {"f:containers": {"k:{\"name\":\"app\"}": {"f:image": {}}}}}), Some(json!("web:2"))),
            (json!({"f:spec": {"f:containers": {"i:1": {"f:args": {"v:3": {}}}}}}), Some(json!(3))),
            (json!({"f:spec": {"f:finalizers": {"v:\"x\"": {}}}}), Some(json!("x"))),
            (json!({"f:spec": {"f:missing": {}}}), None),
        ] {
            let path = paths(&key).into_iter().next().expect("one path");
            assert_eq!(path.of(&live).cloned(), expected, "{path}");
        }
    }
}

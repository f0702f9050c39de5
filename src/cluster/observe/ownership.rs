//! Which fields of an object are ours, and who took those that were.
//!
//! The API server keeps for each writer the set of fields that it owns (`metadata.managedFields`). Our entry is the one
//! of manager `helm` with operation Apply. Whoever changes, removes or takes over one of its fields changes the entry;
//! whoever adds fields of his own leaves it alone. So one hash over our entry ([`super::fields_hash`]) tells whether an
//! object is still as we applied it, and the difference of two entries tells which fields are not.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::path::{FieldPath, Step};
use crate::cluster::migrate::{applied_entry, applied_fields, entries};
use crate::value::Json;

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

impl Taken {
    /// The text with something told beside each field that is named.
    pub fn told_with(&self, beside: impl Fn(&FieldPath) -> String) -> String {
        let named = self.fields.iter().take(NAMED_FIELDS).map(|field| format!("{field}{}", beside(field)));
        let named = named.collect::<Vec<_>>().join(", ");
        let more = match self.fields.len().saturating_sub(NAMED_FIELDS) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        match &self.by {
            Some(writer) => format!("{named}{more} changed by {writer}"),
            None => format!("{named}{more} removed"),
        }
    }
}

impl fmt::Display for Taken {
    /// `.spec.replicas changed by kubectl-scale (subresource scale)`; never a value, as it may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.told_with(|_| String::new()))
    }
}

/// Which of our fields an object has lost and to whom.
///
/// `live` is the object as it was found; `owned` is the `fieldsV1` of our entry as it should be, which the reply to
/// the repairing apply shows. Writers are in the order of their names, removed fields come last.
pub fn cause(live: &Json, owned: &Json) -> Vec<Taken> {
    let held = applied_fields(live).map(paths).unwrap_or_default();
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

/// Who owns a field of an object, each with the time of his last write.
pub fn owners(object: &Json, path: &FieldPath) -> Vec<(Writer, Option<String>)> {
    let owns = |entry: &&Json| entry.get("fieldsV1").is_some_and(|fields| owns(fields, path, object));
    let time = |entry: &Json| entry.get("time").and_then(Json::as_str).map(str::to_owned);
    entries(object).filter(owns).map(|entry| (writer(entry), time(entry))).collect()
}

/// Whether a set has a field, or one that it is part of as a whole.
fn owns(fields: &Json, path: &FieldPath, object: &Json) -> bool {
    let wanted = path.pointer_in(object);
    let is_it = |owned: &FieldPath| match (&wanted, owned.pointer_in(object)) {
        (Some(wanted), Some(owned)) => *wanted == owned,
        _ => owned == path,
    };
    let paths = paths(fields);
    paths.iter().any(is_it)
        || paths.iter().any(|owned| {
            let is_whole = !paths.iter().any(|other| other.is_below(owned));
            let above = wanted.as_ref().zip(owned.pointer_in(object));
            is_whole && above.is_some_and(|(wanted, owned)| wanted.starts_with(&format!("{owned}/")))
        })
}

fn writer(entry: &Json) -> Writer {
    let text = |name: &str| entry.get(name).and_then(Json::as_str).unwrap_or_default().to_owned();
    Writer { manager: text("manager"), operation: text("operation"), subresource: text("subresource") }
}

pub(super) fn other_writers(object: &Json) -> Vec<(Writer, BTreeSet<FieldPath>)> {
    let own = applied_entry(object);
    entries(object)
        .filter(|entry| Some(*entry) != own)
        .filter_map(|entry| Some((writer(entry), paths(entry.get("fieldsV1")?))))
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
        found.insert(FieldPath::new(path.clone()));
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
pub(super) mod tests {
    use super::*;
    use serde_json::json;

    /// What a writer owns, as it stands in `managedFields`.
    pub(in crate::cluster::observe) fn entry(manager: &str, operation: &str, subresource: &str, fields: Json) -> Json {
        let mut entry = json!({"manager": manager, "operation": operation, "apiVersion": "apps/v1", "fieldsV1": fields,
            "time": "2026-01-01T00:00:00Z"});
        if !subresource.is_empty() {
            entry["subresource"] = subresource.into();
        }
        entry
    }

    /// An object that these writers have fields of.
    pub(in crate::cluster::observe) fn object(entries: Json) -> Json {
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
    fn the_owners_of_a_field_are_those_who_have_it_or_the_whole_that_it_is_in() {
        let scale = entry("kubectl", "Update", "scale", json!({"f:spec": {"f:replicas": {}}}));
        let mut live =
            object(json!([entry("helm", "Apply", "", json!({"f:spec": {"f:sel": {}, "f:replicas": {}}})), scale]));
        live["spec"] = json!({"replicas": 2, "sel": {"a": 1}, "other": 3});
        let names = |text: &str| -> Vec<String> {
            let path = FieldPath::parse(text).expect("a path");
            owners(&live, &path).into_iter().map(|(writer, _)| writer.to_string()).collect()
        };
        assert_eq!(names(".spec.replicas"), ["helm", "kubectl (subresource scale)"]);
        assert_eq!(names(".spec.sel.a"), ["helm"]);
        assert!(names(".spec.other").is_empty());
    }
}

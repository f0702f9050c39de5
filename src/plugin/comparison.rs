//! What differs between two states of a release, object by object and field by field. Of Secrets only the names of keys
//! are told.

use std::collections::BTreeMap;

use serde_json::json;

use super::edit::compare;
use super::screen::{Screen, Tone};
use crate::cluster::observe::differing;
use crate::cluster::{Object, ObjectKey};
use crate::value::Json;

/// What stands for a value of a Secret.
const HIDDEN: &str = "(hidden)";

/// What became of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// It is only in the second state.
    Added,
    /// It is only in the first.
    Removed,
    /// These fields are not the same, a line each.
    Changed(Vec<String>),
}

/// The objects that are not the same.
pub type Differences = Vec<(ObjectKey, Difference)>;

/// What differs between two manifests.
pub fn between(from: &[Object], to: &[Object]) -> Differences {
    let index = |objects: &[Object]| -> BTreeMap<ObjectKey, Json> {
        objects.iter().map(|object| (object.key.clone(), object.json.clone())).collect()
    };
    let (mut old, new) = (index(from), index(to));
    let mut found = Differences::new();
    for (key, json) in new {
        match old.remove(&key) {
            None => found.push((key, Difference::Added)),
            Some(before) => {
                let fields = fields(&key, &before, &json);
                if !fields.is_empty() {
                    found.push((key, Difference::Changed(fields)));
                }
            }
        }
    }
    found.extend(old.into_keys().map(|key| (key, Difference::Removed)));
    found.sort_by(|left, right| left.0.cmp(&right.0));
    found
}

/// How an object in the cluster differs from the manifest; nothing where it does not.
pub fn with_live(recorded: &Object, live: Option<&Json>) -> Option<Difference> {
    let Some(live) = live else { return Some(Difference::Removed) };
    let is_secret = is_secret(&recorded.key);
    let lines = differing(&recorded.json, live).into_iter().map(|found| {
        let path = found.path.to_string();
        let by = found.by.map(|writer| format!(" ({writer})")).unwrap_or_default();
        if is_secret && is_of_data(&path) {
            return format!("{path}: {HIDDEN}{by}");
        }
        let shown = |value: Option<&Json>| value.map_or_else(|| "not set".to_owned(), Json::to_string);
        format!("{path}: {} -> {}{by}", shown(found.path.of(&recorded.json)), shown(found.path.of(live)))
    });
    let lines: Vec<String> = lines.collect();
    (!lines.is_empty()).then_some(Difference::Changed(lines))
}

fn fields(key: &ObjectKey, old: &Json, new: &Json) -> Vec<String> {
    let mut found = Vec::new();
    compare("", Some(old), Some(new), &mut found);
    let is_secret = is_secret(key);
    let shown = found.into_iter().map(|line| match line.split_once(": ") {
        Some((path, _)) if is_secret && is_of_data(path) => format!("{path}: {HIDDEN}"),
        _ => line,
    });
    shown.collect()
}

/// Whether an object is a Secret, whose values are not shown.
pub fn is_secret(key: &ObjectKey) -> bool {
    key.group.is_empty() && key.kind == "Secret"
}

/// Whether a field is a value of a Secret.
pub fn is_of_data(path: &str) -> bool {
    path.starts_with(".data") || path.starts_with(".stringData")
}

/// The differences for programs.
pub fn data(found: &Differences) -> Json {
    let entry = |(key, difference): &(ObjectKey, Difference)| {
        let (change, fields) = match difference {
            Difference::Added => ("added", &[][..]),
            Difference::Removed => ("removed", &[][..]),
            Difference::Changed(fields) => ("changed", fields.as_slice()),
        };
        let ObjectKey { group, kind, namespace, name } = key;
        json!({"group": group, "kind": kind, "namespace": namespace, "name": name, "change": change, "fields": fields})
    };
    found.iter().map(entry).collect()
}

/// Kind and name of each object that differs, for other commands.
pub fn names(found: &Differences) -> String {
    found.iter().map(|(key, _)| format!("{}/{}\n", key.kind.to_lowercase(), key.name)).collect()
}

/// The differences for people, and how many there are.
pub fn text(found: &Differences, screen: &Screen) -> String {
    let count = |wanted: fn(&Difference) -> bool| found.iter().filter(|(_, difference)| wanted(difference)).count();
    let added = count(|difference| *difference == Difference::Added);
    let removed = count(|difference| *difference == Difference::Removed);
    let mut text = String::new();
    for (key, difference) in found {
        let (sign, word, tone) = match difference {
            Difference::Added => ("+", "added", Tone::Good),
            Difference::Removed => ("-", "removed", Tone::Bad),
            Difference::Changed(_) => ("~", "changed", Tone::Uneasy),
        };
        text.push_str(&format!("\n{} {}/{} {word}\n", screen.paint(tone, sign), key.kind, key.name));
        if let Difference::Changed(fields) = difference {
            fields.iter().for_each(|field| text.push_str(&format!("    {field}\n")));
        }
    }
    let changed = found.len() - added - removed;
    text.push_str(&format!("\n{added} added, {changed} changed, {removed} removed\n"));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(kind: &str) -> ObjectKey {
        ObjectKey { group: String::new(), kind: kind.into(), namespace: "shop".into(), name: "web".into() }
    }

    #[test]
    fn of_secrets_only_the_keys_are_told() {
        let (old, new) =
            (json!({"data": {"word": "YQ==", "same": "Yg=="}}), json!({"data": {"word": "Yw==", "same": "Yg=="}}));
        assert_eq!(fields(&key("Secret"), &old, &new), [".data.word: (hidden)"]);
        assert_eq!(fields(&key("ConfigMap"), &old, &new), [".data.word: \"YQ==\" -> \"Yw==\""]);
        let gone = json!({});
        assert_eq!(fields(&key("Secret"), &old, &gone), [".data: (hidden)"]);
    }

    #[test]
    fn the_summary_counts() {
        let changed = Difference::Changed(vec![".spec.replicas: 1 -> 2".into()]);
        let found = vec![(key("ConfigMap"), Difference::Added), (key("Service"), changed)];
        assert!(text(&found, &Screen::of_process()).ends_with("\n1 added, 1 changed, 0 removed\n"));
    }
}

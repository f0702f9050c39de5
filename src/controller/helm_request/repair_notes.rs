//! What the events about repairs tell: the object, the fields, who changed them and why, and the values that were found
//! and restored.
//!
//! Of a Secret no value is told, and of other objects none that may well be secret: what containers are started with,
//! what is called like a secret, and what is long.

use crate::cluster::observe::{Cause, FieldPath, Taken};
use crate::cluster::{Object, ObjectKey};
use crate::controller::events::{EventType, Note, Related};
use crate::value::Json;

/// The longest value that is told, in characters.
const LONGEST: usize = 80;
/// Parts of the names of fields whose values are not told.
const CONCEALED: [&str; 12] = [
    ".env[",
    ".args",
    ".command",
    "password",
    "passwd",
    "secret",
    "token",
    "credential",
    "private",
    "apikey",
    "auth",
    "connection",
];

/// That an object was restored to this; nothing where it already was as declared.
pub(super) fn repaired(
    object: &Object,
    live: Option<&Json>,
    taken: &[Taken],
    restored: &Json,
    why: Cause,
) -> Option<Note> {
    let name = shown(&object.key);
    let text = match live {
        None => format!("{name} was deleted; applied again"),
        Some(_) if taken.is_empty() => return None,
        Some(live) => {
            let told: Vec<String> = taken.iter().map(|taken| told_of(&object.key, taken, live, restored)).collect();
            format!("{name}: {}", told.join("; "))
        }
    };
    let text = format!("{text} (cause: {})", why.as_str());
    Some(note_about(object, EventType::Normal, "DriftRepaired", text))
}

/// That an object is fought over, and what to do about it.
pub(super) fn contested(object: &Object, taken: &[Taken]) -> Note {
    let name = shown(&object.key);
    let told: Vec<String> = taken.iter().map(ToString::to_string).collect();
    let text = match told.is_empty() {
        true => format!("{name} is deleted again after each repair; further repairs wait longer and longer"),
        false => format!(
            "{name}: {} again after each repair; further repairs wait longer and longer: stop the other writer, or \
             leave the fields to it by a rule in spec.drift.ignore",
            told.join("; ")
        ),
    };
    note_about(object, EventType::Warning, "DriftContested", text)
}

fn note_about(object: &Object, event_type: EventType, reason: &str, text: String) -> Note {
    Note {
        event_type,
        reason: reason.to_owned(),
        action: "Repair".to_owned(),
        text,
        related: Some(Related {
            api_version: object.kind.resource.api_version.clone(),
            kind: object.key.kind.clone(),
            namespace: object.key.namespace.clone(),
            name: object.key.name.clone(),
        }),
    }
}

/// What happened to fields, and their values where they may be told.
fn told_of(object: &ObjectKey, taken: &Taken, live: &Json, restored: &Json) -> String {
    let values = |field: &FieldPath| values_of(object, field, live, restored);
    if let [field] = taken.fields.as_slice() {
        return match values(field) {
            Some((Some(found), restored)) => format!("{taken} to {found}, restored {restored}"),
            Some((None, restored)) => format!("{taken}, restored {restored}"),
            None => taken.to_string(),
        };
    }
    taken.told_with(|field| match values(field) {
        Some((Some(found), restored)) => format!(" ({found}, restored {restored})"),
        Some((None, restored)) => format!(" (restored {restored})"),
        None => String::new(),
    })
}

/// The value that a field had, unless it was gone, and the one that it has again, where they may be told.
fn values_of(object: &ObjectKey, field: &FieldPath, live: &Json, restored: &Json) -> Option<(Option<String>, String)> {
    let path = field.to_string().to_lowercase();
    if object.kind == "Secret" || CONCEALED.iter().any(|part| path.contains(part)) {
        return None;
    }
    let (found, restored) = (told(field.of(live)), told(field.of(restored))?);
    (found.as_ref() != Some(&restored) && (found.is_some() || field.of(live).is_none())).then_some((found, restored))
}

/// A value as it is told; nothing for what has parts or is long.
fn told(value: Option<&Json>) -> Option<String> {
    let value = value.filter(|value| !value.is_object() && !value.is_array() && !value.is_null())?;
    let text = value.to_string();
    (text.chars().count() <= LONGEST).then_some(text)
}

fn shown(key: &ObjectKey) -> String {
    if key.namespace.is_empty() {
        format!("{} {}", key.kind, key.name)
    } else {
        format!("{} {}/{}", key.kind, key.namespace, key.name)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cluster::observe::cause;

    fn key(kind: &str) -> ObjectKey {
        ObjectKey { group: String::new(), kind: kind.to_owned(), namespace: "demo".to_owned(), name: "web".to_owned() }
    }

    #[test]
    fn values_are_told_but_not_those_that_may_be_secret() {
        let fields =
            json!({"f:data": {"f:color": {}, "f:size": {}, "f:db-password": {}, "f:file": {}}, "f:replicas": {}});
        let by = json!({"manager": "editor", "operation": "Update", "fieldsV1":
            {"f:data": {"f:color": {}, "f:db-password": {}, "f:file": {}}, "f:replicas": {}}});
        let (long, longer) = ("x".repeat(100), "y".repeat(100));
        let live = json!({
            "metadata": {"managedFields": [by]}, "replicas": 3,
            "data": {"color": "red", "db-password": "mine", "file": long},
        });
        let restored =
            json!({"replicas": 2, "data": {"color": "green", "size": "large", "db-password": "old", "file": longer}});
        let told = |kind: &str| {
            let told = |taken: &Taken| told_of(&key(kind), taken, &live, &restored);
            cause(&live, &fields).iter().map(told).collect::<Vec<_>>().join("; ")
        };
        assert_eq!(
            told("ConfigMap"),
            ".data.color (\"red\", restored \"green\"), .data.db-password, .data.file, .replicas (3, restored 2) changed \
             by editor; .data.size removed, restored \"large\""
        );
        assert_eq!(
            told("Secret"),
            ".data.color, .data.db-password, .data.file, .replicas changed by editor; .data.size removed"
        );
    }
}

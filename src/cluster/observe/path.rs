//! The path of a field of an object: how the API server writes it, how people do, and what it leads to.

use std::fmt;

use serde_json::Map;

use crate::value::Json;

/// The path of a field, as people write it: `.spec.template.spec.containers[name=app].image`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldPath(Vec<Step>);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Step {
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
    pub(super) fn parse(key: &str) -> Option<Self> {
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

    fn name(&self) -> Option<&str> {
        match self {
            Self::Field(name) => Some(name),
            Self::Item(_) | Self::Value(_) | Self::Index(_) => None,
        }
    }

    /// Reads what people write in brackets: a place, a member in quotes, `=value`, or `key=value,…`.
    fn written(text: &str) -> Option<Self> {
        if let Ok(index) = text.parse() {
            return Some(Self::Index(index));
        }
        if text.starts_with('"') {
            return serde_json::from_str(text).ok().map(Self::Field);
        }
        let json = |text: &str| match serde_json::from_str::<Json>(text) {
            Ok(Json::Number(_) | Json::Bool(_)) => text.to_owned(),
            _ => Json::from(text.trim_matches('"')).to_string(),
        };
        if let Some(value) = text.strip_prefix('=') {
            return Some(Self::Value(json(value)));
        }
        let keys = text.split(',').map(|pair| pair.split_once('=').map(|(name, value)| (name.to_owned(), json(value))));
        keys.collect::<Option<_>>().map(Self::Item)
    }

    fn of<'a>(&self, value: &'a Json) -> Option<&'a Json> {
        match self {
            Self::Field(name) => value.get(name),
            Self::Index(index) => value.get(index),
            Self::Value(text) => value.as_array()?.iter().find(|item| reads_as(item, text)),
            Self::Item(_) => value.as_array()?.iter().find(|item| self.holds(item)),
        }
    }

    /// Whether an item of a list is the one that is named by its key fields.
    pub(super) fn holds(&self, item: &Json) -> bool {
        let Self::Item(keys) = self else { return false };
        keys.iter().all(|(name, text)| item.get(name).is_some_and(|value| reads_as(value, text)))
    }
}

/// What stands in a bracket that was opened, and what follows it. In quotes a bracket ends nothing.
fn split_bracket(text: &str) -> Option<(&str, &str)> {
    let quoted = text.strip_prefix('"').and_then(|inside| inside.find('"')).map_or(0, |end| end + 2);
    let end = quoted + text[quoted..].find(']')?;
    Some((&text[..end], &text[end + 1..]))
}

/// Whether a JSON text is of this value.
fn reads_as(value: &Json, text: &str) -> bool {
    serde_json::from_str::<Json>(text).is_ok_and(|read| read == *value)
}

impl FieldPath {
    /// Reads a path as people write it: `.spec.containers[name=app].image`, `spec.containers[0].image`,
    /// `.metadata.labels["app.kubernetes.io/name"]`; nothing where it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let mut steps = Vec::new();
        let mut rest = text.trim();
        while !rest.is_empty() {
            if let Some(bracket) = rest.strip_prefix('[') {
                let (inside, after) = split_bracket(bracket)?;
                steps.push(Step::written(inside)?);
                rest = after;
            } else {
                let name = rest.strip_prefix('.').unwrap_or(rest);
                let end = name.find(['.', '[']).unwrap_or(name.len());
                steps.push(Step::Field(name.get(..end).filter(|name| !name.is_empty())?.to_owned()));
                rest = &name[end..];
            }
        }
        (!steps.is_empty()).then_some(Self(steps))
    }

    /// The JSON pointer of the field in an object that has it.
    pub fn pointer_in(&self, object: &Json) -> Option<String> {
        let (mut value, mut pointer) = (object, String::new());
        for step in &self.0 {
            let below = step.of(value)?;
            let name = match (step, value) {
                (Step::Field(name), _) => name.replace('~', "~0").replace('/', "~1"),
                (_, Json::Array(items)) => items.iter().position(|item| std::ptr::eq(item, below))?.to_string(),
                _ => return None,
            };
            pointer.push('/');
            pointer.push_str(&name);
            value = below;
        }
        Some(pointer)
    }

    /// The names of the maps' members on the way, without the items of lists.
    pub fn names(&self) -> Vec<&str> {
        self.0.iter().filter_map(Step::name).collect()
    }

    pub(super) fn new(steps: Vec<Step>) -> Self {
        Self(steps)
    }

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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_path_is_read_as_it_is_written() {
        let live = json!({
            "metadata": {"labels": {"app.kubernetes.io/name": "web"}},
            "spec": {"replicas": 2, "containers": [{"name": "side"}, {"name": "app", "ports": [{"port": 80}]}]},
        });
        for (text, pointer) in [
            (".spec.replicas", Some("/spec/replicas")),
            ("spec.containers[1].name", Some("/spec/containers/1/name")),
            (".spec.containers[name=app].ports[port=80]", Some("/spec/containers/1/ports/0")),
            (".metadata.labels[\"app.kubernetes.io/name\"]", Some("/metadata/labels/app.kubernetes.io~1name")),
            (".spec.missing", None),
        ] {
            let path = FieldPath::parse(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(path.pointer_in(&live).as_deref(), pointer, "{text}");
            assert_eq!(path.to_string(), format!(".{}", text.trim_start_matches('.')));
        }
        for text in ["", ".", "a..b", "a[", "a[b]"] {
            assert_eq!(FieldPath::parse(text), None, "{text}");
        }
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
            let path = super::super::ownership::paths(&key).into_iter().next().expect("one path");
            assert_eq!(path.of(&live).cloned(), expected, "{path}");
        }
    }
}

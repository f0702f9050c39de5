//! Fields of a declared object that are left to others once it exists: to whoever scales it, or by a rule of the
//! request.
//!
//! A path names them as people do (`spec.replicas`, `/spec/replicas`, `.spec.template.spec.containers[name=app].image`);
//! `*` stands for every member or item. Items of lists are found in the declared object, and in `managedFields` by the
//! keys that they have there. A list that has no such keys is owned as a whole, so only the list itself can be left.

use std::fmt;

use serde_json::Map;

use super::migrate::entries;
use crate::value::Json;

/// The longest path, in steps.
const LONGEST: usize = 64;

/// The path of fields that are left to others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftField {
    text: String,
    steps: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    /// Every member or item.
    Any,
    /// A member, or the item at this place.
    Name(String),
    /// The items with these values, as text.
    Item(Vec<(String, String)>),
}

/// Why a path cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// It names nothing.
    #[error("it names no field; write for example /spec/replicas")]
    Empty,
    /// A bracket is not closed, or something else than a key stands in it.
    #[error("{0:?} is not a selection of items; write [*], [0], [\"name\"] or [key=value]")]
    Selection(String),
    /// It is too long.
    #[error("it has more than {LONGEST} steps")]
    Long,
    /// It names what the operator needs itself.
    #[error("apiVersion, kind, metadata.name and metadata.namespace are always those of the chart")]
    Identity,
}

impl LeftField {
    /// `spec.replicas`.
    pub fn replicas() -> Self {
        let steps = ["spec", "replicas"].map(|name| Step::Name(name.to_owned())).into();
        Self { text: "spec.replicas".to_owned(), steps }
    }

    /// Reads a path: a JSON pointer (RFC 6901) where it begins with `/`, else names with dots and brackets.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        let text = text.trim();
        let steps = match text.strip_prefix('/') {
            Some(pointer) => pointer.split('/').map(pointed).collect(),
            None => dotted(text)?,
        };
        let names: Vec<&str> = steps.iter().map_while(Step::name).collect();
        match names[..] {
            _ if steps.is_empty() || steps.contains(&Step::Name(String::new())) => Err(PathError::Empty),
            _ if steps.len() > LONGEST => Err(PathError::Long),
            ["apiVersion" | "kind" | "metadata"] | ["metadata", "name" | "namespace", ..] => Err(PathError::Identity),
            _ => Ok(Self { text: text.to_owned(), steps }),
        }
    }

    /// Takes the fields out of a declared object, of which `live` says whose the fields are.
    pub fn take_out(&self, object: &mut Json, live: &Json) {
        let owned: Vec<&Json> = entries(live).filter_map(|entry| entry.get("fieldsV1")).collect();
        take_out(object, &self.steps, &owned);
    }

    /// Takes the fields out of a set in the `FieldsV1` form; items are found by what `declared` has of them.
    pub fn let_go(&self, fields: &mut Json, declared: &Json) {
        let_go(fields, declared, &self.steps);
    }
}

impl fmt::Display for LeftField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Step {
    fn name(&self) -> Option<&str> {
        match self {
            Self::Name(name) => Some(name),
            Self::Any | Self::Item(_) => None,
        }
    }

    fn is_item(&self, place: usize, item: &Json) -> bool {
        match self {
            Self::Any => true,
            Self::Name(name) => name.parse() == Ok(place),
            Self::Item(keys) => keys.iter().all(|(name, text)| item.get(name).is_some_and(|value| reads(value, text))),
        }
    }

    fn is_member(&self, member: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Name(name) => name == member,
            Self::Item(_) => false,
        }
    }
}

fn reads(value: &Json, text: &str) -> bool {
    value.as_str() == Some(text) || serde_json::from_str::<Json>(text).is_ok_and(|text| text == *value)
}

fn pointed(token: &str) -> Step {
    match token {
        "*" => Step::Any,
        name => Step::Name(name.replace("~1", "/").replace("~0", "~")),
    }
}

fn dotted(text: &str) -> Result<Vec<Step>, PathError> {
    let mut steps = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        if let Some(selection) = rest.strip_prefix('[') {
            let end = selection.find(']').ok_or_else(|| PathError::Selection(rest.to_owned()))?;
            steps.push(selected(&selection[..end])?);
            rest = &selection[end + 1..];
            continue;
        }
        let name = rest.strip_prefix('.').unwrap_or(rest);
        if name.starts_with('[') {
            rest = name;
            continue;
        }
        let end = name.find(['.', '[']).unwrap_or(name.len());
        steps.push(if &name[..end] == "*" { Step::Any } else { Step::Name(name[..end].to_owned()) });
        rest = &name[end..];
    }
    Ok(steps)
}

fn selected(selection: &str) -> Result<Step, PathError> {
    if selection == "*" {
        return Ok(Step::Any);
    }
    if let Some(quoted) = selection.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        return Ok(Step::Name(quoted.to_owned()));
    }
    if selection.parse::<usize>().is_ok() {
        return Ok(Step::Name(selection.to_owned()));
    }
    let pairs = selection.split(',').map(|pair| pair.split_once('='));
    let keys: Option<Vec<_>> = pairs.map(|pair| pair.map(|(key, value)| (key.to_owned(), value.to_owned()))).collect();
    keys.map(Step::Item).ok_or_else(|| PathError::Selection(selection.to_owned()))
}

fn take_out(value: &mut Json, steps: &[Step], owned: &[&Json]) {
    let Some((step, below)) = steps.split_first() else { return };
    match value {
        Json::Object(members) if below.is_empty() => members.retain(|name, _| !step.is_member(name)),
        Json::Object(members) => {
            for (name, member) in members.iter_mut().filter(|(name, _)| step.is_member(name)) {
                let key = format!("f:{name}");
                take_out(member, below, &owned.iter().filter_map(|fields| fields.get(&key)).collect::<Vec<_>>());
            }
        }
        Json::Array(_) if !owned.iter().any(|fields| has_items(fields)) => {}
        Json::Array(items) if below.is_empty() => {
            let mut place = 0..;
            items.retain(|item| !step.is_item(place.next().unwrap_or_default(), item));
        }
        Json::Array(items) => {
            for (_, item) in items.iter_mut().enumerate().filter(|(place, item)| step.is_item(*place, item)) {
                let sets = owned.iter().filter_map(|fields| fields.as_object()).flatten();
                let sets: Vec<&Json> =
                    sets.filter(|(key, _)| stands_for(key, item)).map(|(_, fields)| fields).collect();
                take_out(item, below, &sets);
            }
        }
        _ => {}
    }
}

/// Whether a set of fields has items of a list, so that the list is not owned as a whole.
fn has_items(fields: &Json) -> bool {
    fields.as_object().is_some_and(|members| members.keys().any(|key| key.starts_with("k:") || key.starts_with("v:")))
}

fn let_go(fields: &mut Json, declared: &Json, steps: &[Step]) {
    let (Some((step, below)), Some(members)) = (steps.split_first(), fields.as_object_mut()) else { return };
    for key in members.keys().cloned().collect::<Vec<_>>() {
        let Some(part) = part_of(declared, step, &key) else { continue };
        let is_leaf =
            |members: &Map<String, Json>| members.get(&key).and_then(Json::as_object).is_some_and(Map::is_empty);
        if below.is_empty() {
            members.remove(&key);
        } else if !is_leaf(members) {
            if let Some(member) = members.get_mut(&key) {
                let_go(member, part, below);
            }
            if is_leaf(members) {
                members.remove(&key);
            }
        }
    }
}

/// What a key of `FieldsV1` stands for in a declared object, if a step selects it.
fn part_of<'a>(declared: &'a Json, step: &Step, key: &str) -> Option<&'a Json> {
    match declared {
        Json::Object(members) => {
            let name = key.strip_prefix("f:").filter(|name| step.is_member(name))?;
            members.get(name)
        }
        Json::Array(items) => {
            let mut found = items.iter().enumerate().filter(|(_, item)| stands_for(key, item));
            found.find(|(place, item)| step.is_item(*place, item)).map(|(_, item)| item)
        }
        _ => None,
    }
}

/// Whether a key of `FieldsV1` is that of an item: by the item's own keys, of which the API server may have filled some
/// in, or by its value.
fn stands_for(key: &str, item: &Json) -> bool {
    let Some((form, Ok(value))) = key.split_once(':').map(|(form, text)| (form, serde_json::from_str::<Json>(text)))
    else {
        return false;
    };
    match (form, value) {
        ("k", Json::Object(keys)) => {
            item.is_object() && keys.iter().all(|(name, value)| item.get(name).is_none_or(|own| own == value))
        }
        ("v", value) => value == *item,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn declared() -> Json {
        json!({"spec": {
            "replicas": 3,
            "containers": [{"name": "app", "image": "a:1"}, {"name": "side", "image": "b:1"}],
            "args": ["x", "y"],
        }, "data": {"a.b": "1", "c": "2"}})
    }

    fn owned() -> Json {
        json!({"f:spec": {
            "f:replicas": {},
            "f:containers": {
                "k:{\"name\":\"app\"}": {".": {}, "f:name": {}, "f:image": {}},
                "k:{\"name\":\"side\"}": {".": {}, "f:name": {}, "f:image": {}},
            },
            "f:args": {},
        }, "f:data": {"f:a.b": {}, "f:c": {}}})
    }

    #[test]
    fn a_path_in_every_form_takes_the_same_out_of_the_object_and_of_the_owned_fields() {
        let image = "/f:spec/f:containers/k:{\"name\":\"app\"}/f:image";
        let table = [
            ("/spec/replicas", vec!["/spec/replicas"], vec!["/f:spec/f:replicas"]),
            ("spec.replicas", vec!["/spec/replicas"], vec!["/f:spec/f:replicas"]),
            (".spec.containers[name=app].image", vec!["/spec/containers/0/image"], vec![image]),
            ("/spec/containers/0/image", vec!["/spec/containers/0/image"], vec![image]),
            (
                "spec.containers[*].image",
                vec!["/spec/containers/0/image", "/spec/containers/1/image"],
                vec![image, "/f:spec/f:containers/k:{\"name\":\"side\"}/f:image"],
            ),
            ("data[\"a.b\"]", vec!["/data/a.b"], vec!["/f:data/f:a.b"]),
            ("/data/a.b", vec!["/data/a.b"], vec!["/f:data/f:a.b"]),
            ("/spec/args", vec!["/spec/args"], vec!["/f:spec/f:args"]),
            ("/spec/args/0", vec![], vec![]),
            ("/spec/none", vec![], vec![]),
        ];
        for (path, gone, let_go) in table {
            let left = LeftField::parse(path).expect(path);
            let (mut object, mut fields) = (declared(), owned());
            left.take_out(&mut object, &json!({"metadata": {"managedFields": [{"fieldsV1": owned()}]}}));
            left.let_go(&mut fields, &declared());
            assert_eq!(object, without(declared(), &gone), "{path}");
            assert_eq!(fields, without(owned(), &let_go), "{path}");
        }
    }

    fn without(mut value: Json, pointers: &[&str]) -> Json {
        for pointer in pointers {
            let (parent, name) = pointer.rsplit_once('/').expect("a pointer");
            value.pointer_mut(parent).and_then(Json::as_object_mut).expect("a map").remove(name);
        }
        value
    }

    #[test]
    fn no_empty_parent_stays_owned() {
        let mut fields = json!({"f:spec": {"f:replicas": {}}, "f:data": {"f:c": {}}});
        LeftField::replicas().let_go(&mut fields, &declared());
        assert_eq!(fields, json!({"f:data": {"f:c": {}}}));
    }

    #[test]
    fn what_cannot_be_left_is_refused() {
        let table = [
            ("", "names no field"),
            ("/", "names no field"),
            ("/metadata/name", "always those of the chart"),
            ("kind", "always those of the chart"),
            ("spec.containers[app].image", "is not a selection"),
            ("spec.containers[name=app", "is not a selection"),
        ];
        for (path, words) in table {
            let error = LeftField::parse(path).expect_err(path).to_string();
            assert!(error.contains(words), "{path}: {error}");
        }
    }
}

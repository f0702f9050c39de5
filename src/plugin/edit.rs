//! Changing a request: it is read, edited and replaced as a whole, so that no field is lost that this version does not
//! know, and again where somebody else changed it meanwhile.

use std::collections::{BTreeMap, BTreeSet};

use clap::Args;
use kube::api::{DynamicObject, PostParams};
use kube::{Api, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Error;
use super::arguments::Format;
use super::requests::{self, KIND};
use super::screen::Screen;
use super::session::Session;
use crate::api::HelmRequest;
use crate::cluster::ApiError;
use crate::value::Json;

/// The field manager of what this program writes.
pub const MANAGER: &str = "kubectl-captain";
/// How often a change is made over that others go before.
const ATTEMPTS: usize = 5;

/// How a change is made, and told.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct WriteArguments {
    /// Change nothing; show what would change, checked by the API server. Exit status 2 if there is something
    #[arg(long)]
    pub dry_run: bool,
    /// The form of the output: json and yaml print the object as it is at the end, one after the other where there are
    /// several
    #[arg(short, long, value_enum, default_value = "table", hide_default_value = true, value_name = "FORM")]
    pub output: Format,
}

impl WriteArguments {
    /// How writes are made.
    pub fn parameters(self) -> PostParams {
        PostParams { dry_run: self.dry_run, field_manager: Some(MANAGER.to_owned()) }
    }

    /// Whether lines are printed, for people.
    pub fn is_for_people(self) -> bool {
        matches!(self.output, Format::Table | Format::Wide)
    }

    /// Tells what was done with an object, by its kind and name; nothing where the object itself is wanted.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn tell(self, screen: &Screen, object: &str, done: &str) -> Result<(), Error> {
        match self.output {
            Format::Table | Format::Wide if self.dry_run => screen.print(&format!("{object} {done} (dry run)\n")),
            Format::Table | Format::Wide => screen.print(&format!("{object} {done}\n")),
            Format::Name => screen.print(&format!("{object}\n")),
            Format::Json | Format::Yaml => Ok(()),
        }
    }

    /// Prints an object, where that is wanted: after a dry run as it would be, else as it is now.
    ///
    /// # Errors
    /// It cannot be read or written.
    pub async fn show<K>(self, session: &Session, api: &Api<K>, would_be: &K) -> Result<(), Error>
    where
        K: ResourceExt + Clone + std::fmt::Debug + DeserializeOwned + Serialize,
    {
        let name = would_be.name_any();
        let read = match self.output {
            Format::Json | Format::Yaml if !self.dry_run => api.get_opt(&name).await.map_err(ApiError::from),
            _ => Ok(None),
        };
        let now = read.map_err(|error| Error::Api { what: format!("get {name:?}"), error: Box::new(error) })?;
        let shown = now.as_ref().unwrap_or(would_be);
        match self.output {
            Format::Json => session.screen.print_json(shown),
            Format::Yaml => session.screen.print("---\n").and_then(|()| session.screen.print_yaml(shown)),
            Format::Table | Format::Wide | Format::Name => Ok(()),
        }
    }
}

/// What a change made of a request.
#[derive(Debug)]
pub struct Change {
    /// The request as it was.
    pub before: HelmRequest,
    /// The request as it is or, after a dry run, as it would be.
    pub after: DynamicObject,
    /// What differs in spec and annotations: path, old and new value.
    pub differences: Vec<String>,
}

impl Change {
    /// Whether the wish was changed, so that the status will tell of a new generation.
    pub fn is_of_spec(&self) -> bool {
        self.before.metadata.generation != self.after.metadata.generation
    }
}

/// Changes a request.
///
/// # Errors
/// It is not there, what `edit` says, or the API server refuses the change.
pub async fn change(
    session: &Session,
    name: &str,
    write: WriteArguments,
    mut edit: impl FnMut(&HelmRequest, &mut Json) -> Result<(), Error>,
) -> Result<Change, Error> {
    let name = requests::bare(name);
    let api = requests::whole(session);
    let mut attempts = 0;
    loop {
        let live = requests::get(session, &api, name).await?;
        let before = requests::typed(&live)?;
        let old = as_json(&live)?;
        let mut new = old.clone();
        edit(&before, &mut new)?;
        let differences = differences(&old, &new);
        if differences.is_empty() {
            return Ok(Change { after: live, before, differences });
        }
        let wanted: DynamicObject = serde_json::from_value(new).map_err(unreadable)?;
        match api.replace(name, &write.parameters(), &wanted).await.map_err(ApiError::from) {
            Ok(after) => return Ok(Change { before, after, differences }),
            Err(ApiError::Conflict { .. }) if attempts < ATTEMPTS => attempts += 1,
            Err(error) => return Err(Error::api(format!("change {KIND} {name:?}"), KIND, error)),
        }
    }
}

/// Sets an annotation of an object.
pub fn annotate(object: &mut Json, name: &str, text: &str) {
    let annotations = &mut object["metadata"]["annotations"];
    if !annotations.is_object() {
        *annotations = Json::Object(serde_json::Map::new());
    }
    annotations[name] = text.into();
}

/// Removes a member of a map of an object, where it is there.
pub fn remove(object: &mut Json, map: &str, member: &str) {
    if let Some(map) = object.pointer_mut(map).and_then(Json::as_object_mut) {
        map.remove(member);
    }
}

fn as_json(object: &DynamicObject) -> Result<Json, Error> {
    serde_json::to_value(object).map_err(unreadable)
}

fn unreadable(error: serde_json::Error) -> Error {
    Error::api(format!("read {KIND}"), KIND, ApiError::Undecodable { message: error.to_string() })
}

/// What differs between two states of a request in spec, annotations and labels, a line each.
pub fn differences(old: &Json, new: &Json) -> Vec<String> {
    let mut found = Vec::new();
    for (name, pointer) in [("spec", "/spec"), ("annotations", "/metadata/annotations"), ("labels", "/metadata/labels")]
    {
        compare(name, old.pointer(pointer), new.pointer(pointer), &mut found);
    }
    found
}

/// Adds what differs between two values, a line each: path, old and new value.
pub fn compare(path: &str, old: Option<&Json>, new: Option<&Json>, found: &mut Vec<String>) {
    let (old_members, new_members) = (old.and_then(Json::as_object), new.and_then(Json::as_object));
    if let (Some(old), Some(new)) = (old_members, new_members) {
        let mut names: Vec<&String> = old.keys().chain(new.keys().filter(|name| !old.contains_key(*name))).collect();
        names.sort();
        return names.into_iter().for_each(|name| {
            compare(&format!("{path}.{name}"), old.get(name), new.get(name), found);
        });
    }
    if let (Some(Json::Array(old)), Some(Json::Array(new))) = (old, new)
        && let Some(pairs) = pairs(old, new)
    {
        return pairs.into_iter().for_each(|(item, old, new)| compare(&format!("{path}[{item}]"), old, new, found));
    }
    match (old, new) {
        (Some(old), Some(new)) if old != new => found.push(format!("{path}: {old} -> {new}")),
        (Some(old), None) => found.push(format!("{path}: {old} -> not set")),
        (None, Some(new)) => found.push(format!("{path}: not set -> {new}")),
        _ => {}
    }
}

type Pair<'a> = (String, Option<&'a Json>, Option<&'a Json>);

/// The items of two lists that belong together: those of one name, else those of one place in lists of one length.
fn pairs<'a>(old: &'a [Json], new: &'a [Json]) -> Option<Vec<Pair<'a>>> {
    let named = |list: &'a [Json]| -> Option<BTreeMap<&'a str, &'a Json>> {
        let items: Option<BTreeMap<_, _>> = list.iter().map(|item| Some((item.get("name")?.as_str()?, item))).collect();
        items.filter(|items| items.len() == list.len())
    };
    if let (Some(old), Some(new)) = (named(old), named(new)) {
        let names: BTreeSet<&str> = old.keys().chain(new.keys()).copied().collect();
        let pair = |name: &str| (format!("name={name}"), old.get(name).copied(), new.get(name).copied());
        return Some(names.into_iter().map(pair).collect());
    }
    let pairs = old.iter().zip(new).enumerate();
    (old.len() == new.len()).then(|| pairs.map(|(at, (old, new))| (at.to_string(), Some(old), Some(new))).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_changes_is_told_path_by_path() {
        let old =
            json!({"spec": {"chart": "a/b", "values": {"x": 1, "y": {"z": true}}}, "status": {"phase": "Synced"}});
        let mut new = json!({"spec": {"chart": "a/b", "values": {"y": {"z": false}}, "version": "2"}});
        annotate(&mut new, "note", "hello");
        let expected = [
            "spec.values.x: 1 -> not set",
            "spec.values.y.z: true -> false",
            "spec.version: not set -> \"2\"",
            "annotations: not set -> {\"note\":\"hello\"}",
        ];
        assert_eq!(differences(&old, &new), expected);
        assert!(differences(&old, &json!({"spec": old["spec"], "status": {}})).is_empty());
    }

    #[test]
    fn items_of_lists_are_compared_by_name_or_by_place() {
        let found = |old: Json, new: Json| {
            let mut found = Vec::new();
            compare("x", Some(&old), Some(&new), &mut found);
            found
        };
        let (old, new) = (json!([{"name": "a", "v": 1}]), json!([{"name": "b"}, {"name": "a", "v": 2}]));
        assert_eq!(found(old, new), ["x[name=a].v: 1 -> 2", "x[name=b]: not set -> {\"name\":\"b\"}"]);
        assert_eq!(found(json!([1, 2]), json!([1, 3])), ["x[1]: 2 -> 3"]);
        assert_eq!(found(json!([1]), json!([1, 3])), ["x: [1] -> [1,3]"]);
    }

    #[test]
    fn a_member_is_removed_where_it_is_and_nothing_happens_where_it_is_not() {
        let mut object = json!({"spec": {"rollbackTo": 3}});
        remove(&mut object, "/spec", "rollbackTo");
        remove(&mut object, "/metadata/annotations", "x");
        assert_eq!(object, json!({"spec": {}}));
    }
}

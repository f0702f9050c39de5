//! Strategic merge patches, as Kustomize applies them.
//!
//! Maps are merged, null removes a member, everything else is replaced. Lists of Kubernetes' own kinds that have a
//! merge key (`patchMergeKey` in `k8s.io/api`) are merged item by item: what the patch names comes first, in the
//! patch's order, then the rest. Lists of custom kinds are replaced. The directives are `$patch: delete`, `replace` and
//! `merge`, `$retainKeys` and `$deleteFromPrimitiveList/FIELD`.

use serde_json::Map;

use crate::render::is_builtin_group;
use crate::value::Json;

const PATCH: &str = "$patch";
const RETAIN_KEYS: &str = "$retainKeys";
const DELETE_FROM_LIST: &str = "$deleteFromPrimitiveList/";
const ELEMENT_ORDER: &str = "$setElementOrder/";

/// The lists of Kubernetes' own kinds that are merged: the field of the list's owner, which is `containers` for every
/// container; the list; the keys of its items. Items without a later key match any; no keys at all mean a list of plain
/// values.
const MERGED_LISTS: [(&str, &str, &[&str]); 25] = [
    ("metadata", "ownerReferences", &["uid"]),
    ("metadata", "finalizers", &[]),
    ("spec", "containers", &["name"]),
    ("spec", "initContainers", &["name"]),
    ("spec", "ephemeralContainers", &["name"]),
    ("spec", "volumes", &["name"]),
    ("spec", "imagePullSecrets", &["name"]),
    ("spec", "hostAliases", &["ip"]),
    ("spec", "topologySpreadConstraints", &["topologyKey", "whenUnsatisfiable"]),
    ("spec", "resourceClaims", &["name"]),
    ("spec", "schedulingGates", &["name"]),
    ("spec", "ports", &["port", "protocol"]),
    ("spec", "podCIDRs", &[]),
    ("spec", "drivers", &["name"]),
    ("spec", "matchConditions", &["name"]),
    ("spec", "variables", &["name"]),
    ("containers", "env", &["name"]),
    ("containers", "ports", &["containerPort", "protocol"]),
    ("containers", "volumeMounts", &["mountPath"]),
    ("containers", "volumeDevices", &["devicePath"]),
    ("webhooks", "matchConditions", &["name"]),
    ("", "webhooks", &["name"]),
    ("", "secrets", &["name"]),
    ("", "imagePullSecrets", &["name"]),
    ("status", "conditions", &["type"]),
];

/// What a patch did to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Merged {
    /// It is merged.
    Changed,
    /// The patch deletes it.
    Deleted,
}

/// Why a patch cannot be merged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MergeError {
    /// A directive is not known.
    #[error("{place}: {directive} is no directive; write $patch: delete, replace or merge")]
    Directive {
        /// The map that it stands in.
        place: String,
        /// What it says.
        directive: String,
    },
    /// An item of a list that is merged does not say which it is.
    #[error("{place}: an item has no {key}, by which items of this list are found; add it")]
    NoKey {
        /// The list.
        place: String,
        /// The key.
        key: &'static str,
    },
    /// A directive about a list has something else.
    #[error("{place}: {directive} takes a list")]
    NotAList {
        /// The map that it stands in.
        place: String,
        /// The directive.
        directive: String,
    },
}

/// Merges a patch into an object.
///
/// # Errors
/// What is wrong with the patch; the object may be changed in part.
pub fn merge(object: &mut Json, patch: &Json) -> Result<Merged, MergeError> {
    let api_version = object.get("apiVersion").and_then(Json::as_str).unwrap_or_default();
    let group = api_version.split_once('/').map_or("", |(group, _)| group);
    let mut merge = Merge { has_keys: is_builtin_group(group), path: Vec::new() };
    match (object.as_object_mut(), patch.as_object()) {
        (Some(object), Some(patch)) => merge.maps(object, patch),
        _ => Ok(Merged::Changed),
    }
}

/// A merge underway.
struct Merge<'a> {
    /// Whether lists have merge keys.
    has_keys: bool,
    /// The names of the fields from the object to the place.
    path: Vec<&'a str>,
}

impl<'a> Merge<'a> {
    fn place(&self) -> String {
        if self.path.is_empty() { "the object".to_owned() } else { format!("/{}", self.path.join("/")) }
    }

    fn maps(&mut self, base: &mut Map<String, Json>, patch: &'a Map<String, Json>) -> Result<Merged, MergeError> {
        match self.directive(patch)? {
            Some(Directive::Delete) => return Ok(Merged::Deleted),
            Some(Directive::Replace) => {
                *base = cleaned_map(patch);
                return Ok(Merged::Changed);
            }
            Some(Directive::Merge) | None => {}
        }
        if let Some(names) = patch.get(RETAIN_KEYS) {
            let names = self.list(RETAIN_KEYS, names)?;
            base.retain(|name, _| names.iter().any(|retained| retained == name));
        }
        for (name, value) in patch {
            if let Some(field) = name.strip_prefix(DELETE_FROM_LIST) {
                let gone = self.list(name, value)?;
                if let Some(Json::Array(items)) = base.get_mut(field) {
                    items.retain(|item| !gone.contains(item));
                }
            } else if name.starts_with(ELEMENT_ORDER) {
                return Err(MergeError::Directive { place: self.place(), directive: name.clone() });
            } else if !is_directive(name) {
                self.path.push(name);
                self.member(base, name, value)?;
                self.path.pop();
            }
        }
        Ok(Merged::Changed)
    }

    fn member(&mut self, base: &mut Map<String, Json>, name: &'a str, patch: &'a Json) -> Result<(), MergeError> {
        let merged = match (base.get_mut(name), patch) {
            (_, Json::Null) => Merged::Deleted,
            (Some(Json::Object(base)), Json::Object(patch)) => self.maps(base, patch)?,
            (Some(Json::Array(base)), Json::Array(patch)) => self.lists(base, patch)?,
            (_, Json::Object(patch)) if self.directive(patch)? == Some(Directive::Delete) => Merged::Deleted,
            _ => {
                base.insert(name.to_owned(), cleaned(patch));
                Merged::Changed
            }
        };
        if merged == Merged::Deleted {
            base.remove(name);
        }
        Ok(())
    }

    fn lists(&mut self, base: &mut Vec<Json>, patch: &'a [Json]) -> Result<Merged, MergeError> {
        let mut items: Vec<&'a Json> = patch.iter().collect();
        if let Some(place) = patch.iter().position(is_bare_directive) {
            items.remove(place);
            match patch[place].as_object().map(|item| self.directive(item)).transpose()?.flatten() {
                Some(Directive::Delete) => return Ok(Merged::Deleted),
                Some(Directive::Replace) => {
                    *base = items.into_iter().map(cleaned).collect();
                    return Ok(Merged::Changed);
                }
                Some(Directive::Merge) | None => {}
            }
        }
        match self.keys() {
            None => *base = items.into_iter().map(cleaned).collect(),
            Some([]) => {
                let added: Vec<Json> = items.into_iter().filter(|item| !base.contains(item)).cloned().collect();
                base.splice(0..0, added);
            }
            Some(keys) => self.items(base, items, keys)?,
        }
        Ok(Merged::Changed)
    }

    /// The keys of the items of the list at the place; nothing where the list is replaced.
    fn keys(&self) -> Option<&'static [&'static str]> {
        let (name, owners) = self.path.split_last()?;
        let owner = match owners.last().copied().unwrap_or_default() {
            "initContainers" | "ephemeralContainers" => "containers",
            owner => owner,
        };
        let known = MERGED_LISTS.iter().find(|(holder, list, _)| *holder == owner && list == name);
        known.filter(|_| self.has_keys).map(|(_, _, keys)| *keys)
    }

    /// Merges items by their keys.
    fn items(
        &mut self,
        base: &mut Vec<Json>,
        patch: Vec<&'a Json>,
        keys: &'static [&'static str],
    ) -> Result<(), MergeError> {
        let mut first = Vec::new();
        for item in patch {
            let known = keys.first().is_some_and(|key| item.get(key).is_some());
            let (true, Some(map)) = (known, item.as_object()) else {
                return Err(MergeError::NoKey { place: self.place(), key: keys.first().copied().unwrap_or_default() });
            };
            let place = base.iter().position(|other| is_same_item(other, item, keys));
            let mut merged = place.map_or_else(|| Json::Object(Map::new()), |place| base.remove(place));
            if let Some(base) = merged.as_object_mut()
                && self.maps(base, map)? == Merged::Changed
            {
                first.push(merged);
            }
        }
        base.splice(0..0, first);
        Ok(())
    }

    fn directive(&self, patch: &Map<String, Json>) -> Result<Option<Directive>, MergeError> {
        let Some(directive) = patch.get(PATCH) else { return Ok(None) };
        match directive.as_str() {
            Some("delete") => Ok(Some(Directive::Delete)),
            Some("replace") => Ok(Some(Directive::Replace)),
            Some("merge") => Ok(Some(Directive::Merge)),
            _ => Err(MergeError::Directive { place: self.place(), directive: format!("{PATCH}: {directive}") }),
        }
    }

    fn list<'b>(&self, directive: &str, value: &'b Json) -> Result<&'b [Json], MergeError> {
        let list = value.as_array().map(Vec::as_slice);
        list.ok_or_else(|| MergeError::NotAList { place: self.place(), directive: directive.to_owned() })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Directive {
    Delete,
    Replace,
    Merge,
}

fn is_directive(name: &str) -> bool {
    name == PATCH || name == RETAIN_KEYS || name.starts_with(DELETE_FROM_LIST)
}

/// Whether an item of a list speaks of the whole list.
fn is_bare_directive(item: &Json) -> bool {
    item.as_object().is_some_and(|item| item.len() == 1 && item.contains_key(PATCH))
}

/// Whether two items are the same: the first key is equal, and the others are or are missing in one. A port without
/// protocol is TCP's.
fn is_same_item(left: &Json, right: &Json, keys: &[&str]) -> bool {
    keys.iter().enumerate().all(|(place, key)| match (left.get(key), right.get(key)) {
        (Some(left), Some(right)) => left == right,
        (Some(one), None) | (None, Some(one)) => place > 0 && (*key != "protocol" || one == "TCP"),
        (None, None) => place > 0,
    })
}

/// What a patch adds where nothing is: without nulls and directives.
fn cleaned(patch: &Json) -> Json {
    match patch {
        Json::Object(members) => Json::Object(cleaned_map(members)),
        Json::Array(items) => {
            let is_deleted = |item: &&Json| item.get(PATCH).is_some_and(|word| word == "delete");
            items.iter().filter(|item| !is_deleted(item) && !is_bare_directive(item)).map(cleaned).collect()
        }
        other => other.clone(),
    }
}

fn cleaned_map(patch: &Map<String, Json>) -> Map<String, Json> {
    let stays = |(name, value): &(&String, &Json)| !value.is_null() && !is_directive(name);
    patch.iter().filter(stays).map(|(name, value)| (name.clone(), cleaned(value))).collect()
}

#[cfg(test)]
#[path = "strategic_merge_tests.rs"]
mod tests;

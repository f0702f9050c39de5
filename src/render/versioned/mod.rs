//! ConfigMaps and Secrets whose names change with their content, so that what uses them is rolled out by a change and
//! an earlier revision still finds what it used.
//!
//! An object that asks for it by an annotation gets the suffix `-vNNN`. Spinnaker's users know this: the first version
//! is `v000`, changed content gets the next number, content that is known keeps its name. Content is what pods can see:
//! labels and annotations do not count. References to the object in the same render are rewritten. Which versions there
//! are is known from the [`Inventory`] that each revision hands to the next one.

mod inventory;
mod references;

pub use inventory::{Base, Inventory, Version};

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::documents::Documents;
use super::secret::encode_string_data;
use super::{RenderError, Rendered};
use crate::value::{Json, hex};

/// The annotations that make an object versioned; where both are set, the first counts.
const VERSIONED: [&str; 2] = ["coxswain.dev/versioned", "strategy.spinnaker.io/versioned"];
/// The annotations that say how many versions are kept.
const LIMIT: [&str; 2] = ["coxswain.dev/max-versions", "strategy.spinnaker.io/max-version-history"];
/// The fields that are an object's content.
const CONTENT: [&str; 4] = ["data", "binaryData", "type", "immutable"];

/// Gives versioned objects of a render their names and rewrites the references to them. Objects without a namespace are
/// in `namespace`; hooks are not versioned.
///
/// # Errors
/// A document cannot be read or written.
pub fn apply(rendered: &mut Rendered, namespace: &str, inventory: &Inventory) -> Result<(), RenderError> {
    let may_be = |text: &String| VERSIONED.iter().any(|annotation| text.contains(annotation));
    if !rendered.documents.iter().any(|document| may_be(&document.content)) {
        return Ok(());
    }
    let mut documents = Documents::read(rendered)?;
    let mut names = BTreeMap::new();
    for object in documents.objects.iter_mut().filter(|object| !object.is_hook && is_versioned(&object.json)) {
        let Some(base) = Base::of(&object.json, namespace) else { continue };
        let name = base.name_of(inventory.number(&base, &content(&object.json)));
        object.json["metadata"]["name"] = name.as_str().into();
        names.insert(base, name);
    }
    for object in &mut documents.objects {
        references::rewrite(&mut object.json, namespace, &names);
    }
    documents.write(rendered)
}

/// Whether an object asks for versions.
fn is_versioned(object: &Json) -> bool {
    let is_kind =
        matches!(text(object, "/kind"), Some("ConfigMap" | "Secret")) && text(object, "/apiVersion") == Some("v1");
    is_kind && annotation(object, &VERSIONED).is_some_and(|word| word.trim().eq_ignore_ascii_case("true"))
}

/// How many versions of an object are kept, the one in use included; nothing where it does not say.
fn limit(object: &Json) -> Option<usize> {
    annotation(object, &LIMIT)?.trim().parse().ok()
}

fn annotation<'a>(object: &'a Json, names: &[&str]) -> Option<&'a str> {
    let annotations = object.pointer("/metadata/annotations")?;
    names.iter().find_map(|name| annotations.get(name))?.as_str()
}

fn text<'a>(object: &'a Json, pointer: &str) -> Option<&'a str> {
    object.pointer(pointer).and_then(Json::as_str)
}

/// A digest of an object's content, as the API server has it: rendered texts of Secrets count as the data they become.
fn content(object: &Json) -> String {
    let mut object = object.clone();
    encode_string_data(&mut object);
    let fields: BTreeMap<&str, &Json> = CONTENT.iter().filter_map(|field| Some((*field, object.get(field)?))).collect();
    let digest = Sha256::digest(serde_json::to_string(&fields).unwrap_or_default());
    hex(&digest[..16])
}

#[cfg(test)]
mod tests;

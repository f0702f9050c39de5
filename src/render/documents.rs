//! The documents of a render as objects that can be changed, and back.
//!
//! A changed document is written anew, and its head and hook annotations are read again.

use std::fmt;

use super::manifest::{Part, manifest, read_part};
use super::{Order, RenderError, Rendered, sort_by_kind};
use crate::value::Json;
use crate::yaml;

/// The documents of a render.
pub struct Documents {
    /// Their objects, items of lists one by one, documents before hooks.
    pub objects: Vec<Object>,
    sources: Vec<Source>,
}

/// An object of a document.
#[derive(Clone, Debug)]
pub struct Object {
    /// Its content.
    pub json: Json,
    /// Whether its document is a hook.
    pub is_hook: bool,
    /// The number of its document.
    source: usize,
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.json.get("kind").and_then(Json::as_str).unwrap_or("object");
        let name = self.json.pointer("/metadata/name").and_then(Json::as_str).unwrap_or_default();
        write!(f, "{kind} {name:?}")
    }
}

/// A document as it was rendered.
struct Source {
    path: String,
    /// The list object that its objects are the items of, where it is one.
    list: Option<Json>,
    objects: Vec<Json>,
}

impl Documents {
    /// Reads the documents of a render, hooks included. What is no map is left out and stays as it is.
    ///
    /// # Errors
    /// A document is not YAML.
    pub fn read(rendered: &Rendered) -> Result<Self, RenderError> {
        let documents = rendered.documents.iter().map(|document| (&document.path, &document.content, false));
        let hooks = rendered.hooks.iter().map(|hook| (&hook.path, &hook.manifest, true));
        let mut read = Self { objects: Vec::new(), sources: Vec::new() };
        for (path, content, is_hook) in documents.chain(hooks) {
            let json = yaml::parse(content)
                .map_err(|error| RenderError::Document { path: path.clone(), reason: error.to_string() })?;
            let (list, objects) = flatten(json);
            let source = read.sources.len();
            read.objects.extend(objects.iter().map(|json| Object { json: json.clone(), is_hook, source }));
            read.sources.push(Source { path: path.clone(), list, objects });
        }
        Ok(read)
    }

    /// Writes what was changed into the render that was read. A document that nothing changed keeps its bytes; one
    /// without any objects left is gone.
    ///
    /// # Errors
    /// A document cannot be written, or Helm cannot read it.
    pub fn write(self, rendered: &mut Rendered) -> Result<(), RenderError> {
        let mut now: Vec<Vec<Json>> = self.sources.iter().map(|_| Vec::new()).collect();
        for object in self.objects {
            now[object.source].push(object.json);
        }
        let before = rendered.documents.iter().cloned().map(Part::Manifest);
        let before = before.chain(rendered.hooks.iter().cloned().map(Part::Hook));
        let (mut documents, mut hooks, mut changed) = (Vec::new(), Vec::new(), false);
        for ((source, objects), part) in self.sources.into_iter().zip(now).zip(before) {
            let part = if objects == source.objects {
                Some(part)
            } else {
                changed = true;
                source.rewritten(objects)?
            };
            match part {
                Some(Part::Manifest(document)) => documents.push(document),
                Some(Part::Hook(hook)) => hooks.push(hook),
                Some(Part::Dropped(_)) | None => {}
            }
        }
        if changed {
            sort_by_kind(&mut documents, Order::Install, |document| &document.head.kind);
            sort_by_kind(&mut hooks, Order::Install, |hook| &hook.kind);
            rendered.manifest = manifest(&documents);
            rendered.documents = documents;
            rendered.hooks = hooks;
        }
        Ok(())
    }
}

impl Source {
    /// The document with other objects; nothing where none is left.
    fn rewritten(self, mut objects: Vec<Json>) -> Result<Option<Part>, RenderError> {
        let Self { path, list, .. } = self;
        let json = match list {
            _ if objects.is_empty() => return Ok(None),
            Some(mut list) => {
                list["items"] = Json::Array(objects);
                list
            }
            None => objects.swap_remove(0),
        };
        match yaml::to_string(&json) {
            Ok(text) => read_part(&path, &text).map(Some),
            Err(error) => Err(RenderError::Document { path, reason: error.to_string() }),
        }
    }
}

/// The objects of a document, and the list object that they stand in.
fn flatten(mut json: Json) -> (Option<Json>, Vec<Json>) {
    let is_list = json.get("kind").and_then(Json::as_str).is_some_and(|kind| kind.ends_with("List"));
    if !json.is_object() {
        return (None, Vec::new());
    }
    match json.get_mut("items") {
        Some(Json::Array(items)) if is_list => {
            let items = std::mem::take(items).into_iter().flat_map(|item| flatten(item).1).collect();
            (Some(json), items)
        }
        _ => (None, vec![json]),
    }
}

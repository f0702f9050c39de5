//! Changes to rendered documents before they are recorded and applied: patches, images, common labels and annotations.
//!
//! The rules and their meaning are those of Kustomize, which is what people know from Helm's post-renderers; where this
//! is stricter (a patch that selects nothing is an error) the user's page says so. Everything happens in the order of
//! the fields: patches one after the other, then images, labels, annotations. A document that nothing changes keeps
//! its bytes.

mod images;
mod json_patch;
mod labels;
mod selector;
mod strategic_merge;
mod target;

use std::collections::BTreeMap;

use self::json_patch::{Operation, OperationError};
use self::strategic_merge::{MergeError, Merged};
use self::target::Selection;
use super::documents::{Documents, Object};
use super::{RenderError, Rendered, split};
use crate::value::Json;
use crate::yaml;

/// What is changed after a render.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// Patches, applied in order.
    pub patches: Vec<Patch>,
    /// Replacements of images.
    pub images: Vec<Image>,
    /// Labels of every object.
    pub labels: BTreeMap<String, String>,
    /// Annotations of every object.
    pub annotations: BTreeMap<String, String>,
    /// Whether hooks are changed too.
    pub hooks: bool,
    /// The namespace of objects that name none.
    pub namespace: String,
}

/// A patch of the objects that its target selects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Patch {
    /// Which objects; without it, each map of the patch names its object itself.
    pub target: Option<Target>,
    /// YAML: maps are strategic merge patches, a list is a JSON patch.
    pub text: String,
}

/// Which objects a patch is for. Texts are regular expressions that match as a whole; what is absent selects all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// The API group, empty for the core group.
    pub group: Option<String>,
    /// The API version without group.
    pub version: Option<String>,
    /// The kind.
    pub kind: Option<String>,
    /// The name.
    pub name: Option<String>,
    /// The namespace.
    pub namespace: Option<String>,
    /// A label selector.
    pub labels: Option<String>,
}

/// A replacement of an image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image {
    /// The image to look for, without tag and digest.
    pub name: String,
    /// Its new name.
    pub new_name: Option<String>,
    /// Its new tag, which replaces tag and digest.
    pub new_tag: Option<String>,
    /// Its new digest, which replaces tag and digest.
    pub digest: Option<String>,
}

/// Why documents could not be changed. `index` counts from 0, as in the path of the field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PostError {
    /// A patch is not YAML.
    #[error("postRender.patches[{index}] is not YAML: {reason}")]
    NotYaml {
        /// Which patch.
        index: usize,
        /// What is wrong, with the line.
        reason: String,
    },
    /// A patch is empty, or a text or number.
    #[error("postRender.patches[{index}] is no patch; write a map (strategic merge patch) or a list (JSON patch)")]
    NotAPatch {
        /// Which patch.
        index: usize,
    },
    /// A target cannot be understood.
    #[error("postRender.patches[{index}].target.{field} {text:?}: {reason}")]
    Target {
        /// Which patch.
        index: usize,
        /// Which field of its target.
        field: &'static str,
        /// What it says.
        text: String,
        /// What is wrong.
        reason: String,
    },
    /// A JSON patch has no target.
    #[error("postRender.patches[{index}] is a JSON patch without target; say which objects it is for")]
    NoTarget {
        /// Which patch.
        index: usize,
    },
    /// A strategic merge patch neither has a target nor names its object.
    #[error("postRender.patches[{index}] has no target and does not name its object; add {missing}")]
    Unnamed {
        /// Which patch.
        index: usize,
        /// The field that it lacks.
        missing: &'static str,
    },
    /// A patch is for no rendered object.
    #[error("postRender.patches[{index}] is for {selection}, and the chart renders no such object{}", hint(*.is_hook))]
    SelectsNothing {
        /// Which patch.
        index: usize,
        /// What it looks for.
        selection: String,
        /// Whether a hook is such an object.
        is_hook: bool,
    },
    /// An operation of a JSON patch is not one.
    #[error("postRender.patches[{index}], operation {operation}: {reason}")]
    NotAnOperation {
        /// Which patch.
        index: usize,
        /// Which of its operations, from 0.
        operation: usize,
        /// What is wrong.
        reason: String,
    },
    /// An operation of a JSON patch fails.
    #[error("postRender.patches[{index}], operation {operation}, {object}: {reason}")]
    Operation {
        /// Which patch.
        index: usize,
        /// Which of its operations, from 0.
        operation: usize,
        /// The object.
        object: String,
        /// What is wrong, with the place.
        reason: OperationError,
    },
    /// A strategic merge patch cannot be merged.
    #[error("postRender.patches[{index}], {object}: {reason}")]
    Merge {
        /// Which patch.
        index: usize,
        /// The object.
        object: String,
        /// What is wrong, with the place.
        reason: MergeError,
    },
    /// A replacement of images does not say of which.
    #[error("postRender.images[{index}] has no name; name the image to look for, without tag and digest")]
    NamelessImage {
        /// Which replacement.
        index: usize,
    },
    /// A rendered document cannot be read or written.
    #[error(transparent)]
    Document(#[from] RenderError),
}

fn hint(is_hook: bool) -> &'static str {
    if is_hook { " but a hook; set postRender.hooks to change hooks too" } else { "; correct the patch" }
}

/// Changes rendered documents.
///
/// # Errors
/// The first rule that cannot be followed; `rendered` is then as it was.
pub fn apply(rules: &Rules, rendered: &mut Rendered) -> Result<(), PostError> {
    let mut documents = Documents::read(rendered)?;
    for (index, patch) in rules.patches.iter().enumerate() {
        apply_patch(index, patch, rules, &mut documents)?;
    }
    for (index, image) in rules.images.iter().enumerate() {
        if image.name.is_empty() {
            return Err(PostError::NamelessImage { index });
        }
    }
    for object in documents.objects.iter_mut().filter(|object| rules.hooks || !object.is_hook) {
        images::replace(&mut object.json, &rules.images);
        labels::add(&mut object.json, "labels", &rules.labels);
        labels::add(&mut object.json, "annotations", &rules.annotations);
    }
    Ok(documents.write(rendered)?)
}

fn apply_patch(index: usize, patch: &Patch, rules: &Rules, documents: &mut Documents) -> Result<(), PostError> {
    let target = patch.target.as_ref().map(|target| Selection::of_target(target, index)).transpose()?;
    let texts = split(&patch.text);
    if texts.is_empty() {
        return Err(PostError::NotAPatch { index });
    }
    for text in texts {
        let content = yaml::parse(text).map_err(|error| PostError::NotYaml { index, reason: error.to_string() })?;
        match content {
            Json::Array(operations) => {
                let target = target.as_ref().ok_or(PostError::NoTarget { index })?;
                let operations = read_operations(index, operations)?;
                for object in select(index, target, rules, documents)? {
                    run(index, &operations, object)?;
                }
            }
            Json::Object(_) => {
                let selected = match &target {
                    Some(target) => select(index, target, rules, documents)?,
                    None => select(index, &Selection::of_patch(&content, index)?, rules, documents)?,
                };
                for object in selected {
                    merge(index, &content, object)?;
                }
                documents.objects.retain(|object| !object.json.is_null());
            }
            _ => return Err(PostError::NotAPatch { index }),
        }
    }
    Ok(())
}

/// The objects that a patch is for.
fn select<'a>(
    index: usize,
    selection: &Selection,
    rules: &Rules,
    documents: &'a mut Documents,
) -> Result<Vec<&'a mut Object>, PostError> {
    let fits = |object: &Object| selection.fits(&object.json, &rules.namespace);
    let is_hook = !rules.hooks && documents.objects.iter().any(|object| object.is_hook && fits(object));
    let reach = documents.objects.iter_mut().filter(|object| rules.hooks || !object.is_hook);
    let selected: Vec<&mut Object> = reach.filter(|object| fits(object)).collect();
    if selected.is_empty() {
        return Err(PostError::SelectsNothing { index, selection: selection.to_string(), is_hook });
    }
    Ok(selected)
}

fn read_operations(index: usize, operations: Vec<Json>) -> Result<Vec<Operation>, PostError> {
    let read = |(operation, json): (usize, &Json)| {
        Operation::read(json).map_err(|reason| PostError::NotAnOperation { index, operation, reason })
    };
    operations.iter().enumerate().map(read).collect()
}

fn run(index: usize, operations: &[Operation], object: &mut Object) -> Result<(), PostError> {
    for (number, operation) in operations.iter().enumerate() {
        operation.run(&mut object.json).map_err(|reason| PostError::Operation {
            index,
            operation: number,
            object: object.to_string(),
            reason,
        })?;
    }
    Ok(())
}

/// Merges a patch into an object, whose identity stays; an object that the patch deletes becomes null.
fn merge(index: usize, patch: &Json, object: &mut Object) -> Result<(), PostError> {
    let identity = target::identity(&object.json);
    let merged = strategic_merge::merge(&mut object.json, patch).map_err(|reason| PostError::Merge {
        index,
        object: object.to_string(),
        reason,
    })?;
    match merged {
        Merged::Changed => target::restore(&mut object.json, identity),
        Merged::Deleted => object.json = Json::Null,
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod tests;

//! Which objects a patch is for.
//!
//! As with Kustomize the texts of a target are regular expressions that match as a whole, so that a plain name is just
//! that name. A strategic merge patch without target names its object by `apiVersion`, `kind` and `metadata.name`.

use std::fmt;

use regex::{Regex, escape};

use super::selector::LabelSelector;
use super::{PostError, Target};
use crate::value::Json;

/// The objects that a patch is for, ready to be compared.
pub struct Selection {
    group: Option<Regex>,
    version: Option<Regex>,
    kind: Option<Regex>,
    name: Option<Regex>,
    namespace: Option<Regex>,
    labels: Option<LabelSelector>,
    shown: String,
}

impl fmt::Display for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl Selection {
    /// What a target selects; `index` is the number of its patch.
    pub fn of_target(target: &Target, index: usize) -> Result<Self, PostError> {
        let Target { group, version, kind, name, namespace, labels } = target;
        let expression = |field, text: &Option<String>| expression(index, field, text.as_deref());
        let selector = |text: &String| {
            LabelSelector::parse(text).map_err(|reason| PostError::Target {
                index,
                field: "labelSelector",
                text: text.clone(),
                reason,
            })
        };
        Ok(Self {
            group: expression("group", group)?,
            version: expression("version", version)?,
            kind: expression("kind", kind)?,
            name: expression("name", name)?,
            namespace: expression("namespace", namespace)?,
            labels: labels.as_ref().map(selector).transpose()?,
            shown: shown(target),
        })
    }

    /// The one object that a strategic merge patch names itself.
    pub fn of_patch(patch: &Json, index: usize) -> Result<Self, PostError> {
        let text = |pointer| text(patch, pointer).filter(|text| !text.is_empty());
        let named = |pointer, missing| text(pointer).ok_or(PostError::Unnamed { index, missing });
        let (group, version) = group_and_version(named("/apiVersion", "apiVersion")?);
        let (kind, name) = (named("/kind", "kind")?, named("/metadata/name", "metadata.name")?);
        let target = Target {
            group: Some(escape(group)),
            version: Some(escape(version)),
            kind: Some(escape(kind)),
            name: Some(escape(name)),
            namespace: text("/metadata/namespace").map(escape),
            labels: None,
        };
        Ok(Self { shown: format!("{kind} {name:?}"), ..Self::of_target(&target, index)? })
    }

    /// Whether an object is among them; one without a namespace is in `namespace`.
    pub fn fits(&self, object: &Json, namespace: &str) -> bool {
        let text = |pointer| text(object, pointer).unwrap_or_default();
        let (group, version) = group_and_version(text("/apiVersion"));
        let own_namespace = Some(text("/metadata/namespace")).filter(|own| !own.is_empty());
        let fields = [
            (&self.group, group),
            (&self.version, version),
            (&self.kind, text("/kind")),
            (&self.name, text("/metadata/name")),
            (&self.namespace, own_namespace.unwrap_or(namespace)),
        ];
        let fits = |(expression, text): (&Option<Regex>, &str)| {
            expression.as_ref().is_none_or(|expression| expression.is_match(text))
        };
        fields.into_iter().all(fits) && self.labels.as_ref().is_none_or(|labels| labels.fits(object))
    }
}

fn expression(index: usize, field: &'static str, text: Option<&str>) -> Result<Option<Regex>, PostError> {
    let Some(text) = text else { return Ok(None) };
    match Regex::new(&format!("^(?:{text})$")) {
        Ok(expression) => Ok(Some(expression)),
        Err(error) => {
            let reason = format!("it is no regular expression: {error}");
            Err(PostError::Target { index, field, text: text.to_owned(), reason })
        }
    }
}

fn shown(target: &Target) -> String {
    let Target { group, version, kind, name, namespace, labels } = target;
    let fields = [
        ("group", group),
        ("version", version),
        ("kind", kind),
        ("name", name),
        ("namespace", namespace),
        ("labels", labels),
    ];
    let named = fields.into_iter().filter_map(|(field, text)| Some(format!("{field} {:?}", text.as_ref()?)));
    named.collect::<Vec<_>>().join(", ")
}

fn group_and_version(api_version: &str) -> (&str, &str) {
    api_version.split_once('/').unwrap_or(("", api_version))
}

fn text<'a>(object: &'a Json, pointer: &str) -> Option<&'a str> {
    object.pointer(pointer).and_then(Json::as_str)
}

/// What makes an object that object, for strategic merge patches, which never change it.
pub struct Identity {
    api_version: Option<Json>,
    kind: Option<Json>,
    name: Option<Json>,
    namespace: Option<Json>,
}

/// The identity of an object.
pub fn identity(object: &Json) -> Identity {
    let take = |pointer| object.pointer(pointer).cloned();
    Identity {
        api_version: take("/apiVersion"),
        kind: take("/kind"),
        name: take("/metadata/name"),
        namespace: take("/metadata/namespace"),
    }
}

/// Gives an object its identity back.
pub fn restore(object: &mut Json, identity: Identity) {
    let Identity { api_version, kind, name, namespace } = identity;
    let put = |place: &mut Json, field: &str, value: Option<Json>| match (value, place.as_object_mut()) {
        (Some(value), Some(place)) => drop(place.insert(field.to_owned(), value)),
        (None, Some(place)) => drop(place.remove(field)),
        (_, None) => {}
    };
    put(object, "apiVersion", api_version);
    put(object, "kind", kind);
    if let Some(metadata) = object.get_mut("metadata") {
        put(metadata, "name", name);
        put(metadata, "namespace", namespace);
    }
}

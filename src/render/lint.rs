//! What can be said against what a chart renders to, document by document.

use super::{Manifest, Rendered};
use crate::chart::lint::{Finding, Level};
use crate::value::Json;

/// The longest name of an object.
const LONGEST_NAME: usize = 253;

/// What is to be said against a render.
pub fn lint(rendered: &Rendered) -> Vec<Finding> {
    rendered.documents.iter().flat_map(of_document).collect()
}

fn of_document(document: &Manifest) -> Vec<Finding> {
    let Manifest { path, head, content } = document;
    let mut found = Vec::new();
    let mut say = |level, message: String| found.push(Finding::new(level, path, message));
    for (field, text) in [("apiVersion", &head.api_version), ("kind", &head.kind)] {
        if text.is_empty() {
            say(Level::Error, format!("a document has no {field}"));
        }
    }
    let is_list = head.kind.ends_with("List");
    if head.name.is_empty() && !is_list {
        say(Level::Error, format!("{} has no metadata.name", head.kind));
    } else if !is_name(&head.name) && !is_list && !has_free_name(&head.kind) {
        let message = "use lower case letters, digits, '-' and '.', and begin and end with a letter or digit";
        say(Level::Error, format!("{} {:?} has a name that the API server refuses: {message}", head.kind, head.name));
    }
    if let Ok(json) = crate::yaml::parse(content)
        && let Some(message) = unselected(&json)
    {
        say(Level::Error, format!("{} {:?}: {message}", head.kind, head.name));
    }
    found
}

/// A name of an object (RFC 1123).
fn is_name(name: &str) -> bool {
    let inside = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.');
    let outside = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let bytes = name.as_bytes();
    name.len() <= LONGEST_NAME
        && bytes.iter().all(|&byte| inside(byte))
        && outside(bytes.first())
        && outside(bytes.last())
}

/// Kinds whose names may hold more.
fn has_free_name(kind: &str) -> bool {
    matches!(kind, "Role" | "ClusterRole" | "RoleBinding" | "ClusterRoleBinding" | "ComponentStatus")
}

/// A workload must select its own pods.
fn unselected(object: &Json) -> Option<String> {
    let wanted = object.pointer("/spec/selector/matchLabels")?.as_object()?;
    let labels = object.pointer("/spec/template")?.pointer("/metadata/labels").and_then(Json::as_object);
    let missing = wanted.iter().find(|(name, value)| labels.and_then(|labels| labels.get(*name)) != Some(value));
    missing.map(|(name, _)| format!("spec.selector wants label {name:?}, which spec.template does not have so"))
}

#[cfg(test)]
mod tests {
    use super::super::manifest::Head;
    use super::*;

    fn told(text: &str) -> Vec<String> {
        let head = Head::read(text).expect("a head");
        let document = Manifest { path: "web/templates/a.yaml".into(), content: text.into(), head };
        of_document(&document).into_iter().map(|found| found.message).collect()
    }

    #[test]
    fn documents_that_the_api_server_would_refuse_are_told() {
        for (text, expected) in [
            ("apiVersion: v1\nkind: Service\nmetadata: {name: web}\n", vec![]),
            ("kind: Service\nmetadata: {name: web}\n", vec!["a document has no apiVersion"]),
            ("apiVersion: v1\nkind: Service\nmetadata: {}\n", vec!["Service has no metadata.name"]),
            ("apiVersion: v1\nkind: Service\nmetadata: {name: Web_1}\n", vec!["Service \"Web_1\" has a name that"]),
            ("apiVersion: rbac/v1\nkind: ClusterRole\nmetadata: {name: 'system:x'}\n", vec![]),
            (
                "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {selector: {matchLabels: {a: b}}, \
                 template: {metadata: {labels: {a: c}}}}\n",
                vec!["Deployment \"web\": spec.selector wants label \"a\""],
            ),
        ] {
            let found = told(text);
            assert_eq!(found.len(), expected.len(), "{text}: {found:?}");
            assert!(found.iter().zip(expected).all(|(found, expected)| found.starts_with(expected)), "{found:?}");
        }
    }
}

//! Rendered text to documents: Helm's splitter, the head of each document, and which of them are hooks
//! (`pkg/release/v1/util/manifest.go`, `manifest_sorter.go`).

use std::collections::BTreeMap;

use super::{Event, Hook, Order, RenderError, sort_by_kind};
use crate::chart::decode::{Decoder, Structure};
use crate::yaml;

const HOOK: &str = "helm.sh/hook";
/// Helm 2's event for definitions.
const CRD_INSTALL: &str = "crd-install";
const WEIGHT: &str = "helm.sh/hook-weight";
const DELETE_POLICY: &str = "helm.sh/hook-delete-policy";
const OUTPUT_LOG_POLICY: &str = "helm.sh/hook-output-log-policy";

/// The few fields of a document that Helm reads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// `apiVersion`.
    pub api_version: String,
    /// `kind`.
    pub kind: String,
    /// `metadata.name`.
    pub name: String,
    /// `metadata.annotations`.
    pub annotations: BTreeMap<String, String>,
}

const HEAD: Structure =
    Structure { name: "SimpleHead", type_name: "util.SimpleHead", fields: &["apiVersion", "kind", "metadata"] };
const METADATA: Structure = Structure {
    name: "",
    type_name: r#"struct { Name string "json:\"name\""; Annotations map[string]string "json:\"annotations\"" }"#,
    fields: &["name", "annotations"],
};

/// What of a document is in its head.
const MEMBERS: [&str; 4] = ["apiVersion", "kind", "metadata.name", "metadata.annotations"];

/// One document of a release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The template that made it, `chart/templates/x.yaml`.
    pub path: String,
    /// The document's text.
    pub content: String,
    /// What Helm read of it.
    pub head: Head,
}

impl Head {
    /// Reads the head of a document. Values of other types become text as in Helm: a weight `5` needs no quotes.
    ///
    /// # Errors
    /// The text of Helm's YAML library.
    pub fn read(document: &str) -> Result<Self, String> {
        let json = yaml::parse_members(document, &MEMBERS).map_err(|error| error.to_string())?;
        let mut head = Self::default();
        Decoder::run(|decoder| {
            decoder.fields(&json, HEAD, |decoder, field, value| match field {
                "apiVersion" => decoder.text(value, &mut head.api_version),
                "kind" => decoder.text(value, &mut head.kind),
                _ => decoder.fields(value, METADATA, |decoder, field, value| match field {
                    "name" => decoder.text(value, &mut head.name),
                    _ => decoder.text_map(value, &mut head.annotations),
                }),
            });
        })?;
        Ok(head)
    }
}

/// Splits a stream into its documents: a line that starts with `---` ends one; blank ones are dropped and leading
/// white space is removed, trailing is kept. What follows `---` on its line belongs to the next document.
pub fn split(stream: &str) -> Vec<&str> {
    let stream = stream.trim_start();
    let first = stream.starts_with("---").then_some(0);
    let others = memchr::memmem::find_iter(stream.as_bytes(), "\n---").map(|line_feed| line_feed + 1);
    let mut documents = Vec::new();
    let mut start = 0;
    for line in first.into_iter().chain(others) {
        documents.push(&stream[start..line]);
        let after = &stream[line + 3..];
        start = stream.len() - after.trim_start_matches([' ', '\t']).len();
    }
    documents.push(&stream[start..]);
    documents.into_iter().map(str::trim_start).filter(|document| !document.is_empty()).collect()
}

/// The documents of a render by what becomes of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sorted {
    /// What belongs to the release.
    pub manifests: Vec<Manifest>,
    /// What runs around operations.
    pub hooks: Vec<Hook>,
    /// Hooks of events that Helm does not know, which it drops; in the order of their files.
    pub dropped: Vec<Manifest>,
}

/// Splits rendered files (path and text) into hooks and manifests, each in the given order of kinds.
///
/// # Errors
/// [`RenderError::Document`] for the first document whose head cannot be read.
pub fn sort_documents(files: &BTreeMap<String, String>, order: Order) -> Result<Sorted, RenderError> {
    let mut sorted = Sorted::default();
    for (path, text) in files {
        if path.rsplit('/').next().is_some_and(|base| base.starts_with('_')) {
            continue;
        }
        for document in split(text) {
            match read_part(path, document)? {
                Part::Hook(hook) => sorted.hooks.push(hook),
                Part::Manifest(manifest) => sorted.manifests.push(manifest),
                Part::Dropped(manifest) => sorted.dropped.push(manifest),
            }
        }
    }
    sort_by_kind(&mut sorted.hooks, order, |hook: &Hook| &hook.kind);
    sort_by_kind(&mut sorted.manifests, order, |manifest: &Manifest| &manifest.head.kind);
    Ok(sorted)
}

/// The custom resource definitions that charts for Helm 2 bring as hooks. Helm knows their event no more, so that they
/// are among the dropped documents.
pub fn old_definitions(dropped: Vec<Manifest>) -> Vec<Manifest> {
    let is_definition = |document: &Manifest| {
        let events = document.head.annotations.get(HOOK).map(String::as_str).unwrap_or_default();
        let is_asked = events.split(',').any(|event| event.trim().eq_ignore_ascii_case(CRD_INSTALL));
        is_asked && document.head.kind == "CustomResourceDefinition"
    };
    dropped.into_iter().filter(is_definition).collect()
}

/// A document of a release by what becomes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// It belongs to the release.
    Manifest(Manifest),
    /// It runs around an operation.
    Hook(Hook),
    /// A hook of an event that Helm does not know, which it drops.
    Dropped(Manifest),
}

/// Reads one document of a template.
///
/// # Errors
/// [`RenderError::Document`] where its head cannot be read.
pub fn read_part(path: &str, document: &str) -> Result<Part, RenderError> {
    let head = Head::read(document).map_err(|reason| RenderError::Document { path: path.to_owned(), reason })?;
    let is_hook = head.annotations.contains_key(HOOK);
    if let Some(hook) = is_hook.then(|| hook(path, document, &head)).flatten() {
        return Ok(Part::Hook(hook));
    }
    let manifest = Manifest { path: path.to_owned(), content: document.to_owned(), head };
    Ok(if is_hook { Part::Dropped(manifest) } else { Part::Manifest(manifest) })
}

/// The manifest as Helm stores it: each document with the template that it comes from.
pub fn manifest(documents: &[Manifest]) -> String {
    let length = documents.iter().map(|document| document.content.len() + document.path.len() + 16).sum();
    documents.iter().fold(String::with_capacity(length), |mut text, document| {
        text.extend(["---\n# Source: ", &document.path, "\n", &document.content, "\n"]);
        text
    })
}

/// The hook that a document declares; nothing where one of its events is unknown, which drops the document.
fn hook(path: &str, document: &str, head: &Head) -> Option<Hook> {
    let words = |annotation: &str| -> Vec<String> {
        let text = head.annotations.get(annotation);
        text.into_iter().flat_map(|text| text.split(',')).map(|word| word.trim().to_lowercase()).collect()
    };
    let events = words(HOOK).iter().map(|word| Event::parse(word)).collect::<Option<Vec<Event>>>()?;
    Some(Hook {
        name: head.name.clone(),
        kind: head.kind.clone(),
        path: path.to_owned(),
        manifest: document.to_owned(),
        events,
        weight: head.annotations.get(WEIGHT).and_then(|weight| weight.parse().ok()).unwrap_or(0),
        delete_policies: words(DELETE_POLICY),
        output_log_policies: words(OUTPUT_LOG_POLICY),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_split_as_in_helm() {
        let table: [(&str, &[&str]); 10] = [
            ("", &[]),
            ("\n\n---\n\n---\n", &[]),
            ("a: 1", &["a: 1"]),
            ("---\na: 1\n---\nb: 2\n", &["a: 1\n", "b: 2\n"]),
            ("a: 1\n\n\n---\n\nb: 2\n\n", &["a: 1\n\n\n", "b: 2\n\n"]),
            ("--- # note\na: 1\n", &["# note\na: 1\n"]),
            ("---a: 1\n---b: 2", &["a: 1\n", "b: 2"]),
            ("a: |\n  ---\nb: 2\n", &["a: |\n  ---\nb: 2\n"]),
            ("-----BEGIN X\nq\n", &["--BEGIN X\nq\n"]),
            ("a: 1\r\n---\r\nb: 2\r\n", &["a: 1\r\n", "b: 2\r\n"]),
        ];
        for (stream, expected) in table {
            assert_eq!(split(stream), expected, "{stream:?}");
        }
    }

    fn files(text: &str) -> BTreeMap<String, String> {
        BTreeMap::from([("c/templates/x.yaml".to_owned(), text.to_owned())])
    }

    #[test]
    fn annotations_make_hooks() {
        let text = "kind: Job\nmetadata:\n  name: j\n  annotations:\n    helm.sh/hook: Pre-Install , test-success\n    \
                    helm.sh/hook-weight: 5\n    helm.sh/hook-delete-policy: hook-succeeded,Before-Hook-Creation\n";
        let sorted = sort_documents(&files(text), Order::Install).expect("valid");
        assert!(sorted.manifests.is_empty());
        let hook = &sorted.hooks[0];
        assert_eq!(hook.events, [Event::PreInstall, Event::Test]);
        assert_eq!(hook.weight, 5);
        assert_eq!(hook.delete_policies, ["hook-succeeded", "before-hook-creation"]);
    }

    #[test]
    fn an_unknown_event_drops_the_document() {
        let text = "kind: Job\nmetadata:\n  annotations:\n    helm.sh/hook: pre-install,crd-install\n";
        let sorted = sort_documents(&files(text), Order::Install).expect("valid");
        assert_eq!((sorted.hooks.len(), sorted.manifests.len(), sorted.dropped.len()), (0, 0, 1));
    }

    #[test]
    fn definitions_of_helm_2_are_found_among_what_is_dropped() {
        let text = "kind: CustomResourceDefinition\nmetadata:\n  name: a\n  annotations:\n    helm.sh/hook: \
                    CRD-Install , pre-upgrade\n---\nkind: Job\nmetadata:\n  annotations:\n    helm.sh/hook: crd-install\n\
                    ---\nkind: CustomResourceDefinition\nmetadata:\n  name: b\n";
        let sorted = sort_documents(&files(text), Order::Install).expect("valid");
        assert_eq!((sorted.hooks.len(), sorted.manifests.len()), (0, 1), "it is in neither list");
        let found = old_definitions(sorted.dropped);
        let names: Vec<&str> = found.iter().map(|definition| definition.head.name.as_str()).collect();
        assert_eq!(names, ["a"]);
    }

    #[test]
    fn documents_that_are_no_objects_are_refused_in_helms_words() {
        let table = [
            (
                "- a\n",
                "YAML parse error on c/templates/x.yaml: error unmarshaling JSON: while decoding JSON: json: cannot \
                 unmarshal array into Go value of type util.SimpleHead",
            ),
            (
                "kind: A\nmetadata:\n  annotations:\n    a: {}\n",
                "YAML parse error on c/templates/x.yaml: error unmarshaling JSON: while decoding JSON: json: cannot \
                 unmarshal object into Go struct field .metadata.annotations of type string",
            ),
        ];
        for (text, expected) in table {
            let error = sort_documents(&files(text), Order::Install).expect_err(text);
            assert_eq!(error.to_string(), expected);
        }
    }
}

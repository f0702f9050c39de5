//! Rendered text to documents: Helm's splitter, the head of each document, and which of them are hooks
//! (`pkg/release/v1/util/manifest.go`, `manifest_sorter.go`).

use std::collections::BTreeMap;

use super::{Hook, Order, RenderError};

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

/// Splits a stream into its documents: a line that starts with `---` ends one; blank ones are dropped and leading
/// white space is removed, trailing is kept.
pub fn split(stream: &str) -> Vec<&str> {
    let _ = stream;
    Vec::new()
}

/// Splits rendered files (path and text) into hooks and manifests, each in the given order of kinds.
///
/// # Errors
/// [`RenderError::Document`] for the first document whose head cannot be read.
pub fn sort_documents(
    files: &BTreeMap<String, String>,
    order: Order,
) -> Result<(Vec<Hook>, Vec<Manifest>), RenderError> {
    let _ = (files, order);
    Ok((Vec::new(), Vec::new()))
}

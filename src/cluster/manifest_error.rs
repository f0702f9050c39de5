//! Why a manifest is no set of objects that can be applied: every document that is wrong is named, with its template.

use super::error::ApiError;

/// Why a document of a manifest is not an object that can be applied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// The text is not YAML.
    #[error("{source_path}: {message}")]
    Yaml {
        /// The template.
        source_path: String,
        /// What is wrong, with the line.
        message: String,
    },
    /// The document is a list or a scalar.
    #[error("{source_path}: a document is not a map; every document must be a Kubernetes object")]
    NotAMap {
        /// The template.
        source_path: String,
    },
    /// `apiVersion` or `kind` is missing.
    #[error("{source_path}: an object has no {field}; add it to the template")]
    MissingField {
        /// The template.
        source_path: String,
        /// The field.
        field: &'static str,
    },
    /// `metadata.name` is missing.
    #[error("{source_path}: {kind} has no metadata.name; objects of a release need fixed names")]
    MissingName {
        /// The template.
        source_path: String,
        /// The kind.
        kind: String,
    },
    /// The cluster does not serve the kind.
    #[error(
        "{source_path}: {kind} {name:?}: no kind {kind:?} is served in version {api_version:?}; install its custom \
         resource definition first or correct apiVersion"
    )]
    UnknownKind {
        /// The template.
        source_path: String,
        /// The API version.
        api_version: String,
        /// The kind.
        kind: String,
        /// The name of the object.
        name: String,
    },
}

/// Why a manifest could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// Some documents are wrong; all of them are named.
    #[error("{}", join(.0))]
    Documents(Vec<DocumentError>),
    /// The server could not be asked what it serves.
    #[error("the kinds that the API server serves are not known: {0}")]
    Discovery(#[from] ApiError),
}

fn join(errors: &[DocumentError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

//! Why a YAML text could not be read, in the words of the Go libraries.

/// A refused YAML text. `Display` is what Helm prints, with `sigs.k8s.io/yaml`'s prefix.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// go-yaml refused the text: syntax, unknown anchors, unusable keys, limits.
    #[error("error converting YAML to JSON: yaml: {0}")]
    Yaml(String),
    /// go-yaml read the text, but some values do not fit (duplicate keys in strict mode).
    #[error("error converting YAML to JSON: yaml: unmarshal errors:\n  {}", .0.join("\n  "))]
    Unmarshal(Vec<String>),
    /// What was read has no JSON form: a null key, an infinite number.
    #[error("error converting YAML to JSON: {0}")]
    Conversion(String),
}

impl ParseError {
    /// The text without `sigs.k8s.io/yaml`'s prefix, as callers of go-yaml itself print it.
    pub fn cause(&self) -> String {
        match self {
            Self::Yaml(message) => format!("yaml: {message}"),
            Self::Unmarshal(messages) => format!("yaml: unmarshal errors:\n  {}", messages.join("\n  ")),
            Self::Conversion(message) => message.clone(),
        }
    }
}

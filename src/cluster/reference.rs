//! Values that a request takes from ConfigMaps and Secrets.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::DeserializeOwned;

use super::client::Cluster;
use super::error::ApiError;
use super::object::ObjectKey;
use super::request::core_kind;
use crate::value::Json;

/// Where a text is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Keeper {
    /// A ConfigMap.
    ConfigMap,
    /// A Secret.
    Secret,
}

impl Keeper {
    fn kind(self) -> super::discovery::Kind {
        match self {
            Self::ConfigMap => core_kind("ConfigMap", "configmaps", true),
            Self::Secret => core_kind("Secret", "secrets", true),
        }
    }

    /// The identity of such an object.
    pub fn key(self, namespace: &str, name: &str) -> ObjectKey {
        let (kind, namespace) = (self.name().to_owned(), namespace.to_owned());
        ObjectKey { group: String::new(), kind, namespace, name: name.to_owned() }
    }

    /// The kind's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::ConfigMap => "ConfigMap",
            Self::Secret => "Secret",
        }
    }
}

/// Why a text could not be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// The object does not exist.
    #[error("{kind} {name:?} does not exist in namespace {namespace:?}; create it or correct the reference to it")]
    Absent {
        /// `ConfigMap` or `Secret`.
        kind: &'static str,
        /// The namespace.
        namespace: String,
        /// The name.
        name: String,
    },
    /// The object has no such key.
    #[error(
        "{kind} {name:?} in namespace {namespace:?} has no key {key:?}; add the key or correct the reference to it"
    )]
    NoKey {
        /// `ConfigMap` or `Secret`.
        kind: &'static str,
        /// The namespace.
        namespace: String,
        /// The name.
        name: String,
        /// The key.
        key: String,
    },
    /// What stands under the key is not text.
    #[error("{kind} {name:?} in namespace {namespace:?}: key {key:?} does not hold UTF-8 text; store text under it")]
    NotText {
        /// `ConfigMap` or `Secret`.
        kind: &'static str,
        /// The namespace.
        namespace: String,
        /// The name.
        name: String,
        /// The key.
        key: String,
    },
    /// The object could not be read.
    #[error("{kind} {name:?} in namespace {namespace:?} cannot be read: {error}")]
    Api {
        /// `ConfigMap` or `Secret`.
        kind: &'static str,
        /// The namespace.
        namespace: String,
        /// The name.
        name: String,
        /// Why.
        error: ApiError,
    },
}

/// A text that was read, and which state of its object it came from.
#[derive(Clone, PartialEq, Eq)]
pub struct Read {
    /// The text.
    pub text: String,
    /// The object's resource version.
    pub resource_version: String,
}

impl std::fmt::Debug for Read {
    /// Leaves the text out: it may be secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Read").field("resource_version", &self.resource_version).finish_non_exhaustive()
    }
}

impl Cluster {
    /// Reads a ConfigMap or Secret.
    ///
    /// # Errors
    /// It does not exist or cannot be read.
    pub async fn read_object<T: DeserializeOwned>(
        &self,
        keeper: Keeper,
        namespace: &str,
        name: &str,
    ) -> Result<T, ReferenceError> {
        let request = self.collection(&keeper.kind(), namespace).get(name);
        let (kind, namespace, name) = (keeper.name(), namespace.to_owned(), name.to_owned());
        self.call(request).await.map_err(|error| match error {
            ApiError::NotFound => ReferenceError::Absent { kind, namespace, name },
            error => ReferenceError::Api { kind, namespace, name, error },
        })
    }

    /// Reads the text under a key of a ConfigMap or Secret.
    ///
    /// # Errors
    /// Names the object and the key, never the text.
    pub async fn read_key(
        &self,
        keeper: Keeper,
        namespace: &str,
        name: &str,
        key: &str,
    ) -> Result<Read, ReferenceError> {
        let object: Json = self.read_object(keeper, namespace, name).await?;
        let (kind, place) = (keeper.name(), || (namespace.to_owned(), name.to_owned(), key.to_owned()));
        match text_of(keeper, &object, key) {
            Ok(text) => {
                let version = object.pointer("/metadata/resourceVersion").and_then(Json::as_str).unwrap_or_default();
                Ok(Read { text, resource_version: version.to_owned() })
            }
            Err(Missing::Key) => {
                let (namespace, name, key) = place();
                Err(ReferenceError::NoKey { kind, namespace, name, key })
            }
            Err(Missing::Text) => {
                let (namespace, name, key) = place();
                Err(ReferenceError::NotText { kind, namespace, name, key })
            }
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Missing {
    Key,
    Text,
}

fn text_of(keeper: Keeper, object: &Json, key: &str) -> Result<String, Missing> {
    let entry = |map: &str| object.get(map).and_then(|map| map.get(key)).and_then(Json::as_str);
    let decoded = |text: &str| {
        let bytes = STANDARD.decode(text).map_err(|_| Missing::Text)?;
        String::from_utf8(bytes).map_err(|_| Missing::Text)
    };
    match (keeper, entry("data"), entry("binaryData")) {
        (Keeper::ConfigMap, Some(text), _) => Ok(text.to_owned()),
        (Keeper::ConfigMap, None, Some(text)) | (Keeper::Secret, Some(text), _) => decoded(text),
        _ => Err(Missing::Key),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn texts_are_read_from_where_each_kind_keeps_them() {
        let object =
            json!({"data": {"plain": "a: 1", "coded": "YTogMQ==", "broken": "/w=="}, "binaryData": {"b": "eA=="}});
        let table = [
            (Keeper::ConfigMap, "plain", Ok("a: 1")),
            (Keeper::ConfigMap, "b", Ok("x")),
            (Keeper::Secret, "coded", Ok("a: 1")),
            (Keeper::Secret, "broken", Err(Missing::Text)),
            (Keeper::Secret, "none", Err(Missing::Key)),
        ];
        for (keeper, key, expected) in table {
            assert_eq!(text_of(keeper, &object, key), expected.map(str::to_owned), "{keeper:?} {key}");
        }
    }
}

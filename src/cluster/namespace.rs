//! The namespace of a release: made on request, never deleted.

use kube::api::PostParams;
use serde_json::json;

use super::client::Cluster;
use super::discovery::Kind;
use super::error::ApiError;
use super::request::core_kind;
use crate::value::Json;

impl Cluster {
    /// Creates a namespace where it does not exist, labelled as Helm labels it
    /// (`helm.sh/helm/v4/pkg/action/install.go`); tells whether it was created.
    ///
    /// # Errors
    /// The server's refusal.
    pub async fn create_namespace(&self, name: &str) -> Result<bool, ApiError> {
        let namespace = json!({
            "apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": name, "labels": {"name": name}},
        });
        let parameters = PostParams { field_manager: Some(super::FIELD_MANAGER.to_owned()), dry_run: false };
        let request = self.collection(&namespaces(), "").create(&parameters, &namespace);
        match self.call::<Json>(request).await {
            Ok(_) => Ok(true),
            Err(ApiError::AlreadyExists) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Whether a namespace exists and is not being deleted.
    ///
    /// # Errors
    /// [`ApiError::NamespaceTerminating`] while it is being deleted, or why it could not be read.
    pub async fn namespace_exists(&self, name: &str) -> Result<bool, ApiError> {
        let request = self.collection(&namespaces(), "").get_metadata(name);
        match self.call::<Json>(request).await {
            Ok(live) if live.pointer("/metadata/deletionTimestamp").is_some() => {
                Err(ApiError::NamespaceTerminating { namespace: name.to_owned() })
            }
            Ok(_) => Ok(true),
            Err(ApiError::NotFound | ApiError::NamespaceNotFound { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

fn namespaces() -> Kind {
    core_kind("Namespace", "namespaces", false)
}

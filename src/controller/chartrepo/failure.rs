//! Why a repository is not read, as its status tells it.

use std::time::Duration;

use crate::api::Reason;
use crate::cluster::ApiError;
use crate::controller::credentials::KeysError;
use crate::source::SourceError;

/// Why a repository is not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) reason: Reason,
    pub(super) message: String,
    pub(super) retry_after: Option<Duration>,
}

impl Failure {
    pub(super) fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), retry_after: None }
    }
}

impl From<SourceError> for Failure {
    fn from(error: SourceError) -> Self {
        let retry_after = if let SourceError::RateLimited { retry_after, .. } = error { retry_after } else { None };
        Self { reason: Reason::from(&error), message: error.to_string(), retry_after }
    }
}

impl From<KeysError> for Failure {
    fn from(error: KeysError) -> Self {
        Self::new(Reason::CredentialsMissing, error.to_string())
    }
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        let reason = match error {
            ApiError::Forbidden { .. } => Reason::PermissionDenied,
            ApiError::Timeout { .. } | ApiError::Transport { .. } => Reason::ClusterUnreachable,
            _ => Reason::InternalError,
        };
        Self { reason, message: error.to_string(), retry_after: error.retry_after() }
    }
}

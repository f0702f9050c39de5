//! Why a chart that a request names cannot be fetched from a ChartRepo.

use crate::api::Reason;
use crate::source::index::ChoiceError;

/// Why a chart cannot be resolved.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// There is no such ChartRepo.
    #[error("no ChartRepo {name:?} is in {}: create it or correct spec.chart", .namespaces.join(" or "))]
    RepositoryNotFound {
        /// The name.
        name: String,
        /// Where it was looked for.
        namespaces: Vec<String>,
    },
    /// It was not read yet; it is being read.
    #[error("ChartRepo {name:?} is being read; wait a moment")]
    NotRead {
        /// The name.
        name: String,
    },
    /// It is switched off and was never read.
    #[error("ChartRepo {name:?} is switched off: set its spec.enabled to true")]
    Disabled {
        /// The name.
        name: String,
    },
    /// It could never be read.
    #[error("ChartRepo {name:?} cannot be read: {message}")]
    Unreadable {
        /// The name.
        name: String,
        /// The cause.
        reason: Reason,
        /// What the ChartRepo's status says.
        message: String,
    },
    /// It has no such chart or version.
    #[error("ChartRepo {name:?}: {error}{}", failure_note(.failure))]
    Choice {
        /// The name.
        name: String,
        /// What is missing, and what is there.
        error: Box<ChoiceError>,
        /// Why the repository cannot be read just now; the chart may be newer than what is known.
        failure: Option<String>,
    },
}

impl ResolveError {
    /// The reason for conditions, events and metrics.
    pub fn reason(&self) -> Reason {
        match self {
            Self::RepositoryNotFound { .. } => Reason::RepositoryNotFound,
            Self::NotRead { .. } => Reason::Progressing,
            Self::Disabled { .. } => Reason::RepositoryDisabled,
            Self::Unreadable { reason, .. } => *reason,
            Self::Choice { error, .. } => match **error {
                ChoiceError::ChartNotFound { .. } => Reason::ChartNotFound,
                ChoiceError::VersionNotFound { .. } => Reason::ChartVersionNotFound,
                ChoiceError::InvalidConstraint { .. } => Reason::InvalidRequest,
            },
        }
    }
}

fn failure_note(failure: &Option<String>) -> String {
    failure.as_ref().map(|message| format!(" (what is known may be old: {message})")).unwrap_or_default()
}

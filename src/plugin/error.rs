//! Why a command failed: the thing, the place and the next step, on one line.

use crate::cluster::kubeconfig::KubeconfigError;
use crate::cluster::storage::StorageError;
use crate::cluster::{ApiError, Cause, ConnectError};

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The runtime could not be started.
    #[error("the asynchronous runtime could not be started: {0}")]
    Runtime(#[source] std::io::Error),
    /// There is no configuration to connect with.
    #[error(transparent)]
    Kubeconfig(#[from] KubeconfigError),
    /// The configuration gives no client.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The API server refused or did not answer.
    #[error("cannot {what}: {error}")]
    Api {
        /// What was to be done, for example `list HelmRequests in namespace "demo"`.
        what: String,
        /// Why it was not.
        error: Box<ApiError>,
    },
    /// The API server does not accept what was to be written.
    #[error("cannot {what}: {}; correct what the flags say", .causes.join(", "))]
    Invalid {
        /// What was to be done.
        what: String,
        /// What is wrong, each with its field.
        causes: Vec<String>,
    },
    /// The API server does not know the kind.
    #[error(
        "cannot {what}: this cluster has no {kind}; install Coxswain (config/install.yaml) or choose another context"
    )]
    NotInstalled {
        /// What was to be done.
        what: String,
        /// The kind that is missing.
        kind: &'static str,
    },
    /// There is no request of the name.
    #[error("no {kind} {name:?} in namespace {namespace:?}; {hint}")]
    Absent {
        /// What was looked for: a kind.
        kind: &'static str,
        /// Its name.
        name: String,
        /// Where it was looked for.
        namespace: String,
        /// What there is instead, or how to see it.
        hint: String,
    },
    /// The release has no such revision.
    #[error("release {release:?} in namespace {namespace:?} has no revision {revision}; {}", existing(.known))]
    NoRevision {
        /// The release.
        release: String,
        /// Its namespace.
        namespace: String,
        /// The revision that was asked for.
        revision: i64,
        /// Those that exist, oldest first.
        known: Vec<i64>,
    },
    /// The release was never installed.
    #[error("release {release:?} in namespace {namespace:?} has no revision yet; {next}")]
    NoRelease {
        /// The release.
        release: String,
        /// Its namespace.
        namespace: String,
        /// What can be done.
        next: String,
    },
    /// The release is in another cluster, which cannot be reached from here.
    #[error(
        "the release is in cluster {cluster:?}, which cannot be reached by what is registered of it: {cause}; correct \
         --cluster-namespace, or ask that cluster itself: --context its context, and the name of the release"
    )]
    Elsewhere {
        /// The cluster.
        cluster: String,
        /// Why.
        cause: String,
    },
    /// A record could not be read.
    #[error(transparent)]
    Storage(Box<StorageError>),
    /// A flag cannot be followed.
    #[error("{0}")]
    Usage(String),
    /// The command did what it was to do, and what it waited for did not come about.
    #[error("{0}")]
    Unmet(String),
    /// The output could not be written.
    #[error("the output cannot be written: {0}")]
    Output(#[source] std::io::Error),
}

impl Error {
    /// A refusal of the API server while something was done with objects of a kind.
    pub fn api(what: impl Into<String>, kind: &'static str, error: ApiError) -> Self {
        let what = what.into();
        match error {
            ApiError::KindNotServed => Self::NotInstalled { what, kind },
            ApiError::Invalid { causes } => {
                let cause = |Cause { field, message }: Cause| match field.as_str() {
                    "" => message,
                    field => format!("{field}: {message}"),
                };
                Self::Invalid { what, causes: causes.into_iter().map(cause).collect() }
            }
            error => Self::Api { what, error: Box::new(error) },
        }
    }

    /// What the API server serves could not be learned.
    pub fn discovery(error: ApiError) -> Self {
        Self::Api { what: "learn what kinds there are".to_owned(), error: Box::new(error) }
    }

    /// Whether a right is missing.
    pub fn is_forbidden(&self) -> bool {
        match self {
            Self::Api { error, .. } => matches!(**error, ApiError::Forbidden { .. }),
            Self::Storage(error) => matches!(**error, StorageError::Api { error: ApiError::Forbidden { .. }, .. }),
            _ => false,
        }
    }
}

impl From<StorageError> for Error {
    fn from(error: StorageError) -> Self {
        Self::Storage(Box::new(error))
    }
}

fn existing(known: &[i64]) -> String {
    let numbers: Vec<String> = known.iter().map(i64::to_string).collect();
    match numbers.as_slice() {
        [] => "it has none".to_owned(),
        [one] => format!("it has only {one}"),
        _ => format!("it has {}", numbers.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_revision_is_told_with_those_that_exist() {
        let table = [(vec![], "it has none"), (vec![4], "it has only 4"), (vec![2, 3], "it has 2, 3")];
        for (known, expected) in table {
            let error = Error::NoRevision { release: "web".into(), namespace: "demo".into(), revision: 9, known };
            let text = format!("release \"web\" in namespace \"demo\" has no revision 9; {expected}");
            assert_eq!(error.to_string(), text);
        }
    }

    #[test]
    fn what_is_not_valid_is_told_by_field_and_the_flags_are_to_blame() {
        let cause = Cause { field: "spec.chart".into(), message: "write repository/name".into() };
        let error = Error::api("create HelmRequest \"web\"", "HelmRequest", ApiError::Invalid { causes: vec![cause] });
        let text = "cannot create HelmRequest \"web\": spec.chart: write repository/name; correct what the flags say";
        assert_eq!(error.to_string(), text);
    }

    #[test]
    fn a_kind_that_is_not_served_means_that_we_are_not_installed() {
        let error = Error::api("list HelmRequests", "HelmRequest", ApiError::KindNotServed);
        assert!(error.to_string().contains("this cluster has no HelmRequest; install"), "{error}");
    }
}

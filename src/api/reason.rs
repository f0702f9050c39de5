//! The causes that conditions, events and metrics name.
//!
//! A reason is one word for one cause, so that a person can look it up and a program can match on it. The words
//! are part of the API: they are added to, never renamed. The message beside it names the object, the field and
//! the next step.

use std::fmt;

/// Declares the reasons once: the variant, its meaning, and whether waiting alone can never cure it.
macro_rules! reasons {
    ($($(#[doc = $meaning:literal])+ $name:ident $($stalled:ident)?,)+) => {
        /// Why a condition has its status: one documented word for each cause.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Reason {
            $($(#[doc = $meaning])+ $name,)+
        }

        impl Reason {
            /// All reasons, in the order of the documentation.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// The word that is written, for example `ChartNotFound`.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => stringify!($name)),+ }
            }

            /// The reason of this word.
            pub fn named(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|reason| reason.as_str() == word)
            }

            /// What it means, in a sentence.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$name => concat!($($meaning),+).trim_ascii()),+ }
            }

            /// Whether only a change of the request, its sources or the cluster's rules cures it (kstatus
            /// `Stalled`); it is retried all the same, but slowly.
            pub const fn stalls(self) -> bool {
                match self { $(Self::$name => reasons!(@stalls $($stalled)?)),+ }
            }
        }
    };
    (@stalls stalled) => { true };
    (@stalls) => { false };
}

reasons! {
    // How it stands.
    /// The spec is deployed, every object is healthy and nothing drifts.
    Ready,
    /// A revision was deployed.
    Released,
    /// The release was rolled back to an earlier revision.
    RolledBack,
    /// The release was uninstalled.
    Uninstalled,
    /// An operation is running.
    Progressing,
    /// The operation is done, but objects are not healthy yet.
    NotReady,
    /// Live objects differ from what was deployed and are not repaired.
    Drifted,
    /// Live objects differed from what was deployed and were repaired.
    Repaired,
    /// Live objects are as deployed.
    InSync,
    /// The request is suspended: nothing is written for it.
    Suspended,
    /// The chart's tests succeeded.
    TestsSucceeded,
    /// One of the chart's tests failed.
    TestsFailed,

    // The chart's source.
    /// No ChartRepo of this name is in the request's namespace or in the operator's.
    RepositoryNotFound,
    /// The ChartRepo is switched off by `spec.enabled`.
    RepositoryDisabled stalled,
    /// The repository's host does not answer.
    RepositoryUnreachable,
    /// The name of the repository's host cannot be resolved.
    DNSLookupFailed,
    /// The server's certificate is not signed by a trusted authority or is for another host.
    TLSNotTrusted stalled,
    /// The server's host key is not among those that the Secret knows (ssh).
    HostKeyNotTrusted stalled,
    /// The server asks for credentials, or refused those that were given (401).
    AuthenticationRequired stalled,
    /// The credentials are known but may not read this (403).
    AccessDenied stalled,
    /// The server has nothing at this address (404).
    NotFound,
    /// The server asks to slow down (429).
    RateLimited,
    /// The server failed (5xx) or broke off its answer.
    ServerError,
    /// The address is not one that can be used.
    InvalidAddress stalled,
    /// What the repository answered is not an index of charts.
    NotAnIndex,
    /// What was downloaded does not have the digest that the index or the request names.
    DigestMismatch stalled,
    /// The chart is not signed by a key of the Secret in `verify`, or its signature does not count; the message has the
    /// key.
    ChartNotTrusted stalled,
    /// The branch, tag or commit is not in the repository.
    ReferenceNotFound,
    /// The repository has no chart of this name.
    ChartNotFound,
    /// The chart has no version that the request accepts.
    ChartVersionNotFound,
    /// The archive is not a chart that can be installed.
    ChartInvalid stalled,
    /// The archive is over the limits of size, entries or depth.
    ChartTooLarge stalled,
    /// The chart asks for another Kubernetes version than the cluster has.
    IncompatibleCluster stalled,
    /// A Secret with credentials, certificates or public keys is missing or has not the keys that are needed.
    CredentialsMissing,

    // Values and rendering.
    /// A ConfigMap, a Secret or a key of `valuesFrom` does not exist.
    ValuesSourceMissing,
    /// Values are not YAML, or not a map.
    ValuesInvalid stalled,
    /// The values do not satisfy the chart's `values.schema.json`.
    SchemaViolation stalled,
    /// A template failed.
    TemplateError stalled,
    /// What the templates wrote is not a list of Kubernetes objects.
    ManifestInvalid stalled,
    /// A rule of `spec.postRender` cannot be followed: a patch is none, or is for no rendered object, or its place is
    /// not there.
    PostRenderFailed stalled,
    /// A render went over its limits of steps, size, depth or time.
    RenderLimitExceeded stalled,

    // Applying.
    /// The request itself contradicts itself or the cluster.
    InvalidRequest stalled,
    /// A request that this one depends on is not there, or not deployed and ready; the message has its reason.
    DependencyNotReady,
    /// The request, its chart or what it depends on is outside of the namespaces that the operator allows
    /// (`--no-cross-namespace`, `--watch-namespaces`).
    NamespaceNotAllowed stalled,
    /// Requests depend on each other in a ring, so none of them can begin.
    DependencyCycle stalled,
    /// The request is being deleted, and waits until the requests are gone that depend on it and are being deleted too.
    DependentsNotDeleted,
    /// The Cluster that the request names is not there.
    ClusterNotFound,
    /// The cluster does not answer.
    ClusterUnreachable,
    /// The cluster has no kind of this name; its definition is missing.
    UnknownKind,
    /// An object of this name exists and belongs to another release or to nobody.
    ObjectOwnedByOther stalled,
    /// Another HelmRequest has this release; the message names it.
    ReleaseOwnedByOther stalled,
    /// The release's namespace does not exist.
    NamespaceNotFound,
    /// The operator or the service account may not do this: verb, resource and namespace are in the message.
    PermissionDenied,
    /// The API server refused an object.
    ObjectRefused stalled,
    /// A field of a live object cannot be changed.
    ImmutableField stalled,
    /// A hook failed.
    HookFailed,
    /// An install, an upgrade or a rollback failed; the message has the words that were recorded then.
    OperationFailed,
    /// The operation took longer than `spec.timeout`.
    Timeout,
    /// The revision that `rollbackTo` names is not in the history.
    RevisionNotFound stalled,
    /// The release was changed by somebody else, with the helm command for example.
    ChangedOutside,
    /// The cluster gives other answers to what the chart asks of it (API versions, the server's version, lookups), and
    /// the chart renders differently with them.
    ClusterChanged,
    /// The release cannot be recorded.
    RecordFailed,
    /// Removing the release failed.
    UninstallFailed,

    // Kept from Captain.
    /// The chart was read (the one condition reason that Captain wrote).
    ChartLoaded,
    /// The repository was read, or the request is deployed.
    Synced,
    /// The operator itself failed in a way that it does not know.
    InternalError,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_reason_is_a_word_that_a_condition_accepts() {
        for reason in Reason::ALL {
            let word = reason.as_str();
            assert!(word.starts_with(|c: char| c.is_ascii_uppercase()), "{word}");
            assert!(word.chars().all(|c| c.is_ascii_alphanumeric()), "{word}");
            assert!(reason.meaning().ends_with(['.', ')']), "{word}: {}", reason.meaning());
        }
    }

    #[test]
    fn no_reason_is_declared_twice() {
        let words: BTreeSet<_> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
        assert_eq!(words.len(), Reason::ALL.len());
    }

    #[test]
    fn what_the_spec_must_cure_stalls_and_what_time_cures_does_not() {
        assert!(Reason::SchemaViolation.stalls());
        assert!(!Reason::RepositoryUnreachable.stalls());
        assert!(!Reason::PermissionDenied.stalls(), "a role may be granted at any moment");
    }
}

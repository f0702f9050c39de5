//! Why a request could not be served: one reason for programs, one sentence for people.

use std::time::Duration;

use crate::api::Reason;
use crate::cluster::hooks::HookError;
use crate::cluster::manifest_error::{DocumentError, ManifestError};
use crate::cluster::reference::ReferenceError;
use crate::cluster::storage::StorageError;
use crate::cluster::{ApiError, ConnectError, ObjectError};
use crate::controller::repositories::ResolveError;
use crate::render::RenderError;
use crate::render::post::PostError;
use crate::source::SourceError;
use crate::value::message::{end, one_line, shortened};

/// A failure as conditions, events and metrics tell it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The stable word.
    pub reason: Reason,
    /// The sentence, on one line, with the object, the place and the next step and without secrets.
    pub message: String,
    /// Whether it is tried again by itself.
    pub retries: bool,
    /// Whether nothing can be said or done because the request's cluster cannot be reached. Whoever notices that it can
    /// wakes the request.
    pub away: bool,
    /// The last lines that a failed hook wrote, on one line; nobody knows what is in them, so they are not recorded.
    pub log: Option<String>,
}

/// The longest pause after a failure that somebody cures without anything being seen of it.
const UNSEEN_CURE: Duration = Duration::from_secs(60);
/// The longest pause where an object is held in its deletion.
const UNSEEN_RELEASE: Duration = Duration::from_secs(10);
/// The longest message; the API server refuses conditions of more than 32 KiB, and nobody reads that much.
const LONGEST: usize = 2_000;
/// The longest end of a log beside it.
const LONGEST_LOG: usize = 1_500;

/// The last lines of a log as one line; of a long log the end of so many bytes is kept.
pub fn end_of_log(lines: &[String], longest: usize) -> String {
    let lines: Vec<String> = lines.iter().map(|line| one_line(line)).filter(|line| !line.is_empty()).collect();
    let log = lines.join(" | ");
    if log.len() <= longest {
        return log;
    }
    format!("…{}", end(&log, longest))
}

impl Failure {
    /// A failure with this reason; line breaks become spaces and an overlong text is cut.
    pub fn new(reason: Reason, message: impl AsRef<str>) -> Self {
        let message = shortened(&one_line(message.as_ref()), LONGEST).into_owned();
        Self { reason, message, retries: true, away: false, log: None }
    }

    /// The same, said of a cluster that cannot be reached.
    #[must_use]
    pub fn away(self) -> Self {
        Self { away: true, ..self }
    }

    /// The same with the last lines of a log; of a long log the end is kept.
    #[must_use]
    pub fn with_log(self, lines: &[String]) -> Self {
        Self { log: Some(end_of_log(lines, LONGEST_LOG)).filter(|log| !log.is_empty()), ..self }
    }

    /// The message, with the end of the log where there is one.
    pub fn told(&self) -> String {
        match &self.log {
            Some(log) => format!("{}; its log ends: {log}", self.message),
            None => self.message.clone(),
        }
    }

    /// The same, left as it is until what was wanted changes.
    #[must_use]
    pub fn given_up(self) -> Self {
        let message = format!("{}; not tried again until the chart, the values or the spec change", self.message);
        Self { retries: false, log: self.log, ..Self::new(self.reason, message) }
    }

    /// The longest that the next attempt waits. Most cures are seen (the request, its sources, its repository, a
    /// namespace, a kind); rights that are granted, objects of others that go, finalizers that are removed and an API
    /// server that takes records again are not.
    pub fn longest_pause(&self) -> Duration {
        match self.reason {
            Reason::PermissionDenied
            | Reason::ObjectOwnedByOther
            | Reason::ReleaseOwnedByOther
            | Reason::RecordFailed => UNSEEN_CURE,
            Reason::UninstallFailed => UNSEEN_RELEASE,
            _ => Duration::MAX,
        }
    }

    /// Whether the repository may have what is needed by now, other than when its index was last read.
    pub fn may_be_published_by_now(&self) -> bool {
        matches!(
            self.reason,
            Reason::ChartNotFound
                | Reason::ChartVersionNotFound
                | Reason::NotFound
                | Reason::ReferenceNotFound
                | Reason::DigestMismatch
                | Reason::ChartNotTrusted
                | Reason::ChartInvalid
                | Reason::ChartTooLarge
        )
    }
}

/// The reason of a refusal by the API server.
pub fn reason_of(error: &ApiError) -> Reason {
    match error {
        ApiError::NamespaceNotFound { .. } | ApiError::NamespaceTerminating { .. } => Reason::NamespaceNotFound,
        ApiError::KindNotServed => Reason::UnknownKind,
        ApiError::Forbidden { .. } | ApiError::Unauthorized => Reason::PermissionDenied,
        ApiError::Immutable { .. } => Reason::ImmutableField,
        ApiError::Lingering => Reason::Timeout,
        ApiError::FieldConflict { .. } => Reason::ObjectOwnedByOther,
        ApiError::UnknownField { .. }
        | ApiError::Invalid { .. }
        | ApiError::Quota { .. }
        | ApiError::Rejected { .. }
        | ApiError::WebhookDenied { .. }
        | ApiError::DryRunUnsupported { .. }
        | ApiError::LosesData { .. }
        | ApiError::TooLarge { .. } => Reason::ObjectRefused,
        ApiError::Fenced => Reason::Progressing,
        ApiError::Timeout { .. }
        | ApiError::Transport { .. }
        | ApiError::Busy { .. }
        | ApiError::WebhookUnavailable { .. }
        | ApiError::Server { .. } => Reason::ClusterUnreachable,
        ApiError::NotFound
        | ApiError::AlreadyExists
        | ApiError::Conflict { .. }
        | ApiError::Expired
        | ApiError::Undecodable { .. } => Reason::InternalError,
    }
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        Self::new(reason_of(&error), error.to_string())
    }
}

impl From<ObjectError> for Failure {
    fn from(error: ObjectError) -> Self {
        Self::new(reason_of(&error.error), error.to_string())
    }
}

impl From<ConnectError> for Failure {
    fn from(error: ConnectError) -> Self {
        Self::new(Reason::InvalidRequest, error.to_string())
    }
}

impl From<ManifestError> for Failure {
    fn from(error: ManifestError) -> Self {
        let reason = match &error {
            ManifestError::Documents(errors) => match errors.first() {
                Some(DocumentError::UnknownKind { .. }) => Reason::UnknownKind,
                _ => Reason::ManifestInvalid,
            },
            ManifestError::Discovery(error) => reason_of(error),
        };
        Self::new(reason, error.to_string())
    }
}

impl From<StorageError> for Failure {
    fn from(error: StorageError) -> Self {
        let reason = match &error {
            StorageError::Api {
                error: ApiError::NamespaceNotFound { .. } | ApiError::NamespaceTerminating { .. },
                ..
            } => Reason::NamespaceNotFound,
            StorageError::Api { error: ApiError::Forbidden { .. }, .. } => Reason::PermissionDenied,
            StorageError::Api { error: ApiError::Fenced, .. } => Reason::Progressing,
            _ => Reason::RecordFailed,
        };
        Self::new(reason, error.to_string())
    }
}

impl From<HookError> for Failure {
    fn from(error: HookError) -> Self {
        let reason = match &error {
            HookError::Timeout { .. } | HookError::NotDeleted { .. } => Reason::Timeout,
            HookError::Api { error, .. } => reason_of(&error.error),
            HookError::Manifest { .. } | HookError::Failed { .. } => Reason::HookFailed,
        };
        Self::new(reason, error.to_string()).with_log(error.log())
    }
}

impl From<RenderError> for Failure {
    fn from(error: RenderError) -> Self {
        let (reason, next) = match &error {
            RenderError::Library => (Reason::ChartInvalid, "name an application chart"),
            RenderError::MissingDependencies(_) | RenderError::Dependencies(_) | RenderError::UnknownEngine { .. } => {
                (Reason::ChartInvalid, "correct the chart and publish it again")
            }
            RenderError::KubeVersion { .. } => (Reason::IncompatibleCluster, "choose another version of the chart"),
            RenderError::Values(_) => (Reason::ValuesInvalid, "correct the values"),
            RenderError::Schema(_) => (Reason::SchemaViolation, "correct the values"),
            RenderError::Limit(_) => (Reason::RenderLimitExceeded, "correct the values or the template"),
            RenderError::Template(_) => (Reason::TemplateError, "correct the values or the template"),
            RenderError::Document { .. } => (Reason::ManifestInvalid, "correct the values or the template"),
        };
        let text = match &error {
            RenderError::Schema(_) => without_values(&error.to_string()),
            _ => error.to_string(),
        };
        Self::new(reason, format!("{}; {next}", text.trim_end()))
    }
}

impl From<PostError> for Failure {
    fn from(error: PostError) -> Self {
        match error {
            PostError::Document(error) => error.into(),
            error => Self::new(Reason::PostRenderFailed, error.to_string()),
        }
    }
}

/// The violations of a schema without the values that two kinds of them quote (see `chart::schema::message`).
fn without_values(violations: &str) -> String {
    let without_value = |line: &str| {
        let (place, finding) = line.split_once("': '")?;
        let pattern = finding.rfind("' does not match pattern '").map(|end| &finding[end + 1..]);
        let format = finding.rfind("' is not valid ").map(|end| &finding[end + 1..]);
        let format = format.map(|words| words.split(':').next().unwrap_or_default());
        Some(format!("{place}': the value{}", pattern.or(format)?))
    };
    let lines = violations.lines().map(|line| without_value(line).unwrap_or_else(|| line.to_owned()));
    lines.collect::<Vec<_>>().join("\n")
}

impl From<ReferenceError> for Failure {
    fn from(error: ReferenceError) -> Self {
        let reason = match &error {
            ReferenceError::Api { error, .. } => reason_of(error),
            _ => Reason::ValuesSourceMissing,
        };
        Self::new(reason, error.to_string())
    }
}

impl From<ResolveError> for Failure {
    fn from(error: ResolveError) -> Self {
        Self::new(error.reason(), error.to_string())
    }
}

impl From<&SourceError> for Reason {
    fn from(error: &SourceError) -> Self {
        match error {
            SourceError::InvalidUrl { .. }
            | SourceError::InvalidReference { .. }
            | SourceError::InvalidGitUrl { .. }
            | SourceError::InvalidSvnUrl { .. }
            | SourceError::OutOfReach { .. }
            | SourceError::NotTls { .. } => Self::InvalidAddress,
            SourceError::InvalidTagFilter { .. }
            | SourceError::InvalidRange { .. }
            | SourceError::SeveralCharts { .. } => Self::InvalidRequest,
            SourceError::InvalidCertificate { .. } => Self::CredentialsMissing,
            SourceError::UnlistedBelow { refusal, .. } => Self::from(&**refusal),
            SourceError::Dns { .. } => Self::DNSLookupFailed,
            SourceError::Refused { .. } | SourceError::Unreachable { .. } | SourceError::Timeout { .. } => {
                Self::RepositoryUnreachable
            }
            SourceError::UnknownAuthority { .. }
            | SourceError::ExpiredCertificate { .. }
            | SourceError::WrongName { .. }
            | SourceError::Tls { .. } => Self::TLSNotTrusted,
            SourceError::UnknownHostKey { .. } => Self::HostKeyNotTrusted,
            SourceError::Unauthorized { .. } | SourceError::KeyRefused { .. } => Self::AuthenticationRequired,
            SourceError::Forbidden { .. } => Self::AccessDenied,
            SourceError::NotFound { .. } | SourceError::ArchiveNotFound { .. } | SourceError::NoRepository { .. } => {
                Self::NotFound
            }
            SourceError::ReferenceNotFound { .. } => Self::ReferenceNotFound,
            SourceError::NoChart { .. } | SourceError::Dependency { .. } => Self::ChartNotFound,
            SourceError::RateLimited { .. } => Self::RateLimited,
            SourceError::Server { .. }
            | SourceError::Status { .. }
            | SourceError::Redirects { .. }
            | SourceError::Downgrade { .. }
            | SourceError::Truncated { .. }
            | SourceError::Client { .. } => Self::ServerError,
            SourceError::NotAnIndex { .. }
            | SourceError::NotARegistry { .. }
            | SourceError::NotARepository { .. }
            | SourceError::Unlisted { .. } => Self::NotAnIndex,
            SourceError::TagNotFound { .. } => Self::ChartVersionNotFound,
            SourceError::NotAChart { .. } | SourceError::Kept { .. } => Self::ChartInvalid,
            SourceError::Objects { .. } => Self::ClusterUnreachable,
            SourceError::TooLarge { .. }
            | SourceError::TooManyFiles { .. }
            | SourceError::Chart { too_large: true, .. } => Self::ChartTooLarge,
            SourceError::NotTrusted(_) => Self::ChartNotTrusted,
            SourceError::DigestMismatch { .. } | SourceError::NotThePinned { .. } => Self::DigestMismatch,
            SourceError::Chart { too_large: false, .. } => Self::ChartInvalid,
            SourceError::Interrupted { .. } | SourceError::NoProgram { .. } | SourceError::Disk { .. } => {
                Self::InternalError
            }
        }
    }
}

impl From<SourceError> for Failure {
    fn from(error: SourceError) -> Self {
        Self::new(Reason::from(&error), error.to_string())
    }
}

/// Nothing where there are no refusals, else one failure that names them all and has the reason of the first.
///
/// # Errors
/// There are refusals.
pub fn refusals(errors: Vec<ObjectError>) -> Result<(), Failure> {
    let Some(first) = errors.first() else { return Ok(()) };
    let named: Vec<String> = errors.iter().map(ToString::to_string).collect();
    Err(Failure::new(reason_of(&first.error), named.join("; ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn violations_of_a_schema_do_not_quote_values() {
        let table = [
            (
                "- at '/a': 'it''s hunter2' does not match pattern '^[0-9]$'",
                "- at '/a': the value does not match pattern '^[0-9]$'",
            ),
            ("- at '/a': 'x' is not valid email: missing @ in 'x'", "- at '/a': the value is not valid email"),
            ("- at '/a': got string, want integer", "- at '/a': got string, want integer"),
        ];
        for (violation, expected) in table {
            assert_eq!(without_values(violation), expected);
        }
    }

    #[test]
    fn a_render_over_its_limits_has_a_reason_of_its_own() {
        let error = RenderError::Limit("c/templates/t.yaml:1:3: the render takes more than 5 steps".to_owned());
        let failure = Failure::from(error);
        assert_eq!(failure.reason, Reason::RenderLimitExceeded);
        assert!(failure.message.starts_with("c/templates/t.yaml:1:3: the render takes more"), "{}", failure.message);
        let engine = RenderError::UnknownEngine { chart: "c".to_owned(), engine: "x".to_owned() };
        assert_eq!(Failure::from(engine).reason, Reason::ChartInvalid);
    }

    #[test]
    fn of_a_log_the_end_is_told() {
        let failure = Failure::new(Reason::HookFailed, "it failed");
        assert_eq!(failure.told(), "it failed");
        let lines = [" starting\t now".to_owned(), String::new(), "no such table".to_owned()];
        assert_eq!(failure.clone().with_log(&lines).told(), "it failed; its log ends: starting now | no such table");
        let long = failure.with_log(&["é".repeat(2_000), "the end".to_owned()]).told();
        assert!(long.ends_with("é | the end") && long.len() < 1_600, "{long}");
    }

    #[test]
    fn a_message_is_one_line_of_bounded_length() {
        assert_eq!(Failure::new(Reason::TemplateError, "a\n  b").message, "a b");
        assert!(Failure::new(Reason::TemplateError, "é".repeat(5_000)).message.len() <= LONGEST + '…'.len_utf8());
    }
}

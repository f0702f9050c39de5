//! Why the API server did not do what was asked: its `Status` turned into one cause per variant.
//!
//! The server's messages quote the values that it refuses, and those may be secret, so messages pass through
//! [`without_values`] before they are kept. Field paths, names and rules stay.

use std::time::Duration;

use kube::core::Status;
use kube::core::response::{StatusCause, StatusDetails};

use super::object::ObjectKey;

/// A failure with the object that it concerns.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{object}: {error}")]
pub struct ObjectError {
    /// The object.
    pub object: ObjectKey,
    /// What happened.
    pub error: ApiError,
}

/// One reason why an object is not valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// The path of the field, as the server writes it; empty where the whole object is meant.
    pub field: String,
    /// What is wrong with it, without the value.
    pub message: String,
}

/// A field that somebody else owns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldOwner {
    /// The name of the field manager.
    pub manager: String,
    /// The path of the field.
    pub field: String,
}

/// Why a call to the API server failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApiError {
    /// The object does not exist.
    #[error("not found")]
    NotFound,
    /// The server does not serve the kind at this version.
    #[error("the API server does not serve this kind and version")]
    KindNotServed,
    /// The namespace does not exist.
    #[error("namespace {namespace:?} does not exist; create it or set createNamespace")]
    NamespaceNotFound {
        /// The namespace.
        namespace: String,
    },
    /// The namespace is being deleted and takes nothing new.
    #[error("namespace {namespace:?} is being deleted; wait until it is gone")]
    NamespaceTerminating {
        /// The namespace, empty where the server does not say.
        namespace: String,
    },
    /// An object of this name exists.
    #[error("already exists")]
    AlreadyExists,
    /// The object changed in between, or is not the one that was meant.
    #[error("the object changed meanwhile: {message}")]
    Conflict {
        /// The server's words.
        message: String,
    },
    /// Others own fields that were to be set.
    #[error("fields belong to others: {}", list_owners(.owners))]
    FieldConflict {
        /// The fields and their owners.
        owners: Vec<FieldOwner>,
    },
    /// A field that cannot be changed after creation.
    #[error("field {field} cannot be changed: {message}; recreate the object or take the change back")]
    Immutable {
        /// The path of the field.
        field: String,
        /// The server's words.
        message: String,
    },
    /// A field that the kind does not have.
    #[error("unknown field {field:?}; correct the template or the values that write it")]
    UnknownField {
        /// The path of the field.
        field: String,
    },
    /// The object is not valid.
    #[error("not valid: {}", list_causes(.causes))]
    Invalid {
        /// What is wrong, at least one.
        causes: Vec<Cause>,
    },
    /// The user lacks a right.
    #[error("{user} may not {verb} {resource}{}; grant the right", in_namespace(.namespace))]
    Forbidden {
        /// The user that the server saw.
        user: String,
        /// The missing verb.
        verb: String,
        /// The resource, `resource.group`.
        resource: String,
        /// The namespace, empty for the whole cluster.
        namespace: String,
    },
    /// The credentials were not accepted.
    #[error("the API server does not accept the credentials")]
    Unauthorized,
    /// A quota would be exceeded.
    #[error("{message}")]
    Quota {
        /// The server's words.
        message: String,
        /// The quota was only being updated by another request; asking again helps.
        racing: bool,
    },
    /// An admission rule of the cluster (a policy, a limit range, pod security) refused the object.
    #[error("refused by an admission rule: {message}")]
    Rejected {
        /// The server's words.
        message: String,
    },
    /// An admission webhook refused the object.
    #[error("admission webhook {webhook:?} denied the request: {message}")]
    WebhookDenied {
        /// The webhook.
        webhook: String,
        /// Its words.
        message: String,
    },
    /// An admission webhook could not be asked.
    #[error("admission webhook {webhook:?} cannot be reached: {message}")]
    WebhookUnavailable {
        /// The webhook.
        webhook: String,
        /// The server's words.
        message: String,
    },
    /// The object is larger than the server takes.
    #[error("larger than the API server takes: {message}")]
    TooLarge {
        /// The server's words.
        message: String,
    },
    /// The server asks to come back later.
    #[error("the API server is busy: {message}")]
    Busy {
        /// How long it asks to wait.
        retry_after: Option<Duration>,
        /// Its words.
        message: String,
    },
    /// No answer in time.
    #[error("no answer from the API server within {seconds} seconds")]
    Timeout {
        /// How long was waited.
        seconds: u64,
    },
    /// The resource version or continue token is too old.
    #[error("the resource version is too old")]
    Expired,
    /// The connection failed.
    #[error("the API server cannot be reached: {message}")]
    Transport {
        /// What the connection says.
        message: String,
    },
    /// The reply is not what the API promises.
    #[error("the reply of the API server cannot be read: {message}")]
    Undecodable {
        /// Where it breaks.
        message: String,
    },
    /// Any other refusal.
    #[error("the API server answered {code}: {message}")]
    Server {
        /// The HTTP status.
        code: u16,
        /// The server's words.
        message: String,
    },
}

impl ApiError {
    /// How long the server asks to wait before the next attempt.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Busy { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// Whether the same request may well succeed later without anybody changing anything.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Busy { .. }
                | Self::Timeout { .. }
                | Self::Transport { .. }
                | Self::WebhookUnavailable { .. }
                | Self::Conflict { .. }
                | Self::NamespaceTerminating { .. }
                | Self::Expired
                | Self::Quota { racing: true, .. }
                | Self::Server { code: 500.., .. }
        )
    }

    pub(super) fn undecodable(error: &serde_json::Error) -> Self {
        Self::Undecodable { message: format!("line {}, column {}", error.line(), error.column()) }
    }
}

impl From<kube::Error> for ApiError {
    fn from(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => Self::from(*status),
            kube::Error::SerdeError(error) => Self::undecodable(&error),
            kube::Error::Auth(_) => Self::Unauthorized,
            other => Self::Transport { message: root_cause(&other) },
        }
    }
}

impl From<Status> for ApiError {
    fn from(status: Status) -> Self {
        match (status.reason.as_str(), status.code) {
            ("AlreadyExists", _) => Self::AlreadyExists,
            ("NotFound", _) | (_, 404) => not_found(&status),
            ("Conflict", _) | (_, 409) => conflict(&status),
            ("Forbidden", _) | (_, 403) => forbidden(&status),
            ("Unauthorized", _) | (_, 401) => Self::Unauthorized,
            ("Expired" | "Gone", _) | (_, 410) => Self::Expired,
            (_, 413) => Self::TooLarge { message: words(&status) },
            ("MethodNotAllowed", _) | (_, 405) => Self::KindNotServed,
            ("Timeout" | "ServerTimeout", _) | (_, 429 | 503 | 504) => {
                Self::Busy { retry_after: retry_after(status.details.as_ref()), message: words(&status) }
            }
            _ => refused(&status),
        }
    }
}

fn root_cause(error: &dyn std::error::Error) -> String {
    let mut deepest = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    one_line(&deepest.to_string())
}

fn retry_after(details: Option<&StatusDetails>) -> Option<Duration> {
    details
        .map(|details| details.retry_after_seconds)
        .filter(|&seconds| seconds > 0)
        .map(|s| Duration::from_secs(s.into()))
}

fn not_found(status: &Status) -> ApiError {
    match &status.details {
        Some(details) if details.kind == "namespaces" && !details.name.is_empty() => {
            ApiError::NamespaceNotFound { namespace: details.name.clone() }
        }
        Some(details) if !details.name.is_empty() => ApiError::NotFound,
        _ if status.message.contains("the server could not find the requested resource") => ApiError::KindNotServed,
        _ if status.message.trim() == "404 page not found" => ApiError::KindNotServed,
        _ => ApiError::NotFound,
    }
}

fn conflict(status: &Status) -> ApiError {
    let owners: Vec<FieldOwner> = causes(status)
        .iter()
        .filter(|cause| cause.reason == "FieldManagerConflict")
        .map(|cause| FieldOwner { manager: quoted(&cause.message), field: cause.field.clone() })
        .collect();
    if !owners.is_empty() {
        return ApiError::FieldConflict { owners };
    }
    if status.message.contains("on resourcequotas") {
        return ApiError::Quota { message: words(status), racing: true };
    }
    ApiError::Conflict { message: words(status) }
}

fn forbidden(status: &Status) -> ApiError {
    if let Some(error) = webhook(status) {
        return error;
    }
    if let Some(cause) = causes(status).iter().find(|cause| cause.reason == "NamespaceTerminating") {
        return ApiError::NamespaceTerminating { namespace: quoted_or_second_word(&cause.message) };
    }
    if status.message.contains("exceeded quota") {
        return ApiError::Quota { message: words(status), racing: false };
    }
    missing_right(&status.message).unwrap_or_else(|| ApiError::Rejected { message: words(status) })
}

/// Reads `User "U" cannot VERB resource "R" in API group "G" in the namespace "N"`
/// (`k8s.io/apiserver/pkg/endpoints/handlers/responsewriters/errors.go`).
fn missing_right(message: &str) -> Option<ApiError> {
    let (_, rest) = message.split_once("User \"")?;
    let (user, rest) = rest.split_once("\" cannot ")?;
    let (verb, rest) = rest.split_once(' ')?;
    let (_, rest) = rest.split_once('"')?;
    let (resource, rest) = rest.split_once('"')?;
    let between = |from: &str| rest.split_once(from).and_then(|(_, tail)| tail.split_once('"')).map(|(text, _)| text);
    let group = between("API group \"").filter(|group| !group.is_empty());
    Some(ApiError::Forbidden {
        user: user.to_owned(),
        verb: verb.to_owned(),
        resource: group.map_or_else(|| resource.to_owned(), |group| format!("{resource}.{group}")),
        namespace: between("in the namespace \"").unwrap_or_default().to_owned(),
    })
}

fn webhook(status: &Status) -> Option<ApiError> {
    let message = status.message.as_str();
    if let Some((_, rest)) = message.split_once("admission webhook \"") {
        let (webhook, rest) = rest.split_once('"')?;
        let words = rest.trim_start_matches(" denied the request").trim_start_matches([':', ' ']);
        let message = if words.is_empty() { "no reason given".to_owned() } else { one_line(&without_values(words)) };
        return Some(ApiError::WebhookDenied { webhook: webhook.to_owned(), message });
    }
    let (_, rest) = message.split_once("failed calling webhook \"")?;
    let (webhook, rest) = rest.split_once('"')?;
    let message = one_line(rest.trim_start_matches([':', ' ']));
    Some(ApiError::WebhookUnavailable { webhook: webhook.to_owned(), message })
}

/// Everything that is about the object itself: validation, decoding, schema, size.
fn refused(status: &Status) -> ApiError {
    if let Some(error) = webhook(status).or_else(|| unknown_field(&status.message)).or_else(|| immutable(status)) {
        return error;
    }
    let message = &status.message;
    if message.contains("Request entity too large") || message.contains("etcdserver: request is too large") {
        return ApiError::TooLarge { message: words(status) };
    }
    let causes: Vec<Cause> = causes(status).iter().map(cause).collect();
    let about_the_object = status.reason == "Invalid"
        || matches!(status.code, 400 | 422)
        || message.contains("failed to create typed patch object")
        || message.contains("duplicate entries for key");
    match (causes.is_empty(), about_the_object) {
        (false, _) => ApiError::Invalid { causes },
        (true, true) => ApiError::Invalid { causes: vec![Cause { field: String::new(), message: words(status) }] },
        (true, false) => ApiError::Server { code: status.code, message: words(status) },
    }
}

/// Reads the two ways in which an unknown field is refused: strict decoding (`unknown field "spec.a"`) and the typed
/// schema of server-side apply (`.spec.a: field not declared in schema`).
fn unknown_field(message: &str) -> Option<ApiError> {
    if let Some((_, rest)) = message.split_once("unknown field \"") {
        return rest.split_once('"').map(|(field, _)| ApiError::UnknownField { field: field.to_owned() });
    }
    let (head, _) = message.split_once(": field not declared in schema")?;
    let field = head.rsplit_once(": ").map_or(head, |(_, field)| field);
    Some(ApiError::UnknownField { field: field.trim_start_matches('.').to_owned() })
}

/// What the validations of Kubernetes say of fields that are fixed at creation.
const IMMUTABLE: [&str; 7] = [
    "immutable",
    "may not change once set",
    "cannot change roleRef",
    "updates to ",
    "may not change fields other than",
    "may not be changed",
    "cannot be changed",
];

fn immutable(status: &Status) -> Option<ApiError> {
    let fixed = |cause: &&StatusCause| IMMUTABLE.iter().any(|words| cause.message.contains(words));
    let found = causes(status).iter().find(fixed)?;
    let Cause { field, message } = cause(found);
    Some(ApiError::Immutable { field, message })
}

fn causes(status: &Status) -> &[StatusCause] {
    status.details.as_ref().map_or(&[], |details| &details.causes)
}

fn cause(cause: &StatusCause) -> Cause {
    Cause { field: cause.field.clone(), message: one_line(&without_values(&cause.message)) }
}

fn words(status: &Status) -> String {
    one_line(&without_values(&status.message))
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The text between the first pair of quotes, or all of it.
fn quoted(text: &str) -> String {
    text.split('"').nth(1).unwrap_or(text).to_owned()
}

fn quoted_or_second_word(text: &str) -> String {
    text.split('"').nth(1).or_else(|| text.split_whitespace().nth(1)).unwrap_or_default().to_owned()
}

/// Takes the values out of a message of the API server, which quotes what it refuses:
/// `Invalid value: VALUE: rule`, `Duplicate value: VALUE`, `Unsupported value: VALUE: …`, and the dump of
/// server-side apply, `expected string, got &value.valueUnstructured{…}`.
pub(super) fn without_values(message: &str) -> String {
    let mut text = String::with_capacity(message.len());
    let mut rest = message;
    while let Some((position, marker)) = next_marker(rest) {
        text.push_str(&rest[..position]);
        let (kept, value) = marker;
        text.push_str(kept);
        rest = skip_value(&rest[position + value.len()..]);
    }
    text.push_str(rest);
    text
}

/// What announces a value, and what is left of the announcement.
const MARKERS: [(&str, &str); 4] = [
    ("invalid value", "Invalid value: "),
    ("duplicate value", "Duplicate value: "),
    ("unsupported value", "Unsupported value: "),
    (", got another type", ", got &value."),
];

fn next_marker(text: &str) -> Option<(usize, (&'static str, &'static str))> {
    MARKERS
        .iter()
        .filter_map(|marker| text.find(marker.1).map(|position| (position, *marker)))
        .min_by_key(|found| found.0)
}

/// What follows the value that `text` starts with: a quoted string, JSON, or anything up to the next `: `.
fn skip_value(text: &str) -> &str {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<serde::de::IgnoredAny>();
    match values.next() {
        Some(Ok(_)) => &text[values.byte_offset()..],
        // A dump of Go's own form: nothing tells where it ends, so what follows is given up.
        _ => text.rfind(": ").map_or("", |position| &text[position..]),
    }
}

fn list_owners(owners: &[FieldOwner]) -> String {
    let one = |owner: &FieldOwner| format!("{} of {:?}", owner.field, owner.manager);
    owners.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn list_causes(causes: &[Cause]) -> String {
    let one = |cause: &Cause| match cause.field.as_str() {
        "" => cause.message.clone(),
        field => format!("{field}: {}", cause.message),
    };
    causes.iter().map(one).collect::<Vec<_>>().join("; ")
}

fn in_namespace(namespace: &str) -> String {
    if namespace.is_empty() { " in the cluster".to_owned() } else { format!(" in namespace {namespace:?}") }
}

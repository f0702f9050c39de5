//! From a reply of the API server to its cause.
//!
//! The server says what is wrong in three ways: by the reason and code of the `Status`, by its list of causes
//! (validation), and, where server-side apply or decoding refuses an object, only in words. All three are read here,
//! and no value of the object is kept ([`super::redact`]).

use std::io;
use std::time::Duration;

use kube::core::Status;
use kube::core::response::StatusCause;

use super::bounded::NoAnswer;
use super::error::{ApiError, Cause, FieldOwner};
use super::fence::Closed;
use super::redact::{redacted, rule, without_quotations};
use crate::value::message::one_line;

impl From<kube::Error> for ApiError {
    fn from(error: kube::Error) -> Self {
        if let kube::Error::Service(source) = &error {
            if let Some(NoAnswer(limit)) = source.downcast_ref() {
                return Self::Timeout { seconds: limit.as_secs() };
            }
            if source.is::<Closed>() {
                return Self::Fenced;
            }
        }
        match error {
            kube::Error::Api(status) => Self::from(*status),
            kube::Error::SerdeError(error) => Self::undecodable(&error),
            kube::Error::Auth(_) => Self::Unauthorized,
            other => Self::Transport { message: root_cause(&other), sent: !never_sent(&other) },
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
            ("RequestEntityTooLarge", _) | (_, 413) => Self::TooLarge { message: redacted(&status.message) },
            ("MethodNotAllowed", _) | (_, 405) => Self::KindNotServed,
            ("Timeout", _) | (_, 504) => busy(&status, true),
            ("ServerTimeout", _) | (_, 429 | 503) => busy(&status, false),
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

/// Whether the connection was refused, so that the server cannot have seen the request.
fn never_sent(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        let refused =
            error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::ConnectionRefused);
        if refused {
            return true;
        }
        next = error.source();
    }
    false
}

fn busy(status: &Status, taken: bool) -> ApiError {
    ApiError::Busy { retry_after: retry_after(status), message: redacted(&status.message), taken }
}

fn retry_after(status: &Status) -> Option<Duration> {
    let seconds = status.details.as_ref()?.retry_after_seconds;
    (seconds > 0).then(|| Duration::from_secs(seconds.into()))
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
    let of_fields = causes(status).iter().filter(|cause| cause.reason == "FieldManagerConflict");
    let owner = |cause: &StatusCause| FieldOwner { manager: quoted(&cause.message), field: field(&cause.field) };
    let owners: Vec<FieldOwner> = of_fields.map(owner).collect();
    if !owners.is_empty() {
        return ApiError::FieldConflict { owners };
    }
    let message = redacted(&status.message);
    if message.contains("on resourcequotas") {
        return ApiError::Quota { message, racing: true };
    }
    ApiError::Conflict { message }
}

fn forbidden(status: &Status) -> ApiError {
    if let Some(error) = webhook(&status.message).or_else(|| missing_right(&status.message)) {
        return error;
    }
    if let Some(cause) = causes(status).iter().find(|cause| cause.reason == "NamespaceTerminating") {
        return ApiError::NamespaceTerminating { namespace: terminating(&cause.message) };
    }
    rejected(&status.message)
}

/// What an admission rule says, without `configmaps "x" is forbidden: ` before it.
fn rejected(message: &str) -> ApiError {
    let message = redacted(message.split_once(" is forbidden: ").map_or(message, |(_, words)| words));
    if message.starts_with("exceeded quota") {
        ApiError::Quota { message, racing: false }
    } else {
        ApiError::Rejected { message }
    }
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

fn webhook(message: &str) -> Option<ApiError> {
    if let Some((_, rest)) = message.split_once("admission webhook \"") {
        let (webhook, rest) = rest.split_once('"')?;
        if rest.trim() == "does not support dry run" {
            return Some(ApiError::DryRunUnsupported { webhook: webhook.to_owned() });
        }
        let words = redacted(rest.trim_start_matches(" denied the request").trim_start_matches([':', ' ']));
        let message = if words.is_empty() { "no reason given".to_owned() } else { words };
        return Some(ApiError::WebhookDenied { webhook: webhook.to_owned(), message });
    }
    let (_, rest) = message.split_once("failed calling webhook \"")?;
    let (webhook, rest) = rest.split_once('"')?;
    let message = redacted(rest.trim_start_matches([':', ' ']));
    Some(ApiError::WebhookUnavailable { webhook: webhook.to_owned(), message })
}

/// Everything that is about the object itself: size, decoding, schema, validation.
fn refused(status: &Status) -> ApiError {
    let message = &status.message;
    if let Some(error) = webhook(message).or_else(|| too_large(status)).or_else(|| undecodable(message)) {
        return error;
    }
    // Policies answer with the code of a validation but name no field.
    if message.contains(" is forbidden: ") && causes(status).iter().all(|cause| cause.reason.is_empty()) {
        return rejected(message);
    }
    if let Some(error) = immutable(status) {
        return error;
    }
    let mut found: Vec<Cause> = causes(status).iter().filter(|cause| !is_remark(cause)).map(cause).collect();
    if found.is_empty() && (status.reason == "Invalid" || matches!(status.code, 400 | 422)) {
        found.push(Cause { field: String::new(), message: redacted(message) });
    }
    if found.is_empty() {
        return ApiError::Server { code: status.code, message: redacted(message) };
    }
    ApiError::Invalid { causes: found }
}

fn too_large(status: &Status) -> Option<ApiError> {
    let is_size = |cause: &&StatusCause| cause.reason == "FieldValueTooLong" && cause.field.starts_with('[');
    let words = causes(status).iter().find(is_size).map(|cause| rule(&cause.message));
    let by_store = status.message.contains("etcdserver: request is too large")
        || status.message.contains("trying to send message larger than max");
    let message = words.or_else(|| by_store.then(|| "more than the API server's store takes".to_owned()))?;
    Some(ApiError::TooLarge { message })
}

/// Reads the words with which an apply is refused before it is validated: by the schema, by strict decoding, or by
/// decoding into the kind's own type.
fn undecodable(message: &str) -> Option<ApiError> {
    if message.contains("strict decoding error") {
        let fields: Vec<String> = message
            .split("unknown field \"")
            .skip(1)
            .filter_map(|rest| Some(rest.split_once('"')?.0.to_owned()))
            .collect();
        return (!fields.is_empty()).then_some(ApiError::UnknownField { fields });
    }
    if let Some((_, rest)) = message.split_once("failed to create typed patch object (") {
        return rest.split_once("): ").map(|(_, findings)| schema_refusal(findings));
    }
    let (_, rest) = message.split_once("to proper version: ")?;
    let words = rest.split_once("unable to convert unstructured object to ").map_or(rest, |(_, rest)| rest);
    let words = words.split_once(": ").map_or(words, |(_, words)| words);
    Some(ApiError::Invalid { causes: vec![Cause { field: String::new(), message: without_quotations(words) }] })
}

/// What the schema says, one finding a line, each after the path of its field
/// (`sigs.k8s.io/structured-merge-diff/typed/validate.go`).
fn schema_refusal(findings: &str) -> ApiError {
    let findings: Vec<Cause> = findings.lines().filter_map(schema_finding).collect();
    let (unknown, other): (Vec<_>, Vec<_>) = findings.into_iter().partition(|cause| cause.message == UNDECLARED);
    match (unknown.is_empty(), other.is_empty()) {
        (false, _) => ApiError::UnknownField { fields: unknown.into_iter().map(|cause| cause.field).collect() },
        (true, false) => ApiError::Invalid { causes: other },
        (true, true) => {
            let message = "it does not fit the kind's schema".to_owned();
            ApiError::Invalid { causes: vec![Cause { field: String::new(), message }] }
        }
    }
}

const UNDECLARED: &str = "field not declared in schema";

/// Reads `.spec.a: finding`. A line of another form may be part of a dumped value and is left out.
fn schema_finding(line: &str) -> Option<Cause> {
    let line = line.trim();
    let known = |(place, words): &(usize, &str)| {
        line[..*place].starts_with('.')
            && [UNDECLARED, "expected ", "duplicate entries for key "].iter().any(|rule| words.starts_with(rule))
    };
    let (place, words) = line.match_indices(": ").map(|(place, _)| (place, &line[place + 2..])).find(known)?;
    Some(Cause { field: field(&line[..place]), message: redacted(words) })
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

/// The fields that are fixed, and what is said of the first.
fn immutable(status: &Status) -> Option<ApiError> {
    let fixed: Vec<&StatusCause> = causes(status).iter().filter(|cause| is_immutable(cause)).collect();
    let message = rule(&fixed.first()?.message);
    let mut fields: Vec<String> = fixed.iter().map(|cause| field(&cause.field)).collect();
    fields.dedup();
    Some(ApiError::Immutable { field: fields.join(", "), message })
}

fn is_immutable(cause: &StatusCause) -> bool {
    let words = rule(&cause.message);
    IMMUTABLE.iter().any(|fixed| words.contains(fixed))
}

/// A cause that only says that others were not looked for.
fn is_remark(cause: &StatusCause) -> bool {
    cause.message.contains("some validation rules were not checked")
}

fn causes(status: &Status) -> &[StatusCause] {
    status.details.as_ref().map_or(&[], |details| &details.causes)
}

fn cause(cause: &StatusCause) -> Cause {
    Cause { field: field(&cause.field), message: rule(&cause.message) }
}

/// The path of a field without the dot that some parts of the server write before it.
fn field(path: &str) -> String {
    match path {
        "<nil>" | "[]" => String::new(),
        path => path.trim_start_matches('.').to_owned(),
    }
}

/// The text between the first pair of quotes, or all of it.
fn quoted(text: &str) -> String {
    text.split('"').nth(1).unwrap_or(text).to_owned()
}

/// The namespace in `namespace X is being terminated`.
fn terminating(message: &str) -> String {
    message.split_whitespace().nth(1).unwrap_or_default().to_owned()
}

#[cfg(test)]
#[path = "refusal_tests.rs"]
mod tests;

//! The one place through which calls to the API server go: bounded in time, repeated where that is safe.
//!
//! Reads, server-side applies, replaces with a resource version and deletions may be repeated after any passing
//! trouble, an internal error (500) included. A create may have happened although its answer was lost, so it is
//! repeated only when the server says that it did not take the request (429, 503 before handling); the caller meets a
//! second attempt as "already exists". A missing right counts only once the API server has been there for a while.

use std::time::Duration;

use http::Method;
use http::header::CONTENT_TYPE;
use kube::core::ApiResource;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, sleep, timeout_at};

use super::client::Cluster;
use super::collection::Built;
use super::discovery::Kind;
use super::error::ApiError;

/// How long a call may take with its repetitions; one attempt is bounded by [`super::bounded`].
const CALL: Duration = Duration::from_secs(90);
/// The first pause between attempts; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// The longest pause that the server's own wish or the doubling can give.
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// The longest pause after an internal error.
const OWN_ERROR: Duration = Duration::from_secs(2);

impl Cluster {
    /// Sends a request and decodes the reply.
    pub(super) async fn call<T: DeserializeOwned>(&self, request: Built) -> Result<T, ApiError> {
        let text = self.call_text(request).await?;
        serde_json::from_str(&text).map_err(|error| ApiError::undecodable(&error))
    }

    /// Sends a request and gives the reply's text.
    pub(super) async fn call_text(&self, request: Built) -> Result<String, ApiError> {
        let request = request?;
        let deadline = Instant::now() + CALL;
        let mut pause = FIRST_PAUSE;
        loop {
            let error = match self.attempt(&request, deadline).await {
                Ok(text) => return Ok(text),
                Err(error) => error,
            };
            let wait = error.retry_after().unwrap_or(pause).min(LONGEST_PAUSE);
            // An error of the server's own passes soon or is there to stay.
            let lasts = matches!(error, ApiError::Server { .. }) && wait > OWN_ERROR;
            let settles = matches!(error, ApiError::Forbidden { .. }) && self.absence().is_recent();
            if lasts || !(settles || may_repeat(&request, &error)) || Instant::now() + wait >= deadline {
                return Err(error);
            }
            sleep(wait).await;
            pause = pause.saturating_mul(2);
        }
    }

    async fn attempt(&self, request: &http::Request<Vec<u8>>, deadline: Instant) -> Result<String, ApiError> {
        let sent = timeout_at(deadline, self.client().request_text(request.clone())).await;
        Ok(sent.map_err(|_| ApiError::Timeout { seconds: CALL.as_secs() })??)
    }
}

/// A kind that every API server has, without asking discovery.
pub(super) fn builtin_kind(group: &str, version: &str, kind: &str, plural: &str, namespaced: bool) -> Kind {
    let api_version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    let resource = ApiResource {
        group: group.to_owned(),
        version: version.to_owned(),
        api_version,
        kind: kind.to_owned(),
        plural: plural.to_owned(),
    };
    Kind { resource, namespaced }
}

/// A kind of the core group.
pub(super) fn core_kind(kind: &str, plural: &str, namespaced: bool) -> Kind {
    builtin_kind("", "v1", kind, plural, namespaced)
}

/// Whether a request that failed this way may be sent again.
fn may_repeat(request: &http::Request<Vec<u8>>, error: &ApiError) -> bool {
    match error {
        ApiError::Busy { taken: false, .. } | ApiError::Transport { sent: false, .. } => true,
        ApiError::Quota { racing: true, .. } => true,
        ApiError::Busy { .. } | ApiError::Timeout { .. } | ApiError::Transport { .. } => !is_create(request),
        ApiError::Server { code: 500.., .. } => !is_create(request),
        // Two writers met; an apply says what it wants whatever the other wrote.
        ApiError::Conflict { .. } => is_apply(request),
        _ => false,
    }
}

fn is_create(request: &http::Request<Vec<u8>>) -> bool {
    *request.method() == Method::POST
}

fn is_apply(request: &http::Request<Vec<u8>>) -> bool {
    let content_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    content_type.is_some_and(|content_type| content_type.starts_with("application/apply-patch"))
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;

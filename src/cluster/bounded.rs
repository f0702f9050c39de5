//! Every request has an end: an API server, or what stands before it, that takes a request and never answers must not
//! hold up who asked.
//!
//! The client itself waits for ever, since the answer to a watch may. So this layer bounds the time until an answer
//! has come whole, of a watch until it has begun; that a watch falls silent later, the watcher notices itself. It also
//! remembers when the API server was last away: see [`Absence`].

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::{Request, Response, StatusCode};
use kube::Client;
use kube::client::Body;
use tokio::time::{Instant, timeout_at};

use super::layer;

/// How long an answer may take unless told otherwise. The API server's own limit for a request is a minute.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// No answer came within this time. Whether the request was carried out is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no answer within {} seconds", .0.as_secs())]
pub(super) struct NoAnswer(pub(super) Duration);

/// How long an API server that was away may take to know its rules.
const SETTLING: Duration = Duration::from_secs(10);

/// When the API server was last away. One that has just started answers before its authorizer has read the roles and
/// bindings, and refuses what it will allow a moment later; so a refusal soon after an absence is none yet.
#[derive(Clone, Debug, Default)]
pub(super) struct Absence(Arc<Mutex<Option<Instant>>>);

impl Absence {
    fn note(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Whether a refusal may come from an API server that is still starting.
    pub(super) fn is_recent(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|last| last.elapsed() < SETTLING)
    }
}

/// Sends by this client; an answer may take as long as `limit`.
pub(super) fn bounded(client: Client, limit: Duration, absence: Absence) -> Client {
    layer::over(client, move |client, request| send(client, request, limit, absence.clone()))
}

async fn send(
    client: Client,
    request: Request<Body>,
    limit: Duration,
    absence: Absence,
) -> Result<Response<Body>, kube::Error> {
    let (deadline, streams) = (Instant::now() + limit, streams(&request));
    let late = |_| kube::Error::Service(Box::new(NoAnswer(limit)));
    let answer = timeout_at(deadline, client.send(request)).await.map_err(late)?;
    let answer = answer.inspect_err(|_| absence.note())?;
    if is_gateway(answer.status()) {
        absence.note();
    }
    if streams {
        return Ok(answer);
    }
    let (head, body) = answer.into_parts();
    let body = timeout_at(deadline, body.collect_bytes()).await.map_err(late)??;
    Ok(Response::from_parts(head, Body::from(body)))
}

/// Whether something before the API server says that it is away.
fn is_gateway(status: StatusCode) -> bool {
    matches!(status, StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT)
}

/// Whether the answer goes on until somebody ends it.
fn streams(request: &Request<Body>) -> bool {
    let query = request.uri().query().unwrap_or_default();
    query.split('&').any(|parameter| matches!(parameter, "watch=true" | "watch=1" | "follow=true"))
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::future::pending;

    use axum::body::Body as Never;
    use tower::service_fn;

    use super::*;
    use crate::cluster::ApiError;

    /// An API server that falls silent: before the answer, or after its head.
    #[derive(Clone, Copy)]
    enum Silent {
        AtOnce,
        AfterHead,
    }

    impl Silent {
        async fn answer(self) -> Result<Response<Never>, Infallible> {
            match self {
                Self::AtOnce => pending().await,
                Self::AfterHead => {
                    Ok(Response::new(Never::from_stream(futures::stream::pending::<Result<Vec<u8>, Infallible>>())))
                }
            }
        }
    }

    async fn ask(silent: Silent, path: &str) -> Result<Response<Body>, ApiError> {
        let client = Client::new(service_fn(move |_: Request<Body>| silent.answer()), "default");
        let client = bounded(client, Duration::from_millis(30), Absence::default());
        let request = Request::get(path).body(Body::empty()).expect("a request");
        client.send(request).await.map_err(ApiError::from)
    }

    #[tokio::test]
    async fn what_is_not_answered_ends_and_a_watch_may_go_on() {
        let late = ApiError::Timeout { seconds: 0 };
        for (silent, path) in
            [(Silent::AtOnce, "/api"), (Silent::AfterHead, "/api"), (Silent::AtOnce, "/api?watch=true")]
        {
            assert_eq!(ask(silent, path).await.map(drop), Err(late.clone()), "{path}");
        }
        assert!(ask(Silent::AfterHead, "/api?a=b&watch=true").await.is_ok());
    }
}

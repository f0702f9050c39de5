//! A proxy between the operator and the API server that notes what the operator writes and breaks in where it is told.
//!
//! The operator talks plain HTTP to it on the loopback address; its token goes on to the API server. What is done to a
//! request is decided by a judge, a function of the test.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use serde_json::{Value, json};

use super::background::Background;

/// What is done to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It never reaches the API server, and no answer comes.
    LoseRequest,
    /// The API server carries it out, and no answer comes.
    LoseAnswer,
    /// The proxy answers in the place of the API server, with this status.
    Refuse(u16),
    /// It is carried out that much later.
    Delay(Duration),
    /// The answer breaks off after that time.
    CutAfter(Duration),
    /// A watch is told that the server has forgotten where it is to begin, as after a compaction of etcd.
    Expire,
}

/// A request of the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The method.
    pub method: Method,
    /// The path, without the query.
    pub path: String,
    /// Whether it asks for a watch.
    pub watches: bool,
}

impl Seen {
    /// Whether it asks for a change of more than events and leases.
    pub fn writes(&self) -> bool {
        let asks = ["/events", "/leases", "reviews"].iter().any(|resource| self.path.contains(resource));
        !matches!(self.method, Method::GET | Method::HEAD) && !asks
    }

    /// The namespace it is in, else empty.
    pub fn namespace(&self) -> &str {
        let mut words = self.path.split('/').skip_while(|word| *word != "namespaces");
        words.nth(1).unwrap_or_default()
    }
}

type Judge = Box<dyn Fn(&Seen) -> Option<Fault> + Send + Sync>;

/// A running proxy; ends on drop.
pub struct Proxy {
    server: Background,
    shared: Arc<Shared>,
}

struct Shared {
    upstream: String,
    client: reqwest::Client,
    judge: Mutex<Judge>,
    jobs: Mutex<BTreeMap<(String, String), BTreeSet<String>>>,
}

impl Proxy {
    /// Starts a proxy to the API server of a kubeconfig; it passes everything on.
    ///
    /// # Errors
    /// When the kubeconfig cannot be read, or no port can be had.
    pub fn start(kubeconfig: &Path) -> Result<Self> {
        // Another part of the test process may have chosen the same provider before.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let config: Value = serde_json::from_slice(&std::fs::read(kubeconfig)?)?;
        let cluster = &config["clusters"][0]["cluster"];
        let authority = std::fs::read(cluster["certificate-authority"].as_str().context("no authority")?)?;
        let client =
            reqwest::Client::builder().tls_certs_only([reqwest::Certificate::from_pem(&authority)?]).build()?;
        let upstream = cluster["server"].as_str().context("no server")?.to_owned();
        let judge: Judge = Box::new(|_| None);
        let shared = Arc::new(Shared { upstream, client, judge: Mutex::new(judge), jobs: Mutex::default() });
        let router = Router::new().fallback(answer).with_state(Arc::clone(&shared));
        let server = Background::start(0, move |listener| async move { axum::serve(listener, router).await })?;
        Ok(Self { server, shared })
    }

    /// Writes a kubeconfig that leads through the proxy; gives its path.
    ///
    /// # Errors
    /// When one of the files cannot be read or written.
    pub fn kubeconfig(&self, original: &Path) -> Result<PathBuf> {
        let mut config: Value = serde_json::from_slice(&std::fs::read(original)?)?;
        config["clusters"][0]["cluster"] = json!({"server": format!("http://{}", self.server.address())});
        let path = original.with_extension(format!("{}.proxied", self.server.address().port()));
        std::fs::write(&path, config.to_string())?;
        Ok(path)
    }

    /// From now on, requests are judged by this.
    pub fn judge(&self, judge: impl Fn(&Seen) -> Option<Fault> + Send + Sync + 'static) {
        *lock(&self.shared.judge) = Box::new(judge);
    }

    /// How many different Jobs of this name the operator has created.
    pub fn jobs(&self, namespace: &str, name: &str) -> usize {
        lock(&self.shared.jobs).get(&(namespace.to_owned(), name.to_owned())).map_or(0, BTreeSet::len)
    }
}

impl Shared {
    async fn pass_on(&self, request: Request, seen: &Seen) -> Result<Response> {
        let (parts, body) = request.into_parts();
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        let mut headers = parts.headers;
        [HOST, CONTENT_LENGTH, TRANSFER_ENCODING].iter().for_each(|name| drop(headers.remove(name)));
        let body = to_bytes(body, usize::MAX).await?;
        let url = format!("{}{path}", self.upstream);
        let reply = self.client.request(parts.method, url).headers(headers).body(body).send().await?;
        let mut answer = Response::builder().status(reply.status());
        for (name, value) in reply.headers().iter().filter(|(name, _)| **name != TRANSFER_ENCODING) {
            answer = answer.header(name, value);
        }
        if !seen.writes() {
            return Ok(answer.body(Body::from_stream(reply.bytes_stream()))?);
        }
        let body = reply.bytes().await?;
        self.note_job(seen, &body);
        Ok(answer.body(Body::from(body))?)
    }

    fn note_job(&self, seen: &Seen, reply: &[u8]) {
        if !seen.path.contains("/jobs") || seen.method == Method::DELETE {
            return;
        }
        let Ok(reply) = serde_json::from_slice::<Value>(reply) else { return };
        let text = |name: &str| reply["metadata"][name].as_str().unwrap_or_default().to_owned();
        if reply["kind"] == "Job" {
            lock(&self.jobs).entry((text("namespace"), text("name"))).or_default().insert(text("uid"));
        }
    }
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let query = request.uri().query().unwrap_or_default();
    let seen = Seen {
        method: request.method().clone(),
        path: request.uri().path().to_owned(),
        watches: query.contains("watch=true") || query.contains("watch=1"),
    };
    let fault = (lock(&shared.judge))(&seen);
    match fault {
        Some(Fault::LoseRequest) => std::future::pending().await,
        Some(Fault::Refuse(status)) => return refusal(status),
        Some(Fault::Expire) => return expired(),
        Some(Fault::Delay(delay)) => tokio::time::sleep(delay).await,
        Some(Fault::LoseAnswer | Fault::CutAfter(_)) | None => {}
    }
    // A write that has set out is carried out, whether or not the operator lives to see the answer.
    let passing = tokio::spawn(async move { shared.pass_on(request, &seen).await });
    let passed = passing.await.unwrap_or_else(|error| Err(error.into()));
    if fault == Some(Fault::LoseAnswer) {
        std::future::pending::<()>().await;
    }
    let passed = passed.map(|answer| match fault {
        Some(Fault::CutAfter(time)) => {
            answer.map(|body| Body::from_stream(body.into_data_stream().take_until(Box::pin(tokio::time::sleep(time)))))
        }
        _ => answer,
    });
    passed.unwrap_or_else(|error| (StatusCode::BAD_GATEWAY, format!("{error:#}")).into_response())
}

/// A refusal in the API server's form.
fn refusal(status: u16) -> Response {
    let reason = match status {
        409 => "Conflict",
        410 => "Expired",
        429 => "TooManyRequests",
        _ => "InternalError",
    };
    let body = json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "message": "a fault of the test",
        "reason": reason, "code": status,
    });
    let code = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (code, [("content-type", "application/json")], body.to_string()).into_response()
}

/// What the API server sends where a watch begins too far back: a good answer with one event.
fn expired() -> Response {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "reason": "Expired", "code": 410,
        "message": "too old resource version: 1 (2)",
    });
    let event = json!({"type": "ERROR", "object": status});
    ([("content-type", "application/json")], format!("{event}\n")).into_response()
}

fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

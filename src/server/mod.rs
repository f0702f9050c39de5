//! The operator's HTTP side: operations, and an API of its own at another address.
//!
//! Of the operations, `/healthz` answers as long as the process can answer at all, `/readyz` once the caches are filled
//! and the lease is known, and `/metrics` with OpenMetrics text; they need no credentials and tell nothing about
//! objects. The API takes webhooks ([`hooks`]) and shows what is in charts ([`catalog`]).

mod callers;
pub mod catalog;
mod door;
pub mod hooks;
mod proof;
mod status;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;

use self::catalog::Catalog;
use self::door::Door;
use self::hooks::Hooks;
use self::status::Refusal;
use crate::controller::metrics::Metrics;
use crate::controller::readiness::Readiness;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Why the server cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The address is taken or not one of this machine.
    #[error("cannot listen on {address}: {source}: choose another address")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The listener broke.
    #[error("the HTTP server ended: {0}")]
    Serve(#[source] std::io::Error),
}

/// The HTTP server, bound to its address.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    routes: Router,
}

#[derive(Clone, Debug)]
struct Shared {
    metrics: Arc<Metrics>,
    readiness: Readiness,
}

impl Server {
    /// Health, readiness and metrics at an address; port 0 takes a free one.
    ///
    /// # Errors
    /// [`ServerError::Listen`].
    pub async fn bind(address: SocketAddr, metrics: Arc<Metrics>, readiness: Readiness) -> Result<Self, ServerError> {
        let routes = Router::new()
            .route("/healthz", get(healthy))
            .route("/readyz", get(ready))
            .route("/metrics", get(metrics_text))
            .with_state(Shared { metrics, readiness });
        Self::listen(address, routes).await
    }

    /// The API at an address; port 0 takes a free one.
    ///
    /// # Errors
    /// [`ServerError::Listen`].
    pub async fn bind_api(address: SocketAddr, hooks: &Hooks, catalog: &Catalog) -> Result<Self, ServerError> {
        let routes = hooks.routes().merge(catalog.routes()).fallback(nothing).method_not_allowed_fallback(not_allowed);
        Self::listen(address, routes).await
    }

    async fn listen(address: SocketAddr, routes: Router) -> Result<Self, ServerError> {
        let listener = TcpListener::bind(address).await.map_err(|source| ServerError::Listen { address, source })?;
        Ok(Self { listener, routes })
    }

    /// The address that is listened on.
    ///
    /// # Errors
    /// Where the system does not tell.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `shutdown` completes; answers that are underway are finished.
    ///
    /// # Errors
    /// [`ServerError::Serve`].
    pub async fn serve(self, shutdown: impl Future<Output = ()> + Send + 'static) -> Result<(), ServerError> {
        let Self { listener, routes } = self;
        axum::serve(Door::new(listener), routes).with_graceful_shutdown(shutdown).await.map_err(ServerError::Serve)
    }
}

async fn healthy() -> &'static str {
    "ok\n"
}

async fn ready(State(shared): State<Shared>) -> Response {
    match shared.readiness.missing().as_slice() {
        [] => "ok\n".into_response(),
        missing => (StatusCode::SERVICE_UNAVAILABLE, format!("{}\n", missing.join("\n"))).into_response(),
    }
}

async fn metrics_text(State(shared): State<Shared>) -> Response {
    match shared.metrics.encode() {
        Ok(text) => ([(CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn nothing(uri: Uri) -> Refusal {
    Refusal::not_found(uri.path())
}

async fn not_allowed(method: Method, uri: Uri) -> Refusal {
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, format!("{method} is not for {}", uri.path()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::sync::oneshot;

    /// Sends a request as text and returns the answer as text.
    async fn ask(address: SocketAddr, path: &str) -> anyhow::Result<String> {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let mut stream = tokio::net::TcpStream::connect(address).await?;
        stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(answer)
    }

    #[tokio::test]
    async fn it_is_healthy_at_once_ready_later_and_ends_when_asked() -> anyhow::Result<()> {
        let (metrics, readiness) = (Arc::new(Metrics::default()), Readiness::default());
        let server = Server::bind(([127, 0, 0, 1], 0).into(), Arc::clone(&metrics), readiness.clone()).await?;
        let address = server.address()?;
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = tokio::spawn(server.serve(async move {
            let _ = stopped.await;
        }));

        assert!(ask(address, "/healthz").await?.starts_with("HTTP/1.1 200"));
        let waiting = ask(address, "/readyz").await?;
        assert!(waiting.starts_with("HTTP/1.1 503") && waiting.contains("the lease is not known"), "{waiting}");
        readiness.caches_synced();
        readiness.lease_known();
        assert!(ask(address, "/readyz").await?.starts_with("HTTP/1.1 200"));
        metrics.set_shards(1, true);
        let text = ask(address, "/metrics").await?;
        assert!(text.contains("openmetrics-text") && text.contains("coxswain_leader 1"), "{text}");
        assert!(ask(address, "/other").await?.starts_with("HTTP/1.1 404"));

        drop(stop);
        tokio::time::timeout(Duration::from_secs(5), serving).await???;
        Ok(())
    }
}

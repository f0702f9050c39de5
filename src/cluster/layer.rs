//! A client over another: every request passes through a function first. All share one pool of connections.

use futures::Future;
use http::{Request, Response};
use kube::Client;
use kube::client::Body;
use tower::service_fn;

/// A client that sends by `send`, which is given the client below it.
pub(crate) fn over<F>(client: Client, mut send: impl FnMut(Client, Request<Body>) -> F + Send + 'static) -> Client
where
    F: Future<Output = Result<Response<Body>, kube::Error>> + Send + 'static,
{
    let namespace = client.default_namespace().to_owned();
    Client::new(service_fn(move |request| send(client.clone(), request)), namespace)
}

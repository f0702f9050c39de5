//! One connection for one command: the cluster as the caller sees it, the namespace, and where to write.

use std::time::Instant;

use http::Request;
use kube::client::Body;
use kube::{Api, Client};

use super::Error;
use super::arguments::GlobalArguments;
use super::screen::Screen;
use crate::api::HelmRequest;
use crate::cluster::{Cluster, ConnectError, kubeconfig, layer};

/// From which level on requests are told; kubectl tells them from there too.
const REQUESTS: u8 = 6;

/// What every command works with.
#[derive(Clone, Debug)]
pub struct Session {
    /// The cluster, with the caller's own rights.
    pub cluster: Cluster,
    /// The namespace that was named, or that of the context.
    pub namespace: String,
    /// Where results go.
    pub screen: Screen,
}

impl Session {
    /// Prepares to talk with the API server that the flags and the kubeconfig name; sends nothing yet.
    ///
    /// # Errors
    /// What is missing in the kubeconfig.
    pub async fn connect(global: &GlobalArguments) -> Result<Self, Error> {
        let mut config = kubeconfig::config(global.kubeconfig.as_deref(), global.context.as_deref()).await?;
        let namespace = global.namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
        config.default_retry = false;
        let client = Client::try_from(config).map_err(|error| ConnectError::Configuration(Box::new(error)))?;
        let client = if global.verbosity >= REQUESTS { telling(client) } else { client };
        Ok(Self { cluster: Cluster::from_client(client), namespace, screen: Screen::of_process() })
    }

    /// The HelmRequests of the session's namespace.
    pub fn requests(&self) -> Api<HelmRequest> {
        Api::namespaced(self.cluster.client(), &self.namespace)
    }

    /// The same session in another namespace.
    #[must_use]
    pub fn within(&self, namespace: &str) -> Self {
        Self { namespace: namespace.to_owned(), ..self.clone() }
    }
}

/// A client that tells of every request on standard error.
fn telling(client: Client) -> Client {
    let screen = Screen::of_process();
    layer::over(client, move |client, request: Request<Body>| {
        let (line, begun) = (format!("{} {}", request.method(), request.uri()), Instant::now());
        async move {
            let answer = client.send(request).await;
            let outcome = answer.as_ref().map_or_else(ToString::to_string, |answer| answer.status().to_string());
            screen.tell(&format!("{line} {outcome} in {} milliseconds", begun.elapsed().as_millis()));
            answer
        }
    })
}

//! One connection for one command: the cluster as the caller sees it, the namespace, and where to write.

use std::time::Instant;

use http::Request;
use kube::client::Body;
use kube::{Api, Client, Config};

use super::Error;
use super::arguments::GlobalArguments;
use super::screen::Screen;
use crate::api::HelmRequest;
use crate::cluster::{Cluster, ConnectError, kubeconfig, layer};
use crate::controller::registered_cluster;

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
    /// Where clusters are registered.
    cluster_namespace: String,
    /// Whether every request is told.
    is_telling: bool,
}

impl Session {
    /// Prepares to talk with the API server that the flags and the kubeconfig name; sends nothing yet.
    ///
    /// # Errors
    /// What is missing in the kubeconfig.
    pub async fn connect(global: &GlobalArguments) -> Result<Self, Error> {
        let config = kubeconfig::config(global.kubeconfig.as_deref(), global.context.as_deref()).await?;
        let namespace = global.namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
        let is_telling = global.verbosity >= REQUESTS;
        let (cluster, screen) = (cluster(config, is_telling)?, Screen::of_process());
        Ok(Self { cluster, namespace, screen, cluster_namespace: global.cluster_namespace.clone(), is_telling })
    }

    /// The HelmRequests of the session's namespace.
    pub fn requests(&self) -> Api<HelmRequest> {
        Api::namespaced(self.cluster.client(), &self.namespace)
    }

    /// The same session in a registered cluster, reached by what is registered of it, which the caller must be able to
    /// read.
    ///
    /// # Errors
    /// It is not registered, or what is registered cannot be read or used.
    pub async fn in_cluster(&self, name: &str) -> Result<Self, Error> {
        let reached = registered_cluster(&self.cluster.client(), &self.cluster_namespace, name).await;
        let connection = reached.map_err(|cause| Error::Elsewhere { cluster: name.to_owned(), cause })?;
        Ok(Self { cluster: cluster(connection.config(), self.is_telling)?, ..self.clone() })
    }

    /// The same session in a registered cluster, where one is named.
    ///
    /// # Errors
    /// It cannot be reached.
    pub async fn at(&self, cluster: Option<&str>) -> Result<Self, Error> {
        match cluster {
            Some(name) => self.in_cluster(name).await,
            None => Ok(self.clone()),
        }
    }

    /// The same session in another namespace.
    #[must_use]
    pub fn within(&self, namespace: &str) -> Self {
        Self { namespace: namespace.to_owned(), ..self.clone() }
    }
}

fn cluster(mut config: Config, is_telling: bool) -> Result<Cluster, ConnectError> {
    config.default_retry = false;
    let client = Client::try_from(config).map_err(|error| ConnectError::Configuration(Box::new(error)))?;
    Ok(Cluster::from_client(if is_telling { telling(client) } else { client }))
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

//! `--dry-run=server`: the cluster's capabilities and real lookups.

use std::path::Path;

use tokio::runtime::Runtime;

use super::{Failure, TemplateArguments, notice};
use crate::cluster::lookup::ClusterLookup;
use crate::cluster::{Cluster, REQUEST_TIMEOUT, kubeconfig};
use crate::render::Capabilities;
use crate::yaml::quote::quote;

/// A connection to the API server, with the runtime that it lives on.
pub(super) struct Server {
    runtime: Runtime,
    cluster: Cluster,
}

impl Server {
    /// Connects to the API server that the arguments and the kubeconfig name, and learns what it serves.
    pub(super) fn connect(arguments: &TemplateArguments) -> Result<Self, Failure> {
        // A worker of its own drives the connection while a render waits for a lookup.
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.map_err(Failure::Runtime)?;
        let cluster = runtime.block_on(async {
            let config =
                kubeconfig::config(given(&arguments.kubeconfig).map(Path::new), given(&arguments.kube_context));
            let config = config.await.map_err(|error| unreachable(&error))?;
            let cluster = Cluster::connect(config, REQUEST_TIMEOUT, None).map_err(|error| unreachable(&error))?;
            cluster.discovery().snapshot().await.map_err(|error| unreachable(&error))?;
            Ok::<Cluster, Failure>(cluster)
        })?;
        Ok(Self { runtime, cluster })
    }

    /// What the cluster can do.
    pub(super) fn capabilities(&self) -> Result<Capabilities, Failure> {
        let capabilities = self.runtime.block_on(self.cluster.discovery().capabilities());
        capabilities.map(|capabilities| (*capabilities).clone()).map_err(|error| unreachable(&error))
    }

    /// Answers lookups; to be used on a thread outside the runtime.
    pub(super) fn lookup(&self) -> ClusterLookup {
        let _entered = self.runtime.enter();
        ClusterLookup::new(self.cluster.clone())
    }
}

/// A flag's text; empty means that it was not given.
fn given(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

fn unreachable(error: &dyn std::fmt::Display) -> Failure {
    let failure = Failure::Unreachable(error.to_string());
    notice(&format!("level=ERROR msg={}", quote(&failure.to_string())));
    failure
}

//! `lookup` in templates, answered by the cluster.
//!
//! Templates run on a thread of their own and want an answer at once, so the call blocks that thread (never a worker
//! of the runtime) until the API server has answered. What is missing, a whole kind's object or list included, is an
//! empty map; a kind that is not served is an error (`helm.sh/helm/v4/pkg/engine/lookup_func.go`).

use kube::api::{GetParams, ListParams};
use tokio::runtime::Handle;

use super::client::Cluster;
use super::error::ApiError;
use crate::render::{Lookup, Query};
use crate::value::Json;

/// Answers lookups with the rights of one [`Cluster`].
///
/// Made on the runtime, used on a thread that may block (`tokio::task::spawn_blocking`).
#[derive(Clone, Debug)]
pub struct ClusterLookup {
    cluster: Cluster,
    runtime: Handle,
}

impl ClusterLookup {
    /// Answers through `cluster`. Must be called within a tokio runtime.
    pub fn new(cluster: Cluster) -> Self {
        Self { cluster, runtime: Handle::current() }
    }

    async fn answer(&self, query: &Query) -> Result<Json, String> {
        let Query { api_version, kind, namespace, name } = query;
        let served = self.cluster.discovery().resolve(api_version, kind).await;
        let served = served.map_err(|error| error.to_string())?;
        let served = served.ok_or_else(|| {
            format!("unable to get apiresource from unstructured: {api_version}, Kind={kind}: the server could not find the requested resource")
        })?;
        let collection = self.cluster.collection(&served, namespace);
        let request = match name.as_str() {
            "" => collection.list(&ListParams::default()),
            name => collection.get(name, &GetParams::default()),
        };
        match self.cluster.call(request).await {
            Err(ApiError::NotFound | ApiError::KindNotServed | ApiError::NamespaceNotFound { .. }) => Ok(Json::Null),
            answer => answer.map_err(|error| error.to_string()),
        }
    }
}

impl Lookup for ClusterLookup {
    fn lookup(&self, query: &Query) -> Result<Json, String> {
        self.runtime.block_on(self.answer(query))
    }
}

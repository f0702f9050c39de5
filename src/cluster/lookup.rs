//! `lookup` in templates, answered by the cluster.
//!
//! Templates run on a thread of their own and want an answer at once, so the call blocks that thread (never a worker
//! of the runtime) until the API server has answered. What is missing is null, which templates see
//! as an empty map; a group and version that is not served is an error (`helm.sh/helm/v4/pkg/engine/lookup_func.go`).

use kube::api::ListParams;
use tokio::runtime::Handle;

use super::client::Cluster;
use super::discovery::split_api_version;
use super::error::ApiError;
use super::object::ObjectKey;
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
        let discovery = self.cluster.discovery();
        let served = discovery.resolve(api_version, kind).await.map_err(|error| error.to_string())?;
        let Some(served) = served else {
            let known = discovery.capabilities().await.map_err(|error| error.to_string())?;
            return if known.api_versions.contains(api_version) { Ok(Json::Null) } else { Err(unknown(query)) };
        };
        let collection = self.cluster.collection(&served, namespace);
        let request = match name.as_str() {
            "" => collection.list(&ListParams::default()),
            name => collection.get(name),
        };
        match self.cluster.call(request).await {
            // A name that no object can have is not found either.
            Err(
                ApiError::NotFound
                | ApiError::KindNotServed
                | ApiError::NamespaceNotFound { .. }
                | ApiError::Invalid { .. },
            ) => Ok(Json::Null),
            answer => answer.map_err(|error| error.to_string()),
        }
    }
}

/// Helm's words for a group and version that is not served; a kind that is missing in a served one is only not found.
fn unknown(query: &Query) -> String {
    let (group, version) = split_api_version(&query.api_version);
    format!(
        "unable to get apiresource from unstructured: {group}/{version}, Kind={}: the server could not find the \
         requested resource",
        query.kind
    )
}

/// The object that a query with a name is about.
impl From<&Query> for ObjectKey {
    fn from(query: &Query) -> Self {
        let Query { api_version, kind, namespace, name } = query.clone();
        let (group, _) = split_api_version(&api_version);
        Self { group: group.to_owned(), kind, namespace, name }
    }
}

impl Lookup for ClusterLookup {
    fn lookup(&self, query: &Query) -> Result<Json, String> {
        self.runtime.block_on(self.answer(query))
    }
}

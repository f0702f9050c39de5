//! The ConfigMaps and Secrets that hold the charts of a ChartRepo of the type Local: those of its namespace with the
//! label `coxswain.dev/repository` and its name. They are made to go with it.

use std::collections::BTreeMap;

use futures::FutureExt;
use futures::future::BoxFuture;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::api::{ListParams, Patch, PatchParams};
use kube::core::NamespaceResourceScope;
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::json;

use super::MANAGER;
use crate::api::chart_repo::ChartRepo;
use crate::api::names;
use crate::cluster::ApiError;
use crate::source::SourceError;
use crate::source::local::{Contents, Holder, Options, Shelf, contents};

const CONFIG_MAP: &str = "configmap";
const SECRET: &str = "secret";

/// The objects of one ChartRepo.
#[derive(Clone)]
struct Objects {
    client: Client,
    /// What to make them go with the ChartRepo with; nothing where another replica does.
    writer: Option<Client>,
    namespace: String,
    repository: String,
    owner: OwnerReference,
}

/// How the charts of a ChartRepo of the type Local are reached.
pub(super) fn options(client: &Client, writer: Option<Client>, object: &ChartRepo) -> Options {
    let (namespace, repository) = (object.namespace().unwrap_or_default(), object.name_any());
    let shown = format!("objects of namespace {namespace:?} with the label {}={repository}", names::REPOSITORY_LABEL);
    let owner = OwnerReference {
        api_version: format!("{}/v1beta1", names::GROUP),
        kind: "ChartRepo".to_owned(),
        name: repository.clone(),
        uid: object.uid().unwrap_or_default(),
        controller: None,
        block_owner_deletion: None,
    };
    let objects = Objects { client: client.clone(), writer, namespace, repository, owner };
    Options { shown, shelf: std::sync::Arc::new(objects) }
}

impl Objects {
    fn api<K>(&self, client: &Client) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(client.clone(), &self.namespace)
    }

    async fn of_kind<K>(&self, kind: &str) -> Result<Vec<(Holder, String)>, SourceError>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
    {
        let params = ListParams::default().labels(&format!("{}={}", names::REPOSITORY_LABEL, self.repository));
        let listed = self.api::<K>(&self.client).list_metadata(&params).await.map_err(|error| failure(error, kind))?;
        let mut holders = Vec::new();
        for object in listed.items.into_iter().filter(|object| object.metadata.deletion_timestamp.is_none()) {
            let name = object.name_any();
            let version = self.own::<K>(kind, &name, object.metadata).await;
            holders.push((Holder { kind: kind.to_owned(), name }, version));
        }
        Ok(holders)
    }

    /// Makes an object go with the ChartRepo, and gives its resource version.
    async fn own<K>(&self, kind: &str, name: &str, metadata: ObjectMeta) -> String
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
    {
        let version = metadata.resource_version.unwrap_or_default();
        let mut owners = metadata.owner_references.unwrap_or_default();
        let Some(writer) = &self.writer else { return version };
        if owners.iter().any(|owner| owner.uid == self.owner.uid) {
            return version;
        }
        // What belongs to an earlier ChartRepo of the name would go with that one.
        owners.retain(|owner| owner.kind != self.owner.kind || owner.name != self.owner.name);
        owners.push(self.owner.clone());
        let patch = json!({"metadata": {"resourceVersion": version, "ownerReferences": owners}});
        let params = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
        match self.api::<K>(writer).patch_metadata(name, &params, &Patch::Merge(patch)).await {
            Ok(patched) => patched.metadata.resource_version.unwrap_or_default(),
            Err(error) => {
                let (error, namespace) = (ApiError::from(error), &self.namespace);
                tracing::warn!(%error, namespace, kind, name, "an object with charts stays when its ChartRepo goes");
                version
            }
        }
    }

    async fn config_map(&self, name: &str) -> Result<Contents, SourceError> {
        let map = self.api::<ConfigMap>(&self.client).get(name).await.map_err(|error| failure(error, CONFIG_MAP))?;
        Ok(contents(map))
    }

    async fn secret(&self, name: &str) -> Result<Contents, SourceError> {
        let secret = self.api::<Secret>(&self.client).get(name).await.map_err(|error| failure(error, SECRET))?;
        Ok(secret.data.into_iter().flatten().map(|(key, bytes)| (key, bytes.0)).collect())
    }
}

impl Shelf for Objects {
    fn list(&self) -> BoxFuture<'_, Result<BTreeMap<Holder, String>, SourceError>> {
        async {
            let mut holders: BTreeMap<Holder, String> =
                self.of_kind::<ConfigMap>(CONFIG_MAP).await?.into_iter().collect();
            holders.extend(self.of_kind::<Secret>(SECRET).await?);
            Ok(holders)
        }
        .boxed()
    }

    fn read(&self, holder: Holder) -> BoxFuture<'_, Result<Contents, SourceError>> {
        async move {
            match holder.kind.as_str() {
                SECRET => self.secret(&holder.name).await,
                _ => self.config_map(&holder.name).await,
            }
        }
        .boxed()
    }
}

/// What has no access to memory of its own is shown by its names.
impl std::fmt::Debug for Objects {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Objects({}/{})", self.namespace, self.repository)
    }
}

fn failure(error: kube::Error, kind: &str) -> SourceError {
    SourceError::Objects { problem: format!("a {kind} cannot be read: {}", ApiError::from(error)) }
}

//! What the cluster holds of Captain: its workloads and webhooks, the definitions, repositories, requests and releases.

use std::fmt::Debug;

use k8s_openapi::api::admissionregistration::v1::{MutatingWebhookConfiguration, ValidatingWebhookConfiguration};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;
use kube::api::{ApiResource, DynamicObject, ListParams, PartialObjectMeta};
use serde::de::DeserializeOwned;

use crate::api::ChartRepo;
use crate::api::cluster::Cluster;
use crate::api::release::Release;
use crate::cluster::ApiError;
use crate::cluster::pages;
use crate::plugin::session::Session;
use crate::plugin::{Error, requests};

/// How many objects one page of a list has.
const PAGE: u32 = 250;

/// What was read.
#[derive(Debug, Default)]
pub struct Stock {
    /// All Deployments.
    pub deployments: Vec<Deployment>,
    /// Webhooks that change objects.
    pub mutating: Vec<MutatingWebhookConfiguration>,
    /// Webhooks that refuse objects.
    pub validating: Vec<ValidatingWebhookConfiguration>,
    /// The definitions of our kinds, as far as they are there.
    pub definitions: Vec<CustomResourceDefinition>,
    /// All ChartRepos, with every field.
    pub repositories: Vec<DynamicObject>,
    /// All HelmRequests, with every field.
    pub requests: Vec<DynamicObject>,
    /// All Clusters.
    pub clusters: Vec<Cluster>,
    /// Captain's Release objects, without what is in them.
    pub releases: Vec<PartialObjectMeta<Release>>,
    /// What could not be read, because the caller may not.
    pub unread: Vec<String>,
}

impl Stock {
    /// Reads it. What the caller may not read is noted, if the rest makes sense without it.
    ///
    /// # Errors
    /// Definitions, requests or repositories cannot be read.
    pub async fn read(session: &Session) -> Result<Self, Error> {
        let client = || session.cluster.client();
        let mut stock = Self {
            requests: requests::list(session, true, None).await?,
            repositories: all_repositories(session).await?,
            ..Self::default()
        };
        stock.releases = all_releases(session).await?;
        stock.clusters = match all(Api::all(client())).await {
            Err(ApiError::KindNotServed | ApiError::NotFound) => Vec::new(),
            listed => allowed(listed, "Clusters", &mut stock.unread)?,
        };
        let unread = &mut stock.unread;
        stock.deployments = allowed(all(Api::all(client())).await, "Deployments", unread)?;
        stock.mutating = allowed(all(Api::all(client())).await, "MutatingWebhookConfigurations", unread)?;
        stock.validating = allowed(all(Api::all(client())).await, "ValidatingWebhookConfigurations", unread)?;
        let definitions: Vec<CustomResourceDefinition> =
            allowed(all(Api::all(client())).await, "CustomResourceDefinitions", unread)?;
        let ours = crate::api::definitions::definitions();
        let is_ours =
            |found: &CustomResourceDefinition| ours.iter().any(|own| own.metadata.name == found.metadata.name);
        stock.definitions = definitions.into_iter().filter(is_ours).collect();
        Ok(stock)
    }
}

async fn all<K: Clone + DeserializeOwned + Debug>(api: Api<K>) -> Result<Vec<K>, ApiError> {
    pages::all(&api, ListParams::default().limit(PAGE)).await
}

async fn all_repositories(session: &Session) -> Result<Vec<DynamicObject>, Error> {
    let api = Api::all_with(session.cluster.client(), &ApiResource::erase::<ChartRepo>(&()));
    all(api).await.map_err(|error| Error::api("list ChartRepos", "ChartRepo", error))
}

/// Captain defines Releases itself when it deploys the first, so there may be none.
async fn all_releases(session: &Session) -> Result<Vec<PartialObjectMeta<Release>>, Error> {
    let api: Api<Release> = Api::all(session.cluster.client());
    match pages::all_metadata(&api, ListParams::default().limit(PAGE)).await {
        Ok(found) => Ok(found),
        Err(ApiError::KindNotServed | ApiError::NotFound) => Ok(Vec::new()),
        Err(error) => Err(Error::api("list Releases", "Release", error)),
    }
}

/// What was listed; nothing, and a note, where the caller may not list it.
fn allowed<K>(listed: Result<Vec<K>, ApiError>, what: &str, unread: &mut Vec<String>) -> Result<Vec<K>, Error> {
    match listed {
        Ok(found) => Ok(found),
        Err(ApiError::Forbidden { .. }) => {
            unread.push(what.to_owned());
            Ok(Vec::new())
        }
        Err(error) => Err(Error::Api { what: format!("list {what}"), error: Box::new(error) }),
    }
}

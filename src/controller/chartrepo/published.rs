//! A version of a chart as its Chart object tells it, for a replica that does not read repositories itself.

use kube::{Api, Client};

use super::connection::{self, Surroundings};
use super::{Failure, chart_object_name};
use crate::api::chart::Chart;
use crate::api::chart_repo::ChartRepo;
use crate::cluster::ApiError;
use crate::controller::repositories::{RepositoryKey, Resolved};
use crate::source::index::Entry;
use crate::source::{Listed, Reach, Repository, Workshop};

/// Why a version cannot be found so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublishedError {
    /// There is no such repository, chart or version.
    #[error("{0}")]
    Missing(String),
    /// The repository cannot be reached as its ChartRepo says.
    #[error("{0}")]
    Unusable(String),
}

/// Where Chart objects and ChartRepos are read.
#[derive(Clone)]
pub struct Published {
    client: Client,
    operator_namespace: String,
    reach: Reach,
    workshop: Workshop,
}

impl Published {
    /// The objects of a client's cluster; repositories may have the addresses of `reach`, and are checked out in the
    /// workshop where that is their kind.
    pub fn new(client: Client, operator_namespace: impl Into<String>, reach: Reach, workshop: Workshop) -> Self {
        Self { client, operator_namespace: operator_namespace.into(), reach, workshop }
    }

    /// Finds exactly a version of a chart.
    ///
    /// # Errors
    /// [`PublishedError`].
    pub async fn version(&self, key: &RepositoryKey, chart: &str, version: &str) -> Result<Resolved, PublishedError> {
        let RepositoryKey { namespace, name } = key;
        let missing = |what: String| PublishedError::Missing(format!("{what} in namespace {namespace:?}"));
        let charts: Api<Chart> = Api::namespaced(self.client.clone(), namespace);
        let object = chart_object_name(chart, name);
        let found = charts.get_opt(&object).await.map_err(unusable)?;
        let versions = found.ok_or_else(|| missing(format!("there is no Chart {object:?}")))?.spec.versions;
        let is_wanted = |listed: &Listed| listed.version() == version;
        let listed = versions.into_iter().filter_map(|entry| Listed::of(entry, chart)).find(is_wanted);
        let listed = listed.ok_or_else(|| missing(format!("Chart {object:?} has no version {version:?}")))?;

        let repositories: Api<ChartRepo> = Api::namespaced(self.client.clone(), namespace);
        let found = repositories.get_opt(name).await.map_err(unusable)?;
        let repository = found.ok_or_else(|| missing(format!("there is no ChartRepo {name:?}")))?;
        let surroundings = Surroundings {
            client: &self.client,
            operator_namespace: &self.operator_namespace,
            reach: self.reach,
            writer: None,
            workshop: Some(&self.workshop),
        };
        let options = connection::options(&surroundings, &repository).await;
        let options = options.map_err(|Failure { message, .. }| PublishedError::Unusable(message))?;
        let repository = Repository::new(options).map_err(|error| PublishedError::Unusable(error.to_string()))?;
        Ok(Resolved { entry: Entry::from(&listed), repository })
    }
}

fn unusable(error: kube::Error) -> PublishedError {
    PublishedError::Unusable(ApiError::from(error).to_string())
}

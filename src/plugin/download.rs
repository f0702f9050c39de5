//! Fetching charts as the operator does it, with nothing but the caller's own rights: on the ChartRepo, and on the
//! Secrets and ConfigMaps that it or the request names.

use clap::Args;

use super::Error;
use super::repositories;
use super::requests::KIND;
use super::session::Session;
use crate::api::{ChartRepo, HelmRequest};
use crate::controller::chartrepo;
use crate::controller::helm_request::{fetch, wanted_version};
use crate::source::index::Index;
use crate::source::{Fetched, Repository, Validators};

/// Where repositories that all requests may name are.
#[derive(Clone, Debug, Args)]
pub struct SharedArgument {
    /// The namespace of shared repositories, which is looked in after your own
    #[arg(long, value_name = "NAMESPACE", default_value = "captain-system")]
    pub repo_namespace: String,
}

/// A chart of a ChartRepo.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The ChartRepo.
    pub repository: &'a str,
    /// The name of the chart.
    pub chart: &'a str,
    /// A version or a range; empty for the newest.
    pub version: &'a str,
}

/// The archive of the chart of a request.
///
/// # Errors
/// It cannot be had; what is missing is told.
pub async fn of_request(session: &Session, shared: &SharedArgument, request: &HelmRequest) -> Result<Vec<u8>, Error> {
    let name = request.metadata.name.as_deref().unwrap_or_default();
    if let Some(source) = &request.spec.source {
        let fetched = fetch(&session.cluster, request, source).await;
        return fetched.map_err(|message| Error::Unmet(format!("the chart of {KIND} {name:?}: {message}")));
    }
    let Some((repository, chart)) = request.spec.chart_reference() else {
        let chart = request.spec.chart.as_deref().unwrap_or_default();
        return Err(Error::Usage(format!("{KIND} {name:?}: spec.chart {chart:?} is not REPOSITORY/NAME")));
    };
    let wanted = Wanted { repository, chart, version: wanted_version(request) };
    from_repository(session, shared, wanted).await
}

/// The archive of a chart of a repository.
///
/// # Errors
/// There is no such repository, chart or version, or a right is missing.
pub async fn from_repository(session: &Session, shared: &SharedArgument, wanted: Wanted<'_>) -> Result<Vec<u8>, Error> {
    let Wanted { repository, chart, version } = wanted;
    let object = find(session, shared, repository).await?;
    let options = chartrepo::options(&session.cluster.client(), &shared.repo_namespace, &object).await;
    let failed = |cause: &dyn std::fmt::Display| Error::Unmet(format!("ChartRepo {repository:?}: {cause}"));
    let reached = Repository::new(options.map_err(|message| failed(&message))?).map_err(|error| failed(&error))?;
    let index = match reached.fetch_index(&Validators::default()).await.map_err(|error| failed(&error))? {
        Fetched::Index { index, .. } => index,
        Fetched::Unchanged => Index::default(),
    };
    let entry = index.choose(chart, version).map_err(|error| failed(&error))?;
    reached.download(&entry.url, entry.digest).await.map_err(|error| failed(&error))
}

/// The ChartRepo of the name, one's own first.
async fn find(session: &Session, shared: &SharedArgument, name: &str) -> Result<ChartRepo, Error> {
    repositories::find(session, &shared.repo_namespace, name).await?.ok_or_else(|| Error::Absent {
        kind: "ChartRepo",
        name: name.to_owned(),
        namespace: session.namespace.clone(),
        hint: "see those that exist: kubectl get chartrepos -A".to_owned(),
    })
}

//! Fetching charts as the operator does it, with nothing but the caller's own rights: on the ChartRepo, and on the
//! Secrets and ConfigMaps that it or the request names.

use std::fs::DirBuilder;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use super::Error;
use super::repositories;
use super::requests::KIND;
use super::session::Session;
use crate::api::chart_repo::RepositoryType;
use crate::api::{ChartRepo, HelmRequest};
use crate::chart::{Dependency, Limits};
use crate::controller::chartrepo;
use crate::controller::helm_request::{fetch, wanted_version};
use crate::source::index::{Entry, Index};
use crate::source::{Charts, Dependencies, Fetched, Repository, Validators, Workshop};

/// The memory that parsed charts of a repository that is checked out may take, in bytes of their files.
const PARSED_CHARTS: u64 = 64 << 20;

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
    let failed = |cause: &dyn std::fmt::Display| Error::Unmet(format!("ChartRepo {repository:?}: {cause}"));
    let checkout = match object.spec.type_() {
        RepositoryType::Git | RepositoryType::Svn => Some(Checkout::open().map_err(|error| failed(&error))?),
        _ => None,
    };
    let workshop = checkout.as_ref().map(|checkout| &checkout.workshop);
    let options = chartrepo::options(&session.cluster.client(), &shared.repo_namespace, &object, workshop).await;
    let reached = Repository::new(options.map_err(|message| failed(&message))?).map_err(|error| failed(&error))?;
    let index = match reached.fetch_index(&Validators::default()).await.map_err(|error| failed(&error))? {
        Fetched::Index { index, .. } => index,
        Fetched::Unchanged => Index::default(),
    };
    let entry = index.choose(chart, version).map_err(|error| failed(&error))?;
    reached.fetch(entry).await.map_err(|error| failed(&error))
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

/// Where a repository is checked out for one command; it goes with its value.
struct Checkout {
    folder: PathBuf,
    workshop: Workshop,
}

impl Checkout {
    /// A new folder that only the caller can read.
    fn open() -> io::Result<Self> {
        let chance = RandomState::new().hash_one(std::process::id());
        let folder = std::env::temp_dir().join(format!("kubectl-captain-{chance:016x}"));
        DirBuilder::new().mode(0o700).create(&folder)?;
        let charts = Charts::new(None, PARSED_CHARTS, Limits::default());
        let workshop = Workshop::open(&folder, charts, Arc::new(OnlyItself))?;
        Ok(Self { folder, workshop })
    }
}

impl Drop for Checkout {
    fn drop(&mut self) {
        // What stays is among the temporary files, which the system removes.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Only what is in the repository itself is looked for.
#[derive(Debug)]
struct OnlyItself;

impl Dependencies for OnlyItself {
    fn find(&self, _: &str, dependency: &Dependency) -> Result<(Repository, Entry), String> {
        Err(format!(
            "{:?} of repository {:?} is fetched by the operator only: check the chart out, run helm dependency update, and \
             name its folder with --path",
            dependency.name, dependency.repository
        ))
    }
}

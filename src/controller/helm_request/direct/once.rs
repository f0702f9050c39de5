//! The chart of a request that names it by an address, fetched once for a person who asks, with his rights and the reach
//! of his machine: nothing is followed, remembered or shared.

use super::{Reader, archive, config_map, place, registry};
use crate::api::helm_request::ChartSource;
use crate::api::{HelmRequest, Reason};
use crate::cluster::Cluster;
use crate::controller::failure::Failure;
use crate::source::index::Entry;
use crate::source::{Reach, Repository, http, oci};

/// Fetches the archive.
///
/// # Errors
/// What the source or the objects that it names lack, in words.
pub async fn fetch(cluster: &Cluster, request: &HelmRequest, source: &ChartSource) -> Result<Vec<u8>, String> {
    let namespace = request.metadata.namespace.as_deref().unwrap_or_default();
    let mut reader = Reader { cluster, namespace, reads: Vec::new() };
    run(&mut reader, request, source).await.map_err(|failure| failure.message)
}

async fn run(reader: &mut Reader<'_>, request: &HelmRequest, source: &ChartSource) -> Result<Vec<u8>, Failure> {
    match source {
        ChartSource { http: Some(source), .. } => {
            let failed = |error| place::failure(archive::FIELD, &error);
            let digest = source.digest.as_deref().map(archive::parsed).transpose()?;
            let options = archive::options(reader, source, Reach::Everywhere).await?;
            let repository = http::Repository::new(options).map_err(failed)?;
            let entry = Entry::new("", repository.url(), digest);
            Repository::Http(repository).fetch(&entry).await.map_err(failed)
        }
        ChartSource { oci: Some(source), .. } => {
            let repository = oci::Repository::new(registry::options(reader, source, Reach::Everywhere).await?)?;
            let entry = repository.find(registry::wanted(request, source)).await?;
            Ok(Repository::Oci(repository).fetch(&entry).await?)
        }
        ChartSource { config_map: Some(source), .. } => {
            let chosen = config_map::choose(reader, request, source).await?;
            Ok(chosen.repository.fetch(&chosen.entry).await?)
        }
        ChartSource { git: Some(source), .. } => {
            let message =
                format!("the chart is in Git, at {}: check it out and name its folder with --path", source.url);
            Err(Failure::new(Reason::InvalidRequest, message))
        }
        ChartSource { http: None, oci: None, git: None, config_map: None } => Err(super::names_no_chart()),
    }
}

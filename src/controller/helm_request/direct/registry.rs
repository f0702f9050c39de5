//! A chart in a registry that a request names itself: `spec.source.oci`.

use std::time::Duration;

use super::{Found, Reader, Search};
use crate::api::HelmRequest;
use crate::api::helm_request::OciSource;
use crate::controller::backoff::spread;
use crate::controller::failure::Failure;
use crate::controller::helm_request::inputs::wanted_version;
use crate::controller::repositories::Resolved;
use crate::source::{Credentials, Reach, Repository, Tls, Trust, oci};

/// How often a registry is asked again.
const INTERVAL: Duration = Duration::from_secs(600);

/// Finds the chart that a request names.
pub(super) async fn find(search: &Search<'_>, source: &OciSource) -> Result<Found, Failure> {
    let mut reader = search.reader();
    let options = options(&mut reader, source, search.context.reach).await;
    search.follow(&reader.reads).await?;
    let repository = oci::Repository::new(options?)?;
    let wanted = wanted(search.request, source);
    let entry = repository.find(wanted).await?;
    let is_pinned = source.digest.is_some() || source.repo.contains("@sha256:") || wanted.starts_with("sha256:");
    let again = (!is_pinned).then(|| spread(INTERVAL));
    Ok(search.found(Resolved { entry, repository: Repository::Oci(repository) }, reader.reads, again))
}

/// The version to look for; a digest alone stands for one.
pub(super) fn wanted<'a>(request: &'a HelmRequest, source: &OciSource) -> &'a str {
    match (&request.spec.version, &source.digest) {
        (None, Some(_)) => "",
        _ => wanted_version(request),
    }
}

/// The login of the Secret that the source names.
async fn credentials(reader: &mut Reader<'_>, source: &OciSource) -> Result<Option<Credentials>, Failure> {
    match &source.secret_ref {
        Some(name) => Ok(reader.secret(name, "spec.source.oci.secretRef").await?.credentials(&source.repo)?),
        None => Ok(None),
    }
}

/// Who must have signed the chart.
async fn trust(reader: &mut Reader<'_>, source: &OciSource) -> Result<Option<Trust>, Failure> {
    let Some(verify) = &source.verify else { return Ok(None) };
    let keys = reader.secret(&verify.secret_ref, "spec.source.oci.verify.secretRef").await?;
    Ok(Some(keys.trust(verify.provider())?))
}

/// How the registry is reached.
///
/// # Errors
/// A Secret that it names cannot be used.
pub(super) async fn options(
    reader: &mut Reader<'_>,
    source: &OciSource,
    reach: Reach,
) -> Result<oci::Options, Failure> {
    let (credentials, trust) = (credentials(reader, source).await?, trust(reader, source).await?);
    let url = match &source.digest {
        Some(digest) if !source.repo.contains('@') => format!("{}@{digest}", source.repo),
        _ => source.repo.clone(),
    };
    let tls = Tls {
        authorities: source.ca_bundle.clone(),
        identity: None,
        insecure_skip_verify: source.insecure_skip_tls_verify,
    };
    Ok(oci::Options { url, credentials, tls, reach, plain_http: source.plain_http, trust, ..oci::Options::default() })
}

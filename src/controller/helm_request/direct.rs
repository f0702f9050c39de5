//! The chart of a request that names it by an address of its own, `spec.source`, and not by a ChartRepo.
//!
//! The address is asked when the request, its Secret or the resync annotation changes, and now and then, because a tag
//! may move and a range have a newer version; a digest stands for one chart for ever.

use std::time::{Duration, Instant};

use k8s_openapi::ByteString;

use super::inputs::wanted_version;
use crate::api::helm_request::{ChartSource, OciSource};
use crate::api::{HelmRequest, Reason};
use crate::cluster::Cluster;
use crate::cluster::observe::SourceRead;
use crate::cluster::reference::{Keeper, ReferenceError};
use crate::controller::backoff::spread;
use crate::controller::context::Context;
use crate::controller::credentials::{DOCKER_CONFIG, Data, credentials};
use crate::controller::failure::Failure;
use crate::controller::repositories::Resolved;
use crate::source::{Credentials, Repository, Tls, oci};

/// How often an address is asked again.
const INTERVAL: Duration = Duration::from_secs(600);

/// A chart that was found.
#[derive(Clone, Debug)]
pub struct Found {
    generation: Option<i64>,
    resync: String,
    /// The Secret, as it was read.
    pub sources: Vec<SourceRead>,
    /// The chart.
    pub chart: Resolved,
    /// When the address is asked again; nothing where it cannot mean another chart.
    again: Option<Instant>,
}

impl Found {
    /// How long until the address is asked again.
    pub fn look_again(&self) -> Option<Duration> {
        self.again.map(|again| again.saturating_duration_since(Instant::now()))
    }

    fn holds(&self, context: &Context, request: &HelmRequest) -> bool {
        self.generation == request.metadata.generation
            && self.resync == request.resync_token().unwrap_or_default()
            && self.again.is_none_or(|again| Instant::now() < again)
            && context.are_unchanged(&self.sources)
    }
}

/// Finds the chart, or knows it from the last time.
pub async fn find(
    context: &Context,
    cluster: &Cluster,
    request: &HelmRequest,
    source: &ChartSource,
) -> Result<Found, Failure> {
    if let Some(found) = context.memory(request).direct
        && found.holds(context, request)
    {
        return Ok(found);
    }
    let oci = match source {
        ChartSource { http: None, oci: Some(oci) } => oci,
        _ => {
            let message = "spec.source.http is not served by this version; name a chart of a ChartRepo in spec.chart, \
                           or one in a registry in spec.source.oci";
            return Err(Failure::new(Reason::InvalidRequest, message));
        }
    };
    let secret = match &oci.secret_ref {
        Some(name) => read_secret(context, cluster, request, name, &oci.repo).await?,
        None => Secret { credentials: None, sources: Vec::new() },
    };
    let repository = oci::Repository::new(options(oci, secret.credentials))?;
    let wanted = match (&request.spec.version, &oci.digest) {
        (None, Some(_)) => "",
        _ => wanted_version(request),
    };
    let entry = repository.find(wanted).await?;
    let is_pinned = oci.digest.is_some() || oci.repo.contains("@sha256:") || wanted.starts_with("sha256:");
    let found = Found {
        generation: request.metadata.generation,
        resync: request.resync_token().unwrap_or_default().to_owned(),
        sources: secret.sources,
        chart: Resolved { entry, repository: Repository::Oci(repository) },
        again: (!is_pinned).then(|| Instant::now() + spread(INTERVAL)),
    };
    context.with_memory(request, |memory| memory.direct = Some(found.clone()));
    Ok(found)
}

fn options(source: &OciSource, credentials: Option<Credentials>) -> oci::Options {
    let url = match &source.digest {
        Some(digest) if !source.repo.contains('@') => format!("{}@{digest}", source.repo),
        _ => source.repo.clone(),
    };
    let tls = Tls {
        authorities: source.ca_bundle.clone(),
        identity: None,
        insecure_skip_verify: source.insecure_skip_tls_verify,
    };
    oci::Options { url, credentials, tls, plain_http: source.plain_http, ..oci::Options::default() }
}

struct Secret {
    credentials: Option<Credentials>,
    sources: Vec<SourceRead>,
}

/// Reads the Secret of a request, and follows it from then on, also where it is missing.
async fn read_secret(
    context: &Context,
    cluster: &Cluster,
    request: &HelmRequest,
    name: &str,
    repository: &str,
) -> Result<Secret, Failure> {
    const FIELD: &str = "spec.source.oci.secretRef";
    let namespace = request.metadata.namespace.as_deref().unwrap_or_default();
    let (mut data, mut version, mut failure) = (Data::new(), None, None);
    for key in [DOCKER_CONFIG, "username", "password"] {
        match cluster.read_key(Keeper::Secret, namespace, name, key).await {
            Ok(read) => {
                data.insert(key.to_owned(), ByteString(read.text.into_bytes()));
                version = Some(read.resource_version);
            }
            Err(ReferenceError::NoKey { .. }) => {}
            Err(ReferenceError::Absent { .. }) => {
                let message = format!(
                    "Secret {name:?} of {FIELD} is not in namespace {namespace:?}: create it or correct {FIELD}"
                );
                failure = Some(Failure::new(Reason::CredentialsMissing, message));
                break;
            }
            Err(error) => return Err(error.into()),
        }
    }
    let secret = SourceRead::new(Keeper::Secret.key(namespace, name), version.as_deref());
    // Beside what is followed of its values.
    let mut followed = context.memory(request).sources;
    followed.retain(|other| other.object != secret.object);
    followed.push(secret.clone());
    context.follow_sources(request, followed).await?;
    let sources = vec![secret];
    if let Some(failure) = failure {
        return Err(failure);
    }
    let credentials = credentials(&data, name, FIELD, repository)
        .map_err(|message| Failure::new(Reason::CredentialsMissing, message))?;
    Ok(Secret { credentials, sources })
}

//! The chart of a request that names it by an address of its own, `spec.source`, and not by a ChartRepo.
//!
//! The address is asked when the request, its Secret or the resync annotation changes, and now and then, because a tag
//! may move, a range have a newer version, an archive be replaced and a branch get another commit; a digest stands for one
//! chart for ever.

mod archive;
mod config_map;
mod git;
mod once;
mod place;
mod registry;

use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::Resource;
use serde::de::DeserializeOwned;

pub use self::once::fetch;
pub(super) use self::place::failure;
use crate::api::helm_request::ChartSource;
use crate::api::{HelmRequest, Reason};
use crate::cluster::Cluster;
use crate::cluster::observe::SourceRead;
use crate::cluster::reference::{Keeper, ReferenceError};
use crate::controller::context::Context;
use crate::controller::credentials::{Keys, KeysError};
use crate::controller::failure::{Failure, reason_of};
use crate::controller::repositories::Resolved;
use crate::source::Place;

/// A chart that was found.
#[derive(Clone, Debug)]
pub struct Found {
    generation: Option<i64>,
    resync: String,
    /// The Secret and the ConfigMap, as they were read.
    pub sources: Vec<SourceRead>,
    /// The chart.
    pub chart: Resolved,
    /// Where the chart is, and the field that says so, unless it is in a registry.
    place: Option<(&'static str, Arc<Place>)>,
    /// When the address is asked again; nothing where it cannot mean another chart.
    again: Option<Instant>,
    /// Whether the address is asked anew at the next occasion.
    anew: bool,
}

impl Found {
    /// How long until the address is asked again.
    pub fn look_again(&self) -> Option<Duration> {
        self.again.map(|again| again.saturating_duration_since(Instant::now()))
    }

    /// Lets the address be asked anew: what is missed may have been published.
    pub fn ask_anew(&mut self) {
        self.anew = true;
    }

    /// The field of the address, where a failure of the address itself is told with it.
    pub fn field(&self) -> Option<&'static str> {
        self.place.as_ref().map(|(field, _)| *field)
    }

    fn holds(&self, context: &Context, request: &HelmRequest) -> bool {
        !self.is_wanted_anew(request)
            && self.again.is_none_or(|again| Instant::now() < again)
            && self.is_reached_so(context, request)
    }

    fn is_wanted_anew(&self, request: &HelmRequest) -> bool {
        self.anew || self.resync != request.resync_token().unwrap_or_default()
    }

    /// Whether it is still reached in the same way.
    fn is_reached_so(&self, context: &Context, request: &HelmRequest) -> bool {
        self.generation == request.metadata.generation && context.are_unchanged(&self.sources)
    }
}

/// Finds the chart, or knows it from the last time.
///
/// # Errors
/// It cannot be had, or is not what the request wants.
pub async fn find(
    context: &Context,
    cluster: &Cluster,
    request: &HelmRequest,
    source: &ChartSource,
) -> Result<Found, Failure> {
    let known = context.with_memory(request, |memory| memory.direct.as_deref().cloned());
    let found = match known {
        Some(found) if found.holds(context, request) => found,
        known => {
            let search = Search { context, cluster, request };
            let found = search.run(source, known).await?;
            context.with_memory(request, |memory| memory.direct = Some(Box::new(found.clone())));
            found
        }
    };
    if let Some(field) = found.field() {
        place::check_version(request, field, &found.chart)?;
    }
    Ok(found)
}

/// That a source says nothing.
fn names_no_chart() -> Failure {
    let message = "spec.source names no chart: set source.http, source.oci, source.git or source.configMap";
    Failure::new(Reason::InvalidRequest, message)
}

/// The search for the chart of a request.
struct Search<'a> {
    context: &'a Context,
    cluster: &'a Cluster,
    request: &'a HelmRequest,
}

impl Search<'_> {
    async fn run(&self, source: &ChartSource, known: Option<Found>) -> Result<Found, Failure> {
        match source {
            ChartSource { http: Some(source), .. } => archive::find(self, source, known).await,
            ChartSource { oci: Some(source), .. } => registry::find(self, source).await,
            ChartSource { git: Some(source), .. } => git::find(self, source, known).await,
            ChartSource { config_map: Some(source), .. } => config_map::find(self, source).await,
            ChartSource { http: None, oci: None, git: None, config_map: None } => Err(names_no_chart()),
        }
    }

    fn found(&self, chart: Resolved, sources: Vec<SourceRead>, again: Option<Duration>) -> Found {
        Found {
            generation: self.request.metadata.generation,
            resync: self.request.resync_token().unwrap_or_default().to_owned(),
            sources,
            chart,
            place: None,
            again: again.map(|again| Instant::now() + again),
            anew: false,
        }
    }

    fn reader(&self) -> Reader<'_> {
        let namespace = self.request.metadata.namespace.as_deref().unwrap_or_default();
        Reader { cluster: self.cluster, namespace, reads: Vec::new() }
    }

    /// Follows from now on what was read, also what is missing, beside what is followed of the values.
    async fn follow(&self, reads: &[SourceRead]) -> Result<(), Failure> {
        let mut followed = self.context.home().with_memory(self.request, |memory| memory.sources.clone());
        followed.retain(|other| reads.iter().all(|read| read.object != other.object));
        followed.extend_from_slice(reads);
        self.context.follow_sources(self.request, followed).await
    }
}

/// Reads what a source names of the request's namespace, and notes what it has read.
struct Reader<'a> {
    cluster: &'a Cluster,
    namespace: &'a str,
    reads: Vec<SourceRead>,
}

impl Reader<'_> {
    async fn secret(&mut self, name: &str, field: &str) -> Result<Keys, Failure> {
        let secret: Secret = self.read(Keeper::Secret, name, field).await?;
        Ok(Keys::of_secret(secret, name, field))
    }

    async fn config_map(&mut self, name: &str, field: &str) -> Result<Keys, Failure> {
        let map: ConfigMap = self.read(Keeper::ConfigMap, name, field).await?;
        Ok(Keys::of_config_map(map, name, field))
    }

    async fn read<K: Resource + DeserializeOwned>(
        &mut self,
        keeper: Keeper,
        name: &str,
        field: &str,
    ) -> Result<K, Failure> {
        let read: Result<K, ReferenceError> = self.cluster.read_object(keeper, self.namespace, name).await;
        let version = read.as_ref().ok().and_then(|object| object.meta().resource_version.as_deref());
        self.reads.push(SourceRead::new(keeper.key(self.namespace, name), version));
        read.map_err(|error| {
            let reason = match &error {
                ReferenceError::Api { error, .. } => reason_of(error),
                _ => Reason::CredentialsMissing,
            };
            Failure::new(reason, format!("{field}: {error}"))
        })
    }
}

impl From<KeysError> for Failure {
    fn from(error: KeysError) -> Self {
        Self::new(Reason::CredentialsMissing, error.to_string())
    }
}

//! What the reconcilers share: the cluster and what is known of it, the charts, the clock of retries, and the small
//! memory that is kept of each request.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use kube::runtime::reflector::{ObjectRef, Store};
use kube::{Resource, ResourceExt};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::attempts::Attempts;
use super::autoscalers::Autoscalers;
use super::diagnosis::Diagnosis;
use super::events::{Events, Note};
use super::failure::{Failure, reason_of};
use super::following::LookedUp;
use super::helm_request::{Basis, Found, Inputs};
use super::metrics::Metrics;
use super::patch::difference;
use super::repositories::Repositories;
use super::run::Options;
use crate::api::helm_request::HelmRequestStatus;
use crate::api::{HelmRequest, Reason};
use crate::cluster::lookup::ClusterLookup;
use crate::cluster::observe::{Observer, OwnerKey, SourceRead, Taken};
use crate::cluster::records::{RecordIndex, ReleaseKey};
use crate::cluster::shards::{Shards, shard_of};
use crate::cluster::{ApiError, Cluster, Discovery, ObjectError, ObjectKey};
use crate::plan::Digest;
use crate::render::{Input, Limits, OperatingSystem, Release, Rendered};
use crate::source::Charts;
use crate::template::on_large_stack;
use crate::value::Json;

/// The shared parts of the reconcilers.
pub struct Context {
    /// The cluster, with the operator's own rights.
    cluster: Cluster,
    /// The shards whose requests are worked on here.
    pub shards: Shards,
    /// What is known of live objects.
    pub observer: Observer,
    /// The revisions of every release.
    pub records: RecordIndex,
    /// The charts that there are.
    pub repositories: Repositories,
    /// Fetched and parsed charts.
    pub charts: Charts,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// What is scaled by an autoscaler.
    pub autoscalers: Autoscalers,
    /// The pauses between attempts of a request.
    pub attempts: Attempts<ObjectRef<HelmRequest>>,
    /// The pauses between repairs of an object that somebody else keeps changing.
    pub repairs: Attempts<(OwnerKey, ObjectKey)>,
    requests: Store<HelmRequest>,
    events: Events,
    memories: Mutex<HashMap<OwnerKey, Memory>>,
    /// Renders take a core each; more than there are cores would only wait for one another.
    renders: Semaphore,
    /// Operations write to the API server; more at the same time would only queue there.
    turns: Semaphore,
}

/// The pause after the first render for a change of the cluster.
const FIRST_LOOK: Duration = Duration::from_secs(1);
/// The longest pause between such renders; after as long without one, the next is the first.
const LONGEST_LOOK: Duration = Duration::from_secs(600);

/// An install that the API server refused objects of.
#[derive(Clone, Debug)]
pub struct Refused {
    /// The digest of its inputs.
    pub inputs: Digest,
    /// The refusals.
    pub errors: Vec<ObjectError>,
}

/// What is remembered of a request while the operator runs. Losing it costs a look, never a release.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    /// The revision whose objects are followed.
    pub followed: Option<i64>,
    /// The digest of its inputs, and what they were when it was computed.
    pub gathered: Option<(Basis, Digest)>,
    /// The chart behind an address of its own.
    pub direct: Option<Found>,
    /// Why objects deviate that are not repaired, and the resource version that was looked at.
    pub explained: HashMap<ObjectKey, (u64, Vec<Taken>)>,
    /// The last install that was taken back.
    pub refused: Option<Refused>,
    /// The objects that its values come from, as they were read.
    pub sources: Vec<SourceRead>,
    /// What is followed of the lookups of a revision.
    pub looked_up: Option<LookedUp>,
    /// The pause after the last render for a change of the cluster, and when it ends.
    look: Option<(Duration, Instant)>,
    /// Its operation waits for its turn, or had it at that time.
    turn: Turn,
    /// Why a test of the chart failed.
    pub test_failure: Option<String>,
    /// The revision that another writer has begun, and when that was first seen.
    pub begun_elsewhere: Option<(i64, Instant)>,
    /// Why objects are not healthy.
    pub diagnoses: HashMap<ObjectKey, Diagnosis>,
    /// What was told last of another writer.
    pub told_of_others: Option<String>,
    /// The generation and inputs that failed last, and when they are tried again.
    failed: Option<(Option<i64>, Digest, Instant)>,
    /// The status as it was last written, and the resource version that the write made.
    written: Option<(u64, HelmRequestStatus)>,
    /// When it was last written.
    written_at: Option<Instant>,
    /// The last repair of each object that was repaired.
    pub repairs: HashMap<ObjectKey, Repaired>,
}

/// Whether an operation may write objects.
#[derive(Clone, Copy, Debug, Default)]
enum Turn {
    /// It has not asked to.
    #[default]
    Unasked,
    /// It waits among many.
    Queued,
    /// It may since then.
    Since(Instant),
}

/// A repair of an object.
#[derive(Clone, Debug)]
pub struct Repaired {
    /// When it may be repaired again.
    pub after: Instant,
    /// How long it has to wait until then.
    pub pause: Duration,
    /// What had been done to it; nothing where it was gone.
    pub taken: Vec<Taken>,
}

impl Memory {
    /// Whether its operation waits for its turn, or did until this long ago.
    pub fn was_queued_within(&self, time: Duration) -> bool {
        match self.turn {
            Turn::Unasked => false,
            Turn::Queued => true,
            Turn::Since(at) => at.elapsed() < time,
        }
    }

    /// Counts a render for a change of the cluster, or gives the pause before it: each that follows the last one soon
    /// waits longer.
    pub fn pause_before_look(&mut self) -> Option<Duration> {
        let now = Instant::now();
        let (last, until) = self.look.unwrap_or((Duration::ZERO, now));
        if until > now {
            return Some(until - now);
        }
        let is_quiet = now.duration_since(until) > LONGEST_LOOK;
        let pause = if is_quiet { FIRST_LOOK } else { (last * 2).clamp(FIRST_LOOK, LONGEST_LOOK) };
        self.look = Some((pause, now + pause));
        None
    }

    /// Notes that an attempt of this generation failed, and the pause until the next.
    pub fn failed(&mut self, generation: Option<i64>, pause: Option<Duration>) {
        let inputs = self.gathered.as_ref().map(|(_, digest)| digest.clone());
        self.failed = inputs.zip(pause).map(|(inputs, pause)| (generation, inputs, Instant::now() + pause));
    }

    /// How long the next attempt of what failed has to wait.
    pub fn pause_left(&self, generation: Option<i64>, inputs: &Digest) -> Option<Duration> {
        let (failed, of, until) = self.failed.as_ref()?;
        let left = until.saturating_duration_since(Instant::now());
        (*failed == generation && of == inputs && !left.is_zero()).then_some(left)
    }
}

impl Context {
    /// The shared parts over their pieces.
    #[expect(clippy::too_many_arguments, reason = "this is where the pieces come together")]
    pub fn new(
        cluster: Cluster,
        shards: Shards,
        observer: Observer,
        records: RecordIndex,
        repositories: Repositories,
        charts: Charts,
        metrics: Arc<Metrics>,
        requests: Store<HelmRequest>,
        options: &Options,
    ) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            events: Events::new(cluster.client(), options.identity.clone()),
            cluster,
            shards,
            observer,
            records,
            repositories,
            charts,
            metrics,
            autoscalers: Autoscalers::default(),
            attempts: Attempts::default(),
            repairs: Attempts::default(),
            requests,
            memories: Mutex::default(),
            renders: Semaphore::new(cores),
            turns: Semaphore::new(options.workers),
        }
    }

    /// The cluster with the rights that a request's writes are made with. It writes nothing once another replica may
    /// have the request's shard.
    ///
    /// # Errors
    /// The name of its service account cannot be one.
    pub fn cluster_of(&self, request: &HelmRequest) -> Result<Cluster, Failure> {
        let namespace = request.metadata.namespace.as_deref().unwrap_or_default();
        let cluster = self.fenced(request);
        match &request.spec.service_account_name {
            Some(account) => Ok(cluster.impersonate(namespace, account)?),
            None => Ok(cluster),
        }
    }

    /// The cluster with the operator's own rights, for writes of a request.
    fn fenced(&self, request: &HelmRequest) -> Cluster {
        self.shards.cluster_of(request.metadata.namespace.as_deref().unwrap_or_default(), &request.name_any())
    }

    /// What the API server serves.
    pub fn discovery(&self) -> &Discovery {
        self.cluster.discovery()
    }

    /// The cluster, with the operator's own rights, to read.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// Renders a release on a thread of its own. Templates see the cluster's capabilities and the API versions that
    /// `brought` names besides.
    ///
    /// # Errors
    /// The chart cannot be had, or Helm's text on why it does not render.
    pub async fn render(
        &self,
        cluster: &Cluster,
        inputs: &Inputs,
        values: &Json,
        release: &Release,
        brought: Vec<String>,
    ) -> Result<Rendered, Failure> {
        let program = inputs.program(self).await?;
        let mut capabilities = cluster.discovery().capabilities().await?;
        if !brought.is_empty() {
            capabilities = Arc::new(capabilities.with_api_versions(brought));
        }
        let lookup = ClusterLookup::new(cluster.clone());
        let (values, release) = (values.clone(), release.clone());
        let _permit = self.renders.acquire().await;
        let started = Instant::now();
        let rendering = tokio::task::spawn_blocking(move || {
            on_large_stack(|| {
                program.render(&Input {
                    values: &values,
                    release: &release,
                    capabilities: &capabilities,
                    lookup: &lookup,
                    chance: &OperatingSystem,
                    limits: Limits::default(),
                    validate_schema: true,
                })
            })
        });
        let rendered = rendering.await;
        self.metrics.rendered(!matches!(rendered, Ok(Ok(Ok(_)))), started.elapsed());
        match rendered {
            Ok(Ok(rendered)) => Ok(rendered?),
            _ => Err(Failure::new(Reason::InternalError, "the render ended without a result; the log tells more")),
        }
    }

    /// The requests for which something holds.
    pub fn matching_requests(&self, holds: impl Fn(&HelmRequest) -> bool) -> Vec<ObjectRef<HelmRequest>> {
        let requests = self.requests.state();
        requests.iter().filter(|request| holds(request)).map(|request| ObjectRef::from_obj(&**request)).collect()
    }

    /// A request as the watch shows it.
    pub fn request(&self, reference: &ObjectRef<HelmRequest>) -> Option<Arc<HelmRequest>> {
        self.requests.get(reference)
    }

    /// Whether the request has been changed or deleted since this state of it was read.
    pub fn is_outdated(&self, request: &HelmRequest) -> bool {
        let now = self.requests.get(&ObjectRef::from_obj(request));
        now.is_none_or(|now| {
            now.metadata.generation != request.metadata.generation
                || now.metadata.deletion_timestamp.is_some() != request.metadata.deletion_timestamp.is_some()
        })
    }

    /// Waits until an operation of a request may write objects; its turn ends when this is dropped.
    pub async fn turn(&self, request: &HelmRequest) -> Option<SemaphorePermit<'_>> {
        self.with_memory(request, |memory| memory.turn = Turn::Queued);
        let turn = self.turns.acquire().await;
        self.with_memory(request, |memory| memory.turn = Turn::Since(Instant::now()));
        // It is never closed.
        turn.ok()
    }

    /// Patches the request itself, not its status.
    ///
    /// # Errors
    /// The API server refused; a request that is gone needs no patch.
    pub async fn patch_request(&self, request: &HelmRequest, patch: &serde_json::Value) -> Result<(), Failure> {
        use kube::api::{Api, Patch};
        let api: Api<HelmRequest> = self.requests_api(request);
        self.metrics.wrote("patch", "request");
        match api.patch_metadata(&request.name_any(), &writer(), &Patch::Merge(patch)).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
            Err(error) => Err(unwritten("the request", error)),
        }
    }

    /// Writes a status where it differs from the last one.
    ///
    /// # Errors
    /// The API server refused; a request that is gone needs no status.
    pub async fn patch_status(
        &self,
        request: &HelmRequest,
        previous: &HelmRequestStatus,
        next: HelmRequestStatus,
    ) -> Result<(), Failure> {
        use kube::api::{Api, Patch};
        let as_json = |status: &HelmRequestStatus| serde_json::to_value(status).unwrap_or_default();
        let Some(patch) = difference(&as_json(previous), &as_json(&next)) else { return Ok(()) };
        let patch = serde_json::json!({"status": patch});
        let api: Api<HelmRequest> = self.requests_api(request);
        self.metrics.wrote("patch", "status");
        match api.patch_status(&request.name_any(), &writer(), &Patch::Merge(&patch)).await {
            Ok(written) => {
                let version = version_of(&written);
                self.with_memory(request, |memory| {
                    memory.written = Some((version, next));
                    memory.written_at = Some(Instant::now());
                });
                Ok(())
            }
            Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
            Err(error) => Err(unwritten("the status", error)),
        }
    }

    fn requests_api(&self, request: &HelmRequest) -> kube::Api<HelmRequest> {
        kube::Api::namespaced(self.fenced(request).client(), request.metadata.namespace.as_deref().unwrap_or_default())
    }

    /// The status of a request, as the watch shows it or as it was written since.
    pub fn last_status(&self, request: &HelmRequest) -> HelmRequestStatus {
        let written = self.memory(request).written;
        match written {
            Some((version, status)) if version >= version_of(request) => status,
            _ => request.status.clone().unwrap_or_default(),
        }
    }

    /// How long ago the status was written; very long if this process never wrote it.
    pub fn since_last_status(&self, request: &HelmRequest) -> Duration {
        self.memory(request).written_at.map_or(Duration::MAX, |at| at.elapsed())
    }

    /// Publishes an event about a request; one that cannot be published is lost, and nothing else.
    pub async fn publish(&self, request: &HelmRequest, note: &Note) {
        self.metrics.wrote("create", "event");
        if let Err(error) = self.events.publish(&request.object_ref(&()), note).await {
            tracing::warn!(reason = note.reason, error = %ApiError::from(error), "an event could not be published");
        }
    }

    /// What is remembered of a request.
    pub fn memory(&self, request: &HelmRequest) -> Memory {
        self.memories().get(&owner(request)).cloned().unwrap_or_default()
    }

    /// Changes what is remembered of a request.
    pub fn with_memory<T>(&self, request: &HelmRequest, change: impl FnOnce(&mut Memory) -> T) -> T {
        change(self.memories().entry(owner(request)).or_default())
    }

    /// Forgets a request and stops following its objects.
    pub fn forget(&self, request: &HelmRequest) {
        self.memories().remove(&owner(request));
        self.observer.forget(&owner(request));
    }

    /// Forgets the requests of a shard that another replica works on from now on.
    pub fn forget_shard(&self, shard: u16) {
        let count = self.shards.count();
        let of_shard = |owner: &OwnerKey| shard_of(&owner.namespace, &owner.name, count) == shard;
        let gone: Vec<OwnerKey> =
            self.memories().extract_if(|owner, _| of_shard(owner)).map(|(owner, _)| owner).collect();
        gone.iter().for_each(|owner| self.observer.forget(owner));
    }

    fn memories(&self) -> MutexGuard<'_, HashMap<OwnerKey, Memory>> {
        self.memories.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The release of a request.
pub fn release_of(request: &HelmRequest) -> ReleaseKey {
    ReleaseKey { namespace: request.release_namespace(), name: request.release_name() }
}

/// A request as the owner of objects.
pub fn owner(request: &HelmRequest) -> OwnerKey {
    OwnerKey { namespace: request.namespace().unwrap_or_default(), name: request.name_any() }
}

/// Who writes a request's finalizer and status, as its `managedFields` name it.
fn writer() -> kube::api::PatchParams {
    kube::api::PatchParams { field_manager: Some("coxswain".to_owned()), ..kube::api::PatchParams::default() }
}

fn version_of(request: &HelmRequest) -> u64 {
    request.metadata.resource_version.as_deref().and_then(|version| version.parse().ok()).unwrap_or(0)
}

fn unwritten(what: &str, error: kube::Error) -> Failure {
    let error = ApiError::from(error);
    Failure::new(reason_of(&error), format!("{what} could not be written: {error}"))
}

//! What the reconcilers share: the cluster and what is known of it, the charts, the clock of retries, and the small
//! memory that is kept of each request.

mod memory;
mod writing;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use futures::channel::mpsc::UnboundedSender;
use kube::ResourceExt;
use kube::runtime::reflector::{ObjectRef, Store};
use tokio::sync::Semaphore;

pub use self::memory::{Memory, Refused, Repaired};
use super::attempts::Attempts;
use super::autoscalers::Autoscalers;
use super::dependents::Dependents;
use super::events::Events;
use super::failure::Failure;
use super::fleet::{Fleet, Seat};
use super::helm_request::Inputs;
use super::metrics::Metrics;
use super::namespaces::Namespaces;
use super::repositories::Repositories;
use super::run::Options;
use super::tenancy::Tenancy;
use super::turns::Turns;
use crate::api::helm_request::{Destination, HelmRequestStatus};
use crate::api::{HelmRequest, Reason};
use crate::cluster::lookup::ClusterLookup;
use crate::cluster::observe::{Observer, OwnerKey};
use crate::cluster::records::{RecordIndex, ReleaseKey};
use crate::cluster::shards::{Shards, shard_of};
use crate::cluster::{Cluster, Discovery, ObjectKey};
use crate::render::{Input, Limits, OperatingSystem, Release, Rendered};
use crate::source::{Charts, Direct, Reach, Workshop};
use crate::template::on_large_stack;
use crate::value::Json;

/// What serves every cluster: charts, where they come from, and what is counted.
#[derive(Clone)]
pub struct Supplies {
    /// Fetched and parsed charts.
    pub charts: Charts,
    /// The charts that there are.
    pub repositories: Repositories,
    /// Where repositories are checked out.
    pub workshop: Workshop,
    /// What is counted.
    pub metrics: Arc<Metrics>,
}

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
    /// Where repositories are checked out.
    pub workshop: Workshop,
    /// The charts that requests name by their addresses.
    pub direct: Direct,
    /// Which addresses charts may have.
    pub reach: Reach,
    /// What requests may.
    pub tenancy: Tenancy,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// What is scaled by an autoscaler.
    pub autoscalers: Autoscalers,
    /// Who depends on whom, and who waits.
    pub dependents: Dependents,
    /// The namespaces that there are.
    pub namespaces: Namespaces,
    /// The operations that are underway.
    pub turns: Turns,
    /// The pauses between attempts of a request.
    pub attempts: Attempts<ObjectRef<HelmRequest>>,
    /// The pauses between repairs of an object that somebody else keeps changing.
    pub repairs: Attempts<(OwnerKey, ObjectKey)>,
    /// The other clusters that requests are deployed into.
    pub fleet: Fleet,
    /// Nothing in the cluster that the requests live in.
    seat: Option<Seat>,
    workers: usize,
    requests: Store<HelmRequest>,
    events: Arc<Events>,
    memories: Mutex<HashMap<OwnerKey, Box<Memory>>>,
    /// Renders take a core each; more than there are cores would only wait for one another.
    renders: Arc<Semaphore>,
}

impl Context {
    /// The shared parts over their pieces; who waits for a request is woken through `triggers`.
    pub fn new(
        cluster: Cluster,
        shards: Shards,
        supplies: Supplies,
        requests: Store<HelmRequest>,
        fleet: Fleet,
        triggers: UnboundedSender<ObjectRef<HelmRequest>>,
        options: &Options,
    ) -> Self {
        let Supplies { charts, repositories, workshop, metrics } = supplies;
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            events: Arc::new(Events::new(cluster.client(), options.identity.clone())),
            observer: Observer::new(&cluster),
            cluster,
            shards,
            records: RecordIndex::default(),
            repositories,
            charts,
            workshop,
            direct: Direct::default(),
            reach: options.reach,
            tenancy: options.tenancy.clone(),
            metrics,
            autoscalers: Autoscalers::default(),
            dependents: Dependents::new(requests.clone(), triggers),
            namespaces: Namespaces::default(),
            turns: Turns::new(options.workers),
            attempts: Attempts::default(),
            repairs: Attempts::default(),
            fleet,
            seat: None,
            workers: options.workers,
            requests,
            memories: Mutex::default(),
            renders: Arc::new(Semaphore::new(cores)),
        }
    }

    /// The shared parts for another cluster: what is known of that one and the turns there are its own, everything else
    /// is shared with the cluster that the requests live in.
    pub fn of_seat(seat: Seat, cluster: Cluster, observer: Observer) -> Self {
        let home = Arc::clone(seat.home());
        Self {
            cluster,
            shards: home.shards.clone(),
            observer,
            records: RecordIndex::default(),
            repositories: home.repositories.clone(),
            charts: home.charts.clone(),
            workshop: home.workshop.clone(),
            direct: home.direct.clone(),
            reach: home.reach,
            tenancy: home.tenancy.clone(),
            metrics: Arc::clone(&home.metrics),
            autoscalers: Autoscalers::default(),
            dependents: home.dependents.clone(),
            namespaces: Namespaces::default(),
            turns: Turns::new(home.workers),
            attempts: Attempts::default(),
            repairs: Attempts::default(),
            fleet: home.fleet.clone(),
            seat: Some(seat),
            workers: home.workers,
            requests: home.requests.clone(),
            events: Arc::clone(&home.events),
            memories: Mutex::default(),
            renders: Arc::clone(&home.renders),
        }
    }

    /// Where the requests live: their values, charts, status and events are there.
    pub fn home(&self) -> &Self {
        self.seat.as_ref().map_or(self, |seat| seat.home())
    }

    /// The other cluster that this is the context of.
    pub fn seat(&self) -> Option<&Seat> {
        self.seat.as_ref()
    }

    /// The requests that the watch shows.
    pub fn requests(&self) -> &Store<HelmRequest> {
        &self.requests
    }

    /// The cluster with the rights that a request's writes are made with. It writes nothing once another replica may
    /// have the request's shard.
    ///
    /// # Errors
    /// The name of its service account cannot be one.
    pub fn cluster_of(&self, request: &HelmRequest) -> Result<Cluster, Failure> {
        let namespace = request.metadata.namespace.as_deref().unwrap_or_default();
        let cluster = self.fenced(request);
        match self.tenancy.account(request) {
            Some(account) => Ok(cluster.impersonate(namespace, account)?),
            None => Ok(cluster),
        }
    }

    /// The cluster that the request lives in, with its rights, to read what it names; `cluster` is the one that it is
    /// deployed into.
    ///
    /// # Errors
    /// The name of its service account cannot be one.
    pub fn cluster_of_sources(&self, cluster: &Cluster, request: &HelmRequest) -> Result<Cluster, Failure> {
        match &self.seat {
            None => Ok(cluster.clone()),
            Some(seat) => seat.home().cluster_of(request),
        }
    }

    /// The cluster with the operator's own rights, for writes of a request.
    fn fenced(&self, request: &HelmRequest) -> Cluster {
        let (namespace, name) = (request.metadata.namespace.as_deref().unwrap_or_default(), request.name_any());
        match &self.seat {
            None => self.shards.cluster_of(namespace, &name),
            Some(_) => self.cluster.fenced(self.shards.fence_of(namespace, &name)),
        }
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
        let found = requests.iter().filter(|request| self.serves(request) && holds(request));
        found.map(|request| ObjectRef::from_obj(&**request)).collect()
    }

    /// Whether a request concerns this cluster; the one that the requests live in is concerned by each.
    pub fn serves(&self, request: &HelmRequest) -> bool {
        self.seat.as_ref().is_none_or(|seat| match request.destination() {
            Destination::Own => false,
            Destination::One(name) => name == seat.name(),
            // Nothing is done in a cluster before the status names it: with that its release is never lost.
            Destination::Several(_) => is_listed(&seat.home().last_status(request), seat.name()),
        })
    }

    /// A request as the watch shows it.
    pub fn request(&self, reference: &ObjectRef<HelmRequest>) -> Option<Arc<HelmRequest>> {
        self.requests.get(reference)
    }

    /// Goes on only with a request that is still as it was read.
    ///
    /// # Errors
    /// It has been changed or deleted; the watch tells of it.
    pub fn still_wanted(&self, request: &HelmRequest) -> Result<(), Failure> {
        if self.is_outdated(request) {
            return Err(Failure::new(Reason::Progressing, "the request changed or went while it waited for its turn"));
        }
        Ok(())
    }

    /// Whether the request has been changed or deleted since this state of it was read.
    pub fn is_outdated(&self, request: &HelmRequest) -> bool {
        let now = self.requests.get(&ObjectRef::from_obj(request));
        now.is_none_or(|now| {
            now.metadata.generation != request.metadata.generation
                || now.metadata.deletion_timestamp.is_some() != request.metadata.deletion_timestamp.is_some()
        })
    }

    /// The seat of a cluster that is one of several of a request: what it tells is told with what the others do.
    pub fn seat_of_several(&self, request: &HelmRequest) -> Option<&Seat> {
        self.seat.as_ref().filter(|_| matches!(request.destination(), Destination::Several(_)))
    }

    /// Looks at what is remembered of a request.
    pub fn recall<T>(&self, request: &HelmRequest, look: impl FnOnce(&Memory) -> T) -> T {
        match self.memories().get(&owner(request)) {
            Some(memory) => look(memory),
            None => look(&Memory::default()),
        }
    }

    /// Changes what is remembered of a request.
    pub fn with_memory<T>(&self, request: &HelmRequest, change: impl FnOnce(&mut Memory) -> T) -> T {
        change(self.memories().entry(owner(request)).or_default())
    }

    /// Forgets a request and stops following its objects.
    pub fn forget(&self, request: &HelmRequest) {
        let owner = owner(request);
        let memory = self.memories().remove(&owner).unwrap_or_default();
        self.forget_objects(&owner, &memory);
    }

    /// Stops following the objects of a request that was forgotten, and the repairs of them.
    fn forget_objects(&self, owner: &OwnerKey, memory: &Memory) {
        for object in memory.repairs.keys() {
            self.repairs.succeed(&(owner.clone(), object.clone()));
        }
        self.observer.forget(owner);
    }

    /// Forgets the requests of a shard that another replica works on from now on.
    pub fn forget_shard(&self, shard: u16) {
        let count = self.shards.count();
        let of_shard = |owner: &OwnerKey| shard_of(&owner.namespace, &owner.name, count) == shard;
        let gone: Vec<_> = self.memories().extract_if(|owner, _| of_shard(owner)).collect();
        gone.iter().for_each(|(owner, memory)| self.forget_objects(owner, memory));
    }

    fn memories(&self) -> MutexGuard<'_, HashMap<OwnerKey, Box<Memory>>> {
        self.memories.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a status names a cluster.
fn is_listed(status: &HelmRequestStatus, cluster: &str) -> bool {
    status.clusters.iter().any(|entry| entry.name == cluster)
}

/// The release of a request.
pub fn release_of(request: &HelmRequest) -> ReleaseKey {
    ReleaseKey { namespace: request.release_namespace(), name: request.release_name() }
}

/// A request as the owner of objects.
pub fn owner(request: &HelmRequest) -> OwnerKey {
    OwnerKey { namespace: request.namespace().unwrap_or_default(), name: request.name_any() }
}

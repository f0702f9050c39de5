//! The ChartRepo controller: reads each repository at its pace and publishes its charts as Chart objects.
//!
//! A reconcile asks first whether the repository is due ([`Memory::is_due`]): by its interval, by a change of the spec
//! or of a Secret, or because someone asks for a refresh: a person by an annotation, a request that does not find its
//! chart through [`Repositories::ask_anew`]. An index that did not change costs one conditional request
//! and no write. What was read goes to [`Repositories`], where requests find it at once, before Chart objects are
//! written. Failures are retried with growing pauses.

mod charts;
pub use charts::object_name as chart_object_name;
mod connection;
mod failure;
mod memory;
pub mod published;
mod shelf;
mod status;
pub mod webhook;

use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::fmt::Debug;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures::stream::BoxStream;
use futures::{Stream, StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::{Patch, PatchParams};
use kube::core::{NamespaceResourceScope, PartialObjectMeta};
use kube::runtime::WatchStreamExt;
use kube::runtime::controller::{Action, Config, Controller};
use kube::runtime::reflector::{self, ObjectRef, Store};
use kube::runtime::watcher::{self, Event};
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;

use self::connection::Surroundings;
use self::failure::Failure;
use self::memory::Memory;
use self::status::{Known, Outcome};
use super::backoff::{pause, spread};
use super::events::Events;
use super::metrics::Metrics;
use super::repositories::{Repositories, RepositoryKey};
use crate::api::chart_repo::ChartRepo;
use crate::api::names;
use crate::cluster::ApiError;
use crate::cluster::scope::Scope;
use crate::cluster::shards::{FIRST_SHARD, Shards};
use crate::source::{Document, Fetched, Options, Reach, Validators, Workshop};

/// How a repository is reached, for whoever reads it with his own rights: his reach is that of his machine. One that has
/// to be checked out needs a workshop.
///
/// # Errors
/// What the ChartRepo or the objects that it names lack, in words.
pub async fn options(
    client: &Client,
    operator_namespace: &str,
    object: &ChartRepo,
    workshop: Option<&Workshop>,
) -> Result<Options, String> {
    let surroundings = Surroundings { client, operator_namespace, reach: Reach::Everywhere, writer: None, workshop };
    connection::options(&surroundings, object).await.map_err(|failure| failure.message)
}

/// Who writes ChartRepos and Charts.
const MANAGER: &str = "coxswain";
/// Repositories that are read at the same time. A server that hangs keeps one of them for a minute, and others should
/// not have to wait for it.
const CONCURRENCY: u16 = 64;
/// Repositories whose Chart objects are written at the same time: that is work for us and for the API server.
const PUBLISHING: usize = 8;
/// Events of one object within this time are one.
const DEBOUNCE: Duration = Duration::from_millis(200);

/// The ChartRepo controller.
#[derive(Clone)]
pub struct ChartRepos {
    client: Client,
    /// The namespaces whose objects are handled.
    scope: Scope,
    repositories: Repositories,
    reach: Reach,
    workshop: Option<Workshop>,
    /// Where operators share the work, the one with the first shard writes; the others only read.
    shards: Option<Shards>,
    metrics: Arc<Metrics>,
    memories: Arc<Mutex<HashMap<RepositoryKey, Memory>>>,
    events: Arc<Events>,
    publishing: Arc<Semaphore>,
    /// Repositories of which objects with charts have changed.
    changed: Arc<Mutex<HashSet<RepositoryKey>>>,
}

/// What a reconcile found out.
struct Read {
    outcome: Outcome,
    retry_after: Option<Duration>,
}

impl ChartRepos {
    /// A controller that fills `repositories`; nothing is sent before [`ChartRepos::run`].
    pub fn new(client: Client, repositories: Repositories, metrics: Arc<Metrics>) -> Self {
        let events = Arc::new(Events::new(client.clone(), MANAGER.to_owned()));
        Self {
            client,
            scope: Scope::Cluster,
            repositories,
            reach: Reach::default(),
            workshop: None,
            shards: None,
            metrics,
            memories: Arc::default(),
            events,
            publishing: Arc::new(Semaphore::new(PUBLISHING)),
            changed: Arc::default(),
        }
    }

    /// Handles only the ChartRepos of these namespaces.
    pub fn within(self, scope: Scope) -> Self {
        Self { scope, ..self }
    }

    /// Asks these addresses.
    pub fn reaching(self, reach: Reach) -> Self {
        Self { reach, ..self }
    }

    /// Checks repositories out there that have to be.
    pub fn checking_out_in(self, workshop: Workshop) -> Self {
        Self { workshop: Some(workshop), ..self }
    }

    /// Writes only while the first of these shards is worked on.
    pub fn sharing(self, shards: Shards) -> Self {
        Self { shards: Some(shards), ..self }
    }

    /// What to write with; nothing where that is up to another replica.
    fn writer(&self) -> Option<Client> {
        match &self.shards {
            None => Some(self.client.clone()),
            Some(shards) => shards.works_on(FIRST_SHARD).then(|| shards.cluster_of_shard(FIRST_SHARD).client()),
        }
    }

    /// Runs until `shutdown` completes; reads that are underway are finished.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send + Sync + 'static) {
        let (store, writer) = reflector::store::<ChartRepo>();
        let (observer, listed) = (self.clone(), store.clone());
        let objects = self
            .watch::<ChartRepo>(&watcher::Config::default())
            .reflect(writer)
            .inspect_ok(move |event| observer.observe(event, &listed))
            .applied_objects();
        // Release records are Secrets too, and by far the most.
        let others = watcher::Config::default().fields("type!=helm.sh/release.v1");
        let secrets = self.watch::<PartialObjectMeta<Secret>>(&others);
        let maps = self.watch::<PartialObjectMeta<ConfigMap>>(&watcher::Config::default());
        let (users, users_of_maps) = (store.clone(), store.clone());
        let asked = self.repositories.asked().map(|key| ObjectRef::new(&key.name).within(&key.namespace));
        let kept = stream::select(self.kept::<ConfigMap>(), self.kept::<Secret>());
        let (charged, all) = (self.charged(), store.clone());
        let charged = charged.flat_map(move |()| {
            let all = all.state().into_iter().map(|object| ObjectRef::from_obj(object.as_ref()));
            stream::iter(all.collect::<Vec<_>>())
        });
        Controller::for_stream(objects, store)
            .watches_stream(secrets.touched_objects(), move |secret| connection::users_of(&users, &secret))
            .watches_stream(maps.touched_objects(), move |map| connection::users_of_map(&users_of_maps, &map))
            .reconcile_on(asked)
            .reconcile_on(kept)
            .reconcile_on(charged)
            .with_config(Config::default().concurrency(CONCURRENCY).debounce(DEBOUNCE))
            .graceful_shutdown_on(shutdown)
            .run(reconcile, |_, impossible: &Infallible, _| match *impossible {}, Arc::new(self))
            .for_each(|result| async move {
                if let Err(error) = result {
                    tracing::debug!(%error, "a ChartRepo event was not handled");
                }
            })
            .await;
    }

    /// Yields whenever writing has become up to this replica.
    fn charged(&self) -> impl Stream<Item = ()> + Send + use<> {
        let begun = self.shards.as_ref().map(Shards::first_begun);
        stream::unfold(begun, |begun| async move {
            let mut begun = begun?;
            begun.changed().await.ok()?;
            Some(((), Some(begun)))
        })
    }

    fn watch<K>(&self, config: &watcher::Config) -> BoxStream<'static, Result<Event<K>, watcher::Error>>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
        K: Clone + DeserializeOwned + Debug + Send + 'static,
    {
        self.scope.watch_typed(&self.client, config)
    }

    /// Keeps the registry in step with the objects that exist.
    fn observe(&self, event: &Event<ChartRepo>, store: &Store<ChartRepo>) {
        match event {
            Event::Apply(object) => self.repositories.add(key(object)),
            Event::Delete(object) => {
                self.repositories.remove(&key(object));
                self.memories().remove(&key(object));
            }
            Event::InitDone => self.repositories.list(store.state().iter().map(|object| key(object))),
            Event::Init | Event::InitApply(_) => {}
        }
    }

    async fn reconcile(&self, object: &ChartRepo) -> Action {
        let key = key(object);
        // One object is never reconciled twice at the same time, so nobody misses it meanwhile.
        let mut memory = self.memories().remove(&key).filter(|memory| memory.uid == object.uid()).unwrap_or_default();
        memory.uid = object.uid();
        let action = self.reconcile_with(object, &key, &mut memory).await;
        self.memories().insert(key, memory);
        action
    }

    async fn reconcile_with(&self, object: &ChartRepo, key: &RepositoryKey, memory: &mut Memory) -> Action {
        if object.meta().deletion_timestamp.is_some() {
            return Action::await_change();
        }
        if !object.spec.is_enabled() {
            self.repositories.set_disabled(key);
            *memory = Memory { uid: memory.uid.take(), ..Memory::default() };
            self.report(object, memory, Outcome::Disabled).await;
            return memory.come_back();
        }
        if memory.unpublished && self.writer().is_some() {
            // The index is wanted whole, and what another replica wrote meanwhile is not known.
            *memory = Memory { uid: memory.uid.take(), ..Memory::default() };
        }
        if self.repositories.take_asked(key) {
            memory.hurry();
        }
        if self.changed().remove(key) {
            memory.next = Some(Instant::now());
        }
        let writer = self.writer();
        let surroundings = Surroundings {
            client: &self.client,
            operator_namespace: self.repositories.operator_namespace(),
            reach: self.reach,
            writer: writer.as_ref(),
            workshop: self.workshop.as_ref(),
        };
        let webhook = webhook::standing(&surroundings, object).await;
        let news = webhook != memory.webhook;
        memory.webhook = webhook;
        if let Some(outcome) = memory.unreported.take() {
            if memory.is_wished(object) {
                // Wished for while it was read: what is told now is older than that.
                memory.next = Some(Instant::now());
            }
            self.report(object, memory, outcome).await;
            return memory.come_back();
        }
        let options = connection::options(&surroundings, object).await;
        if memory.loses_trust(object, options.as_ref()) {
            self.repositories.forget_read(key);
            memory.give_up();
        }
        if let Some(wait) = memory.is_due(object, options.as_ref().ok(), Instant::now()) {
            if news {
                self.report(object, memory, Outcome::Standing).await;
            }
            return Action::requeue(wait);
        }
        let started = Instant::now();
        let read = match options {
            Ok(options) => self.read(object, key, memory, options).await,
            Err(failure) => Read::failed(failure),
        };
        self.conclude(object, key, memory, read, started).await
    }

    /// Notes the outcome everywhere and decides when to come back.
    async fn conclude(
        &self,
        object: &ChartRepo,
        key: &RepositoryKey,
        memory: &mut Memory,
        read: Read,
        started: Instant,
    ) -> Action {
        let Read { outcome, retry_after } = read;
        let reason = outcome.reason();
        let wait = if let Outcome::Failed { reason, message } = &outcome {
            memory.failures = memory.failures.saturating_add(1);
            self.repositories.set_failed(key, *reason, message);
            tracing::warn!(namespace = key.namespace, name = key.name, %reason, message, "a repository cannot be read");
            pause(memory.failures).max(retry_after.unwrap_or_default())
        } else {
            memory.failures = 0;
            spread(object.spec.interval())
        };
        self.metrics.repository_synced(outcome.name(), reason.as_str(), started.elapsed());
        self.metrics.reconciled("ChartRepo", outcome.is_failure(), reason.as_str(), started.elapsed());
        memory.answer(object);
        memory.next = Some(Instant::now() + wait);
        memory.read_at = Some(Instant::now());
        self.report(object, memory, outcome).await;
        memory.come_back()
    }

    async fn read(&self, object: &ChartRepo, key: &RepositoryKey, memory: &mut Memory, options: Options) -> Read {
        let repository = match memory.connect(options) {
            Ok(repository) => repository,
            Err(error) => return Read::failed(error.into()),
        };
        match repository.fetch_index(&memory.validators).await {
            Ok(Fetched::Unchanged) => {
                self.repositories.set_unchanged(key);
                Read { outcome: Outcome::Unchanged, retry_after: None }
            }
            Ok(Fetched::Index { document, index, validators }) => {
                self.repositories.set_read(key, Arc::new(index), repository);
                self.publish(object, memory, document, validators).await
            }
            Err(error) => Read::failed(error.into()),
        }
    }

    /// Writes the Chart objects. The index counts as read only when all are written, so that the rest is tried again.
    async fn publish(
        &self,
        object: &ChartRepo,
        memory: &mut Memory,
        document: Document,
        validators: Validators,
    ) -> Read {
        let outcome = Outcome::Synced {
            charts: document.names().count(),
            skipped: document.skipped(),
            problem: document.problem().map(str::to_owned),
            revision: validators.revision(),
        };
        // Nobody closes it.
        let _permit = self.publishing.acquire().await.ok();
        let written = match self.writer() {
            Some(writer) => charts::publish(&writer, object, document, &mut memory.published, &self.metrics).await,
            None => Err(ApiError::Fenced),
        };
        match written {
            Err(ApiError::Fenced) => memory.unpublished = true,
            Err(error) => return Read::failed(error.into()),
            Ok(()) => {}
        }
        memory.validators = validators;
        Read { outcome, retry_after: None }
    }

    /// Writes the status if it says something new. What cannot be written now is kept for a later reconcile.
    async fn report(&self, object: &ChartRepo, memory: &mut Memory, outcome: Outcome) {
        let Some(writer) = self.writer() else {
            memory.unpublished = true;
            return;
        };
        let known = Known { handled: memory.handled.as_deref(), webhook: memory.webhook.as_ref() };
        let Some(patch) = status::patch(object, &outcome, known, jiff::Timestamp::now()) else { return };
        let is_dated = patch["metadata"]["annotations"].is_object();
        let api: Api<ChartRepo> = Api::namespaced(writer, &key(object).namespace);
        let params = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
        self.metrics.wrote("patch", "status");
        match api.patch(&object.name_any(), &params, &Patch::Merge(patch)).await {
            Ok(written) => {
                if is_dated {
                    memory.wrote(&written);
                }
                self.tell(object, &outcome).await;
            }
            Err(error) => {
                let error = ApiError::from(error);
                tracing::debug!(name = object.name_any(), %error, "the status of a ChartRepo was not written");
                memory.unreported = Some(outcome);
            }
        }
    }

    /// Publishes an event where there is news; one that cannot be published is lost, and nothing else.
    async fn tell(&self, object: &ChartRepo, outcome: &Outcome) {
        let Some(note) = status::news(object, outcome) else { return };
        self.metrics.wrote("create", "event");
        if let Err(error) = self.events.publish(&object.object_ref(&()), &note).await {
            tracing::warn!(reason = note.reason, error = %ApiError::from(error), "an event could not be published");
        }
    }

    fn changed(&self) -> MutexGuard<'_, HashSet<RepositoryKey>> {
        self.changed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Yields the ChartRepos of which objects with charts have changed, and notes them. Only their metadata is watched.
    fn kept<K>(&self) -> impl Stream<Item = ObjectRef<ChartRepo>> + Send + use<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
            + Clone
            + DeserializeOwned
            + Debug
            + Send
            + 'static,
    {
        let (labelled, controller) = (watcher::Config::default().labels(names::REPOSITORY_LABEL), self.clone());
        self.watch::<PartialObjectMeta<K>>(&labelled)
            .touched_objects()
            .filter_map(|object| std::future::ready(object.ok()))
            .filter_map(move |object| {
                let repository = object.labels().get(names::REPOSITORY_LABEL).map(|name| {
                    let key = RepositoryKey { namespace: object.namespace().unwrap_or_default(), name: name.clone() };
                    let repository = ObjectRef::new(&key.name).within(&key.namespace);
                    controller.changed().insert(key);
                    repository
                });
                std::future::ready(repository)
            })
    }

    fn memories(&self) -> MutexGuard<'_, HashMap<RepositoryKey, Memory>> {
        self.memories.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn reconcile(object: Arc<ChartRepo>, controller: Arc<ChartRepos>) -> Result<Action, Infallible> {
    Ok(controller.reconcile(&object).await)
}

impl Read {
    fn failed(failure: Failure) -> Self {
        let Failure { reason, message, retry_after } = failure;
        Self { outcome: Outcome::Failed { reason, message }, retry_after }
    }
}

fn key(object: &ChartRepo) -> RepositoryKey {
    RepositoryKey { namespace: object.namespace().unwrap_or_default(), name: object.name_any() }
}

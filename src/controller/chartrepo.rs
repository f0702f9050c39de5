//! The ChartRepo controller: reads each repository at its pace and publishes its charts as Chart objects.
//!
//! A reconcile asks first whether the repository is due ([`Memory::is_due`]): by its interval, by a change of the spec
//! or of a Secret, or because someone asks for a refresh: a person by an annotation, a request that does not find its
//! chart through [`Repositories::ask_anew`]. An index that did not change costs one conditional request
//! and no write. What was read goes to [`Repositories`], where requests find it at once, before Chart objects are
//! written. Failures are retried with growing pauses.

mod charts;
mod connection;
mod memory;
mod status;

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures::{Stream, StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Patch, PatchParams};
use kube::core::{NamespaceResourceScope, PartialObjectMeta};
use kube::runtime::WatchStreamExt;
use kube::runtime::controller::{Action, Config, Controller};
use kube::runtime::reflector::{self, ObjectRef, Store};
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, Resource, ResourceExt};

use self::memory::{Memory, Wishes};
use self::status::Outcome;
use super::backoff::{pause, spread};
use super::events::Events;
use super::metrics::Metrics;
use super::repositories::{Repositories, RepositoryKey};
use crate::api::Reason;
use crate::api::chart_repo::ChartRepo;
use crate::cluster::ApiError;
use crate::cluster::shards::{FIRST_SHARD, Shards};
use crate::source::{Document, Fetched, Options, SourceError, Validators};

/// Who writes ChartRepos and Charts.
const MANAGER: &str = "coxswain";
/// Repositories that are read at the same time.
const CONCURRENCY: u16 = 4;
/// Events of one object within this time are one.
const DEBOUNCE: Duration = Duration::from_millis(200);

/// The ChartRepo controller.
#[derive(Clone)]
pub struct ChartRepos {
    client: Client,
    /// The only namespace whose objects are handled; all where there is none.
    namespace: Option<String>,
    repositories: Repositories,
    /// Where operators share the work, the one with the first shard writes; the others only read.
    shards: Option<Shards>,
    metrics: Arc<Metrics>,
    memories: Arc<Mutex<HashMap<RepositoryKey, Memory>>>,
    events: Arc<Events>,
}

/// Why a repository is not read.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Failure {
    reason: Reason,
    message: String,
    retry_after: Option<Duration>,
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
        Self { client, namespace: None, repositories, shards: None, metrics, memories: Arc::default(), events }
    }

    /// Handles only the ChartRepos of one namespace.
    pub fn within(self, namespace: impl Into<String>) -> Self {
        Self { namespace: Some(namespace.into()), ..self }
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
        let objects = watcher(self.api::<ChartRepo>(), watcher::Config::default())
            .default_backoff()
            .reflect(writer)
            .inspect_ok(move |event| observer.observe(event, &listed))
            .applied_objects();
        // Release records are Secrets too, and by far the most.
        let others = watcher::Config::default().fields("type!=helm.sh/release.v1");
        let secrets = watcher(self.api::<PartialObjectMeta<Secret>>(), others).default_backoff();
        let users = store.clone();
        let asked = self.repositories.asked().map(|key| ObjectRef::new(&key.name).within(&key.namespace));
        let (charged, all) = (self.charged(), store.clone());
        let charged = charged.flat_map(move |()| {
            let all = all.state().into_iter().map(|object| ObjectRef::from_obj(object.as_ref()));
            futures::stream::iter(all.collect::<Vec<_>>())
        });
        Controller::for_stream(objects, store)
            .watches_stream(secrets.touched_objects(), move |secret| users_of(&users, &secret))
            .reconcile_on(asked)
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
        futures::stream::unfold(begun, |begun| async move {
            let mut begun = begun?;
            begun.changed().await.ok()?;
            Some(((), Some(begun)))
        })
    }

    fn api<K>(&self) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        match &self.namespace {
            Some(namespace) => Api::namespaced(self.client.clone(), namespace),
            None => Api::all(self.client.clone()),
        }
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
        if let Some(outcome) = memory.unreported.take() {
            self.report(object, memory, outcome).await;
            return memory.come_back();
        }
        let options = connection::options(&self.client, object, self.repositories.operator_namespace()).await;
        if let Some(wait) = memory.is_due(object, options.as_ref().ok(), Instant::now()) {
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
        memory.wishes = Wishes::of(object);
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
            revision: validators.digest.map(|digest| format!("sha256:{digest}")),
        };
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
        let Some(patch) = status::patch(object, &outcome, jiff::Timestamp::now()) else { return };
        let api: Api<ChartRepo> = Api::namespaced(writer, &key(object).namespace);
        let params = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
        self.metrics.wrote("patch", "status");
        match api.patch(&object.name_any(), &params, &Patch::Merge(patch)).await {
            Ok(written) => {
                memory.wishes = Wishes::of(&written);
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

impl Failure {
    fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), retry_after: None }
    }
}

impl From<SourceError> for Failure {
    fn from(error: SourceError) -> Self {
        let retry_after = if let SourceError::RateLimited { retry_after, .. } = error { retry_after } else { None };
        Self { reason: Reason::from(&error), message: error.to_string(), retry_after }
    }
}

fn key(object: &ChartRepo) -> RepositoryKey {
    RepositoryKey { namespace: object.namespace().unwrap_or_default(), name: object.name_any() }
}

/// The ChartRepos that name a Secret.
fn users_of(store: &Store<ChartRepo>, secret: &PartialObjectMeta<Secret>) -> Vec<ObjectRef<ChartRepo>> {
    let (namespace, name) = (secret.namespace().unwrap_or_default(), secret.name_any());
    let names_it = |object: &ChartRepo| {
        let own = object.namespace().unwrap_or_default();
        let mut references = object.spec.secret.iter().chain(&object.spec.tls_secret);
        references.any(|other| other.name == name && *other.namespace.as_ref().unwrap_or(&own) == namespace)
    };
    let users = store.state().into_iter().filter(|object| names_it(object));
    users.map(|object| ObjectRef::from_obj(object.as_ref())).collect()
}

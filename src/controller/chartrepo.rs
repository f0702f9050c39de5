//! The ChartRepo controller: reads each repository at its pace and publishes its charts as Chart objects.
//!
//! A reconcile asks first whether the repository is due ([`Memory::is_due`]): by its interval, by a change of the spec
//! or of a Secret, or because someone asks for a refresh: a person by an annotation, a request that does not find its
//! chart through [`Repositories::ask_anew`]. An index that did not change costs one conditional request
//! and no write. What was read goes to [`Repositories`], where requests find it at once, before Chart objects are
//! written. Failures are retried with growing pauses.

mod charts;
mod connection;
mod status;

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Patch, PatchParams};
use kube::core::{NamespaceResourceScope, PartialObjectMeta};
use kube::runtime::WatchStreamExt;
use kube::runtime::controller::{Action, Config, Controller};
use kube::runtime::reflector::{self, ObjectRef, Store};
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, Resource, ResourceExt};

use self::charts::Published;
use self::status::Outcome;
use super::backoff::{pause, spread};
use super::events::Events;
use super::metrics::Metrics;
use super::repositories::{Repositories, RepositoryKey};
use crate::api::chart_repo::{ChartRepo, RepositoryPhase};
use crate::api::{Reason, names};
use crate::cluster::ApiError;
use crate::source::http::{Fetched, Options, Repository, Validators};
use crate::source::{Document, SourceError};

/// Who writes ChartRepos and Charts.
const MANAGER: &str = "coxswain";
/// Repositories that are read at the same time.
const CONCURRENCY: u16 = 4;
/// How old what is known must be before it is read again because a request does not find its chart.
const NEW_LOOK: Duration = Duration::from_secs(5);
/// Events of one object within this time are one.
const DEBOUNCE: Duration = Duration::from_millis(200);

/// The ChartRepo controller.
#[derive(Clone)]
pub struct ChartRepos {
    client: Client,
    /// The only namespace whose objects are handled; all where there is none.
    namespace: Option<String>,
    repositories: Repositories,
    metrics: Arc<Metrics>,
    memories: Arc<Mutex<HashMap<RepositoryKey, Memory>>>,
    events: Arc<Events>,
}

/// What is remembered of a repository from one reconcile to the next.
#[derive(Default)]
struct Memory {
    uid: Option<String>,
    connection: Option<(Options, Repository)>,
    validators: Validators,
    wishes: Wishes,
    published: Published,
    /// What the status does not say yet, because the object changed while it was read.
    unreported: Option<Outcome>,
    next: Option<Instant>,
    read_at: Option<Instant>,
    failures: u32,
}

/// The annotations by which people and programs ask for a refresh.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Wishes {
    refresh: Option<String>,
    last_sync_at: Option<String>,
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
        Self { client, namespace: None, repositories, metrics, memories: Arc::default(), events }
    }

    /// Handles only the ChartRepos of one namespace.
    pub fn within(self, namespace: impl Into<String>) -> Self {
        Self { namespace: Some(namespace.into()), ..self }
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
        Controller::for_stream(objects, store)
            .watches_stream(secrets.touched_objects(), move |secret| users_of(&users, &secret))
            .reconcile_on(asked)
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
        match charts::publish(&self.client, object, document, &mut memory.published, &self.metrics).await {
            Ok(()) => {
                memory.validators = validators;
                Read { outcome, retry_after: None }
            }
            Err(error) => Read::failed(error.into()),
        }
    }

    /// Writes the status if it says something new. What cannot be written now is kept for a later reconcile.
    async fn report(&self, object: &ChartRepo, memory: &mut Memory, outcome: Outcome) {
        let Some(patch) = status::patch(object, &outcome, jiff::Timestamp::now()) else { return };
        let api: Api<ChartRepo> = Api::namespaced(self.client.clone(), &key(object).namespace);
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

impl Memory {
    /// How long there is still nothing to do; nothing where the repository is due now.
    fn is_due(&self, object: &ChartRepo, options: Option<&Options>, now: Instant) -> Option<Duration> {
        let pending = object.status.as_ref().is_some_and(|status| status.phase == Some(RepositoryPhase::Pending));
        let same_connection = self.connection.as_ref().map(|(options, _)| options) == options;
        if pending || !same_connection || self.wishes != Wishes::of(object) {
            return None;
        }
        self.next.and_then(|next| next.checked_duration_since(now)).filter(|wait| !wait.is_zero())
    }

    /// Brings the next read forward, for a request that does not find its chart; a repository that fails has its own
    /// pauses.
    fn hurry(&mut self) {
        if self.failures == 0
            && let (Some(next), Some(read_at)) = (self.next, self.read_at)
        {
            self.next = Some(next.min(read_at + NEW_LOOK));
        }
    }

    /// When to reconcile again without an event.
    fn come_back(&self) -> Action {
        if self.unreported.is_some() {
            return Action::requeue(pause(1));
        }
        let wait = |next: Instant| Action::requeue(next.saturating_duration_since(Instant::now()));
        self.next.map_or_else(Action::await_change, wait)
    }

    /// The handle for the given options; the same as before while they stay the same.
    fn connect(&mut self, options: Options) -> Result<Repository, SourceError> {
        if let Some((known, repository)) = &self.connection
            && *known == options
        {
            return Ok(repository.clone());
        }
        self.validators = Validators::default();
        self.connection = None;
        let repository = Repository::new(options.clone())?;
        self.connection = Some((options, repository.clone()));
        Ok(repository)
    }
}

impl Wishes {
    fn of(object: &ChartRepo) -> Self {
        let annotation = |name: &str| object.annotations().get(name).cloned();
        Self { refresh: annotation(names::REFRESH), last_sync_at: annotation(names::LAST_SYNC_AT) }
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(status: serde_json::Value, annotations: serde_json::Value) -> ChartRepo {
        let object = json!({
            "apiVersion": "app.alauda.io/v1beta1", "kind": "ChartRepo",
            "metadata": {"name": "stable", "namespace": "captain", "annotations": annotations},
            "spec": {"url": "http://127.0.0.1:1"}, "status": status,
        });
        serde_json::from_value(object).expect("a ChartRepo")
    }

    fn options(url: &str) -> Options {
        Options { url: url.to_owned(), ..Options::default() }
    }

    #[test]
    fn a_repository_is_due_by_time_change_or_wish() {
        let now = Instant::now();
        let plain = object(json!({"phase": "Synced"}), json!({}));
        let read = options("http://127.0.0.1:1");
        let mut memory = Memory { next: Some(now + Duration::from_secs(60)), ..Memory::default() };
        memory.connect(read.clone()).expect("a repository");
        let due = |object: &ChartRepo, options: &Options, now| memory.is_due(object, Some(options), now).is_none();

        assert!(!due(&plain, &read, now));
        assert!(due(&plain, &read, now + Duration::from_secs(61)), "the interval is over");
        assert!(due(&plain, &options("http://127.0.0.1:2"), now), "the spec or a Secret changed");
        assert!(due(&object(json!({"phase": "Pending"}), json!({})), &read, now), "a client wrote Pending");
        let refresh = object(json!({"phase": "Synced"}), json!({"coxswain.dev/refresh": "1"}));
        assert!(due(&refresh, &read, now), "the refresh annotation changed");
        assert!(Memory::default().is_due(&plain, None, now).is_none(), "it was never read");
        memory.read_at = Some(now);
        memory.hurry();
        assert_eq!(memory.next, Some(now + NEW_LOOK), "a request misses its chart");
    }

    #[test]
    fn a_connection_is_kept_while_its_options_stay() {
        let mut memory = Memory::default();
        memory.connect(options("http://127.0.0.1:1")).expect("a repository");
        memory.validators.etag = Some("x".to_owned());
        memory.connect(options("http://127.0.0.1:1")).expect("a repository");
        assert!(memory.validators.etag.is_some());
        memory.connect(options("http://127.0.0.1:2")).expect("a repository");
        assert!(memory.validators.etag.is_none(), "another address has another index");
        assert!(memory.connect(options("ftp://x")).is_err() && memory.connection.is_none());
    }
}

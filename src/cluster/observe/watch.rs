//! The watches that fill the index: two for each kind, started on demand, kept, and repaired by themselves.
//!
//! Each is a task of its own over kube's `watcher`, which lists, watches, resumes after a cut and lists again when the
//! server has forgotten where it was. A failure is waited out with growing pauses; what is known meanwhile stays. Where
//! the server refuses the watch, what is known grows old, and whoever expects something of the kind is told.

use std::collections::HashMap;
use std::fmt::Debug;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use kube::core::{ApiResource, DynamicResourceScope};
use kube::runtime::watcher::{self, Event};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout_at};

use super::decode::{Managed, Stranger};
use super::index::{Index, KindId};
use super::{ObserveError, Shared};
use crate::cluster::client::Cluster;
use crate::cluster::discovery::Kind;
use crate::cluster::error::ApiError;
use crate::cluster::object::{MANAGED_BY, MANAGED_BY_LABEL};
use crate::cluster::scope::Scope;

/// How long the server keeps one watch open. Shorter than the idle limits of common load balancers.
const WATCH_SECONDS: u32 = 210;
/// The objects of one page of a list: a page is held as text and as what is kept of it, and several kinds are listed at
/// the same time.
const PAGE: u32 = 100;
/// How soon a refused watch may be started again because somebody asks.
const RETRY: Duration = Duration::from_secs(2);
/// The pause after a watch was refused, and the longest after it was refused again and again.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// How a watch is doing.
#[derive(Clone, Debug, PartialEq)]
enum Health {
    /// Not everything was told yet; the last failure, if there was one.
    Starting(Option<ApiError>),
    /// Everything was told; changes come in.
    Complete,
    /// The server refuses it: what is known may be out of date.
    Refused(ApiError),
}

/// A running watch; it ends when this is dropped.
struct Task {
    health: watch::Receiver<Health>,
    abort: AbortHandle,
}

impl Drop for Task {
    fn drop(&mut self) {
        self.abort.abort();
    }
}

/// Both watches of a kind.
struct Pair {
    started: Instant,
    managed: Task,
    strangers: Task,
}

/// All watches of an observer.
pub(super) struct Watches {
    client: Client,
    scope: Scope,
    shared: Arc<Shared>,
    pairs: Mutex<HashMap<(String, String), Pair>>,
    /// Rung when refused watches may be granted now.
    again: Arc<Notify>,
}

impl Watches {
    pub(super) fn new(cluster: &Cluster, shared: Arc<Shared>) -> Self {
        let (client, scope) = (cluster.client(), cluster.scope().clone());
        Self { client, scope, shared, pairs: Mutex::default(), again: Arc::default() }
    }

    /// Has every watch that was refused tried again now.
    pub(super) fn retry(&self) {
        self.again.notify_waiters();
    }

    /// Starts what is not running and waits until everything was told.
    pub(super) async fn ensure(&self, kinds: &[Kind], limit: Duration) -> Result<(), ObserveError> {
        if let Some(outside) = kinds.iter().find(|kind| !kind.namespaced && !self.scope.is_cluster()) {
            let resource = resource_name(&outside.resource);
            return Err(ObserveError::OutOfScope { resource, scope: self.scope.clone() });
        }
        let started: Vec<_> = kinds.iter().map(|kind| (kind, self.start(kind))).collect();
        let deadline = Instant::now() + limit;
        for (kind, watches) in started {
            for mut health in watches {
                complete(&mut health, deadline).await.map_err(|failure| failure.of(kind, limit))?;
            }
        }
        Ok(())
    }

    /// The state of both watches of a kind, which are started if they are not running or were refused.
    fn start(&self, kind: &Kind) -> [watch::Receiver<Health>; 2] {
        let mut pairs = self.pairs.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (kind.resource.group.clone(), kind.resource.kind.clone());
        if pairs.get(&key).is_some_and(Pair::should_start_again) {
            pairs.remove(&key);
        }
        let pair = pairs.entry(key).or_insert_with(|| self.spawn(kind));
        [pair.managed.health.clone(), pair.strangers.health.clone()]
    }

    fn spawn(&self, kind: &Kind) -> Pair {
        let id = self.shared.index().kind(&kind.resource.group, &kind.resource.kind);
        let (managed, strangers) = (selector("="), strangers_selector(kind));
        Pair {
            started: Instant::now(),
            managed: self.run::<Managed>(id, &kind.resource, managed),
            strangers: self.run::<Stranger>(id, &kind.resource, strangers),
        }
    }

    fn run<K: Watched>(&self, id: KindId, resource: &ApiResource, config: watcher::Config) -> Task {
        let (sender, health) = watch::channel(Health::Starting(None));
        let watching = Watching::<K> {
            client: self.client.clone(),
            scope: self.scope.clone(),
            kind: PhantomData,
            config,
            id,
            resource: resource.clone(),
            shared: Arc::clone(&self.shared),
            health: sender,
            again: Arc::clone(&self.again),
        };
        Task { health, abort: tokio::spawn(watching.run()).abort_handle() }
    }
}

/// What one watch works with.
struct Watching<K> {
    client: Client,
    scope: Scope,
    kind: PhantomData<fn() -> K>,
    config: watcher::Config,
    id: KindId,
    resource: ApiResource,
    shared: Arc<Shared>,
    health: watch::Sender<Health>,
    again: Arc<Notify>,
}

impl<K: Watched> Watching<K> {
    /// Watches for ever. What was refused begins with a list again: a watch that is granted later may stay silent.
    async fn run(self) {
        let (first, longest) = PAUSES;
        let mut pause = first;
        loop {
            if self.follow().await {
                pause = first;
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => pause = longest.min(pause * 2),
                () = self.again.notified() => pause = first,
            }
        }
    }

    /// Takes events until the watch is refused; tells whether everything was told before.
    async fn follow(&self) -> bool {
        let mut told = false;
        let api = |namespace: Option<&str>| -> Api<K> {
            let client = self.client.clone();
            match namespace {
                None => Api::all_with(client, &self.resource),
                Some(namespace) => Api::namespaced_with(client, namespace, &self.resource),
            }
        };
        let mut events = self.scope.watch(api, &self.config, K::key);
        while let Some(event) = events.next().await {
            match event {
                Ok(event) => {
                    let complete = matches!(event, Event::InitDone);
                    self.shared.change(|index| K::take(index, self.id, &self.resource, event));
                    if complete {
                        told = true;
                        self.health.send_replace(Health::Complete);
                        self.shared.change(|index| K::blind(index, self.id, None));
                    }
                }
                Err(error) => {
                    let is_expired = is_expired(&error);
                    self.health.send_modify(|health| health.fail(of_watch(error)));
                    let refused = self.health.borrow().refusal();
                    if let Some(error) = refused {
                        let resource = resource_name(&self.resource);
                        let refused = ObserveError::Refused { resource, error };
                        self.shared.change(|index| K::blind(index, self.id, Some(refused)));
                        return told;
                    }
                    if is_expired {
                        return told;
                    }
                }
            }
        }
        told
    }
}

/// Whether a watch was not even begun because the server has forgotten where it is to begin; kube's watcher lists anew
/// only where a watch that was begun tells so.
fn is_expired(error: &watcher::Error) -> bool {
    matches!(error, watcher::Error::WatchStartFailed(kube::Error::Api(status)) if status.code == 410)
}

impl Pair {
    fn should_start_again(&self) -> bool {
        let is_refused = |task: &Task| matches!(*task.health.borrow(), Health::Refused(_));
        self.started.elapsed() >= RETRY && (is_refused(&self.managed) || is_refused(&self.strangers))
    }
}

impl Health {
    /// A refusal always counts: what is known grows old. Anything else passes, and the watch is resumed.
    fn fail(&mut self, error: ApiError) {
        match error {
            ApiError::Forbidden { .. } | ApiError::Unauthorized | ApiError::KindNotServed | ApiError::NotFound => {
                *self = Self::Refused(error);
            }
            error if *self != Self::Complete => *self = Self::Starting(Some(error)),
            _ => {}
        }
    }

    fn refusal(&self) -> Option<ApiError> {
        match self {
            Self::Refused(error) => Some(error.clone()),
            Self::Starting(_) | Self::Complete => None,
        }
    }
}

/// Why a watch is not complete.
enum Incomplete {
    Refused(ApiError),
    Late(Option<ApiError>),
}

impl Incomplete {
    fn of(self, kind: &Kind, limit: Duration) -> ObserveError {
        let resource = resource_name(&kind.resource);
        match self {
            Self::Refused(error) => ObserveError::Refused { resource, error },
            Self::Late(last) => ObserveError::Timeout { resource, limit, last },
        }
    }
}

/// A resource as messages name it, for example `deployments.apps`.
fn resource_name(resource: &ApiResource) -> String {
    let ApiResource { group, plural, .. } = resource;
    if group.is_empty() { plural.clone() } else { format!("{plural}.{group}") }
}

async fn complete(health: &mut watch::Receiver<Health>, deadline: Instant) -> Result<(), Incomplete> {
    let settled = timeout_at(deadline, health.wait_for(|health| !matches!(health, Health::Starting(_)))).await;
    match settled.map(|settled| settled.map(|health| health.clone())) {
        Ok(Ok(Health::Refused(error))) => Err(Incomplete::Refused(error)),
        Ok(Ok(Health::Complete | Health::Starting(_))) => Ok(()),
        Ok(Err(_)) | Err(_) => Err(Incomplete::Late(match &*health.borrow() {
            Health::Starting(last) => last.clone(),
            Health::Complete | Health::Refused(_) => None,
        })),
    }
}

fn selector(operator: &str) -> watcher::Config {
    watcher::Config::default()
        .labels(&format!("{MANAGED_BY_LABEL}{operator}{MANAGED_BY}"))
        .timeout(WATCH_SECONDS)
        .page_size(PAGE)
}

/// Release records are many, change with every operation, and no chart brings objects of their names.
fn strangers_selector(kind: &Kind) -> watcher::Config {
    let config = selector("!=");
    let is_secret = kind.resource.group.is_empty() && kind.resource.kind == "Secret";
    if is_secret { config.fields("type!=helm.sh/release.v1") } else { config }
}

/// Why a watch failed.
pub fn of_watch(error: watcher::Error) -> ApiError {
    match error {
        watcher::Error::InitialListFailed(error)
        | watcher::Error::WatchStartFailed(error)
        | watcher::Error::WatchFailed(error) => error.into(),
        watcher::Error::WatchError(status) => (*status).into(),
        watcher::Error::NoResourceVersion => ApiError::KindNotServed,
    }
}

/// Objects that a watch delivers and the index takes.
trait Watched:
    Resource<DynamicType = ApiResource, Scope = DynamicResourceScope>
    + Clone
    + DeserializeOwned
    + Debug
    + Send
    + Sync
    + 'static
{
    /// The namespace and the name of an object.
    fn key(&self) -> (String, String);

    /// Takes an event into the index.
    fn take(index: &mut Index, id: KindId, resource: &ApiResource, event: Event<Self>);

    /// Tells the index why changes are not noticed, or that they are.
    fn blind(index: &mut Index, id: KindId, why: Option<ObserveError>);
}

impl Watched for Managed {
    fn key(&self) -> (String, String) {
        (self.namespace.to_string(), self.name.to_string())
    }

    fn take(index: &mut Index, id: KindId, resource: &ApiResource, event: Event<Self>) {
        match event {
            Event::Init => index.begin(id),
            Event::InitApply(object) | Event::Apply(object) => index.apply(id, object, resource),
            Event::Delete(object) => index.delete(id, &object.namespace, &object.name, object.version()),
            Event::InitDone => index.end(id),
        }
    }

    fn blind(index: &mut Index, id: KindId, why: Option<ObserveError>) {
        index.blind(id, why);
    }
}

impl Watched for Stranger {
    fn key(&self) -> (String, String) {
        (self.namespace.to_string(), self.name.to_string())
    }

    fn take(index: &mut Index, id: KindId, _: &ApiResource, event: Event<Self>) {
        match event {
            Event::Init => index.begin_strangers(id),
            Event::InitApply(stranger) => index.tell_stranger(id, &stranger),
            Event::Apply(stranger) => index.apply_stranger(id, &stranger),
            Event::Delete(object) => index.delete_stranger(id, &object.namespace, &object.name, object.version()),
            Event::InitDone => index.end_strangers(id),
        }
    }

    /// Nothing is expected of strangers.
    fn blind(_: &mut Index, _: KindId, _: Option<ObserveError>) {}
}

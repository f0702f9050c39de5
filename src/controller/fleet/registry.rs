//! The clusters that are registered: Cluster objects and labelled Secrets of one namespace, and how each is reached.
//! Nothing is watched before the first request is for another cluster.
//!
//! Of Secrets the watch tells metadata only; one that a cluster logs in with is read when it changes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::stream::{BoxStream, SelectAll};
use futures::{FutureExt, StreamExt};
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::core::{PartialObjectMeta, Selector, SelectorExt};
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, ResourceExt};
use tokio::time::{Instant, sleep_until};

use super::registration::{SecretKey, connection, connection_by, registered_by, secret, secret_of};
use super::seat::connecting;
use crate::api::Reason;
use crate::api::cluster::Cluster as ClusterObject;
use crate::cluster::ApiError;
use crate::cluster::connection::Connection;
use crate::cluster::observe::of_watch;
use crate::controller::failure::{Failure, reason_of};

/// How long until a Secret that could not be read is read again.
const AGAIN: Duration = Duration::from_secs(10);
/// Release records are Secrets too, and by far the most.
const NO_RECORDS: &str = "type!=helm.sh/release.v1";

/// What is known of the registered clusters; every clone is a handle on the same.
#[derive(Clone, Default)]
pub(super) struct Registry {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    clusters: BTreeMap<String, Registered>,
    /// Whether everything that is registered was told.
    complete: bool,
    /// Why clusters cannot be listed.
    problem: Option<Failure>,
}

/// What is registered of a cluster.
#[derive(Clone, PartialEq)]
struct Registered {
    labels: BTreeMap<String, String>,
    connection: Result<Connection, Failure>,
}

impl Registered {
    /// Whether the API server did not give its Secret.
    fn is_unread(&self) -> bool {
        self.connection.as_ref().is_err_and(|failure| failure.reason == Reason::ClusterUnreachable)
    }
}

impl Registry {
    /// The names of the clusters that a selector picks, of all without one; nothing where not everything that is
    /// registered is known yet.
    ///
    /// # Errors
    /// Clusters cannot be listed, or the selector is none.
    pub(super) fn picked(&self, selector: Option<&LabelSelector>) -> Result<Option<BTreeSet<String>>, Failure> {
        let selector = match selector {
            Some(selector) => Selector::try_from(selector.clone()).map_err(|error| {
                Failure::new(Reason::InvalidRequest, format!("spec.clusterSelector cannot be followed: {error}"))
            })?,
            None => Selector::default(),
        };
        let state = self.state();
        if let Some(problem) = &state.problem {
            return Err(problem.clone());
        }
        let picked = state.clusters.iter().filter(|(_, registered)| selector.matches(&registered.labels));
        let picked = picked.map(|(name, _)| name.clone()).collect();
        Ok(Some(picked).filter(|_| state.complete))
    }

    /// Whether a cluster is registered and not picked by a selector.
    pub(super) fn passes_over(&self, selector: &LabelSelector, name: &str) -> bool {
        let Ok(selector) = Selector::try_from(selector.clone()) else { return false };
        self.state().clusters.get(name).is_some_and(|registered| !selector.matches(&registered.labels))
    }

    /// How a cluster is reached.
    ///
    /// # Errors
    /// It is not registered, what is registered of it cannot be used, or what is registered is not known yet.
    pub(super) fn connection(&self, namespace: &str, name: &str) -> Result<Connection, Failure> {
        let state = self.state();
        if let Some(registered) = state.clusters.get(name) {
            return registered.connection.clone();
        }
        if let Some(problem) = &state.problem {
            return Err(problem.clone());
        }
        if !state.complete {
            return Err(connecting(name));
        }
        let message = format!(
            "no cluster {name:?} is registered in namespace {namespace:?}: create a Cluster of that name or a Secret with \
             its kubeconfig, or correct spec.clusterName"
        );
        Err(Failure::new(Reason::ClusterNotFound, message).away())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// News of one of the watches.
enum News {
    Cluster(Result<Event<ClusterObject>, watcher::Error>),
    Secret(String, Result<Event<PartialObjectMeta<Secret>>, watcher::Error>),
}

/// A Secret that registers a cluster by itself.
struct Registering {
    cluster: String,
    labels: BTreeMap<String, String>,
}

impl Registering {
    fn read(secret: &PartialObjectMeta<Secret>) -> Option<Self> {
        let labels = secret.labels().clone();
        Some(Self { cluster: registered_by(&labels, &secret.name_any())?, labels })
    }
}

/// Fills a registry.
pub(super) struct Clerk<F> {
    client: Client,
    namespace: String,
    registry: Registry,
    /// Called with the name of a cluster that is registered otherwise than before.
    changed: F,
    objects: BTreeMap<String, ClusterObject>,
    /// The Secrets that register a cluster by themselves.
    registering: BTreeMap<String, Registering>,
    /// What a list has told so far.
    listed_objects: BTreeMap<String, ClusterObject>,
    listed_secrets: BTreeMap<String, Registering>,
    /// The namespaces whose Secrets are watched.
    watched: BTreeSet<String>,
    has_objects: bool,
    has_secrets: bool,
    /// What could not be read, and when it is tried again.
    unread: BTreeSet<String>,
    again: Instant,
}

impl<F: Fn(&str) + Send + Sync> Clerk<F> {
    /// A clerk for the clusters of a namespace.
    pub(super) fn new(client: Client, namespace: &str, registry: Registry, changed: F) -> Self {
        Self {
            client,
            namespace: namespace.to_owned(),
            registry,
            changed,
            objects: BTreeMap::new(),
            registering: BTreeMap::new(),
            listed_objects: BTreeMap::new(),
            listed_secrets: BTreeMap::new(),
            watched: BTreeSet::new(),
            has_objects: false,
            has_secrets: false,
            unread: BTreeSet::new(),
            again: Instant::now(),
        }
    }

    /// Keeps the registry up to date for ever.
    pub(super) async fn run(mut self) {
        let mut news = SelectAll::new();
        let clusters: Api<ClusterObject> = Api::namespaced(self.client.clone(), &self.namespace);
        news.push(watched(clusters, watcher::Config::default()).map(News::Cluster).boxed());
        self.watch_secrets(&mut news, self.namespace.clone());
        loop {
            let told = tokio::select! {
                told = news.next() => told,
                () = sleep_until(self.again), if !self.unread.is_empty() => None,
            };
            let mut affected = match told {
                Some(News::Cluster(event)) => self.take_object(event),
                Some(News::Secret(namespace, event)) => self.take_secret(&namespace, event),
                None => std::mem::take(&mut self.unread),
            };
            // What came at the same time is read once.
            while let Some(Some(told)) = news.next().now_or_never() {
                affected.extend(match told {
                    News::Cluster(event) => self.take_object(event),
                    News::Secret(namespace, event) => self.take_secret(&namespace, event),
                });
            }
            let namespaces: Vec<String> = self.objects.values().map(|object| secret_of(object).namespace).collect();
            for namespace in namespaces {
                self.watch_secrets(&mut news, namespace);
            }
            self.read(affected).await;
        }
    }

    fn watch_secrets(&mut self, news: &mut SelectAll<BoxStream<'static, News>>, namespace: String) {
        if !self.watched.insert(namespace.clone()) {
            return;
        }
        let secrets: Api<PartialObjectMeta<Secret>> = Api::namespaced(self.client.clone(), &namespace);
        let config = watcher::Config::default().fields(NO_RECORDS);
        news.push(watched(secrets, config).map(move |event| News::Secret(namespace.clone(), event)).boxed());
    }

    /// Takes in what the watch of Cluster objects tells, and gives the clusters that it is about.
    fn take_object(&mut self, event: Result<Event<ClusterObject>, watcher::Error>) -> BTreeSet<String> {
        match event {
            Ok(Event::Init) => self.listed_objects.clear(),
            Ok(Event::InitApply(object)) => drop(self.listed_objects.insert(object.name_any(), object)),
            Ok(Event::InitDone) => {
                let listed = std::mem::take(&mut self.listed_objects);
                let before = std::mem::replace(&mut self.objects, listed);
                self.has_objects = true;
                self.registry.state().problem = None;
                return before.into_keys().chain(self.objects.keys().cloned()).collect();
            }
            Ok(Event::Apply(object)) => {
                let name = object.name_any();
                self.objects.insert(name.clone(), object);
                return [name].into();
            }
            Ok(Event::Delete(object)) => {
                self.objects.remove(&object.name_any());
                return [object.name_any()].into();
            }
            Err(error) => self.take_problem(&of_watch(error)),
        }
        BTreeSet::new()
    }

    /// Takes in why Cluster objects cannot be listed. Where there is no such kind, there are none.
    fn take_problem(&mut self, error: &ApiError) {
        if matches!(error, ApiError::NotFound | ApiError::KindNotServed) {
            self.has_objects = true;
        } else if !self.has_objects {
            let message = format!("the registered clusters cannot be listed: {error}");
            self.registry.state().problem = Some(Failure::new(reason_of(error), message).away());
        }
    }

    /// Takes in what a watch of Secrets tells, and gives the clusters that it is about.
    fn take_secret(
        &mut self,
        namespace: &str,
        event: Result<Event<PartialObjectMeta<Secret>>, watcher::Error>,
    ) -> BTreeSet<String> {
        let is_own = namespace == self.namespace;
        match event {
            Ok(Event::Init) if is_own => self.listed_secrets.clear(),
            Ok(Event::InitApply(secret)) if is_own => {
                let registering = Registering::read(&secret);
                self.listed_secrets.extend(registering.map(|registering| (secret.name_any(), registering)));
            }
            Ok(Event::InitDone) => {
                let mut affected: BTreeSet<String> = self.objects.keys().cloned().collect();
                if is_own {
                    let listed = std::mem::take(&mut self.listed_secrets);
                    let before = std::mem::replace(&mut self.registering, listed);
                    affected.extend(before.values().chain(self.registering.values()).map(|it| it.cluster.clone()));
                    self.has_secrets = true;
                }
                return affected;
            }
            Ok(Event::Apply(secret)) => return self.changed_secret(namespace, &secret, true),
            Ok(Event::Delete(secret)) => return self.changed_secret(namespace, &secret, false),
            Ok(Event::Init | Event::InitApply(_)) => {}
            Err(error) => tracing::debug!(namespace, %error, "the Secrets of clusters cannot be watched"),
        }
        BTreeSet::new()
    }

    fn changed_secret(
        &mut self,
        namespace: &str,
        secret: &PartialObjectMeta<Secret>,
        exists: bool,
    ) -> BTreeSet<String> {
        let name = secret.name_any();
        let key = SecretKey { namespace: namespace.to_owned(), name: name.clone() };
        let users = self.objects.iter().filter(|(_, object)| secret_of(object) == key).map(|(name, _)| name.clone());
        let mut affected: BTreeSet<String> = users.collect();
        if namespace == self.namespace {
            affected.extend(self.registering.remove(&name).map(|registering| registering.cluster));
            if let Some(registering) = Registering::read(secret).filter(|_| exists) {
                affected.insert(registering.cluster.clone());
                self.registering.insert(name, registering);
            }
        }
        affected
    }

    /// Finds out how clusters are reached, and tells of those for which that changed.
    async fn read(&mut self, affected: BTreeSet<String>) {
        let is_complete = self.has_objects && self.has_secrets;
        let mut changed = affected.clone();
        for name in affected {
            let mut found = self.find(&name).await;
            let unread = found.as_mut().filter(|found| found.is_unread());
            let mut state = self.registry.state();
            if let Some(found) = unread {
                self.unread.insert(name.clone());
                self.again = Instant::now() + AGAIN;
                // The cluster itself is in use, and what was read of it last goes on to count.
                if let Some(Registered { connection: Ok(known), .. }) = state.clusters.get(&name) {
                    found.connection = Ok(known.clone());
                }
            }
            let same = state.clusters.get(&name) == found.as_ref();
            match found {
                Some(found) => drop(state.clusters.insert(name.clone(), found)),
                None => drop(state.clusters.remove(&name)),
            }
            if same {
                changed.remove(&name);
            }
        }
        let has_become_complete = is_complete && !std::mem::replace(&mut self.registry.state().complete, is_complete);
        changed.iter().for_each(|name| (self.changed)(name));
        if has_become_complete {
            (self.changed)("");
        }
    }

    /// How a cluster is reached; nothing where none of that name is registered.
    async fn find(&self, name: &str) -> Option<Registered> {
        let (labels, found) = match self.objects.get(name) {
            Some(object) => {
                let found = match secret(&self.client, &secret_of(object)).await {
                    Ok(secret) => connection(object, &secret).await,
                    Err(failure) => Err(failure),
                };
                (object.labels().clone(), found)
            }
            None => {
                let (named, registering) = self.registering.iter().find(|(_, it)| it.cluster == name)?;
                let key = SecretKey { namespace: self.namespace.clone(), name: named.clone() };
                let found = match secret(&self.client, &key).await {
                    Ok(secret) => connection_by(&secret).await,
                    Err(failure) => Err(failure),
                };
                (registering.labels.clone(), found)
            }
        };
        Some(Registered { labels, connection: found.map_err(|failure| of_cluster(name, &failure)) })
    }
}

fn of_cluster(name: &str, failure: &Failure) -> Failure {
    Failure::new(failure.reason, format!("cluster {name:?}: {}", failure.message)).away()
}

/// The events of a watch, which goes on for ever.
fn watched<K>(
    api: Api<K>,
    config: watcher::Config,
) -> impl futures::Stream<Item = Result<Event<K>, watcher::Error>> + Send
where
    K: kube::Resource + Clone + serde::de::DeserializeOwned + Debug + Send + 'static,
{
    use kube::runtime::WatchStreamExt;
    watcher(api, config).default_backoff()
}

#[cfg(test)]
#[path = "registry_tests.rs"]
mod tests;

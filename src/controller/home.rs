//! Serving the requests that live in a cluster: the watches of everything that concerns them, and their queue.

use std::sync::Arc;

use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use futures::future::{BoxFuture, Shared};
use futures::stream::{self, select};
use futures::{FutureExt, Stream, StreamExt};
use kube::runtime::reflector::store::Writer;
use kube::runtime::reflector::{ObjectRef, store};
use kube::runtime::utils::{Predicate, PredicateConfig};
use kube::runtime::{WatchStreamExt, predicates, watcher};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::autoscalers;
use super::context::{Context, Supplies, release_of};
use super::cures;
use super::fleet::Fleet;
use super::looks;
use super::releases::Releases;
use super::repositories::{Repositories, RepositoryKey};
use super::run::{Options, stopped};
use super::shown::{forget_what_is_not_asked, once_stored};
use crate::api::HelmRequest;
use crate::cluster::Cluster;
use crate::cluster::observe::Trigger;
use crate::cluster::shards::Shards;

/// The requests of one page of their list, which is held as text and read at once.
const PAGE: u32 = 100;

type Request = ObjectRef<HelmRequest>;

/// A cluster whose requests are served.
pub struct Home {
    /// What its reconcilers share.
    pub context: Arc<Context>,
    /// Its queue.
    pub triggers: UnboundedSender<Request>,
    /// Completes when everything has been listed once. Work begins then: before, every release would look as if it were
    /// missing.
    pub listed: Shared<BoxFuture<'static, ()>>,
}

impl Home {
    /// Starts the watches and the reconcilers, as `tasks`; they end when the operator is told to stop and the work at
    /// hand is done. `member` is the name of a registered cluster, and nothing for the operator's own.
    pub fn start(
        cluster: Cluster,
        shards: Shards,
        supplies: Supplies,
        options: &Options,
        member: Option<&str>,
        stop: &watch::Receiver<bool>,
        tasks: &mut JoinSet<()>,
    ) -> Self {
        let (requests, writer) = store::<HelmRequest>();
        let (triggers, triggered) = unbounded();
        let fleet = Fleet::new(cluster.client(), requests.clone(), triggers.clone(), options, member);
        let context = Context::new(cluster, shards, supplies, requests, fleet.clone(), triggers.clone(), options);
        let context = Arc::new(context);
        fleet.settle(&context);
        tasks.spawn(fleet.run(stop.clone()));
        let listed = follow(&context, &triggers, stop, tasks);
        let home = Self { context, triggers, listed };
        home.look(writer, triggered, member.map(str::to_owned), stop, tasks);
        home
    }

    /// Starts the watch of the requests, and their queue.
    fn look(
        &self,
        writer: Writer<HelmRequest>,
        triggered: UnboundedReceiver<Request>,
        member: Option<String>,
        stop: &watch::Receiver<bool>,
        tasks: &mut JoinSet<()>,
    ) {
        let changed = self.changed(writer, member);
        let (end, turns) = (stop.clone(), self.context.turns.clone());
        tasks.spawn(async move {
            stopped(end).await;
            turns.close();
        });
        let (listed, context, stop) = (self.listed.clone(), Arc::clone(&self.context), stop.clone());
        tasks.spawn(async move {
            listed.await;
            looks::at_requests(select(changed, triggered), context, stopped(stop)).await;
        });
    }

    /// Watches the requests, and tells which of them somebody has changed.
    fn changed(&self, writer: Writer<HelmRequest>, member: Option<String>) -> impl Stream<Item = Request> + use<> {
        let (context, noted, freed) = (Arc::clone(&self.context), Arc::clone(&self.context), self.triggers.clone());
        let cluster = context.cluster();
        cluster
            .scope()
            .watch_typed::<HelmRequest>(&cluster.client(), &watcher::Config::default().page_size(PAGE))
            .modify(forget_what_is_not_asked)
            .modify(move |request| settle_here(request, member.as_deref()))
            .reflect(writer)
            .inspect(move |event| event.iter().for_each(|event| note(&noted, event, &freed)))
            .scan(Vec::new(), |listed, event| std::future::ready(Some(once_stored(listed, event))))
            .flat_map(stream::iter)
            .applied_objects()
            .inspect(move |request| request.iter().for_each(|request| context.shown(request)))
            .predicate_filter(
                predicates::generation.combine(predicates::annotations).combine(predicates::finalizers),
                PredicateConfig::default(),
            )
            .filter_map(|request| std::future::ready(request.ok().map(|it| ObjectRef::from_obj(&it))))
    }
}

/// A request that names the cluster that it lives in means no other one.
fn settle_here(request: &mut HelmRequest, member: Option<&str>) {
    if member.is_some() && request.spec.cluster_name.as_deref() == member {
        request.spec.cluster_name = None;
    }
}

/// Starts everything else that tells of the cluster; completes when the first lists are there.
fn follow(
    context: &Arc<Context>,
    triggers: &UnboundedSender<Request>,
    stop: &watch::Receiver<bool>,
    tasks: &mut JoinSet<()>,
) -> Shared<BoxFuture<'static, ()>> {
    let (client, scope) = (context.cluster().client(), context.cluster().scope().clone());
    let (records_read, mut records_listed) = watch::channel(false);
    let (autoscalers_listed, autoscalers_known) = watch::channel(false);
    let mut spawn = |task: BoxFuture<'static, ()>| drop(tasks.spawn(until(stop.clone(), task)));
    spawn(context.autoscalers.clone().follow(client.clone(), scope.clone(), autoscalers_listed).boxed());
    spawn(follow_records(Arc::clone(context), triggers.clone(), records_read).boxed());
    spawn(follow_objects(context.observer.triggers(), triggers.clone()).boxed());
    spawn(follow_repositories(Arc::clone(context), triggers.clone()).boxed());
    // Namespaces and definitions belong to the whole cluster.
    if scope.is_cluster() {
        spawn(cures::follow_namespaces(client.clone(), Arc::clone(context), triggers.clone()).boxed());
        spawn(cures::follow_definitions(client, Arc::clone(context), triggers.clone()).boxed());
    }
    let listed = async move {
        let _ = records_listed.wait_for(|listed| *listed).await;
        autoscalers::known(autoscalers_known).await;
    };
    listed.boxed().shared()
}

/// Keeps the index of records, and wakes the requests whose records somebody else has changed.
async fn follow_records(context: Arc<Context>, triggers: UnboundedSender<Request>, listed: watch::Sender<bool>) {
    let (client, scope) = (context.cluster().client(), context.cluster().scope());
    let mut changes = std::pin::pin!(context.records.watch(&client, scope));
    while let Some(change) = changes.next().await {
        match change {
            Err(_) => {}
            Ok(Some(release)) => {
                for request in context.fleet.releases().requests_of(&release) {
                    context.dependents.wake(&request);
                    let _ = triggers.unbounded_send(request);
                }
            }
            Ok(None) => drop(listed.send(true)),
        }
    }
}

/// Takes in what the watch of requests tells.
fn note(context: &Context, event: &watcher::Event<HelmRequest>, triggers: &UnboundedSender<Request>) {
    note_release(context.fleet.releases(), event, triggers);
    context.dependents.note(event);
    context.fleet.note(event);
    if let watcher::Event::Delete(gone) = event {
        // An attempt that is underway forgets once more what it has noted since.
        context.forget(gone);
    }
}

/// Notes whose a release is; where a request has gone, others that name its release are woken.
fn note_release(releases: &Releases, event: &watcher::Event<HelmRequest>, triggers: &UnboundedSender<Request>) {
    releases.note(event);
    if let watcher::Event::Delete(gone) = event {
        for request in releases.requests_of(&release_of(gone)) {
            let _ = triggers.unbounded_send(request);
        }
    }
}

/// Wakes the requests whose objects or value sources have changed.
pub async fn follow_objects(changes: impl Stream<Item = Trigger>, triggers: UnboundedSender<Request>) {
    let mut changes = std::pin::pin!(changes);
    while let Some(Trigger { owner, .. }) = changes.next().await {
        let _ = triggers.unbounded_send(ObjectRef::new(&owner.name).within(&owner.namespace));
    }
}

/// Wakes the requests that use a repository whose index has changed.
async fn follow_repositories(context: Arc<Context>, triggers: UnboundedSender<Request>) {
    let repositories = &context.repositories;
    let mut changes = repositories.changes();
    while let Some(changed) = changes.next().await {
        for request in context.matching_requests(|request| is_concerned(repositories, &changed, request)) {
            let _ = triggers.unbounded_send(request);
        }
    }
}

fn is_concerned(repositories: &Repositories, changed: &RepositoryKey, request: &HelmRequest) -> bool {
    let namespace = request.metadata.namespace.as_deref().unwrap_or_default();
    let reference = request.spec.chart_reference();
    reference.is_some_and(|(repository, _)| repositories.concerns(changed, namespace, repository))
}

/// Does something until the operator is told to stop.
pub async fn until(stop: watch::Receiver<bool>, task: impl Future<Output = ()>) {
    tokio::select! {
        () = task => {}
        () = stopped(stop) => {}
    }
}

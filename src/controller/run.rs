//! Starting and stopping the operator.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::channel::mpsc::{UnboundedSender, unbounded};
use futures::{FutureExt, Stream, StreamExt};
use kube::runtime::controller::{Action, Config};
use kube::runtime::reflector::{ObjectRef, store};
use kube::runtime::utils::{Predicate, PredicateConfig};
use kube::runtime::{Controller, WatchStreamExt, predicates, watcher};
use kube::{Api, Client};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::autoscalers;
use super::chartrepo::ChartRepos;
use super::context::{Context, release_of};
use super::cures;
use super::handover;
use super::helm_request;
use super::metrics::Metrics;
use super::part::{Charge, Part};
use super::readiness::Readiness;
use super::repositories::{Repositories, RepositoryKey};
use crate::api::HelmRequest;
use crate::chart::Limits;
use crate::cluster::observe::{Observer, Trigger};
use crate::cluster::records::RecordIndex;
use crate::cluster::{Cluster, ConnectError};
use crate::server::{Server, ServerError};
use crate::source::Charts;
use crate::source::cache::Archives;

/// How the operator runs.
#[derive(Clone, Debug)]
pub struct Options {
    /// The namespace of the repositories that requests of every namespace may name.
    pub chartrepo_namespace: String,
    /// The namespace of the leases.
    pub namespace: String,
    /// The name of this replica in the leases.
    pub identity: String,
    /// Whether a lease is held before work begins.
    pub leader_election: bool,
    /// Into how many shards the requests are divided among the replicas; with 1, one replica does all the work.
    pub shards: u16,
    /// How many operations are worked on at the same time.
    pub workers: usize,
    /// How long the API server may take to answer.
    pub request_timeout: Duration,
    /// Where health, readiness and metrics are served.
    pub listen: SocketAddr,
    /// The folder of downloaded charts.
    pub cache_dir: PathBuf,
    /// Most bytes that the folder may hold.
    pub cache_bytes: u64,
}

/// Why the operator ended.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// There is no kubeconfig and this is no pod.
    #[error("no cluster is configured: set KUBECONFIG, or run inside a cluster")]
    Configuration(#[source] kube::config::InferConfigError),
    /// No client could be made.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The HTTP side cannot serve.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// The folder of downloaded charts cannot be used.
    #[error("--cache-dir {folder:?} cannot be used: {source}")]
    Cache {
        /// The folder.
        folder: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Signals cannot be waited for.
    #[error("signals cannot be waited for")]
    Signals(#[source] std::io::Error),
    /// Another replica has the lease.
    #[error("the lease was lost; another replica goes on")]
    LeaseLost,
}

/// The memory that parsed charts may take, in bytes of their files.
const PARSED_CHARTS: u64 = 64 << 20;

/// Runs the operator until SIGTERM or SIGINT, or until the lease is lost.
///
/// # Errors
/// Why it could not start, or that the lease was lost.
pub async fn run(options: Options) -> Result<(), RunError> {
    let config = kube::Config::infer().await.map_err(RunError::Configuration)?;
    let cluster = Cluster::connect(config, options.request_timeout)?;
    let metrics = Arc::new(Metrics::default());
    let readiness = Readiness::default();
    let stop = stop_signal()?;
    let server = Server::bind(options.listen, Arc::clone(&metrics), readiness.clone()).await?;
    let serving = tokio::spawn(server.serve(stopped(stop.clone())));
    tracing::info!(version = env!("CARGO_PKG_VERSION"), listen = %options.listen, "started");

    let (part, charge) = Part::take(&options, &cluster, &metrics, &readiness, &stop).await?;
    let ended = match charge {
        Some(charge) => work(&options, cluster, charge, metrics, readiness, stop, &part).await,
        None => Ok(()),
    };
    if ended.is_ok() {
        part.leave().await;
    }
    serving.abort();
    tracing::info!("stopped");
    ended
}

/// Works until the operator is told to stop, or must.
async fn work(
    options: &Options,
    cluster: Cluster,
    charge: Charge,
    metrics: Arc<Metrics>,
    readiness: Readiness,
    stop: watch::Receiver<bool>,
    part: &Part,
) -> Result<(), RunError> {
    let mut tasks = start(options, cluster, charge, metrics, &readiness, &stop)?;
    tokio::select! {
        () = part.lost() => return Err(RunError::LeaseLost),
        () = stopped(stop.clone()) => {}
    }
    // The reconcilers end when the work at hand is done; what they wait for is continued by the next start.
    let _ =
        tokio::time::timeout(std::time::Duration::from_secs(20), async { while tasks.join_next().await.is_some() {} })
            .await;
    Ok(())
}

/// Starts the watches and the reconcilers.
fn start(
    options: &Options,
    cluster: Cluster,
    Charge { shards, changes }: Charge,
    metrics: Arc<Metrics>,
    readiness: &Readiness,
    stop: &watch::Receiver<bool>,
) -> Result<JoinSet<()>, RunError> {
    let client = cluster.client();
    let archives = Archives::open(&options.cache_dir, options.cache_bytes)
        .map_err(|source| RunError::Cache { folder: options.cache_dir.clone(), source })?;
    let charts = Charts::new(Some(archives), PARSED_CHARTS, Limits::default());
    let observer = Observer::new(&cluster);
    let drift = observer.triggers();
    let records = RecordIndex::default();
    let repositories = Repositories::new(options.chartrepo_namespace.clone());
    let (requests, writer) = store::<HelmRequest>();
    let context = Arc::new(Context::new(
        cluster,
        shards.clone(),
        observer,
        records.clone(),
        repositories.clone(),
        charts,
        Arc::clone(&metrics),
        requests.clone(),
        options,
    ));
    let (triggers, triggered) = unbounded();
    let mut tasks = JoinSet::new();
    let (records_read, records_listed) = watch::channel(false);
    let (autoscalers_listed, autoscalers_known) = watch::channel(false);
    let autoscalers = context.autoscalers.clone();
    tasks.spawn(until(stop.clone(), autoscalers.follow(client.clone(), autoscalers_listed)));
    tasks.spawn(until(
        stop.clone(),
        follow_records(records, client.clone(), Arc::clone(&context), triggers.clone(), records_read),
    ));
    tasks.spawn(until(stop.clone(), follow_objects(drift, triggers.clone())));
    let cures = (client.clone(), Arc::clone(&context), triggers.clone());
    tasks.spawn(until(stop.clone(), cures::follow_namespaces(cures.0.clone(), Arc::clone(&cures.1), cures.2.clone())));
    tasks.spawn(until(stop.clone(), cures::follow_definitions(cures.0, cures.1, cures.2)));
    let wake = (Arc::clone(&context), triggers.clone());
    tasks.spawn(until(stop.clone(), follow_repositories(repositories.clone(), wake.0, wake.1)));
    let chart_repos = ChartRepos::new(client.clone(), repositories, metrics).sharing(shards);
    tasks.spawn(chart_repos.run(stopped(stop.clone())));
    // Before the first lists are there, every release would look as if it were missing.
    let mut records_listed = records_listed;
    let listed = async move {
        let _ = records_listed.wait_for(|listed| *listed).await;
        autoscalers::known(autoscalers_known).await;
    }
    .shared();
    if let Some(changes) = changes {
        let (listed, client, context) = (listed.clone(), client.clone(), Arc::clone(&context));
        let follow = async move {
            listed.await;
            handover::follow(changes, client, context, triggers).await;
        };
        tasks.spawn(until(stop.clone(), follow));
    }

    let watched = watcher(Api::<HelmRequest>::all(client), watcher::Config::default())
        .default_backoff()
        .modify(|request| request.metadata.managed_fields = None)
        .reflect(writer)
        .applied_objects()
        .predicate_filter(
            predicates::generation.combine(predicates::annotations).combine(predicates::finalizers),
            PredicateConfig::default(),
        );
    let controller = Controller::for_stream(watched, requests)
        .with_config(Config::default().concurrency(0))
        .reconcile_on(triggered)
        .graceful_shutdown_on(stopped(stop.clone()));
    let readiness = readiness.clone();
    tasks.spawn(async move {
        listed.await;
        readiness.caches_synced();
        controller
            .run(helm_request::reconcile, |_, _, _| Action::await_change(), context)
            .for_each(|_| std::future::ready(()))
            .await;
    });
    Ok(tasks)
}

/// Keeps the index of records, and wakes the requests whose records somebody else has changed.
async fn follow_records(
    records: RecordIndex,
    client: Client,
    context: Arc<Context>,
    triggers: UnboundedSender<ObjectRef<HelmRequest>>,
    listed: watch::Sender<bool>,
) {
    let mut changes = std::pin::pin!(records.watch(client));
    while let Some(change) = changes.next().await {
        match change {
            Some(release) => {
                for request in context.matching_requests(|request| release_of(request) == release) {
                    let _ = triggers.unbounded_send(request);
                }
            }
            None => drop(listed.send(true)),
        }
    }
}

/// Wakes the requests whose objects or value sources have changed.
async fn follow_objects(changes: impl Stream<Item = Trigger>, triggers: UnboundedSender<ObjectRef<HelmRequest>>) {
    let mut changes = std::pin::pin!(changes);
    while let Some(Trigger { owner, .. }) = changes.next().await {
        let _ = triggers.unbounded_send(ObjectRef::new(&owner.name).within(&owner.namespace));
    }
}

/// Wakes the requests that use a repository whose index has changed.
async fn follow_repositories(
    repositories: Repositories,
    context: Arc<Context>,
    triggers: UnboundedSender<ObjectRef<HelmRequest>>,
) {
    let mut changes = repositories.changes();
    while let Some(changed) = changes.next().await {
        for request in context.matching_requests(|request| is_concerned(&repositories, &changed, request)) {
            let _ = triggers.unbounded_send(request);
        }
    }
}

fn is_concerned(repositories: &Repositories, changed: &RepositoryKey, request: &HelmRequest) -> bool {
    let namespace = request.metadata.namespace.as_deref().unwrap_or_default();
    let reference = request.spec.chart_reference();
    reference.is_some_and(|(repository, _)| repositories.concerns(changed, namespace, repository))
}

async fn until(stop: watch::Receiver<bool>, task: impl Future<Output = ()>) {
    tokio::select! {
        () = task => {}
        () = stopped(stop) => {}
    }
}

/// Completes once the operator is told to stop.
pub(super) async fn stopped(mut stop: watch::Receiver<bool>) {
    // A closed channel means that the process is ending anyway.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// A flag that SIGTERM and SIGINT set.
fn stop_signal() -> Result<watch::Receiver<bool>, RunError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(RunError::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(RunError::Signals)?;
    let (sender, receiver) = watch::channel(false);
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("asked to stop");
        let _ = sender.send(true);
        // Kept until the runtime ends, so that the flag is never taken for gone.
        std::future::pending::<()>().await;
    });
    Ok(receiver)
}

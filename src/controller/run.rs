//! Starting and stopping the operator.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::channel::mpsc::{UnboundedSender, unbounded};
use futures::stream::{self, select};
use futures::{FutureExt, Stream, StreamExt};
use kube::Client;
use kube::runtime::reflector::{ObjectRef, store};
use kube::runtime::utils::{Predicate, PredicateConfig};
use kube::runtime::{WatchStreamExt, predicates, watcher};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::autoscalers;
use super::chartrepo::ChartRepos;
use super::chartrepo::published::Published;
use super::context::{Context, release_of};
use super::cures;
use super::dependents::Dependents;
use super::fleet::Fleet;
use super::handover;
use super::looks;
use super::metrics::Metrics;
use super::part::{Charge, Part};
use super::readiness::Readiness;
use super::releases::Releases;
use super::repositories::{Repositories, RepositoryKey};
use super::shown::{forget_what_is_not_asked, once_stored};
use super::tenancy::Tenancy;
use crate::api::HelmRequest;
use crate::chart::Limits;
use crate::cluster::observe::{Observer, Trigger};
use crate::cluster::pace::Rate;
use crate::cluster::records::RecordIndex;
use crate::cluster::scope::Scope;
use crate::cluster::{Cluster, ConnectError};
use crate::server::catalog::Catalog;
use crate::server::hooks::Hooks;
use crate::server::{Server, ServerError};
use crate::source::cache::Archives;
use crate::source::{Charts, Reach, Workshop};

/// How the operator runs.
#[derive(Clone, Debug)]
pub struct Options {
    /// The namespace of the repositories that requests of every namespace may name.
    pub chartrepo_namespace: String,
    /// The namespace where clusters are registered.
    pub cluster_namespace: String,
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
    /// How many requests are sent to the API server at most.
    pub request_rate: Option<Rate>,
    /// Where health, readiness and metrics are served.
    pub listen: SocketAddr,
    /// Which addresses charts may have.
    pub reach: Reach,
    /// What requests may.
    pub tenancy: Tenancy,
    /// Where the API is served, if it is.
    pub api_listen: Option<SocketAddr>,
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

/// The requests of one page of their list, which is held as text and read at once.
const PAGE: u32 = 100;
/// The memory that parsed charts may take, in bytes of their files.
const PARSED_CHARTS: u64 = 64 << 20;

/// Runs the operator until SIGTERM or SIGINT, or until the lease is lost.
///
/// # Errors
/// Why it could not start, or that the lease was lost.
pub async fn run(options: Options) -> Result<(), RunError> {
    let config = kube::Config::infer().await.map_err(RunError::Configuration)?;
    let cluster = Cluster::connect(config, options.request_timeout, options.request_rate)?;
    let cluster = cluster.within(options.tenancy.scope.clone());
    let metrics = Arc::new(Metrics::default());
    let readiness = Readiness::default();
    let stop = stop_signal()?;
    let server = Server::bind(options.listen, Arc::clone(&metrics), readiness.clone()).await?;
    let mut serving = JoinSet::new();
    serving.spawn(report_end(server.serve(stopped(stop.clone()))));
    let stock = Stock::open(&options, cluster.client())?;
    serve_api(&options, &cluster, &stock.catalog, &mut serving, &stop).await?;
    tracing::info!(version = env!("CARGO_PKG_VERSION"), listen = %options.listen, "started");

    let (part, charge) = Part::take(&options, &cluster, &metrics, &readiness, &stop).await?;
    let ended = match charge {
        Some(charge) => work(&options, cluster, charge, metrics, readiness, stop, &part, stock).await,
        None => Ok(()),
    };
    if ended.is_ok() {
        part.leave().await;
    }
    serving.abort_all();
    tracing::info!("stopped");
    ended
}

/// Charts and where they come from, of a replica that works or waits.
struct Stock {
    charts: Charts,
    repositories: Repositories,
    workshop: Workshop,
    catalog: Catalog,
}

impl Stock {
    fn open(options: &Options, client: Client) -> Result<Self, RunError> {
        let unusable = |source| RunError::Cache { folder: options.cache_dir.clone(), source };
        let archives = Archives::open(&options.cache_dir, options.cache_bytes).map_err(unusable)?;
        let charts = Charts::new(Some(archives), PARSED_CHARTS, Limits::default());
        let repositories = Repositories::new(options.chartrepo_namespace.clone());
        let dependencies = Arc::new(repositories.clone());
        let workshop = Workshop::open(&options.cache_dir, charts.clone(), dependencies).map_err(unusable)?;
        let namespace = &options.chartrepo_namespace;
        let published = Published::new(client.clone(), namespace, options.reach, workshop.clone());
        let catalog = Catalog::new(client, charts.clone(), repositories.clone(), published);
        Ok(Self { charts, repositories, workshop, catalog })
    }
}

/// Serves the API, if it is wanted; every replica does so, whether it works or waits.
async fn serve_api(
    options: &Options,
    cluster: &Cluster,
    catalog: &Catalog,
    serving: &mut JoinSet<()>,
    stop: &watch::Receiver<bool>,
) -> Result<(), RunError> {
    let Some(address) = options.api_listen else { return Ok(()) };
    let scope = options.tenancy.scope.and(&options.chartrepo_namespace);
    let (hooks, follow) = Hooks::new(cluster.client(), &scope, &options.chartrepo_namespace);
    let server = Server::bind_api(address, &hooks, catalog).await?;
    serving.spawn(report_end(server.serve(stopped(stop.clone()))));
    serving.spawn(follow);
    tracing::info!(listen = %address, "serving the API");
    Ok(())
}

async fn report_end(serving: impl Future<Output = Result<(), ServerError>>) {
    if let Err(error) = serving.await {
        tracing::error!(%error, "nothing is served any more");
    }
}

/// Works until the operator is told to stop, or must.
#[expect(clippy::too_many_arguments, reason = "it is where the parts are put together")]
async fn work(
    options: &Options,
    cluster: Cluster,
    charge: Charge,
    metrics: Arc<Metrics>,
    readiness: Readiness,
    stop: watch::Receiver<bool>,
    part: &Part,
    stock: Stock,
) -> Result<(), RunError> {
    let mut tasks = start(options, cluster, charge, metrics, &readiness, &stop, stock)?;
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
    stock: Stock,
) -> Result<JoinSet<()>, RunError> {
    let (client, scope) = (cluster.client(), options.tenancy.scope.clone());
    let Stock { charts, repositories, workshop, .. } = stock;
    let observer = Observer::new(&cluster);
    let drift = observer.triggers();
    let records = RecordIndex::default();
    let (requests, writer) = store::<HelmRequest>();
    let releases = Releases::new(requests.clone());
    let (triggers, triggered) = unbounded();
    let freed = triggers.clone();
    let fleet = Fleet::new(client.clone(), releases.clone(), triggers.clone(), options);
    let dependents = Dependents::new(requests.clone(), triggers.clone());
    let context = Arc::new(Context::new(
        cluster,
        shards.clone(),
        observer,
        records.clone(),
        repositories.clone(),
        charts,
        workshop.clone(),
        Arc::clone(&metrics),
        requests,
        fleet.clone(),
        dependents.clone(),
        options,
    ));
    fleet.settle(&context);
    let mut tasks = JoinSet::new();
    tasks.spawn(fleet.clone().run(stop.clone()));
    let (records_read, records_listed) = watch::channel(false);
    let (autoscalers_listed, autoscalers_known) = watch::channel(false);
    let autoscalers = context.autoscalers.clone();
    tasks.spawn(until(stop.clone(), autoscalers.follow(client.clone(), scope.clone(), autoscalers_listed)));
    tasks.spawn(until(
        stop.clone(),
        follow_records(
            records,
            (client.clone(), scope.clone()),
            releases.clone(),
            dependents.clone(),
            triggers.clone(),
            records_read,
        ),
    ));
    tasks.spawn(until(stop.clone(), follow_objects(drift, triggers.clone())));
    // Namespaces and definitions belong to the whole cluster.
    if scope.is_cluster() {
        let cures = (client.clone(), Arc::clone(&context), triggers.clone());
        let namespaces = cures::follow_namespaces(cures.0.clone(), Arc::clone(&cures.1), cures.2.clone());
        tasks.spawn(until(stop.clone(), namespaces));
        tasks.spawn(until(stop.clone(), cures::follow_definitions(cures.0, cures.1, cures.2)));
    }
    let wake = (Arc::clone(&context), triggers.clone());
    tasks.spawn(until(stop.clone(), follow_repositories(repositories.clone(), wake.0, wake.1)));
    let chart_repos = ChartRepos::new(client.clone(), repositories, metrics)
        .reaching(options.reach)
        .within(scope.and(&options.chartrepo_namespace))
        .checking_out_in(workshop)
        .sharing(shards);
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

    let shown = Arc::clone(&context);
    let watched = scope
        .watch_typed::<HelmRequest>(&client, &watcher::Config::default().page_size(PAGE))
        .modify(forget_what_is_not_asked)
        .reflect(writer)
        .inspect(move |event| {
            event.iter().for_each(|event| {
                note_release(&releases, event, &freed);
                dependents.note(event);
                fleet.note(event);
            });
        })
        .scan(Vec::new(), |listed, event| std::future::ready(Some(once_stored(listed, event))))
        .flat_map(stream::iter)
        .applied_objects()
        .inspect(move |request| request.iter().for_each(|request| shown.shown(request)))
        .predicate_filter(
            predicates::generation.combine(predicates::annotations).combine(predicates::finalizers),
            PredicateConfig::default(),
        );
    let changed = watched.filter_map(|request| std::future::ready(request.ok().map(|it| ObjectRef::from_obj(&it))));
    let (end, turns) = (stop.clone(), context.turns.clone());
    tasks.spawn(async move {
        stopped(end).await;
        turns.close();
    });
    let (readiness, stop) = (readiness.clone(), stop.clone());
    tasks.spawn(async move {
        listed.await;
        readiness.caches_synced();
        looks::at_requests(select(changed, triggered), context, stopped(stop)).await;
    });
    Ok(tasks)
}

/// Keeps the index of records, and wakes the requests whose records somebody else has changed.
async fn follow_records(
    records: RecordIndex,
    (client, scope): (Client, Scope),
    releases: Releases,
    dependents: Dependents,
    triggers: UnboundedSender<ObjectRef<HelmRequest>>,
    listed: watch::Sender<bool>,
) {
    let mut changes = std::pin::pin!(records.watch(&client, &scope));
    while let Some(change) = changes.next().await {
        match change {
            Err(_) => {}
            Ok(Some(release)) => {
                for request in releases.requests_of(&release) {
                    dependents.wake(&request);
                    let _ = triggers.unbounded_send(request);
                }
            }
            Ok(None) => drop(listed.send(true)),
        }
    }
}

/// Notes whose a release is; where a request has gone, others that name its release are woken.
fn note_release(
    releases: &Releases,
    event: &watcher::Event<HelmRequest>,
    triggers: &UnboundedSender<ObjectRef<HelmRequest>>,
) {
    releases.note(event);
    if let watcher::Event::Delete(gone) = event {
        for request in releases.requests_of(&release_of(gone)) {
            let _ = triggers.unbounded_send(request);
        }
    }
}

/// Wakes the requests whose objects or value sources have changed.
pub(super) async fn follow_objects(
    changes: impl Stream<Item = Trigger>,
    triggers: UnboundedSender<ObjectRef<HelmRequest>>,
) {
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

//! Starting and stopping the operator.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::chartrepo::ChartRepos;
use super::chartrepo::published::Published;
use super::context::Supplies;
use super::handover;
use super::home::{Home, until};
use super::metrics::Metrics;
use super::part::{Charge, Part};
use super::readiness::Readiness;
use super::repositories::Repositories;
use super::tenancy::Tenancy;
use crate::chart::Limits;
use crate::cluster::pace::Rate;
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
    /// Whether the requests that live in registered clusters are served there.
    pub serve_member_requests: bool,
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

/// How long the work at hand is waited for at the end.
const LAST_WORK: Duration = Duration::from_secs(20);
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
    let stock = Stock::open(&options, cluster.client(), Arc::clone(&metrics))?;
    serve_api(&options, &cluster, &stock.catalog, &mut serving, &stop).await?;
    tracing::info!(version = env!("CARGO_PKG_VERSION"), listen = %options.listen, "started");

    let (part, charge) = Part::take(&options, &cluster, &metrics, &readiness, &stop).await?;
    let ended = match charge {
        Some(charge) => work(&options, cluster, charge, &readiness, stop, &part, stock.supplies).await,
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
    supplies: Supplies,
    catalog: Catalog,
}

impl Stock {
    fn open(options: &Options, client: Client, metrics: Arc<Metrics>) -> Result<Self, RunError> {
        let unusable = |source| RunError::Cache { folder: options.cache_dir.clone(), source };
        let archives = Archives::open(&options.cache_dir, options.cache_bytes).map_err(unusable)?;
        let charts = Charts::new(Some(archives), PARSED_CHARTS, Limits::default());
        let repositories = Repositories::new(options.chartrepo_namespace.clone());
        let dependencies = Arc::new(repositories.clone());
        let workshop = Workshop::open(&options.cache_dir, charts.clone(), dependencies).map_err(unusable)?;
        let namespace = &options.chartrepo_namespace;
        let published = Published::new(client.clone(), namespace, options.reach, workshop.clone());
        let catalog = Catalog::new(client, charts.clone(), repositories.clone(), published);
        Ok(Self { supplies: Supplies { charts, repositories, workshop, metrics }, catalog })
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
async fn work(
    options: &Options,
    cluster: Cluster,
    charge: Charge,
    readiness: &Readiness,
    stop: watch::Receiver<bool>,
    part: &Part,
    supplies: Supplies,
) -> Result<(), RunError> {
    let mut tasks = start(options, cluster, charge, readiness, &stop, supplies);
    tokio::select! {
        () = part.lost() => return Err(RunError::LeaseLost),
        () = stopped(stop.clone()) => {}
    }
    // The reconcilers end when the work at hand is done; what they wait for is continued by the next start.
    finished(&mut tasks).await;
    Ok(())
}

/// Starts the watches and the reconcilers.
fn start(
    options: &Options,
    cluster: Cluster,
    Charge { shards, changes }: Charge,
    readiness: &Readiness,
    stop: &watch::Receiver<bool>,
    supplies: Supplies,
) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    let client = cluster.client();
    let home = Home::start(cluster, shards.clone(), supplies.clone(), options, None, stop, &mut tasks);
    let Home { context, triggers, listed } = home;
    if options.serve_member_requests {
        let members = context.fleet.clone().serve_members(supplies.clone(), options.clone(), stop.clone());
        tasks.spawn(members);
    }
    let chart_repos = ChartRepos::new(client.clone(), supplies.repositories, supplies.metrics)
        .reaching(options.reach)
        .within(options.tenancy.scope.and(&options.chartrepo_namespace))
        .checking_out_in(supplies.workshop)
        .sharing(shards);
    tasks.spawn(chart_repos.run(stopped(stop.clone())));
    if let Some(changes) = changes {
        let listed = listed.clone();
        let follow = async move {
            listed.await;
            handover::follow(changes, client, context, triggers).await;
        };
        tasks.spawn(until(stop.clone(), follow));
    }
    let readiness = readiness.clone();
    tasks.spawn(until(stop.clone(), async move {
        listed.await;
        readiness.caches_synced();
    }));
    tasks
}

/// Completes when the work at hand is done, or takes too long.
pub(super) async fn finished(tasks: &mut JoinSet<()>) {
    let _ = tokio::time::timeout(LAST_WORK, async { while tasks.join_next().await.is_some() {} }).await;
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

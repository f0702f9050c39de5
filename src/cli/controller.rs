//! `coxswain controller`: the operator's flags.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use super::{Error, LoggingArguments};
use crate::api::GoDuration;
use crate::api::duration::DurationError;
use crate::cluster::REQUEST_TIMEOUT;
use crate::cluster::pace::Rate;
use crate::cluster::scope::Scope;
use crate::cluster::shards::MOST_SHARDS;
use crate::controller::{Options, Tenancy};
use crate::source::Reach;

/// The flags of the operator.
#[derive(Debug, Args)]
pub struct ControllerArguments {
    /// Namespace of the repositories that requests of every namespace may name; a request's own namespace comes first
    #[arg(long, env = "COXSWAIN_CHARTREPO_NAMESPACE", default_value = "captain-system")]
    pub chartrepo_namespace: String,
    /// Namespace where clusters are registered that charts are installed into: Cluster objects, and Secrets with a
    /// kubeconfig
    #[arg(long, env = "COXSWAIN_CLUSTER_NAMESPACE", default_value = "captain-system")]
    pub cluster_namespace: String,
    /// Serve the HelmRequests that live in the registered clusters too, each where it lives: its values, records and
    /// objects are there, its charts come from the ChartRepos here
    #[arg(long, env = "COXSWAIN_SERVE_MEMBER_REQUESTS", default_value_t = false, action = clap::ArgAction::Set, num_args = 0..=1, default_missing_value = "true")]
    pub serve_member_requests: bool,
    /// Namespace the operator runs in: its leases live there
    #[arg(long, env = "COXSWAIN_NAMESPACE", default_value = "captain-system")]
    pub namespace: String,
    /// Name of this replica in the leases; the host name unless given
    #[arg(long, env = "COXSWAIN_IDENTITY", default_value_t = host_name())]
    pub identity: String,
    /// Hold a lease before working, so that several replicas never do the same work; without it there must be only one
    #[arg(long, env = "COXSWAIN_LEADER_ELECTION", default_value_t = true, action = clap::ArgAction::Set)]
    pub leader_election: bool,
    /// Into how many shards the requests are divided among the replicas, 1 to 64; with 1, one replica does all the work.
    /// All replicas must have the same number
    #[arg(long, env = "COXSWAIN_SHARDS", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=i64::from(MOST_SHARDS)))]
    pub shards: u16,
    /// Operations worked on at the same time; one that only waits does not count
    #[arg(long, env = "COXSWAIN_WORKERS", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..))]
    pub workers: u16,
    /// How long the API server may take to answer before a request counts as lost, at least 1s; more than your slowest
    /// admission webhook
    #[arg(long, env = "COXSWAIN_REQUEST_TIMEOUT", default_value_t = GoDuration(REQUEST_TIMEOUT), value_parser = request_timeout)]
    pub request_timeout: GoDuration,
    /// Requests a second to the API server on average; 0 for no limit. Watches and the operator's leases do not count
    #[arg(long, env = "COXSWAIN_KUBE_API_QPS", default_value_t = 1000)]
    pub kube_api_qps: u32,
    /// Requests at once to the API server, after a pause, before the average counts
    #[arg(long, env = "COXSWAIN_KUBE_API_BURST", default_value_t = 2000, value_parser = clap::value_parser!(u32).range(1..))]
    pub kube_api_burst: u32,
    /// Address of /healthz, /readyz and /metrics
    #[arg(long, env = "COXSWAIN_LISTEN", default_value = "0.0.0.0:8080")]
    pub listen: SocketAddr,
    /// Let ChartRepos and HelmRequests name the addresses of the metadata of machines (169.254.0.0/16, fd00:ec2::254,
    /// metadata.google.internal), where clouds keep credentials
    #[arg(long, env = "COXSWAIN_ALLOW_METADATA_ADDRESSES", default_value_t = false, action = clap::ArgAction::Set, num_args = 0..=1, default_missing_value = "true")]
    pub allow_metadata_addresses: bool,
    /// Namespaces, with commas between, that alone are served; their Roles are then all the rights that are needed. Charts
    /// can have no objects outside of them. All namespaces unless given
    #[arg(
        long,
        env = "COXSWAIN_WATCH_NAMESPACES",
        value_delimiter = ',',
        value_name = "NAMESPACES",
        conflicts_with = "serve_member_requests"
    )]
    pub watch_namespaces: Vec<String>,
    /// Service account with whose rights a request is served that names none; the operator's own unless given
    #[arg(long, env = "COXSWAIN_DEFAULT_SERVICE_ACCOUNT", value_name = "NAME")]
    pub default_service_account: Option<String>,
    /// Confine requests to their namespace: neither the release nor what they depend on may be in another one
    #[arg(long, env = "COXSWAIN_NO_CROSS_NAMESPACE", default_value_t = false, action = clap::ArgAction::Set, num_args = 0..=1, default_missing_value = "true")]
    pub no_cross_namespace: bool,
    /// Address of the operator's API: webhooks of ChartRepos and what is in charts; nothing is served unless given
    #[arg(long, env = "COXSWAIN_API_LISTEN")]
    pub api_listen: Option<SocketAddr>,
    /// Folder for downloaded charts; losing it costs only downloads
    #[arg(long, env = "COXSWAIN_CACHE_DIR", default_value_os_t = std::env::temp_dir().join("coxswain-charts"))]
    pub cache_dir: PathBuf,
    /// Most bytes that the folder of downloaded charts may hold
    #[arg(long, env = "COXSWAIN_CACHE_BYTES", default_value_t = 1 << 30)]
    pub cache_bytes: u64,
    /// How the log is written.
    #[command(flatten)]
    pub logging: LoggingArguments,
}

fn request_timeout(text: &str) -> Result<GoDuration, String> {
    let timeout: GoDuration = text.parse().map_err(|error: DurationError| error.to_string())?;
    if timeout.0.as_secs() == 0 { Err("the API server needs at least 1s".to_owned()) } else { Ok(timeout) }
}

fn host_name() -> String {
    std::env::var("HOSTNAME").ok().filter(|name| !name.is_empty()).unwrap_or_else(|| {
        std::fs::read_to_string("/proc/sys/kernel/hostname")
            .map_or_else(|_| "coxswain".into(), |name| name.trim().into())
    })
}

impl ControllerArguments {
    /// Runs the operator until it is told to stop.
    ///
    /// # Errors
    /// The log level cannot be read, the cluster cannot be reached, the lease is lost.
    pub fn run(self) -> Result<(), Error> {
        self.logging.install()?;
        // The allocator keeps memory for each thread that ever used some, and what blocks here mostly computes: more
        // threads than this only take memory. Renders, of which there are as many as cores, may wait for lookups, so
        // there have to be more than that.
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .max_blocking_threads(2 * cores + 2)
            .build()
            .map_err(Error::Runtime)?;
        Ok(runtime.block_on(crate::controller::run(self.into()))?)
    }
}

impl From<ControllerArguments> for Options {
    fn from(arguments: ControllerArguments) -> Self {
        let ControllerArguments {
            chartrepo_namespace,
            cluster_namespace,
            serve_member_requests,
            namespace,
            identity,
            leader_election,
            shards,
            workers,
            request_timeout,
            kube_api_qps,
            kube_api_burst,
            listen,
            allow_metadata_addresses,
            watch_namespaces,
            default_service_account,
            no_cross_namespace,
            api_listen,
            cache_dir,
            cache_bytes,
            logging: _,
        } = arguments;
        let workers = usize::from(workers);
        Self {
            chartrepo_namespace,
            cluster_namespace,
            serve_member_requests,
            namespace,
            identity,
            leader_election,
            shards,
            workers,
            request_timeout: request_timeout.0,
            request_rate: (kube_api_qps > 0).then_some(Rate { each_second: kube_api_qps, burst: kube_api_burst }),
            listen,
            reach: if allow_metadata_addresses { Reach::Everywhere } else { Reach::WithoutMetadata },
            tenancy: Tenancy {
                scope: Scope::of(watch_namespaces),
                default_service_account: default_service_account.filter(|name| !name.is_empty()),
                no_cross_namespace,
            },
            api_listen,
            cache_dir,
            cache_bytes,
        }
    }
}

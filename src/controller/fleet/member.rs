//! A registered cluster whose own requests are served there.
//!
//! Who serves them is settled by the Lease in that cluster that an operator which runs there holds: of the two, and of the
//! replicas of this one, one works at a time, and what it writes passes the lease's fence. While the cluster is away the
//! lease is lost, and with it everything ends that is known of the cluster; it begins anew when the cluster is back.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Namespace;
use kube::api::ListParams;
use kube::{Api, Client};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::api::HelmRequest;
use crate::cluster::connection::Connection;
use crate::cluster::lease::{Candidacy, LeaseOptions};
use crate::cluster::line::Line;
use crate::cluster::lookout::LEASE;
use crate::cluster::shards::Shards;
use crate::cluster::{ApiError, Cluster};
use crate::controller::backoff::{pause, spread};
use crate::controller::context::Supplies;
use crate::controller::home::Home;
use crate::controller::metrics::Counted;
use crate::controller::part::lead;
use crate::controller::run::{Options, finished, stopped};

/// The longest pause between looks at a cluster that cannot be reached.
const LONGEST: Duration = Duration::from_secs(30);
/// The pause between looks at a cluster that has no requests to serve.
const NOTHING_TO_SERVE: Duration = Duration::from_secs(60);
/// The namespace that every cluster has; its UID tells clusters apart.
const EVERYWHERE: &str = "kube-system";

/// What is registered of a cluster; nothing where it is not, or cannot be used.
type Registration = watch::Receiver<Option<Connection>>;

/// What all members are served with.
pub(super) struct Service {
    /// The cluster that the operator runs in.
    pub(super) home: Client,
    pub(super) supplies: Supplies,
    pub(super) options: Options,
    pub(super) stop: watch::Receiver<bool>,
}

/// A registered cluster.
pub(super) struct Member {
    pub(super) name: String,
    pub(super) service: Arc<Service>,
}

/// Why the requests of a cluster are not served just now.
#[derive(Debug, thiserror::Error)]
enum Unserved {
    #[error("it is the cluster that the operator runs in, which serves its requests anyway")]
    Own,
    #[error("HelmRequests are not defined there: apply crds/ there to serve some")]
    NotDefined,
    #[error("namespace {0:?} is not there, in which the lease for its requests is held: create it")]
    NoNamespace(String),
    #[error("no client can be made: {0}")]
    Connect(#[from] crate::cluster::ConnectError),
    #[error("{0}")]
    Api(#[from] ApiError),
    #[error("the lease for its requests was lost")]
    LeaseLost,
}

impl Unserved {
    /// Whether somebody should know.
    fn is_failure(&self) -> bool {
        !matches!(self, Self::Own | Self::NotDefined)
    }

    /// The pause after so many in a row.
    fn pause(&self, times: u32) -> Duration {
        if self.is_failure() { pause(times).min(LONGEST) } else { spread(NOTHING_TO_SERVE) }
    }
}

impl Member {
    /// Serves the requests of the cluster as long as it is registered, until the operator is told to stop.
    pub(super) async fn run(self, mut registration: Registration) {
        let (mut times, mut told) = (0_u32, String::new());
        while !*self.service.stop.borrow() {
            let connection = registration.borrow_and_update().clone();
            let unserved = match connection {
                Some(connection) => match self.serve(connection, &mut registration).await {
                    // It is registered otherwise, or the operator is to stop.
                    Ok(()) => {
                        times = 0;
                        continue;
                    }
                    Err(unserved) => Some(unserved),
                },
                None => None,
            };
            times = times.saturating_add(1);
            if let Some(unserved) = &unserved {
                self.tell(unserved, &mut told);
            }
            tokio::select! {
                () = stopped(self.service.stop.clone()) => {}
                _ = registration.changed() => times = 0,
                () = async { match &unserved {
                    Some(unserved) => sleep(unserved.pause(times)).await,
                    None => std::future::pending().await,
                } } => {}
            }
        }
    }

    /// Logs why nothing is served, once for each reason.
    fn tell(&self, unserved: &Unserved, told: &mut String) {
        let (cluster, reason) = (&*self.name, unserved.to_string());
        if *told == reason {
            return;
        }
        if unserved.is_failure() {
            tracing::warn!(cluster, reason, "the requests of a cluster are not served");
        } else {
            tracing::info!(cluster, reason, "the requests of a cluster are not served");
        }
        *told = reason;
    }

    /// Serves the requests of the cluster while it is registered as it is now.
    async fn serve(&self, connection: Connection, registration: &mut Registration) -> Result<(), Unserved> {
        let Options { namespace, identity, request_timeout, .. } = &self.service.options;
        let (cluster, line) = Line::connect(connection.config(), *request_timeout)?;
        self.look(&cluster).await?;
        let candidacy = cluster.stand_for(LeaseOptions::new(namespace, LEASE, identity));
        let mut registered = Registered { line, connection, registration };
        let served = self.serve_under(&candidacy, &cluster, &mut registered).await;
        candidacy.release().await;
        served
    }

    /// Waits for the lease, and serves the requests while it is held.
    async fn serve_under(
        &self,
        candidacy: &Candidacy,
        cluster: &Cluster,
        registered: &mut Registered<'_>,
    ) -> Result<(), Unserved> {
        let Service { supplies, options, stop, .. } = &*self.service;
        tokio::select! {
            () = registered.until_over(stop) => return Ok(()),
            leads = lead(cluster, &options.namespace, candidacy) => leads.map_err(|_| Unserved::LeaseLost)?,
        };
        tracing::info!(cluster = &*self.name, "serving the requests of a cluster");
        let _counted = Counted::new(&supplies.metrics.member_clusters);
        let shards = Shards::whole(cluster, candidacy.fence_of_epoch());
        let (end, ending) = watch::channel(false);
        let mut tasks = JoinSet::new();
        let member = Some(&*self.name);
        Home::start(cluster.clone(), shards, supplies.clone(), options, member, &ending, &mut tasks);
        tokio::select! {
            () = registered.until_over(stop) => {
                end.send_replace(true);
                finished(&mut tasks).await;
                Ok(())
            }
            () = candidacy.lost() => Err(Unserved::LeaseLost),
        }
    }

    /// Looks whether there can be requests to serve.
    async fn look(&self, cluster: &Cluster) -> Result<(), Unserved> {
        let client = cluster.client();
        if uid(&client).await? == uid(&self.service.home).await? {
            return Err(Unserved::Own);
        }
        let requests: Api<HelmRequest> = Api::all(client.clone());
        let listed = requests.list_metadata(&ListParams::default().limit(1)).await.map_err(ApiError::from);
        listed.map_err(|error| match error {
            ApiError::NotFound | ApiError::KindNotServed => Unserved::NotDefined,
            error => error.into(),
        })?;
        let namespace = &self.service.options.namespace;
        let found = Api::<Namespace>::all(client).get_metadata_opt(namespace).await.map_err(ApiError::from)?;
        found.map(drop).ok_or_else(|| Unserved::NoNamespace(namespace.clone()))
    }
}

async fn uid(client: &Client) -> Result<Option<String>, ApiError> {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    Ok(namespaces.get_metadata(EVERYWHERE).await.map_err(ApiError::from)?.metadata.uid)
}

/// The way to a cluster, and what is registered of it.
struct Registered<'a> {
    line: Line,
    connection: Connection,
    registration: &'a mut Registration,
}

impl Registered<'_> {
    /// Completes when the cluster is registered otherwise, or the operator is to stop. Other credentials for the same API
    /// server are used from then on.
    async fn until_over(&mut self, stop: &watch::Receiver<bool>) {
        loop {
            tokio::select! {
                () = stopped(stop.clone()) => return,
                changed = self.registration.changed() => if changed.is_err() { return },
            }
            let next = self.registration.borrow_and_update().clone();
            match next {
                Some(next) if self.is_followed(&next) => self.connection = next,
                _ => return,
            }
        }
    }

    fn is_followed(&self, next: &Connection) -> bool {
        next.server() == self.connection.server() && self.line.replace(next.config()).is_ok()
    }
}

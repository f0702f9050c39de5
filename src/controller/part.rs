//! How a replica takes part in the work: alone, as the one that leads, or with a share of the requests.

use std::sync::Arc;

use futures::channel::mpsc::UnboundedReceiver;
use tokio::sync::watch;

use super::handover;
use super::metrics::Metrics;
use super::readiness::Readiness;
use super::run::{Options, RunError, stopped};
use crate::cluster::Cluster;
use crate::cluster::fence::Fence;
use crate::cluster::lease::{Candidacy, Claim, LeaseOptions};
use crate::cluster::lookout::LEASE;
use crate::cluster::membership::Membership;
use crate::cluster::shards::{Change, Shards};

/// How this replica takes part.
pub(super) enum Part {
    /// There is no other.
    Alone,
    /// It works while it holds the one lease.
    Leader(Candidacy),
    /// It works on the shards that it holds.
    Member(Membership),
}

/// What this replica works on.
pub(super) struct Charge {
    /// The shards.
    pub(super) shards: Shards,
    /// What happens to them, where they come and go.
    pub(super) changes: Option<UnboundedReceiver<Change>>,
}

impl Part {
    /// Stands for the lease, or for a share; gives what is worked on as soon as work may begin, or nothing where the
    /// operator is told to stop before.
    ///
    /// # Errors
    /// The lease was lost while it was waited for.
    pub(super) async fn take(
        options: &Options,
        cluster: &Cluster,
        metrics: &Arc<Metrics>,
        readiness: &Readiness,
        stop: &watch::Receiver<bool>,
    ) -> Result<(Self, Option<Charge>), RunError> {
        let Options { namespace, identity, .. } = options;
        if !options.leader_election {
            readiness.lease_known();
            let shards = Shards::whole(cluster, Fence::open());
            handover::tell(&shards, metrics);
            return Ok((Self::Alone, Some(Charge { shards, changes: None })));
        }
        if options.shards > 1 {
            let (shards, changes) = Shards::none(cluster, options.shards);
            let membership = cluster.share(namespace, identity, shards.clone());
            tokio::spawn(report_known(membership.known(), readiness.clone()));
            return Ok((Self::Member(membership), Some(Charge { shards, changes: Some(changes) })));
        }
        readiness.lease_known();
        readiness.caches_synced();
        let candidacy = cluster.stand_for(LeaseOptions::new(namespace, LEASE, identity));
        let leads = tokio::select! {
            () = stopped(stop.clone()) => false,
            leads = lead(cluster, namespace, &candidacy) => leads?,
        };
        let charge = leads.then(|| {
            tracing::info!(identity, "holding the lease");
            let shards = Shards::whole(cluster, candidacy.fence_of_epoch());
            handover::tell(&shards, metrics);
            Charge { shards, changes: None }
        });
        Ok((Self::Leader(candidacy), charge))
    }

    /// Completes when this replica must end because another one does its work.
    pub(super) async fn lost(&self) {
        match self {
            Self::Leader(candidacy) => candidacy.lost().await,
            // A member that loses its shards goes on and takes others.
            Self::Alone | Self::Member(_) => std::future::pending().await,
        }
    }

    /// Gives up what is held, so that others go on at once.
    pub(super) async fn leave(self) {
        match self {
            Self::Alone => {}
            Self::Leader(candidacy) => candidacy.release().await,
            Self::Member(membership) => membership.leave().await,
        }
    }
}

/// Waits until this replica leads, and nobody works on a share any more.
pub(super) async fn lead(cluster: &Cluster, namespace: &str, candidacy: &Candidacy) -> Result<bool, RunError> {
    let held = candidacy.claim().wait_for(|claim| *claim == Claim::Held).await.is_ok();
    if !held {
        return Err(RunError::LeaseLost);
    }
    // Not every role from before may list leases; where it may not, there have never been shares.
    if let Err(error) = cluster.wait_for_members_to_go(namespace).await {
        tracing::warn!(%error, "replicas with --shards are not noticed");
    }
    Ok(true)
}

async fn report_known(mut known: watch::Receiver<bool>, readiness: Readiness) {
    if known.wait_for(|known| *known).await.is_ok() {
        readiness.lease_known();
    }
}

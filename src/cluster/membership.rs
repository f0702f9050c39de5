//! Several operators that share the work: each holds some of a fixed number of shards.
//!
//! A replica tells that it lives by one Lease of its own, `coxswain-member-IDENTITY`, which it renews; a shard is a Lease
//! `coxswain-K` that is written only when it changes hands. So a steady state costs each replica one renewal and one
//! list every two seconds, however many shards there are. A shard belongs to its holder as long as the holder's own
//! lease is renewed; `leaseTransitions` of the shard's Lease is its epoch. What each replica does about shards is decided
//! in [`super::sharing`].
//!
//! A replica that has not renewed in time loses all its shards at once and begins anew, as if it had just started.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::future::join_all;
use jiff::Timestamp;
use kube::api::{DeleteParams, ListParams, PostParams};
use serde_json::json;
use tokio::sync::{oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep};

use super::client::Cluster;
use super::error::ApiError;
use super::fence::Epoch;
use super::lease::{Candidacy, Claim, LeaseOptions, Seen, leases, micro_time};
use super::lookout::{Lookout, SHARDS, lease_of_shard, member_name};
use super::shards::Shards;
use super::sharing::{Move, Standing, next_move};
use crate::value::Json;

/// How long the others wait after the last renewal that they saw.
const DURATION: Duration = Duration::from_secs(10);
/// After how long without a renewal a replica gives up. What it sent until then has until the end of `DURATION`.
const RENEW_DEADLINE: Duration = Duration::from_secs(7);
/// The pause between renewals, and between looks at the others.
const PERIOD: Duration = Duration::from_secs(2);
/// How long the work on a shard that is given back may take to finish.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a write that was given up may still be on its way, as between the renew deadline and the duration.
const GRACE: Duration = Duration::from_secs(3);
/// How long a replica makes place for another that divides the requests otherwise.
const WITHDRAWN: Duration = Duration::from_secs(5);

/// The part of one replica; it runs until it is left.
pub struct Membership {
    known: watch::Receiver<bool>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Membership {
    /// Becomes true when it is known who holds the shards.
    pub fn known(&self) -> watch::Receiver<bool> {
        self.known.clone()
    }

    /// Gives all shards back, so that others work on them at once.
    pub async fn leave(self) {
        let _ = self.stop.send(());
        let _ = self.task.await;
    }
}

impl Cluster {
    /// Takes a share of the shards, in a task of its own. `identity` is unique among the replicas.
    pub fn share(&self, namespace: &str, identity: &str, shards: Shards) -> Membership {
        let (knows, known) = watch::channel(false);
        let (stop, stopped) = oneshot::channel();
        let replica = Replica {
            cluster: self.clone(),
            namespace: namespace.to_owned(),
            identity: identity.to_owned(),
            shards,
            lookout: Lookout::default(),
            held: BTreeMap::new(),
            leaving: BTreeSet::new(),
            leavings: JoinSet::new(),
            knows,
        };
        Membership { known, stop, task: tokio::spawn(replica.run(stopped)) }
    }

    /// Waits until no replica lives that divides the requests into shards: the one operator that works on all of them
    /// must not begin before.
    ///
    /// # Errors
    /// The leases may not be listed.
    pub async fn wait_for_members_to_go(&self, namespace: &str) -> Result<(), ApiError> {
        let mut lookout = Lookout::default();
        loop {
            match self.list_leases(namespace).await {
                Ok(listed) => {
                    if lookout.look(&listed, Instant::now()).members.values().all(|count| *count == 1) {
                        return Ok(());
                    }
                }
                Err(error @ ApiError::Forbidden { .. }) => return Err(error),
                Err(error) => tracing::debug!(%error, "the leases of other replicas could not be listed"),
            }
            sleep(PERIOD).await;
        }
    }

    async fn list_leases(&self, namespace: &str) -> Result<Vec<Json>, ApiError> {
        let mut listed: Json = self.call(self.collection(&leases(), namespace).list(&ListParams::default())).await?;
        let items = listed.get_mut("items").and_then(Json::as_array_mut).map(std::mem::take);
        Ok(items.unwrap_or_default())
    }
}

/// One replica.
struct Replica {
    cluster: Cluster,
    namespace: String,
    identity: String,
    shards: Shards,
    lookout: Lookout,
    /// The shards whose leases are ours, as we wrote them.
    held: BTreeMap<u16, Seen>,
    /// Those of them that are being left.
    leaving: BTreeSet<u16>,
    leavings: JoinSet<u16>,
    knows: watch::Sender<bool>,
}

/// How the time ended in which a replica's own lease was renewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Stopped,
    Lost,
    Withdrawn,
}

impl Replica {
    async fn run(mut self, mut stopped: oneshot::Receiver<()>) {
        loop {
            let candidacy = self.cluster.stand_for(self.presence());
            let end = self.session(&candidacy, &mut stopped).await;
            match end {
                End::Stopped => {
                    self.leave_all(Duration::ZERO, Duration::ZERO).await;
                    join_all(self.held.iter().map(|(shard, seen)| self.free(*shard, seen))).await;
                    candidacy.release().await;
                    return;
                }
                End::Lost => {
                    tracing::warn!(identity = self.identity, "the replica's own lease was not renewed in time");
                    self.leave_all(Duration::ZERO, Duration::ZERO).await;
                    self.held.clear();
                }
                End::Withdrawn => {
                    candidacy.release().await;
                    tokio::select! {
                        () = sleep(WITHDRAWN) => {}
                        _ = &mut stopped => return,
                    }
                }
            }
        }
    }

    /// The lease that tells that this replica lives.
    fn presence(&self) -> LeaseOptions {
        LeaseOptions {
            duration: DURATION,
            renew_deadline: RENEW_DEADLINE,
            retry_period: PERIOD,
            annotations: BTreeMap::from([(SHARDS.to_owned(), self.shards.count().to_string())]),
            ephemeral: true,
            ..LeaseOptions::new(&self.namespace, &member_name(&self.identity), &self.identity)
        }
    }

    /// Shares the shards with the others until the own lease is lost.
    async fn session(&mut self, candidacy: &Candidacy, stopped: &mut oneshot::Receiver<()>) -> End {
        let mut claim = candidacy.claim();
        let mut has_begun = false;
        loop {
            // The API server may leave a question unanswered for longer than the lease lasts.
            let end = tokio::select! {
                end = self.turn(candidacy, &mut has_begun) => end,
                _ = claim.wait_for(|claim| *claim == Claim::Lost) => Some(End::Lost),
                _ = &mut *stopped => Some(End::Stopped),
            };
            if let Some(end) = end {
                return end;
            }
        }
    }

    /// Looks at the others, and does what there is to do until the next look.
    async fn turn(&mut self, candidacy: &Candidacy, has_begun: &mut bool) -> Option<End> {
        let is_held = *candidacy.claim().borrow() == Claim::Held;
        if is_held && let Some(end) = self.look_and_move(candidacy, has_begun).await {
            return Some(end);
        }
        // A lease that was just taken is not waited for.
        let mut claim = candidacy.claim();
        let held = async move {
            let awaited = claim.wait_for(|claim| !is_held && *claim == Claim::Held).await.is_ok();
            if !awaited {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            () = sleep(PERIOD) => {}
            () = held => {}
            Some(Ok(shard)) = self.leavings.join_next() => self.give_back(shard).await,
        }
        None
    }

    async fn look_and_move(&mut self, candidacy: &Candidacy, has_begun: &mut bool) -> Option<End> {
        let listed = match self.cluster.list_leases(&self.namespace).await {
            Ok(listed) => listed,
            Err(error) => {
                tracing::warn!(%error, "the leases of the shards could not be listed");
                return None;
            }
        };
        let roll = self.lookout.look(&listed, Instant::now());
        let works_on = self.held.keys().copied().filter(|shard| !self.leaving.contains(shard)).collect();
        let standing = Standing {
            identity: &self.identity,
            count: self.shards.count(),
            has_begun: *has_begun,
            works_on: &works_on,
            leaves: &self.leaving,
        };
        let next = next_move(&roll, standing);
        self.knows.send_replace(true);
        match next {
            Move::Wait => {
                tracing::debug!("waiting for replicas that divide the requests into another number of shards")
            }
            Move::Withdraw => return Some(End::Withdrawn),
            Move::Share { take, give } => {
                *has_begun = true;
                for shard in take {
                    self.take(shard, candidacy).await;
                }
                give.into_iter().for_each(|shard| self.leave(shard));
            }
        }
        self.remove_forgotten().await;
        None
    }

    async fn take(&mut self, shard: u16, candidacy: &Candidacy) {
        let known = self.lookout.shards.get(&shard);
        let epoch = known.map_or(0, |seen| seen.transitions + 1);
        // Where the own lease runs out meanwhile, the shard is not taken.
        let cluster = self.cluster.fenced(candidacy.fence().clone());
        let version = known.map(|seen| seen.resource_version.as_str());
        match write_shard(&cluster, &self.namespace, shard, version, &self.identity, epoch).await {
            Ok(seen) => {
                tracing::info!(shard, epoch, identity = self.identity, "took a shard");
                self.held.insert(shard, seen);
                let epoch_of = Epoch { lease: lease_of_shard(shard), number: epoch };
                self.shards.take(shard, epoch, candidacy.fence().branch(Some(epoch_of)));
            }
            Err(error) => tracing::debug!(shard, %error, "a shard could not be taken"),
        }
    }

    /// Begins to leave a shard.
    fn leave(&mut self, shard: u16) {
        self.leaving.insert(shard);
        let shards = self.shards.clone();
        self.leavings.spawn(async move {
            shards.leave(shard, PATIENCE, GRACE).await;
            shard
        });
    }

    /// Frees a shard that was left.
    async fn give_back(&mut self, shard: u16) {
        self.leaving.remove(&shard);
        if let Some(seen) = self.held.remove(&shard) {
            tracing::info!(shard, identity = self.identity, "gave a shard back");
            self.free(shard, &seen).await;
        }
    }

    /// Leaves all shards and waits until the work on them has ended.
    async fn leave_all(&mut self, patience: Duration, grace: Duration) {
        self.leavings = JoinSet::new();
        let shards = &self.shards;
        join_all(self.held.keys().map(|shard| shards.leave(*shard, patience, grace))).await;
        self.leaving.clear();
    }

    /// Writes that nobody holds a shard. Where it fails, the shard is free when the own lease is.
    async fn free(&self, shard: u16, seen: &Seen) {
        let version = Some(seen.resource_version.as_str());
        let _ = write_shard(&self.cluster, &self.namespace, shard, version, "", seen.transitions).await;
    }

    async fn remove_forgotten(&self) {
        for name in self.lookout.forgotten(Instant::now()) {
            let request = self.cluster.collection(&leases(), &self.namespace).delete(&name, &DeleteParams::default());
            let _ = self.cluster.call::<Json>(request).await;
        }
    }
}

/// Writes a shard's lease over the version that was seen; an error where somebody else was faster.
async fn write_shard(
    cluster: &Cluster,
    namespace: &str,
    shard: u16,
    version: Option<&str>,
    holder: &str,
    epoch: i64,
) -> Result<Seen, ApiError> {
    let name = lease_of_shard(shard);
    let now = micro_time(Timestamp::now());
    let mut lease = json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "holderIdentity": holder, "leaseDurationSeconds": DURATION.as_secs(),
            "acquireTime": now, "renewTime": now, "leaseTransitions": epoch,
        },
    });
    let collection = cluster.collection(&leases(), namespace);
    let request = match version {
        None => collection.create(&PostParams::default(), &lease),
        Some(version) => {
            lease["metadata"]["resourceVersion"] = version.into();
            collection.replace(&name, &PostParams::default(), &lease)
        }
    };
    cluster.call::<Json>(request).await.map(|written| Seen::read(&written))
}

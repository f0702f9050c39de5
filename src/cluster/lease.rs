//! One active operator among its replicas: a `Lease` that one of them holds.
//!
//! The semantics are those of client-go's leader election (`k8s.io/client-go/tools/leaderelection`): a candidate takes
//! a lease that is free or whose holder has not renewed for the lease's duration *by the candidate's own clock since it
//! saw the last renewal*, so clocks need not agree; a holder that cannot renew within the renew deadline gives up before
//! another may take over. Writes carry the resource version, so of two candidates one wins.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use kube::api::{DeleteParams, PostParams};
use serde_json::json;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::client::Cluster;
use super::discovery::Kind;
use super::error::ApiError;
use super::fence::{Epoch, Fence};
use super::request::builtin_kind;
use crate::value::Json;

/// Whether this replica may act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Another replica acts, or none does yet.
    Waiting,
    /// This replica acts.
    Held,
    /// This replica acted and must stop: it could not renew, or somebody took the lease.
    Lost,
}

/// What the lease is called and how fast it changes hands.
#[derive(Clone, Debug)]
pub struct LeaseOptions {
    /// The namespace of the Lease object.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// This replica, unique among them: the pod's name and something that a restart changes.
    pub identity: String,
    /// How long others wait after the last renewal that they saw.
    pub duration: Duration,
    /// After how long without a renewal the holder gives up; shorter than `duration`.
    pub renew_deadline: Duration,
    /// The pause between attempts, and between renewals.
    pub retry_period: Duration,
    /// The annotations of the Lease object.
    pub annotations: BTreeMap<String, String>,
    /// Whether the Lease object is deleted when it is given up: nobody else stands for it.
    pub ephemeral: bool,
}

impl LeaseOptions {
    /// The times that client-go's components use: 15, 10 and 2 seconds.
    pub fn new(namespace: &str, name: &str, identity: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            identity: identity.to_owned(),
            duration: Duration::from_secs(15),
            renew_deadline: Duration::from_secs(10),
            retry_period: Duration::from_secs(2),
            annotations: BTreeMap::new(),
            ephemeral: false,
        }
    }
}

/// A candidacy: it runs until it is released or lost.
pub struct Candidacy {
    claim: watch::Receiver<Claim>,
    fence: Fence,
    name: String,
    epoch: watch::Receiver<Option<i64>>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Candidacy {
    /// Follows the claim.
    pub fn claim(&self) -> watch::Receiver<Claim> {
        self.claim.clone()
    }

    /// Completes when this replica acted and must stop.
    pub async fn lost(&self) {
        let _ = self.claim().wait_for(|claim| *claim == Claim::Lost).await;
    }

    /// The fence of what is written under the lease.
    pub fn fence(&self) -> &Fence {
        &self.fence
    }

    /// The same for the present holder; its epoch is known once the lease is held.
    pub fn fence_of_epoch(&self) -> Fence {
        let number = *self.epoch.borrow();
        self.fence.branch(number.map(|number| Epoch { lease: self.name.clone(), number }))
    }

    /// Gives the lease up, so that another replica may act at once.
    pub async fn release(self) {
        let _ = self.stop.send(());
        let _ = self.task.await;
    }
}

impl Cluster {
    /// Stands for a lease, in a task of its own.
    pub fn stand_for(&self, options: LeaseOptions) -> Candidacy {
        let (sender, claim) = watch::channel(Claim::Waiting);
        let (stop, stopped) = oneshot::channel();
        let (fence, name) = (Fence::until_renewed(), options.name.clone());
        let (number, epoch) = watch::channel(None);
        let candidate = Candidate {
            cluster: self.clone(),
            options,
            claim: sender,
            fence: fence.clone(),
            epoch: number,
            seen: None,
        };
        let task = tokio::spawn(candidate.run(stopped));
        Candidacy { claim, fence, name, epoch, stop, task }
    }
}

struct Candidate {
    cluster: Cluster,
    options: LeaseOptions,
    claim: watch::Sender<Claim>,
    fence: Fence,
    epoch: watch::Sender<Option<i64>>,
    /// The state of the lease that was seen last, and when it was first seen.
    seen: Option<(Seen, Instant)>,
}

/// What matters of a Lease object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// The version of the object.
    pub(super) resource_version: String,
    /// Who holds it; empty where nobody does.
    pub(super) holder: String,
    /// When it was renewed last, by the holder's clock.
    renewed: String,
    acquired: String,
    /// How often it has changed hands: the epoch.
    pub(super) transitions: i64,
    /// How long others wait after a renewal.
    pub(super) duration: Duration,
}

impl Seen {
    /// What a Lease object tells.
    pub(super) fn read(lease: &Json) -> Self {
        let text = |path: &str| lease.pointer(path).and_then(Json::as_str).unwrap_or_default().to_owned();
        let number = |path: &str| lease.pointer(path).and_then(Json::as_i64).unwrap_or_default();
        Self {
            resource_version: text("/metadata/resourceVersion"),
            holder: text("/spec/holderIdentity"),
            renewed: text("/spec/renewTime"),
            acquired: text("/spec/acquireTime"),
            transitions: number("/spec/leaseTransitions"),
            duration: Duration::from_secs(number("/spec/leaseDurationSeconds").unsigned_abs()),
        }
    }

    /// Whether `identity` may take the lease: it holds it, nobody does, or the holder has been silent for too long.
    fn may_be_taken_by(&self, identity: &str, silent_for: Duration) -> bool {
        self.holder.is_empty() || self.holder == identity || silent_for >= self.duration
    }
}

impl Candidate {
    async fn run(mut self, mut stopped: oneshot::Receiver<()>) {
        let mut renewed: Option<Instant> = None;
        loop {
            let left =
                self.options.renew_deadline.saturating_sub(renewed.map_or(Duration::ZERO, |since| since.elapsed()));
            let began = Instant::now();
            let attempt = tokio::time::timeout(left, self.attempt()).await;
            if matches!(attempt, Ok(Ok(true))) {
                // Whoever waits for the lease counts from a later moment.
                renewed = Some(began);
                self.epoch.send_replace(self.seen.as_ref().map(|(seen, _)| seen.transitions));
                self.fence.renew(began + self.options.renew_deadline);
                self.claim.send_if_modified(|claim| std::mem::replace(claim, Claim::Held) != Claim::Held);
            } else if let Some(since) = renewed {
                let taken = matches!(attempt, Ok(Ok(false)));
                if taken || since.elapsed() + self.options.retry_period >= self.options.renew_deadline {
                    self.fence.end();
                    self.claim.send_replace(Claim::Lost);
                    return;
                }
            }
            tokio::select! {
                () = sleep(self.options.retry_period) => {}
                _ = &mut stopped => break,
            }
        }
        self.fence.end();
        if renewed.is_some() {
            self.claim.send_replace(Claim::Waiting);
            self.give_up().await;
        }
    }

    /// One attempt to take or renew the lease; false where another holds it.
    async fn attempt(&mut self) -> Result<bool, ApiError> {
        let collection = self.cluster.collection(&leases(), &self.options.namespace);
        // The holder knows the state that it wrote itself and renews without reading.
        let held = *self.claim.borrow() == Claim::Held;
        let known = self.seen.as_ref().filter(|_| held).map(|(seen, _)| seen.clone());
        let current = match known {
            Some(seen) => Some(seen),
            None => match self.cluster.call::<Json>(collection.get(&self.options.name)).await {
                Ok(lease) => Some(Seen::read(&lease)),
                Err(ApiError::NotFound) => None,
                Err(error) => return Err(error),
            },
        };
        if let Some(current) = &current {
            let since = self.note(current);
            if !current.may_be_taken_by(&self.options.identity, since.elapsed()) {
                return Ok(false);
            }
        }
        self.write(current.as_ref(), &self.options.identity.clone(), self.options.duration).await?;
        Ok(true)
    }

    /// Remembers a state and tells since when it has been seen.
    fn note(&mut self, current: &Seen) -> Instant {
        match &self.seen {
            Some((seen, since)) if seen == current => *since,
            _ => {
                let now = Instant::now();
                self.seen = Some((current.clone(), now));
                now
            }
        }
    }

    /// Writes the lease; an error where somebody else wrote it in between, so that the next attempt reads it.
    async fn write(&mut self, current: Option<&Seen>, holder: &str, duration: Duration) -> Result<(), ApiError> {
        let LeaseOptions { namespace, name, annotations, .. } = &self.options;
        let now = micro_time(Timestamp::now());
        let renews = current.is_some_and(|current| current.holder == self.options.identity);
        let acquired = current.filter(|_| renews).map_or_else(|| now.clone(), |current| current.acquired.clone());
        let changes = i64::from(!renews);
        let transitions = current.map_or(0, |current| current.transitions + changes);
        let mut lease = json!({
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": {"name": name, "namespace": namespace, "annotations": annotations},
            "spec": {
                "holderIdentity": holder, "leaseDurationSeconds": duration.as_secs(),
                "acquireTime": acquired, "renewTime": now, "leaseTransitions": transitions,
            },
        });
        let collection = self.cluster.collection(&leases(), namespace);
        let request = match current {
            None => collection.create(&PostParams::default(), &lease),
            Some(current) => {
                lease["metadata"]["resourceVersion"] = current.resource_version.clone().into();
                collection.replace(name, &PostParams::default(), &lease)
            }
        };
        let written = self.cluster.call::<Json>(request).await;
        self.seen = written.as_ref().ok().map(|written| (Seen::read(written), Instant::now()));
        written.map(drop)
    }

    /// Lets go of the lease: with a duration of one second, as client-go does on release, or by deleting it.
    async fn give_up(&mut self) {
        let current = self.seen.take().map(|(seen, _)| seen);
        if let Some(current) = current {
            if self.options.ephemeral {
                let LeaseOptions { namespace, name, .. } = &self.options;
                let leases = self.cluster.collection(&leases(), namespace);
                let _ = self.cluster.call::<Json>(leases.delete(name, &DeleteParams::default())).await;
                return;
            }
            // Where it fails the lease simply runs out.
            let _ = self.write(Some(&current), "", Duration::from_secs(1)).await;
        }
    }
}

/// The kind of leases.
pub(super) fn leases() -> Kind {
    builtin_kind("coordination.k8s.io", "v1", "Lease", "leases", true)
}

/// A time as the API's `MicroTime` wants it.
pub(super) fn micro_time(time: Timestamp) -> String {
    format!("{time:.6}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_taken_when_free_own_or_silent_for_its_duration() {
        let held = Seen { holder: "a".into(), duration: Duration::from_secs(15), ..Seen::default() };
        let table = [
            (&held, "a", 0, true),
            (&held, "b", 14, false),
            (&held, "b", 15, true),
            (&Seen { holder: String::new(), ..held.clone() }, "b", 0, true),
        ];
        for (seen, identity, silent, expected) in table {
            assert_eq!(seen.may_be_taken_by(identity, Duration::from_secs(silent)), expected, "{seen:?} {identity}");
        }
    }

    #[test]
    fn times_have_six_digits_of_a_second() {
        let time: Timestamp = "2026-01-02T03:04:05Z".parse().expect("a time");
        assert_eq!(micro_time(time), "2026-01-02T03:04:05.000000Z");
    }
}

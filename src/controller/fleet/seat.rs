//! What a cluster's own context knows of where it is: its name, and whether it can be reached.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, watch};

use super::summary::status_of;
use crate::api::helm_request::HelmRequestStatus;
use crate::api::{HelmRequest, Reason};
use crate::cluster::observe::OwnerKey;
use crate::controller::context::{Context, owner};
use crate::controller::failure::Failure;

/// Whether a cluster can be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Its release records are being listed.
    Connecting,
    /// It answers, and its release records are known.
    Reached,
    /// It does not, or refuses us.
    Away(Failure),
}

/// Another cluster than the one that requests live in.
#[derive(Clone)]
pub struct Seat {
    name: Arc<str>,
    home: Arc<Context>,
    standing: watch::Receiver<Standing>,
    doubts: Arc<Notify>,
    told: Arc<Mutex<HashMap<OwnerKey, Told>>>,
}

/// What a cluster tells of a request that several clusters have.
#[derive(Clone)]
pub enum Told {
    /// How it stands there, as a request of this one cluster would tell it.
    Status(Box<HelmRequestStatus>),
    /// Its release is gone from there.
    Gone,
}

impl Seat {
    /// A cluster of this name. `doubts` is rung when something failed as if it could not be reached.
    pub(super) fn new(
        name: &str,
        home: Arc<Context>,
        standing: watch::Receiver<Standing>,
        doubts: Arc<Notify>,
    ) -> Self {
        Self { name: name.into(), home, standing, doubts, told: Arc::default() }
    }

    /// The name of the Cluster.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The context of the cluster that the requests live in.
    pub fn home(&self) -> &Arc<Context> {
        &self.home
    }

    /// Tells how it stands with a request that several clusters have.
    pub fn tell(&self, request: &HelmRequest, told: Told) {
        self.all_told().insert(owner(request), told);
        self.home.fleet.sum_up_soon(request);
    }

    /// What was told last.
    pub fn told(&self, request: &HelmRequest) -> Option<Told> {
        self.all_told().get(&owner(request)).cloned()
    }

    /// Forgets what was told of a request.
    pub(super) fn forget(&self, request: &HelmRequest) {
        self.all_told().remove(&owner(request));
    }

    /// How it stood last with a request that several clusters have: as it was told, else as far as the request's own
    /// status has it.
    pub fn last_status(&self, request: &HelmRequest) -> HelmRequestStatus {
        match self.told(request) {
            Some(Told::Status(status)) => *status,
            Some(Told::Gone) => HelmRequestStatus::default(),
            None => {
                let entries = self.home.last_status(request).clusters;
                let entry = entries.into_iter().find(|entry| entry.name == *self.name).unwrap_or_default();
                status_of(&entry)
            }
        }
    }

    fn all_told(&self) -> MutexGuard<'_, HashMap<OwnerKey, Told>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Goes on only while the cluster can be reached.
    ///
    /// # Errors
    /// Why it cannot, or that it is being connected to.
    pub fn reach(&self) -> Result<(), Failure> {
        match &*self.standing.borrow() {
            Standing::Reached => Ok(()),
            Standing::Connecting => Err(connecting(&self.name)),
            Standing::Away(failure) => Err(failure.clone()),
        }
    }
}

/// That a cluster is being connected to; whoever waits is woken.
pub(super) fn connecting(name: &str) -> Failure {
    Failure::new(Reason::Progressing, format!("cluster {name:?} is being connected to"))
}

impl Context {
    /// Takes note of a failure that may come from a cluster that cannot be reached any more, which is then looked at.
    pub fn doubt(&self, failure: &Failure) {
        let doubtful =
            matches!(failure.reason, Reason::ClusterUnreachable | Reason::PermissionDenied | Reason::RecordFailed);
        if let Some(seat) = self.seat().filter(|_| doubtful) {
            seat.doubts.notify_one();
        }
    }
}

//! Whether the operator is ready: its caches hold the cluster's objects, and it knows whether it leads.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A handle that the parts of the operator report to and the HTTP server asks. Once ready, it stays ready.
#[derive(Clone, Debug, Default)]
pub struct Readiness {
    steps: Arc<Steps>,
}

#[derive(Debug, Default)]
struct Steps {
    caches_synced: AtomicBool,
    lease_known: AtomicBool,
}

impl Readiness {
    /// Reports that every cache had its first complete list.
    pub fn caches_synced(&self) {
        self.steps.caches_synced.store(true, Ordering::Relaxed);
    }

    /// Reports that the lease was read: whether this process leads or stands by is known.
    pub fn lease_known(&self) {
        self.steps.lease_known.store(true, Ordering::Relaxed);
    }

    /// What is still waited for; nothing when the operator is ready.
    pub fn missing(&self) -> Vec<&'static str> {
        let Steps { caches_synced, lease_known } = &*self.steps;
        let steps = [(caches_synced, "caches are not filled yet"), (lease_known, "the lease is not known yet")];
        steps.into_iter().filter(|(done, _)| !done.load(Ordering::Relaxed)).map(|(_, missing)| missing).collect()
    }
}

//! The gate of a place whose charts must be signed: what has passed it, and what is looked at just now.
//!
//! It belongs to a handle on a repository and goes with it, so that other keys mean another gate. What has passed is
//! the archive of a version by its digest, until the key that signed it expires.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use futures::FutureExt;
use futures::future::{BoxFuture, Shared};

use super::Signer;
use crate::source::index::Entry;
use crate::source::{Digest, SourceError};

/// How many archives are remembered; whoever has more pays with checks that are made again.
const REMEMBERED: usize = 10_000;

type Outcome = Result<Signer, SourceError>;
type Flight = Shared<BoxFuture<'static, Outcome>>;
/// Where the archive is, and what it is.
type Key = (Box<str>, Digest);

/// What has passed.
#[derive(Default)]
pub(in crate::source) struct Gate {
    flights: Mutex<HashMap<Key, Flight>>,
}

impl Gate {
    /// Lets an archive pass that has passed before or that the check lets pass. Who comes while another waits for the
    /// same check waits with it; what was refused is checked anew the next time.
    pub(in crate::source) async fn pass(
        &self,
        entry: &Entry,
        digest: Digest,
        check: impl FnOnce() -> BoxFuture<'static, Outcome>,
    ) -> Result<(), SourceError> {
        let key = (entry.url.clone(), digest);
        let flight = self.join(&key, check);
        let outcome = flight.clone().await;
        let mut flights = self.flights();
        if outcome.is_err() && flights.get(&key).is_some_and(|current| current.ptr_eq(&flight)) {
            flights.remove(&key);
        }
        outcome.map(drop)
    }

    /// The fingerprint of the key that signed an archive which has passed.
    pub(in crate::source) fn signer(&self, entry: &Entry) -> Option<String> {
        let key = (entry.url.clone(), entry.cached_digest()?);
        let signer = self.flights().get(&key)?.peek()?.clone().ok()?;
        Some(signer.key)
    }

    fn join(&self, key: &Key, check: impl FnOnce() -> BoxFuture<'static, Outcome>) -> Flight {
        let mut flights = self.flights();
        let is_over = |flight: &Flight| flight.peek().is_some_and(|outcome| !outcome.as_ref().is_ok_and(counts_still));
        if flights.get(key).is_some_and(is_over) {
            flights.remove(key);
        }
        if flights.len() >= REMEMBERED {
            flights.clear();
        }
        flights.entry(key.clone()).or_insert_with(|| check().shared()).clone()
    }

    fn flights(&self) -> MutexGuard<'_, HashMap<Key, Flight>> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn counts_still(signer: &Signer) -> bool {
    signer.until.is_none_or(|until| SystemTime::now() <= until)
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").finish_non_exhaustive()
    }
}

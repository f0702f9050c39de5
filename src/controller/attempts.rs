//! Failures in a row, by key: how long to pause after each, and forgotten at success.
//!
//! kube-runtime's error policy keeps no state between failures, so it lives here.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::backoff::pause;

/// The number of failures in a row, by key.
pub struct Attempts<K> {
    failures: Mutex<HashMap<K, u32>>,
}

impl<K> Default for Attempts<K> {
    fn default() -> Self {
        Self { failures: Mutex::default() }
    }
}

impl<K: Hash + Eq> Attempts<K> {
    /// Counts a failure and returns how long to pause.
    pub fn fail(&self, key: K) -> Duration {
        let mut failures = self.lock();
        let count = failures.entry(key).or_insert(0);
        *count = count.saturating_add(1);
        pause(*count)
    }

    /// Forgets the failures of a key.
    pub fn succeed(&self, key: &K) {
        self.lock().remove(key);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<K, u32>> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_until_success() {
        let attempts = Attempts::default();
        let pauses: Vec<Duration> = (0..5).map(|_| attempts.fail("request")).collect();
        assert!(pauses.windows(2).all(|pair| pair[0] < pair[1]), "{pauses:?}");
        attempts.succeed(&"request");
        assert!(attempts.fail("request") <= Duration::from_secs(1));
    }
}

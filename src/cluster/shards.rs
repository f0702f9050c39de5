//! The shards that this replica works on, and the right to work that each piece of work takes from them.
//!
//! A request belongs to one shard for ever: the first eight bytes of the SHA-256 of `NAMESPACE/NAME`, big-endian, modulo
//! the number of shards. That is a promise between versions: during an upgrade an old and a new replica must agree.
//!
//! A shard passes through three states here. It is *taken* when its lease is ours; it is *begun* once the caches have
//! caught up with what its last holder wrote; and when it is to go, the work on it is told to stop, and it counts as left
//! when the last piece of work has ended. Whoever works holds a [`Shift`] and writes through its fenced handle.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use sha2::{Digest, Sha256};
use tokio::sync::watch;
use tokio::time::timeout;

use super::client::Cluster;
use super::fence::Fence;

/// The most shards there can be: more only cost requests.
pub const MOST_SHARDS: u16 = 64;

/// The shard of what has no shard of its own: repositories and their charts.
pub const FIRST_SHARD: u16 = 0;

/// The shard of a request.
pub fn shard_of(namespace: &str, name: &str, count: u16) -> u16 {
    let digest = Sha256::digest(format!("{namespace}/{name}"));
    let first = digest.iter().take(8).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    u16::try_from(first % u64::from(count.max(1))).unwrap_or(0)
}

/// What happened to a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Its lease is ours since this epoch; work on it begins with [`Shards::begin`].
    Taken {
        /// The shard.
        shard: u16,
        /// How often its lease has changed hands.
        epoch: i64,
    },
    /// The last work on it has ended.
    Left {
        /// The shard.
        shard: u16,
    },
}

/// The shards of this replica; every clone is a handle on the same.
#[derive(Clone)]
pub struct Shards {
    shared: Arc<Shared>,
}

struct Shared {
    count: u16,
    cluster: Cluster,
    /// Writes nothing: for what belongs to no shard of ours.
    refusing: Cluster,
    tenures: Mutex<BTreeMap<u16, Tenure>>,
    changes: UnboundedSender<Change>,
    /// How often the first shard was begun.
    first_begun: watch::Sender<u64>,
}

/// A shard that is ours.
struct Tenure {
    epoch: i64,
    fence: Fence,
    cluster: Cluster,
    stage: Stage,
    /// Each piece of work has a receiver, so it is closed when the last has ended.
    stop: Arc<watch::Sender<bool>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The caches may lag behind what the last holder wrote.
    Taken,
    /// It is worked on.
    Begun,
    /// Nothing new begins.
    Leaving,
}

/// The right to work on a request, until it is dropped or told to stop.
pub struct Shift {
    stop: watch::Receiver<bool>,
}

impl Shift {
    /// Completes when the work has to be given up at once.
    pub async fn cancelled(&mut self) {
        // A sender that is gone means that the shard is no longer ours.
        let _ = self.stop.wait_for(|stop| *stop).await;
    }
}

impl Shards {
    /// None of `count` shards, and what will happen to them.
    pub fn none(cluster: &Cluster, count: u16) -> (Self, UnboundedReceiver<Change>) {
        let (changes, told) = unbounded();
        let refusing = Fence::until_renewed();
        let shared = Shared {
            count,
            cluster: cluster.clone(),
            refusing: cluster.fenced(refusing),
            tenures: Mutex::default(),
            changes,
            first_begun: watch::Sender::new(0),
        };
        (Self { shared: Arc::new(shared) }, told)
    }

    /// The only shard, which this replica has as long as the fence is open.
    pub fn whole(cluster: &Cluster, fence: Fence) -> Self {
        let (shards, _) = Self::none(cluster, 1);
        shards.take(FIRST_SHARD, 0, fence);
        shards.begin(FIRST_SHARD, 0);
        shards
    }

    /// Into how many shards the requests are divided.
    pub fn count(&self) -> u16 {
        self.shared.count
    }

    /// How many shards are ours.
    pub fn held(&self) -> usize {
        self.tenures().len()
    }

    /// Whether work may be done on a shard.
    pub fn works_on(&self, shard: u16) -> bool {
        self.tenures().get(&shard).is_some_and(|tenure| tenure.stage == Stage::Begun)
    }

    /// The right to work on a request; nothing where its shard is not ours.
    pub fn enter(&self, namespace: &str, name: &str) -> Option<Shift> {
        let shard = shard_of(namespace, name, self.shared.count);
        let tenures = self.tenures();
        let tenure = tenures.get(&shard).filter(|tenure| tenure.stage == Stage::Begun)?;
        Some(Shift { stop: tenure.stop.subscribe() })
    }

    /// The handle to write for a request with: it refuses as soon as the shard may be another replica's.
    pub fn cluster_of(&self, namespace: &str, name: &str) -> Cluster {
        self.cluster_of_shard(shard_of(namespace, name, self.shared.count))
    }

    /// The handle to write for a shard with.
    pub fn cluster_of_shard(&self, shard: u16) -> Cluster {
        self.tenures().get(&shard).map_or_else(|| self.shared.refusing.clone(), |tenure| tenure.cluster.clone())
    }

    /// The fence of what is written for a request, whichever API server it is written to: it closes as soon as the shard
    /// may be another replica's.
    pub fn fence_of(&self, namespace: &str, name: &str) -> Fence {
        let shard = shard_of(namespace, name, self.shared.count);
        self.tenures().get(&shard).map_or_else(Fence::until_renewed, |tenure| tenure.fence.clone())
    }

    /// Lets work on a shard begin, if it is still ours since this epoch.
    pub fn begin(&self, shard: u16, epoch: i64) {
        let begins = match self.tenures().get_mut(&shard) {
            Some(tenure) if tenure.epoch == epoch && tenure.stage == Stage::Taken => {
                tenure.stage = Stage::Begun;
                true
            }
            _ => false,
        };
        if begins && shard == FIRST_SHARD {
            self.shared.first_begun.send_modify(|times| *times += 1);
        }
    }

    /// Changes whenever the first shard is begun.
    pub fn first_begun(&self) -> watch::Receiver<u64> {
        self.shared.first_begun.subscribe()
    }

    /// Takes note that the lease of a shard is ours.
    pub(super) fn take(&self, shard: u16, epoch: i64, fence: Fence) {
        let cluster = self.shared.cluster.fenced(fence.clone());
        let stop = Arc::new(watch::Sender::new(false));
        let tenure = Tenure { epoch, fence, cluster, stage: Stage::Taken, stop };
        self.tenures().insert(shard, tenure);
        let _ = self.shared.changes.unbounded_send(Change::Taken { shard, epoch });
    }

    /// Ends the work on a shard: nothing new begins, what runs may finish for `patience` and is given up then. Where
    /// something had to be given up, a request of it may still be on its way; it waits for `grace` then.
    pub(super) async fn leave(&self, shard: u16, patience: Duration, grace: Duration) {
        let Some((fence, stop)) = self.shut(shard) else { return };
        if timeout(patience, stop.closed()).await.is_err() {
            fence.close();
            stop.send_replace(true);
            stop.closed().await;
            tokio::time::sleep(grace).await;
        }
        fence.close();
        self.tenures().remove(&shard);
        let _ = self.shared.changes.unbounded_send(Change::Left { shard });
    }

    /// Lets no new work on a shard begin; what still runs goes on writing until it ends.
    fn shut(&self, shard: u16) -> Option<(Fence, Arc<watch::Sender<bool>>)> {
        let mut tenures = self.tenures();
        let tenure = tenures.get_mut(&shard)?;
        tenure.stage = Stage::Leaving;
        Some((tenure.fence.clone(), Arc::clone(&tenure.stop)))
    }

    fn tenures(&self) -> MutexGuard<'_, BTreeMap<u16, Tenure>> {
        self.shared.tenures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use futures::StreamExt;
    use tokio::time::Instant;

    use super::*;

    /// A handle on no API server.
    fn cluster() -> Cluster {
        let config = kube::Config::new(http::Uri::from_static("http://127.0.0.1:1"));
        Cluster::connect(config, Duration::from_secs(1), None).expect("a client")
    }

    fn held() -> Fence {
        let fence = Fence::until_renewed();
        fence.renew(Instant::now() + Duration::from_secs(60));
        fence
    }

    #[test]
    fn a_request_stays_in_its_shard_in_every_version() {
        let table = [("default", "web", 4, 0), ("shop", "web", 7, 5), ("default", "web", 1, 0)];
        for (namespace, name, count, expected) in table {
            assert_eq!(shard_of(namespace, name, count), expected, "{namespace}/{name} of {count}");
        }
        let mut sizes = [0; 8];
        (0..800).for_each(|number| sizes[usize::from(shard_of("shop", &format!("web-{number}"), 8))] += 1);
        assert!(sizes.iter().all(|size| (70..130).contains(size)), "{sizes:?}");
    }

    #[tokio::test]
    async fn work_begins_when_the_shard_has_begun_and_is_told_to_stop_before_it_is_left() {
        let (shards, mut changes) = Shards::none(&cluster(), 1);
        assert!(shards.enter("default", "web").is_none());
        shards.take(0, 7, held());
        assert_eq!(changes.next().await, Some(Change::Taken { shard: 0, epoch: 7 }));
        assert!(shards.enter("default", "web").is_none(), "the caches are not known to be current");
        shards.begin(0, 6);
        assert!(!shards.works_on(0), "that was an earlier time");
        shards.begin(0, 7);
        let mut shift = shards.enter("default", "web").expect("the shard is ours");

        let leaving = tokio::spawn({
            let shards = shards.clone();
            async move { shards.leave(0, Duration::from_millis(20), Duration::ZERO).await }
        });
        shift.cancelled().await;
        assert!(shards.enter("default", "web").is_none(), "nothing new begins");
        assert!(!leaving.is_finished(), "it is left when the last work has ended");
        drop(shift);
        leaving.await.expect("it does not panic");
        assert_eq!((changes.next().await, shards.held()), (Some(Change::Left { shard: 0 }), 0));
    }
}

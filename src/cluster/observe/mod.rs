//! Observing what was deployed: drift and health as events, not polls.
//!
//! One [`Observer`] serves all releases of a cluster. For each kind in use it keeps two watches over all namespaces:
//! one of the objects with Helm's label, of which it remembers identity, owner, a hash over our entry of
//! `managedFields` and a health verdict; and one, metadata only, of all others, of which it remembers that they are
//! there. So an operation learns from memory which objects exist and whose they are ([`Observer::lookup`]), and in a
//! steady state no request is sent at all.
//!
//! An *owner* (a HelmRequest) tells what it expects of its objects: the hash in the reply to its own apply. When an
//! object turns out otherwise, when its health changes or when a ConfigMap or Secret that values come from changes,
//! the owner comes out of [`Observer::triggers`] once; it then asks for [`Observer::deviations`] and
//! [`Observer::health`]. Our own writes are no news: see [`Observer::hold`] and [`Expectation`].

mod causes;
mod decode;
mod differing;
mod fields_hash;
mod foreseen;
mod forgiving;
mod index;
mod kind;
mod lists;
mod mutated;
mod ownership;
mod path;
mod queue;
mod sources;
mod standing;
mod watch;

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::Stream;
use tokio::sync::Notify;
use tokio::time::Instant;

use self::index::Index;
use self::watch::Watches;
use super::client::Cluster;
use super::discovery::Kind;
use super::error::ApiError;
use super::health::Verdict;
use super::object::ObjectKey;
use super::ownership::Marks;
use super::scope::Scope;
use crate::value::Json;

pub use causes::Cause;
pub use differing::{Differing, differing};
pub use fields_hash::ownership_hash;
pub use foreseen::foreseen;
pub use lists::{ListKey, ListRead, list_version};
pub use mutated::mutated;
pub use ownership::{Taken, Writer, cause, owners};
pub use path::FieldPath;
pub use standing::{ReleaseHealth, Standing};
pub use watch::of_watch;

/// Who expects something of objects: a HelmRequest.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OwnerKey {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl fmt::Display for OwnerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// What changed for an owner, the gravest last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Change {
    /// An object is still on its way, but another step further.
    Progress,
    /// An object's health is another than before.
    Health,
    /// An object that values come from, or that a lookup found.
    Source,
    /// An object is no longer, or again, as expected.
    Modified,
    /// An object is gone.
    Deleted,
}

impl Change {
    const fn is_deviation(self) -> bool {
        matches!(self, Self::Modified | Self::Deleted)
    }
}

/// An owner has something to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trigger {
    /// The owner.
    pub owner: OwnerKey,
    /// The object that changed; if several did, the one with the gravest change.
    pub object: ObjectKey,
    /// What changed.
    pub change: Change,
}

/// What an owner expects of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expectation {
    /// That it stays as it is now. An object that is not there deviates.
    Live,
    /// That it stays as the reply to a write shows it.
    Written {
        /// The hash over our entry; `None` expects only that the object is there.
        hash: Option<u64>,
        /// The resource version of the reply; observations of an older one are not news. 0 where it is not known.
        version: u64,
    },
}

impl Expectation {
    /// What the reply to an apply lets expect.
    pub fn from_reply(object: &Json) -> Self {
        let version = object.pointer("/metadata/resourceVersion").and_then(Json::as_str);
        Self::Written { hash: ownership_hash(object), version: decode::version_number(version) }
    }

    /// That it becomes another than it is: no fields hash to this.
    pub const ANOTHER: Self = Self::Written { hash: Some(0), version: 0 };

    /// What the reply to the dry run of an apply lets expect: nothing was written, so everything seen counts.
    pub fn from_dry_run(object: &Json) -> Self {
        Self::Written { hash: ownership_hash(object), version: 0 }
    }
}

/// An object that is not as its owner expects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deviation {
    /// The object.
    pub object: ObjectKey,
    /// Whether it is gone; else fields of ours were changed.
    pub gone: bool,
    /// When the change was seen; what was found without having been seen, when it was first looked at.
    pub since: Instant,
}

/// What is known of an object from memory.
#[derive(Clone, Debug, PartialEq)]
pub enum Observed {
    /// Its kind is not watched, or not everything was told yet: see [`Observer::ensure`].
    NotWatched,
    /// It does not exist.
    Absent,
    /// It exists without Helm's label.
    Foreign,
    /// It exists with Helm's label.
    Managed(ObjectState),
}

/// An object with Helm's label as it was last seen.
#[derive(Clone, Debug, PartialEq)]
pub struct ObjectState {
    /// Its identity among all that ever had its name.
    pub uid: String,
    /// Its resource version as a number; 0 where it is none.
    pub version: u64,
    /// How often its spec was changed.
    pub generation: i64,
    /// The release that it belongs to.
    pub marks: Marks,
    /// Whether Helm's resource policy keeps it.
    pub is_kept: bool,
    /// The hash over our entry of `managedFields`.
    pub hash: Option<u64>,
    /// Its health.
    pub verdict: Verdict,
}

/// An object that an owner has read, for its values or by `lookup`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceRead {
    /// The object.
    pub object: ObjectKey,
    /// The resource version that was read as a number; 0 where it did not exist.
    pub version: u64,
}

impl SourceRead {
    /// What reading an object gave; no version where it did not exist.
    pub fn new(object: ObjectKey, resource_version: Option<&str>) -> Self {
        Self { object, version: decode::version_number(resource_version) }
    }
}

/// Why a kind cannot be observed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ObserveError {
    /// The API server refuses to list or watch it.
    #[error("{resource} cannot be watched: {error}")]
    Refused {
        /// The resource, for example `deployments.apps`.
        resource: String,
        /// Why: a missing right names verb and resource.
        error: ApiError,
    },
    /// It belongs to the whole cluster, of which only some namespaces are served.
    #[error("{resource} are not in a namespace, and only namespaces are served (--watch-namespaces {scope})")]
    OutOfScope {
        /// The resource.
        resource: String,
        /// What is served.
        scope: Scope,
    },
    /// Not everything was told in time.
    #[error("{resource} could not be listed within {} seconds{}", .limit.as_secs(), last_failure(.last.as_ref()))]
    Timeout {
        /// The resource.
        resource: String,
        /// How long was waited.
        limit: Duration,
        /// The last failure, if there was one.
        last: Option<ApiError>,
    },
}

fn last_failure(error: Option<&ApiError>) -> String {
    error.map(|error| format!(": {error}")).unwrap_or_default()
}

/// The observer of one cluster. Clones are cheap and share everything; with the last one its watches end.
#[derive(Clone)]
pub struct Observer {
    shared: Arc<Shared>,
    watches: Arc<Watches>,
}

/// What the watches fill and the owners ask.
#[derive(Default)]
struct Shared {
    index: Mutex<Index>,
    /// Rung when a trigger may wait.
    bell: Notify,
}

impl Shared {
    /// A panic of another thread leaves the index readable: it is changed in small, complete steps.
    fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the index and rings the bell.
    fn change<T>(&self, change: impl FnOnce(&mut Index) -> T) -> T {
        let mut index = self.index();
        let result = change(&mut index);
        let rings = index.has_triggers();
        drop(index);
        // Most events are no news to anyone.
        if rings {
            self.bell.notify_one();
        }
        result
    }
}

impl Observer {
    /// An observer that watches with this handle's rights; it watches nothing until it is asked to.
    pub fn new(cluster: &Cluster) -> Self {
        let shared = Arc::new(Shared::default());
        Self { watches: Arc::new(Watches::new(cluster, Arc::clone(&shared))), shared }
    }

    /// Watches these kinds from now on and waits until everything that exists was told once.
    ///
    /// A watch that was refused is tried again, so a right that was granted meanwhile counts.
    ///
    /// # Errors
    /// The first kind that cannot be watched, or that was not told within `limit`.
    pub async fn ensure(&self, kinds: &[Kind], limit: Duration) -> Result<(), ObserveError> {
        self.watches.ensure(kinds, limit).await
    }

    /// What is known of an object, from memory.
    pub fn lookup(&self, object: &ObjectKey) -> Observed {
        self.shared.index().lookup(object)
    }

    /// Sets what an owner expects of its objects, in place of everything that it expected before.
    pub fn track(&self, owner: &OwnerKey, objects: Vec<(ObjectKey, Expectation)>) {
        self.track_beside(owner, objects, &HashSet::new());
    }

    /// The same, but of the `settled` objects the owner goes on to expect what it did.
    pub fn track_beside(&self, owner: &OwnerKey, objects: Vec<(ObjectKey, Expectation)>, settled: &HashSet<ObjectKey>) {
        self.shared.index().track(owner, objects, settled);
    }

    /// Sets what an owner expects of one object, after it was written.
    pub fn expect(&self, owner: &OwnerKey, object: &ObjectKey, expectation: Expectation) {
        self.shared.index().expect(owner, object, expectation);
    }

    /// Sets the objects that an owner has read, in place of all before. Their kinds must be watched. One that is already
    /// newer triggers at once.
    pub fn read_sources(&self, owner: &OwnerKey, sources: Vec<SourceRead>) {
        self.shared.change(|index| index.read_sources(owner, sources));
    }

    /// Sets the lists that an owner has read, in place of all before. Their kinds must be watched. One that is another
    /// already triggers at once.
    pub fn read_lists(&self, owner: &OwnerKey, lists: Vec<ListRead>) {
        self.shared.change(|index| index.read_lists(owner, lists));
    }

    /// The present version of a list (see [`list_version`]) without what its reader expects itself; nothing while that
    /// is not known.
    pub fn list_version(&self, list: &ListKey, reader: &OwnerKey) -> Option<u64> {
        self.shared.index().list_version(list, reader)
    }

    /// The live objects that carry the marks of a release, of the kinds that are watched.
    pub fn objects_of(&self, release: &str, namespace: &str) -> Vec<ObjectKey> {
        self.shared.index().objects_of(release, namespace)
    }

    /// The present resource version of an object, as a number: 0 where it does not exist, nothing while that is not
    /// known.
    pub fn version(&self, object: &ObjectKey) -> Option<u64> {
        self.shared.index().version(object)
    }

    /// Forgets an owner: what it expects, what it read and its waiting trigger.
    pub fn forget(&self, owner: &OwnerKey) {
        self.shared.index().forget(owner);
    }

    /// Keeps news for an owner back while it works, until the hold is dropped. What [`Self::deviations`] and
    /// [`Self::health`] tell meanwhile is not sent again.
    pub fn hold(&self, owner: &OwnerKey) -> Hold {
        self.shared.index().hold(owner);
        Hold { shared: Arc::clone(&self.shared), owner: owner.clone() }
    }

    /// The objects of an owner that are not as expected.
    pub fn deviations(&self, owner: &OwnerKey) -> Vec<Deviation> {
        self.shared.index().deviations(owner)
    }

    /// The health of an owner's objects, for one who tells it: what is told here is not sent again to a held owner.
    pub fn health(&self, owner: &OwnerKey) -> ReleaseHealth {
        self.shared.index().health(owner)
    }

    /// The same for one who only looks.
    pub fn look_at_health(&self, owner: &OwnerKey) -> ReleaseHealth {
        self.shared.index().look_at_health(owner)
    }

    /// Why changes of some of an owner's objects are not noticed: a watch that the API server refuses. Its end is told.
    pub fn blindness(&self, owner: &OwnerKey) -> Option<ObserveError> {
        self.shared.index().blindness(owner)
    }

    /// Has every watch that was refused tried again now: a kind or a right may have come.
    pub fn retry(&self) {
        self.watches.retry();
    }

    /// A digest over what an owner expects of its objects, or nothing for one that expects nothing. With
    /// [`Expectation::Live`] for all of them it tells after a restart whether they are still as they were.
    pub fn digest(&self, owner: &OwnerKey) -> Option<String> {
        self.shared.index().digest(owner)
    }

    /// The owners that have something to look at, each once until it was taken. Meant for one reader.
    pub fn triggers(&self) -> impl Stream<Item = Trigger> + Send + use<> {
        let shared = Arc::clone(&self.shared);
        futures::stream::unfold(shared, |shared| async move {
            loop {
                let next = shared.index().next_trigger();
                if let Some(trigger) = next {
                    return Some((trigger, shared));
                }
                shared.bell.notified().await;
            }
        })
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observer").finish_non_exhaustive()
    }
}

/// Keeps news for an owner back until it is dropped, see [`Observer::hold`].
#[must_use = "news are kept back only while it lives"]
pub struct Hold {
    shared: Arc<Shared>,
    owner: OwnerKey,
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.shared.change(|index| index.release(&self.owner));
    }
}

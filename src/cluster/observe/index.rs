//! What is known of a cluster and what its owners expect, without any connection: events go in, news for owners come
//! out.
//!
//! Here is what the watches tell; what owners expect is in [`owners`].

mod owners;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use kube::core::ApiResource;

use self::owners::Owner;
use super::decode::{Managed, Stranger};
use super::kind::{KindIndex, Live, News, identity};
use super::lists::{ListKey, Lists};
use super::queue::Queue;
use super::sources::Sources;
use super::{ObjectState, ObserveError, Observed, OwnerKey};
use crate::cluster::ObjectKey;
use crate::cluster::object::MANAGED_BY;
use crate::cluster::ownership::Marks;

/// The place of a kind in the index.
pub(super) type KindId = usize;

/// Everything that is known and expected.
#[derive(Debug, Default)]
pub(super) struct Index {
    kinds: Vec<KindIndex>,
    owners: HashMap<Arc<OwnerKey>, Owner>,
    sources: Sources,
    lists: Lists,
    /// The marks of releases, each once.
    marks: HashSet<Arc<Marks>>,
    queue: Queue,
}

impl Index {
    /// The place of a kind; it gets one if it has none.
    pub(super) fn kind(&mut self, group: &str, kind: &str) -> KindId {
        self.find_kind(group, kind).unwrap_or_else(|| {
            self.kinds.push(KindIndex::new(group, kind));
            self.kinds.len() - 1
        })
    }

    fn find_kind(&self, group: &str, kind: &str) -> Option<KindId> {
        self.kinds.iter().position(|index| index.is(group, kind))
    }

    /// What is known of an object.
    pub(super) fn lookup(&self, key: &ObjectKey) -> Observed {
        let Some(kind) = self.find_kind(&key.group, &key.kind).map(|id| &self.kinds[id]) else {
            return Observed::NotWatched;
        };
        if !kind.is_complete() {
            return Observed::NotWatched;
        }
        let identity = identity(&key.namespace, &key.name);
        match kind.entry(identity).and_then(|entry| entry.live.as_ref()) {
            Some(live) => Observed::Managed(state(live)),
            None if kind.is_stranger(identity) => Observed::Foreign,
            None => Observed::Absent,
        }
    }

    /// The live objects of a release, in the order of their keys.
    pub(super) fn objects_of(&self, release: &str, namespace: &str) -> Vec<ObjectKey> {
        let marks = helms(Some(release.to_owned()), Some(namespace.to_owned()));
        let mut objects: Vec<ObjectKey> = self.kinds.iter().flat_map(|kind| kind.live_of(&marks)).collect();
        objects.sort();
        objects
    }

    /// The present version of an object: 0 where it does not exist, nothing while that is not known.
    pub(super) fn version(&self, object: &ObjectKey) -> Option<u64> {
        let kind = &self.kinds[self.find_kind(&object.group, &object.kind)?];
        let version = kind.version(identity(&object.namespace, &object.name)).unwrap_or(0);
        kind.is_complete().then_some(version)
    }

    /// A watch of the objects with Helm's label starts telling all of them.
    pub(super) fn begin(&mut self, id: KindId) {
        self.kinds[id].begin();
    }

    /// An object with Helm's label was told or changed.
    pub(super) fn apply(&mut self, id: KindId, mut object: Managed, resource: &ApiResource) {
        let live = Live {
            uid: object.uid.as_str().into(),
            version: object.version(),
            generation: object.generation,
            marks: self.marks(object.release.take(), object.release_namespace.take()),
            is_kept: object.is_kept,
            hash: object.hash,
            verdict: object.verdict(resource),
        };
        self.apply_live(id, &object.namespace, &object.name, live);
    }

    pub(super) fn apply_live(&mut self, id: KindId, namespace: &str, name: &str, live: Live) {
        let identity = identity(namespace, name);
        let is_news = self.kinds[id].version(identity) != Some(live.version);
        let changed = self.sources.seen((id, identity), live.version);
        let news = self.kinds[id].apply(namespace, name, live);
        self.spread(changed.into_iter().chain(news));
        if is_news {
            self.tell_lists(id, namespace, name);
        }
    }

    /// An object with Helm's label is gone.
    pub(super) fn delete(&mut self, id: KindId, namespace: &str, name: &str, version: u64) {
        let changed = self.sources.lost((id, identity(namespace, name)), version);
        let news = self.kinds[id].delete(namespace, name, version);
        self.spread(changed.into_iter().chain(news));
        self.tell_lists(id, namespace, name);
    }

    /// All objects with Helm's label were told.
    pub(super) fn end(&mut self, id: KindId) {
        let news = self.kinds[id].end();
        self.spread(news);
        self.marks.retain(|marks| Arc::strong_count(marks) > 1);
        self.check_sources(id);
    }

    /// Changes of the objects with Helm's label are not noticed any more, or are again.
    pub(super) fn blind(&mut self, id: KindId, why: Option<ObserveError>) {
        let news = self.kinds[id].set_blind(why);
        self.spread(news);
    }

    /// A watch of the objects without Helm's label starts telling all of them.
    pub(super) fn begin_strangers(&mut self, id: KindId) {
        self.kinds[id].begin_strangers();
    }

    /// An object without Helm's label is told.
    pub(super) fn tell_stranger(&mut self, id: KindId, stranger: &Stranger) {
        self.kinds[id].tell_stranger(&stranger.namespace, &stranger.name, stranger.version());
    }

    /// An object without Helm's label appeared or changed.
    pub(super) fn apply_stranger(&mut self, id: KindId, stranger: &Stranger) {
        self.change_stranger(id, &stranger.namespace, &stranger.name, stranger.version());
    }

    pub(super) fn change_stranger(&mut self, id: KindId, namespace: &str, name: &str, version: u64) {
        self.kinds[id].apply_stranger(namespace, name, version);
        let news = self.sources.seen((id, identity(namespace, name)), version);
        self.spread(news);
        self.tell_lists(id, namespace, name);
    }

    /// An object without Helm's label is gone.
    pub(super) fn delete_stranger(&mut self, id: KindId, namespace: &str, name: &str, version: u64) {
        let identity = identity(namespace, name);
        self.kinds[id].delete_stranger(identity);
        let news = self.sources.lost((id, identity), version);
        self.spread(news);
        self.tell_lists(id, namespace, name);
    }

    /// All objects without Helm's label were told.
    pub(super) fn end_strangers(&mut self, id: KindId) {
        self.kinds[id].end_strangers();
        self.check_sources(id);
    }

    /// After a telling: sources may have changed or gone while the watch was cut.
    fn check_sources(&mut self, id: KindId) {
        if !self.kinds[id].is_complete() {
            return;
        }
        for place in self.sources.of_kind(id) {
            let news = match self.kinds[id].version(place.1) {
                Some(version) => self.sources.seen(place, version),
                None => self.sources.lost(place, 0),
            };
            self.spread(news);
        }
        self.check_lists(id);
    }

    /// An object changed, appeared or went: those who read a list with it should know, unless it is their own.
    fn tell_lists(&mut self, id: KindId, namespace: &str, name: &str) {
        let readers = self.lists.of_kind(id);
        if readers.is_empty() {
            return;
        }
        let kind = &self.kinds[id];
        let tracked = kind.entry(identity(namespace, name)).and_then(|entry| entry.tracked.as_ref());
        let is_own = |reader: &Arc<OwnerKey>| tracked.is_some_and(|tracked| tracked.owner == *reader);
        let concerned = readers.iter().filter(|(reader, read)| read.list.covers(namespace) && !is_own(reader));
        let news: Vec<News> = concerned.map(|(reader, _)| News::source(reader, kind.key_of(namespace, name))).collect();
        self.spread(news);
    }

    /// Those whose list is not as they read it should know.
    fn check_lists(&mut self, id: KindId) {
        let kind = &self.kinds[id];
        let changed = self.lists.of_kind(id).iter().filter(|(reader, read)| {
            kind.list_version(&read.list, reader).is_some_and(|version| version != read.version)
        });
        let news: Vec<News> =
            changed.map(|(reader, read)| News::source(reader, kind.key_of(&read.list.namespace, ""))).collect();
        self.spread(news);
    }

    /// The present version of a list to an owner; nothing while it is not known.
    pub(super) fn list_version(&self, list: &ListKey, reader: &OwnerKey) -> Option<u64> {
        self.kinds[self.find_kind(&list.group, &list.kind)?].list_version(list, reader)
    }

    /// The marks of a release, shared by all its objects.
    fn marks(&mut self, release: Option<String>, namespace: Option<String>) -> Arc<Marks> {
        let marks = helms(release, namespace);
        if let Some(known) = self.marks.get(&marks) {
            return Arc::clone(known);
        }
        let marks = Arc::new(marks);
        self.marks.insert(Arc::clone(&marks));
        marks
    }
}

/// The marks of an object that a release of Helm has.
fn helms(release: Option<String>, namespace: Option<String>) -> Marks {
    Marks { managed_by: Some(MANAGED_BY.to_owned()), release, namespace }
}

fn state(live: &Live) -> ObjectState {
    ObjectState {
        uid: live.uid.to_string(),
        version: live.version,
        generation: live.generation,
        marks: Marks::clone(&live.marks),
        is_kept: live.is_kept,
        hash: live.hash,
        verdict: live.verdict.clone(),
    }
}

#[cfg(test)]
#[path = "index_tests.rs"]
mod tests;

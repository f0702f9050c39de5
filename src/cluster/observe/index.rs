//! What is known of a cluster and what its owners expect, without any connection: events go in, news for owners come
//! out.
//!
//! An operation of ours writes objects and the watches tell of it, in any order. Two rules keep our own writes from
//! looking like somebody else's. What is older than the reply to our last write is not news. And while an owner is
//! *held*, as it is during its own operation, news are kept back; when it is let go they are sent only if they still
//! hold.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use kube::core::ApiResource;
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use super::decode::{Managed, Stranger};
use super::kind::{Identity, KindIndex, Live, News, Tracked, identity};
use super::lists::{ListKey, ListRead, Lists};
use super::queue::Queue;
use super::sources::Sources;
use super::{
    Change, Deviation, Expectation, ObjectState, ObserveError, Observed, OwnerKey, ReleaseHealth, SourceRead, Trigger,
};
use crate::cluster::ObjectKey;
use crate::cluster::object::MANAGED_BY;
use crate::cluster::ownership::Marks;
use crate::value::hex;

/// The place of a kind in the index.
pub(super) type KindId = usize;

/// An owner of objects.
#[derive(Debug, Default)]
struct Owner {
    objects: Vec<(KindId, Identity)>,
    /// How many operations hold it.
    holds: usize,
    /// The gravest news that was kept back.
    kept_back: Option<(ObjectKey, Change)>,
    /// When a change was first seen of those objects that are not as expected.
    changed: HashMap<ObjectKey, Instant>,
}

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

    /// Why changes of some of an owner's objects are not noticed.
    pub(super) fn blindness(&self, owner: &OwnerKey) -> Option<ObserveError> {
        let known = self.owners.get(owner)?;
        known.objects.iter().find_map(|&(id, _)| self.kinds[id].blindness()).cloned()
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

    /// Sets what an owner expects, in place of everything that it expected before but of the `settled` objects.
    pub(super) fn track(
        &mut self,
        owner: &OwnerKey,
        objects: Vec<(ObjectKey, Expectation)>,
        settled: &HashSet<ObjectKey>,
    ) {
        let owner = self.owner_key(owner);
        let mut places: Vec<_> =
            objects.into_iter().map(|(object, wanted)| self.set(&owner, &object, wanted)).collect();
        for object in settled {
            places.push((self.kind(&object.group, &object.kind), identity(&object.namespace, &object.name)));
        }
        let known = self.owners.entry(Arc::clone(&owner)).or_default();
        let before = std::mem::replace(&mut known.objects, places);
        let now: HashSet<_> = known.objects.iter().copied().collect();
        for (id, identity) in before.into_iter().filter(|place| !now.contains(place)) {
            self.kinds[id].untrack(identity, &owner);
        }
    }

    /// Sets what an owner expects of one object, beside the others.
    pub(super) fn expect(&mut self, owner: &OwnerKey, object: &ObjectKey, wanted: Expectation) {
        let owner = self.owner_key(owner);
        let place = self.set(&owner, object, wanted);
        let known = self.owners.entry(owner).or_default();
        if !known.objects.contains(&place) {
            known.objects.push(place);
        }
    }

    /// Forgets what an owner expects and what it reads.
    pub(super) fn forget(&mut self, owner: &OwnerKey) {
        self.sources.remove(owner);
        self.lists.remove(owner);
        self.queue.remove(owner);
        let Some((owner, known)) = self.owners.remove_entry(owner) else { return };
        for (id, identity) in known.objects {
            self.kinds[id].untrack(identity, &owner);
        }
    }

    fn set(&mut self, owner: &Arc<OwnerKey>, object: &ObjectKey, wanted: Expectation) -> (KindId, Identity) {
        let id = self.kind(&object.group, &object.kind);
        let entry = self.kinds[id].entry_mut(&object.namespace, &object.name);
        let (hash, version) = match wanted {
            Expectation::Live => entry.live.as_ref().map_or((Some(0), 0), |live| (live.hash, live.version)),
            Expectation::Written { hash, version } => (hash, version),
        };
        let mut tracked = Tracked { owner: Arc::clone(owner), hash, version, awaiting: false, since: Instant::now() };
        tracked.awaiting = version != 0 && entry.live.as_ref().is_none_or(|live| tracked.is_after(live.version));
        entry.tracked = Some(tracked);
        (id, identity(&object.namespace, &object.name))
    }

    /// Sets what an owner read, in place of everything that it read before.
    pub(super) fn read_sources(&mut self, owner: &OwnerKey, sources: Vec<SourceRead>) {
        let owner = self.owner_key(owner);
        self.sources.remove(&owner);
        for SourceRead { object, version } in sources {
            let id = self.kind(&object.group, &object.kind);
            let place = (id, identity(&object.namespace, &object.name));
            self.sources.add(&owner, place, object, version);
            if let Some(version) = self.kinds[id].version(place.1) {
                let news = self.sources.seen(place, version);
                self.spread(news);
            }
        }
    }

    /// Sets the lists that an owner read, in place of all before.
    pub(super) fn read_lists(&mut self, owner: &OwnerKey, lists: Vec<ListRead>) {
        let owner = self.owner_key(owner);
        self.lists.remove(&owner);
        for read in lists {
            let id = self.kind(&read.list.group, &read.list.kind);
            self.lists.add(&owner, id, read);
            self.check_lists(id);
        }
    }

    /// Keeps news for an owner back until it is let go as often.
    pub(super) fn hold(&mut self, owner: &OwnerKey) {
        let owner = self.owner_key(owner);
        self.owners.entry(owner).or_default().holds += 1;
    }

    /// Lets an owner go; news that were kept back are sent if they still hold.
    pub(super) fn release(&mut self, owner: &OwnerKey) {
        let key = self.owner_key(owner);
        let Some(known) = self.owners.get_mut(&key) else { return };
        known.holds = known.holds.saturating_sub(1);
        if known.holds > 0 {
            return;
        }
        let kept_back = known.kept_back.take();
        if known.objects.is_empty() && kept_back.is_none() {
            self.owners.remove(&key);
            return;
        }
        let Some((object, change)) = kept_back else { return };
        let deviates = || known.objects.iter().any(|place| self.kinds[place.0].deviation(place.1).is_some());
        let change = if change.is_deviation() && !deviates() { Change::Health } else { change };
        self.queue.push(&key, object, change);
    }

    /// The objects of an owner that are not as expected. What is told here is not sent again by a held owner.
    pub(super) fn deviations(&mut self, owner: &OwnerKey) -> Vec<Deviation> {
        let Some(known) = self.owners.get_mut(owner) else { return Vec::new() };
        known.kept_back.take_if(|(_, change)| change.is_deviation());
        let places = known.objects.iter();
        let deviating = places.filter_map(|&(id, identity)| self.kinds[id].deviation(identity));
        let mut changed = std::mem::take(&mut known.changed);
        let deviations: Vec<Deviation> = deviating
            .map(|(object, gone)| {
                let since = changed.remove(&object).unwrap_or_else(Instant::now);
                Deviation { object, gone, since }
            })
            .collect();
        known.changed = deviations.iter().map(|deviation| (deviation.object.clone(), deviation.since)).collect();
        deviations
    }

    /// The health of an owner's objects. What is told here is not sent again by a held owner.
    pub(super) fn health(&mut self, owner: &OwnerKey) -> ReleaseHealth {
        let Some(known) = self.owners.get_mut(owner) else { return ReleaseHealth::default() };
        known.kept_back.take_if(|(_, change)| matches!(change, Change::Health | Change::Progress));
        self.look_at_health(owner)
    }

    /// The same for one who does not tell it: what was kept back is sent all the same.
    pub(super) fn look_at_health(&self, owner: &OwnerKey) -> ReleaseHealth {
        let Some(known) = self.owners.get(owner) else { return ReleaseHealth::default() };
        let standings = known.objects.iter().filter_map(|&(id, identity)| self.kinds[id].standing(identity));
        ReleaseHealth::of(standings)
    }

    /// A digest over what an owner expects, or nothing for one that expects nothing.
    pub(super) fn digest(&self, owner: &OwnerKey) -> Option<String> {
        let known = self.owners.get(owner).filter(|known| !known.objects.is_empty())?;
        let expected = known.objects.iter().filter_map(|&(id, identity)| self.kinds[id].expected(identity));
        let sorted: BTreeMap<ObjectKey, Option<u64>> = expected.collect();
        let mut digest = Sha256::new();
        for (ObjectKey { group, kind, namespace, name }, hash) in sorted {
            let hash = hash.map_or_else(|| "-".to_owned(), |hash| format!("{hash:016x}"));
            digest.update(format!("{group}/{kind}/{namespace}/{name}={hash}\n"));
        }
        Some(hex(&digest.finalize()))
    }

    /// The next owner that has something to look at.
    pub(super) fn next_trigger(&mut self) -> Option<Trigger> {
        self.queue.pop()
    }

    /// Whether an owner has something to look at.
    pub(super) fn has_triggers(&self) -> bool {
        !self.queue.is_empty()
    }

    fn spread(&mut self, news: impl IntoIterator<Item = News>) {
        for News { owner, object, change } in news {
            if let Some(known) = self.owners.get_mut(&owner) {
                if change.is_deviation() {
                    known.changed.entry(object.clone()).or_insert_with(Instant::now);
                }
                if known.holds > 0 {
                    if known.kept_back.as_ref().is_none_or(|(_, kept)| *kept < change) {
                        known.kept_back = Some((object, change));
                    }
                    continue;
                }
            }
            self.queue.push(&owner, object, change);
        }
    }

    fn owner_key(&self, owner: &OwnerKey) -> Arc<OwnerKey> {
        self.owners.get_key_value(owner).map_or_else(|| Arc::new(owner.clone()), |(key, _)| Arc::clone(key))
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

//! What owners expect of objects and read of them, and what they are told of it.
//!
//! An operation of ours writes objects and the watches tell of it, in any order. Two rules keep our own writes from
//! looking like somebody else's. What is older than the reply to our last write is not news. And while an owner is
//! *held*, as it is during its own operation, news are kept back; when it is let go they are sent only if they still
//! hold.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use sha2::{Digest, Sha256};
use tokio::time::Instant;

use super::{Index, KindId};
use crate::cluster::ObjectKey;
use crate::cluster::observe::kind::{Identity, News, Tracked, identity};
use crate::cluster::observe::lists::ListRead;
use crate::cluster::observe::{
    Change, Deviation, Expectation, ObserveError, OwnerKey, ReleaseHealth, SourceRead, Trigger,
};
use crate::value::hex;

/// An owner of objects.
#[derive(Debug, Default)]
pub(super) struct Owner {
    objects: Vec<(KindId, Identity)>,
    /// How many operations hold it.
    holds: usize,
    /// The gravest news that was kept back.
    kept_back: Option<(ObjectKey, Change)>,
    /// When a change was first seen of those objects that are not as expected.
    changed: HashMap<ObjectKey, Instant>,
}

impl Index {
    /// Sets what an owner expects, in place of everything that it expected before but of the `settled` objects.
    pub(in crate::cluster::observe) fn track(
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
    pub(in crate::cluster::observe) fn expect(&mut self, owner: &OwnerKey, object: &ObjectKey, wanted: Expectation) {
        let owner = self.owner_key(owner);
        let place = self.set(&owner, object, wanted);
        let known = self.owners.entry(owner).or_default();
        if !known.objects.contains(&place) {
            known.objects.push(place);
        }
    }

    /// Forgets what an owner expects and what it reads.
    pub(in crate::cluster::observe) fn forget(&mut self, owner: &OwnerKey) {
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
        // The watch may have told of our write, and even that the object has gone since, before the reply came.
        tracked.awaiting = version > entry.live.as_ref().map_or(entry.lost, |live| live.version);
        entry.tracked = Some(tracked);
        (id, identity(&object.namespace, &object.name))
    }

    /// Sets what an owner read, in place of everything that it read before.
    pub(in crate::cluster::observe) fn read_sources(&mut self, owner: &OwnerKey, sources: Vec<SourceRead>) {
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
    pub(in crate::cluster::observe) fn read_lists(&mut self, owner: &OwnerKey, lists: Vec<ListRead>) {
        let owner = self.owner_key(owner);
        self.lists.remove(&owner);
        for read in lists {
            let id = self.kind(&read.list.group, &read.list.kind);
            self.lists.add(&owner, id, read);
            self.check_lists(id);
        }
    }

    /// Keeps news for an owner back until it is let go as often.
    pub(in crate::cluster::observe) fn hold(&mut self, owner: &OwnerKey) {
        let owner = self.owner_key(owner);
        self.owners.entry(owner).or_default().holds += 1;
    }

    /// Lets an owner go; news that were kept back are sent if they still hold.
    pub(in crate::cluster::observe) fn release(&mut self, owner: &OwnerKey) {
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
    pub(in crate::cluster::observe) fn deviations(&mut self, owner: &OwnerKey) -> Vec<Deviation> {
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
    pub(in crate::cluster::observe) fn health(&mut self, owner: &OwnerKey) -> ReleaseHealth {
        let Some(known) = self.owners.get_mut(owner) else { return ReleaseHealth::default() };
        known.kept_back.take_if(|(_, change)| matches!(change, Change::Health | Change::Progress));
        self.look_at_health(owner)
    }

    /// The same for one who does not tell it: what was kept back is sent all the same.
    pub(in crate::cluster::observe) fn look_at_health(&self, owner: &OwnerKey) -> ReleaseHealth {
        let Some(known) = self.owners.get(owner) else { return ReleaseHealth::default() };
        let standings = known.objects.iter().filter_map(|&(id, identity)| self.kinds[id].standing(identity));
        ReleaseHealth::of(standings)
    }

    /// A digest over what an owner expects, or nothing for one that expects nothing.
    pub(in crate::cluster::observe) fn digest(&self, owner: &OwnerKey) -> Option<String> {
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
    pub(in crate::cluster::observe) fn next_trigger(&mut self) -> Option<Trigger> {
        self.queue.pop()
    }

    /// Whether an owner has something to look at.
    pub(in crate::cluster::observe) fn has_triggers(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Queues news for owners, or keeps them back.
    pub(super) fn spread(&mut self, news: impl IntoIterator<Item = News>) {
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

    /// Why changes of some of an owner's objects are not noticed.
    pub(in crate::cluster::observe) fn blindness(&self, owner: &OwnerKey) -> Option<ObserveError> {
        let known = self.owners.get(owner)?;
        known.objects.iter().find_map(|&(id, _)| self.kinds[id].blindness()).cloned()
    }
}

//! The objects of one kind: those with Helm's label in full, the others by the hash of their name.
//!
//! A watch tells the whole set again after it was cut (`begin`, each object, `end`); what is not told again is gone.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use tokio::time::Instant;

use super::lists::{ListKey, part};
use super::{Change, ObserveError, OwnerKey, Standing};
use crate::cluster::ObjectKey;
use crate::cluster::health::Verdict;
use crate::cluster::ownership::Marks;

/// A 64-bit hash of namespace and name; unique among the objects of a kind but for a chance of one in billions.
pub(super) type Identity = u64;

/// The identity of an object among those of its kind.
pub(super) fn identity(namespace: &str, name: &str) -> Identity {
    let mut hasher = DefaultHasher::new();
    (namespace, name).hash(&mut hasher);
    hasher.finish()
}

/// A hash of a namespace, to tell which objects without Helm's label are in it.
fn place(namespace: &str) -> u32 {
    let mut hasher = DefaultHasher::new();
    namespace.hash(&mut hasher);
    let [upper, lower @ ..] = hasher.finish().to_be_bytes().map(u32::from);
    lower.into_iter().fold(upper, |hash, byte| hash.rotate_left(8) ^ byte)
}

/// An object without Helm's label as it was last seen.
#[derive(Clone, Copy, Debug)]
struct Foreign {
    place: u32,
    version: u64,
}

impl Foreign {
    fn new(namespace: &str, version: u64) -> Self {
        Self { place: place(namespace), version }
    }
}

/// An object with Helm's label as it was last seen.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Live {
    pub(super) uid: Box<str>,
    pub(super) version: u64,
    pub(super) generation: i64,
    pub(super) marks: Arc<Marks>,
    pub(super) is_kept: bool,
    pub(super) hash: Option<u64>,
    pub(super) verdict: Verdict,
}

/// What an owner expects of an object.
#[derive(Clone, Debug)]
pub(super) struct Tracked {
    pub(super) owner: Arc<OwnerKey>,
    /// The hash over our entry; `None` expects only that the object is there.
    pub(super) hash: Option<u64>,
    /// The resource version of our last write; what is older is not news.
    pub(super) version: u64,
    /// Nothing as new as our last write was seen yet.
    pub(super) awaiting: bool,
    /// When it was last expected.
    pub(super) since: Instant,
}

impl Tracked {
    /// Whether this is what the object should be.
    pub(super) fn is_met_by(&self, live: &Live) -> bool {
        self.hash.is_none() || self.hash == live.hash
    }

    /// Whether an observation is from before our last write.
    fn is_after(&self, version: u64) -> bool {
        version != 0 && version < self.version
    }

    /// What a new observation means for the owner.
    fn observe(&mut self, before: Option<&Live>, after: &Live) -> Option<Change> {
        if self.is_after(after.version) {
            return None;
        }
        let before = before.filter(|before| !self.awaiting && !self.is_after(before.version));
        self.awaiting = false;
        let is_news = before.is_none_or(|before| before.hash != after.hash);
        let differs = !self.is_met_by(after) || before.is_some_and(|before| !self.is_met_by(before));
        if is_news && differs {
            return Some(Change::Modified);
        }
        match before {
            Some(before) if before.verdict == after.verdict => None,
            Some(before) if before.verdict.as_str() == after.verdict.as_str() => Some(Change::Progress),
            _ => Some(Change::Health),
        }
    }

    /// What it means for the owner that the object is gone.
    fn lose(&mut self, version: u64) -> Option<Change> {
        if self.is_after(version) {
            return None;
        }
        self.awaiting = false;
        Some(Change::Deleted)
    }
}

/// An object that is live, expected, or both.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) namespace: Box<str>,
    pub(super) name: Box<str>,
    pub(super) live: Option<Live>,
    pub(super) tracked: Option<Tracked>,
    /// The version at which it was last seen to go, as long as it is expected.
    pub(super) lost: u64,
    /// The telling in which it was last seen.
    telling: u32,
}

/// Something that an owner should know.
#[derive(Debug, PartialEq)]
pub(super) struct News {
    pub(super) owner: Arc<OwnerKey>,
    pub(super) object: ObjectKey,
    pub(super) change: Change,
}

impl News {
    /// Something that was read for values or by a lookup is not as it was.
    pub(super) fn source(owner: &Arc<OwnerKey>, object: ObjectKey) -> Self {
        Self { owner: Arc::clone(owner), object, change: Change::Source }
    }
}

/// How far a watch is.
#[derive(Debug, Default)]
struct Telling {
    number: u32,
    began: Option<Instant>,
    complete: bool,
}

/// All objects of one kind.
#[derive(Debug)]
pub(super) struct KindIndex {
    group: Box<str>,
    kind: Box<str>,
    entries: HashMap<Identity, Box<Entry>>,
    /// The live objects by the release that they name.
    releases: HashMap<Arc<Marks>, Vec<Identity>>,
    telling: Telling,
    /// Why changes are not noticed.
    blind: Option<ObserveError>,
    /// Objects without Helm's label.
    strangers: HashMap<Identity, Foreign>,
    /// Those of the telling that goes on.
    told_strangers: HashMap<Identity, Foreign>,
    strangers_complete: bool,
}

impl KindIndex {
    pub(super) fn new(group: &str, kind: &str) -> Self {
        Self {
            group: group.into(),
            kind: kind.into(),
            entries: HashMap::new(),
            releases: HashMap::new(),
            telling: Telling::default(),
            blind: None,
            strangers: HashMap::new(),
            told_strangers: HashMap::new(),
            strangers_complete: false,
        }
    }

    /// Whether both watches have told everything once.
    pub(super) fn is_complete(&self) -> bool {
        self.telling.complete && self.strangers_complete
    }

    pub(super) fn is(&self, group: &str, kind: &str) -> bool {
        *self.group == *group && *self.kind == *kind
    }

    pub(super) fn entry(&self, identity: Identity) -> Option<&Entry> {
        self.entries.get(&identity).map(Box::as_ref)
    }

    pub(super) fn entry_mut(&mut self, namespace: &str, name: &str) -> &mut Entry {
        self.entries.entry(identity(namespace, name)).or_insert_with(|| {
            let (namespace, name) = (namespace.into(), name.into());
            Box::new(Entry { namespace, name, live: None, tracked: None, lost: 0, telling: 0 })
        })
    }

    /// The resource version of an object, whoever's it is.
    pub(super) fn version(&self, identity: Identity) -> Option<u64> {
        let live = self.entries.get(&identity).and_then(|entry| entry.live.as_ref());
        live.map(|live| live.version).or_else(|| self.strangers.get(&identity).map(|foreign| foreign.version))
    }

    /// The version of a list without what an owner expects itself; nothing while not everything was told.
    pub(super) fn list_version(&self, list: &ListKey, without: &OwnerKey) -> Option<u64> {
        let is_own = |entry: &Entry| entry.tracked.as_ref().is_some_and(|tracked| *tracked.owner == *without);
        let managed = self.entries.iter().filter(|(_, entry)| list.covers(&entry.namespace) && !is_own(entry));
        let managed = managed.filter_map(|(identity, entry)| Some(part(*identity, entry.live.as_ref()?.version)));
        let of_list = (!list.namespace.is_empty()).then(|| place(&list.namespace));
        let strangers = self.strangers.iter().filter(|(_, foreign)| of_list.is_none_or(|place| place == foreign.place));
        let strangers = strangers.map(|(identity, foreign)| part(*identity, foreign.version));
        self.is_complete().then(|| managed.chain(strangers).fold(0, u64::wrapping_add))
    }

    pub(super) fn is_stranger(&self, identity: Identity) -> bool {
        self.strangers.contains_key(&identity)
    }

    /// The live objects that name a release as their owner.
    pub(super) fn live_of(&self, release: &Marks) -> Vec<ObjectKey> {
        let identities = self.releases.get(release).map_or(&[][..], Vec::as_slice);
        identities.iter().filter_map(|identity| self.entries.get(identity)).map(|entry| self.key(entry)).collect()
    }

    fn unlink(&mut self, identity: Identity, release: &Arc<Marks>) {
        let Some(identities) = self.releases.get_mut(release) else { return };
        identities.retain(|linked| *linked != identity);
        if identities.is_empty() {
            self.releases.remove(release);
        }
    }

    pub(super) fn key(&self, entry: &Entry) -> ObjectKey {
        self.key_of(&entry.namespace, &entry.name)
    }

    pub(super) fn key_of(&self, namespace: &str, name: &str) -> ObjectKey {
        let (group, kind) = (self.group.to_string(), self.kind.to_string());
        ObjectKey { group, kind, namespace: namespace.to_owned(), name: name.to_owned() }
    }

    /// A telling of the objects with Helm's label begins.
    pub(super) fn begin(&mut self) {
        self.telling.number += 1;
        self.telling.began = Some(Instant::now());
    }

    /// An object with Helm's label was told or changed.
    pub(super) fn apply(&mut self, namespace: &str, name: &str, live: Live) -> Option<News> {
        let (telling, identity, marks) = (self.telling.number, identity(namespace, name), Arc::clone(&live.marks));
        let entry = self.entry_mut(namespace, name);
        entry.telling = telling;
        let before = entry.live.replace(live);
        if before.as_ref().is_none_or(|before| before.marks != marks) {
            if let Some(before) = &before {
                self.unlink(identity, &before.marks);
            }
            self.releases.entry(marks).or_default().push(identity);
        }
        let entry = self.entries.get_mut(&identity)?;
        let (tracked, after) = (entry.tracked.as_mut()?, entry.live.as_ref()?);
        let change = tracked.observe(before.as_ref(), after)?;
        self.news(identity, change)
    }

    /// An object with Helm's label is gone, or lost the label.
    pub(super) fn delete(&mut self, namespace: &str, name: &str, version: u64) -> Option<News> {
        self.lose(identity(namespace, name), version)
    }

    fn lose(&mut self, identity: Identity, version: u64) -> Option<News> {
        let live = self.entries.get_mut(&identity)?.live.take();
        if let Some(live) = live {
            self.unlink(identity, &live.marks);
        }
        let entry = self.entries.get_mut(&identity)?;
        let Some(tracked) = entry.tracked.as_mut() else {
            self.entries.remove(&identity);
            return None;
        };
        entry.lost = version;
        let change = tracked.lose(version)?;
        self.news(identity, change)
    }

    /// The telling is complete: what it left out is gone, except for what was written after it began.
    pub(super) fn end(&mut self) -> Vec<News> {
        self.telling.complete = true;
        let (number, began) = (self.telling.number, self.telling.began);
        let is_newer = |tracked: &Tracked| began.is_none_or(|began| tracked.since >= began);
        let is_gone = |entry: &Entry| match &entry.tracked {
            Some(tracked) => !is_newer(tracked) && (entry.live.is_some() || tracked.awaiting),
            None => true,
        };
        let gone = self.entries.iter().filter(|(_, entry)| entry.telling != number && is_gone(entry));
        let gone: Vec<Identity> = gone.map(|(identity, _)| *identity).collect();
        gone.into_iter().filter_map(|identity| self.lose(identity, 0)).collect()
    }

    /// Changes are not noticed any more, or are again; gives what each owner is to know once.
    pub(super) fn set_blind(&mut self, why: Option<ObserveError>) -> Vec<News> {
        if self.blind == why {
            return Vec::new();
        }
        self.blind = why;
        let mut told = HashSet::new();
        let entries = self.entries.values().map(Box::as_ref);
        let tracked = entries.filter_map(|entry| Some((entry, &entry.tracked.as_ref()?.owner)));
        let firsts = tracked.filter(|(_, owner)| told.insert(Arc::clone(owner)));
        let news = |(entry, owner): (&Entry, &Arc<OwnerKey>)| News {
            owner: Arc::clone(owner),
            object: self.key(entry),
            change: Change::Health,
        };
        firsts.map(news).collect()
    }

    /// Why changes are not noticed.
    pub(super) fn blindness(&self) -> Option<&ObserveError> {
        self.blind.as_ref()
    }

    fn news(&self, identity: Identity, change: Change) -> Option<News> {
        let entry = self.entries.get(&identity)?;
        let owner = Arc::clone(&entry.tracked.as_ref()?.owner);
        Some(News { owner, object: self.key(entry), change })
    }

    /// An object that is not as expected, and whether it is gone.
    pub(super) fn deviation(&self, identity: Identity) -> Option<(ObjectKey, bool)> {
        let entry = self.entries.get(&identity)?;
        let tracked = entry.tracked.as_ref().filter(|tracked| !tracked.awaiting)?;
        let gone = match &entry.live {
            Some(live) if tracked.is_met_by(live) => return None,
            Some(_) => false,
            // Without Helm's label it is another watch's, but not gone.
            None => !self.is_stranger(identity),
        };
        Some((self.key(entry), gone))
    }

    /// How an expected object stands.
    pub(super) fn standing(&self, identity: Identity) -> Option<(ObjectKey, Standing)> {
        let entry = self.entries.get(&identity)?;
        let tracked = entry.tracked.as_ref()?;
        let standing = match &entry.live {
            _ if tracked.awaiting => Standing::NotSeen,
            Some(live) => Standing::Seen(live.verdict.clone()),
            None => Standing::Missing,
        };
        Some((self.key(entry), standing))
    }

    /// What is expected of an object.
    pub(super) fn expected(&self, identity: Identity) -> Option<(ObjectKey, Option<u64>)> {
        let entry = self.entries.get(&identity)?;
        Some((self.key(entry), entry.tracked.as_ref()?.hash))
    }

    /// Nobody expects the object any more.
    pub(super) fn untrack(&mut self, identity: Identity, owner: &OwnerKey) {
        let Some(entry) = self.entries.get_mut(&identity) else { return };
        if entry.tracked.as_ref().is_some_and(|tracked| *tracked.owner == *owner) {
            entry.tracked = None;
        }
        if entry.live.is_none() && entry.tracked.is_none() {
            self.entries.remove(&identity);
        }
    }

    /// A telling of the objects without Helm's label begins.
    pub(super) fn begin_strangers(&mut self) {
        self.told_strangers = HashMap::new();
    }

    /// An object without Helm's label is told again.
    pub(super) fn tell_stranger(&mut self, namespace: &str, name: &str, version: u64) {
        self.told_strangers.insert(identity(namespace, name), Foreign::new(namespace, version));
    }

    /// An object without Helm's label appeared or changed.
    pub(super) fn apply_stranger(&mut self, namespace: &str, name: &str, version: u64) {
        self.strangers.insert(identity(namespace, name), Foreign::new(namespace, version));
    }

    /// An object without Helm's label is gone, or got the label.
    pub(super) fn delete_stranger(&mut self, identity: Identity) {
        self.strangers.remove(&identity);
    }

    /// The telling is complete and replaces what was known.
    pub(super) fn end_strangers(&mut self) {
        self.strangers = std::mem::take(&mut self.told_strangers);
        self.strangers_complete = true;
    }
}

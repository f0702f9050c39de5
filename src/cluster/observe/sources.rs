//! The objects that values and lookups come from: who read which version of them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::OwnerKey;
use super::kind::{Identity, News};
use crate::cluster::ObjectKey;

/// The readers of one object and the version that each has read; 0 where it was not there.
#[derive(Debug)]
struct Readers {
    object: ObjectKey,
    read: HashMap<Arc<OwnerKey>, u64>,
}

/// Everything that is read, by the place of its kind in the index and its identity.
#[derive(Debug, Default)]
pub(super) struct Sources {
    readers: HashMap<(usize, Identity), Readers>,
    of_owner: HashMap<Arc<OwnerKey>, HashSet<(usize, Identity)>>,
}

impl Sources {
    /// Adds a reader.
    pub(super) fn add(&mut self, owner: &Arc<OwnerKey>, place: (usize, Identity), object: ObjectKey, version: u64) {
        let readers = self.readers.entry(place).or_insert_with(|| Readers { object, read: HashMap::new() });
        readers.read.insert(Arc::clone(owner), version);
        self.of_owner.entry(Arc::clone(owner)).or_default().insert(place);
    }

    /// Removes a reader from everything that it reads.
    pub(super) fn remove(&mut self, owner: &OwnerKey) {
        for place in self.of_owner.remove(owner).unwrap_or_default() {
            if let Some(readers) = self.readers.get_mut(&place) {
                readers.read.remove(owner);
                if readers.read.is_empty() {
                    self.readers.remove(&place);
                }
            }
        }
    }

    /// An object was seen at a version; those who read an older one, or read that it was not there, should know.
    pub(super) fn seen(&mut self, place: (usize, Identity), version: u64) -> Vec<News> {
        self.update(place, |read| (version > read).then_some(version))
    }

    /// An object is gone since a version (0 where that is not known); those who have read it should know.
    pub(super) fn lost(&mut self, place: (usize, Identity), version: u64) -> Vec<News> {
        self.update(place, |read| (read != 0 && (version == 0 || version >= read)).then_some(0))
    }

    /// The places of one kind that somebody reads.
    pub(super) fn of_kind(&self, kind: usize) -> Vec<(usize, Identity)> {
        self.readers.keys().filter(|place| place.0 == kind).copied().collect()
    }

    fn update(&mut self, place: (usize, Identity), changed: impl Fn(u64) -> Option<u64>) -> Vec<News> {
        let Some(readers) = self.readers.get_mut(&place) else { return Vec::new() };
        let object = &readers.object;
        let news = readers.read.iter_mut().filter_map(|(owner, read)| {
            *read = changed(*read)?;
            Some(News::source(owner, object.clone()))
        });
        news.collect()
    }
}

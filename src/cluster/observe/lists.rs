//! Lists of a kind that templates have looked up: who read which version of them.
//!
//! The API server gives a list the version of its whole store, which changes with anything. So a list has a version of
//! its own here: a sum over its objects' identities and resource versions, in no order. What the reader itself owns is
//! left out of it, as its own deployment is no news to it.

use std::collections::HashMap;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use super::OwnerKey;
use super::decode::version_number;
use super::index::KindId;
use super::kind::{Identity, identity};

/// The list of a kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListKey {
    /// The API group.
    pub group: String,
    /// The kind of its objects.
    pub kind: String,
    /// The namespace of its objects; empty for all.
    pub namespace: String,
}

impl fmt::Display for ListKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.namespace.as_str() {
            "" => write!(f, "the list of every {}", self.kind),
            namespace => write!(f, "the list of every {} in namespace {namespace:?}", self.kind),
        }
    }
}

impl ListKey {
    /// Whether objects of a namespace are in it.
    pub(super) fn covers(&self, namespace: &str) -> bool {
        self.namespace.is_empty() || self.namespace == namespace
    }
}

/// A list that an owner has read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListRead {
    /// The list.
    pub list: ListKey,
    /// Its version, see [`list_version`].
    pub version: u64,
}

/// The version of a list of these objects: each a namespace, a name and a resource version.
///
/// It means something only to operators built alike: the hash under it may change with the compiler.
pub fn list_version<'a>(objects: impl Iterator<Item = (&'a str, &'a str, &'a str)>) -> u64 {
    let parts =
        objects.map(|(namespace, name, version)| part(identity(namespace, name), version_number(Some(version))));
    parts.fold(0, u64::wrapping_add)
}

/// What an object adds to the version of a list.
pub(super) fn part(identity: Identity, version: u64) -> u64 {
    let mut hasher = DefaultHasher::new();
    (identity, version).hash(&mut hasher);
    hasher.finish()
}

/// Everyone who read a list.
#[derive(Debug, Default)]
pub(super) struct Lists {
    readers: HashMap<KindId, Vec<(Arc<OwnerKey>, ListRead)>>,
}

impl Lists {
    /// Adds a reader.
    pub(super) fn add(&mut self, owner: &Arc<OwnerKey>, kind: KindId, read: ListRead) {
        self.readers.entry(kind).or_default().push((Arc::clone(owner), read));
    }

    /// Removes a reader from every list that it reads.
    pub(super) fn remove(&mut self, owner: &OwnerKey) {
        self.readers.retain(|_, readers| {
            readers.retain(|(reader, _)| **reader != *owner);
            !readers.is_empty()
        });
    }

    /// Who read a list of a kind, and what.
    pub(super) fn of_kind(&self, kind: KindId) -> &[(Arc<OwnerKey>, ListRead)] {
        self.readers.get(&kind).map_or(&[], Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::super::index::Index;
    use super::super::{Change, Expectation, SourceRead};
    use super::*;
    use crate::cluster::ObjectKey;

    fn owner() -> OwnerKey {
        OwnerKey { namespace: "shop".into(), name: "web".into() }
    }

    fn list(namespace: &str) -> ListKey {
        ListKey { group: String::new(), kind: "Service".into(), namespace: namespace.into() }
    }

    fn key(name: &str) -> ObjectKey {
        ObjectKey { group: String::new(), kind: "Service".into(), namespace: "shop".into(), name: name.into() }
    }

    /// An index in which `owner` has read the Services of `shop`, of which one is its own.
    fn read() -> (Index, KindId) {
        let mut index = Index::default();
        let id = index.kind("", "Service");
        index.begin(id);
        index.end(id);
        index.begin_strangers(id);
        index.end_strangers(id);
        index.change_stranger(id, "shop", "other", 5);
        index.change_stranger(id, "bank", "other", 6);
        index.expect(&owner(), &key("own"), Expectation::Written { hash: None, version: 7 });
        let version = list_version([("shop", "other", "5")].into_iter());
        index.read_lists(&owner(), vec![ListRead { list: list("shop"), version }]);
        (index, id)
    }

    #[test]
    fn a_list_has_the_version_that_its_objects_give_it_in_any_order() {
        let (index, _) = read();
        let both = [("shop", "other", "5"), ("bank", "other", "6")];
        assert_eq!(index.list_version(&list("shop"), &owner()), Some(list_version(both[..1].iter().copied())));
        assert_eq!(index.list_version(&list(""), &owner()), Some(list_version(both.into_iter().rev())));
        assert_eq!(index.list_version(&list("empty"), &owner()), Some(list_version(std::iter::empty())));
    }

    #[test]
    fn what_changes_in_a_list_is_news_and_what_changes_elsewhere_or_is_ones_own_is_none() {
        let (mut index, id) = read();
        let news = |index: &mut Index| index.next_trigger().map(|trigger| (trigger.object.name, trigger.change));
        assert_eq!(news(&mut index), None, "it is as it was read");
        index.change_stranger(id, "bank", "other", 8);
        index.delete(id, "shop", "own", 6);
        assert_eq!(news(&mut index), None);
        index.change_stranger(id, "shop", "other", 9);
        assert_eq!(news(&mut index), Some(("other".into(), Change::Source)));
        index.delete_stranger(id, "shop", "other", 10);
        assert_eq!(news(&mut index), Some(("other".into(), Change::Source)));
        index.read_lists(&owner(), Vec::new());
        index.read_sources(&owner(), Vec::<SourceRead>::new());
        index.change_stranger(id, "shop", "other", 11);
        assert_eq!(news(&mut index), None, "nobody reads it");
    }

    #[test]
    fn a_list_that_changed_while_the_watch_was_cut_is_news() {
        let (mut index, id) = read();
        index.begin_strangers(id);
        index.end_strangers(id);
        assert_eq!(index.next_trigger().map(|trigger| trigger.change), Some(Change::Source));
    }
}

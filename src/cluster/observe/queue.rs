//! The owners that have something to look at, each at most once, in the order in which they came.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::{Change, OwnerKey, Trigger};
use crate::cluster::ObjectKey;

/// Triggers that nobody has taken yet. A second one for an owner is merged into the first: the graver change wins.
#[derive(Debug, Default)]
pub(super) struct Queue {
    order: VecDeque<Arc<OwnerKey>>,
    waiting: HashMap<Arc<OwnerKey>, (ObjectKey, Change)>,
}

impl Queue {
    pub(super) fn push(&mut self, owner: &Arc<OwnerKey>, object: ObjectKey, change: Change) {
        match self.waiting.get_mut(owner) {
            Some(waiting) if waiting.1 < change => *waiting = (object, change),
            Some(_) => {}
            None => {
                self.waiting.insert(Arc::clone(owner), (object, change));
                self.order.push_back(Arc::clone(owner));
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    pub(super) fn remove(&mut self, owner: &OwnerKey) {
        if self.waiting.remove(owner).is_some() {
            self.order.retain(|waiting| **waiting != *owner);
        }
    }

    pub(super) fn pop(&mut self) -> Option<Trigger> {
        let owner = self.order.pop_front()?;
        let (object, change) = self.waiting.remove(&owner)?;
        Some(Trigger { owner: OwnerKey::clone(&owner), object, change })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_waits_once_with_its_gravest_change() {
        let object = |name: &str| ObjectKey {
            group: String::new(),
            kind: "ConfigMap".into(),
            namespace: "shop".into(),
            name: name.into(),
        };
        let [first, second] = ["a", "b"].map(|name| Arc::new(OwnerKey { namespace: "n".into(), name: name.into() }));
        let mut queue = Queue::default();
        queue.push(&first, object("x"), Change::Progress);
        queue.push(&second, object("y"), Change::Source);
        queue.push(&first, object("z"), Change::Deleted);
        queue.push(&first, object("w"), Change::Health);
        let taken: Vec<_> =
            std::iter::from_fn(|| queue.pop()).map(|t| (t.owner.name, t.object.name, t.change)).collect();
        let expected = [("a", "z", Change::Deleted), ("b", "y", Change::Source)];
        assert_eq!(taken, expected.map(|(owner, object, change)| (owner.to_owned(), object.to_owned(), change)));
        queue.push(&first, object("x"), Change::Progress);
        assert!(queue.pop().is_some(), "what was taken may come again");
    }
}

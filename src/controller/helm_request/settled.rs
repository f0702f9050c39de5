//! Which objects of an operation need not be sent: those that the deployed revision before it has alike and that are
//! live as it applied them. An upgrade that changes one object applies one.

use std::collections::{HashMap, HashSet};

use super::deploy::Deployment;
use crate::cluster::{Object, ObjectKey};
use crate::controller::context::owner;
use crate::release::Status;
use crate::value::Json;

impl Deployment<'_> {
    /// The objects of revision `revision` that need not be sent; `before` is what earlier revisions may have left.
    /// Nothing where the revision before is not the deployed one, or is not followed: then an object may be live that
    /// neither made.
    pub(super) fn settled(&self, revision: i64, objects: &[Object], before: &[Object]) -> HashSet<ObjectKey> {
        let revisions = self.revisions();
        let last = revisions.iter().rev().find(|earlier| earlier.number < revision);
        let followed = self.context.recall(self.request, |memory| memory.followed);
        let Some(_) = last.filter(|last| last.status == Status::Deployed && followed == Some(last.number)) else {
            return HashSet::new();
        };
        let before = self.sent_before(before);
        let deviating = self.context.observer.deviations(&owner(self.request));
        let deviating: HashSet<&ObjectKey> = deviating.iter().map(|deviation| &deviation.object).collect();
        let is_settled =
            |object: &&Object| before.get(&object.key) == Some(&object.json) && !deviating.contains(&object.key);
        objects.iter().filter(is_settled).map(|object| object.key.clone()).collect()
    }

    /// What was sent for the objects that earlier revisions may have left.
    pub(super) fn sent_before(&self, before: &[Object]) -> HashMap<ObjectKey, Json> {
        let mut before = before.to_vec();
        self.stamp(&mut before);
        before.into_iter().map(|old| (old.key, old.json)).collect()
    }
}

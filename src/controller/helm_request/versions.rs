//! The versions of versioned objects over the life of a release: which there are, which are no longer needed.

use super::deploy::Deployment;
use crate::cluster::Object;
use crate::cluster::prune::leftover;
use crate::cluster::records::RevisionMeta;
use crate::controller::failure::Failure;
use crate::render::Rendered;
use crate::render::versioned::{self, Inventory};

/// The versions that may exist, as the newest revision of our own tells; other writers note nothing.
pub fn noted_versions(known: &[RevisionMeta]) -> Inventory {
    let own = known.iter().rev().find(|meta| meta.notes.inputs.is_some());
    own.map(|meta| meta.notes.versions.clone()).unwrap_or_default()
}

impl Deployment<'_> {
    /// Names the versioned objects of a render. `before` is what earlier revisions may have left.
    ///
    /// # Errors
    /// A document cannot be read or written.
    pub(super) fn name_versions(&self, rendered: &mut Rendered, before: &[Object]) -> Result<(), Failure> {
        let mut versions = noted_versions(&self.context.records.revisions(self.release));
        // Of a revision of another writer nothing is noted, but what it has is known by name.
        versions.used_by(0, before.iter().map(|object| &object.json));
        Ok(versioned::apply(rendered, &self.release.namespace, &versions)?)
    }

    /// The versions that may exist once a revision with these objects is deployed.
    pub(super) fn versions_with(&self, revision: i64, objects: &[Object]) -> Inventory {
        let mut versions = noted_versions(&self.context.records.revisions(self.release));
        versions.used_by(revision, objects.iter().map(|object| &object.json));
        versions
    }

    /// What is deleted when `objects` are deployed as a revision: what was there before and left the manifest, except
    /// versions that a kept revision uses, and the versions that none uses any more. These are taken out of `versions`.
    pub(super) fn leaving(
        &self,
        before: Vec<Object>,
        objects: &[Object],
        revision: i64,
        versions: &mut Inventory,
    ) -> Vec<Object> {
        let kept: Vec<i64> = self.revisions().iter().map(|revision| revision.number).collect();
        let expired = versions.take_expired(revision, &kept, objects.iter().map(|object| &object.json));
        let expired: Vec<Object> = expired.iter().map(Object::of_version).collect();
        let in_use: Vec<Object> = versions.versions().iter().map(Object::of_version).collect();
        let is_version = |object: &Object| expired.iter().chain(&in_use).any(|version| version.key == object.key);
        let mut leaving = leftover(before, objects).delete;
        leaving.retain(|object| !is_version(object));
        leaving.extend(expired);
        leaving
    }
}

//! A deployed revision put back as its record has it: by a dry run that tells what differs, object by object where that is
//! known, or all of them. What somebody changed is changed back in place; only what cannot be is made anew.

use std::collections::HashSet;

use super::deploy::{Deployment, Stop, kinds_of};
use super::journal::Journal;
use super::left_fields::left_rules;
use crate::cluster::Object;
use crate::cluster::apply::{ApplyOptions, Replacing};
use crate::cluster::kept::{Keeping, Kept};
use crate::cluster::manifest_error::ManifestError;
use crate::cluster::notes::Notes;
use crate::cluster::object::Readable;
use crate::cluster::records::ReleaseKey;
use crate::controller::context::owner;
use crate::controller::failure::Failure;

impl<'a> Deployment<'a> {
    /// Applies every object of a deployed revision again.
    ///
    /// # Errors
    /// Why an object could not be applied.
    pub async fn reapply(&self, revision: i64) -> Result<(), Failure> {
        self.take_turn().await;
        let record = self.record(revision).await?;
        let objects = self.objects_of(&record).await?;
        let noted = self.notes(revision);
        let kept = self.restore(revision, &objects).await?;
        let mut journal = Journal::new(self.cluster, &self.context.records, record, noted.clone());
        journal.notes.kept = kept;
        journal.notes.kinds = kinds_of(&objects);
        journal.notes.objects = self.context.objects_digest(self.request);
        journal.notes.left = left_rules(self.request);
        if journal.notes != noted {
            journal.write().await?;
        }
        Ok(())
    }

    /// Whether a dry run can tell what of a revision's objects is not as declared: all of them were once applied as they
    /// would be now.
    pub fn can_be_told_by_a_dry_run(&self, revision: i64) -> bool {
        let noted = self.notes(revision);
        noted.objects.is_some() && noted.left == left_rules(self.request)
    }

    /// Notes how the objects of a deployed revision are expected to be, where that is not what was noted: an API server
    /// of another version may know more fields.
    ///
    /// # Errors
    /// The record could not be written.
    pub async fn note_objects(&self, revision: i64) -> Result<(), Failure> {
        let objects = self.context.objects_digest(self.request);
        let noted = self.notes(revision);
        if objects != noted.objects && self.context.observer.deviations(&owner(self.request)).is_empty() {
            let record = self.record(revision).await?;
            Journal::new(self.cluster, &self.context.records, record, Notes { objects, ..noted }).write().await?;
        }
        Ok(())
    }

    /// Finds out by a dry run how every object of a deployed revision should be, and expects that. Gives why some are
    /// left out: their kinds are not served.
    ///
    /// # Errors
    /// The record is gone, or a kind of it may not be watched.
    pub async fn expect_declared(&self, revision: i64) -> Result<Option<Failure>, Failure> {
        self.take_turn().await;
        let record = self.record(revision).await?;
        let read = self.cluster.read_served(&record.manifest, &self.release.namespace).await;
        let Readable { mut objects, errors } = read.map_err(ManifestError::from)?;
        self.stamp(&mut objects);
        self.context.follow_kinds(&objects).await?;
        let options = ApplyOptions { dry_run: true, ..ApplyOptions::default() };
        let outcome = self.cluster.apply_all(&objects, options).await;
        self.context.track_declared(self.request, &outcome);
        Ok((!errors.is_empty()).then(|| ManifestError::Documents(errors).into()))
    }

    /// Puts objects back as a revision records them; only what cannot be changed is made anew. Gives what is still to
    /// be kept of predecessors.
    pub(super) async fn restore(&self, revision: i64, objects: &[Object]) -> Result<Kept, Failure> {
        let keeping = self.keeping(revision);
        let options = self.restoring(&keeping);
        let applied = self.apply(objects, options, &HashSet::new()).await;
        let kept = keeping.close().await?;
        applied.map_err(Stop::into_failure)?;
        Ok(kept)
    }

    /// What is kept of predecessors while objects are put back as a revision records them.
    pub(super) fn keeping(&self, revision: i64) -> Keeping<'a> {
        let ReleaseKey { namespace, name } = self.release;
        Keeping::new(self.cluster, namespace, name, revision, self.notes(revision).kept)
    }

    /// What somebody changed is put back in place; only what cannot be is made anew.
    pub(super) fn restoring<'k>(&self, keeping: &'k Keeping<'k>) -> ApplyOptions<'k> {
        let replacing = Replacing::Refused { by: self.deadline() };
        ApplyOptions { replacing, keeping: Some(keeping), ..ApplyOptions::default() }
    }
}

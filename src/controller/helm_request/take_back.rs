//! Taking a first install back that the API server refused an object of: what it made is deleted, then its record, so
//! that input that cannot be deployed leaves nothing behind.
//!
//! Only what this install itself made goes: objects that carry the release's marks and are not older than its record.
//! Where hooks have run, something has happened that cannot be undone; then everything stays, the failed record tells
//! of it, and the next attempt goes on from there.

use std::collections::HashSet;

use super::deploy::Deployment;
use super::journal::Journal;
use crate::api::helm_request::FailureStrategy;
use crate::cluster::prune::{Owner, leftover};
use crate::cluster::records::ReleaseKey;
use crate::cluster::{Object, ObjectError};
use crate::controller::context::Refused;
use crate::controller::failure::{Failure, refusals};
use crate::release::Status;

impl Deployment<'_> {
    /// Whether an operation that the API server has stopped can be made undone.
    pub(super) fn can_take_back(&self, journal: &Journal<'_>) -> bool {
        let only = self.revisions().iter().all(|revision| revision.number == journal.record.version);
        let no_hook_ran = journal.record.hooks.iter().all(|hook| hook.last_run.started_at.is_none());
        let wanted = self.request.spec.failure_strategy() != FailureStrategy::Keep;
        wanted && only && no_hook_ran && journal.record.info.status == Status::PendingInstall
    }

    /// Deletes what an install made, and its record, and remembers why.
    ///
    /// # Errors
    /// What could not be deleted; then the record stays.
    pub(super) async fn take_back(
        &self,
        journal: &Journal<'_>,
        objects: &[Object],
        errors: Vec<ObjectError>,
    ) -> Result<(), Failure> {
        let ReleaseKey { namespace, name } = self.release;
        let revision = journal.record.version;
        let Some(began) = self.cluster.record_created(namespace, name, revision).await? else { return Ok(()) };
        self.context.track(self.request, &[], &HashSet::new());
        let made = leftover(objects.to_vec(), &[]).delete;
        let outcome = self.cluster.prune(&made, Owner::Since { name, namespace, began }).await;
        refusals(outcome.failed)?;
        self.cluster.delete_record(namespace, name, revision).await?;
        self.context.records.forget(self.release, revision);
        let refused = journal.notes.inputs.clone().map(|inputs| Refused { inputs, errors });
        self.context.with_memory(self.request, |memory| memory.refused = refused);
        Ok(())
    }
}

//! Rolling back: an earlier revision becomes live again as a new one. Nothing is rendered: chart, values, manifest,
//! hooks and notes are those of the record (`pkg/action/rollback.go`).

use jiff::Timestamp;

use super::deploy::{Deployment, Outcome};
use super::inputs::Inputs;
use super::preflight;
use crate::api::Reason;
use crate::controller::failure::Failure;
use crate::plan::Cause;
use crate::release::{Record, last};

impl Deployment<'_> {
    /// Rolls back to a revision. `inputs` is what the new revision stands in for.
    ///
    /// # Errors
    /// Why it could not be deployed. Where the record was written, it says so too.
    pub async fn roll_back(&self, inputs: &Inputs, to: i64, cause: Cause) -> Result<Outcome, Failure> {
        self.take_turn().await;
        let Some(newest) = last(&self.revisions()) else { return Err(self.no_such_revision(to)) };
        let newest = self.record(newest.number).await?;
        let record = Record::rollback(&newest, &self.record(to).await?, Timestamp::now());
        let objects = self.objects_of(&record).await?;
        let earlier = self.earlier(record.version).await?;
        preflight::check_record(self, &record, &objects, &earlier.objects).await?;
        self.probe_record(&record, &objects, &earlier.objects).await?;
        let digest = match cause {
            Cause::Asked => inputs.digest.rolled_back(to),
            Cause::Failure(_) => inputs.digest.after_failure(),
        };
        let mut journal = self.journal(record, Some(digest), &objects);
        // A source of values that is gone does not hold a rollback up.
        let values = inputs.values(self.context, self.cluster, self.request).await;
        journal.secrets = values.map(|values| values.secrets).unwrap_or_default();
        self.create_record(&journal).await?;
        let record = self.finish(&mut journal, &objects, earlier).await?;
        Ok(Outcome { record, notes: None })
    }

    /// That a revision is not in the history.
    pub fn no_such_revision(&self, to: i64) -> Failure {
        let known: Vec<String> = self.revisions().iter().map(|revision| revision.number.to_string()).collect();
        let known = if known.is_empty() { "no revision".to_owned() } else { known.join(", ") };
        let message = format!(
            "rollbackTo {to}: the history of release {:?} has {known}; name one of them or remove rollbackTo",
            self.release.name
        );
        Failure::new(Reason::RevisionNotFound, message)
    }

    /// Why a revision failed, as its record tells.
    ///
    /// # Errors
    /// The record or a value source cannot be read.
    pub async fn recorded_failure(&self, inputs: &Inputs, revision: i64) -> Result<String, Failure> {
        let secrets = inputs.values(self.context, self.cluster, self.request).await?.secrets;
        Ok(secrets.conceal(&self.record(revision).await?.info.description))
    }
}

//! Running a chart's tests: the hooks of the event `test` of the deployed revision (`pkg/action/release_testing.go`).
//!
//! How they ended is noted on the record, so that they run once for a revision; which of them is underway is there too,
//! so that an operator that is killed meanwhile follows the test that runs.

use super::deploy::Deployment;
use super::journal::Journal;
use crate::controller::failure::Failure;
use crate::plan::Tested;
use crate::render::Event;

impl Deployment<'_> {
    /// Runs the tests of a revision; gives how they ended and, where one failed, why.
    ///
    /// # Errors
    /// The record cannot be read or written.
    pub async fn test(&self, revision: i64) -> Result<(Tested, Option<Failure>), Failure> {
        self.take_turn().await;
        let record = self.record(revision).await?;
        let has_tests = !record.hooks_of(Event::Test).is_empty();
        let mut journal = Journal::new(self.cluster, &self.context.records, record, self.notes(revision));
        let (tested, failure) = match self.hooks().run_without_values(&mut journal, Event::Test).await {
            Ok(()) if has_tests => (Tested::Succeeded, None),
            Ok(()) => (Tested::None, None),
            Err(failure) => (Tested::Failed, Some(failure)),
        };
        journal.notes.stage = None;
        journal.notes.tests = Some(tested);
        journal.write().await?;
        Ok((tested, failure))
    }
}

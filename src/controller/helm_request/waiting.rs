//! Waiting until what was applied works, as a part of the operation (`wait: true`).

use std::pin::pin;

use tokio::time::timeout;

use super::deploy::Deployment;
use super::report::{PROGRESS, Report};
use crate::api::Reason;
use crate::controller::failure::Failure;

impl Deployment<'_> {
    /// Waits until every object is healthy, and tells meanwhile which one is not and why.
    ///
    /// # Errors
    /// The time is up, or the request has changed meanwhile.
    pub(super) async fn wait_healthy(&self, revision: i64) -> Result<(), Failure> {
        let mut waiting = pin!(self.context.wait_healthy(self.request, self.deadline()));
        loop {
            match timeout(PROGRESS, &mut waiting).await {
                Ok(Err(failure)) if failure.reason == Reason::Timeout => return Err(self.with_cause(failure).await),
                Ok(result) => return result,
                Err(_) => {
                    self.context.diagnose(self.request).await;
                    Report::new(self.request, self.context).waiting_for_objects(revision).await;
                }
            }
        }
    }

    async fn with_cause(&self, failure: Failure) -> Failure {
        match self.context.diagnose_worst(self.request).await {
            Some(cause) => Failure::new(failure.reason, format!("{}: {cause}", failure.message)),
            None => failure,
        }
    }
}

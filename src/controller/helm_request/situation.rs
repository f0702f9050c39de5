//! What is known of a request and its release, as [`plan::decide`](crate::plan::decide) takes it.

use super::Reconciliation;
use crate::api::helm_request::{FailureStrategy, HelmRequestSpec};
use crate::cluster::notes::Notes;
use crate::cluster::records::RevisionMeta;
use crate::controller::failure::Failure;
use crate::plan::{Digest, Objects, OnFailure, Recorded, Situation};
use crate::release::Status;

impl Reconciliation<'_> {
    /// Gathers it; without inputs for a request whose wishes cannot be known.
    pub(super) async fn situation(&self, inputs: Option<Digest>) -> Result<Situation, Failure> {
        let known = self.context.records.revisions(self.release);
        let deployed = known.iter().rev().find(|meta| meta.status == Status::Deployed);
        let objects = match deployed {
            Some(meta) => self.objects(meta).await?,
            None => Objects::AsDeclared,
        };
        let cluster_changed = match deployed.filter(|_| inputs.is_some()) {
            Some(meta) => self.cluster_changed(meta).await?,
            None => false,
        };
        let spec = &self.request.spec;
        let situation = Situation {
            inputs,
            objects,
            revisions: known.into_iter().map(recorded).collect(),
            suspended: self.request.is_suspended(),
            rollback_to: spec.rollback_to,
            on_failure: on_failure(spec),
            test: spec.test,
            busy_elsewhere: false,
            cluster_changed,
        };
        Ok(Situation { busy_elsewhere: self.is_busy_elsewhere(&situation), ..situation })
    }
}

fn recorded(meta: RevisionMeta) -> Recorded {
    let RevisionMeta { revision, status, notes, .. } = meta;
    let Notes { inputs, attempts, rollback_to, tests, .. } = notes;
    Recorded { revision, status, inputs, attempts, rollback_to, tests }
}

fn on_failure(spec: &HelmRequestSpec) -> OnFailure {
    let retries = spec.on_failure.as_ref().and_then(|on_failure| on_failure.retries);
    let retries = retries.map(|retries| u32::try_from(retries).unwrap_or(0));
    let before = retries.unwrap_or(0);
    match spec.failure_strategy() {
        FailureStrategy::Retry => OnFailure::Retry { retries },
        FailureStrategy::Rollback => OnFailure::Rollback { retries: before },
        FailureStrategy::Uninstall => OnFailure::Uninstall { retries: before },
        FailureStrategy::Keep => OnFailure::Keep { retries: before },
    }
}

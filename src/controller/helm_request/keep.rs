//! Keeping a deployed revision as declared: how its live objects compare with it, and what is done where they differ.

use std::time::Duration;

use super::{Reconciliation, left_fields, repair};
use crate::api::helm_request::DriftMode;
use crate::cluster::records::RevisionMeta;
use crate::controller::failure::Failure;
use crate::plan::{self, Digest, Objects, Situation, Step};

impl Reconciliation<'_> {
    /// How the objects of the deployed revision compare with what was applied.
    pub(super) async fn objects(&self, deployed: &RevisionMeta) -> Result<Objects, Failure> {
        let repairs = self.request.spec.drift_mode() == DriftMode::Repair;
        if repairs && deployed.notes.left != left_fields::left_rules(self.request) {
            return Ok(Objects::Unproven);
        }
        if self.context.recall(self.request, |memory| memory.followed) == Some(deployed.revision) {
            return Ok(match self.context.deviations(self.request).len() {
                0 if self.context.is_healthy(self.request) => Objects::Healthy,
                0 => Objects::AsDeclared,
                deviating => Objects::Deviating(deviating),
            });
        }
        if deployed.notes.objects.is_none() {
            return Ok(Objects::Unproven);
        }
        let live = self.context.follow_live(self.request, self.release, deployed).await?;
        Ok(if live == deployed.notes.objects { Objects::Unfollowed } else { Objects::Unproven })
    }

    /// Takes a step that keeps the deployed revision as declared; returns when to look again without being called.
    pub(super) async fn keep(&self, step: &Step, situation: &Situation) -> Result<Option<Duration>, Failure> {
        let revision = situation.deployed().map_or(0, |deployed| deployed.revision);
        if revision > 0 && self.request.spec.drift_mode() == DriftMode::Report {
            repair::explain(&self.deployment(), revision).await?;
        }
        match step {
            Step::Follow => self.remember(revision),
            Step::Repair => return repair::run(&self.deployment(), revision).await,
            Step::Reapply => match self.request.spec.drift_mode() {
                DriftMode::Repair => return self.prove(revision).await,
                DriftMode::Report => {
                    let unserved = self.deployment().expect_declared(revision).await?;
                    repair::explain(&self.deployment(), revision).await?;
                    self.remember_unless(unserved, revision)?;
                }
                // What nobody looks at is not proven by looking away either.
                DriftMode::Off => {}
            },
            _ => {}
        }
        Ok(None)
    }

    /// Finds out what others changed while nothing is written. What cannot be found out is told without its fields.
    pub(super) async fn explain_while_suspended(&self, situation: &Situation) {
        let deployed = situation.deployed().filter(|_| self.request.spec.drift_mode() != DriftMode::Off);
        if let Some(deployed) = deployed {
            let _ = repair::explain(&self.deployment(), deployed.revision).await;
        }
    }

    /// Makes sure that the objects of a deployed revision are as declared. A dry run tells which are not, and these are
    /// repaired; where that cannot tell, all are applied.
    async fn prove(&self, revision: i64) -> Result<Option<Duration>, Failure> {
        let deployment = self.deployment();
        if deployment.can_be_told_by_a_dry_run(revision)
            && let Ok(unserved) = deployment.expect_declared(revision).await
        {
            let later = repair::run(&deployment, revision).await;
            self.remember_unless(unserved, revision)?;
            let later = later?;
            deployment.note_objects(revision).await?;
            return Ok(later);
        }
        deployment.reapply(revision).await?;
        self.remember(revision);
        Ok(None)
    }

    /// The objects of this revision are followed from now on, unless kinds are not served: then it is looked again at
    /// all of them until they are.
    fn remember_unless(&self, unserved: Option<Failure>, revision: i64) -> Result<(), Failure> {
        match unserved {
            Some(failure) => Err(failure),
            None => {
                self.remember(revision);
                Ok(())
            }
        }
    }

    /// When to take the step that the objects ask for now: somebody may have changed one after it was repaired or deployed
    /// and before that was told, or they became healthy, so that the chart's tests are due. What was told is no news any
    /// more, and nothing else wakes the request for it.
    pub(super) async fn next_step(&self, inputs: &Digest) -> Result<Option<Duration>, Failure> {
        if self.context.deviations(self.request).is_empty() && !self.request.spec.test {
            return Ok(None);
        }
        Ok(match plan::decide(&self.situation(Some(inputs.clone())).await?) {
            Step::Repair => {
                let (due, later) = self.context.repairs_due(self.request, &self.context.deviations(self.request));
                if due.is_empty() { later } else { Some(Duration::ZERO) }
            }
            Step::Test { .. } => Some(Duration::ZERO),
            _ => None,
        })
    }
}

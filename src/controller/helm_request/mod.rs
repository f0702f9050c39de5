//! The HelmRequest reconciler: gathers what is wanted, recorded and observed, lets [`plan::decide`] choose the next
//! step, takes it, and tells the outcome in status and events.

mod attempt;
mod captain;
mod chart_tests;
mod claim;
mod definitions;
mod deletion;
mod deletion_order;
mod dependencies;
mod deploy;
mod direct;
mod earlier;
mod elsewhere;
mod hooks;
mod inputs;
mod journal;
mod keep;
mod left_fields;
mod mutated;
mod outside;
mod post_render;
mod preflight;
mod prepare;
mod probe;
mod reads;
mod repair;
mod repair_notes;
mod replaced;
mod report;
mod restore;
mod rollback;
mod secrets;
mod settled;
mod situation;
mod status;
mod take_back;
mod values;
mod versions;
mod waiting;

use std::ops::ControlFlow;
use std::sync::OnceLock;
use std::time::Duration;

use kube::ResourceExt;

pub use attempt::reconcile;
pub use deletion::{is_ours_to_finish, remove_finalizer};
pub use direct::{Found, fetch};
pub use inputs::{Basis, Inputs, wanted_version};
pub use post_render::rules;
pub use status::away;
pub use values::{merged, read_sources};

use self::deletion::Uninstallation;
use self::deploy::{Adoption, Deployment, Outcome};
use self::elsewhere::Reached;
use self::report::Report;
use self::status::{Deployed, Standing};
use crate::api::helm_request::{Destination, Phase};
use crate::api::{HelmRequest, Reason};
use crate::cluster::Cluster;
use crate::cluster::records::ReleaseKey;
use crate::controller::context::Context;
use crate::controller::events::EventType;
use crate::controller::failure::Failure;
use crate::controller::turns::Turn;
use crate::plan::{self, Cause, Situation, Step};
use crate::release::Status;

/// One look at a request that is not being deleted.
struct Reconciliation<'a> {
    request: &'a HelmRequest,
    context: &'a Context,
    release: &'a ReleaseKey,
    cluster: &'a Cluster,
    turn: &'a Turn,
}

impl Reconciliation<'_> {
    async fn run(&self) -> Result<Option<Duration>, Failure> {
        let stays = self.context.fleet.check(self.request);
        let is_for_another = self.request.destination() != Destination::Own && stays.is_ok();
        if is_for_another && Box::pin(self.reach()).await? == Reached::Elsewhere {
            return Ok(None);
        }
        if let Some(other) = self.other_owner() {
            Box::pin(self.leave_to(&other)).await?;
            return Ok(None);
        }
        let allowed = stays.and_then(|()| self.context.tenancy.check(self.request));
        if self.is_to_go() {
            return Box::pin(self.delete(allowed)).await;
        }
        if !self.request.is_suspended() {
            allowed?;
            left_fields::check(self.request)?;
            if self.context.seat_of_several(self.request).is_none() {
                self.add_finalizer().await?;
            }
            Box::pin(self.deployment().import_from_captain()).await?;
        }
        Box::pin(self.step()).await
    }

    async fn delete(&self, allowed: Result<(), Failure>) -> Result<Option<Duration>, Failure> {
        let Self { request, context, release, cluster, turn } = *self;
        if deletion::is_ours_to_finish(request) && self.has_nothing_to_uninstall(&allowed) {
            Box::pin(self.remove_finalizer()).await?;
        } else if deletion::is_ours_to_finish(request) {
            allowed?;
            match Box::pin(self.deployment().import_from_captain()).await {
                // Nothing can be recorded in a namespace that goes, and what is in it goes too.
                Err(failure) if failure.reason != Reason::NamespaceNotFound => return Err(failure),
                _ => {}
            }
            if let ControlFlow::Break(again) = Box::pin(self.dependents_first()).await? {
                return Ok(again);
            }
            let uninstallation = Uninstallation { context, request, release, cluster, turn };
            self.report().working(uninstallation.run(), turn, "uninstalling the release").await?;
            Box::pin(self.let_go()).await?;
            Box::pin(self.report().deleted()).await;
        }
        context.forget(request);
        Ok(None)
    }

    /// Whether a request that is not allowed goes without its release, which may be that of somebody else: it has
    /// deployed none, or leaves it.
    fn has_nothing_to_uninstall(&self, allowed: &Result<(), Failure>) -> bool {
        let deployed = self.context.last_status(self.request).revision.is_some();
        allowed.is_err() && (!deployed || self.request.keeps_resources())
    }

    /// Decides what to do and does it.
    ///
    /// Thousands of requests may wait in here at once, for the first list of a kind or for their turn. A future keeps
    /// room for whatever it may come to, so what comes after a wait is boxed, here and below.
    async fn step(&self) -> Result<Option<Duration>, Failure> {
        let inputs = match self.request.is_suspended() {
            true => None,
            false => Some(Box::pin(Inputs::gather(self.context, self.cluster, self.request)).await),
        };
        let digest = inputs.as_ref().and_then(|inputs| Some(inputs.as_ref().ok()?.digest.clone()));
        let situation = Box::pin(self.situation(digest)).await?;
        let step = plan::decide(&situation);
        tracing::debug!(namespace = self.request.namespace(), name = self.request.name_any(), ?step, "decided");
        let pause = match inputs {
            None => {
                Box::pin(self.explain_while_suspended(&situation)).await;
                Box::pin(self.report().standing(Standing::Suspended, deployed(&situation))).await?
            }
            Some(Err(failure)) => {
                Box::pin(self.keep(&step, &situation)).await?;
                Box::pin(self.wait_despite(failure, &situation)).await?
            }
            Some(Ok(inputs)) => {
                self.context.with_memory(self.request, |memory| memory.waits_since = None);
                let pause = self.serve(&step, &situation, &inputs).await?;
                let next = Box::pin(self.next_step(&inputs.digest)).await?;
                pause.into_iter().chain(next).chain(inputs.look_again()).min()
            }
        };
        Ok(pause)
    }

    /// Takes a step and tells the outcome; returns when to look again without being called.
    async fn serve(&self, step: &Step, situation: &Situation, inputs: &Inputs) -> Result<Option<Duration>, Failure> {
        if step.begins_something_new()
            && let Some(unmet) = Box::pin(self.unmet_dependencies()).await?
        {
            return Box::pin(self.wait_for_dependencies(unmet, situation)).await;
        }
        match *step {
            Step::Install { revision } | Step::Upgrade { revision } => {
                Box::pin(self.tell_of_others(situation, revision)).await;
                let outcome = self.deploy(inputs, revision).await;
                Box::pin(self.conclude(outcome, inputs)).await
            }
            Step::Resume { revision } => {
                let failed = self.has_failed(situation, revision);
                match self.pause_left(inputs).filter(|_| failed) {
                    Some(pause) => Ok(Some(pause)),
                    None => {
                        let outcome = self.resume(inputs, revision).await;
                        Box::pin(self.conclude(outcome, inputs)).await
                    }
                }
            }
            Step::Adopt { revision } => {
                let outcome = Box::pin(self.adopt(inputs, revision)).await;
                Box::pin(self.conclude(outcome, inputs)).await
            }
            Step::RenderAnew { revision } => Box::pin(self.render_anew(inputs, revision, situation)).await,
            Step::GiveWay { revision } => Box::pin(self.give_way(revision, situation)).await,
            Step::Rollback { to, cause } => Box::pin(self.roll_back(inputs, to, cause)).await,
            Step::NoSuchRevision { to } => {
                if let Some(step) = situation.keep() {
                    Box::pin(self.keep(&step, situation)).await?;
                }
                Err(self.deployment().no_such_revision(to))
            }
            Step::Uninstall { revision } => Box::pin(self.uninstall(inputs, revision)).await,
            Step::GiveUp { revision } => Err(Box::pin(self.recorded_failure(inputs, revision)).await?.given_up()),
            Step::Test { revision } => Box::pin(self.test(revision, situation)).await,
            _ => {
                let again = Box::pin(self.keep(step, situation)).await?;
                let told = Box::pin(self.report().standing(self.standing(situation), deployed(situation))).await?;
                Ok(again.into_iter().chain(told).min())
            }
        }
    }

    fn has_failed(&self, situation: &Situation, revision: i64) -> bool {
        situation.revisions.iter().any(|known| known.revision == revision && known.status == Status::Failed)
    }

    /// How long a failed operation still waits; what happens to its objects meanwhile does not hurry it.
    fn pause_left(&self, inputs: &Inputs) -> Option<Duration> {
        let generation = self.request.metadata.generation;
        self.context.recall(self.request, |memory| memory.pause_left(generation, &inputs.digest))
    }

    /// Renders and deploys a revision.
    async fn deploy(&self, inputs: &Inputs, revision: i64) -> Result<Outcome, Failure> {
        let deployment = self.deployment();
        let what = format!("deploying revision {revision}");
        self.report().working(deployment.deploy(inputs, revision), self.turn, &what).await
    }

    /// Continues the operation of a revision.
    async fn resume(&self, inputs: &Inputs, revision: i64) -> Result<Outcome, Failure> {
        let deployment = self.deployment();
        let what = format!("deploying revision {revision}");
        self.report().working(deployment.resume(revision, inputs), self.turn, &what).await
    }

    /// Tells how an operation ended, and does what the request wants done about a failed one.
    async fn conclude(&self, outcome: Result<Outcome, Failure>, inputs: &Inputs) -> Result<Option<Duration>, Failure> {
        self.turn.pause();
        match outcome {
            Ok(outcome) => self.tell(&outcome, inputs).await,
            Err(failure) => self.after_failure(failure, inputs).await,
        }
    }

    /// Tells of a deployed revision what it is: what is wanted, or what was put back because that failed.
    async fn tell(&self, outcome: &Outcome, inputs: &Inputs) -> Result<Option<Duration>, Failure> {
        self.remember(outcome.record.version);
        let situation = self.situation(Some(inputs.digest.clone())).await?;
        let failed = situation.failed().filter(|_| situation.is_rolled_back_after_failure());
        let Some(failed) = failed else { return self.report().deployed(outcome, inputs).await };
        let failure = self.recorded_failure(inputs, failed.revision).await?;
        self.report().rolled_back(outcome, inputs, &failure, outcome.record.info.rollback_revision).await
    }

    /// Takes a deployed revision of another writer over, or deploys its successor where it is not what the request says.
    async fn adopt(&self, inputs: &Inputs, revision: i64) -> Result<Outcome, Failure> {
        let deployment = self.deployment();
        let what = format!("adopting revision {revision}");
        let adoption = self.report().working(deployment.adopt(inputs, revision), self.turn, &what).await?;
        self.tell_of_adoption(revision, &adoption).await;
        match adoption {
            Adoption::Done(outcome) => Ok(*outcome),
            Adoption::Differs => self.deploy(inputs, revision + 1).await,
        }
    }

    /// Takes at once what the request wants done about a failed operation. Where that is to try again, the failure is
    /// told.
    async fn after_failure(&self, failure: Failure, inputs: &Inputs) -> Result<Option<Duration>, Failure> {
        let situation = self.situation(Some(inputs.digest.clone())).await?;
        match plan::decide(&situation) {
            Step::Rollback { to, cause: cause @ Cause::Failure(_) } => {
                self.tell_failure(&failure).await;
                self.roll_back(inputs, to, cause).await
            }
            Step::Uninstall { revision } => {
                self.tell_failure(&failure).await;
                self.uninstall(inputs, revision).await
            }
            Step::GiveUp { revision } => {
                let told = self.recorded_failure(inputs, revision).await?;
                Err(Failure { reason: failure.reason, log: failure.log, ..told }.given_up())
            }
            _ => Err(failure),
        }
    }

    /// Tells of a failure that something is done about at once.
    async fn tell_failure(&self, failure: &Failure) {
        let note = format!("{}: {}", failure.reason, failure.told());
        self.report().event(EventType::Warning, "FailedSync", "Deploy", &note).await;
    }

    /// Makes an earlier revision live again.
    async fn roll_back(&self, inputs: &Inputs, to: i64, cause: Cause) -> Result<Option<Duration>, Failure> {
        let deployment = self.deployment();
        let back = deployment.roll_back(inputs, to, cause);
        let outcome = self.report().working(back, self.turn, &format!("rolling back to revision {to}")).await;
        self.turn.pause();
        match (outcome, cause) {
            (Ok(outcome), _) => self.tell(&outcome, inputs).await,
            (Err(error), Cause::Asked) => Err(error),
            (Err(error), Cause::Failure(revision)) => {
                let failed = self.recorded_failure(inputs, revision).await?;
                let message = format!("{}; rolling back to revision {to} failed: {}", failed.message, error.message);
                Err(Failure::new(error.reason, message))
            }
        }
    }

    /// Removes what a failed first install left, so that the next attempt begins anew.
    async fn uninstall(&self, inputs: &Inputs, revision: i64) -> Result<Option<Duration>, Failure> {
        let failed = self.recorded_failure(inputs, revision).await?;
        let Self { request, context, release, cluster, turn } = *self;
        Uninstallation { context, request, release, cluster, turn }.run().await?;
        Err(Failure::new(failed.reason, format!("{}; it was uninstalled", failed.message)))
    }

    /// Why a revision failed, in the words of its record and with the reason that was told last.
    async fn recorded_failure(&self, inputs: &Inputs, revision: i64) -> Result<Failure, Failure> {
        let message = self.deployment().recorded_failure(inputs, revision).await?;
        let reason = self.context.last_status(self.request).failure_reason().unwrap_or(Reason::OperationFailed);
        Ok(Failure::new(reason, format!("revision {revision}: {message}")))
    }

    /// Runs the chart's tests.
    async fn test(&self, revision: i64, situation: &Situation) -> Result<Option<Duration>, Failure> {
        let (tested, failure) = self.deployment().test(revision).await?;
        self.report().tested(revision, tested, failure.as_ref()).await;
        self.report().standing(self.standing(situation), deployed(situation)).await
    }

    /// How it stands with a request for which nothing has to be deployed.
    fn standing(&self, situation: &Situation) -> Standing {
        if !situation.is_rolled_back_after_failure() {
            return Standing::Deployed;
        }
        let told = self.context.last_status(self.request);
        let told = told.reason.filter(|_| told.phase == Some(Phase::Failed));
        let message = told.unwrap_or_else(|| {
            "the last change failed and was rolled back; it stays so until the chart, the values or the spec change"
                .to_owned()
        });
        Standing::RolledBack(Failure::new(Reason::RolledBack, message))
    }

    /// From now on the objects of this revision are followed.
    fn remember(&self, revision: i64) {
        self.context.with_memory(self.request, |memory| {
            memory.followed = Some(revision);
            memory.told_of_others = None;
        });
    }

    fn report(&self) -> Report<'_> {
        Report::new(self.request, self.context)
    }

    fn deployment(&self) -> Deployment<'_> {
        Deployment {
            context: self.context,
            request: self.request,
            release: self.release,
            cluster: self.cluster,
            turn: self.turn,
            began: OnceLock::new(),
        }
    }
}

fn deployed(situation: &Situation) -> Option<Deployed> {
    situation.deployed().map(|recorded| Deployed { revision: recorded.revision, ..Deployed::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size<A, B, F>(_: fn(A, B) -> F) -> usize {
        size_of::<F>()
    }

    fn size_of_step<F>(_: fn(&'static Reconciliation<'static>) -> F) -> usize {
        size_of::<F>()
    }

    fn size_of_delete<F>(_: fn(&'static Reconciliation<'static>, Result<(), Failure>) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn a_request_that_waits_takes_little_memory() {
        for (waiting, size, most) in [
            ("for its turn to be begun", size(reconcile), 3 << 10),
            ("for its turn, or for the first list of a kind", size_of_step(Reconciliation::step), 4 << 10),
            ("for the turn of its uninstallation", size_of_delete(Reconciliation::delete), 3 << 10),
        ] {
            assert!(size < most, "{waiting}: {size} bytes");
        }
    }
}

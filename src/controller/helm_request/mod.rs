//! The HelmRequest reconciler: gathers what is wanted, recorded and observed, lets [`plan::decide`] choose the next
//! step, takes it, and tells the outcome in status and events.

mod captain;
mod chart_tests;
mod definitions;
mod deletion;
mod deploy;
mod direct;
mod earlier;
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
mod replaced;
mod report;
mod restore;
mod rollback;
mod secrets;
mod settled;
mod status;
mod take_back;
mod values;
mod versions;
mod waiting;

use std::sync::Arc;
use std::time::Duration;

use kube::ResourceExt;
use kube::runtime::controller::Action;
use kube::runtime::reflector::ObjectRef;
use tokio::time::Instant;

pub use direct::Found;
pub use inputs::{Basis, Inputs};

use self::deletion::Uninstallation;
use self::deploy::{Adoption, Deployment, Outcome};
use self::report::Report;
use self::status::{Deployed, Standing};
use crate::api::helm_request::{FailureStrategy, HelmRequestSpec, Phase};
use crate::api::{HelmRequest, Reason};
use crate::cluster::Cluster;
use crate::cluster::notes::Notes;
use crate::cluster::records::{ReleaseKey, RevisionMeta};
use crate::controller::context::{Context, owner, release_of};
use crate::controller::events::EventType;
use crate::controller::failure::Failure;
use crate::plan::{self, Cause, Digest, Objects, OnFailure, Recorded, Situation, Step};
use crate::release::Status;

/// How long a request waits at most to be woken by what it waits for.
const WAITING: Duration = Duration::from_secs(5);

/// Brings one request nearer to what it says, if its shard is ours and as long as it is.
pub async fn reconcile(request: Arc<HelmRequest>, context: Arc<Context>) -> Result<Action, std::convert::Infallible> {
    let (namespace, name) = (request.namespace().unwrap_or_default(), request.name_any());
    // Where the shard is taken later, all its requests are reconciled then.
    let Some(mut shift) = context.shards.enter(&namespace, &name) else { return Ok(Action::await_change()) };
    tokio::select! {
        action = bring_nearer(&request, &context) => Ok(action),
        () = shift.cancelled() => Ok(Action::await_change()),
    }
}

/// Never fails: a failure is told in the request's status and tried again after a pause.
async fn bring_nearer(request: &HelmRequest, context: &Context) -> Action {
    let key = ObjectRef::from_obj(request);
    let started = Instant::now();
    // What this attempt changes itself is no news; what others change meanwhile is told when it has ended.
    let hold = context.observer.hold(&owner(request));
    let attempt = attempt(request, context).await;
    drop(hold);
    let reason = attempt.as_ref().err().map_or(Reason::Ready, |failure| failure.reason);
    context.metrics.reconciled("HelmRequest", attempt.is_err(), reason.as_str(), started.elapsed());
    match attempt {
        Ok(action) => {
            context.attempts.succeed(&key);
            action
        }
        // What is wanted is being read; whoever reads it wakes the request.
        Err(failure) if failure.reason == Reason::Progressing => {
            Report::new(request, context).waiting(&failure).await;
            Action::requeue(WAITING)
        }
        Err(failure) => {
            let pause = context.attempts.fail(key).min(failure.longest_pause());
            let pause = failure.retries.then_some(pause);
            ask_repository_anew(&failure, request, context);
            tracing::warn!(
                namespace = request.namespace(), name = request.name_any(), reason = %failure.reason,
                message = failure.message, retry_seconds = pause.map(|pause| pause.as_secs_f64()), "request failed"
            );
            context.with_memory(request, |memory| memory.failed(request.metadata.generation, pause));
            Report::new(request, context).failed(&failure, pause).await;
            pause.map_or_else(Action::await_change, Action::requeue)
        }
    }
}

/// What a request misses may have been published since its repository was read.
fn ask_repository_anew(failure: &Failure, request: &HelmRequest, context: &Context) {
    if let Some((repository, _)) = request.spec.chart_reference()
        && failure.may_be_published_by_now()
    {
        context.repositories.ask_anew(&request.namespace().unwrap_or_default(), repository);
    }
}

async fn attempt(request: &HelmRequest, context: &Context) -> Result<Action, Failure> {
    let release = release_of(request);
    let cluster = context.cluster_of(request)?;
    let reconciliation = Reconciliation { request, context, release: &release, cluster: &cluster };
    if request.metadata.deletion_timestamp.is_some() {
        return reconciliation.delete().await;
    }
    if !request.is_suspended() {
        refuse_what_is_not_served(request)?;
        left_fields::check(request)?;
        add_finalizer(request, context).await?;
        reconciliation.deployment().import_from_captain().await?;
    }
    reconciliation.step().await
}

async fn add_finalizer(request: &HelmRequest, context: &Context) -> Result<(), Failure> {
    match deletion::add_finalizer(request) {
        Some(patch) => context.patch_request(request, &patch).await,
        None => Ok(()),
    }
}

fn refuse_what_is_not_served(request: &HelmRequest) -> Result<(), Failure> {
    let elsewhere = request.spec.install_to_all_clusters || request.spec.cluster_name.is_some();
    if elsewhere {
        let message = "clusterName and installToAllClusters are not served by this version; remove them to deploy \
                       into the cluster of the request";
        return Err(Failure::new(Reason::ClusterNotFound, message));
    }
    Ok(())
}

/// One look at a request that is not being deleted.
struct Reconciliation<'a> {
    request: &'a HelmRequest,
    context: &'a Context,
    release: &'a ReleaseKey,
    cluster: &'a Cluster,
}

impl Reconciliation<'_> {
    async fn delete(&self) -> Result<Action, Failure> {
        let Self { request, context, release, cluster } = *self;
        if deletion::is_ours_to_finish(request) {
            match self.deployment().import_from_captain().await {
                // Nothing can be recorded in a namespace that goes, and what is in it goes too.
                Err(failure) if failure.reason != Reason::NamespaceNotFound => return Err(failure),
                _ => {}
            }
            let uninstallation = Uninstallation { context, request, release, cluster };
            self.report().working(uninstallation.run(), "uninstalling the release").await?;
            context.patch_request(request, &deletion::remove_finalizer(request)).await?;
            self.report().deleted().await;
        }
        context.forget(request);
        Ok(Action::await_change())
    }

    async fn step(&self) -> Result<Action, Failure> {
        let inputs = match self.request.is_suspended() {
            true => None,
            false => Some(Inputs::gather(self.context, self.cluster, self.request).await),
        };
        let digest = inputs.as_ref().and_then(|inputs| Some(inputs.as_ref().ok()?.digest.clone()));
        let situation = self.situation(digest).await?;
        let step = plan::decide(&situation);
        tracing::debug!(namespace = self.request.namespace(), name = self.request.name_any(), ?step, "decided");
        let pause = match inputs {
            None => self.report().standing(Standing::Suspended, deployed(&situation)).await?,
            Some(Err(failure)) => {
                self.keep(&step, &situation).await?;
                return Err(failure);
            }
            Some(Ok(inputs)) => {
                let pause = self.serve(&step, &situation, &inputs).await?;
                let repair = self.next_repair(&inputs.digest).await?;
                pause.into_iter().chain(repair).chain(inputs.look_again).min()
            }
        };
        Ok(pause.map_or_else(Action::await_change, Action::requeue))
    }

    /// Takes a step and tells the outcome; returns when to look again without being called.
    async fn serve(&self, step: &Step, situation: &Situation, inputs: &Inputs) -> Result<Option<Duration>, Failure> {
        match *step {
            Step::Install { revision } | Step::Upgrade { revision } => {
                self.tell_of_others(situation, revision).await;
                self.conclude(self.deploy(inputs, revision).await, inputs).await
            }
            Step::Resume { revision } => {
                let failed = self.has_failed(situation, revision);
                match self.pause_left(inputs).filter(|_| failed) {
                    Some(pause) => Ok(Some(pause)),
                    None => self.conclude(self.resume(inputs, revision).await, inputs).await,
                }
            }
            Step::Adopt { revision } => self.conclude(self.adopt(inputs, revision).await, inputs).await,
            Step::RenderAnew { revision } => self.render_anew(inputs, revision, situation).await,
            Step::GiveWay { revision } => self.give_way(revision, situation).await,
            Step::Rollback { to, cause } => self.roll_back(inputs, to, cause).await,
            Step::NoSuchRevision { to } => {
                if let Some(step) = situation.keep() {
                    self.keep(&step, situation).await?;
                }
                Err(self.deployment().no_such_revision(to))
            }
            Step::Uninstall { revision } => self.uninstall(inputs, revision).await,
            Step::GiveUp { revision } => Err(self.recorded_failure(inputs, revision).await?.given_up()),
            Step::Test { revision } => self.test(revision, situation).await,
            _ => {
                let again = self.keep(step, situation).await?;
                Ok(again.or(self.report().standing(self.standing(situation), deployed(situation)).await?))
            }
        }
    }

    fn has_failed(&self, situation: &Situation, revision: i64) -> bool {
        situation.revisions.iter().any(|known| known.revision == revision && known.status == Status::Failed)
    }

    /// How long a failed operation still waits; what happens to its objects meanwhile does not hurry it.
    fn pause_left(&self, inputs: &Inputs) -> Option<Duration> {
        self.context.memory(self.request).pause_left(self.request.metadata.generation, &inputs.digest)
    }

    /// Renders and deploys a revision.
    async fn deploy(&self, inputs: &Inputs, revision: i64) -> Result<Outcome, Failure> {
        let deployment = self.deployment();
        let what = format!("deploying revision {revision}");
        self.report().working(deployment.deploy(inputs, revision), &what).await
    }

    /// Continues the operation of a revision.
    async fn resume(&self, inputs: &Inputs, revision: i64) -> Result<Outcome, Failure> {
        let deployment = self.deployment();
        let what = format!("deploying revision {revision}");
        self.report().working(deployment.resume(revision, inputs), &what).await
    }

    /// Tells how an operation ended, and does what the request wants done about a failed one.
    async fn conclude(&self, outcome: Result<Outcome, Failure>, inputs: &Inputs) -> Result<Option<Duration>, Failure> {
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
        let adoption = self.report().working(deployment.adopt(inputs, revision), &what).await?;
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
        let outcome = self.report().working(back, &format!("rolling back to revision {to}")).await;
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
        let Self { request, context, release, cluster } = *self;
        Uninstallation { context, request, release, cluster }.run().await?;
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

    async fn situation(&self, inputs: Option<Digest>) -> Result<Situation, Failure> {
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
        let deadline = Instant::now() + self.request.spec.timeout();
        Deployment {
            context: self.context,
            request: self.request,
            release: self.release,
            cluster: self.cluster,
            deadline,
        }
    }
}

fn deployed(situation: &Situation) -> Option<Deployed> {
    situation.deployed().map(|recorded| Deployed { revision: recorded.revision, ..Deployed::default() })
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

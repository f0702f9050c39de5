//! The HelmRequest reconciler: gathers what is wanted, recorded and observed, lets [`plan::decide`] choose the next
//! step, takes it, and tells the outcome in status and events.

mod deletion;
mod deploy;
mod hooks;
mod inputs;
mod journal;
mod preflight;
mod prepare;
mod repair;
mod report;
mod secrets;
mod status;
mod take_back;
mod values;

use std::sync::Arc;
use std::time::Duration;

use kube::ResourceExt;
use kube::runtime::controller::Action;
use kube::runtime::reflector::ObjectRef;
use tokio::time::Instant;

pub use inputs::{Basis, Inputs};

use self::deletion::Uninstallation;
use self::deploy::Deployment;
use self::report::Report;
use self::status::{Deployed, Standing};
use crate::api::{HelmRequest, Reason};
use crate::cluster::Cluster;
use crate::cluster::records::{ReleaseKey, RevisionMeta};
use crate::controller::context::{Context, owner};
use crate::controller::failure::Failure;
use crate::plan::{self, Objects, Recorded, Situation, Step};
use crate::release::Status;

/// How long a request waits at most to be woken by what it waits for.
const WAITING: Duration = Duration::from_secs(5);

/// Brings one request nearer to what it says. Never fails: a failure is told in the request's status and tried again
/// after a pause.
pub async fn reconcile(request: Arc<HelmRequest>, context: Arc<Context>) -> Result<Action, std::convert::Infallible> {
    let key = ObjectRef::from_obj(&*request);
    let started = Instant::now();
    // What this attempt changes itself is no news; what others change meanwhile is told when it has ended.
    let hold = context.observer.hold(&owner(&request));
    let attempt = attempt(&request, &context).await;
    drop(hold);
    let reason = attempt.as_ref().err().map_or(Reason::Ready, |failure| failure.reason);
    context.metrics.reconciled("HelmRequest", attempt.is_err(), reason.as_str(), started.elapsed());
    match attempt {
        Ok(action) => {
            context.attempts.succeed(&key);
            Ok(action)
        }
        // What is wanted is being read; whoever reads it wakes the request.
        Err(failure) if failure.reason == Reason::Progressing => {
            Report::new(&request, &context).waiting(&failure).await;
            Ok(Action::requeue(WAITING))
        }
        Err(failure) => {
            let pause = context.attempts.fail(key).min(failure.longest_pause());
            ask_repository_anew(&failure, &request, &context);
            tracing::warn!(
                namespace = request.namespace(), name = request.name_any(), reason = %failure.reason,
                message = failure.message, retry_seconds = pause.as_secs_f64(), "request failed"
            );
            Report::new(&request, &context).failed(&failure, pause).await;
            Ok(Action::requeue(pause))
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
    let release = ReleaseKey { namespace: request.release_namespace(), name: request.release_name() };
    let cluster = context.cluster_of(request)?;
    if request.metadata.deletion_timestamp.is_some() {
        return delete(request, context, &release, &cluster).await;
    }
    if !request.is_suspended() {
        refuse_what_is_not_served(request)?;
        add_finalizer(request, context).await?;
    }
    Reconciliation { request, context, release: &release, cluster: &cluster }.step().await
}

async fn delete(
    request: &HelmRequest,
    context: &Context,
    release: &ReleaseKey,
    cluster: &Cluster,
) -> Result<Action, Failure> {
    if deletion::is_ours_to_finish(request) {
        Uninstallation { context, request, release, cluster }.run().await?;
        context.patch_request(request, &deletion::remove_finalizer(request)).await?;
        Report::new(request, context).deleted().await;
    }
    context.forget(request);
    Ok(Action::await_change())
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
    async fn step(&self) -> Result<Action, Failure> {
        let inputs = match self.request.is_suspended() {
            true => None,
            false => Some(Inputs::gather(self.context, self.cluster, self.request).await),
        };
        let known = self.context.records.revisions(self.release);
        let situation = self.situation(&inputs, &known).await?;
        let step = plan::decide(&situation);
        tracing::debug!(namespace = self.request.namespace(), name = self.request.name_any(), ?step, "decided");
        let pause = match inputs {
            None => self.report().standing(Standing::Suspended, self.deployed(&situation)).await?,
            Some(Err(failure)) => {
                self.keep(&step, &situation).await?;
                return Err(failure);
            }
            Some(Ok(inputs)) => match self.deploy(&step, &inputs).await? {
                Some(told) => told,
                None => {
                    let again = self.keep(&step, &situation).await?;
                    again.or(self.report().standing(Standing::Deployed, self.deployed(&situation)).await?)
                }
            },
        };
        Ok(pause.map_or_else(Action::await_change, Action::requeue))
    }

    /// Takes a step that makes or takes over a revision and tells the outcome; nothing for any other step.
    async fn deploy(&self, step: &Step, inputs: &Inputs) -> Result<Option<Option<Duration>>, Failure> {
        let deployment = self.deployment();
        let report = self.report();
        let outcome = match step {
            Step::Install { revision } | Step::Upgrade { revision } => {
                report.working(deployment.deploy(inputs, *revision), &format!("deploying revision {revision}")).await?
            }
            Step::Resume { revision } => {
                let resumed = deployment.resume(*revision, inputs);
                report.working(resumed, &format!("deploying revision {revision}")).await?
            }
            Step::Adopt { revision } => {
                report.working(deployment.adopt(inputs, *revision), &format!("adopting revision {revision}")).await?
            }
            _ => return Ok(None),
        };
        self.remember(outcome.record.version);
        report.deployed(&outcome, inputs).await.map(Some)
    }

    /// Takes a step that keeps the deployed revision as declared; returns when to look again without being called.
    async fn keep(&self, step: &Step, situation: &Situation) -> Result<Option<Duration>, Failure> {
        match step {
            Step::Follow => self.remember(situation.deployed.unwrap_or_default()),
            Step::Repair => {
                let revision = situation.deployed.unwrap_or_default();
                return repair::run(&self.deployment(), revision).await;
            }
            Step::Reapply => {
                let last = situation.last.as_ref();
                let inputs = last.and_then(|last| last.inputs.clone());
                let revision = situation.deployed.unwrap_or_default();
                self.deployment().reapply(revision, inputs).await?;
                self.remember(revision);
            }
            _ => {}
        }
        Ok(None)
    }

    async fn situation(
        &self,
        inputs: &Option<Result<Inputs, Failure>>,
        known: &[RevisionMeta],
    ) -> Result<Situation, Failure> {
        let last = known.last();
        let deployed = known.iter().rev().find(|meta| meta.status == Status::Deployed);
        Ok(Situation {
            inputs: inputs.as_ref().and_then(|inputs| Some(inputs.as_ref().ok()?.digest.clone())),
            last: last.map(|meta| Recorded {
                revision: meta.revision,
                status: meta.status,
                inputs: meta.inputs.clone(),
            }),
            deployed: deployed.map(|meta| meta.revision),
            objects: match deployed {
                Some(meta) => self.objects(meta).await?,
                None => Objects::AsDeclared,
            },
            suspended: self.request.is_suspended(),
        })
    }

    /// How the objects of the deployed revision compare with what was applied.
    async fn objects(&self, deployed: &RevisionMeta) -> Result<Objects, Failure> {
        if self.context.memory(self.request).followed == Some(deployed.revision) {
            let deviating = self.context.deviations(self.request).len();
            return Ok(if deviating == 0 { Objects::AsDeclared } else { Objects::Deviating(deviating) });
        }
        if deployed.objects.is_none() {
            return Ok(Objects::Unproven);
        }
        let live = self.context.follow_live(self.request, self.release, &deployed.kinds).await?;
        Ok(if live == deployed.objects { Objects::Unfollowed } else { Objects::Unproven })
    }

    fn deployed(&self, situation: &Situation) -> Option<Deployed> {
        situation.deployed.map(|revision| Deployed { revision, ..Deployed::default() })
    }

    /// From now on the objects of this revision are followed.
    fn remember(&self, revision: i64) {
        self.context.with_memory(self.request, |memory| memory.followed = Some(revision));
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

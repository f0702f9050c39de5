//! One attempt to bring a request nearer to what it says, and what comes after it: a pause, or a wait to be woken.

use std::sync::Arc;
use std::time::Duration;

use kube::ResourceExt;
use kube::runtime::reflector::ObjectRef;
use tokio::time::Instant;

use super::Reconciliation;
use super::report::Report;
use crate::api::{HelmRequest, Reason};
use crate::controller::context::{Context, owner, release_of};
use crate::controller::failure::Failure;

/// How long a request may wait before that is told: most wait a moment only, and a write is saved.
const MOMENT: Duration = Duration::from_secs(1);
/// How long a request waits at most to be woken by what it waits for.
const WAITING: Duration = Duration::from_secs(5);

/// Brings one request nearer to what it says, if its shard is ours and as long as it is.
pub async fn reconcile(request: Arc<HelmRequest>, context: Arc<Context>) -> Option<Duration> {
    let (namespace, name) = (request.namespace().unwrap_or_default(), request.name_any());
    if !context.serves(&request) {
        return None;
    }
    // Where the shard is taken later, all its requests are reconciled then.
    let mut shift = context.shards.enter(&namespace, &name)?;
    tokio::select! {
        again = bring_nearer(&request, &context) => again,
        () = shift.cancelled() => None,
    }
}

/// Never fails: a failure is told in the request's status and tried again after a pause.
async fn bring_nearer(request: &HelmRequest, context: &Context) -> Option<Duration> {
    let key = ObjectRef::from_obj(request);
    let started = Instant::now();
    // What this attempt changes itself is no news; what others change meanwhile is told when it has ended.
    let hold = context.observer.hold(&owner(request));
    let attempt = attempt(request, context).await;
    drop(hold);
    let reason = attempt.as_ref().err().map_or(Reason::Ready, |failure| failure.reason);
    context.metrics.reconciled("HelmRequest", attempt.is_err(), reason.as_str(), started.elapsed());
    if context.request(&key).is_none() {
        // It went meanwhile, and nobody looks at it again.
        context.attempts.succeed(&key);
        context.forget(request);
        return None;
    }
    match attempt {
        Ok(again) => {
            context.attempts.succeed(&key);
            again
        }
        // What is wanted is being read, and whoever reads it wakes the request; or the request is not as it was.
        Err(failure) if failure.reason == Reason::Progressing => {
            let waited =
                context.with_memory(request, |memory| memory.waits_since.get_or_insert_with(Instant::now).elapsed());
            if waited < MOMENT {
                return Some(MOMENT - waited);
            }
            Box::pin(Report::new(request, context).waiting(&failure)).await;
            Some(WAITING)
        }
        Err(failure) if failure.away => {
            context.attempts.succeed(&key);
            Box::pin(Report::new(request, context).away(&failure)).await;
            None
        }
        Err(failure) => tell_failed(&failure, request, context).await,
    }
}

/// Tells that an attempt failed, and when to try again.
async fn tell_failed(failure: &Failure, request: &HelmRequest, context: &Context) -> Option<Duration> {
    context.doubt(failure);
    let pause = context.attempts.fail(ObjectRef::from_obj(request)).min(failure.longest_pause());
    let pause = failure.retries.then_some(pause);
    ask_anew(failure, request, context);
    tracing::warn!(
        namespace = request.namespace(), name = request.name_any(), reason = %failure.reason,
        message = failure.message, retry_seconds = pause.map(|pause| pause.as_secs_f64()), "request failed"
    );
    context.with_memory(request, |memory| memory.failed(request.metadata.generation, pause));
    Box::pin(Report::new(request, context).failed(failure, pause)).await;
    // Where nothing is tried again until the chart changes, nobody else tells of that.
    let look_again = || context.with_memory(request, |memory| memory.direct.as_ref()?.look_again());
    pause.or_else(look_again)
}

/// What a request misses may have been published since its repository or its address was read.
fn ask_anew(failure: &Failure, request: &HelmRequest, context: &Context) {
    if !failure.may_be_published_by_now() {
        return;
    }
    if request.spec.source.is_some() {
        context.with_memory(request, |memory| memory.direct.iter_mut().for_each(|found| found.ask_anew()));
    } else if let Some((repository, _)) = request.spec.chart_reference() {
        context.repositories.ask_anew(&request.namespace().unwrap_or_default(), repository);
    }
}

async fn attempt(request: &HelmRequest, context: &Context) -> Result<Option<Duration>, Failure> {
    let release = release_of(request);
    let cluster = context.cluster_of(request)?;
    let turn = context.turns.turn();
    let reconciliation = Reconciliation { request, context, release: &release, cluster: &cluster, turn: &turn };
    // What may not begin any more is begun by the next start.
    turn.bound(reconciliation.run()).await.unwrap_or(Ok(None))
}

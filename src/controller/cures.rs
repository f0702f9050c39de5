//! What appears in the cluster and cures failures: a namespace, the definition of a kind, an API server of its own for
//! some group (an aggregated one).
//!
//! The requests that failed for the lack of it are woken at once. The growing pauses between attempts stay for what is
//! not watched, such as rights.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::channel::mpsc::UnboundedSender;
use futures::stream::select;
use futures::{Stream, StreamExt};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use k8s_openapi::kube_aggregator::pkg::apis::apiregistration::v1::APIService;
use kube::core::PartialObjectMeta;
use kube::runtime::reflector::ObjectRef;
use kube::runtime::watcher::Event;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, Resource, ResourceExt};
use tokio::time::{Instant, timeout};

use super::context::{Context, release_of};
use crate::api::conditions::{ConditionType, find};
use crate::api::{HelmRequest, Reason};
use crate::release::Status;
use crate::render::Reads;

/// How long after the last write of a definition its kind is served, usually.
const SERVED: Duration = Duration::from_secs(2);
/// How long definitions that keep being written are waited for.
const RESTLESS: Duration = Duration::from_secs(20);

/// Wakes the requests that wait for a namespace when it appears.
pub async fn follow_namespaces(
    client: Client,
    context: Arc<Context>,
    triggers: UnboundedSender<ObjectRef<HelmRequest>>,
) {
    let mut changed = pin!(context.namespaces.follow(client));
    while let Some(name) = changed.next().await {
        wake(&triggers, failed(&context, Reason::NamespaceNotFound, &format!("{name:?}")));
    }
}

/// The label of the APIServices that the API server makes itself, for its own groups and those of definitions
/// (`k8s.io/kube-aggregator/pkg/controllers/autoregister`).
const AUTOMANAGED: &str = "kube-aggregator.kubernetes.io/automanaged";

/// Wakes the requests whose charts use a kind that the cluster does not have, or asked for API versions that came or
/// went, when definitions or aggregated API servers appear, go, or are reached again.
pub async fn follow_definitions(
    client: Client,
    context: Arc<Context>,
    triggers: UnboundedSender<ObjectRef<HelmRequest>>,
) {
    let aggregated = watcher::Config::default().labels(&format!("!{AUTOMANAGED}"));
    let mut changed = pin!(select(
        changed::<CustomResourceDefinition>(client.clone(), watcher::Config::default()),
        changed::<APIService>(client, aggregated),
    ));
    while changed.next().await.is_some() {
        let restless = Instant::now() + RESTLESS;
        while Instant::now() < restless && matches!(timeout(SERVED, changed.next()).await, Ok(Some(_))) {}
        context.observer.retry();
        let waiting = failed(&context, Reason::UnknownKind, "");
        if waiting.is_empty() && asking(&context, Reads::ask_for_versions).is_empty() {
            continue;
        }
        match context.discovery().refresh().await {
            Ok(snapshot) => {
                let capabilities = snapshot.capabilities();
                wake(&triggers, asking(&context, |reads| !reads.changes(&capabilities).is_empty()));
            }
            Err(error) => tracing::debug!(%error, "the kinds that the API server serves are not known"),
        }
        wake(&triggers, waiting);
    }
}

/// The names of objects that are created, changed or deleted from now on; those that exist are known to every attempt.
fn changed<K>(client: Client, config: watcher::Config) -> impl Stream<Item = String>
where
    K: Resource<DynamicType = ()> + Clone + std::fmt::Debug + Send + Sync + 'static,
{
    let events = watcher(Api::<PartialObjectMeta<K>>::all(client), config).default_backoff();
    events.filter_map(|event| {
        std::future::ready(match event {
            Ok(Event::Apply(object) | Event::Delete(object)) => Some(object.name_any()),
            _ => None,
        })
    })
}

fn wake(triggers: &UnboundedSender<ObjectRef<HelmRequest>>, requests: Vec<ObjectRef<HelmRequest>>) {
    // A closed channel means that the operator is stopping.
    requests.into_iter().for_each(|request| drop(triggers.unbounded_send(request)));
}

/// The requests of whose deployed revision the render's reads meet a condition.
fn asking(context: &Context, meets: impl Fn(&Reads) -> bool) -> Vec<ObjectRef<HelmRequest>> {
    context.matching_requests(|request| {
        let deployed = context
            .records
            .revisions(&release_of(request))
            .into_iter()
            .rev()
            .find(|meta| meta.status == Status::Deployed);
        deployed.is_some_and(|meta| meets(&meta.notes.reads))
    })
}

/// The requests that failed for a reason and whose message has a word.
fn failed(context: &Context, reason: Reason, word: &str) -> Vec<ObjectRef<HelmRequest>> {
    context.matching_requests(|request| {
        let status = context.last_status(request);
        let ready = find(&status.conditions, ConditionType::Ready);
        ready.is_some_and(|ready| ready.reason == reason.as_str() && ready.message.contains(word))
    })
}

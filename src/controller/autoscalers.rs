//! What is scaled by an autoscaler: the number of replicas of such an object is the autoscaler's, not the chart's.
//!
//! One watch of the HorizontalPodAutoscalers of the cluster; KEDA makes one for each of its ScaledObjects. Those of a
//! release itself are also known from its objects, before they exist.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use kube::Client;
use kube::runtime::reflector::ObjectRef;
use kube::runtime::watcher::{self, Event};
use tokio::sync::watch;

use crate::cluster::discovery::split_api_version;
use crate::cluster::scope::Scope;
use crate::cluster::{Object, ObjectKey};
use crate::value::Json;

/// How long the first list is waited for; without the right to it, nothing is known to be scaled.
const LISTING: Duration = Duration::from_secs(10);

/// The scaled objects of a cluster, by the autoscaler.
#[derive(Clone, Debug, Default)]
pub struct Autoscalers {
    targets: Arc<Mutex<HashMap<ObjectRef<HorizontalPodAutoscaler>, ObjectKey>>>,
}

impl Autoscalers {
    /// Whether an autoscaler scales an object.
    pub fn scale(&self, object: &ObjectKey) -> bool {
        self.targets.lock().unwrap_or_else(PoisonError::into_inner).values().any(|target| target == object)
    }

    /// Keeps what is known up to date; says when all of it is known.
    pub async fn follow(self, client: Client, scope: Scope, listed: watch::Sender<bool>) {
        let config = watcher::Config::default();
        let mut events = scope.watch_typed::<HorizontalPodAutoscaler>(&client, &config);
        let mut told = HashMap::new();
        while let Some(event) = events.next().await {
            let mut targets = self.targets.lock().unwrap_or_else(PoisonError::into_inner);
            match event {
                Ok(Event::Init) => told.clear(),
                Ok(Event::InitApply(autoscaler)) => {
                    drop(told.insert(ObjectRef::from_obj(&autoscaler), target(&autoscaler)))
                }
                Ok(Event::InitDone) => {
                    *targets = std::mem::take(&mut told);
                    listed.send_replace(true);
                }
                Ok(Event::Apply(autoscaler)) => {
                    targets.insert(ObjectRef::from_obj(&autoscaler), target(&autoscaler));
                }
                Ok(Event::Delete(autoscaler)) => drop(targets.remove(&ObjectRef::from_obj(&autoscaler))),
                Err(error) => tracing::debug!(%error, "autoscalers cannot be watched"),
            }
        }
    }
}

/// Waits until the autoscalers are known, or cannot be.
pub async fn known(mut listed: watch::Receiver<bool>) {
    let known = listed.wait_for(|listed| *listed);
    if tokio::time::timeout(LISTING, known).await.is_err() {
        tracing::warn!(
            "horizontalpodautoscalers.autoscaling cannot be listed; grant list and watch, or autoscaled objects are \
             scaled back to what their charts say"
        );
    }
}

fn target(autoscaler: &HorizontalPodAutoscaler) -> ObjectKey {
    let reference = &autoscaler.spec.scale_target_ref;
    let namespace = autoscaler.metadata.namespace.clone().unwrap_or_default();
    key(reference.api_version.as_deref(), &reference.kind, &namespace, &reference.name)
}

/// The objects that autoscalers among these objects scale.
pub fn scaled_by(objects: &[Object]) -> HashSet<ObjectKey> {
    let autoscalers = objects.iter().filter(|object| {
        matches!(
            (object.key.group.as_str(), object.key.kind.as_str()),
            ("autoscaling", "HorizontalPodAutoscaler") | ("keda.sh", "ScaledObject")
        )
    });
    let target = |object: &Object| {
        let reference = object.json.pointer("/spec/scaleTargetRef")?;
        let text = |name: &str| reference.get(name).and_then(Json::as_str);
        // KEDA's defaults.
        let kind = text("kind").unwrap_or("Deployment");
        Some(key(Some(text("apiVersion").unwrap_or("apps/v1")), kind, &object.key.namespace, text("name")?))
    };
    autoscalers.filter_map(target).collect()
}

fn key(api_version: Option<&str>, kind: &str, namespace: &str, name: &str) -> ObjectKey {
    let (group, _) = split_api_version(api_version.unwrap_or_default());
    ObjectKey { group: group.to_owned(), kind: kind.to_owned(), namespace: namespace.to_owned(), name: name.to_owned() }
}

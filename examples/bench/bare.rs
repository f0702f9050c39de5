//! The same writes as an install, with nothing around them: the record, four objects, the record again, a status.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Client, ResourceExt};
use serde_json::{Value, json};

use super::support::{ControlPlane, charts, command};
use super::{LIMIT, PARALLEL};

/// The pause between looks at pods.
const LOOK: Duration = Duration::from_secs(5);

/// Writes so many releases into the namespace `bare`, and tells how long that took.
///
/// # Errors
/// The API server's.
pub async fn write(cluster: &ControlPlane, client: &Client, releases: usize) -> Result<Duration> {
    let record = record_text(cluster)?;
    let began = Instant::now();
    stream::iter(0..releases)
        .map(|number| bare_release(client.clone(), number, record.clone()))
        .buffer_unordered(PARALLEL)
        .try_collect::<Vec<()>>()
        .await?;
    Ok(began.elapsed())
}

/// Waits until the pods of all those releases run: what starts them must not slow down what is measured next.
///
/// # Errors
/// They do not start.
pub async fn settle(client: &Client) -> Result<()> {
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), "bare");
    let began = Instant::now();
    let runs = |deployment: &Deployment| {
        deployment.status.as_ref().and_then(|status| status.available_replicas).is_some_and(|available| available > 0)
    };
    while !deployments.list(&ListParams::default()).await?.iter().all(runs) {
        ensure!(began.elapsed() < LIMIT, "the pods of the bare client do not start");
        tokio::time::sleep(LOOK).await;
    }
    // What the controllers still have to say of it.
    tokio::time::sleep(LOOK).await;
    Ok(())
}

/// A text of the size that a record of the chart has.
fn record_text(cluster: &ControlPlane) -> Result<String> {
    let chart = charts::folder("hello-0.1.0");
    command::output(cluster.helm().args(["install", "size", "-n", "bare"]).arg(chart))?;
    let get = ["get", "secret", "-n", "bare", "-l", "owner=helm", "-o", "jsonpath={.items[0].data.release}"];
    let text = command::output(cluster.kubectl().args(get))?;
    command::output(cluster.helm().args(["uninstall", "size", "-n", "bare"]))?;
    Ok(text)
}

async fn bare_release(client: Client, number: usize, record: String) -> Result<()> {
    let secrets: Api<Secret> = Api::namespaced(client.clone(), "bare");
    let name = format!("record-{number}");
    let secret: Secret = serde_json::from_value(json!({"metadata": {"name": name}, "data": {"release": record}}))?;
    secrets.create(&PostParams::default(), &secret).await?;
    for object in objects(number) {
        apply(&client, &object).await?;
    }
    secrets.replace(&name, &PostParams::default(), &secret).await?;
    let status = json!({"metadata": {"annotations": {"status": "deployed"}}});
    secrets.patch(&name, &PatchParams::default(), &Patch::Merge(&status)).await?;
    Ok(())
}

async fn apply(client: &Client, object: &Value) -> Result<()> {
    let word = |name: &str| object[name].as_str().unwrap_or_default();
    let (group, version) = word("apiVersion").split_once('/').unwrap_or(("", word("apiVersion")));
    let kind = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, word("kind")));
    let object: DynamicObject = serde_json::from_value(object.clone())?;
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), "bare", &kind);
    api.patch(&object.name_any(), &PatchParams::apply("helm").force(), &Patch::Apply(&object)).await?;
    Ok(())
}

/// Four objects like those of the chart.
fn objects(number: usize) -> [Value; 4] {
    let name = format!("r{number}-hello");
    let labels = json!({"app.kubernetes.io/name": "hello", "app.kubernetes.io/instance": name});
    let metadata = json!({"name": name, "labels": labels});
    [
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}),
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"message": "hello"}}),
        json!({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {
            "selector": labels, "ports": [{"name": "http", "port": 80, "targetPort": "http"}]}}),
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": {
            "replicas": 1, "selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": {
                "serviceAccountName": name,
                "containers": [{"name": "hello", "image": "example.invalid/hello:1", "ports": [{"name": "http", "containerPort": 8080}]}]}}}}),
    ]
}

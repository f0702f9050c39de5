//! Making a started API server a cluster: nodes and a storage class, and waiting until a pod could run.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::{Node, ServiceAccount};
use k8s_openapi::api::storage::v1::StorageClass;
use kube::api::{ListParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use serde_json::json;

use crate::support::wait;

/// A client for the runtime it is made in: it must not be taken into another test's runtime.
///
/// # Errors
/// When the kubeconfig cannot be read.
pub async fn client(kubeconfig: &Path) -> Result<Client> {
    // Fails when there is one already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let kubeconfig = Kubeconfig::read_from(kubeconfig)?;
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    Ok(Client::try_from(config)?)
}

/// Blocks until the API server says that it is ready. `check` is asked in between and ends the wait by an error.
///
/// # Errors
/// When the API server is not ready within a minute, or the check fails.
pub fn wait_for_apiserver(kubeconfig: &Path, mut check: impl FnMut() -> Result<()> + Send) -> Result<()> {
    block_on(async {
        let client = client(kubeconfig).await?;
        let limit = Duration::from_secs(60);
        let deadline = tokio::time::Instant::now() + limit;
        loop {
            check()?;
            let answer = tokio::time::timeout(Duration::from_secs(2), ask_readyz(&client)).await;
            if matches!(answer, Ok(Ok(()))) {
                return Ok(());
            }
            anyhow::ensure!(tokio::time::Instant::now() < deadline, "the API server is not ready after {limit:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
}

async fn ask_readyz(client: &Client) -> Result<()> {
    let request = axum::http::Request::get("/readyz").body(Vec::new())?;
    client.request_text(request).await?;
    Ok(())
}

/// Creates the nodes and the storage class.
///
/// # Errors
/// When the API server refuses one.
pub fn create_nodes(kubeconfig: &Path, nodes: usize) -> Result<()> {
    block_on(async {
        let client = client(kubeconfig).await?;
        let post = PostParams::default();
        for number in 1..=nodes {
            Api::<Node>::all(client.clone()).create(&post, &node(number)?).await?;
        }
        Api::<StorageClass>::all(client).create(&post, &storage_class()?).await?;
        Ok(())
    })
}

/// Blocks until every node takes pods and the default namespace has its service account.
///
/// # Errors
/// When that takes more than a minute.
pub fn wait_for_nodes(kubeconfig: &Path, nodes: usize) -> Result<()> {
    block_on(async {
        let client = client(kubeconfig).await?;
        wait::until_async(Duration::from_secs(60), "the nodes", || async {
            let listed = Api::<Node>::all(client.clone()).list(&ListParams::default()).await?;
            let open = listed.items.iter().filter(|node| takes_pods(node)).count();
            let account = Api::<ServiceAccount>::default_namespaced(client.clone()).get_opt("default").await?;
            Ok((open == nodes && account.is_some()).then_some(()))
        })
        .await
    })
}

fn takes_pods(node: &Node) -> bool {
    let conditions = node.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    let ready = conditions.iter().any(|condition| condition.type_ == "Ready" && condition.status == "True");
    let tainted = node.spec.as_ref().is_some_and(|spec| spec.taints.as_ref().is_some_and(|taints| !taints.is_empty()));
    ready && !tainted
}

fn node(number: usize) -> Result<Node> {
    let name = format!("node-{number}");
    serde_json::from_value(json!({
        "metadata": {
            "name": name,
            "labels": {
                "type": "kwok",
                "kubernetes.io/hostname": name,
                "kubernetes.io/os": "linux",
                "kubernetes.io/arch": "amd64",
            },
        },
    }))
    .context("a node")
}

fn storage_class() -> Result<StorageClass> {
    serde_json::from_value(json!({
        "metadata": {
            "name": "kwok-volume",
            "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
        },
        "provisioner": "kwok.x-k8s.io/volume",
        "reclaimPolicy": "Delete",
        "volumeBindingMode": "Immediate",
    }))
    .context("the storage class")
}

/// Runs to the end on a thread of its own, since the caller may be inside a runtime.
fn block_on<T: Send>(work: impl Future<Output = Result<T>> + Send) -> Result<T> {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(work)
        });
        thread.join().unwrap_or_else(|_| Err(anyhow::anyhow!("the launcher's thread has panicked")))
    })
}

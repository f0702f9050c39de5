//! The control plane itself: if one of these fails, look here before anywhere else.

use std::process::Command;
use std::time::Duration;

use anyhow::Result;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use kube::Api;
use kube::api::PostParams;
use serde_json::json;

use crate::lent::Lent;
use crate::support::cluster::{Process, Signal};
use crate::support::{charts, command, shared, wait};

const LIMIT: Duration = Duration::from_secs(30);

#[tokio::test]
async fn helm_installs_a_chart_and_its_deployment_becomes_available() -> Result<()> {
    let cluster = shared();
    let namespace = cluster.namespace("helm").await?;

    let chart = charts::folder("hello-0.1.0");
    command::output(cluster.helm().args(["install", "greeter"]).arg(chart).args(["--namespace", &namespace]))?;

    let deployments: Api<Deployment> = Api::namespaced(cluster.client().await?, &namespace);
    wait::until_async(LIMIT, "the deployment", || async {
        let deployment = deployments.get("greeter-hello").await?;
        let conditions = deployment.status.and_then(|status| status.conditions).unwrap_or_default();
        let available = conditions.iter().any(|condition| {
            condition.type_.as_deref() == Some("Available") && condition.status.as_deref() == Some("True")
        });
        Ok(available.then_some(()))
    })
    .await
}

#[tokio::test]
async fn hooks_run_around_an_installation_and_a_failing_one_fails_it() -> Result<()> {
    let cluster = shared();
    let namespace = cluster.namespace("hooks").await?;
    let install = |release: &str, setting: &str| {
        let mut helm = cluster.helm();
        helm.args(["install", release]).arg(charts::folder("hooks"));
        helm.args(["--namespace", &namespace, "--timeout", "30s", "--set", setting]);
        command::finish(&mut helm, LIMIT)
    };

    assert!(install("good", "runFor=1s")?.success);
    let bad = install("bad", "failBefore=true")?;
    assert!(!bad.success && bad.stderr.contains("pre-install"), "{bad:?}");
    Ok(())
}

#[tokio::test]
async fn a_pod_that_is_told_to_stays_unready_until_it_is_told_otherwise() -> Result<()> {
    let cluster = shared();
    let namespace = cluster.namespace("unready").await?;
    let pods: Api<Pod> = Api::namespaced(cluster.client().await?, &namespace);
    pods.create(&PostParams::default(), &pod("stubborn", &json!({"kwok-unready": "true"}))?).await?;

    let phase_and_reason = || async {
        let status = pods.get("stubborn").await?.status.unwrap_or_default();
        let container = status.container_statuses.unwrap_or_default().into_iter().next();
        let waiting = container.and_then(|container| container.state?.waiting?.reason);
        anyhow::Ok((status.phase.unwrap_or_default(), waiting))
    };
    wait::until_async(LIMIT, "the pod to say why it waits", || async {
        let (phase, reason) = phase_and_reason().await?;
        Ok((phase == "Pending" && reason.as_deref() == Some("ImagePullBackOff")).then_some(()))
    })
    .await?;
    command::output(cluster.kubectl().args(["label", "pod", "stubborn", "kwok-unready-", "--namespace", &namespace]))?;
    wait::until_async(LIMIT, "the pod to run", || async {
        Ok((phase_and_reason().await?.0 == "Running").then_some(()))
    })
    .await?;

    let log = command::output(cluster.kubectl().args(["logs", "stubborn", "--namespace", &namespace]))?;
    assert_eq!(log, "a line from a simulated container\n");
    Ok(())
}

#[tokio::test]
async fn a_volume_claim_is_bound_and_its_volume_goes_with_it() -> Result<()> {
    let cluster = shared();
    let namespace = cluster.namespace("claims").await?;
    let claims: Api<PersistentVolumeClaim> = Api::namespaced(cluster.client().await?, &namespace);
    let claim = serde_json::from_value(json!({
        "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }))?;
    claims.create(&PostParams::default(), &claim).await?;
    wait::until_async(LIMIT, "the claim to be bound", || async {
        let phase = claims.get("data").await?.status.and_then(|status| status.phase);
        Ok((phase.as_deref() == Some("Bound")).then_some(()))
    })
    .await?;

    command::output(cluster.kubectl().args(["delete", "pvc", "data", "--namespace", &namespace]))?;
    let volumes =
        || command::output(cluster.kubectl().args(["get", "pv", "--output", "jsonpath={..claimRef.namespace}"]));
    wait::until(LIMIT, "the volume to go", || Ok((!volumes()?.contains(&namespace)).then_some(())))
}

#[tokio::test]
async fn the_audit_log_names_who_asked_for_what() -> Result<()> {
    let cluster = shared();
    let namespace = cluster.namespace("audit").await?;
    let mark = cluster.audit_mark()?;
    command::output(cluster.kubectl().args(["create", "configmap", "noted", "--namespace", &namespace]))?;

    let created = wait::until_async(LIMIT, "the line in the audit log", || async {
        let requests = mark.requests()?;
        Ok(requests.into_iter().find(|request| {
            request.verb == "create" && request.resource == "configmaps" && request.user_agent.starts_with("kubectl")
        }))
    })
    .await?;
    assert_eq!((created.user.as_str(), created.namespace.as_str(), created.code), ("admin", namespace.as_str(), 201));
    Ok(())
}

#[tokio::test]
async fn a_service_account_has_no_rights_but_its_own() -> Result<()> {
    let cluster = shared();
    let namespace = cluster.namespace("account").await?;
    command::output(cluster.kubectl().args(["create", "serviceaccount", "nobody", "--namespace", &namespace]))?;

    let kubeconfig = cluster.service_account_kubeconfig(&namespace, "nobody")?;
    let refused = command::finish(cluster.kubectl().env("KUBECONFIG", kubeconfig).args(["get", "secrets"]), LIMIT)?;
    assert!(refused.stderr.contains("Forbidden"), "{refused:?}");
    Ok(())
}

#[test]
fn what_is_stored_survives_a_restart_of_the_api_server() -> Result<()> {
    let cluster = Lent::take()?;
    command::output(cluster.kubectl().args(["create", "configmap", "kept"]))?;

    cluster.stop_apiserver();
    let refused = command::finish(cluster.kubectl().args(["get", "configmap", "kept"]), LIMIT)?;
    assert!(!refused.success, "{refused:?}");
    cluster.start_apiserver()?;
    command::output(cluster.kubectl().args(["get", "configmap", "kept"]))?;
    Ok(())
}

#[test]
fn a_process_hears_signals_and_goes_with_its_owner() -> Result<()> {
    let cluster = shared();
    let script = "trap 'echo bye; exit 7' TERM; echo here; while :; do sleep 0.05; done";
    let run = |name: &str| cluster.run(name, Command::new("sh").args(["-c", script]));
    let here = |process: &Process| Ok(process.output()?.starts_with("here").then_some(()));

    let mut polite = run("polite")?;
    wait::until(LIMIT, "the script to begin", || here(&polite))?;
    polite.signal(Signal::Pause)?;
    polite.signal(Signal::Resume)?;
    polite.signal(Signal::Terminate)?;
    assert_eq!(polite.wait(LIMIT)?.code(), Some(7));
    assert_eq!(polite.output()?, "here\nbye\n");

    let mut dropped = run("dropped")?;
    wait::until(LIMIT, "the script to begin", || here(&dropped))?;
    dropped.stop();
    assert_eq!(dropped.output()?, "here\n", "killed, not asked");
    Ok(())
}

fn pod(name: &str, labels: &serde_json::Value) -> Result<Pod> {
    let containers = json!([{"name": "only", "image": "example.invalid/only:1"}]);
    Ok(serde_json::from_value(json!({
        "metadata": {"name": name, "labels": labels},
        "spec": {"containers": containers},
    }))?)
}

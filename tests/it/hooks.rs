//! Hooks as Jobs and Pods on simulated nodes.

use std::time::Duration;

use anyhow::{Context, Result};
use coxswain::cluster::Cluster;
use coxswain::cluster::hooks::{DeletePolicy, HookError, HookRun};
use coxswain::release::Hook;
use serde_json::{Value, json};

use crate::support::{command, shared};

const LIMIT: Duration = Duration::from_secs(30);

fn job(name: &str, labels: &Value) -> Hook {
    let manifest = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": {
        "backoffLimit": 0,
        "template": {
            "metadata": {"labels": labels},
            "spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "example.org/job:1"}]},
        },
    }});
    Hook {
        name: name.into(),
        kind: "Job".into(),
        path: format!("web/templates/{name}.yaml"),
        manifest: manifest.to_string(),
        ..Hook::default()
    }
}

fn run<'a>(hook: &'a Hook, namespace: &'a str, token: &'a str) -> HookRun<'a> {
    HookRun { hook, namespace, token, timeout: LIMIT }
}

fn uid(namespace: &str, job: &str) -> Result<String> {
    let mut kubectl = shared().kubectl();
    command::output(kubectl.args(["get", "job", job, "-n", namespace, "-o", "jsonpath={.metadata.uid}"]))
}

#[tokio::test]
async fn a_run_with_the_same_token_is_continued_and_another_starts_anew() -> Result<()> {
    let (cluster, namespace) = (Cluster::from_client(shared().client().await?), shared().namespace("hook").await?);
    let hook = job("migrate", &json!({}));
    cluster.run_hook(run(&hook, &namespace, "web.1 first")).await?;
    let first = uid(&namespace, "migrate")?;
    cluster.run_hook(run(&hook, &namespace, "web.1 first")).await?;
    assert_eq!(uid(&namespace, "migrate")?, first);
    cluster.run_hook(run(&hook, &namespace, "web.2 second")).await?;
    assert_ne!(uid(&namespace, "migrate")?, first);

    cluster.delete_hooks(&[&hook], DeletePolicy::HookSucceeded, &namespace, LIMIT).await?;
    assert!(uid(&namespace, "migrate").is_ok());
    let deleted = Hook { delete_policies: vec!["hook-succeeded".into()], ..hook };
    cluster.delete_hooks(&[&deleted], DeletePolicy::HookSucceeded, &namespace, LIMIT).await?;
    assert!(uid(&namespace, "migrate").is_err());
    Ok(())
}

#[tokio::test]
async fn a_failed_job_tells_why_and_what_its_log_says() -> Result<()> {
    let (cluster, namespace) = (Cluster::from_client(shared().client().await?), shared().namespace("hook").await?);
    let hook = job("migrate", &json!({"kwok-fail": "true"}));
    let error = cluster.run_hook(run(&hook, &namespace, "web.1")).await.err().context("the hook succeeded")?;
    assert!(matches!(error, HookError::Failed { .. }), "{error:?}");
    assert_eq!(error.log(), ["a line from a simulated container"]);
    let text = error.to_string();
    for word in [
        "hook web/templates/migrate.yaml: Job \"migrate\"",
        "BackoffLimitExceeded",
        "container main ended with exit code 1",
    ] {
        assert!(text.contains(word), "{word} in {text}");
    }
    Ok(())
}

#[tokio::test]
async fn a_job_that_does_not_end_says_what_it_waits_for() -> Result<()> {
    let (cluster, namespace) = (Cluster::from_client(shared().client().await?), shared().namespace("hook").await?);
    let hook = job("migrate", &json!({"kwok-unready": "true"}));
    let short = HookRun { timeout: Duration::from_secs(4), ..run(&hook, &namespace, "web.1") };
    let error = cluster.run_hook(short).await.err().context("the hook succeeded")?;
    assert!(error.to_string().contains("ImagePullBackOff"), "{error}");
    Ok(())
}

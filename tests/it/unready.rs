//! What is not healthy says why: in the words of its pods, or of the warnings about them or about the workload.

use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::world::{Place, condition, world};

/// How long it is counted what is asked for while a release is unhealthy.
const QUIET: Duration = Duration::from_secs(12);

/// A place whose chart renders the objects in `values.objects`.
async fn place(purpose: &str) -> Result<Place<'static>> {
    world().place(purpose, &["objects"]).await
}

fn workload(kind: &str, labels: &Value, pod: &Value) -> Value {
    let mut pod = pod.clone();
    pod["containers"] = json!([{"name": "main", "image": "example.invalid/main:1"}]);
    let mut labels = labels.clone();
    labels["app"] = "web".into();
    let mut object = json!({"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": "web"}, "spec": {
        "selector": {"matchLabels": {"app": "web"}}, "template": {"metadata": {"labels": labels}, "spec": pod},
    }});
    if kind == "StatefulSet" {
        object["spec"]["serviceName"] = "web".into();
    }
    object
}

fn deploy(place: &Place<'_>, object: &Value, spec: &Value) -> Result<()> {
    let mut request = place.request("web", json!({"chart": "charts/objects", "values": {"objects": [object]}}));
    spec.as_object().into_iter().flatten().for_each(|(name, value)| request["spec"][name] = value.clone());
    place.apply(&request)
}

/// Waits until the Ready condition says something, and gives what it says.
fn until_told(place: &Place<'_>, words: &[&str]) -> Result<String> {
    let message = |request: &Value| {
        let ready = condition(request, "Ready").cloned().unwrap_or_default();
        ready["message"].as_str().unwrap_or_default().to_owned()
    };
    let told = place.until("helmrequest", "web", &format!("its condition to tell of {words:?}"), |request| {
        words.iter().all(|word| message(request).contains(word))
    })?;
    Ok(message(&told))
}

/// The newest pod of the release.
fn pod(place: &Place<'_>) -> Result<Value> {
    let list: Value = serde_json::from_str(&place.kubectl(&["get", "pods", "-l", "app=web", "-o", "json"])?)?;
    list["items"].as_array().and_then(|pods| pods.first().cloned()).context("there is no pod")
}

#[tokio::test]
async fn an_image_that_cannot_be_pulled_and_a_probe_that_fails_are_told_by_the_pod() -> Result<()> {
    let place = place("unready").await?;
    deploy(&place, &workload("Deployment", &json!({"kwok-unready": "true"}), &json!({})), &json!({}))?;
    let message = until_told(&place, &["Deployment web", "ImagePullBackOff: the image cannot be pulled"])?;
    assert!(message.contains("0 of 1 objects are ready") && message.contains("container main waits"), "{message}");
    let mark = place.world.cluster.audit_mark()?;
    sleep(QUIET);
    let asked = mark.requests()?.into_iter().filter(|request| {
        request.user == "system:serviceaccount:captain-system:coxswain"
            && request.namespace == place.namespace
            && request.verb != "watch"
    });
    let asked: Vec<String> = asked.map(|request| format!("{} {}", request.verb, request.resource)).collect();
    // Five and ten seconds after it stood like this, then no more for ten.
    assert!(asked.len() <= 2 * 3, "it is not asked in a loop: {asked:?}");
    assert!(!asked.iter().any(|request| request.starts_with("patch")), "what is told is not told again: {asked:?}");

    let pod = pod(&place)?;
    let name = pod["metadata"]["name"].as_str().context("a name")?;
    let status = json!({"status": {
        "phase": "Running",
        "containerStatuses": [{
            "name": "main", "image": "example.invalid/main:1", "imageID": "", "ready": false, "restartCount": 0,
            "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}},
        }],
    }});
    place.kubectl(&["patch", "pod", name, "--subresource=status", "--type=merge", "-p", &status.to_string()])?;
    let event = |name: &str, time: &str, message: &str| {
        json!({
            "apiVersion": "v1", "kind": "Event", "metadata": {"name": name, "namespace": place.namespace},
            "involvedObject": {
                "apiVersion": "v1", "kind": "Pod", "name": pod["metadata"]["name"], "namespace": place.namespace,
                "uid": pod["metadata"]["uid"],
            },
            "type": "Warning", "reason": "Unhealthy", "message": message, "lastTimestamp": time,
        })
    };
    place.apply(&event("old", "2026-01-01T00:00:00Z", "an older warning"))?;
    place.apply(&event("new", "2026-01-01T00:00:01Z", "Readiness probe failed:\nstatuscode: 500"))?;
    let message = until_told(&place, &["Unhealthy: Readiness probe failed: statuscode: 500"])?;
    assert!(message.contains(name) && !message.contains("an older warning"), "{message}");

    place.kubectl(&["label", "pod", name, "kwok-unready-"])?;
    let ready = json!({"status": {"conditions": [{"type": "Ready", "status": "True"}]}}).to_string();
    place.kubectl(&["patch", "pod", name, "--subresource=status", "--type=merge", "-p", &ready])?;
    let told = place.until_ready("web")?;
    let message = &condition(&told, "Ready").context("a condition")?["message"];
    assert_eq!(message, "1 of 1 objects are ready");
    Ok(())
}

#[tokio::test]
async fn a_pod_that_no_node_takes_fails_a_wait_and_says_so() -> Result<()> {
    let place = place("unscheduled").await?;
    let object = workload("DaemonSet", &json!({}), &json!({}));
    deploy(&place, &object, &json!({}))?;
    place.until_ready("web")?;
    let nowhere = json!({"nodeSelector": {"disk": "none"}});
    let object = workload("StatefulSet", &json!({}), &nowhere);
    deploy(&place, &object, &json!({"wait": true, "timeout": "12s"}))?;
    until_told(&place, &["deploying revision 2; 0 of 1 objects are ready; StatefulSet web", "Unschedulable"])?;
    let message = place.until_failed("web", "Timeout")?;
    for word in ["StatefulSet \"web\"", "when the timeout was over", "pod \"web-0\": Unschedulable: "] {
        assert!(message.contains(word), "{word} in {message}");
    }
    Ok(())
}

#[tokio::test]
async fn a_quota_that_lets_no_pod_be_made_is_told_in_its_own_words() -> Result<()> {
    for kind in ["Deployment", "StatefulSet"] {
        let place = place("quota").await?;
        place.kubectl(&["create", "quota", "few", "--hard=pods=0"])?;
        deploy(&place, &workload(kind, &json!({}), &json!({})), &json!({}))?;
        let message = until_told(&place, &["exceeded quota: few"])?;
        assert!(message.contains("FailedCreate") && message.contains("pods=0"), "{message}");
        place.kubectl(&["delete", "quota", "few"])?;
    }
    Ok(())
}

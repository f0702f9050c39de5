//! HelmRequests from the first apply to the last delete, with the real operator and the real helm.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::support::wait;
use crate::world::{LIMIT, Place, world};

/// How long a repair may take in a test; the budget of one second is held by the benchmark, this only finds what is
/// broken on a busy machine.
const REPAIR: Duration = Duration::from_secs(10);

async fn place(purpose: &str) -> Result<Place<'static>> {
    world().place(purpose, &["hello-0.1.0", "hello-0.2.0", "hooks"]).await
}

fn hello(values: Value) -> Value {
    json!({"chart": "charts/hello", "version": "0.1.0", "values": values})
}

fn history(place: &Place<'_>, release: &str) -> Result<Vec<(i64, String, String)>> {
    let text = place.helm(&["history", release, "-o", "json"])?;
    let revisions: Vec<Value> = serde_json::from_str(&text)?;
    let row = |revision: &Value| {
        let word = |name: &str| revision[name].as_str().unwrap_or_default().to_owned();
        (revision["revision"].as_i64().unwrap_or_default(), word("status"), word("chart"))
    };
    Ok(revisions.iter().map(row).collect())
}

fn row(revision: i64, status: &str, chart: &str) -> (i64, String, String) {
    (revision, status.to_owned(), chart.to_owned())
}

#[tokio::test]
async fn a_request_is_installed_and_helm_sees_the_release_as_its_own() -> Result<()> {
    let place = place("install").await?;
    place.apply(&place.request("web", hello(json!({"replicas": 2, "message": "good morning"}))))?;
    let ready = place.until_ready("web")?;
    assert_eq!(ready["status"]["version"], "0.1.0");
    assert_eq!(ready["status"]["revision"], 1);
    assert!(ready["status"]["notes"].as_str().is_some_and(|notes| notes.contains("good morning")), "{ready}");
    assert_eq!(history(&place, "web")?, [row(1, "deployed", "hello-0.1.0")]);
    let manifest = place.helm(&["get", "manifest", "web"])?;
    assert!(manifest.contains("# Source: hello/templates/deployment.yaml"), "{manifest}");
    let values: Value = serde_json::from_str(&place.helm(&["get", "values", "web", "-o", "json"])?)?;
    assert_eq!(values, json!({"replicas": 2, "message": "good morning"}));
    assert!(place.helm(&["status", "web"])?.contains("STATUS: deployed"));
    place.until_event("web", "Synced", "revision 1")?;
    Ok(())
}

#[tokio::test]
async fn what_is_deleted_or_edited_comes_back_and_the_event_says_who_did_it() -> Result<()> {
    let place = place("drift").await?;
    place.apply(&place.request("web", hello(json!({"message": "as declared"}))))?;
    place.until_ready("web")?;

    let uid = place.get("service", "web-hello")?.context("there is no Service")?["metadata"]["uid"].clone();
    place.kubectl(&["delete", "service", "web-hello"])?;
    let began = Instant::now();
    place.until("service", "web-hello", "the Service to be back", |service| service["metadata"]["uid"] != uid)?;
    assert!(began.elapsed() < REPAIR, "it took {:?}", began.elapsed());
    place.until_event("web", "DriftRepaired", "was deleted")?;

    place.kubectl(&["patch", "configmap", "web-hello", "-p", r#"{"data":{"message":"tampered","extra":"mine"}}"#])?;
    let repaired = place.until("configmap", "web-hello", "the ConfigMap to be repaired", |config_map| {
        config_map["data"]["message"] == "as declared"
    })?;
    assert_eq!(repaired["data"]["extra"], "mine", "fields that others add are left alone");
    let note = place.until_event("web", "DriftRepaired", ".data.message")?;
    assert!(note.contains("kubectl-patch"), "{note}");

    place.kubectl(&["scale", "deployment", "web-hello", "--replicas", "5"])?;
    place
        .until("deployment", "web-hello", "the scale to be undone", |deployment| deployment["spec"]["replicas"] == 1)?;
    place.until_event("web", "DriftRepaired", ".spec.replicas")?;
    assert_eq!(history(&place, "web")?.len(), 1, "a repair makes no revision");
    Ok(())
}

#[tokio::test]
async fn an_object_that_loses_our_label_gets_it_back() -> Result<()> {
    let place = place("label").await?;
    place.apply(&place.request("web", hello(json!({}))))?;
    place.until_ready("web")?;
    place.kubectl(&["label", "configmap", "web-hello", "app.kubernetes.io/managed-by-"])?;
    place.until("configmap", "web-hello", "the label to be back", |config_map| {
        config_map["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "Helm"
    })?;
    Ok(())
}

#[tokio::test]
async fn values_and_versions_upgrade_and_what_left_the_chart_goes() -> Result<()> {
    let place = place("upgrade").await?;
    place.apply(&place.request("web", hello(json!({}))))?;
    place.until_ready("web")?;
    place.merge("helmrequest", "web", &json!({"spec": {"values": {"replicas": 3}}}))?;
    let upgraded = place.until_ready("web")?;
    assert_eq!(upgraded["status"]["revision"], 2);
    place.merge("helmrequest", "web", &json!({"spec": {"version": "0.2.0"}}))?;
    let upgraded = place.until_ready("web")?;
    assert_eq!(upgraded["status"]["version"], "0.2.0");
    assert!(place.get("poddisruptionbudget", "web-hello")?.is_some());
    place.merge("helmrequest", "web", &json!({"spec": {"version": "0.1.0"}}))?;
    place.until_ready("web")?;
    wait::until(LIMIT, "the budget to go", || {
        Ok(place.get("poddisruptionbudget", "web-hello")?.is_none().then_some(()))
    })?;
    let expected = [
        row(1, "superseded", "hello-0.1.0"),
        row(2, "superseded", "hello-0.1.0"),
        row(3, "superseded", "hello-0.2.0"),
        row(4, "deployed", "hello-0.1.0"),
    ];
    assert_eq!(history(&place, "web")?, expected);
    Ok(())
}

#[tokio::test]
async fn no_more_revisions_are_kept_than_asked_for() -> Result<()> {
    let place = place("history").await?;
    let mut spec = hello(json!({"message": "0"}));
    spec["historyMax"] = json!(2);
    place.apply(&place.request("web", spec))?;
    place.until_ready("web")?;
    for message in ["1", "2", "3"] {
        place.merge("helmrequest", "web", &json!({"spec": {"values": {"message": message}}}))?;
        place.until_ready("web")?;
    }
    let kept: Vec<i64> = history(&place, "web")?.into_iter().map(|(revision, ..)| revision).collect();
    assert_eq!(kept, [3, 4]);
    Ok(())
}

#[tokio::test]
async fn deleting_a_request_removes_its_release_and_leaves_finalizers_of_others() -> Result<()> {
    let place = place("delete").await?;
    let mut request = place.request("web", hello(json!({})));
    request["metadata"]["finalizers"] = json!(["example.com/hold"]);
    place.apply(&request)?;
    place.until_ready("web")?;
    place.delete("helmrequest", "web")?;
    place.until("helmrequest", "web", "only the other finalizer to be left", |request| {
        request["metadata"]["finalizers"] == json!(["example.com/hold"])
    })?;
    assert!(place.get("deployment", "web-hello")?.is_none());
    assert_eq!(place.helm(&["list", "-q"])?, "");
    place.merge("helmrequest", "web", &json!({"metadata": {"finalizers": null}}))?;
    wait::until(LIMIT, "the request to go", || Ok(place.get("helmrequest", "web")?.is_none().then_some(())))
}

#[tokio::test]
async fn a_namespace_can_be_deleted_with_everything_in_it() -> Result<()> {
    let place = place("namespace").await?;
    place.apply(&place.request("web", hello(json!({}))))?;
    place.until_ready("web")?;
    place.kubectl(&["delete", "namespace", &place.namespace.clone(), "--timeout", "50s"])?;
    Ok(())
}

#[tokio::test]
async fn a_change_of_a_values_source_is_deployed_by_itself() -> Result<()> {
    let place = place("sources").await?;
    place.kubectl(&[
        "create",
        "configmap",
        "base",
        "--from-literal",
        "values.yaml=message: from the map\nreplicas: 2",
    ])?;
    place.kubectl(&["create", "secret", "generic", "top", "--from-literal", "extra=message: from the secret"])?;
    let mut spec = hello(json!({}));
    spec["valuesFrom"] = json!([
        {"configMapKeyRef": {"name": "base"}},
        {"secretKeyRef": {"name": "top", "key": "extra"}},
        {"configMapKeyRef": {"name": "absent", "optional": true}},
    ]);
    place.apply(&place.request("web", spec))?;
    place.until_ready("web")?;
    let message = |text: &'static str| move |map: &Value| map["data"]["message"] == text;
    place.until("configmap", "web-hello", "the secret's message", message("from the secret"))?;
    let change = r#"{"stringData":{"extra":"message: changed"}}"#;
    place.kubectl(&["patch", "secret", "top", "-p", change])?;
    let began = Instant::now();
    place.until("configmap", "web-hello", "the changed message", message("changed"))?;
    assert!(began.elapsed() < REPAIR, "it took {:?}", began.elapsed());
    place.kubectl(&["create", "configmap", "absent", "--from-literal", "values.yaml=message: no longer absent"])?;
    place.until("configmap", "web-hello", "the message of the new map", message("no longer absent"))?;
    Ok(())
}

#[tokio::test]
async fn annotations_do_what_captain_documented() -> Result<()> {
    let place = place("annotations").await?;
    place.kubectl(&["create", "configmap", "web-hello", "--from-literal", "message=not yours"])?;
    place.apply(&place.request("web", hello(json!({}))))?;
    let message = place.until_failed("web", "ObjectOwnedByOther")?;
    assert!(message.contains("captain-force-adopt-resources"), "{message}");
    assert!(place.get("deployment", "web-hello")?.is_none(), "nothing is written before the refusal");

    place.kubectl(&["annotate", "helmrequest", "web", "captain-force-adopt-resources=true"])?;
    place.until_ready("web")?;
    place.kubectl(&["annotate", "helmrequest", "web", "kubectl-captain.resync=now"])?;
    place.until("helmrequest", "web", "the resync", |request| request["status"]["revision"] == 2)?;

    place.kubectl(&["annotate", "helmrequest", "web", "captain-no-sync=true"])?;
    place.until("helmrequest", "web", "to be told as suspended", |request| {
        crate::world::condition(request, "Ready").is_some_and(|ready| ready["reason"] == "Suspended")
    })?;
    place.merge("helmrequest", "web", &json!({"spec": {"values": {"replicas": 7}}}))?;
    place.kubectl(&["delete", "service", "web-hello"])?;
    std::thread::sleep(Duration::from_secs(2));
    assert!(place.get("service", "web-hello")?.is_none(), "a suspended request is left alone");
    place.kubectl(&["annotate", "helmrequest", "web", "captain-no-sync-"])?;
    place.until_ready("web")?;
    assert!(place.get("service", "web-hello")?.is_some());

    place.kubectl(&["annotate", "helmrequest", "web", "captain-keep-resources=true"])?;
    place.kubectl(&["delete", "helmrequest", "web"])?;
    assert!(place.get("deployment", "web-hello")?.is_some(), "the objects stay");
    assert_eq!(place.helm(&["list", "-q"])?, "", "the records do not");
    Ok(())
}

#[tokio::test]
async fn a_release_of_the_helm_command_line_is_taken_over_without_a_new_revision() -> Result<()> {
    let place = place("adopt").await?;
    let chart = crate::support::charts::folder("hello-0.1.0");
    place.helm(&["install", "web", &chart.to_string_lossy(), "--set-json", "replicas=2"])?;
    let before = place.get("deployment", "web-hello")?.context("helm installed no Deployment")?;
    place.apply(&place.request("web", hello(json!({"replicas": 2}))))?;
    place.until_ready("web")?;
    let after = place.get("deployment", "web-hello")?.context("the Deployment is gone")?;
    assert_eq!(before["metadata"]["generation"], after["metadata"]["generation"]);
    assert_eq!(before["metadata"]["uid"], after["metadata"]["uid"]);
    assert_eq!(history(&place, "web")?, [row(1, "deployed", "hello-0.1.0")]);
    Ok(())
}

#[tokio::test]
async fn hooks_run_around_an_installation_and_a_failing_one_is_told() -> Result<()> {
    let place = place("hooks").await?;
    place.apply(&place.request("good", json!({"chart": "charts/hooks", "values": {"runFor": "1s"}})))?;
    place.until_ready("good")?;
    assert!(place.get("job", "good-before")?.is_some() && place.get("job", "good-after")?.is_some());
    place.apply(&place.request("bad", json!({"chart": "charts/hooks", "values": {"failBefore": true}})))?;
    let message = place.until_failed("bad", "HookFailed")?;
    assert!(message.contains("bad-before"), "{message}");
    assert!(place.get("configmap", "bad")?.is_none(), "a failed hook before the installation leaves objects untouched");
    place.merge("helmrequest", "bad", &json!({"spec": {"values": {"failBefore": false}}}))?;
    place.until_ready("bad")?;
    Ok(())
}

#[tokio::test]
async fn a_hook_that_is_removed_the_moment_it_is_done_has_succeeded() -> Result<()> {
    let place = place("ttl").await?;
    place.apply(&place.request("web", json!({"chart": "charts/hooks", "values": {"keepFor": "0s"}})))?;
    place.until_ready("web")?;
    wait::until(LIMIT, "the Jobs to be removed", || Ok(place.get("job", "web-before")?.is_none().then_some(())))
}

#[tokio::test]
async fn kinds_that_come_with_a_chart_are_served_before_their_objects_are_applied() -> Result<()> {
    let place = world().place("widgets", &["widgets"]).await?;
    place.apply(&place.request("web", json!({"chart": "charts/widgets"})))?;
    place.until_ready("web")?;
    for kind in ["gadgets.widgets.example.com", "widgets.widgets.example.com"] {
        place.kubectl(&["patch", kind, "web", "--type", "merge", "-p", r#"{"spec":{"size":2}}"#])?;
        place.until(kind, "web", "an object of the new kind to be repaired", |object| object["spec"]["size"] == 1)?;
    }
    place.kubectl(&["delete", "helmrequest", "web"])?;
    assert!(
        place.get("customresourcedefinition", "gadgets.widgets.example.com")?.is_some(),
        "what crds/ brought stays"
    );
    Ok(())
}

//! Requests that depend on each other: what waits says for what, goes on by itself, and is deleted the other way round.

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::support::wait;
use crate::world::{LIMIT, Place, condition, world};

async fn place(purpose: &str) -> Result<Place<'static>> {
    world().place(purpose, &["hello-0.1.0", "hello-0.2.0"]).await
}

fn ask(place: &Place<'_>, name: &str, more: &Value) -> Result<()> {
    let mut request = place.request(name, json!({"chart": "charts/hello", "version": "0.1.0"}));
    more.as_object().into_iter().flatten().for_each(|(field, value)| request["spec"][field] = value.clone());
    place.apply(&request)
}

fn change(place: &Place<'_>, name: &str, spec: &Value) -> Result<()> {
    place.merge("helmrequest", name, &json!({"spec": spec}))
}

/// Waits until a condition has a reason and says all these words.
fn until_told(place: &Place<'_>, name: &str, reason: &str, words: &[&str]) -> Result<Value> {
    place.until("helmrequest", name, &format!("{name} to tell {reason} and {words:?}"), |request| {
        let ready = condition(request, "Ready").cloned().unwrap_or_default();
        let message = ready["message"].as_str().unwrap_or_default().to_owned();
        ready["reason"] == reason && words.iter().all(|word| message.contains(word))
    })
}

fn until_says(place: &Place<'_>, name: &str, message: &str) -> Result<()> {
    let what = format!("{name} to say {message}");
    place.until("configmap", &format!("{name}-hello"), &what, |live| live["data"]["message"] == message).map(drop)
}

fn until_gone(place: &Place<'_>, name: &str) -> Result<()> {
    wait::until(LIMIT, &format!("{name} to go"), || Ok(place.get("helmrequest", name)?.is_none().then_some(())))
}

#[tokio::test]
async fn a_request_waits_for_its_dependencies_says_why_and_goes_on_by_itself() -> Result<()> {
    let place = place("depends").await?;
    ask(&place, "web", &json!({"dependencies": ["db"], "valuesFrom": [{"configMapKeyRef": {"name": "of-db"}}]}))?;
    let words = ["\"db\" does not exist", "spec.dependencies[0]", "ValuesSourceMissing"];
    let waiting = until_told(&place, "web", "DependencyNotReady", &words)?;
    assert_eq!(waiting["status"]["phase"], "Pending");
    assert_eq!(waiting["status"]["observedGeneration"], 1);
    place.kubectl(&["create", "configmap", "of-db", "--from-literal=values.yaml=message: one"])?;

    ask(&place, "db", &json!({"values": {"podLabels": {"kwok-unready": "true"}}}))?;
    until_told(&place, "web", "DependencyNotReady", &["\"db\" is not ready: NotReady", "Deployment db-hello"])?;
    assert!(!place.is_recorded("web")?);
    change(&place, "db", &json!({"values": {"podLabels": null}}))?;
    place.until_ready("web")?;
    until_says(&place, "web", "one")?;

    // What is deployed stays as it is, is kept, and is not upgraded before the dependency works.
    change(&place, "db", &json!({"values": {"podLabels": {"kwok-unready": "true"}}}))?;
    until_told(&place, "db", "NotReady", &[])?;
    place.until_ready("web")?;
    change(&place, "web", &json!({"values": {"message": "two"}}))?;
    until_told(&place, "web", "DependencyNotReady", &["\"db\" is not ready"])?;
    place.delete("configmap", "web-hello")?;
    until_says(&place, "web", "one")?;
    change(&place, "db", &json!({"values": {"podLabels": null}}))?;
    until_says(&place, "web", "two")?;
    place.until_ready("web").map(drop)
}

#[tokio::test]
async fn stages_follow_each_other_although_all_hear_the_news_at_once() -> Result<()> {
    let place = place("stages").await?;
    let news = |text: &str| {
        place.apply(&json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "news"}, "data": {"values.yaml": text},
        }))
    };
    news("message: one")?;
    let from = json!([{"configMapKeyRef": {"name": "news"}}]);
    ask(&place, "production", &json!({"valuesFrom": from, "dependsOn": [{"name": "canary"}]}))?;
    ask(&place, "canary", &json!({"valuesFrom": from}))?;
    place.until_ready("production")?;

    news("{message: two, podLabels: {kwok-unready: 'true'}}")?;
    until_says(&place, "canary", "two")?;
    until_told(&place, "production", "DependencyNotReady", &["\"canary\" is not ready"])?;
    until_says(&place, "production", "one")?;
    news("message: three")?;
    until_says(&place, "production", "three")?;
    place.until_ready("production")?;
    let history: Value = serde_json::from_str(&place.helm(&["history", "production", "-o", "json"])?)?;
    assert_eq!(history.as_array().map(Vec::len), Some(2), "what failed in the first stage never came: {history}");

    // An expression instead of readiness.
    let ready = "dep.status.version == self.spec.version && dep.status.phase == 'Synced'";
    change(&place, "production", &json!({"version": "0.2.0", "dependsOn": [{"name": "canary", "ready": ready}]}))?;
    until_told(&place, "production", "DependencyNotReady", &["does not meet spec.dependsOn[0].ready", "self.spec"])?;
    change(&place, "production", &json!({"dependsOn": [{"name": "canary", "ready": "dep.status.version =="}]}))?;
    place.until_failed("production", "InvalidRequest")?;
    change(&place, "production", &json!({"dependsOn": [{"name": "canary", "ready": ready}]}))?;
    change(
        &place,
        "canary",
        &json!({"version": "0.2.0", "valuesFrom": null, "values": {"podLabels": {"kwok-unready": "true"}}}),
    )?;
    let ready = place.until_ready("production")?;
    assert_eq!(ready["status"]["version"], "0.2.0");
    until_told(&place, "canary", "NotReady", &[]).map(drop)
}

#[tokio::test]
async fn a_ring_is_named_whole_and_ends_with_the_last_of_its_dependencies() -> Result<()> {
    let place = place("ring").await?;
    let elsewhere = json!({"dependsOn": [{"name": "b", "namespace": place.namespace}]});
    ask(&place, "a", &elsewhere)?;
    ask(&place, "b", &json!({"dependencies": ["c"]}))?;
    ask(&place, "c", &json!({"dependencies": ["a"]}))?;
    for (name, ring) in [("a", r#""a" → "b" → "c" → "a""#), ("b", r#""b" → "c" → "a" → "b""#)] {
        let told = until_told(&place, name, "DependencyCycle", &[ring])?;
        assert!(condition(&told, "Stalled").is_some_and(|stalled| stalled["status"] == "True"), "{told}");
    }
    change(&place, "c", &json!({"dependencies": null}))?;
    for name in ["a", "b", "c"] {
        place.until_ready(name)?;
    }
    Ok(())
}

#[tokio::test]
async fn requests_are_deleted_before_what_they_depend_on() -> Result<()> {
    let place = place("reverse").await?;
    ask(&place, "db", &json!({}))?;
    ask(&place, "web", &json!({"dependencies": ["db"]}))?;
    ask(&place, "stays", &json!({"dependsOn": [{"name": "db"}]}))?;
    for name in ["web", "stays"] {
        place.until_ready(name)?;
    }
    let hold =
        |finalizers: Value| place.merge("configmap", "web-hello", &json!({"metadata": {"finalizers": finalizers}}));
    hold(json!(["example.com/hold"]))?;
    place.delete("helmrequest", "db")?;
    place.delete("helmrequest", "web")?;
    until_told(&place, "db", "DependentsNotDeleted", &["HelmRequest \"web\""])?;
    wait::until(LIMIT, "web's objects to go", || Ok(place.get("deployment", "web-hello")?.is_none().then_some(())))?;
    place.get("deployment", "db-hello")?.context("the dependency is still there")?;
    hold(Value::Null)?;
    until_gone(&place, "web")?;
    until_gone(&place, "db")?;
    place.until_event("db", "DependencyDeleted", "\"stays\"")?;
    let stays = place.until_ready("stays")?;
    assert_eq!(stays["status"]["revision"], 1);
    Ok(())
}

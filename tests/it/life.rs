//! The life of a release beside its straight path: failures and what the request wants done about them, rollbacks,
//! tests.

use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::drift_table::definition;
use crate::support::wait;
use crate::world::{LIMIT, Place, condition, world};

/// How long nothing more may happen after what was to happen last.
const SETTLED: Duration = Duration::from_secs(5);

async fn place(purpose: &str) -> Result<Place<'static>> {
    world().place(purpose, &["hello-0.1.0", "hello-0.2.0", "hooks"]).await
}

/// Revisions with status and description, as the helm command tells them.
fn history(place: &Place<'_>) -> Result<Vec<(i64, String, String)>> {
    let history: Value = serde_json::from_str(&place.helm(&["history", "web", "-o", "json"])?)?;
    let revisions = history.as_array().context("a history")?.iter();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Ok(revisions
        .map(|entry| (entry["revision"].as_i64().unwrap_or(0), text(&entry["status"]), text(&entry["description"])))
        .collect())
}

fn statuses(place: &Place<'_>) -> Result<Vec<String>> {
    Ok(history(place)?.into_iter().map(|(_, status, _)| status).collect())
}

#[tokio::test]
async fn a_failed_upgrade_is_rolled_back_and_stays_so_until_something_changes() -> Result<()> {
    let place = place("put-back").await?;
    let on_failure = json!({"strategy": "Rollback"});
    let spec = json!({"chart": "charts/hooks", "onFailure": on_failure, "values": {"failBefore": false}});
    place.apply(&place.request("web", spec))?;
    place.until_ready("web")?;
    place.change(&json!({"values": {"failBefore": true}}))?;
    let message = place.until_failed("web", "RolledBack")?;
    for word in ["revision 2", "web-before", "rolled back to revision 1", "until the chart, the values or the spec"] {
        assert!(message.contains(word), "{word} in {message}");
    }
    sleep(SETTLED);
    assert_eq!(statuses(&place)?, ["superseded", "failed", "deployed"]);
    assert_eq!(history(&place)?[2].2, "Rollback to 1");
    let live = place.get("configmap", "web")?.context("the object of the release")?;
    assert_eq!(live["data"]["revision"], "1");
    let request = place.get("helmrequest", "web")?.context("the request")?;
    assert_eq!((&request["status"]["phase"], &request["status"]["revision"]), (&json!("Failed"), &json!(3)));
    assert!(condition(&request, "Stalled").is_some_and(|stalled| stalled["status"] == "True"), "{request}");
    place.until_event("web", "RolledBack", "rolled back to revision 1")?;

    place.kubectl(&["delete", "configmap", "web"])?;
    place.until("configmap", "web", "what was put back to be repaired", |live| live["data"]["revision"] == "1")?;
    place.change(&json!({"values": {"failBefore": false, "runFor": "1s"}}))?;
    place.until_ready("web")?;
    assert_eq!(statuses(&place)?, ["superseded", "failed", "superseded", "deployed"]);
    Ok(())
}

#[tokio::test]
async fn a_failed_upgrade_that_is_to_be_kept_is_not_tried_again() -> Result<()> {
    let place = place("kept").await?;
    let on_failure = json!({"strategy": "Keep", "retries": 1});
    place.apply(&place.request("web", json!({"chart": "charts/hooks", "onFailure": on_failure})))?;
    place.until_ready("web")?;
    place.change(&json!({"values": {"failBefore": true}}))?;
    let given_up = |request: &Value| {
        let stalled = condition(request, "Stalled").cloned().unwrap_or_default();
        stalled["message"].as_str().is_some_and(|message| message.contains("not tried again until"))
    };
    place.until("helmrequest", "web", "the upgrade to be given up", given_up)?;
    let attempts = |place: &Place<'_>| -> Result<Value> {
        let record = place.get("secret", "sh.helm.release.v1.web.v2")?.context("the failed record")?;
        Ok(record["metadata"]["annotations"]["coxswain.dev/attempts"].clone())
    };
    assert_eq!(attempts(&place)?, "2", "once and one retry");
    sleep(SETTLED);
    assert_eq!((attempts(&place)?, statuses(&place)?), (json!("2"), vec!["deployed".to_owned(), "failed".to_owned()]));
    place.change(&json!({"values": {"failBefore": false, "runFor": "1s"}}))?;
    place.until_ready("web").map(drop)
}

#[tokio::test]
async fn a_failed_first_install_can_be_removed_and_begun_anew() -> Result<()> {
    let place = place("anew").await?;
    let on_failure = json!({"strategy": "Uninstall"});
    let spec = json!({"chart": "charts/hooks", "onFailure": on_failure, "values": {"failAfter": true}});
    place.apply(&place.request("web", spec))?;
    let removed = |request: &Value| {
        let ready = condition(request, "Ready").cloned().unwrap_or_default();
        ready["message"].as_str().is_some_and(|message| message.contains("it was uninstalled; next attempt in"))
    };
    place.until("helmrequest", "web", "the failed install to be removed", removed)?;
    place.change(&json!({"values": {"failAfter": false}}))?;
    place.until_ready("web")?;
    assert_eq!(statuses(&place)?, ["deployed"]);
    Ok(())
}

#[tokio::test]
async fn a_rollback_by_the_user_is_one_revision_and_holds_until_something_changes() -> Result<()> {
    let place = place("rollback").await?;
    let spec = json!({"chart": "charts/hello", "version": "0.1.0", "values": {"message": "one"}});
    place.apply(&place.request("web", spec))?;
    place.until_ready("web")?;
    place.change(&json!({"version": "0.2.0", "values": {"message": "two"}}))?;
    place.until_ready("web")?;
    place.change(&json!({"rollbackTo": 1}))?;
    let back = place.until_ready("web")?;
    assert_eq!((&back["status"]["version"], &back["status"]["revision"]), (&json!("0.1.0"), &json!(3)));
    let says = |message: &str| {
        let what = format!("the message to be {message}");
        place.until("configmap", "web-hello", &what, |live| live["data"]["message"] == message).map(drop)
    };
    says("one")?;
    sleep(SETTLED);
    assert_eq!(history(&place)?[2], (3, "deployed".to_owned(), "Rollback to 1".to_owned()));
    assert_eq!(statuses(&place)?, ["superseded", "superseded", "deployed"]);
    assert!(place.helm(&["get", "values", "web"])?.contains("one"));

    place.change(&json!({"values": {"message": "three"}}))?;
    says("three")?;
    place.until_ready("web")?;
    place.change(&json!({"rollbackTo": null}))?;
    place.until_ready("web")?;
    sleep(SETTLED);
    assert_eq!(statuses(&place)?.len(), 4, "a rollback that is over is nothing to go back from");
    place.change(&json!({"rollbackTo": 2}))?;
    says("two")?;
    place.change(&json!({"rollbackTo": null}))?;
    says("three")?;
    place.until_ready("web")?;
    place.change(&json!({"rollbackTo": 99}))?;
    let message = place.until_failed("web", "RevisionNotFound")?;
    assert!(message.contains("rollbackTo 99") && message.contains("has 1, 2, 3, 4, 5, 6"), "{message}");
    place.kubectl(&["delete", "configmap", "web-hello"])?;
    says("three")
}

#[tokio::test]
async fn tests_of_a_chart_run_once_for_each_revision_and_a_failing_one_is_told() -> Result<()> {
    let place = place("tested").await?;
    place.apply(&place.request("web", json!({"chart": "charts/hooks", "test": true})))?;
    let tested = |status: &'static str, reason: &'static str| {
        move |request: &Value| {
            let success = condition(request, "TestSuccess").cloned().unwrap_or_default();
            success["status"] == status && success["reason"] == reason
        }
    };
    place.until("helmrequest", "web", "the tests to succeed", tested("True", "TestsSucceeded"))?;
    let job = place.get("job", "web-test")?.context("the test's Job")?;
    sleep(SETTLED);
    let same = place.get("job", "web-test")?.context("the test's Job")?;
    assert_eq!(same["metadata"]["uid"], job["metadata"]["uid"], "tests run once");
    assert_eq!(statuses(&place)?, ["deployed"]);

    place.change(&json!({"values": {"failTest": true}}))?;
    let failed = place.until("helmrequest", "web", "the tests to fail", tested("False", "TestsFailed"))?;
    assert_eq!(failed["status"]["phase"], "Synced", "it is deployed all the same");
    place.until_event("web", "TestsFailed", "web-test")?;
    wait::until(LIMIT, "helm to tell of the failed test", || {
        Ok(place.helm(&["status", "web"])?.contains("Failed").then_some(()))
    })
}

#[tokio::test]
async fn the_log_of_a_hook_that_asks_for_it_is_told_without_what_is_secret() -> Result<()> {
    let place = place("logged").await?;
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "login"},
        "stringData": {"values.yaml": "word: simulated"},
    });
    place.apply(&secret)?;
    let asks = json!({"outputLogPolicy": "hook-succeeded", "deletePolicy": "hook-succeeded"});
    let from = json!([{"secretKeyRef": {"name": "login", "key": "values.yaml"}}]);
    let web = json!({"chart": "charts/hooks", "values": asks, "valuesFrom": from, "test": true});
    place.apply(&place.request("web", web))?;
    place.until_ready("web")?;
    place.until_event("web", "HookSucceeded", "test.yaml")?;
    place.change(&json!({"values": {"failTest": true}}))?;
    place.until_event("web", "TestsFailed", "web-test")?;
    place.delete("helmrequest", "web")?;
    place.until_event("web", "HookSucceeded", "leave.yaml")?;
    let told = [place.events("web", "HookSucceeded")?, place.events("web", "TestsFailed")?].concat();
    assert_eq!(told.len(), 5, "before (its second is counted), after, the tests twice, leave: {told:?}");
    assert!(told.iter().all(|note| note.contains("a line from a … container")), "{told:?}");

    place.apply(&place.request("silent", json!({"chart": "charts/hooks"})))?;
    place.until_ready("silent")?;
    assert_eq!(place.events("silent", "HookSucceeded")?, Vec::<String>::new());
    Ok(())
}

#[tokio::test]
async fn an_object_that_a_finalizer_holds_is_named_and_what_holds_it() -> Result<()> {
    let place = place("held").await?;
    place.apply(&place.request("web", json!({"chart": "charts/hello", "version": "0.1.0", "timeout": "13s"})))?;
    place.until_ready("web")?;
    place.merge("configmap", "web-hello", &json!({"metadata": {"finalizers": ["example.com/hold"]}}))?;
    place.delete("helmrequest", "web")?;
    let waits = |request: &Value| {
        let reconciling = condition(request, "Reconciling").cloned().unwrap_or_default();
        reconciling["message"].as_str().is_some_and(|message| message.contains("example.com/hold"))
    };
    place.until("helmrequest", "web", "what holds the object to be told", waits)?;
    assert_eq!(place.events("web", "FailedDelete")?, Vec::<String>::new(), "it may still go");
    let told = place.until_event("web", "FailedDelete", "(finalizers example.com/hold)")?;
    assert!(told.contains("ConfigMap \"web-hello\""), "{told}");
    let request = place.get("helmrequest", "web")?.context("the request waits")?;
    let message = condition(&request, "Ready").map(|ready| ready["message"].clone()).unwrap_or_default();
    assert!(message.as_str().is_some_and(|message| message.contains("example.com/hold")), "{request}");
    assert!(place.get("deployment", "web-hello")?.is_none(), "the others are gone");

    place.merge("configmap", "web-hello", &json!({"metadata": {"finalizers": null}}))?;
    wait::until(LIMIT, "the request to go", || Ok(place.get("helmrequest", "web")?.is_none().then_some(())))?;
    assert_eq!(place.helm(&["list", "-q"])?, "");
    Ok(())
}

#[tokio::test]
async fn a_kind_that_is_gone_holds_no_uninstallation_up() -> Result<()> {
    let place = world().place("vanished", &["objects"]).await?;
    let group = format!("{}.example.org", place.namespace);
    place.apply(&definition(&group, "Moon", "Namespaced"))?;
    let moon = json!({"apiVersion": format!("{group}/v1"), "kind": "Moon", "metadata": {"name": "web"}});
    let settings = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "web"}});
    place.apply(&place.request("web", json!({"chart": "charts/objects", "values": {"objects": [moon, settings]}})))?;
    place.until_ready("web")?;
    place.kubectl(&["delete", "customresourcedefinition", &format!("moons.{group}")])?;
    place.delete("helmrequest", "web")?;
    wait::until(LIMIT, "the request to go", || Ok(place.get("helmrequest", "web")?.is_none().then_some(())))?;
    assert!(place.get("configmap", "web")?.is_none(), "what is left of the release is deleted");
    assert_eq!(place.helm(&["list", "-q"])?, "");
    Ok(())
}

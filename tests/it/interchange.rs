//! The operator beside the real `helm` command: each works on the releases of the other.

use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::support::{charts, command, wait};
use crate::world::{LIMIT, Place, condition, world};

/// How soon a change of the helm command is undone in a test; it is a matter of the render, but the machine is busy.
const SOON: Duration = Duration::from_secs(15);
/// How long nothing may happen where nothing is to happen.
const QUIET: Duration = Duration::from_secs(4);

async fn place(purpose: &str) -> Result<Place<'static>> {
    world().place(purpose, &["hello-0.1.0", "hello-0.2.0", "hooks", "drawn"]).await
}

fn chart(folder: &str) -> String {
    charts::folder(folder).to_string_lossy().into_owned()
}

fn hello(message: &str) -> Value {
    json!({"chart": "charts/hello", "version": "0.1.0", "values": {"message": message}})
}

/// What a helm command prints as JSON.
fn helm_json(place: &Place<'_>, arguments: &[&str]) -> Result<Value> {
    Ok(serde_json::from_str(&place.helm(&[arguments, &["-o", "json"]].concat())?)?)
}

/// The revisions of the release, each with its status.
fn history(place: &Place<'_>) -> Result<Vec<(i64, String)>> {
    let history = helm_json(place, &["history", "web"])?;
    let entry = |entry: &Value| {
        (entry["revision"].as_i64().unwrap_or_default(), entry["status"].as_str().unwrap_or_default().to_owned())
    };
    Ok(history.as_array().context("a history")?.iter().map(entry).collect())
}

fn rows(statuses: &[&str]) -> Vec<(i64, String)> {
    (1..).zip(statuses).map(|(revision, status)| (revision, (*status).to_owned())).collect()
}

fn says(place: &Place<'_>, message: &str) -> Result<()> {
    let what = format!("the message to be {message}");
    place.until("configmap", "web-hello", &what, |map| map["data"]["message"] == message).map(drop)
}

/// Generation and identity of an object.
fn state(place: &Place<'_>, kind: &str, name: &str) -> Result<[Value; 2]> {
    let object = place.get(kind, name)?.with_context(|| format!("there is no {kind} {name}"))?;
    Ok([object["metadata"]["generation"].clone(), object["metadata"]["uid"].clone()])
}

fn pods(place: &Place<'_>) -> Result<String> {
    place.kubectl(&["get", "pods", "-o", "jsonpath={.items[*].metadata.uid}"])
}

#[tokio::test]
async fn every_command_of_helm_works_on_our_releases_and_a_suspended_request_leaves_its_doings_alone() -> Result<()> {
    let place = place("commands").await?;
    place.apply(&place.request("web", hello("one")))?;
    place.until_ready("web")?;
    place.change(&json!({"values": {"message": "two"}}))?;
    place.until_ready("web")?;

    let listed = helm_json(&place, &["list"])?;
    assert_eq!((&listed[0]["name"], &listed[0]["revision"]), (&json!("web"), &json!("2")), "{listed}");
    assert_eq!((&listed[0]["status"], &listed[0]["chart"]), (&json!("deployed"), &json!("hello-0.1.0")), "{listed}");
    assert!(place.helm(&["status", "web"])?.contains("STATUS: deployed"));
    let all = place.helm(&["get", "all", "web"])?;
    for part in ["NAME: web", "message: two", "# Source: hello/templates/deployment.yaml", "NOTES:"] {
        assert!(all.contains(part), "{part} in {all}");
    }
    assert_eq!(helm_json(&place, &["get", "metadata", "web"])?["applyMethod"], "ssa");
    assert_eq!(history(&place)?, rows(&["superseded", "deployed"]));

    place.change(&json!({"suspend": true}))?;
    place.until("helmrequest", "web", "to be told as suspended", |request| {
        condition(request, "Ready").is_some_and(|ready| ready["reason"] == "Suspended")
    })?;
    place.helm(&["rollback", "web", "1"])?;
    says(&place, "one")?;
    place.helm(&["upgrade", "web", &chart("hello-0.1.0"), "--set", "message=three"])?;
    std::thread::sleep(QUIET);
    says(&place, "three")?;
    assert_eq!(history(&place)?, rows(&["superseded", "superseded", "superseded", "deployed"]));
    place.helm(&["uninstall", "web"])?;
    std::thread::sleep(QUIET);
    assert!(place.get("deployment", "web-hello")?.is_none(), "a suspended request installs nothing");

    place.change(&json!({"suspend": false}))?;
    says(&place, "two")?;
    place.until_ready("web")?;
    assert_eq!(history(&place)?, rows(&["deployed"]));
    place.until_event("web", "ChangedOutside", "uninstalled by another writer").map(drop)
}

#[tokio::test]
async fn what_helm_does_under_us_is_noticed_told_and_undone() -> Result<()> {
    let place = place("under-us").await?;
    place.apply(&place.request("web", hello("ours")))?;
    place.until_ready("web")?;

    place.helm(&["upgrade", "web", &chart("hello-0.2.0"), "--set", "message=theirs"])?;
    let began = Instant::now();
    says(&place, "ours")?;
    place.until("helmrequest", "web", "revision 3", |request| request["status"]["revision"] == 3)?;
    ensure!(began.elapsed() < SOON, "it took {:?}", began.elapsed());
    place.until_event("web", "ChangedOutside", "revision 2 was made by another writer; revision 3")?;
    assert!(place.get("poddisruptionbudget", "web-hello")?.is_none(), "what their chart brought is gone");
    assert_eq!(history(&place)?, rows(&["superseded", "superseded", "deployed"]));

    place.helm(&["rollback", "web", "2"])?;
    place.until("helmrequest", "web", "revision 5", |request| request["status"]["revision"] == 5)?;
    says(&place, "ours")?;
    place.helm(&["rollback", "web", "3"])?;
    place.until_event("web", "ChangedOutside", "revision 6 was made by another writer; it is as the request says")?;
    place.until("helmrequest", "web", "revision 6", |request| request["status"]["revision"] == 6)?;

    place.helm(&["uninstall", "web"])?;
    let began = Instant::now();
    place.until_event("web", "ChangedOutside", "uninstalled by another writer")?;
    says(&place, "ours")?;
    ensure!(began.elapsed() < SOON, "it took {:?}", began.elapsed());
    // Until the operator says otherwise, the status is that of the release before.
    let is_deployed = |record: &Value| record["metadata"]["labels"]["status"] == "deployed";
    place.until("secret", "sh.helm.release.v1.web.v1", "revision 1 to be deployed", is_deployed)?;
    assert_eq!(history(&place)?, rows(&["deployed"]));
    Ok(())
}

#[tokio::test]
async fn a_release_of_helm_is_adopted_and_nothing_changes_but_the_owner_of_its_fields() -> Result<()> {
    let place = place("adopted").await?;
    let install = ["install", "web", &chart("hello-0.1.0"), "--set", "message=same", "--wait"];
    // Applied by the client, as Helm 3 did it.
    place.helm(&[&install[..], &["--server-side=false"]].concat())?;
    let before = (state(&place, "deployment", "web-hello")?, state(&place, "service", "web-hello")?, pods(&place)?);
    place.apply(&place.request("web", hello("same")))?;
    place.until_ready("web")?;
    let after = (state(&place, "deployment", "web-hello")?, state(&place, "service", "web-hello")?, pods(&place)?);
    assert_eq!(before, after, "no new generation, no new object, no restart");
    assert_eq!(history(&place)?, rows(&["deployed"]));
    let fields =
        place.kubectl(&["get", "deployment", "web-hello", "--show-managed-fields", "-o", "jsonpath={.metadata}"])?;
    let fields: Value = serde_json::from_str(&fields)?;
    let entries = fields["managedFields"].as_array().context("managed fields")?;
    let ours: Vec<_> = entries.iter().filter(|entry| entry["manager"] == "helm").collect();
    assert!(ours.len() == 1 && ours[0]["operation"] == "Apply", "{entries:?}");
    assert!(place.events("web", "ChangedOutside")?.is_empty(), "a release that was never ours was not changed");

    place.change(&json!({"values": {"message": "new"}}))?;
    says(&place, "new")?;
    place.until_ready("web")?;
    assert_eq!(history(&place)?, rows(&["superseded", "deployed"]));
    Ok(())
}

#[tokio::test]
async fn what_a_chart_draws_at_random_stays_when_its_release_is_adopted() -> Result<()> {
    let place = place("drawn").await?;
    place.helm(&["install", "web", &chart("drawn")])?;
    let secret =
        |place: &Place<'_>| Ok::<_, anyhow::Error>(place.get("secret", "web")?.context("a Secret")?["data"].clone());
    let before = secret(&place)?;
    place.apply(&place.request("web", json!({"chart": "charts/drawn"})))?;
    place.until_ready("web")?;
    assert_eq!(secret(&place)?, before);
    assert_eq!(history(&place)?, rows(&["deployed"]));

    place.change(&json!({"values": {"user": "bob"}}))?;
    place.until("helmrequest", "web", "revision 2", |request| request["status"]["revision"] == 2).map(drop)
}

#[tokio::test]
async fn helm_3_reads_our_releases_and_its_own_are_adopted() -> Result<()> {
    let place = place("helm-3").await?;
    let helm_3 = |arguments: &[&str]| {
        command::output(place.world.cluster.helm_3().args(arguments).args(["--namespace", &place.namespace]))
    };
    place.apply(&place.request("web", hello("one")))?;
    place.until_ready("web")?;
    place.change(&json!({"values": {"message": "two"}}))?;
    place.until_ready("web")?;
    let listed: Value = serde_json::from_str(&helm_3(&["list", "-o", "json"])?)?;
    assert_eq!((&listed[0]["status"], &listed[0]["revision"]), (&json!("deployed"), &json!("2")), "{listed}");
    for (arguments, text) in [
        (["history", "web"], "Upgrade complete"),
        (["status", "web"], "STATUS: deployed"),
        (["get", "all"], "# Source: hello/templates/deployment.yaml"),
    ] {
        let name = if arguments[1] == "all" { &["web"][..] } else { &[] };
        let shown = helm_3(&[&arguments[..], name].concat())?;
        assert!(shown.contains(text), "{arguments:?}: {shown}");
    }

    place.kubectl(&["delete", "helmrequest", "web"])?;
    helm_3(&["install", "web", &chart("hello-0.1.0"), "--set", "message=same", "--wait"])?;
    let before = (state(&place, "deployment", "web-hello")?, pods(&place)?);
    place.apply(&place.request("web", hello("same")))?;
    place.until_ready("web")?;
    assert_eq!((state(&place, "deployment", "web-hello")?, pods(&place)?), before);
    assert_eq!(history(&place)?, rows(&["deployed"]));
    Ok(())
}

/// Starts a helm command that waits for a hook, and kills it there.
fn kill_while_pending(place: &Place<'_>, arguments: &[&str], status: &str) -> Result<()> {
    let mut helm = place.world.cluster.helm();
    helm.args(arguments).args(["--set", "runFor=40s", "--namespace", &place.namespace]);
    let mut running = helm.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let pending = wait::until(LIMIT, "helm to be in the middle", || {
        let job = place.get("job", "web-before")?;
        let waiting = job.is_some_and(|job| job["spec"]["template"].to_string().contains("40s"));
        let recorded = place.helm(&["history", "web"]).is_ok_and(|history| history.contains(status));
        Ok((waiting && recorded).then_some(()))
    });
    running.kill()?;
    running.wait()?;
    pending
}

#[tokio::test]
async fn an_install_that_a_killed_helm_left_is_taken_over() -> Result<()> {
    let place = place("killed-install").await?;
    kill_while_pending(&place, &["install", "web", &chart("hooks")], "pending-install")?;
    place.apply(&place.request("web", json!({"chart": "charts/hooks", "values": {"runFor": "0s"}})))?;
    place.until("helmrequest", "web", "the request to give way", |request| {
        let ready = condition(request, "Ready").cloned().unwrap_or_default();
        ready["message"].as_str().is_some_and(|message| message.contains("another writer works on revision 1"))
    })?;
    place.until_ready("web")?;
    assert_eq!(history(&place)?, rows(&["superseded", "deployed"]));
    place.until_event("web", "ChangedOutside", "revision 1 was left pending-install").map(drop)
}

#[tokio::test]
async fn an_upgrade_that_a_killed_helm_left_is_taken_over() -> Result<()> {
    let place = place("killed-upgrade").await?;
    place.apply(&place.request("web", json!({"chart": "charts/hooks", "values": {"runFor": "0s"}})))?;
    place.until_ready("web")?;
    kill_while_pending(&place, &["upgrade", "web", &chart("hooks")], "pending-upgrade")?;
    place.until("helmrequest", "web", "revision 3", |request| request["status"]["revision"] == 3)?;
    place.until_ready("web")?;
    assert_eq!(history(&place)?, rows(&["superseded", "superseded", "deployed"]));
    Ok(())
}

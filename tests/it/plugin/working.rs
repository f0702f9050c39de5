//! What people do with a release beside changing its spec.

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::{assert_golden, captain, printed, refused};
use crate::support::{charts, wait};
use crate::world::{LIMIT, Place, world};

async fn place(purpose: &str) -> Result<Place<'static>> {
    let place = world().place(purpose, &["hello-0.1.0", "hello-0.2.0", "hooks"]).await?;
    place.apply(&place.request("web", json!({"chart": "charts/hello", "version": "0.1.0"})))?;
    place.until_ready("web")?;
    Ok(place)
}

#[tokio::test]
async fn a_release_is_suspended_resumed_and_uninstalled() -> Result<()> {
    let place = place("switched").await?;
    assert_eq!(printed(&place, &["suspend", "web"])?, "helmrequest.app.alauda.io/web suspended\n");
    assert_eq!(printed(&place, &["suspend", "web"])?, "helmrequest.app.alauda.io/web unchanged\n");
    let said = refused(&place, &["wait", "web", "-t", "20"])?;
    assert!(said.contains("it is suspended"), "{said}");
    let all = ["resume", "-l", "team=shop"];
    let none = captain(&place, &all)?;
    assert!(
        none.code == Some(0) && none.stdout.is_empty() && none.stderr.contains("no HelmRequests with labels team=shop")
    );
    place.kubectl(&["label", "helmrequest", "web", "team=shop"])?;
    assert_eq!(printed(&place, &all)?, "helmrequest.app.alauda.io/web resumed\n");
    assert!(refused(&place, &["uninstall", "-A"])?.contains("say what with --selector"));
    assert_eq!(printed(&place, &["wait", "web", "-t", "60"])?, "helmrequest.app.alauda.io/web ready at revision 1\n");

    let dry = captain(&place, &["uninstall", "web", "--dry-run"])?;
    assert_eq!(dry.code, Some(2), "{}", dry.stderr);
    assert!(place.get("helmrequest", "web")?.is_some_and(|request| request["metadata"]["deletionTimestamp"].is_null()));
    printed(&place, &["uninstall", "web", "-w", "-t", "60"])?;
    assert!(place.get("helmrequest", "web")?.is_none() && place.get("deployment", "web-hello")?.is_none());

    place.apply(&place.request("web", json!({"chart": "charts/hello"})))?;
    place.until_ready("web")?;
    printed(&place, &["uninstall", "web", "--keep-resources", "-w", "-t", "60"])?;
    assert!(place.get("deployment", "web-hello")?.is_some(), "the objects stay");
    Ok(())
}

#[tokio::test]
async fn tests_of_a_chart_are_run_when_asked_for() -> Result<()> {
    let place = place("examined").await?;
    place.apply(&place.request("hooked", json!({"chart": "charts/hooks"})))?;
    place.until_ready("hooked")?;
    let told = printed(&place, &["test", "hooked", "-t", "60"])?;
    assert!(told.starts_with("helmrequest.app.alauda.io/hooked TestsSucceeded"), "{told}");
    let request = place.get("helmrequest", "hooked")?.context("the request")?;
    assert!(request["spec"]["test"].is_null(), "what is wished for is as before");
    place.merge("helmrequest", "hooked", &json!({"spec": {"values": {"failTest": true}}}))?;
    place.until_ready("hooked")?;
    let said = refused(&place, &["test", "hooked", "-t", "60"])?;
    assert!(said.contains("the tests of HelmRequest \"hooked\" failed: "), "{said}");
    Ok(())
}

#[tokio::test]
async fn what_is_wrong_is_found_by_waiting_by_events_and_by_logs() -> Result<()> {
    let place = place("sick").await?;
    place.change(&json!({"version": "0.2.0", "values": {"podLabels": {"kwok-unready": "true"}}}))?;
    let said = wait::until(LIMIT, "the worst object to be told", || {
        let said = refused(&place, &["wait", "web", "-t", "2"])?;
        Ok(Some(said).filter(|said| said.contains("worst object: Deployment \"web-hello\"")))
    })?;
    assert!(said.contains("is not ready after 2s"), "{said}");
    let events = printed(&place, &["events", "web"])?;
    assert!(events.starts_with("LAST SEEN") && events.contains("HelmRequest/web"), "{events}");
    assert!(events.contains("Deployment/web-hello") && events.contains("Pod/web-hello-"), "{events}");
    assert_eq!(printed(&place, &["events", "-A", "-l", "team=nobody"])?, "");
    place.merge("helmrequest", "web", &json!({"metadata": {"labels": {"team": "sick"}}}))?;
    let events = printed(&place, &["events", "-A", "-l", "team=sick"])?;
    assert!(events.starts_with("NAMESPACE") && events.contains(&place.namespace), "{events}");
    let logs = printed(&place, &["logs", "web"])?;
    assert!(logs.contains("==> Pod/web-hello-"), "{logs}");

    place.apply(&place.request("hooked", json!({"chart": "charts/hooks"})))?;
    place.until_ready("hooked")?;
    let logs = printed(&place, &["logs", "hooked"])?;
    assert!(logs.contains("==> Pod/") && logs.contains("a line from a simulated container"), "{logs}");
    Ok(())
}

#[tokio::test]
async fn an_object_is_traced_to_its_request() -> Result<()> {
    let place = place("traced").await?;
    let pod = place.kubectl(&["get", "pods", "-o", "jsonpath={.items[0].metadata.name}"])?;
    let way = printed(&place, &["trace", "pod", &pod])?;
    let lines: Vec<&str> = way.lines().map(str::trim_start).collect();
    let namespace = &place.namespace;
    assert_eq!(lines[0], format!("Pod/{pod} in namespace {namespace}"));
    assert!(lines[1].starts_with("└─ ReplicaSet/web-hello-"), "{way}");
    assert_eq!(lines[2], format!("└─ Deployment/web-hello in namespace {namespace}"));
    let request = format!("└─ HelmRequest/web in namespace {namespace}: release web, revision 1, Synced");
    assert_eq!(lines[3], request);
    assert!(printed(&place, &["trace", "deployments.apps/web-hello"])?.contains("HelmRequest/web"));
    let way: Value = serde_json::from_str(&printed(&place, &["trace", "pod", &pod, "-o", "json"])?)?;
    assert_eq!((&way["objects"][2]["kind"], &way["release"]["request"]["name"]), (&json!("Deployment"), &json!("web")));
    assert_eq!(printed(&place, &["trace", "pod", &pod, "-o", "name"])?, "helmrequest.app.alauda.io/web\n");
    assert!(refused(&place, &["trace", "gizmo/web"])?.contains("serves no kind \"gizmo\""));
    assert!(refused(&place, &["trace", "configmap/kube-root-ca.crt"])?.contains("belongs to no release"));
    Ok(())
}

#[tokio::test]
async fn charts_are_found_and_looked_into() -> Result<()> {
    let place = place("catalogue").await?;
    let found = printed(&place, &["search", "hello", "--versions"])?;
    let lines: Vec<&str> = found.lines().collect();
    assert_eq!(lines.len(), 3, "{found}");
    assert!(lines[1].starts_with("charts/hello   0.2.0     2.0.0"), "{found}");
    assert_eq!(printed(&place, &["search", "hook", "-o", "name"])?, "charts/hooks\n");
    assert!(printed(&place, &["search", "hook", "-A", "-l", "repo=charts"])?.contains("charts/hooks"));
    assert_eq!(printed(&place, &["search", "hook", "-l", "repo=others"])?, "");
    let values = std::fs::read_to_string(charts::folder("hello-0.1.0").join("values.yaml"))?;
    assert_eq!(printed(&place, &["show", "values", "charts/hello", "-v", "0.1.0"])?, values);
    assert!(printed(&place, &["show", "chart", "charts/hello"])?.contains("version: 0.2.0"));
    assert_eq!(printed(&place, &["show", "versions", "charts/hello"])?.lines().count(), 3);
    assert!(refused(&place, &["show", "readme", "charts/hooks"])?.contains("has no readme.md"));
    let said = refused(&place, &["show", "values", "charts/hello", "-v", "9"])?;
    assert!(said.contains("chart \"hello\" has no version \"9\": it has 0.2.0, 0.1.0"), "{said}");
    assert!(refused(&place, &["show", "values", "shop/hello"])?.contains("no ChartRepo \"shop\""));
    Ok(())
}

#[tokio::test]
async fn revisions_are_compared_field_by_field() -> Result<()> {
    let place = place("compared").await?;
    assert!(refused(&place, &["diff", "web"])?.contains("revision 1 is the first one"));
    place.change(&json!({"version": "0.2.0", "values": {"replicas": 2}}))?;
    place.until_ready("web")?;
    assert_golden(&place, "diff", &captain(&place, &["diff", "web"])?.stdout)?;
    let same = captain(&place, &["diff", "web", "--from", "2"])?;
    assert_eq!((same.code, same.stdout.ends_with("0 added, 0 changed, 0 removed\n")), (Some(0), true));
    assert_eq!(captain(&place, &["diff", "web"])?.code, Some(2));
    Ok(())
}

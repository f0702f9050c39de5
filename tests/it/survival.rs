//! What happens to a cluster while releases are watched: its API server restarts, forgets, loses a kind, breaks in one
//! corner, takes a right away. Each time the releases that it does not concern are installed and repaired as ever, and
//! the others say what they wait for and go on by themselves.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::bad_input::PROMPT;
use crate::drift_table::definition;
use crate::support::proxy::{Fault, Seen};
use crate::support::wait;
use crate::world::{LIMIT, Place, World, condition, world};

fn settings(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"color": "green"}})
}

/// Asks for a release of these objects.
fn ask(place: &Place<'_>, name: &str, objects: &[Value]) -> Result<()> {
    place.apply(&place.request(name, json!({"chart": "charts/objects", "values": {"objects": objects}})))
}

/// Deletes an object and waits until another is in its place.
fn repaired(place: &Place<'_>, kind: &str, name: &str) -> Result<()> {
    let before = place.get(kind, name)?.with_context(|| format!("{kind} {name}"))?;
    place.kubectl(&["delete", kind, name])?;
    place.until(kind, name, "the object to be made again", |live| {
        live["metadata"]["uid"] != before["metadata"]["uid"]
    })?;
    Ok(())
}

/// Changes a field and waits until it is as declared again.
fn restored(place: &Place<'_>, name: &str) -> Result<()> {
    place.kubectl(&["patch", "configmap", name, "--type=merge", "-p", r#"{"data": {"color": "red"}}"#])?;
    place.until("configmap", name, "the field to be restored", |live| live["data"]["color"] == "green").map(drop)
}

/// An aggregated API whose server cannot be reached.
fn unreachable_api(place: &Place<'_>, group: &str) -> Result<()> {
    place.apply(&json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "nowhere", "namespace": place.namespace},
        "spec": {"type": "ExternalName", "externalName": "localhost"},
    }))?;
    place.apply(&json!({
        "apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": {"name": format!("v1.{group}")},
        "spec": {
            "group": group, "version": "v1", "groupPriorityMinimum": 100, "versionPriority": 10,
            "insecureSkipTLSVerify": true, "service": {"name": "nowhere", "namespace": place.namespace, "port": 9},
        },
    }))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_server_that_restarts_with_a_broken_corner_stops_nothing() -> Result<()> {
    let mut world = World::start()?;
    world.cluster.spoil();
    let place = world.place("restarted", &["objects"]).await?;
    ask(&place, "web", &[settings("web")])?;
    place.until_ready("web")?;
    unreachable_api(&place, "broken.example.org")?;
    let Place { namespace, server, folder, .. } = place;

    // What the watches would go on from is forgotten by etcd, and so by the API server that starts.
    world.cluster.stop_apiserver();
    world.cluster.compact()?;
    world.cluster.start_apiserver()?;
    let place = Place { world: &world, namespace, server, folder };
    repaired(&place, "configmap", "web")?;
    restored(&place, "web")?;
    let service = place.kubectl(&["get", "apiservice", "v1.broken.example.org", "-o", "json"])?;
    assert!(service.contains("FailedDiscoveryCheck"), "it is broken: {service}");
    ask(
        &place,
        "more",
        &[settings("more"), json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "more"}})],
    )?;
    place.until_ready("more")?;
    repaired(&place, "serviceaccount", "more")?;

    let gauge = json!({"apiVersion": "broken.example.org/v1", "kind": "Gauge", "metadata": {"name": "far"}});
    ask(&place, "far", &[gauge, settings("far")])?;
    let message = place.until_failed("far", "UnknownKind")?;
    assert!(message.contains("broken.example.org/v1") && message.contains("Gauge"), "{message}");

    // What is only to be told is found after a restart of the operator too, and left.
    let spec = json!({
        "chart": "charts/objects", "values": {"objects": [settings("told")]}, "drift": {"mode": "Report"},
    });
    place.apply(&place.request("told", spec))?;
    place.until_ready("told")?;
    world.kill_operator();
    place.kubectl(&["patch", "configmap", "told", "--type=merge", "-p", r#"{"data": {"color": "red"}}"#])?;
    world.start_operator()?;
    place.until("helmrequest", "told", "the change to be told", |request| {
        request["status"]["drift"]["objects"][0]["fields"] == json!([".data.color"])
    })?;
    assert_eq!(place.get("configmap", "told")?.context("the object")?["data"]["color"], "red");
    missing_at_a_start(&world, &place)
}

/// A definition that is gone when the operator starts holds up nothing else of its release.
fn missing_at_a_start(world: &World, place: &Place<'_>) -> Result<()> {
    let group = format!("{}.example.org", place.namespace);
    let (definition, plural) = (definition(&group, "Dial", "Namespaced"), format!("dials.{group}"));
    place.apply(&definition)?;
    place.kubectl(&["wait", "--for=condition=Established", "crd", &plural])?;
    let dial =
        json!({"apiVersion": format!("{group}/v1"), "kind": "Dial", "metadata": {"name": "torn"}, "spec": {"at": 1}});
    ask(place, "torn", &[dial, settings("torn"), settings("torn-more")])?;
    place.until_ready("torn")?;
    world.kill_operator();
    place.kubectl(&["delete", "crd", &plural])?;
    place.kubectl(&["delete", "configmap", "torn"])?;
    world.start_operator()?;
    place.until("configmap", "torn", "the other object to be made again", |_| true)?;
    let message = place.until_failed("torn", "UnknownKind")?;
    assert!(message.contains("Dial"), "{message}");
    repaired(place, "configmap", "torn-more")?;
    restored(place, "torn")?;
    place.apply(&definition)?;
    place.until_ready("torn")?;
    assert_eq!(place.get(&plural, "torn")?.context("the object")?["spec"]["at"], 1);
    assert_eq!(place.get("helmrequest", "torn")?.context("the request")?["status"]["revision"], 1);
    Ok(())
}

/// Cuts every watch soon, and refuses the next of each path as too old, in both forms.
fn forget(forgetful: Arc<AtomicBool>) -> impl Fn(&Seen) -> Option<Fault> {
    let refused: Mutex<HashMap<String, usize>> = Mutex::default();
    move |seen| {
        if !seen.watches {
            return None;
        }
        let cut = Some(Fault::CutAfter(Duration::from_secs(1)));
        if !forgetful.load(Ordering::Relaxed) {
            return cut;
        }
        let mut refused = refused.lock().unwrap_or_else(PoisonError::into_inner);
        let count = refused.entry(seen.path.clone()).or_default();
        *count += 1;
        match *count {
            1 | 2 => Some(Fault::Expire),
            // The API server answers like this nowhere today; of what releases are made of it is understood too.
            3 | 4 if seen.path.ends_with("/configmaps") => Some(Fault::Refuse(410)),
            _ => cut,
        }
    }
}

const NETWORKING: &str = "networking.k8s.io";

/// Gives the operator every right but those on one group.
fn take_right_away(place: &Place<'_>) -> Result<()> {
    let groups: Vec<String> = place
        .kubectl(&["api-resources", "--no-headers", "-o", "name"])?
        .lines()
        .map(|name| name.split_once('.').map_or("", |(_, group)| group).to_owned())
        .filter(|group| group != NETWORKING)
        .collect();
    place.apply(&json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "coxswain"},
        "rules": [{"apiGroups": groups, "resources": ["*"], "verbs": ["*"]}],
    }))
}

fn give_right(place: &Place<'_>) -> Result<()> {
    place.apply(&json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "coxswain"},
        "rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}],
    }))
}

fn policy(name: &str) -> Value {
    json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": name},
        "spec": {"podSelector": {}, "policyTypes": ["Ingress"]},
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn watches_that_are_too_old_miss_nothing_and_one_that_is_refused_is_told() -> Result<()> {
    let (world, proxy) = World::start_proxied()?;
    let forgetful = Arc::new(AtomicBool::new(false));
    proxy.judge(forget(Arc::clone(&forgetful)));
    let place = world.place("forgotten", &["objects"]).await?;
    ask(&place, "web", &[settings("web"), policy("web")])?;
    ask(&place, "other", &[settings("other")])?;
    place.until_ready("web")?;
    place.until_ready("other")?;
    forgetful.store(true, Ordering::Relaxed);
    for name in ["web", "other"] {
        repaired(&place, "configmap", name)?;
        restored(&place, name)?;
    }
    repaired(&place, "networkpolicy", "web")?;

    forgetful.store(false, Ordering::Relaxed);
    place.until_ready("web")?;
    take_right_away(&place)?;
    let blind = place.until("helmrequest", "web", "the missing right to be told", |request| {
        condition(request, "Ready").is_some_and(|ready| ready["reason"] == "PermissionDenied")
    })?;
    let ready = condition(&blind, "Ready").context("a condition")?;
    let message = ready["message"].as_str().unwrap_or_default();
    assert_eq!((&ready["status"], &blind["status"]["phase"]), (&json!("Unknown"), &json!("Synced")));
    for word in ["networkpolicies.networking.k8s.io", "may not", "grant the right"] {
        assert!(message.contains(word), "{message}");
    }
    // What it does not concern goes on, in the same release too; a new one that it concerns says so.
    restored(&place, "other")?;
    restored(&place, "web")?;
    ask(&place, "more", &[settings("more")])?;
    place.until_ready("more")?;
    ask(&place, "denied", &[policy("denied")])?;
    let denied = place.until_failed("denied", "PermissionDenied")?;
    assert!(denied.contains("networkpolicies"), "{denied}");

    place.kubectl(&["delete", "networkpolicy", "web"])?;
    give_right(&place)?;
    place.until("networkpolicy", "web", "what was deleted meanwhile to be made again", |_| true)?;
    place.until_ready("web")?;
    wait::until(LIMIT * 2, "the new request to be served", || {
        Ok(place.get("helmrequest", "denied")?.filter(|request| request["status"]["phase"] == "Synced"))
    })?;
    Ok(())
}

#[tokio::test]
async fn a_kind_that_is_removed_and_comes_back_is_watched_and_repaired_again() -> Result<()> {
    let place = world().place("removed", &["objects"]).await?;
    let group = format!("{}.example.org", place.namespace);
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("dials.{group}")},
        "spec": {
            "group": group, "scope": "Namespaced", "names": {"kind": "Dial", "plural": "dials", "singular": "dial"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {
                "type": "object", "properties": {"spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
            }}}],
        },
    });
    place.apply(&definition)?;
    place.kubectl(&["wait", "--for=condition=Established", "crd", &format!("dials.{group}")])?;
    let dial = json!({
        "apiVersion": format!("{group}/v1"), "kind": "Dial", "metadata": {"name": "web"}, "spec": {"shows": "hours"},
    });
    let plural = format!("dials.{group}");
    ask(&place, "web", &[dial, settings("web")])?;
    ask(&place, "other", &[settings("other")])?;
    place.until_ready("web")?;
    place.until_ready("other")?;

    place.kubectl(&["delete", "crd", &plural])?;
    let message = place.until_failed("web", "UnknownKind")?;
    assert!(message.contains("Dial"), "{message}");
    repaired(&place, "configmap", "web")?;
    repaired(&place, "configmap", "other")?;

    place.apply(&definition)?;
    let began = std::time::Instant::now();
    place.until_ready("web")?;
    assert!(began.elapsed() < PROMPT * 2, "it took {:?}", began.elapsed());
    assert_eq!(place.get(&plural, "web")?.context("the object")?["spec"]["shows"], "hours");
    repaired(&place, &plural, "web")?;
    place.kubectl(&["patch", &plural, "web", "--type=merge", "-p", r#"{"spec": {"shows": "minutes"}}"#])?;
    place.until(&plural, "web", "the field to be restored", |live| live["spec"]["shows"] == "hours")?;
    place.kubectl(&["delete", "hr", "web", "other"])?;
    place.kubectl(&["delete", "crd", &plural]).map(drop)
}
